"""Arrays in `.npy` files: read as numpy reads them, or refused before memory is asked for."""

from __future__ import annotations

import os
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hsiattn.scenes.numpy_files import NumpyFileError, open_numpy_file


@given(
    values=arrays.arrays(
        st.one_of(arrays.integer_dtypes(), arrays.unsigned_integer_dtypes(), arrays.boolean_dtypes()),
        arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    ),
    order=st.sampled_from("CF"),
)
@settings(max_examples=60, derandomize=True, database=None, deadline=None)
def test_whatever_numpy_saves_comes_back(tmp_path_factory, values, order):
    path = tmp_path_factory.mktemp("npy") / "a.npy"
    np.save(path, np.asarray(values, order=order))
    read = open_numpy_file(path)
    assert read.dtype == values.dtype
    np.testing.assert_array_equal(read, np.load(path))


def _write(path, header: str, content: bytes = b""):
    text = header.encode()
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content)
    return path


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (
            "{'descr': '<i4', 'fortran_order': False, 'shape': (1000000, 1000000)}",
            "it ends after 0 of 4000000000000 bytes",
        ),
        ("{'descr': '<i4', 'fortran_order': False, 'shape': (" + "9" * 4000 + ", 2)}", "header says no shape"),
        ("{'descr': '<i4', 'fortran_order': False, 'shape': (-1, 2)}", "header says no shape"),
        ("{'descr': '<i4', 'fortran_order': False, 'shape': (True, 2)}", "header says no shape"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1, 1)}", "plain real numbers"),
        ("{'descr': '<c8', 'fortran_order': False, 'shape': (1, 1)}", "plain real numbers"),
        ("{'descr': '<U3', 'fortran_order': False, 'shape': (1, 1)}", "plain real numbers"),
        ("{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (1, 1)}", "plain real numbers"),
        ("{'descr': '<i4', 'fortran_order': False}", "cannot be understood"),
        ("{'descr': '<i4', 'fortran_order': False, 'shape': (1, 1)", "cannot be understood"),
        ("[" * 5000, "cannot be understood"),
        ("x" * 60_000, "too long"),
    ],
)
def test_a_header_that_cannot_be_true_is_refused_at_once(tmp_path, header, reason):
    path = _write(tmp_path / "a.npy", header, b"")
    tracemalloc.start()
    with pytest.raises(NumpyFileError, match=reason) as caught:
        open_numpy_file(path)
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()
    assert "\n" not in str(caught.value)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.npy")
    with pytest.raises(OSError, match="not a file on a disk"):
        open_numpy_file(tmp_path / "a.npy")
