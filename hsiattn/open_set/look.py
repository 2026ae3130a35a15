"""What a pixel looks like, whatever a network makes of it: its spectrum, and the mean of its surroundings.

Networks that learned to tell some classes have no reason to tell other materials from these, and often put both in one
place among their features. The prepared spectrum does not know the classes, and the mean of the components around the
pixel, in which noise averages out, tells covers whose single spectra lie within the noise of each other.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SIDE = 5
"""Side of the surroundings in pixels, or the patch where that is smaller."""


def look_of_patches(spectra: Tensor, patches: Tensor, valid: Tensor) -> Tensor:
    """Spectra (N, B), with the mean components (C) of their surroundings beside them: (N, B + C).

    Missing neighbours do not count. Where the patch is the pixel alone, or has no components, the spectra themselves.

    Parameters
    ----------
    spectra, patches, valid
        (N, B), (N, C, w, w) and (N, w, w) as a network reads them.

    Examples
    --------
    >>> look_of_patches(torch.zeros(2, 30), torch.ones(2, 4, 9, 9), torch.ones(2, 9, 9, dtype=torch.bool)).shape
    torch.Size([2, 34])
    """
    side, components = patches.shape[-1], patches.shape[1]
    if side == 1 or not components:
        return spectra
    rim = (side - min(SIDE, side)) // 2
    inner = slice(rim, side - rim)
    there = valid[:, None, inner, inner].to(patches.dtype)
    means = (patches[:, :, inner, inner] * there).sum(dim=(2, 3)) / there.sum(dim=(2, 3)).clamp_min(1.0)
    return torch.cat([spectra, means], dim=1)


def look_of_tile(
    spectra: NDArray[np.float32], components: NDArray[np.float32], valid: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """The same for every pixel of a tile's core.

    Parameters
    ----------
    spectra, components, valid
        (B, h, w'), (C, H, W) and (H, W), where H = h + w - 1 with a patch of w × w.

    Returns
    -------
    ndarray of float32, shape (B + C, h, w')
    """
    height, width = spectra.shape[1:]
    halo = (valid.shape[0] - height) // 2
    if not halo or not len(components):
        return spectra
    rim = max(0, halo - SIDE // 2)
    inner = slice(rim, valid.shape[0] - rim), slice(rim, valid.shape[1] - rim)
    there = valid[inner].astype(np.float32)
    sums = _sums(components[:, *inner] * there, height, width)
    means = sums / np.maximum(_sums(there[None], height, width), 1.0)
    return np.concatenate([spectra, means])


def _sums(values: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Sums over the surroundings of every pixel: (C, h + 2r, w + 2r) -> (C, h, w)."""
    side = values.shape[1] - height + 1
    rows = values[:, :height].copy()
    for i in range(1, side):
        rows += values[:, i : i + height]
    sums = rows[:, :, :width].copy()
    for i in range(1, side):
        sums += rows[:, :, i : i + width]
    return sums
