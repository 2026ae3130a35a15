"""Figures of the whole command: beside an SVM, in memory, with workers, killed, at its start, by layout of the file."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from scripts.benchmarks.mapping.commands import (
    dask_cluster,
    digest_of_file,
    digest_of_pixels,
    hsiattn_command,
    kill_after,
    kill_one_worker,
    measure,
    python,
    start,
)
from scripts.benchmarks.mapping.scenes import (
    LAYOUTS,
    MIXTURES,
    layout_of,
    prepare,
    prepare_published,
    prepare_svm,
    svm_command,
)
from scripts.benchmarks.mapping.settings import Settings, classify, map_path, pixels_of, record_of, recorded
from scripts.benchmarks.mapping.table import Result, Row, against, by_turns, identical, spread, thousands


def scene(settings: Settings) -> Result:
    """Make all files."""
    files = settings.files
    prepare(files, settings.data, large=True)
    prepare_svm(files)
    prepare_published(files)
    svm = json.loads(files.svm.with_suffix(".json").read_text(encoding="utf-8"))
    rows = [Row(path.name, layout_of(path)) for path in (files.scene, files.large_scene)]
    return [*rows, Row("SVM", f"{svm['classes']} classes, {svm['support_vectors']} support vectors")], {"svm": svm}


def svm(settings: Settings) -> Result:
    """The whole command against the whole process of an SVM, on both mixtures."""
    rows, details = [], {}
    for mixture in MIXTURES:
        files = replace(settings.files, mixture=mixture)
        prepare(files, settings.data, settings=settings.train)
        prepare_svm(files)
        rival, ours = (
            json.loads(path.with_suffix(".json").read_text(encoding="utf-8")) for path in (files.svm, files.model())
        )
        alone = svm_command("map", files.scene, files.svm, files.folder / f"{mixture}_svm_map.tif")
        rivals = {"SVM": alone}
        for by in ("threads", "processes"):
            rivals[f"SVM, {settings.threads} {by}"] = [*alone, "--jobs", str(settings.threads), "--by", by]
        trial = {name: min(measure(command).seconds for _ in range(3)) for name, command in rivals.items()}
        best = min(trial, key=trial.__getitem__)
        commands = {
            "hsiattn": classify(settings, files=files), best: rivals[best],
            f"{best}, trained first": [*rivals[best], "--refit"],
        }  # fmt: skip
        seconds = seconds_by_turns(settings, commands)
        about = f"{mixture}: {rival['classes']} classes, {rival['support_vectors']} support vectors"
        rows += [
            Row(f"{about}; {name}", f"{np.median(values):.2f} s, {pixels_per_second(pixels_of(files.scene), values)}")
            for name, values in seconds.items()
        ]
        ratio = np.array(seconds["hsiattn"]) / seconds[best]
        rows.append(against(f"{mixture}: hsiattn : {best}, time", ratio, 1.0, most=True))
        accuracies = [f"{100 * figures['overall_accuracy']:.1f}" for figures in (ours, rival)]
        rows.append(Row(f"{mixture}: overall accuracy of hsiattn and SVM, %", " and ".join(accuracies)))
        details[mixture] = {"seconds": seconds, "trial": trial, "svm": rival}
    return rows, details


def memory(settings: Settings) -> Result:
    """Peak resident memory of the command on the scene and on one 16 times larger."""
    prepare(settings.files, settings.data, large=True)
    scenes = {"scene": settings.files.scene, "16 times larger": settings.files.large_scene}
    runs = by_turns(
        settings.repeats, {name: partial(measure, classify(settings, path)) for name, path in scenes.items()}, warm=0
    )
    peaks = {name: [run.peak for run in finished] for name, finished in runs.items()}
    seconds = {name: [run.seconds for run in finished] for name, finished in runs.items()}
    largest = max(max(values) for values in peaks.values())
    growth = float(np.median(peaks["16 times larger"]) / np.median(peaks["scene"]))
    rows = [
        Row(
            f"peak memory, {name}",
            f"{max(peaks[name]) / 1e6:.0f} MB at most, {np.median(seconds[name]):.1f} s, "
            f"{pixels_per_second(pixels_of(path), seconds[name])}",
        )
        for name, path in scenes.items()
    ]
    rows.append(Row("peak memory, largest", f"{largest / 1e9:.3f} GB", "≤ 1.2 GB", largest <= 1.2e9))
    rows.append(Row("larger : scene", f"{growth:.3f}", "≤ 1.05", growth <= 1.05))
    return rows, {"peaks": peaks, "seconds": seconds}


def workers(settings: Settings) -> Result:
    """Two dask workers with one thread each against one, and the map where one of two is killed."""
    prepare(settings.files, settings.data, large=True)
    maps = {count: map_path(settings, f"{count}_workers") for count in ("0", "1", "2")}

    def command(count: str, ending: Any) -> list[str]:
        words = () if count == "0" else ("--workers", count)
        return classify(settings, settings.files.large_scene, *words, ending=ending, threads=2)

    work = {count: partial(recorded, command(count, ending)) for count, ending in maps.items()}
    records = by_turns(settings.repeats, work, warm=0)
    survivor = map_path(settings, "survivor")
    process = start(command("2", survivor))
    killed = kill_one_worker(process, np.median([record["command"] for record in records["2"]]) / 2)
    status = process.wait()
    rows = []
    for name, what, needed in (("seconds", "mapping", 1.7), ("command", "whole command", None)):
        here, one, two = (np.array([record[name] for record in records[count]]) for count in maps)
        rows.append(Row(f"{what}, one and two workers", f"{np.median(one):.1f} s and {np.median(two):.1f} s"))
        rows.append(against(f"{what}: two workers : one, speed", one / two, needed))
        if name == "seconds":
            beside = Row("mapping: two workers : two threads without dask, speed", spread(here / two))
    reference = digest_of_pixels(maps["0"])
    rows += [beside, *(identical(f"map of {n} worker(s)", digest_of_pixels(maps[n]) == reference) for n in ("1", "2"))]
    survived = killed is not None and status == 0 and digest_of_pixels(survivor) == reference
    return [*rows, identical("map of one of two killed half-way", survived)], {
        "records": records, "killed": killed, "status": status,
    }  # fmt: skip


def cluster(settings: Settings) -> Result:
    """The same where the workers run already, as on a cluster: `--dask` to one and to two."""
    prepare(settings.files, settings.data, large=True)
    maps = {count: map_path(settings, f"{count}_running") for count in (1, 2)}

    def seconds_with(count: int) -> float:
        with dask_cluster(count) as address:
            measure(classify(settings, None, "--dask", address, ending=maps[count]))
            large = classify(settings, settings.files.large_scene, "--dask", address, ending=maps[count])
            return float(record_of(measure(large))["seconds"])

    seconds = by_turns(settings.repeats, {str(count): partial(seconds_with, count) for count in maps}, warm=0)
    one, two = (np.array(values) for values in seconds.values())
    return [
        Row("mapping on one and two running workers", f"{np.median(one):.1f} s and {np.median(two):.1f} s"),
        against("mapping: two running workers : one, speed", one / two, 1.7),
        identical("map of two running workers", digest_of_pixels(maps[1]) == digest_of_pixels(maps[2])),
    ], {"seconds": seconds}


def kills(settings: Settings) -> Result:
    """Killed at any moment, every other time twice, resumed, and always the same map.

    The moments are spread over the whole run, one at random within each equal part of it.
    """
    small, reference = ("--window-size", 64), map_path(settings, "reference")
    whole = np.median([measure(classify(settings, None, *small, ending=reference)).seconds for _ in range(3)])
    expected = digest_of_pixels(reference), digest_of_file(reference)
    files = {path.name for path in reference.parent.iterdir()}
    generator = np.random.default_rng()
    trials: list[dict[str, Any]] = []
    while len(trials) < settings.kills:
        ending, moments, found = map_path(settings, "killed"), [], []
        command = classify(settings, None, *small, ending=ending, overwrite=False)
        for words in ([], ["--resume"])[: 1 + len(trials) % 2]:
            moments.append(whole * (len(trials) + generator.random()) / settings.kills)
            if not kill_after([*command, *words], moments[-1]):
                break
            found.append(digest_of_file(ending) if ending.exists() else None)
        if not found:
            continue  # it had ended; another moment
        resumed = record_of(measure([*command, "--resume"]))
        trials.append(
            {
                "moments": moments, "broken": any(digest not in (None, expected[1]) for digest in found),
                "resumed": resumed.get("resumed"), "windows": resumed.get("windows"),
                "pixels": digest_of_pixels(ending) == expected[0], "file": digest_of_file(ending) == expected[1],
                "left": sorted({path.name for path in ending.parent.iterdir()} - files),
            }
        )  # fmt: skip
    taken = [trial["resumed"] for trial in trials if trial["resumed"] is not None]
    count, same = len(trials), {name: sum(trial[name] for trial in trials) for name in ("pixels", "file", "broken")}
    left = sum(bool(trial["left"]) for trial in trials)
    return [
        Row("runs killed, every other one twice", str(count)),
        Row("windows taken over by the last run", f"{min(taken)} … {max(taken)} of {trials[0]['windows']}"),
        Row("maps with identical pixels", f"{same['pixels']} of {count}", "all", same["pixels"] == count),
        Row("maps with identical files", f"{same['file']} of {count}"),
        Row("unfinished maps under the final name", str(same["broken"]), "0", same["broken"] == 0),
        Row("runs that leave other files than an undisturbed one", str(left), "0", left == 0),
    ], {"trials": trials, "seconds": whole}


def startup(settings: Settings) -> Result:
    """The time until the command line answers."""
    commands = {
        "python": python("-c", "pass"),
        "import": python("-c", "import sys, hsiattn; sys.exit('torch' in sys.modules)"),
        "--help": hsiattn_command("--help"),
    }
    seconds = seconds_by_turns(settings, commands, warm=2)
    imported = np.array(seconds["import"]) - seconds["python"]
    return [
        Row("python that does nothing", spread(seconds["python"], " s")),
        against("hsiattn --help, whole process", seconds["--help"], 0.3, most=True, unit=" s"),
        against("import hsiattn, without torch, beyond python", imported, 0.2, most=True, unit=" s"),
    ], {"seconds": seconds}


def layouts(settings: Settings) -> Result:
    """The whole command on the scene in other layouts of the file."""
    rows, details = [], {}
    for layout in LAYOUTS:
        files = replace(settings.files, layout=layout)
        prepare(files, settings.data, settings=settings.train)
        runs = [recorded(classify(settings, files.scene)) for _ in range(settings.repeats)]
        shares = ", ".join(
            f"{name.removeprefix('seconds_')} {np.median([run[name] for run in runs]):.2f} s"
            for name in runs[0] if name.startswith("seconds_")
        )  # fmt: skip
        total = np.median([run["seconds"] for run in runs])
        rows.append(Row(f"{layout}: {layout_of(files.scene)}", f"{total:.2f} s: {shares}"))
        details[layout] = runs
    return rows, details


def seconds_by_turns(settings: Settings, commands: dict[str, list[str]], *, warm: int = 1) -> dict[str, list[float]]:
    """Wall-clock time of commands, measured by turns."""
    runs = by_turns(settings.repeats, {name: partial(measure, words) for name, words in commands.items()}, warm=warm)
    return {name: [run.seconds for run in finished] for name, finished in runs.items()}


def pixels_per_second(pixels: int, seconds: list[float]) -> str:
    """The speed of the median, in words."""
    return f"{thousands(pixels / np.median(seconds))} px/s"
