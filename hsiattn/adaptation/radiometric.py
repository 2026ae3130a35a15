"""Radiometric alignment: gain and offset of every band that make target spectra those of the training scene.

Moments compare scenes as wholes and are misled where one holds more forest than the other. Here every target spectrum
is compared with the training spectrum that is most like it, as the iterative closest point algorithm does (Besl and
McKay 1992, IEEE PAMI 14, 239-256), trimmed so that materials which only one scene has do not count (Chetverikov,
Svirko, Stepanov and Krsek 2002, ICPR). Gain and offset are smooth over the wavelengths, as light and haze are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hsiattn.adaptation.statistics import KEPT, SceneStatistics, nearest_of
from hsiattn.preprocessing import Preprocessing

_DEGREE = 3
"""Degree of the polynomials in wavelength that gain and offset are."""
_ROUNDS = 30
_HAZE = (1.0, 4.0)
"""Exponents of the wavelength by which haze and a clear sky scatter."""
_MATERIALS = 2
"""Principal axes of the target scene among the functions that an offset is made of."""
_CLEARLY = 0.8
"""Share of the residual that mixing materials in must leave at most, or offsets are smooth."""
_RIDGE = 1e-6
_MOST = 1500
"""Most target spectra that are compared."""
_GAINS = (0.2, 5.0)
"""Gains beyond are none of light and haze."""


@dataclass(frozen=True, eq=False)
class BandMap:
    """target = gain · training + offset, (B,) each, float64; and what it leaves of the trimmed target spectra."""

    gain: NDArray[np.float64]
    offset: NDArray[np.float64]
    residual: float = np.inf


def align(
    training: NDArray[np.floating],
    target: NDArray[np.floating],
    centres: NDArray[np.float64],
    weights: NDArray[np.floating],
    *,
    seed: int = 0,
) -> BandMap:
    """The map from training spectra (P, B) to target spectra (N, B), in reflectance, with the least residual.

    Several starts are tried: the spectra as they are, with equal moments, and with equal medians. Offsets are smooth
    over the wavelengths unless spectra of materials of the scene, mixed into all pixels, explain clearly more.

    Parameters
    ----------
    centres
        (B,) wavelengths or numbers of the bands.
    weights
        (B,) by which bands are multiplied where spectra are compared, the gain of a preprocessing.
    """
    some = np.random.default_rng((seed, 37)).permutation(len(target))[:_MOST]
    source, pixels = training.astype(np.float64), target[np.sort(some)].astype(np.float64)
    smooth = _basis(centres)
    found = []
    for offsets in (smooth, _with_materials(smooth, pixels)):
        fit = _Fit(source, pixels, smooth, offsets, weights.astype(np.float64))
        found.append(min(map(fit.refined, fit.starts()), key=lambda each: each.residual))
    plain, with_materials = found
    return with_materials if with_materials.residual < _CLEARLY * plain.residual else plain


@dataclass(frozen=True, eq=False)
class _Fit:
    """Training spectra (P, B), target spectra (N, B), functions (B, …) of gain and offset, weights of bands (B,)."""

    source: NDArray[np.float64]
    pixels: NDArray[np.float64]
    gains: NDArray[np.float64]
    offsets: NDArray[np.float64]
    weights: NDArray[np.float64]

    def starts(self) -> list[BandMap]:
        """Maps to begin with."""
        bands = self.source.shape[1]
        one, two = SceneStatistics.of(self.source), SceneStatistics.of(self.pixels)
        ratio = np.clip(two.deviation / one.deviation, *_GAINS)
        shifted = np.median(self.pixels, axis=0) - np.median(self.source, axis=0)
        return [
            BandMap(np.ones(bands), np.zeros(bands)),
            BandMap(ratio, two.mean - ratio * one.mean),
            BandMap(np.ones(bands), shifted),
        ]

    def refined(self, start: BandMap) -> BandMap:
        """Match and fit in turns until the matches stay."""
        now, before = start, np.full(len(self.pixels), -1)
        for _ in range(_ROUNDS):
            nearest, kept, _ = self._nearest(now)
            if np.array_equal(nearest, before):
                break
            before = nearest
            now = self._fitted(self.source[nearest[kept]], self.pixels[kept])
        _, kept, distance = self._nearest(now)
        return replace(now, residual=float(distance[kept].mean()) / len(self.weights))

    def _nearest(self, now: BandMap) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Of every target spectrum the nearest training spectrum; which are kept; and the squared distances."""
        nearest, distance = nearest_of((self.source * now.gain + now.offset) * self.weights, self.pixels * self.weights)
        return nearest, np.argsort(distance)[: max(2, round(KEPT * len(distance)))], distance

    def _fitted(self, source: NDArray[np.float64], pixels: NDArray[np.float64]) -> BandMap:
        """Smooth gain and offset (B,) by which matched spectra (M, B) of the two scenes agree best.

        With basis functions φ and ψ: pixels = (1 + Σ α_j φ_j) · source + Σ γ_j ψ_j, weighted least squares over pixels
        and bands. The normal equations need no more than sums over pixels of every band.
        """
        gains, offsets, count = self.gains, self.offsets, len(source)
        weights = np.square(self.weights)
        sums, squares = weights * source.sum(axis=0), weights * np.square(source).sum(axis=0)
        cross = gains.T @ (sums[:, None] * offsets)
        left = np.block(
            [
                [gains.T @ (squares[:, None] * gains), cross],
                [cross.T, count * offsets.T @ (weights[:, None] * offsets)],
            ]
        )
        gap = pixels - source
        right = np.concatenate(
            [gains.T @ (weights * (gap * source).sum(axis=0)), offsets.T @ (weights * gap.sum(axis=0))]
        )
        size = np.sqrt(np.maximum(np.diag(left), 1e-300))
        ridge = left / size / size[:, None] + _RIDGE * np.eye(len(size))
        solution = np.linalg.solve(ridge, right / size) / size
        terms = gains.shape[1]
        return BandMap(np.clip(1 + gains @ solution[:terms], *_GAINS), offsets @ solution[terms:])


def _basis(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """(B, terms) Legendre polynomials over the range of the centres, and two powers by which haze falls off."""
    span = float(np.ptp(centres)) or 1.0
    place = 2 * (centres - centres.min()) / span - 1
    smooth = np.polynomial.legendre.legvander(place, min(_DEGREE, len(centres) - 1))
    blue = max(float(centres.min()), 1.0) / np.maximum(centres, max(float(centres.min()), 1.0))
    return np.column_stack([smooth, *(blue**exponent for exponent in _HAZE)]) if len(centres) > 8 else smooth


def _with_materials(smooth: NDArray[np.float64], pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smooth functions, and spectra that may be mixed into every pixel: the mean of the scene and its first axes.

    A season that turns all fields greener, or litter that covers them, adds the spectrum of a material.
    """
    centred = pixels - pixels.mean(axis=0)
    axes = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :_MATERIALS]
    return np.column_stack([smooth, pixels.mean(axis=0), axes])


def undone(preprocessing: Preprocessing, found: BandMap) -> Preprocessing:
    """The preprocessing that takes gain and offset of the target's spectra away again, before its own scaling.

    Of x = a x' + c it makes (x' - o) g = (x - (a o + c)) g / a.
    """
    gain, offset = preprocessing.gain.astype(np.float64), preprocessing.offset.astype(np.float64)
    return replace(
        preprocessing,
        gain=(gain / found.gain).astype(np.float32),
        offset=(offset * found.gain + found.offset).astype(np.float32),
    )
