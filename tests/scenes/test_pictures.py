"""Pictures are PNG files that only a picture of ours ever gives way to."""

from __future__ import annotations

import os

import numpy as np
import pytest
import rasterio
from matplotlib.image import imsave

from hsiattn.errors import OutputError
from hsiattn.files.kinds import FileKind, kind_of
from hsiattn.scenes.pictures import write_picture

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (12, 17, 4)).astype(np.uint8)


def test_a_picture_holds_the_pixels_and_says_that_it_is_ours(pixels, tmp_path):
    path = tmp_path / "scene.png"
    write_picture(path, pixels)
    with rasterio.open(path) as picture:
        assert picture.driver == "PNG"
        assert np.array_equal(picture.read().transpose(1, 2, 0), pixels)
    assert kind_of(path) is FileKind.PICTURE
    assert os.listdir(tmp_path) == ["scene.png"]


def test_only_a_picture_of_ours_is_replaced(pixels, tmp_path):
    path = tmp_path / "scene.png"
    write_picture(path, pixels)
    with pytest.raises(OutputError, match="exists already"):
        write_picture(path, pixels)
    write_picture(path, pixels[:5], overwrite=True)
    imsave(path, pixels)
    assert kind_of(path) is None
    with pytest.raises(OutputError, match="is not a picture that hsiattn wrote"):
        write_picture(path, pixels, overwrite=True)


def test_a_failed_picture_leaves_nothing(pixels, tmp_path):
    with pytest.raises(Exception, match="must be 3 or 4"):
        write_picture(tmp_path / "scene.png", pixels[..., :2])
    assert os.listdir(tmp_path) == []
