"""A map is assembled from its windows in one pass, to the same bytes whatever their order and the interruptions."""

from __future__ import annotations

import itertools
import os
import random
import resource
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.windows import Window

from hsiattn.classes import ClassTable
from hsiattn.errors import OutputError
from hsiattn.mapping import assembly
from hsiattn.mapping.assembly import write_from_journal
from hsiattn.mapping.journal import Journal, journal_path
from hsiattn.mapping.results import Seconds, WindowResult
from hsiattn.mapping.windows import WindowPlan
from hsiattn.mapping.writer import LandCoverWriter

CLASSES = ClassTable.from_codes([3, 5, 9])
TRANSFORM = Affine(30, 0, 3e5, 0, -30, 5.8e6)


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in the cache of the operating system survives the death of a process."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


class Scene:
    """The land cover of an area, all at once; a corner and scattered pixels are unclassified."""

    def __init__(self, height: int, width: int) -> None:
        rng = np.random.default_rng(height)
        self.values = rng.integers(0, 4, (height, width)).astype(np.uint8)
        self.values[: height // 2, : width // 3] = 0
        self.codes = np.array([0, *CLASSES.codes], dtype=np.uint8)[self.values]
        self.confidence = self._measure(rng.random((height, width)))
        self.probabilities = self._measure(rng.random((3, height, width)))

    def _measure(self, numbers: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.float32]]:
        return np.where(self.values == 0, np.nan, numbers).astype(np.float32)

    def result(self, plan: WindowPlan, number: int, measures: bool) -> WindowResult:
        window = plan.on_map(plan[number])
        rows, columns = window.toslices()
        return WindowResult(
            number,
            window,
            self.values[rows, columns],
            self.confidence[rows, columns] if measures else None,
            self.probabilities[:, rows, columns] if measures else None,
            0,
            Seconds(),
        )


def writer(folder: Path, plan: WindowPlan, *, measures: bool = False, **changes: Any) -> LandCoverWriter:
    arguments: dict[str, Any] = {
        "height": int(plan.area.height),
        "width": int(plan.area.width),
        "crs": CRS.from_epsg(32633),
        "transform": TRANSFORM,
        "classes": CLASSES,
        "confidence": folder / "confidence.tif" if measures else None,
        "probabilities": folder / "probabilities.tif" if measures else None,
    }
    return LandCoverWriter(folder / "map.tif", **{**arguments, **changes})


def mapped(
    folder: Path,
    scene: Scene,
    plan: WindowPlan,
    *,
    order: Iterable[int] | None = None,
    stops: Iterable[int] = (),
    measures: bool = False,
    **changes: Any,
) -> dict[str, bytes]:
    """Map a scene, with the journal left and resumed where an interruption is wanted; everything that was written."""
    folder.mkdir()
    path, stops = journal_path(folder / "map.tif"), set(stops)
    journal = Journal.create(path, {})
    for done, number in enumerate(order if order is not None else range(len(plan))):
        if done in stops:
            journal.close()
            path.write_bytes(path.read_bytes()[:-5])  # a torn record
            journal = Journal.resume(path, {})
        journal.append(scene.result(plan, number, measures))
    with journal:
        for number in range(len(plan)):
            journal.append(scene.result(plan, number, measures))
        with writer(folder, plan, measures=measures, **changes) as land_cover:
            write_from_journal(land_cover, journal, plan)
        np.testing.assert_array_equal(land_cover.counts, np.bincount(scene.values.ravel(), minlength=4))
        journal.remove()
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def read(path: Path) -> np.ndarray[Any, Any]:
    with rasterio.open(path) as raster:
        return raster.read()


PLANS = [
    (300, 270, 256, 256),
    (300, 270, 128, 64),
    (300, 270, 100, 77),
    (257, 513, 32, 513),
    (1030, 1, 300, 1),
    (1, 1100, 1, 1000),
    (600, 520, 600, 130),
    (700, 300, 512, 512),
]


@pytest.mark.parametrize(("height", "width", "rows", "columns"), PLANS)
def test_the_map_is_what_the_windows_say(tmp_path: Path, height: int, width: int, rows: int, columns: int) -> None:
    """Whether windows and blocks fit into each other or not, also where the area is a part of the scene."""
    scene, plan = Scene(height, width), WindowPlan(Window(11, 17, width, height), rows, columns)
    mapped(tmp_path / "a", scene, plan, measures=True)
    np.testing.assert_array_equal(read(tmp_path / "a/map.tif")[0], scene.codes)
    np.testing.assert_array_equal(read(tmp_path / "a/confidence.tif")[0], scene.confidence)
    np.testing.assert_array_equal(read(tmp_path / "a/probabilities.tif"), scene.probabilities)


