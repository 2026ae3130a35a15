"""Descriptions of scenes: what is known of one, and what a look at all of its pixels adds; JSON-ready."""

from __future__ import annotations

from typing import Any

import numpy as np

from hsiattn.scenes.block_cache import ONCE_THROUGH, block_cache
from hsiattn.scenes.block_windows import PIXELS_AT_ONCE, block_windows
from hsiattn.scenes.radiometry import Radiometry
from hsiattn.scenes.source import SceneSource
from hsiattn.scenes.spectral import SpectralBands

_VALUES, _BANDS = 2**24, 32
"""Values of a scene, and bands, that are read at a time."""


def describe_scene(source: SceneSource) -> dict[str, Any]:
    """Grid, type, bands and radiometry of a scene, and what is odd about it."""
    nodata = source.nodata if source.nodata_by_band is None else list(source.nodata_by_band)
    return {
        **describe_grid(source.width, source.height, source.crs, source.transform, nodata),
        "type": str(source.dtype),
        "bands": source.bands.describe(),
        "wavelength_nm": known_wavelengths(source.bands),
        **_describe_radiometry(source.radiometry),
        **({"ground_control": source.control.describe()} if source.control is not None else {}),
        **({"mask": True} if source.has_mask else {}),
        **({"notes": list(source.notes)} if source.notes else {}),
    }


def describe_grid(width: int, height: int, crs: Any, transform: Any, nodata: Any) -> dict[str, Any]:
    """The grid of a raster in JSON's words."""
    return {
        "width": width,
        "height": height,
        "crs": crs.to_string() if crs else None,
        "transform": [value + 0.0 for value in list(transform)[:6]],  # + 0.0: no negative zeros
        "nodata": nodata,
    }


def known_wavelengths(bands: SpectralBands) -> list[float] | None:
    """Band centres in nm, None where none is known."""
    return bands.wavelength.tolist() if np.isfinite(bands.wavelength).any() else None


def count_missing(source: SceneSource) -> dict[str, Any]:
    """Pixels that a map leaves out, and bands that carry nothing, of a whole scene, read once in windows of its blocks.

    As in training, the bands that count are those that are good and hold data; a pixel that misses one of them is left
    out of every map.

    Returns
    -------
    dict
        `missing_pixels` miss some of these bands, `empty_pixels` all of them; `useless_bands` hold nothing, or the same
        value everywhere.
    """
    bands, good = len(source.bands), source.bands.good
    lowest, highest = np.full(bands, np.inf), np.full(bands, -np.inf)
    gaps = np.zeros(bands + 1, dtype=np.int64)  # pixels by the number of good bands that they miss
    with block_cache(ONCE_THROUGH), source.kept_open():
        for window in block_windows(
            source.height, source.width, [source.block], min(_VALUES // min(bands, _BANDS), PIXELS_AT_ONCE)
        ):
            missed = np.zeros((int(window.height), int(window.width)), dtype=np.uint32)
            masked = source.masked(window)
            for first in range(0, bands, _BANDS):
                numbers = range(first, min(first + _BANDS, bands))
                for band, values in zip(numbers, source.read_bands(window, numbers), strict=True):
                    valid = source.complete(values[None], masked, [band])
                    if good[band]:
                        missed += ~valid
                    found = values if valid.all() else values[valid]
                    if found.size:
                        lowest[band] = min(lowest[band], found.min())
                        highest[band] = max(highest[band], found.max())
            gaps += np.bincount(missed.ravel(), minlength=gaps.size)
    counted = int(np.count_nonzero(good))
    empty = int(np.count_nonzero(good & (lowest > highest)))  # missed at every pixel, and so no reason to leave it out
    return {
        "missing_pixels": int(gaps[min(empty + 1, counted) :].sum()),
        "empty_pixels": int(gaps[counted]),
        "useless_bands": [source.bands.names[band] for band in np.flatnonzero(lowest >= highest)],
    }


def _describe_radiometry(radiometry: Radiometry) -> dict[str, Any]:
    """The divisor that gives reflectance where one serves all bands, else gain and offset in words and numbers."""
    scale = radiometry.scale
    if scale is not None:
        return {"reflectance_scale": scale}
    return {"reflectance": radiometry.describe(), "gain": radiometry.gain, "offset": radiometry.offset}
