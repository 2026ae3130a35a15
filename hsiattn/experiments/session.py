"""A session of a benchmark: what is missing of it is run, and every result is kept as soon as it is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from hsiattn.experiments.execution import Failed, cores, side_by_side
from hsiattn.experiments.measurement import Task, perform
from hsiattn.experiments.plan import plan_names, plan_path
from hsiattn.experiments.protocols import data_fingerprint
from hsiattn.experiments.records import RecordFolder
from hsiattn.experiments.runs import Run
from hsiattn.experiments.scenes import open_entry


@dataclass
class Session:
    """How far a benchmark has come.

    Attributes
    ----------
    runs
        Number of the runs of the plan, after filters.
    before
        Runs that an earlier session has finished.
    done
        Runs that this one has finished.
    failed
        Runs and reasons.
    """

    runs: int
    before: int
    done: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)

    def __str__(self) -> str:
        return f"of {self.runs} runs {self.done} done, {self.before} done before, {len(self.failed)} failed"

    def run(
        self,
        tasks: Sequence[Task],
        folder: RecordFolder,
        *,
        jobs: int | None,
        threads: int,
        advance: Callable[[int, int], None] | None = None,
        tell: Callable[[str], None] = lambda traceback: None,
    ) -> None:
        """Run tasks side by side and keep their results.

        Parameters
        ----------
        jobs, threads
            Processes, by default as many as the threads of each leave cores.
        advance
            Called with the numbers of runs that are done and that have failed.
        tell
            Called with the traceback of a run that failed.
        """
        jobs = jobs or max(1, cores() // threads)
        with closing(side_by_side(perform, tasks, jobs=jobs, threads=threads)) as results:
            for task, result in results:
                if isinstance(result, Failed):
                    self.failed.append((str(task.run), result.reason))
                    tell(result.traceback)
                else:
                    folder.write(task.run, result)
                    self.done += 1
                if advance:
                    advance(self.done, len(self.failed))

    def reasons(self) -> list[tuple[str, str]]:
        """Every reason of failures once, with the first of the runs that failed for it and the number of the others."""
        by_reason: dict[str, list[str]] = {}
        for run, reason in self.failed:
            by_reason.setdefault(reason, []).append(run)
        return [
            (f"run {runs[0]}{f' and {len(runs) - 1} more' if len(runs) > 1 else ''}", reason)
            for reason, runs in by_reason.items()
        ]


def data_folder(config: str, data: str | None) -> Path:
    """The folder that paths of a plan are relative to; for a plan of the package, the working directory."""
    if data is not None:
        return Path(data).resolve()
    return Path.cwd() if config in plan_names() else plan_path(config).parent.resolve()


def make_tasks(runs: Sequence[Run], data: Path, folder: Path, device: str) -> list[Task]:
    """The runs with the fingerprints of their data, for which every scene is opened once.

    Raises
    ------
    HsiattnError
        A scene, labels or files of a protocol are missing or damaged.
    """
    fingerprints: dict[tuple[str, str, int], str] = {}
    for run in sorted(runs, key=lambda run: run.scene.name):
        key = run.scene.name, run.protocol.name, run.seed
        if key not in fingerprints:
            fingerprints[key] = data_fingerprint(run, open_entry(run.scene, data), data)
    return [
        Task(run, fingerprints[run.scene.name, run.protocol.name, run.seed], data, folder.resolve(), device)
        for run in runs
    ]