@pytest.mark.parametrize("driver", ["GTiff", "COG", "ENVI"])
@pytest.mark.parametrize("buffer", [1, 2**20, 2**24])
def test_stretches_of_any_length_give_the_same_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driver: str, buffer: int
) -> None:
    monkeypatch.setattr(assembly, "_BUFFER", buffer)
    scene, plan = Scene(300, 1100), WindowPlan(Window(0, 0, 1100, 300), 200, 300)
    mapped(tmp_path / "a", scene, plan, measures=True, driver=driver)
    np.testing.assert_array_equal(read(tmp_path / "a/map.tif")[0], scene.codes)
    np.testing.assert_array_equal(read(tmp_path / "a/probabilities.tif"), scene.probabilities)


@pytest.mark.parametrize(
    "options", [{"BLOCKXSIZE": 512, "BLOCKYSIZE": 512}, {"TILED": "NO"}, {"INTERLEAVE": "BAND", "COMPRESS": "LZW"}]
)
def test_blocks_may_have_any_shape(tmp_path: Path, options: dict[str, Any]) -> None:
    scene, plan = Scene(600, 520), WindowPlan(Window(0, 0, 520, 600), 128, 256)
    mapped(tmp_path / "a", scene, plan, measures=True, creation_options=options)
    np.testing.assert_array_equal(read(tmp_path / "a/map.tif")[0], scene.codes)
    np.testing.assert_array_equal(read(tmp_path / "a/probabilities.tif"), scene.probabilities)


@pytest.mark.parametrize("driver", ["GTiff", "COG", "ENVI"])
def test_order_and_interruptions_do_not_change_a_byte(tmp_path: Path, driver: str) -> None:
    scene, plan = Scene(300, 530), WindowPlan(Window(0, 0, 530, 300), 100, 128)
    expected = mapped(tmp_path / "straight", scene, plan, measures=True, driver=driver)
    rng = random.Random(0)
    for history in range(2):
        order = rng.sample(range(len(plan)), len(plan))
        stops = rng.sample(range(1, len(plan)), 3)
        again = mapped(tmp_path / f"{history}", scene, plan, order=order, stops=stops, measures=True, driver=driver)
        assert again == expected


def test_no_block_is_compressed_twice(tmp_path: Path) -> None:
    """A block that is written again leaves its first version as a gap in the file."""
    scene, plan = Scene(600, 700), WindowPlan(Window(0, 0, 700, 600), 50, 90)
    mapped(tmp_path / "a", scene, plan, measures=True)
    for name in ("map.tif", "probabilities.tif"):
        with rasterio.open(tmp_path / "a" / name) as raster:
            blocks = sorted(
                (int(offset), int(raster.get_tag_item(f"BLOCK_SIZE_{x}_{y}", "TIFF", bidx=1)))
                for y in range(3)
                for x in range(3)
                if (offset := raster.get_tag_item(f"BLOCK_OFFSET_{x}_{y}", "TIFF", bidx=1))
            )
        gaps = [start - (before + size) for (before, size), (start, _) in itertools.pairwise(blocks)]
        assert blocks
        assert max(gaps) <= 16


def test_windows_that_are_not_finished_make_no_map(tmp_path: Path) -> None:
    scene, plan = Scene(300, 270), WindowPlan(Window(0, 0, 270, 300), 128, 270)
    with Journal.create(journal_path(tmp_path / "map.tif"), {}) as journal:
        journal.append(scene.result(plan, 1, measures=False))
        with pytest.raises(ValueError, match="2 of 3 windows"), writer(tmp_path, plan) as land_cover:
            write_from_journal(land_cover, journal, plan)
        for number in (0, 2):
            journal.append(scene.result(plan, number, measures=False))
        with pytest.raises(ValueError, match="another size"), writer(tmp_path, plan, height=100) as land_cover:
            write_from_journal(land_cover, journal, plan)
    assert [file.name for file in tmp_path.iterdir()] == [".map.tif.journal"]


