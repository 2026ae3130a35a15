"""The domain of a model: what its training scene looked like, so that foreign scenes are recognised.

A pixel is compared with the training scene in the prepared space by Hotelling's T² along the principal axes and by the
squared prediction error beside them (Jackson and Mudholkar 1979). What other light, haze, noise and calibration make of
a scene belongs to the domain: axes and limits are taken of the training pixels as they would look then.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hsiattn.preprocessing.preprocessing import Preprocessing

LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""Levels of the quantiles that are kept for every band."""
LEAST_PIXELS = 40
"""Fewest pixels that characterise a scene."""

_MOST_AXES = 40
_PIXELS_PER_AXIS = 10
_EXAMPLES = 256
_QUANTILE, _BORDER = 0.995, 0.8
"""The border lies at that share of the distance which this quantile has of pixels that had no part in the axes, under
all conditions together: a scene under one of them lies well within."""
_DARKER = 3.0
"""A pixel may be so many times darker than the darkest thousandth of the training scene."""
_VERSIONS = 6
"""Times that every training pixel is seen under conditions of its own."""
_PIECE = 2048
_MOST_POWER = 6
_NEAR_POWER, _FAR_FROM_ONE = 0.3, 0.5
"""A ratio this near to a power of ten, and this far from 1 (in powers of ten), is a wrong scale and not light."""
_MOST_EVENED = 1.0
"""Most powers of ten by which the brightness of dark spectra is evened out."""
_FITS = 0.5
"""Share of the pixels that must lie inside once the scale is changed."""


@dataclass(frozen=True, eq=False)
class TrainingDomain:
    """Statistics of the training scene in the bands that the model uses.

    Attributes
    ----------
    quantiles
        (7, B) reflectance of the training scene's pixels at `LEVELS`.
    examples
        (P, B) reflectance of some of them.
    centre, weight
        (B,) of the prepared spectra: they are taken as (spectrum - centre) · weight.
    axes, variances
        (k, B) orthonormal and (k,): principal axes of these.
    limits
        T² and squared prediction error on the border of the domain.
    brightness
        (B + 1,) weights, with a constant at the end, by which prepared spectra give mean reflectance.
    darkest
        Mean reflectance on the border of the domain, 0 for none.
    brightest
        Mean reflectance of the brightest thousandth of the training scene's pixels.
    unlikeness
        What of a spectrum no multiple of an example makes up, as a share of it, on the border of the domain.
    pixels
        From how many pixels all this was taken.
    """

    quantiles: NDArray[np.float32]
    examples: NDArray[np.float32]
    centre: NDArray[np.float32]
    weight: NDArray[np.float32]
    axes: NDArray[np.float32]
    variances: NDArray[np.float32]
    limits: NDArray[np.float32]
    brightness: NDArray[np.float32]
    darkest: float
    brightest: float
    unlikeness: float
    pixels: int

    def distance(self, prepared: NDArray[np.float32]) -> NDArray[np.float32]:
        """Distance (n,) of prepared spectra (B, n): 0 at the centre, 1 on the border, more outside."""
        result = np.empty(prepared.shape[1], dtype=np.float32)
        for start in range(0, prepared.shape[1], _PIECE):
            piece = slice(start, start + _PIECE)
            result[piece] = self._distance(prepared[:, piece])
        return result

    def _distance(self, prepared: NDArray[np.float32]) -> NDArray[np.float32]:
        with np.errstate(over="ignore", invalid="ignore"):
            centred = prepared - self.centre[:, None]
            centred *= self.weight[:, None]
            scores = np.square(self.axes @ centred)
            beside = np.einsum("bn,bn->n", centred, centred) - scores.sum(axis=0)
            along = (1.0 / self.variances) @ scores
            squared = np.maximum(along / self.limits[0], beside / self.limits[1])
            distance = np.sqrt(np.maximum(squared, 0.0))
        if self.darkest > 0:
            light = self.brightness[:-1] @ prepared + self.brightness[-1]
            distance = np.maximum(distance, self.darkest / np.maximum(light, np.float32(1e-6 * self.darkest)))
        far = np.asarray(distance, dtype=np.float32)
        return np.where(np.isfinite(far), far, np.finfo(np.float32).max).astype(np.float32)

    def distance_of(self, reflectance: NDArray[np.float64], preprocessing: Preprocessing) -> NDArray[np.float32]:
        """Distance (n,) of reflectance spectra (n, B)."""
        return self.distance(_prepared(reflectance, preprocessing))

    def outside(self, reflectance: NDArray[np.float64], preprocessing: Preprocessing) -> NDArray[np.bool_]:
        """Find spectra (n, B) outside the domain, as they are or scaled to the brightness of the training scene.

        Beside their distance it counts whether any example has their shape: between two classes lies much that is none.
        Darkness hides the shape of a spectrum: in the dark all of them lie near each other.
        """
        ratio = 10.0 ** float(np.clip(self._log_ratio(reflectance), -_MOST_EVENED, 0.0))
        outside, evened = (
            (self.distance_of(spectra, preprocessing) > 1) | (_unlikeness(spectra, self.examples) > self.unlikeness)
            for spectra in (reflectance, reflectance / ratio)
        )
        return outside if outside.mean() >= evened.mean() else evened

    def clouded(self, reflectance: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Find spectra (n, B) that are brighter than anything in the training scene, as clouds and snow are."""
        return np.asarray(reflectance.mean(axis=1) > self.brightest)

    def power_of_ten(self, reflectance: NDArray[np.float64], preprocessing: Preprocessing) -> int:
        """The n by which values are 10^n times what they should be, 0 where no such factor makes them fit."""
        ratio = self._log_ratio(reflectance)
        power = round(ratio)
        if abs(ratio) < _FAR_FROM_ONE or abs(ratio - power) > _NEAR_POWER or abs(power) > _MOST_POWER:
            return 0
        outside = self.outside(reflectance / 10.0**power, preprocessing)
        return power if outside.mean() <= 1 - _FITS else 0

    def _log_ratio(self, reflectance: NDArray[np.float64]) -> float:
        """How many powers of ten spectra (n, B) are brighter than the examples, in the median; 0 where unknown.

        Every spectrum is compared with the example whose shape is most like its own: a lake is not a dark field.
        """
        length, known = np.linalg.norm(reflectance, axis=1), np.linalg.norm(self.examples, axis=1)
        seen, kept = length > 0, known > 0
        if not seen.any() or not kept.any():
            return 0.0
        shapes = reflectance[seen] / length[seen, None]
        likest = (shapes @ (self.examples[kept] / known[kept, None]).T).argmax(axis=1)
        return float(np.median(np.log10(length[seen] / known[kept][likest])))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name, for the model file."""
        names = ("quantiles", "examples", "centre", "weight", "axes", "variances", "limits", "brightness")
        return {name: getattr(self, name) for name in names}

    def to_dict(self) -> dict[str, Any]:
        """All but the arrays, JSON-ready."""
        return {
            "levels": list(LEVELS),
            "pixels": self.pixels,
            "darkest": float(self.darkest),
            "brightest": float(self.brightest),
            "unlikeness": float(self.unlikeness),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], record: Mapping[str, Any], bands: int) -> Self:
        """The inverse of `to_arrays` and `to_dict`, for so many bands.

        Raises
        ------
        KeyError, TypeError, ValueError
            An array is missing, or has another shape than it should.
        """
        axes = len(arrays["axes"])
        shapes = {
            "quantiles": (len(LEVELS), bands),
            "examples": (len(arrays["examples"]), bands),
            "centre": (bands,),
            "weight": (bands,),
            "axes": (axes, bands),
            "variances": (axes,),
            "limits": (2,),
            "brightness": (bands + 1,),
        }
        for name, shape in shapes.items():
            if arrays[name].shape != shape or arrays[name].dtype != np.float32:
                raise ValueError(f"its domain has {name} of the shape {arrays[name].shape}, not {shape}")
        if not (arrays["variances"] > 0).all() or not (arrays["limits"] > 0).all():
            raise ValueError("its domain has no extent")
        figures = {name: float(record[name]) for name in ("darkest", "brightest", "unlikeness")}
        if not all(map(math.isfinite, figures.values())):
            raise ValueError("its domain has figures that are not finite")
        taken: dict[str, Any] = {**{name: arrays[name] for name in shapes}, **figures}
        return cls(**taken, pixels=int(record["pixels"]))


