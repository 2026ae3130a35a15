"""Finished windows survive whatever happens to the process, and only the same mapping goes on with them."""

from __future__ import annotations

import os
import random
import resource
import signal
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rasterio.windows import Window

from hsiattn.errors import OutputError
from hsiattn.mapping.journal import Journal, journal_path
from hsiattn.mapping.results import Seconds, WindowResult
from hsiattn.mapping.window_records import PIECE, RecordHead

HEADER: dict[str, Any] = {
    "scene": {"path": "/archive/2019/june/scene.tif", "size": 123},
    "model": "a" * 64,
    "options": {"confidence_kind": "max", "mask": None},
}


def finished(number: int, *, size: tuple[int, int] = (7, 5), dtype: Any = np.uint8, classes: int = 3) -> WindowResult:
    """A window whose content follows from its number; a third of its pixels are unclassified."""
    rng = np.random.default_rng(number)
    values = rng.integers(0, 3, size).astype(dtype)
    confidence = np.where(values == 0, np.nan, rng.random(size)).astype(np.float32)
    shares = np.where(values == 0, np.nan, rng.random((classes, *size))).astype(np.float32)
    window = Window(number * size[1], 250, size[1], size[0])
    return WindowResult(number, window, values, confidence, shares, number % 3, Seconds(0.5, 0.25, number))


def assert_same(one: WindowResult, other: WindowResult) -> None:
    assert (one.number, one.window, one.missing, one.seconds) == (
        other.number,
        other.window,
        other.missing,
        other.seconds,
    )
    for name in ("values", "confidence", "probabilities"):
        left, right = getattr(one, name), getattr(other, name)
        assert (left is None) == (right is None)
        if left is not None:
            assert left.dtype == right.dtype
            np.testing.assert_array_equal(left, right)


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in the cache of the operating system survives the death of a process."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return journal_path(tmp_path / "map.tif")


def begun(path: Path, windows: int) -> bytes:
    """A journal with so many windows, as it lies on the disk."""
    with Journal.create(path, HEADER) as journal:
        for number in range(windows):
            journal.append(finished(number))
    return path.read_bytes()


def test_the_journal_lies_hidden_beside_the_map() -> None:
    assert journal_path("maps/a.tif") == Path("maps/.a.tif.journal")


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (300, 600), (3, 1025)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_window_is_read_as_it_was_kept(path: Path, size: tuple[int, int], dtype: Any) -> None:
    result = finished(3, size=size, dtype=dtype)
    with Journal.create(path, HEADER) as journal:
        journal.append(result)
        assert_same(journal.read(3), result)
    with Journal.resume(path, HEADER) as journal:
        assert set(journal.finished) == {3}
        assert_same(journal.read(3), result)


@pytest.mark.parametrize(("confidence", "probabilities"), [(False, False), (True, False), (False, True)])
def test_measures_that_were_not_asked_for_stay_none(path: Path, confidence: bool, probabilities: bool) -> None:
    full = finished(1)
    result = WindowResult(
        1,
        full.window,
        full.values,
        full.confidence if confidence else None,
        full.probabilities if probabilities else None,
        0,
        Seconds(),
    )
    with Journal.create(path, HEADER) as journal:
        journal.append(result)
        assert_same(journal.read(1), result)


def test_the_pieces_of_a_window_tile_its_part_of_a_region(path: Path) -> None:
    result = finished(1, size=(600, 700))
    region = Window(1000, 300, 256, 220)
    seen = np.zeros((600, 700), dtype=int)
    with Journal.create(path, HEADER) as journal:
        journal.append(result)
        for place, values, measures in journal.pieces(1, region):
            assert place.width <= PIECE
            assert place.height <= PIECE
            rows, columns = Window(place.col_off - 700, place.row_off - 250, place.width, place.height).toslices()
            seen[rows, columns] += 1
            np.testing.assert_array_equal(values, result.values[rows, columns])
            np.testing.assert_array_equal(measures[0], result.confidence[rows, columns])
            np.testing.assert_array_equal(measures[1:], result.probabilities[:, rows, columns])
    assert seen.max() == 1
    assert seen[50:270, 300:556].min() == 1
    assert np.count_nonzero(seen) < seen.size


