"""Fitting of the preprocessing on training pixels, or on the scene."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.errors import TrainingError
from hsiattn.preprocessing.moments import Chunks, Convert, Moments, RegionStatistics
from hsiattn.preprocessing.preprocessing import Preprocessing
from hsiattn.preprocessing.projections import noise_axes, rescaled, whitened_axes
from hsiattn.preprocessing.settings import PreprocessingSettings
from hsiattn.preprocessing.spectral_transforms import SpectralTransform, create_transform

_LEAST_SPAN = 0.1
"""Smallest range of a band of transformed spectra, as a share of the median over bands. Where training pixels hardly
differ from their continuum, or a derivative is 0, a later pixel that does differ would have values in the thousands."""


def fit_preprocessing(
    settings: PreprocessingSettings,
    bands: NDArray[np.int64],
    training: NDArray[np.float64],
    scene: Chunks | None = None,
    region_statistics: Callable[[Convert], RegionStatistics] | None = None,
    centres: NDArray[np.float64] | None = None,
) -> tuple[Preprocessing, list[int]]:
    """Fit the preprocessing that a recipe describes.

    Parameters
    ----------
    bands
        (B,) indices of the bands that `training` holds.
    training
        (N, B) reflectance of the training pixels.
    scene
        All valid spectra of the training scene, same bands; needed for `fit_on: scene`.
    region_statistics
        Returns the moments of the pixels of the region, reflectance of the same bands, converted; needed for noise
        components.
    centres
        (B,) of the bands, for the spectral transform; None for their numbers.

    Returns
    -------
    Preprocessing, list of int
        The second: indices (into the scene's bands) of bands that were dropped because they do not vary.

    Raises
    ------
    TrainingError
        No band varies, before or after the spectral transform, or fewer spectra than components.
    """
    varies = np.ptp(training, axis=0) > 0
    if not varies.any():
        raise TrainingError(
            "every band is constant over the training pixels", "check the scene and the place of the labels"
        )
    dropped = [int(band) for band in bands[~varies]]
    bands, centres = bands[varies], (bands.astype(np.float64) if centres is None else centres)[varies]
    transform = create_transform(settings.spectral_transform, centres)
    convert = _converter(varies, transform)
    training = convert(training)
    if not np.ptp(training, axis=0).any():
        raise TrainingError(
            f"nothing varies over the training pixels after {settings.spectral_transform}",
            "set preprocessing.spectral_transform=none; derivatives need three bands side by side",
        )

    def chunks() -> Iterable[NDArray[np.float64]]:
        if settings.fit_on == "training" or scene is None:
            return [training]
        return (convert(chunk) for chunk in scene())

    moments = Moments.of(chunks())
    offset, gain = _scaling(settings, moments)
    # Components are fitted on spectra as converted, = scaled / gain + offset, and act on scaled ones.
    fitted = [
        (axes / gain, axes @ offset + centre)
        for axes, centre in _components(settings, moments, chunks, region_statistics, convert)
    ]
    if settings.bands_as_components:
        fitted.insert(0, (np.eye(len(bands)), np.zeros(len(bands))))
    preprocessing = Preprocessing(
        bands=bands,
        offset=offset.astype(np.float32),
        gain=gain.astype(np.float32),
        projection=np.concatenate([np.empty((0, len(bands))), *[axes for axes, _ in fitted]]).astype(np.float32),
        shift=np.concatenate([np.empty(0), *[shift for _, shift in fitted]]).astype(np.float32),
        spectral_transform=transform,
    )
    return preprocessing, dropped


def _converter(varies: NDArray[np.bool_], transform: SpectralTransform | None) -> Convert:
    def convert(spectra: NDArray[Any]) -> NDArray[Any]:
        spectra = spectra[:, varies]  # a copy
        if transform is not None:
            transform.apply(spectra.T)
        return spectra

    return convert


def _components(
    settings: PreprocessingSettings,
    moments: Moments,
    chunks: Chunks,
    region_statistics: Callable[[Convert], RegionStatistics] | None,
    convert: Convert,
) -> Iterable[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Axes (C, B) and centres (C,) of the components."""
    if settings.principal_components:
        axes = whitened_axes(moments, settings.principal_components)
        centre = -axes @ moments.mean
        yield rescaled(axes, centre, chunks()) if settings.rescale_components else (axes, centre)
    if settings.noise_components:
        if region_statistics is None:
            raise ValueError("noise components need the pixels around the labels")
        yield noise_axes(region_statistics(convert), settings.noise_components)


def _scaling(settings: PreprocessingSettings, moments: Moments) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Offset and gain of every band."""
    low, high = (
        (moments.low, moments.high)
        if settings.scaling == "minmax"
        else (moments.mean, moments.mean + moments.deviation)
    )
    span = high - low
    if settings.spectral_transform != "none":
        span = np.maximum(span, _LEAST_SPAN * np.median(span))
    return low, 1.0 / np.where(span > 0, span, 1.0)
