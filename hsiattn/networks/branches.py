"""What the branches of networks have in common, and what several kinds of them use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from hsiattn.core.block import mean
from hsiattn.networks.units import Anatomy, Kept, Shown, Spread, Units, in_layers

_SPECTRA_AT_ONCE = 8192


class SpectralBranch(nn.Module):
    """Features of the pixel's own spectrum: (N, B) -> (N, features).

    Attributes
    ----------
    features
        Number of features.
    """

    features: int

    def anatomy(self) -> Anatomy:
        """Units that it can do without; none by default."""
        return Anatomy((), {})

    def slimmed(self, kept: Kept) -> dict[str, Any]:
        """Arguments, in place of its own, by which the branch has only those units."""
        return {}

    def attention_weights(self, spectra: Tensor) -> Tensor | None:
        """How it weighs bands, see `AttentionWeights`: (N, B) -> (N, B); None where it does not."""
        return None

    def columns(self, spectra: Tensor) -> Tensor:
        """Features where bands lie before pixels, as in a scene: (B, N) -> (features, N). For evaluation only.

        Branches for which this order is faster override it.
        """
        # In pieces: the states of all steps of a whole tile would take more memory than everything else together.
        if torch.compiler.is_exporting():  # a graph has one piece, or the number of pieces of its example
            features: Tensor = self(spectra.T)
            return features.T
        return torch.cat([self(few.T).T for few in torch.split(spectra, _SPECTRA_AT_ONCE, dim=1)], dim=1)


class SpatialBranch(nn.Module):
    """Features of the pixel's neighbourhood, from components (N, C, H, W) and a mask (N, 1, H, W) or None.

    Attributes
    ----------
    features
        Number of features F.
    local
        True where the branch, in evaluation, maps a tile to (N, F, H - w + 1, W - w + 1), each position being what its
        w × w patch alone would give; otherwise it takes patches, H = W = w, and gives (N, F, 1, 1).
    """

    features: int
    local: bool

    def anatomy(self) -> Anatomy:
        """Units that it can do without; none by default."""
        return Anatomy((), {})

    def slimmed(self, kept: Kept) -> dict[str, Any]:
        """Arguments, in place of its own, by which the branch has only those units."""
        return {}

    def attention_weights(self, patches: Tensor, mask: Tensor | None) -> Tensor | None:
        """How it weighs neighbours, see `AttentionWeights`: (N, C, w, w) -> (N, w, w); None where it does not."""
        return None


def chosen_inputs(name: str, kept: Sequence[int] | None, count: int) -> list[int] | None:
    """Numbers of the inputs that are read, of so many; None for all.

    Raises
    ------
    ValueError
        They are not ascending numbers of inputs that there are.
    """
    if kept is None:
        return None
    numbers = list(kept)
    if not numbers or sorted({*numbers} & {*range(count)}) != numbers:
        raise ValueError(f"{name} must be ascending numbers from 0 to {count - 1}, at least one")
    return numbers


def kept_inputs(name: str, inputs: list[int] | None, count: int, kept: NDArray[np.int64]) -> dict[str, list[int]]:
    """The argument of that name by which only some of the inputs are read; none where all of them are.

    Parameters
    ----------
    inputs
        Numbers of those that are read so far, None for all.
    count
        How many these are.
    kept
        Which of these stay.
    """
    if inputs is None and len(kept) == count:
        return {}
    return {name: [number if inputs is None else inputs[number] for number in kept.tolist()]}


def components_read(kept: list[int] | None, count: int, readers: Sequence[str]) -> Units:
    """Components that a spatial branch reads.

    Parameters
    ----------
    kept
        Numbers of those that it reads, None for all.
    count
        How many these are.
    readers
        Names of the layers that read them.
    """
    shown = Shown("", "input", Spread(1), None if kept is None else tuple(kept))
    return Units("components", count, in_layers(inputs=readers), shown)


def read_out(x: Tensor, mask: Tensor | None, centre: tuple[int, int]) -> Tensor:
    """What stands at the centre beside the mean of the map: (N, C, H, W) -> (N, 2C, 1, 1).

    The label belongs to the centre, which a mean alone would forget.
    """
    at_centre = x[:, :, centre[0], centre[1], None, None]
    return torch.cat([at_centre, mean(x, mask, axes=(2, 3))], dim=1)


def shared_out(weights: Tensor, owner: Tensor) -> Tensor:
    """Weights of parts (N, T), divided equally among their members, of which `owner` (B,) names the part: (N, B)."""
    members = torch.bincount(owner)
    return weights[:, owner] / members[owner]


def group_bands(spectra: Tensor, group: int) -> Tensor:
    """Contiguous groups of bands as steps of a sequence, the last one filled up with zeros: (N, B) -> (N, T, group)."""
    missing = -spectra.shape[1] % group
    return functional.pad(spectra, (0, missing)).reshape(spectra.shape[0], -1, group)
