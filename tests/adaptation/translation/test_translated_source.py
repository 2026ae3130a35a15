import pickle

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.windows import Window

from hsiattn.adaptation.translation import TranslatedSource, train_translation, write_translation
from hsiattn.errors import OutputError
from hsiattn.scenes import open_source
from tests.adaptation.translation.conftest import TINY, Place, place

TRANSFORM = Affine.rotation(20) @ Affine(30, 0, 300_000, 0, -30, 5_800_000)


@pytest.fixture(scope="module")
def translator(here, there):
    cube = here.cube.copy()
    cube[:, :2, :3] = np.nan
    source = Place(cube, here.codes).source(transform=TRANSFORM, crs="EPSG:32633")
    return train_translation(source, there.source(), TINY, device="cpu")


def test_a_scene_of_one_tile_is_translated_as_that_tile(there):
    single = place(3, 8, 8).source()
    translator = train_translation(single, there.source(), TINY, device="cpu")
    spaces = translator.spaces
    normalised = spaces[0].normalised(single.read(single.extent))
    whole = TranslatedSource(translator).read(single.extent)
    np.testing.assert_allclose(whole, translator.translate(normalised[None])[0], atol=1e-5)


def test_a_pixel_has_the_same_value_whatever_window_it_is_read_with(translator):
    source = TranslatedSource(translator)
    whole = source.read(source.extent)
    assert np.isnan(whole[:, :2, :3]).all()
    assert np.isfinite(whole[:, 2:]).all()
    for window in (Window(0, 0, 5, 5), Window(7, 3, 9, 11), Window(20, 25, 1, 1), Window(13, 18, 8, 8)):
        rows, columns = window.toslices()
        np.testing.assert_allclose(source.read(window), whole[:, rows, columns], atol=1e-5)
    np.testing.assert_array_equal(source.read_bands(source.extent, [7, 2]), whole[[7, 2]])


def test_values_read_may_be_changed_and_the_source_can_be_sent_to_another_process(translator):
    source = TranslatedSource(translator)
    first = source.read(source.extent)
    first += 1
    copy = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(copy.read(source.extent), source.read(source.extent))
    assert np.nanmax(np.abs(first - source.read(source.extent))) > 0.5


def test_the_written_scene_lies_where_the_source_does_and_has_the_bands_of_the_target(translator, there, tmp_path):
    path = tmp_path / "translated.tif"
    write_translation(translator, path)
    written, source = open_source(path), TranslatedSource(translator)
    np.testing.assert_array_equal(written.read(written.extent), source.read(source.extent))
    assert written.grid == source.grid
    with rasterio.open(path) as file:
        assert file.crs.to_epsg() == 32633
        assert file.transform.almost_equals(TRANSFORM)
    np.testing.assert_allclose(written.bands.wavelength, there.source().bands.wavelength)
    assert written.radiometry.stated
    with pytest.raises(OutputError, match="exists"):
        write_translation(translator, path)
    write_translation(translator, path, overwrite=True)


def test_there_are_no_seams(translator):
    """Where tiles meet, neighbouring pixels differ no more from the source's differences than elsewhere."""
    source = TranslatedSource(translator)
    change = source.read(source.extent)[:, 2:] - translator.pair.source.read(source.extent)[:, 2:]
    steps = np.abs(np.diff(change, axis=2)).mean(axis=(0, 1))
    borders = [3, 7, 11, 12, 15, 19]
    assert steps[borders].mean() < 2 * np.delete(steps, borders).mean() + 1e-4