def test_a_disk_that_is_full_in_the_final_pass_leaves_the_journal(tmp_path: Path) -> None:
    scene, plan = Scene(600, 700), WindowPlan(Window(0, 0, 700, 600), 256, 256)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Journal.create(journal_path(tmp_path / "map.tif"), {}) as journal:
        for number in range(len(plan)):
            journal.append(scene.result(plan, number, measures=False))
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
        try:
            with pytest.raises(OutputError, match="completely"), writer(tmp_path, plan) as land_cover:
                write_from_journal(land_cover, journal, plan)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert [file.name for file in tmp_path.iterdir()] == [".map.tif.journal"]
        with writer(tmp_path, plan) as land_cover:
            write_from_journal(land_cover, journal, plan)
    np.testing.assert_array_equal(read(tmp_path / "map.tif")[0], scene.codes)


def test_a_killed_final_pass_leaves_no_map_and_its_remains_are_cleared_away(tmp_path: Path) -> None:
    scene, plan = Scene(300, 270), WindowPlan(Window(0, 0, 270, 300), 256, 256)
    with Journal.create(journal_path(tmp_path / "map.tif"), {}) as journal:
        for number in range(len(plan)):
            journal.append(scene.result(plan, number, measures=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child needs none of the threads that torch has here
        child = os.fork()
    if not child:
        with Journal.resume(journal.path, {}) as journal, writer(tmp_path, plan, measures=True) as land_cover:
            write_from_journal(land_cover, journal, plan)
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert len(list(tmp_path.glob(".*.staged"))) == 3
    assert all(file.name.startswith(".") for file in tmp_path.iterdir())
    with Journal.resume(journal.path, {}) as journal, writer(tmp_path, plan, measures=True) as land_cover:
        write_from_journal(land_cover, journal, plan)
    assert not list(tmp_path.glob(".*.staged"))
    np.testing.assert_array_equal(read(tmp_path / "map.tif")[0], scene.codes)


def test_what_a_living_process_is_writing_is_left_alone(tmp_path: Path) -> None:
    plan = WindowPlan(Window(0, 0, 5, 5), 5, 5)
    with writer(tmp_path, plan):
        (alive,) = tmp_path.iterdir()
        with writer(tmp_path, plan):
            assert alive.exists()
            assert len(list(tmp_path.iterdir())) == 2


GIANT = """
import resource, sys
from pathlib import Path
import numpy as np
from affine import Affine
from rasterio.crs import CRS
from rasterio.windows import Window
from hsiattn.classes import ClassTable
from hsiattn.mapping.assembly import write_from_journal
from hsiattn.mapping.journal import Journal, journal_path
from hsiattn.mapping.results import Seconds, WindowResult
from hsiattn.mapping.windows import WindowPlan
from hsiattn.mapping.writer import LandCoverWriter

side, path = int(sys.argv[1]), Path(sys.argv[2])
plan = WindowPlan(Window(0, 0, side, side), 512, 512)
with Journal.create(journal_path(path), {}) as journal:
    for number, window in enumerate(plan):
        values = np.zeros((int(window.height), int(window.width)), np.uint8)
        if number in (0, len(plan) // 2, len(plan) - 1):
            values[3:, 5:] = number % 3 + 1
        journal.append(WindowResult(number, window, values, None, None, 0, Seconds()))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with LandCoverWriter(path, height=side, width=side, crs=CRS.from_epsg(32633), transform=Affine(1, 0, 0, 0, -1, 0),
                         classes=ClassTable.from_codes([1, 2, 3])) as writer:
        write_from_journal(writer, journal, plan)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, *writer.counts)
"""


def test_a_giant_map_with_few_classified_windows_takes_little_memory_and_disk(tmp_path: Path) -> None:
    side = 70_000
    result = subprocess.run(
        [sys.executable, "-c", GIANT, str(side), str(tmp_path / "map.tif")],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=True,
    )
    kilobytes, *counts = (int(number) for number in result.stdout.split())
    assert kilobytes < 200_000
    last = side - 136 * 512
    assert sum(counts) == side * side
    assert sum(counts[1:]) == 2 * 509 * 507 + (last - 3) * (last - 5)
    assert (tmp_path / ".map.tif.journal").stat().st_size < 3_000_000
    assert (tmp_path / "map.tif").stat().st_size < 3_000_000
    assert (tmp_path / "map.tif").read_bytes()[:4] == b"II+\x00"  # BigTIFF
    with rasterio.open(tmp_path / "map.tif") as raster:
        corner = raster.read(1, window=Window(side - last, side - last, last, last))
        assert (corner[3:, 5:] > 0).all()
        assert not corner[:3].any()
        assert not raster.read(1, window=Window(5_000, 5_000, 300, 300)).any()
