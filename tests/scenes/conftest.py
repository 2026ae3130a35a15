"""Tiny scenes in every format, written by other libraries than the one under test."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning

UTM = Affine(5, 0, 400_000, 0, -5, 5_800_000)


@pytest.fixture
def cube():
    """Values (band, y, x) of a scene: 6 bands, 9 rows, 11 columns, int16."""
    return np.random.default_rng(7).integers(-50, 10_000, (6, 9, 11), dtype=np.int16)


@pytest.fixture
def geotiff(tmp_path, cube):
    """A function that writes the cube as GeoTIFF, with any profile, and gives the path."""

    def write(name="scene.tif", values=cube, crs="EPSG:32633", transform=UTM, edit=None, **profile):
        path = tmp_path / name
        count, height, width = values.shape
        size = {"count": count, "height": height, "width": width}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # some tests want just that
            dataset = rasterio.open(
                path, "w", driver="GTiff", dtype=values.dtype, crs=crs, transform=transform, **size, **profile
            )
        with dataset:
            dataset.write(values)
            if edit is not None:
                edit(dataset)
        return path

    return write


@pytest.fixture
def envi_file(tmp_path, cube):
    """A function that writes the cube in ENVI format with `spectral`, and gives the header's path."""

    def write(name="scene.hdr", values=cube, interleave="bsq", **metadata):
        from spectral.io import envi

        path = tmp_path / name
        envi.save_image(
            str(path), values.transpose(1, 2, 0), interleave=interleave, ext=".img", force=True, metadata=metadata
        )
        return path

    return write