def test_a_window_without_a_classified_pixel_takes_hardly_a_byte(path: Path) -> None:
    empty = np.full((2048, 2048), np.nan, np.float32)
    result = WindowResult(0, Window(0, 0, 2048, 2048), np.zeros((2048, 2048), np.uint8), empty, None, 9, Seconds())
    with Journal.create(path, HEADER) as journal:
        before = path.stat().st_size
        journal.append(result)
        assert path.stat().st_size - before < 100
        assert not list(journal.pieces(0, result.window))
        assert_same(journal.read(0), result)


def test_a_window_that_comes_twice_counts_once(path: Path) -> None:
    first, second = finished(1), finished(2)
    again = WindowResult(1, second.window, second.values, second.confidence, second.probabilities, 99, Seconds())
    with Journal.create(path, HEADER) as journal:
        for result in (first, again):
            journal.append(result)
        assert journal.missing == first.missing
        assert_same(journal.read(1), first)
    with Journal.resume(path, HEADER) as journal:
        assert_same(journal.read(1), first)
        assert journal.missing == first.missing


def test_an_unfinished_window_is_not_there(path: Path) -> None:
    with Journal.create(path, HEADER) as journal, pytest.raises(KeyError):
        journal.read(0)


def test_a_journal_cut_at_any_byte_of_its_last_record_keeps_the_others(path: Path) -> None:
    two, three = begun(path, 2), begun(path, 3)
    assert three.startswith(two)
    for length in range(len(two), len(three)):
        path.write_bytes(three[:length])
        with Journal.resume(path, HEADER) as journal:
            assert set(journal.finished) == {0, 1}
            assert path.read_bytes() == two
            journal.append(finished(2))
        assert path.read_bytes() == three


def test_a_damaged_byte_costs_at_most_the_windows_that_it_may_have_touched(path: Path) -> None:
    sizes = [len(begun(path, windows)) for windows in range(5)]
    whole = path.read_bytes()
    for place in range(sizes[1], sizes[2]):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        with Journal.resume(path, HEADER) as journal:
            in_head = place - sizes[1] < RecordHead.SIZE
            assert set(journal.finished) == ({0} if in_head else {0, 2, 3})
            for number in range(4):
                journal.append(finished(number))
        with Journal.resume(path, HEADER) as journal:
            assert set(journal.finished) == {0, 1, 2, 3}
            for number in range(4):
                assert_same(journal.read(number), finished(number))


def test_zeros_that_a_power_cut_left_at_the_end_are_cut_off(path: Path) -> None:
    whole = begun(path, 2)
    path.write_bytes(whole + bytes(10_000))
    with Journal.resume(path, HEADER) as journal:
        assert set(journal.finished) == {0, 1}
    assert path.read_bytes() == whole


def test_a_record_that_rots_while_the_journal_is_open_is_one_line(path: Path) -> None:
    whole = begun(path, 1)
    with Journal.resume(path, HEADER) as journal:
        path.write_bytes(whole[:-20] + bytes(20))
        with pytest.raises(OutputError, match=r"journal.*cannot be read \(it is damaged.*leave out resume="):
            journal.read(0)
        with pytest.raises(OutputError, match="it is damaged"):
            list(journal.pieces(0, Window(0, 0, 1000, 1000)))


@pytest.mark.parametrize("place", range(16, 60, 5))
def test_a_damaged_header_is_one_line(path: Path, place: int) -> None:
    whole = begun(path, 1)
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
    with pytest.raises(OutputError, match=r"damaged|another version of hsiattn") as caught:
        Journal.resume(path, HEADER)
    assert "\n" not in str(caught.value)
    Journal.create(path, HEADER).close()
    Journal.resume(path, HEADER).close()


