from __future__ import annotations

import pickle

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.windows import Window

from hsiattn.errors import BandError, SceneError
from hsiattn.preprocessing.noise import noise_covariance
from hsiattn.pseudo_labels import read_region
from hsiattn.scenes import Radiometry, SpectralBands, as_source
from hsiattn.scenes.stack import SceneStack, names_in_stack
from hsiattn.scenes.tiles import read_tile

CENTRES = [450.0, 550.0, 650.0]


def scene(values, name, centres=CENTRES, **attrs):
    bands = SpectralBands.build(len(values), wavelength=centres, fwhm=[10] * len(values))
    array = xr.DataArray(values, dims=("band", "y", "x"), name=name, attrs=attrs, coords=bands.coords())
    return as_source(array)


def some(shape, start=1):
    return (np.arange(np.prod(shape)) % 30_000 + start).astype(np.int16).reshape(shape)


@given(
    sizes=st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=2, max_size=4),
    gap=st.integers(1, 5),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=60, deadline=None)
def test_every_window_holds_the_scenes_at_their_rows_and_nothing_between_them(sizes, gap, seed):
    rng = np.random.default_rng(seed)
    cubes = [some((3, *size), 100 * i + 1) for i, size in enumerate(sizes)]
    stack = SceneStack([scene(cube, f"s{i}") for i, cube in enumerate(cubes)], gap)
    expected = np.zeros(stack.shape, np.int16)
    inside = np.zeros(stack.shape[1:], bool)
    row = 0
    for cube in cubes:
        place = slice(row, row + cube.shape[1]), slice(0, cube.shape[2])
        expected[(slice(None), *place)], inside[place] = cube, True
        row += cube.shape[1] + gap
    np.testing.assert_array_equal(stack.scene_numbers() > 0, inside)
    rows, columns = (sorted(rng.choice(size + 1, 2, replace=False).tolist()) for size in stack.shape[1:])
    window, bands = Window.from_slices(rows, columns), rng.permutation(3)[:2].tolist()
    part = (slice(*rows), slice(*columns))
    np.testing.assert_array_equal(stack.read_bands(window, bands), expected[(bands, *part)])
    np.testing.assert_array_equal(stack.masked(window), ~inside[part])


@pytest.mark.parametrize("side", [3, 5, 9, 15])
def test_no_patch_holds_pixels_of_two_scenes(side):
    cubes = [np.full((3, 12, width), value, np.int16) for width, value in ((8, 1), (20, 2), (5, 3))]
    stack = SceneStack([scene(cube, f"s{i}") for i, cube in enumerate(cubes)], gap=side)
    reach = side // 2
    tile = read_tile(stack, stack.extent, reach, np.arange(3), "zero")
    for row, column in np.argwhere(stack.scene_numbers() > 0):
        patch = tile.values[0, row : row + side, column : column + side]
        there = tile.valid[row : row + side, column : column + side]
        assert len(np.unique(patch[there])) == 1


def test_neighbours_windows_and_noise_stay_within_their_scene():
    rng = np.random.default_rng(0)
    cubes = [rng.normal(100 * i, 1, (3, 10, 12)) for i in range(3)]
    stack = SceneStack([scene(cube, f"s{i}") for i, cube in enumerate(cubes)])
    labelled = np.array([[0, 0], [stack.first_rows[1], 3], [stack.first_rows[2], 3]])
    region = read_region(stack, np.arange(3), labelled, np.array([0, 1, 1]), most=10**6)
    numbers = stack.scene_numbers()[tuple(region.positions.T)]
    assert len(region) == 360
    for pairs in (region.neighbours, region.side_neighbours, region.pairs([(8, 8), (8, 0), (-8, 3)])):
        np.testing.assert_array_equal(*numbers[pairs].T)
    means = region.window_mean(region.spectra, 17)
    for number in (1, 2, 3):
        assert np.ptp(means[numbers == number]) < 10
    noise = noise_covariance(region.spectra, region.side_neighbours)
    assert np.diag(noise).max() < 3  # pairs across borders would differ by a hundred


def test_bands_are_those_of_the_first_scene_matched_by_wavelength():
    first = scene(some((3, 2, 2)), "a")
    other = some((4, 2, 2), 50)
    stack = SceneStack([first, scene(other, "b", [651, 700, 451, 548])], gap=2)
    np.testing.assert_array_equal(stack.read(Window(0, 4, 2, 2)), other[[2, 3, 0]])
    assert "bands of b are matched to those of a by wavelength, at most 2.0 nm apart" in stack.notes
    with pytest.raises(BandError, match=r"the b has no band near 650\.0 nm"):
        SceneStack([first, scene(some((2, 2, 2)), "b", [450, 550])])


def test_scenes_of_other_scale_become_reflectance_and_unlike_statements_are_refused():
    first = scene(np.full((3, 1, 1), 5000, np.int16), "a").with_radiometry(Radiometry.divided_by(10_000, 3))
    second = scene(np.full((3, 1, 1), 0.25, np.float32), "b").with_radiometry(Radiometry.divided_by(1, 3))
    stack = SceneStack([first, second], gap=1)
    np.testing.assert_array_equal(stack.read(stack.extent)[:, :, 0], [[0.5, np.nan, 0.25]] * 3)
    assert "the scenes differ in scale or offset: their values are read as reflectance" in stack.notes
    with pytest.raises(SceneError, match="b does not"):
        SceneStack([first, scene(np.ones((3, 1, 1), np.int16), "b")])


def test_a_stack_has_no_place_on_the_ground_and_pickles(geotiff, cube):
    place = Affine(5, 0, 500_000, 0, -5, 5_800_000)
    files = [geotiff("a.tif", nodata=-99), geotiff("b.tif", cube + 1, transform=place, crs="EPSG:32632", nodata=-99)]
    stack = SceneStack([as_source(file) for file in files])
    assert (stack.crs, stack.transform, stack.nodata) == (None, Affine.identity(), -99)
    assert stack.files == tuple(map(str, files))
    again = pickle.loads(pickle.dumps(stack))
    with again.kept_open():
        np.testing.assert_array_equal(again.read(Window(0, stack.first_rows[1], 11, 9)), cube + 1)
    assert not stack.complete(stack.read(stack.extent), stack.masked(stack.extent))[9:73].any()


def test_scenes_that_are_given_twice_or_alone_are_refused(geotiff):
    source = as_source(geotiff())
    with pytest.raises(SceneError, match="given twice"):
        SceneStack([source, as_source(source.name)])
    with pytest.raises(SceneError, match="fewer than two"):
        SceneStack([source])


def test_names_are_as_short_as_they_can_be_and_differ():
    assert names_in_stack(["a", "a"]) == ("a (1)", "a (2)")
    assert names_in_stack(["x/a.tif", "y/a.tif", "b.tif"]) == ("x/a.tif", "y/a.tif", "b.tif")
