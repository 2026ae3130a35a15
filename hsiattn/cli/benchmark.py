"""`hsiattn benchmark`: recipes × scenes × protocols × seeds, with records and a report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hsiattn.cli import options
from hsiattn.cli.failures import Failure, print_line
from hsiattn.cli.progress import duration, run_progress
from hsiattn.cli.wording import in_options
from hsiattn.files.outputs import make_folder

if TYPE_CHECKING:
    from hsiattn.experiments.plan import Plan
    from hsiattn.experiments.records import RecordFolder
    from hsiattn.experiments.runs import Run
    from hsiattn.experiments.session import Session


@click.command(short_help="Compare recipes on scenes, over protocols and seeds.")
@click.argument("config", metavar="CONFIG")
@click.option(
    "-o", "--output", required=True, metavar="FOLDER", help="Folder of the results; created if it is missing."
)
@click.option(
    "--data",
    metavar="FOLDER",
    help="Folder that paths in CONFIG are relative to; default: that of CONFIG, or the working one for a plan of the "
    "package.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    metavar="N",
    help="Number of runs at the same time; default: CPU cores divided by --threads.",
)
@click.option(
    "--threads", type=click.IntRange(1), default=1, show_default=True, metavar="N", help="CPU threads of each run."
)
@click.option("--seeds", type=click.IntRange(1), metavar="N", help="The seeds 0 … N-1 instead of those of CONFIG.")
@click.option(
    "--only", multiple=True, metavar="KIND=NAME",
    help="Do only the runs of scene=NAME, protocol=NAME or recipe=NAME; may be repeated, names of one kind are "
    "alternatives. In NAME, * stands for anything.",
)  # fmt: skip
@click.option("--skip", multiple=True, metavar="KIND=NAME", help="Do not do those runs; may be repeated.")
@click.option("--report-only", is_flag=True, help="Run nothing; write tables and report of what is finished.")
@options.device
@click.option("--overwrite", is_flag=True, help="Do runs again that were finished with another configuration.")
@options.as_json
@options.common
@click.pass_context
def benchmark(
    ctx: click.Context,
    /,
    config: str,
    output: str,
    data: str | None,
    jobs: int | None,
    threads: int,
    seeds: int | None,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    report_only: bool,
    device: str,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Run every recipe of CONFIG on every scene, under every protocol, with every seed, and compare them.

    CONFIG is a YAML file, or the name of one of the package (example). Recipes share the splits, so that they are
    compared pair by pair. Every finished run is kept in FOLDER, and the same command continues where it stopped.
    FOLDER then holds runs.csv, one line per run (also runs.parquet where pyarrow is installed), classes.csv,
    report.html, report.md and report.tex, always of all finished runs of CONFIG.

    \b
        hsiattn datasets example data
        hsiattn benchmark example --data data -o results
        hsiattn benchmark mine.yaml -o results --only scene=salinas-a --only recipe=default --seeds 2
    """
    if report_only:
        running = ("only", "skip", "data", "jobs", "threads", "device", "overwrite")
        options.refuse_without_effect(ctx, running, "with --report-only, which runs nothing")

    from hsiattn.experiments.plan import load_plan, plan_path
    from hsiattn.experiments.records import RecordFolder
    from hsiattn.experiments.runs import only as filtered
    from hsiattn.experiments.runs import runs_of, without
    from hsiattn.experiments.session import Session, data_folder, make_tasks

    plan, home = load_plan(config), plan_path(config).parent
    runs = runs_of(plan, beside=home, seeds=None if seeds is None else range(seeds))
    folder, session = RecordFolder(Path(output)), Session(0, 0)
    if not report_only:
        chosen = without(plan, filtered(plan, runs, only), skip)
        tasks = make_tasks(chosen, data_folder(config, data), Path(output), device)
        missing = folder.unfinished(tasks, overwrite)
        make_folder(Path(output))
        session = Session(len(chosen), len(chosen) - len(missing))
        tell = options.print_to_stderr if options.verbosity(ctx) > 0 else lambda traceback: None
        try:
            with run_progress(len(missing)) as advance:
                session.run(missing, folder, jobs=jobs, threads=threads, advance=advance, tell=tell)
        except KeyboardInterrupt as interrupt:
            raise Failure(f"interrupted: {session}; the same command goes on from there") from interrupt
    if report_only or folder.read_all(runs):
        finish(plan, runs, folder, session, as_json)
    for run, reason in session.reasons():
        print_line(f"{run}: {in_options(reason)}")
    if session.failed:
        raise Failure(f"{len(session.failed)} of {session.runs} runs failed; the same command tries them again")


def finish(plan: Plan, runs: Sequence[Run], folder: RecordFolder, session: Session, as_json: bool) -> None:
    """Write tables and report of the finished runs, and tell where they are."""
    from hsiattn.experiments.report import make_report, write_report

    report = make_report(plan, runs, folder)
    records = folder.read_all(runs)
    written = [*folder.write_tables(records), *write_report(report, folder.folder)]
    if as_json:
        counts = {"runs": len(runs), "finished": len(records), "done": session.done, "done_before": session.before}
        failed = [{"run": run, "reason": in_options(reason)} for run, reason in session.failed]
        options.print_json(
            {"plan": plan.name, **counts, "failed": failed, **report.to_dict(), "files": list(map(str, written))}
        )
        return
    seconds = sum(record["whole_training_seconds"] + record["mapping_seconds"] for record in records)
    options.show(f"runs      {len(records)} of {len(runs)} finished, {duration(seconds)} of computing")
    options.show(f"table     {folder.folder / 'runs.csv'}")
    options.show(f"report    {folder.folder / 'report.html'}")