def test_a_journal_that_is_shorter_than_its_header_is_damaged(path: Path) -> None:
    whole = begun(path, 0)
    for length in range(len(b"hsiattn journal "), len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(OutputError, match=r"the header of the journal .* is damaged; leave out resume="):
            Journal.resume(path, HEADER)


def test_a_file_that_is_no_journal_is_left_alone(path: Path) -> None:
    path.write_bytes(b"diary of a summer\n" * 10)
    for open_journal in (Journal.create, Journal.resume):
        with pytest.raises(OutputError, match="is not a journal of hsiattn"):
            open_journal(path, HEADER)
    assert path.read_bytes() == b"diary of a summer\n" * 10
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"scene": {"path": "/archive/2019/june/scene.tif", "size": 456}},
            r"map\.tif cannot be resumed, something has changed since it was begun: scene: size 123 → 456; "
            "leave out resume= to start again, or give the same scene$",
        ),
        (
            {"scene": {"path": "/archive/2019/june/scenes.tif", "size": 123}},
            r"scene: path …cene\.tif → …cenes\.tif;",
        ),
        ({"model": "b" * 64}, "model a{27}… → b{27}…; .* or give the same model$"),
        (
            {"model": "b", "options": {"confidence_kind": "margin", "mask": [1, 2]}},
            r"model a{27}… → b, options: confidence kind max → margin, options: mask none → \[1, 2\]; "
            ".*same model, options$",
        ),
        ({"options": {"mask": None}}, "options: confidence kind max → none"),
        ({"classes": 9}, "classes none → 9"),
        ({"options": {str(i): i for i in range(9)}}, "and 6 more;"),
    ],
)
def test_another_mapping_is_refused_with_what_has_changed(path: Path, changes: dict[str, Any], message: str) -> None:
    whole = begun(path, 2)
    with pytest.raises(OutputError, match=message):
        Journal.resume(path, {**HEADER, **changes})
    assert path.read_bytes() == whole


def test_entries_that_only_the_journal_has_are_taken_from_it(path: Path) -> None:
    Journal.create(path, {**HEADER, "plan": {"rows": (256, 1)}}).close()
    with Journal.resume(path, HEADER) as journal:
        assert journal.header == {**HEADER, "plan": {"rows": [256, 1]}}


def test_without_a_journal_there_is_nothing_to_resume(path: Path) -> None:
    assert not Journal.exists(path)
    with pytest.raises(OutputError, match=r"nothing of .*map\.tif to resume; leave out resume="):
        Journal.resume(path, HEADER)
    path.touch()  # what a kill in the first moment leaves
    assert not Journal.exists(path)
    with pytest.raises(OutputError, match="nothing"):
        Journal.resume(path, HEADER)
    begun(path, 0)
    assert Journal.exists(path)


def test_a_journal_is_replaced_by_a_new_one_and_deleted_in_the_end(path: Path) -> None:
    begun(path, 3)
    with Journal.create(path, HEADER) as journal:
        assert not journal.finished
        journal.append(finished(1))
        journal.remove()
    assert list(path.parent.iterdir()) == []


def test_a_journal_that_belongs_to_another_run_by_now_is_not_deleted(path: Path) -> None:
    journal = Journal.create(path, HEADER)
    journal.close()
    begun(path, 1)
    journal.remove()
    assert Journal.exists(path)


