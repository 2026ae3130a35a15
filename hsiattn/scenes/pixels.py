"""Gathering the spectra of chosen pixels, window by window of the scene."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.scenes.source import SceneSource

_TILE = 256
"""Side in pixels of the windows in which a scene is read; bounds memory whatever the scene's size."""


def gather_spectra(source: SceneSource, positions: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Stored spectra of the pixels at positions (N, 2) as row and column: values (N, B), measured (N, B).

    A value is measured where it is finite and not nodata, and the scene's mask leaves its pixel in.
    """
    values = np.empty((len(positions), len(source.bands)), dtype=source.dtype)
    measured = np.empty(values.shape, dtype=bool)
    for window, members in windows_with(positions, source):
        mask = source.masked(window)
        rows, columns = (positions[members] - (window.row_off, window.col_off)).T
        spectra = source.read(window)[:, rows, columns]
        values[members] = spectra.T
        measured[members] = source.measured(spectra, None if mask is None else mask[rows, columns]).T
    return values, measured


def windows_with(positions: NDArray[np.int64], source: SceneSource) -> Iterator[tuple[Window, NDArray[np.int64]]]:
    """The windows of a regular grid that hold positions, each with the indices of those it holds."""
    if len(positions) == 0:
        return
    tiles = positions // _TILE
    corners, owner = np.unique(tiles, axis=0, return_inverse=True)
    for number in range(len(corners)):
        members = np.flatnonzero(owner.reshape(-1) == number)
        # Only the part that holds pixels is read: a few plots in a swath should not cost the whole tile.
        first, last = positions[members].min(axis=0), positions[members].max(axis=0)
        yield Window.from_slices((int(first[0]), int(last[0]) + 1), (int(first[1]), int(last[1]) + 1)), members
