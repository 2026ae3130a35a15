"""What a run of the mapping benchmark was asked for, and the command under test as it runs it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.benchmarks.mapping.commands import Finished, hsiattn_command, measure
from scripts.benchmarks.mapping.scenes import BenchmarkFiles


@dataclass(frozen=True)
class Settings:
    """What the user asked for."""

    data: Path
    files: BenchmarkFiles
    threads: int
    repeats: int
    kills: int
    rows: int
    pixels: int
    train: tuple[str, ...]


def classify(
    settings: Settings,
    scene: Path | None = None,
    *words: object,
    ending: Path | None = None,
    files: BenchmarkFiles | None = None,
    threads: int | None = None,
    overwrite: bool = True,
) -> list[str]:
    """The command that maps a scene."""
    files = files or settings.files
    here = not {"--workers", "--dask"} & set(words)  # a worker has one thread per window
    return hsiattn_command(
        "classify", scene or files.scene, ending or files.folder / f"{files.mixture}_map.tif", "-m", files.model(),
        *(("--threads", threads or settings.threads) if here else ()), "--json",
        *(("--overwrite",) if overwrite else ()),
        *(() if "--device" in words else ("--device", "cpu")), *words,
    )  # fmt: skip


def recorded(command: list[str]) -> dict[str, Any]:
    """What a command says about the one map that it makes, with seconds and CPU time of the whole command."""
    finished = measure(command)
    return {**record_of(finished), "command": finished.seconds, "cpu": finished.cpu}


def record_of(finished: Finished) -> dict[str, Any]:
    """What a command said about the one map that it made."""
    record: dict[str, Any] = json.loads(finished.output)["maps"][0]
    return record


def map_path(settings: Settings, name: str) -> Path:
    """Path of a map that is not there yet, in a folder that is empty."""
    folder = settings.files.folder / "maps" / name
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    return folder / "map.tif"


def pixels_of(scene: Path) -> int:
    """Pixels of a raster."""
    import rasterio

    with rasterio.open(scene) as dataset:
        return int(dataset.height * dataset.width)
