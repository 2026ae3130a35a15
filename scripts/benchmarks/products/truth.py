"""What a product that was written holds, for comparison with what is read of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray


@dataclass(frozen=True)
class Truth:
    """A product on disk, and what a reader should find in it.

    Attributes
    ----------
    path
        What a user gives.
    values
        As stored (B, H, W), in the order in which they should be read. Every value of a band occurs once, so that no
        pixel can be mistaken for another.
    wavelength, fwhm
        In nm (B,).
    good
        False for bad bands (B,).
    gain, offset
        Reflectance = value × gain + offset (B,); None where the values are no reflectance.
    nodata
        Value that marks missing measurements, None where there is none.
    outside
        Pixels (H, W) without measurement, by nodata or by a mask of their own.
    crs, transform
        As EPSG code, and from pixel corners to map coordinates.
    layers
        Quality layers (H, W) by name.
    """

    path: Path
    values: NDArray[Any]
    wavelength: NDArray[np.float64]
    fwhm: NDArray[np.float64]
    good: NDArray[np.bool_]
    gain: NDArray[np.float64] | None
    offset: NDArray[np.float64] | None
    nodata: float | None
    outside: NDArray[np.bool_]
    crs: int | None
    transform: Affine
    layers: dict[str, NDArray[np.bool_]] = field(default_factory=dict)


def distinct(shape: tuple[int, int, int], dtype: str, first: int = 1) -> NDArray[Any]:
    """Values (B, H, W) of which none occurs twice within a band, nor at the same pixel of two bands."""
    bands, height, width = shape
    pixels = np.arange(height * width).reshape(height, width)
    return np.asarray(first + pixels + 7 * np.arange(bands)[:, None, None], dtype=dtype)


def scattered(shape: tuple[int, int], seed: int, share: float = 0.2) -> NDArray[np.bool_]:
    """Some pixels (H, W)."""
    return np.asarray(np.random.default_rng(seed).random(shape) < share)
