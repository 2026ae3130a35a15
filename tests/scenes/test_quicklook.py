"""Quick-looks show a scene in the colours that its bands allow, reading no more than the picture needs."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from affine import Affine

from hsiattn.scenes import SceneSource, SpectralBands, as_source, open_scene
from hsiattn.scenes.quicklook import make_quicklook, rgb


def scene_of(values, wavelength=None, nodata=None, good=None):
    coords = {} if wavelength is None else {"wavelength": ("band", np.asarray(wavelength, float), {"units": "nm"})}
    coords |= {} if good is None else {"good": ("band", good)}
    attrs = {} if nodata is None else {"_FillValue": nodata}
    return xr.DataArray(values, dims=("band", "y", "x"), coords=coords, attrs=attrs, name="scene")


def stretched(values, valid):
    low, high = np.percentile(values[valid], [2, 98])
    return np.round(255 * np.clip((values - low) / (high - low), 0, 1))


@pytest.fixture
def values():
    return np.random.default_rng(1).gamma(4, 0.05, (9, 30, 40)).astype(np.float32)


WAVELENGTHS = [450.0, 475.0, 545.0, 600.0, 655.0, 700.0, 850.0, 1600.0, 2200.0]


def test_true_colour_takes_the_bands_nearest_to_red_green_and_blue_and_stretches_each(values):
    values[4, 3, 5] = -1  # missing in red
    values[8, 7, 7] = -1  # missing in a band that is not shown
    drawn = make_quicklook(as_source(scene_of(values, WAVELENGTHS, nodata=-1)))
    assert drawn.description == "true colour: 655, 545, 475 nm as red, green and blue"
    valid = np.ones((30, 40), bool)
    valid[3, 5] = False
    assert np.array_equal(drawn.pixels[..., 3], np.where(valid, 255, 0))
    for colour, band in enumerate((4, 2, 1)):
        expected = stretched(values[band].astype(float), valid)[valid]
        assert np.abs(drawn.pixels[valid, colour] - expected).max() <= 1


def test_bad_and_empty_bands_are_not_shown(values):
    values[4] = np.nan
    good = np.ones(9, bool)
    good[1] = False
    drawn = make_quicklook(as_source(scene_of(values, [450, 475, 545, 600, 655, 680, 850, 1600, 2200], good=good)))
    assert drawn.description == "true colour: 680, 545, 450 nm as red, green and blue"


@pytest.mark.parametrize(
    ("wavelength", "shown"),
    [
        ([560, 665, 842, 1610], "false colour: 842, 665, 560 nm"),
        ([1000, 1300, 1650, 2200], "false colour: 2200, 1650, 1000 nm"),
        ([780, 870, 1000, 1100], "false colour: 1000, 870, 780 nm"),
    ],
)
def test_infrared_bands_give_false_colours(values, wavelength, shown):
    assert make_quicklook(as_source(scene_of(values[:4], wavelength))).description.startswith(shown)


def test_without_wavelengths_principal_components_are_shown():
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    mixed = np.einsum("bc,cyx->byx", rng.normal(size=(8, 3)) * [5, 2, 1], rng.normal(size=(3, 20, 25)))
    cube = (mixed + rng.normal(scale=0.01, size=mixed.shape)).astype(np.float64)
    drawn = make_quicklook(as_source(scene_of(cube)))
    assert "principal components" in drawn.description
    components = PCA(3).fit_transform(StandardScaler().fit_transform(cube.reshape(8, -1).T)).T.reshape(3, 20, 25)
    for colour, component in enumerate(components):
        expected = stretched(component, np.ones((20, 25), bool))
        shown = drawn.pixels[..., colour].astype(float)
        assert min(np.abs(shown - expected).max(), np.abs(255 - shown - expected).max()) <= 1


def test_one_band_is_grey(values):
    picture = rgb(scene_of(values[:1], [2200.0]))
    assert np.array_equal(picture[..., 0], picture[..., 1])
    assert np.array_equal(picture[..., 0], picture[..., 2])
    assert np.abs(picture[..., 0] - stretched(values[0].astype(float), np.ones((30, 40), bool))).max() <= 1


def test_three_bands_without_wavelengths_are_red_green_and_blue(values):
    picture = rgb(scene_of(values[:3]))
    assert np.abs(picture[..., 0] - stretched(values[0].astype(float), np.ones((30, 40), bool))).max() <= 1


def test_a_scene_without_data_is_transparent(values):
    drawn = make_quicklook(as_source(scene_of(np.full_like(values, np.nan), WAVELENGTHS)))
    assert drawn.pixels.shape == (30, 40, 4)
    assert not drawn.pixels.any()
    assert "no data" in drawn.description


def test_a_constant_scene_is_grey(values):
    picture = rgb(scene_of(np.full_like(values, 7), WAVELENGTHS))
    assert np.isin(picture[..., :3], (127, 128)).all()


def test_a_thinned_picture_shows_every_nth_pixel(values):
    scene = scene_of(np.random.default_rng(3).random((3, 47, 61)), [470, 550, 660])
    drawn = make_quicklook(as_source(scene), size=16)
    assert drawn.step == 4
    thinned = scene.values[::-1, ::4, ::4]
    assert drawn.pixels.shape == (12, 16, 4)
    for colour in range(3):
        assert np.abs(drawn.pixels[..., colour] - stretched(thinned[colour], np.ones((12, 16), bool))).max() <= 1


class Swath(SceneSource):
    """A huge scene that is computed where it is read, and counts what is read."""

    def __init__(self, height, width, block, bands=200):
        self.name, self.height, self.width, self.block = "swath", height, width, block
        self.dtype, self.crs, self.transform, self.nodata = np.dtype("float32"), None, Affine.identity(), None
        self.bands = SpectralBands.build(bands, wavelength=np.linspace(400, 2400, bands))
        self.values = self.largest = 0

    def read(self, window):
        raise AssertionError("all bands were read")

    def read_bands(self, window, indices):
        size = int(window.height) * int(window.width) * len(indices)
        self.values, self.largest = self.values + size, max(self.largest, size)
        rows, columns = np.ogrid[window.toslices()]
        plane = ((rows * 7 + columns * 3) % 1000).astype(np.float32)
        return np.broadcast_to(plane, (len(indices), *plane.shape))


@pytest.mark.parametrize("block", [(1, 20_000), (512, 512)])
def test_a_huge_scene_is_drawn_from_the_rows_that_are_shown_in_bounded_windows(block):
    source = Swath(40_000, 20_000, block)
    drawn = make_quicklook(source, size=100)
    assert drawn.pixels.shape == (100, 50, 4)
    rows, columns = np.arange(0, 40_000, 400), np.arange(0, 20_000, 400)
    plane = ((rows[:, None] * 7 + columns * 3) % 1000).astype(float)
    assert np.abs(drawn.pixels[..., 0] - stretched(plane, np.ones(plane.shape, bool))).max() <= 1
    assert source.values < 0.005 * 40_000 * 20_000 * 3
    assert source.largest <= 2**24


def test_arrays_in_any_order_and_paths_are_drawn_alike(tiny):
    scene = open_scene(tiny.scene)
    assert np.array_equal(rgb(scene), rgb(tiny.scene))
    assert np.array_equal(rgb(scene.transpose("y", "x", "band")), rgb(tiny.scene))
    missing = (tiny.spectra == tiny.nodata).any(axis=0)
    assert np.array_equal(rgb(tiny.scene)[..., 3] == 0, missing)
