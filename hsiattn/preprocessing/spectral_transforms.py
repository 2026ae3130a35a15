"""Transforms of reflectance before scaling: derivatives, the continuum removed, unit length, absorbance.

All of them work pixel by pixel, on all pixels at once, and keep the number of bands. Unlike scaling, most are not
affine, so that no projection of the bands can take their place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import factorial
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

SpectralTransformName = Literal[
    "none", "first-derivative", "second-derivative", "continuum-removal", "unit-length", "absorbance"
]

_WINDOW = 7
"""Bands from which a derivative is estimated, at most: some 60 nm, the width of a narrow absorption."""
_DEGREE = 2
_WIDEST_STEP = 3.0
"""Typical steps between neighbouring centres beyond which no derivative is taken across: dropped water bands."""
_FLOOR = 0.01
"""Share of a pixel's mean below which reflectance, which should be positive, is taken for just that."""
_LEAST_REFLECTANCE = 1e-6
_VALUES_AT_ONCE = 2**19
"""Size of a piece of pixels, so that temporary arrays stay small and in the cache."""


@dataclass(frozen=True, eq=False)
class SpectralTransform:
    """A transform of spectra by its name.

    - `first-derivative`, `second-derivative`: of a parabola fitted to the nearest 7 bands (Savitzky and Golay 1964, but
      with centres wherever they are), per typical step between bands. Bands of another spectrometer, where centres
      step back (AVIRIS, EnMAP), and those beyond a gap of more than three typical steps take no part; where too few
      bands are together, 0.
    - `continuum-removal`: reflectance by its upper convex hull over the centres (Clark and Roush 1984), above 0, at
      most 1.
    - `unit-length`: divided by the root of the sum of squares, so that only the direction of a spectrum counts.
    - `absorbance`: log10(1/reflectance).

    A spectrum of zeros has no length and stays so. For the continuum and absorbance, what is below a hundredth of the
    pixel's mean, negative reflectance among it, is taken for that.

    Attributes
    ----------
    name
        Which of them; not `none`.
    centres
        (B,) float64, where the bands are: see `band_centres`.
    """

    name: SpectralTransformName
    centres: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.name not in _TRANSFORMS:
            raise ValueError(f"{self.name} is no transform of spectra")
        if self.centres.ndim != 1 or not np.isfinite(self.centres).all():
            raise ValueError("every band needs a centre")

    def apply(self, spectra: NDArray[np.floating[Any]]) -> None:
        """Transform spectra (B, n) of reflectance in place, all of them finite."""
        transform, pixels = _TRANSFORMS[self.name], max(1, _VALUES_AT_ONCE // len(self.centres))
        for start in range(0, spectra.shape[1], pixels):
            piece = spectra[:, start : start + pixels]
            piece[:] = transform(self, piece)

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """(B, B) of a derivative: its value at a band is the sum of the bands' reflectance by that row."""
        return derivative_weights(self.centres, 2 if self.name == "second-derivative" else 1)

    @cached_property
    def _order(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """The bands by their centres, where each new centre starts among them, and the centres, each once."""
        order = np.argsort(self.centres, kind="stable")
        centres, starts = np.unique(self.centres[order], return_index=True)
        return order, starts, centres


def create_transform(
    name: SpectralTransformName | str, centres: NDArray[np.float64] | None
) -> SpectralTransform | None:
    """The transform of that name; None for `none`, which needs no centres.

    Raises
    ------
    ValueError
        There is no such transform, or it lacks its centres.
    """
    if name == "none":
        return None
    if name not in get_args(SpectralTransformName):
        raise ValueError(f"there is no spectral transform {name!r}")
    if centres is None:
        raise ValueError(f"the spectral transform {name} lacks the centres of the bands")
    return SpectralTransform(name, np.asarray(centres, dtype=np.float64))  # type: ignore[arg-type]


def band_centres(wavelength: NDArray[np.float64], used: NDArray[np.int64]) -> NDArray[np.float64]:
    """Centres of the used bands: in nm where all of them are known, else the bands' numbers.

    >>> band_centres(np.array([500.0, 510.0, 520.0]), np.array([0, 2])).tolist()
    [500.0, 520.0]
    >>> band_centres(np.array([500.0, np.nan, np.nan]), np.array([0, 2])).tolist()
    [0.0, 2.0]
    """
    known = wavelength[used]
    return np.asarray(known if np.isfinite(known).all() else used, dtype=np.float64)


# -- derivatives -------------------------------------------------------------------------------------------------------


def derivative_weights(
    centres: NDArray[np.float64], order: int, *, window: int = _WINDOW, degree: int = _DEGREE
) -> NDArray[np.float64]:
    """Weights (B, B) whose product with spectra (B, n) is their derivative, per typical step between centres.

    At every band, that of the polynomial which fits the nearest bands of its run best; towards the ends of a run the
    bands stay the same, so that none is left out.
    """
    typical, weights = _typical_step(centres), np.zeros((len(centres), len(centres)))
    for run in _runs(centres):
        width = min(window, len(run))
        if width <= order:
            continue
        for place, band in enumerate(run):
            first = min(max(place - width // 2, 0), len(run) - width)
            near = run[first : first + width]
            powers = np.vander((centres[near] - centres[band]) / typical, min(degree, width - 1) + 1, increasing=True)
            weights[band, near] = factorial(order) * np.linalg.pinv(powers)[order]
    return weights


def _typical_step(centres: NDArray[np.float64]) -> float:
    steps = np.abs(np.diff(centres))
    return float(np.median(steps[steps > 0])) if steps.any() else 1.0


def _runs(centres: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """Bands (in file order) that lie side by side, all centres in one direction and without a gap."""
    steps = np.diff(centres)
    steps = steps * (-1 if np.median(steps) < 0 else 1) if len(steps) else steps
    apart = (steps <= 0) | (steps > _WIDEST_STEP * _typical_step(centres))
    return np.split(np.arange(len(centres)), np.flatnonzero(apart) + 1)


def _derivative(transform: SpectralTransform, spectra: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(transform.weights.astype(spectra.dtype) @ spectra)


# -- the continuum -----------------------------------------------------------------------------------------------------


def _continuum_removed(transform: SpectralTransform, spectra: NDArray[Any]) -> NDArray[Any]:
    order, starts, centres = transform._order
    values = _positive(spectra)
    # Bands with one centre, where spectrometers meet, are one point of the hull: the higher of them.
    ordered = np.maximum.reduceat(values[order], starts, axis=0)
    hull = np.empty_like(values)
    hull[order] = np.repeat(_upper_hull(ordered, centres), np.diff(np.append(starts, len(order))), axis=0)
    return np.asarray(np.minimum(values / hull, 1))


def _upper_hull(values: NDArray[Any], centres: NDArray[np.float64]) -> NDArray[Any]:
    """Upper convex hull (M, n) of spectra (M, n) at M ascending centres.

    Andrew's monotone chain (1979), band by band for all pixels: each band points back to the vertex before it, with the
    slope of the edge between them. A vertex below the line from the one before it to the new band is taken out.
    """
    x = ((centres - centres[0]) / _typical_step(centres)).astype(values.dtype)
    before, slopes = np.zeros(values.shape, np.int32), np.full_like(values, np.inf)
    last, height = np.zeros(values.shape[1], np.int32), values[0].copy()
    for band in range(1, len(x)):
        slope = (values[band] - height) / (x[band] - x[last])
        below = np.flatnonzero(slope >= slopes[band - 1])  # the band before is always the last vertex
        while below.size:
            last[below] = vertex = before[last[below], below]
            slope[below] = steeper = (values[band, below] - values[vertex, below]) / (x[band] - x[vertex])
            below = below[steeper >= slopes[vertex, below]]
        before[band], slopes[band] = last, slope
        last[:], height = band, values[band]
    return _along_the_hull(values, x, before, slopes)


def _along_the_hull(
    values: NDArray[Any], x: NDArray[Any], before: NDArray[np.int32], slopes: NDArray[Any]
) -> NDArray[Any]:
    """Heights of the hull at all bands, from the last band back along its edges."""
    hull = values.copy()
    start, slope, height, at = before[-1].copy(), slopes[-1].copy(), values[-1].copy(), np.full_like(values[0], x[-1])
    for band in range(len(x) - 2, 0, -1):
        reached = np.flatnonzero(start == band)
        start[reached], slope[reached] = before[band, reached], slopes[band, reached]
        height[reached], at[reached] = values[band, reached], x[band]
        hull[band] = height - slope * (at - x[band])
    return np.asarray(np.maximum(hull, values))


# -- single values -----------------------------------------------------------------------------------------------------


def _unit_length(transform: SpectralTransform, spectra: NDArray[Any]) -> NDArray[Any]:
    length = np.sqrt(np.einsum("bn,bn->n", spectra, spectra))
    return np.asarray(spectra / np.where(length > 0, length, 1))


def _absorbance(transform: SpectralTransform, spectra: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(-np.log10(_positive(spectra)))


def _positive(spectra: NDArray[Any]) -> NDArray[Any]:
    least = np.maximum(spectra.mean(axis=0) * spectra.dtype.type(_FLOOR), _LEAST_REFLECTANCE)
    return np.asarray(np.maximum(spectra, least))


_TRANSFORMS: Mapping[str, Callable[[SpectralTransform, NDArray[Any]], NDArray[Any]]] = {
    "first-derivative": _derivative,
    "second-derivative": _derivative,
    "continuum-removal": _continuum_removed,
    "unit-length": _unit_length,
    "absorbance": _absorbance,
}
