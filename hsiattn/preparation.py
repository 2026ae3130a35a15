"""From stored values to what a network reads: scaled spectra and a few components per pixel.

A preparation is affine, fitted once, kept in the model file, and applied unchanged to every later scene and window.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from hsiattn.errors import TrainingError
from hsiattn.noise import noise_components

_LEAST_VARIANCE = 1e-9
"""Of scaled bands within a class, so that spectra without noise, as of a first trial, can be told apart too."""

Chunks = Callable[[], Iterable[NDArray[np.float64]]]
"""Gives the spectra to fit on, as often as asked, in pieces (n, B) that fit memory."""


class PreparationSettings(BaseModel):
    """What a recipe says about preparation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scaling: Literal["standardize", "minmax"] = "standardize"
    """Per band: to mean 0 and deviation 1, or to [0, 1]."""
    bands_as_components: bool = False
    """Hand the scaled bands themselves on as components, before the others, for what averages them over windows."""
    principal_components: int = Field(default=0, ge=0)
    """Number of whitened principal components of reflectance."""
    noise_components: int = Field(default=0, ge=0)
    """Most components of the minimum noise fraction transform, the least noisy first; no more than there are bands.
    Noise is what distinguishes neighbouring pixels, labelled or not."""
    rescale_components: bool = False
    """Scale each principal component to [0, 1], as SSAN does."""
    discriminant: bool = False
    """Add the discriminant scores: K - 1 directions with unit variance within classes (shrinkage LDA)."""
    fit_on: Literal["training", "scene"] = "training"
    """Pixels that give band scaling and principal components: training pixels, or (transductively) the whole scene."""


