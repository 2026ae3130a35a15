"""From reflectance to the components that the networks see, and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rasterio.windows import Window
from torch import Tensor

from hsiattn.adaptation.translation.pair import ScenePair
from hsiattn.adaptation.translation.settings import TranslationSettings
from hsiattn.errors import SceneError
from hsiattn.scenes import SceneSource
from hsiattn.scenes.tiles import read_tile, tile_windows

_MOST_WINDOWS = 64
"""Windows of a scene from which moments are taken: all of a scene of up to a million pixels."""
_WINDOW = 128
_LEAST_VARIANCE = 1e-6
"""Smallest variance of a component, as a share of the largest: beyond lies rounding."""

Float = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SpectralSpace:
    """How spectra of one scene become components and components become spectra.

    Attributes
    ----------
    centre, spread
        (B,) normalised reflectance = (reflectance - centre) / spread.
    axes
        (C, B): components = axes · normalised reflectance. Over both scenes their deviations are 1.
    back
        (B, C) pseudo-inverse of the axes.
    """

    centre: Float
    spread: Float
    axes: Float
    back: Float

    @property
    def channels(self) -> int:
        """C."""
        return len(self.axes)

    def normalised(self, reflectance: Float) -> Float:
        """Normalised reflectance (B, …) of reflectance (B, …)."""
        shape = (-1, *(1 for _ in reflectance.shape[1:]))
        return np.asarray((reflectance - self.centre.reshape(shape)) / self.spread.reshape(shape), dtype=np.float32)

    def components(self, normalised: Float) -> Float:
        """Components (C, …) of normalised reflectance (B, …)."""
        return np.asarray(np.tensordot(self.axes, normalised, 1), dtype=np.float32)


class ToReflectance(torch.nn.Module):
    """The reflectance (N, B, H, W) that components (N, C, H, W) of a space stand for, as a module with buffers."""

    back: Tensor
    centre: Tensor

    def __init__(self, space: SpectralSpace) -> None:
        super().__init__()
        self.register_buffer("back", torch.from_numpy(space.spread[:, None] * space.back), persistent=False)
        self.register_buffer("centre", torch.from_numpy(space.centre), persistent=False)

    def forward(self, components: Tensor) -> Tensor:
        """Reflectance in the bands of the space."""
        return torch.einsum("bc,nchw->nbhw", self.back, components) + self.centre[:, None, None]


@dataclass(frozen=True, eq=False)
class _Moments:
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]

    @property
    def deviation(self) -> NDArray[np.float64]:
        """(B,), 1 for bands that do not vary."""
        deviation = np.sqrt(np.diag(self.covariance))
        return np.where(deviation > 1e-9 * max(float(deviation.max()), 1e-30), deviation, 1.0)


def fit_spaces(pair: ScenePair, settings: TranslationSettings) -> tuple[SpectralSpace, SpectralSpace]:
    """Spaces of source and target.

    With start `moments` every band has mean 0 and deviation 1 in each scene, so that what one scene calls 0 is the
    other's mean; otherwise mean and deviation are those of both scenes together. Axes are the principal ones of both
    scenes together, whitened. Scenes whose bands do not correspond have axes of their own.

    Raises
    ------
    SceneError
        A scene has fewer than two pixels with data in all bands.
    """
    source = _moments(pair.source, pair.source_bands)
    target = _moments(pair.target, pair.target_bands)
    if not pair.corresponding:
        return _alone(source, settings), _alone(target, settings)
    if settings.start == "moments":
        places = [(each.mean, each.deviation) for each in (source, target)]
    else:
        both = _together(source, target)
        places = [(both.mean, both.deviation)] * 2
    inside = [
        _Moments((each.mean - centre) / spread, each.covariance / np.outer(spread, spread))
        for each, (centre, spread) in zip((source, target), places, strict=True)
    ]
    axes, back = _axes(_together(*inside), settings.components)
    first, second = (SpectralSpace(_float(centre), _float(spread), axes, back) for centre, spread in places)
    return first, second


def _alone(moments: _Moments, settings: TranslationSettings) -> SpectralSpace:
    spread = moments.deviation
    scaled = _Moments(np.zeros_like(spread), moments.covariance / np.outer(spread, spread))
    axes, back = _axes(scaled, settings.components)
    return SpectralSpace(_float(moments.mean), _float(spread), axes, back)


def _axes(moments: _Moments, count: int | None) -> tuple[Float, Float]:
    """Axes (C, B) and their inverse (B, C): principal ones with unit variances, or the bands."""
    bands = len(moments.mean)
    if count is None:
        return np.eye(bands, dtype=np.float32), np.eye(bands, dtype=np.float32)
    values, vectors = np.linalg.eigh(moments.covariance)
    order = np.argsort(-values, kind="stable")[: min(count, bands)]
    values, vectors = values[order], vectors[:, order]
    kept = values > _LEAST_VARIANCE * max(float(values[0]), 1e-30)
    kept[0] = True
    values, vectors = np.maximum(values[kept], 1e-30), vectors[:, kept]
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])])
    deviation = np.sqrt(values)
    return _float((vectors / deviation).T), _float(vectors * deviation)


def _together(first: _Moments, second: _Moments) -> _Moments:
    """Moments of two scenes of which each counts half."""
    mean = (first.mean + second.mean) / 2
    apart = (first.mean - second.mean) / 2
    return _Moments(mean, (first.covariance + second.covariance) / 2 + np.outer(apart, apart))


def _moments(source: SceneSource, bands: NDArray[np.int64]) -> _Moments:
    """Mean and covariance of the reflectance of pixels with data in all bands, from windows spread over the scene."""
    count, total, products = 0, np.zeros(len(bands)), np.zeros((len(bands), len(bands)))
    reference: NDArray[np.float64] | None = None
    with source.kept_open():
        for window in _windows(source):
            tile = read_tile(source, window, 0, bands, "reflect")
            if not tile.valid.any():
                continue
            spectra = source.radiometry.subset(bands).reflectance(tile.values[:, tile.valid].T)
            reference = spectra.mean(axis=0) if reference is None else reference  # sums of squares lose no digits
            spectra = spectra - reference
            count, total, products = count + len(spectra), total + spectra.sum(axis=0), products + spectra.T @ spectra
    if count < 2 or reference is None:
        raise SceneError(
            f"{source.name} has no two pixels with data in all {len(bands)} bands", "mark bands without data as bad"
        )
    mean = total / count
    return _Moments(reference + mean, products / count - np.outer(mean, mean))


def _windows(source: SceneSource) -> Iterator[Window]:
    windows = list(tile_windows(source.height, source.width, _WINDOW))
    step = -(-len(windows) // _MOST_WINDOWS)
    yield from windows[::step]


def _float(values: NDArray[Any]) -> Float:
    return np.asarray(values, dtype=np.float32)
