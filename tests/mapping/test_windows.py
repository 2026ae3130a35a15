"""Plans of windows: they cover the area once, whatever its shape, and stay within memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.windows import Window

from hsiattn.errors import OutputError
from hsiattn.mapping.windows import Memory, WindowPlan, plan_windows


class _Source:
    def __init__(self, height, width, block, kind=np.float32):
        self.height, self.width, self.block, self.dtype = height, width, block, np.dtype(kind)


def _plan(source, area=None, *, memory=500 * 10**6, threads=2, bands=100, dense=True):
    area = area or Window(0, 0, source.width, source.height)
    return plan_windows(
        source, area, bands=bands, halo=4, memory=memory, at_once=threads + 2, threads=threads, dense=dense
    )


@settings(max_examples=60, deadline=None)
@given(
    corner=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    sides=st.tuples(st.integers(1, 70), st.integers(1, 70)),
)
def test_windows_cover_every_pixel_of_the_area_once(corner, size, sides):
    plan = WindowPlan(Window(*corner, *size), *sides)
    seen = np.zeros((80, 80), dtype=int)
    on_map = np.zeros(size[::-1], dtype=int)
    for window in plan:
        seen[window.toslices()] += 1
        on_map[plan.on_map(window).toslices()] += 1
    assert (on_map == 1).all()
    assert seen.sum() == size[0] * size[1]
    assert (seen[plan.area.toslices()] == 1).all()
    assert len(list(plan)) == len(plan)
    assert WindowPlan.from_dict(plan.to_dict()) == plan
    with pytest.raises(IndexError):
        plan[len(plan)]


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(9, 100_000), st.integers(9, 100_000)),
    block=st.sampled_from([(1, 1), (1, 10**6), (16, 10**6), (256, 256), (512, 512), (100, 300)]),
    bands=st.integers(3, 400),
    ram=st.integers(450, 4000),
    threads=st.integers(1, 16),
)
def test_all_windows_in_flight_fit_into_memory_twice(size, block, bands, ram, threads):
    source = _Source(*size, (block[0], min(block[1], size[1])))
    memory = Memory.within(ram * 10**6)
    plan = _plan(source, memory=memory.windows, threads=threads, bands=bands)
    pixels = min(plan.rows, size[0]) * min(plan.columns, size[1])
    assert pixels * bands * 4 * 2 * (threads + 2) <= max(memory.windows, bands * 4 * 2 * (threads + 2))
    assert memory.windows + memory.cache < ram * 10**6


def test_files_of_whole_rows_are_read_in_whole_rows():
    plan = _plan(_Source(610, 340, (1, 340)))
    assert plan.columns == 340
    assert len(plan) >= 8  # enough to keep two threads busy to the end


def test_tiled_files_are_read_in_whole_tiles():
    plan = _plan(_Source(5000, 5000, (512, 512)), memory=4 * 10**9)
    assert (plan.rows, plan.columns) == (512, 512)


def test_a_larger_scene_has_more_windows_not_larger_ones():
    small, large = (_plan(_Source(610 * side, 340 * side, (1, 340 * side))) for side in (1, 4))
    assert large.rows * large.columns <= small.rows * small.columns
    assert len(large) > 10 * len(small)


def test_the_cache_is_small_for_rows_and_holds_the_neighbours_of_a_tile():
    memory = Memory.within(4 * 10**9)
    source = _Source(5000, 5000, (1, 5000))
    source.bands = range(100)
    assert memory.cache_for(source) == 64 * 10**6
    source.block = (256, 256)
    assert memory.cache_for(source) == 9 * 256 * 256 * 100 * 4
    assert Memory.within(450 * 10**6).cache_for(source) == Memory.within(450 * 10**6).cache


def test_very_wide_rows_are_cut():
    plan = _plan(_Source(100_000, 100_000, (1, 100_000)))
    assert plan.columns < 100_000
    assert plan.rows >= 64


def test_networks_that_go_patch_by_patch_get_small_windows():
    source = _Source(4000, 4000, (1, 1))
    assert _plan(source, dense=False).rows < _plan(source).rows


def test_a_gpu_gets_larger_windows():
    source, area = _Source(4000, 4000, (1, 4000)), Window(0, 0, 4000, 4000)
    sizes = {"bands": 100, "halo": 4, "memory": 10**10, "at_once": 4, "threads": 2}
    on_cpu, on_gpu = (plan_windows(source, area, **sizes, on_gpu=gpu) for gpu in (False, True))
    assert on_gpu.rows * on_gpu.columns > 4 * on_cpu.rows * on_cpu.columns


def test_too_little_memory_is_refused_in_one_line():
    with pytest.raises(OutputError, match="300 MB are not enough to map a scene; give at least 400 MB"):
        Memory.within(300 * 10**6)