def test_a_journal_in_use_is_refused(path: Path) -> None:
    with Journal.create(path, HEADER) as journal:
        for open_journal in (Journal.create, Journal.resume):
            with pytest.raises(OutputError, match=r"^another hsiattn is writing .*map\.tif; wait"):
                open_journal(path, HEADER)
        journal.append(finished(0))
    with Journal.resume(path, HEADER) as journal:
        assert set(journal.finished) == {0}


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """A limit on the size of files, which does what a full disk does.

    It holds for the file that pytest's report goes to as well, and so must end with the block, not with the test.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_keeps_the_finished_windows_and_the_journal_sound(path: Path) -> None:
    two, three = begun(path, 2), begun(path, 3)
    with Journal.create(path, HEADER) as journal:
        journal.append(finished(0))
        journal.append(finished(1))
        for limit in (len(two), len(two) + 10, len(three) - 1):
            told = pytest.raises(
                OutputError, match=r"2 finished windows are kept .*make space and go on with resume=True"
            )
            with told, files_up_to(limit):
                journal.append(finished(2))
            assert path.read_bytes() == two
            assert set(journal.finished) == {0, 1}
        with files_up_to(len(three)):
            journal.append(finished(2))
    assert path.read_bytes() == three


def test_a_disk_too_full_for_the_header_is_one_line_and_leaves_nothing(path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot be begun .* space left"), files_up_to(20):
        Journal.create(path, HEADER)
    assert list(path.parent.iterdir()) == []


def test_an_interrupted_record_is_cut_off(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = begun(path, 1), begun(path, 2)
    write = os.pwrite
    pieces = iter([10, KeyboardInterrupt()])

    def interrupted(descriptor: int, content: memoryview, offset: int) -> int:
        piece = next(pieces)
        if isinstance(piece, KeyboardInterrupt):
            raise piece
        return write(descriptor, content[:piece], offset)

    with Journal.create(path, HEADER) as journal:
        journal.append(finished(0))
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", interrupted)
            with pytest.raises(KeyboardInterrupt):
                journal.append(finished(1))
        assert path.read_bytes() == one
        journal.append(finished(1))
    assert path.read_bytes() == two


def test_a_record_that_was_whole_when_ctrl_c_came_counts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, write = begun(path, 1), os.pwrite

    def interrupted(descriptor: int, content: memoryview, offset: int) -> int:
        write(descriptor, content, offset)
        raise KeyboardInterrupt

    with Journal.create(path, HEADER) as journal:
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", interrupted)
            with pytest.raises(KeyboardInterrupt):
                journal.append(finished(0))
        assert path.read_bytes() == one
        assert list(journal.finished) == [0]
        assert_same(journal.read(0), finished(0))
        assert journal.missing == finished(0).missing
        journal.append(finished(1))
    with Journal.resume(path, HEADER) as journal:
        assert list(journal.finished) == [0, 1]


def test_a_power_cut_costs_seconds(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, synced = [0.0], []
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    with Journal.create(path, HEADER) as journal:
        monkeypatch.setattr(os, "fsync", lambda _: synced.append(clock[0]))
        for number in range(30):
            clock[0] += 0.9
            journal.append(finished(number))
    np.testing.assert_allclose(synced, [5.4, 10.8, 16.2, 21.6, 27.0, 27.0])


def test_a_record_on_a_disk_that_fails_to_sync_does_not_count(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: int) -> None:
        raise OSError(5, "Input/output error")

    with Journal.create(path, HEADER) as journal:
        monkeypatch.setattr(time, "monotonic", lambda: 1e12)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", failing)
            with pytest.raises(OutputError, match="Input/output error"):
                journal.append(finished(0))
        assert not journal.finished
        assert journal.missing == 0


def append_until_killed(path: Path) -> int:
    """The number of a process that goes on with a journal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child needs none of the threads that torch has here
        child = os.fork()
    if not child:
        try:
            journal = Journal.resume(path, HEADER) if Journal.exists(path) else Journal.create(path, HEADER)
            for number in range(len(journal.finished), 10**6):
                journal.append(finished(number, size=(40, 30)))
        finally:
            os._exit(1)
    return child


def test_a_killed_process_leaves_a_sound_journal(path: Path) -> None:
    """Killed at random moments, each run goes on where the one before was killed."""
    moments, before = random.Random(0), 0
    for _ in range(20):
        child = append_until_killed(path)
        time.sleep(moments.uniform(0.0, 0.1))
        os.kill(child, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        if not Journal.exists(path):
            continue
        with Journal.resume(path, HEADER) as journal:
            assert set(journal.finished) == set(range(len(journal.finished)))
            assert len(journal.finished) >= before
            before = len(journal.finished)
            for number in {0, before // 2, before - 1} & set(journal.finished):
                assert_same(journal.read(number), finished(number, size=(40, 30)))
    assert before > 0
    begun(path, 0)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
