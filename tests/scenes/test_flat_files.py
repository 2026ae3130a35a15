from __future__ import annotations

import os

import numpy as np
import pytest

from hsiattn.scenes import flat_files
from hsiattn.scenes.flat_files import FlatCube

BANDS, LINES, SAMPLES = 7, 9, 11
AXES = {"bsq": (0, 1, 2), "bil": (1, 0, 2), "bip": (2, 0, 1)}
ON_FILE = {"bsq": (0, 1, 2), "bil": (1, 0, 2), "bip": (1, 2, 0)}


@pytest.fixture
def values():
    return np.random.default_rng(0).integers(-30_000, 30_000, (BANDS, LINES, SAMPLES), dtype=np.int16)


@pytest.fixture
def flat(tmp_path, values):
    def write(interleave, order="<"):
        path = tmp_path / "scene.img"
        path.write_bytes(b"xyz" + values.transpose(ON_FILE[interleave]).astype(f"{order}i2").tobytes())
        return FlatCube(str(path), 3, np.dtype(f"{order}i2"), values.shape, AXES[interleave])

    return write


@pytest.mark.parametrize("interleave", AXES)
@pytest.mark.parametrize("gap", [0, 10, 2**14])
def test_any_part_is_what_slicing_the_whole_gives(flat, values, interleave, gap, monkeypatch):
    """Read piece by piece, in one, or several steps at a time: all come from the same place."""
    monkeypatch.setattr(flat_files, "_GAP", gap)
    rng = np.random.default_rng(1)
    for number in range(120):
        monkeypatch.setattr(flat_files, "_BUFFER", int(rng.choice([1, 100, 2**20])))
        cube = flat(interleave, "<>"[number % 2])
        bands = rng.permutation(BANDS)[: rng.integers(1, BANDS + 1)] if number % 3 else np.arange(BANDS)
        top, left = rng.integers(0, LINES), rng.integers(0, SAMPLES)
        rows, columns = slice(top, rng.integers(top + 1, LINES + 1)), slice(left, rng.integers(left + 1, SAMPLES + 1))
        read = cube.read(bands.tolist(), rows, columns)
        np.testing.assert_array_equal(read, values[bands, rows, columns])
        assert read.dtype == np.int16
        assert read.dtype.isnative


@pytest.mark.parametrize("interleave", AXES)
@pytest.mark.parametrize("order", "<>")
def test_whole_rows_columns_or_bands_are_what_slicing_the_whole_gives(flat, values, interleave, order):
    """Where two of three axes are asked for as wholes, several steps could be read at once."""
    cube = flat(interleave, order)
    for size, axis in ((BANDS, 0), (LINES, 1), (SAMPLES, 2)):
        for low in range(size):
            for high in range(low + 1, size + 1):
                parts = [slice(0, BANDS), slice(0, LINES), slice(0, SAMPLES)]
                parts[axis] = slice(low, high)
                read = cube.read(range(parts[0].start, parts[0].stop), parts[1], parts[2])
                np.testing.assert_array_equal(read, values[tuple(parts)])


@pytest.mark.parametrize("interleave", AXES)
def test_a_small_window_of_a_wide_scene_reads_little_more_than_itself(tmp_path, interleave, monkeypatch):
    values = np.zeros((40, 60, 3000), np.float32)
    path = tmp_path / "wide.img"
    path.write_bytes(values.transpose(ON_FILE[interleave]).tobytes())
    cube = FlatCube(str(path), 0, np.dtype("<f4"), values.shape, AXES[interleave])
    taken = []
    original = os.preadv

    def counting(*args):
        taken.append(original(*args))
        return taken[-1]

    monkeypatch.setattr(os, "preadv", counting)
    window = cube.read(range(40), slice(20, 28), slice(1000, 1016))
    assert window.nbytes <= sum(taken) < 2 * window.nbytes


def test_a_file_that_ends_too_early_is_an_error_and_no_signal(flat):
    cube = flat("bil")
    with open(cube.path, "r+b") as stream:
        stream.truncate(cube.bytes - 1)
    assert cube.read([0], slice(0, 1), slice(0, 3)).shape == (1, 1, 3)
    with pytest.raises(EOFError):
        cube.read(range(BANDS), slice(0, LINES), slice(0, SAMPLES))
