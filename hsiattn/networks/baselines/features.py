"""What the classical classifiers see of a pixel: its spectrum, the mean of its window, or morphological profiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from hsiattn.networks.baselines.profiles import morphological_profiles

FeatureKind = Literal["spectrum", "means", "spectrum-and-means", "profiles"]
"""The scaled spectrum; means of the components over the window; both; profiles of the components over the window."""


def pixel_features(
    kind: FeatureKind, spectra: Tensor, components: Tensor, valid: Tensor | None, *, size: int, radii: Sequence[int]
) -> Tensor:
    """Features of every pixel in the core of N tiles.

    A patch is a tile whose core is one pixel, so the same features serve `forward` and `dense`.

    Parameters
    ----------
    kind
        See `FeatureKind`.
    spectra
        (N, B, h, w'), of the core.
    components, valid
        (N, C, H, W) and (N, H, W) bool or None, with a halo of size // 2 around the core.
    size
        Side of the window.
    radii
        Of the discs of profiles, see `morphological_profiles`.

    Returns
    -------
    (N, F, h, w')
    """
    match kind:
        case "spectrum":
            return spectra
        case "means":
            return window_means(components, valid, size)
        case "spectrum-and-means":
            return torch.cat([spectra, window_means(components, valid, size)], dim=1)
        case "profiles":
            return morphological_profiles(components, valid, radii, size)


def window_means(components: Tensor, valid: Tensor | None, size: int) -> Tensor:
    """Means over windows, missing neighbours left out: (N, C, H, W) -> (N, C, H - size + 1, W - size + 1).

    0 where the whole window is missing.
    """
    if valid is None:
        return _box_means(components, size)
    mask = valid[:, None]
    share = _box_means(mask.to(components.dtype), size)
    return _box_means(components.masked_fill(~mask, 0.0), size) / share.clamp(min=0.5 / size**2)


def _box_means(values: Tensor, size: int) -> Tensor:
    """Rows, then columns: 2 · size additions for a pixel in place of size²."""
    return functional.avg_pool2d(functional.avg_pool2d(values, (size, 1), stride=1), (1, size), stride=1)
