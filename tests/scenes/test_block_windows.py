"""Windows that cover a raster once, in whole blocks, and are never too large."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.windows import Window

from hsiattn.scenes.block_windows import block_windows, with_halo

SIZE = st.integers(1, 40)
BLOCK = st.tuples(st.integers(1, 50), st.integers(1, 50))


@settings(deadline=None)
@given(height=SIZE, width=SIZE, blocks=st.lists(BLOCK, min_size=1, max_size=3), pixels=st.integers(1, 500))
def test_every_pixel_lies_in_one_window_and_none_is_too_large(height, width, blocks, pixels):
    covered = np.zeros((height, width), int)
    for window in block_windows(height, width, blocks, pixels):
        covered[window.toslices()] += 1
        assert window.width * window.height <= pixels
    assert (covered == 1).all()


@settings(deadline=None)
@given(height=SIZE, width=SIZE, block=st.tuples(st.integers(1, 8), st.integers(1, 8)))
def test_no_block_is_divided_where_a_window_has_room_for_one(height, width, block):
    rows, columns = block
    for window in block_windows(height, width, [block], pixels=64):
        assert window.row_off % rows == 0
        assert window.col_off % columns == 0


def test_windows_of_strips_are_as_wide_as_the_raster():
    widths = {window.width for window in block_windows(1000, 2000, [(1, 2000)], pixels=10_000)}
    assert widths == {2000}


def test_a_halo_ends_where_the_raster_ends():
    assert with_halo(Window(0, 4, 6, 4), 2, 9, 10) == Window(0, 2, 8, 7)