def fit_domain(
    reflectance: NDArray[np.float64], preprocessing: Preprocessing, centres: NDArray[np.float64]
) -> TrainingDomain | None:
    """The domain of pixels of a training scene; None for fewer than `LEAST_PIXELS`.

    Parameters
    ----------
    reflectance
        (N, B) of the bands of the preprocessing; labelled or not.
    centres
        (B,) of these bands, see `band_centres`.
    """
    count = len(reflectance)
    if count < LEAST_PIXELS:
        return None
    random = np.random.default_rng(17)
    order = random.permutation(count)
    noise = _noise(reflectance)
    versions = [
        np.concatenate([_under_other_conditions(part, noise, centres, random) for _ in range(_VERSIONS)])
        for part in (reflectance[order[::2]], reflectance[order[1::2]])
    ]
    seen, aside = (_prepared(part, preprocessing).astype(np.float64) for part in versions)
    examples = reflectance[order[::2][:_EXAMPLES]].astype(np.float32)
    centre = np.median(seen, axis=1)
    most = max(1, min(_MOST_AXES, len(centre) // 2, count // _PIXELS_PER_AXIS))
    weight = 1.0 / _beside_axes(seen - centre[:, None], most)
    axes, variances = _principal_axes((seen - centre[:, None]) * weight[:, None], most)
    measure = (aside - centre[:, None]) * weight[:, None]
    scores = np.square(axes @ measure)
    beside = np.maximum(np.square(measure).sum(axis=0) - scores.sum(axis=0), 0)
    limits = np.array([np.quantile(values, _QUANTILE) for values in ((1 / variances) @ scores, beside)]) * _BORDER**2
    light = reflectance.mean(axis=1)
    plain = preprocessing.spectral_transform is None and preprocessing.recolouring is None
    weights = np.append(1 / preprocessing.gain / len(centre), preprocessing.offset.mean())
    return TrainingDomain(
        quantiles=np.quantile(reflectance, LEVELS, axis=0).astype(np.float32),
        examples=examples,
        centre=centre.astype(np.float32),
        weight=weight.astype(np.float32),
        axes=axes.astype(np.float32),
        variances=variances.astype(np.float32),
        limits=np.maximum(limits, 1e-12).astype(np.float32),
        brightness=(weights if plain else np.zeros_like(weights)).astype(np.float32),
        darkest=max(0.0, float(np.quantile(light, 0.001))) / _DARKER if plain else 0.0,
        brightest=float(np.quantile(light, 0.999)),
        unlikeness=_BORDER * float(np.quantile(_unlikeness(versions[1], examples), _QUANTILE)),
        pixels=count,
    )


def _unlikeness(reflectance: NDArray[np.float64], examples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Share of the length of spectra (n, B) that lies beside the nearest multiple of an example (P, B).

    Dark spectra are mostly noise; theirs is the share of a length that three quarters of the examples have at least.
    """
    length, known = np.linalg.norm(reflectance, axis=1), np.linalg.norm(examples, axis=1)
    along = (reflectance @ (examples[known > 0] / known[known > 0, None]).T).max(axis=1, initial=0.0)
    left = np.sqrt(np.maximum(np.square(length) - np.square(along), 0.0))
    return np.asarray(left / np.maximum(length, max(float(np.quantile(known, 0.25)), 1e-30)))


def _prepared(reflectance: NDArray[np.float64], preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Prepared spectra (B, n) of reflectance (n, B)."""
    spectra, _ = preprocessing.transform(reflectance.T[:, None], np.ones((1, len(reflectance)), dtype=bool))
    return spectra[:, 0]


# ------------------------------------------------------------------------------------------------- other conditions

_LIGHT = math.log(1.7)
"""Half the range of the logarithm of illumination."""
_HAZE = 0.3
"""Most haze in the blue, as a share of the scene's median reflectance."""
_CONTRAST = 0.2
"""Most that haze takes away from the contrast."""
_CALIBRATION = 0.02
"""Deviation of a band's gain."""
_NOISE = 3.0
"""Most times the noise of the training scene."""


def _under_other_conditions(
    reflectance: NDArray[np.float64], noise: NDArray[np.float64], centres: NDArray[np.float64], random: Any
) -> NDArray[np.float64]:
    """The spectra (N, B) as they might be on another day: light, haze, calibration and noise of each drawn anew."""
    count, bands = reflectance.shape
    typical = np.median(np.abs(reflectance))
    light = np.exp(random.uniform(-_LIGHT, _LIGHT, (count, 1)))
    lost = random.uniform(0, _CONTRAST, (count, 1))
    path = random.uniform(0, _HAZE, (count, 1)) * typical * _blueness(centres) ** random.uniform(0.3, 2.0, (count, 1))
    gain = 1 + _CALIBRATION * random.standard_normal((count, bands))
    grain = noise * random.uniform(0, _NOISE, (count, 1)) * random.standard_normal((count, bands))
    hazy = reflectance * light * (1 - lost) + lost * np.median(reflectance, axis=0) + path
    return np.asarray(hazy * gain + grain)


def _blueness(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """(B,) 1 at the shortest wavelength, less towards longer ones, by which haze falls off."""
    shortest = max(float(centres.min()), 1.0)
    return shortest / np.maximum(centres, shortest)


def _noise(reflectance: NDArray[np.float64]) -> NDArray[np.float64]:
    """(B,) deviation of what the principal axes of the spectra leave of each band, and of the noise along these."""
    bands = reflectance.shape[1]
    most = max(1, min(_MOST_AXES, bands // 2, len(reflectance) // _PIXELS_PER_AXIS))
    left = _beside_axes((reflectance - reflectance.mean(axis=0)).T, most)
    return left / math.sqrt(max(1.0 - most / bands, 0.5))


def _beside_axes(centred: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """(B,) deviation of the bands of centred spectra (B, n) beside their first axes; never 0."""
    axes, _ = _principal_axes(centred, most)
    left = np.sqrt(np.square(centred - axes.T @ (axes @ centred)).mean(axis=1))
    typical = float(np.median(left)) or float(np.sqrt(np.square(centred).mean())) or 1.0
    return np.asarray(np.maximum(left, 0.1 * typical))


def _principal_axes(centred: NDArray[np.float64], most: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The first axes (k, B), orthonormal, of centred spectra (B, n), and the variances (k,) along them, positive."""
    values, vectors = np.linalg.eigh(centred @ centred.T / centred.shape[1])
    values, vectors = values[::-1][:most], vectors[:, ::-1][:, :most]
    return vectors.T, np.maximum(values, max(float(values[0]), 1e-30) * 1e-9)