@dataclass(frozen=True, eq=False)
class Preparation:
    """An affine map from reflectance to scaled spectra (B) and components (C).

    Attributes
    ----------
    bands
        (B,) indices of the used bands in the scene it was fitted on.
    offset, gain
        (B,) float32: scaled spectrum = (reflectance - offset) · gain.
    projection, shift
        (C, B) and (C,) float32: components = projection · scaled spectrum + shift.
    """

    bands: NDArray[np.int64]
    offset: NDArray[np.float32]
    gain: NDArray[np.float32]
    projection: NDArray[np.float32]
    shift: NDArray[np.float32]

    @property
    def channels(self) -> int:
        """C, number of components."""
        return len(self.shift)

    @cached_property
    def _hands_bands_on(self) -> bool:
        """Whether components are the scaled bands and nothing else, which takes no product and no memory of its own."""
        identity = np.eye(len(self.bands), dtype=np.float32)
        return bool(np.array_equal(self.projection, identity) and not self.shift.any())

    def transform(
        self, values: NDArray[Any], valid: NDArray[np.bool_], scale: float = 1.0
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Scaled spectra (B, H, W) and components (C, H, W) of a tile, both 0 where not valid.

        Parameters
        ----------
        values
            (B, H, W) stored values of the used bands, in their order.
        valid
            (H, W), True where there is a measurement.
        scale
            Stored values divided by this are reflectance.
        """
        spectra = np.array(values, dtype=np.float32, order="C").reshape(len(self.bands), -1)
        missing = ~valid.reshape(-1)
        some_missing = bool(missing.any())
        if some_missing:
            spectra[:, missing] = 0.0  # before arithmetic: NaN and infinities would warn and spread
        spectra *= (self.gain / np.float32(scale))[:, None]
        spectra -= (self.offset * self.gain)[:, None]
        components = spectra if self._hands_bands_on else self.projection @ spectra + self.shift[:, None]
        if some_missing:
            spectra[:, missing] = 0.0
            components[:, missing] = 0.0
        shape = valid.shape
        return spectra.reshape(-1, *shape), components.reshape(-1, *shape)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name, for the model file."""
        return {
            "bands": self.bands,
            "offset": self.offset,
            "gain": self.gain,
            "projection": self.projection,
            "shift": self.shift,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Preparation:
        """The inverse of `to_arrays`."""
        return cls(**{name: np.asarray(arrays[name]) for name in ("bands", "offset", "gain", "projection", "shift")})


def fit_preparation(
    settings: PreparationSettings,
    bands: NDArray[np.int64],
    training: NDArray[np.float64],
    targets: NDArray[np.int64],
    scene: Chunks | None = None,
    surroundings: Surroundings | None = None,
) -> tuple[Preparation, list[int]]:
    """Fit a preparation.

    Parameters
    ----------
    bands
        (B,) indices of the bands that `training` holds.
    training
        (N, B) reflectance of the training pixels.
    targets
        (N,) their class indices.
    scene
        All valid spectra of the training scene, same bands; needed for `fit_on: scene`.
    surroundings
        Moments of the pixels around the labels, same bands; needed for noise components.

    Returns
    -------
    Preparation, list of int
        The second: indices (into the scene's bands) of bands that were dropped because they do not vary.

    Raises
    ------
    TrainingError
        No band varies, or fewer spectra than components.
    """
    varies = np.ptp(training, axis=0) > 0
    if not varies.any():
        raise TrainingError(
            "every band is constant over the training pixels", "check the scene and the place of the labels"
        )
    dropped = [int(band) for band in bands[~varies]]
    training = training[:, varies]

    def chunks() -> Iterable[NDArray[np.float64]]:
        if settings.fit_on == "training" or scene is None:
            return [training]
        return (chunk[:, varies] for chunk in scene())

    moments = _Moments.of(chunks())
    low, high = (
        (moments.low, moments.high)
        if settings.scaling == "minmax"
        else (moments.mean, moments.mean + moments.deviation)
    )
    offset, gain = low, 1.0 / np.where(high > low, high - low, 1.0)

    projections, shifts = [], []
    count = int(varies.sum())
    if settings.bands_as_components:
        projections.append(np.eye(count))
        shifts.append(np.zeros(count))
    if settings.principal_components:
        axes = _whitened_axes(moments, settings.principal_components)
        centre = -axes @ moments.mean
        if settings.rescale_components:
            axes, centre = _rescaled(axes, centre, chunks())
        projections.append(axes / gain)  # acts on scaled spectra, reflectance = scaled / gain + offset
        shifts.append(axes @ offset + centre)
    if settings.noise_components:
        if surroundings is None:
            raise ValueError("noise components need the pixels around the labels")
        axes, centre = _noise_axes(surroundings, settings.noise_components, varies)
        projections.append(axes / gain)
        shifts.append(axes @ offset + centre)
    if settings.discriminant:
        directions, centre = _discriminant_axes((training - offset) * gain, targets)
        projections.append(directions)
        shifts.append(centre)
    preparation = Preparation(
        bands=bands[varies],
        offset=offset.astype(np.float32),
        gain=gain.astype(np.float32),
        projection=(np.concatenate(projections) if projections else np.empty((0, count))).astype(np.float32),
        shift=(np.concatenate(shifts) if shifts else np.empty(0)).astype(np.float32),
    )
    return preparation, dropped


def _noise_axes(
    surroundings: Surroundings, count: int, varies: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Axes (count, B) and centre (count,) of components that compress the strong ones.

    A component has noise of unit variance, and the first ones have hundreds of it; divided by 1 + deviation / 4, those
    that hardly rise above the noise keep their scale and none has a deviation above 4.
    """
    total, noise = (matrix[np.ix_(varies, varies)] for matrix in (surroundings.covariance, surroundings.noise))
    axes = noise_components(total, noise, count)
    deviation = np.sqrt(np.maximum(np.einsum("ib,bc,ic->i", axes, total, axes), 0.0))
    axes = axes / (1.0 + deviation / 4.0)[:, None]
    return axes, -axes @ surroundings.mean[varies]


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Moments of the pixels around the labels, labelled or not: mean (B,), covariance and noise covariance (B, B)."""

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    noise: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Moments:
    """Count, mean, covariance and range of spectra, from one pass in float64."""

    count: int
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @property
    def deviation(self) -> NDArray[np.float64]:
        return np.sqrt(np.diag(self.covariance))

    @classmethod
    def of(cls, chunks: Iterable[NDArray[np.float64]]) -> _Moments:
        count, origin, total, squares, low, high = 0, None, 0.0, 0.0, np.inf, -np.inf
        for chunk in chunks:
            if origin is None:
                origin = chunk.mean(axis=0)  # sums around a typical spectrum lose no digits
            centred = chunk - origin
            count += len(chunk)
            total = total + centred.sum(axis=0)
            squares = squares + centred.T @ centred
            low, high = np.minimum(low, chunk.min(axis=0)), np.maximum(high, chunk.max(axis=0))
        if origin is None:
            raise TrainingError("there is no valid spectrum to fit the preparation on", "check nodata and the labels")
        drift = np.asarray(total) / count
        covariance = (np.asarray(squares) - count * np.outer(drift, drift)) / max(count - 1, 1)
        return cls(count, origin + drift, covariance, np.asarray(low), np.asarray(high))


def _whitened_axes(moments: _Moments, count: int) -> NDArray[np.float64]:
    """Principal axes divided by their deviations, (count, B); signs fixed so that the largest entry is positive."""
    values, vectors = np.linalg.eigh(moments.covariance)
    rank = min(moments.count - 1, len(values))
    if count > rank:
        raise TrainingError(
            f"{count} principal components cannot be fitted on {moments.count} spectra of {len(values)} bands",
            "label more pixels or lower preparation.principal_components",
        )
    leading = vectors[:, ::-1][:, :count].T
    leading *= np.sign(leading[np.arange(count), np.abs(leading).argmax(axis=1)])[:, None]
    return np.asarray(leading / np.sqrt(np.maximum(values[::-1][:count], 1e-12 * values[-1]))[:, None])


def _rescaled(
    axes: NDArray[np.float64], centre: NDArray[np.float64], chunks: Iterable[NDArray[np.float64]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Axes and centre such that every component runs from 0 to 1 over the chunks."""
    low, high = np.full(len(axes), np.inf), np.full(len(axes), -np.inf)
    for chunk in chunks:
        scores = chunk @ axes.T + centre
        low, high = np.minimum(low, scores.min(axis=0)), np.maximum(high, scores.max(axis=0))
    span = np.where(high > low, high - low, 1.0)
    return axes / span[:, None], (centre - low) / span


def _discriminant_axes(
    spectra: NDArray[np.float64], targets: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Directions (K - 1, B) of linear discriminant analysis with the shrinkage of Ledoit and Wolf 2004, shift (K - 1,).

    Scores have unit variance within classes in the shrunk metric, so Euclidean distance between them is Mahalanobis
    distance between spectra.
    """
    from scipy import linalg  # only fitting needs it, and it takes a while to load

    classes = np.unique(targets)
    if len(classes) < 2:
        raise TrainingError("the training pixels are all of one class", "label at least two classes")
    means = np.stack([spectra[targets == k].mean(axis=0) for k in classes])
    # In the space where the within-class covariance is the identity, the differences of class means span all that
    # tells classes apart; an orthonormal basis of that span keeps distances.
    root = np.linalg.cholesky(covariance_within(spectra, targets))
    whitened = linalg.solve_triangular(root, (means - means.mean(axis=0)).T, lower=True)
    basis = np.linalg.svd(whitened, full_matrices=False)[0][:, : len(classes) - 1]
    directions = linalg.solve_triangular(root, basis, lower=True, trans="T").T
    return directions, -directions @ means.mean(axis=0)


def covariance_within(spectra: NDArray[np.float64], targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Covariances of the classes (B, B), shrunk after Ledoit and Wolf 2004, averaged by their numbers of pixels.

    As in scikit-learn's `LinearDiscriminantAnalysis(shrinkage="auto")`, but a class with a single pixel says nothing
    about scatter and takes no part.
    """
    from sklearn.covariance import ledoit_wolf  # only fitting needs it, and it takes a second to load

    bands = spectra.shape[1]
    total, pixels = np.zeros((bands, bands)), 0
    for k in np.unique(targets):
        members = spectra[targets == k]
        if len(members) < 2:
            continue
        deviation = np.std(members, axis=0)
        deviation[deviation < 1e-9] = 1.0
        shrunk, _ = ledoit_wolf((members - members.mean(axis=0)) / deviation)
        total += len(members) * deviation[:, None] * shrunk * deviation
        pixels += len(members)
    if not pixels:
        raise TrainingError("every class has a single training pixel", "label at least two pixels of a class")
    covariance: NDArray[np.float64] = total / pixels + _LEAST_VARIANCE * np.eye(bands)
    return covariance
