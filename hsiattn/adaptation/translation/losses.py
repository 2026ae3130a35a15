"""Losses of the translation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from hsiattn.adaptation.translation.parts import spectral_angle
from hsiattn.adaptation.translation.settings import TranslationSettings


@dataclass(frozen=True)
class TranslationLosses:
    """Losses of the generators, each the sum over both directions.

    Attributes
    ----------
    adversarial
        LSGAN: how far made tiles are from being judged real.
    image
        L1 between tiles and what is made of their own content and style.
    style, content
        L1 between the codes that a tile was made of and those that are read from it.
    cycle
        L1 between tiles and their translation there and back.
    angle
        Mean spectral angle in radians between the same two.
    """

    adversarial: Tensor
    image: Tensor
    style: Tensor
    content: Tensor
    cycle: Tensor
    angle: Tensor

    def total(self, settings: TranslationSettings) -> Tensor:
        """The weighted sum."""
        weighted = [getattr(self, each.name) * getattr(settings, f"{each.name}_weight") for each in fields(self)]
        return torch.stack(weighted).sum()

    def figures(self) -> dict[str, Tensor]:
        """The losses by name."""
        return {each.name: getattr(self, each.name).detach() for each in fields(self)}


def absolute_difference(x: Tensor, y: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean of |x - y| over all values (N, C, H, W), or over those where `valid` (N, 1, H, W) is True."""
    difference = (x - y).abs()
    if valid is None:
        return difference.mean()
    there = valid.to(x.dtype)
    return (difference * there).sum() / (there.sum() * x.shape[1]).clamp(min=1)


def mean_angle(x: Tensor, y: Tensor, valid: Tensor) -> Tensor:
    """Mean spectral angle, in radians, between spectra (N, B, H, W) where `valid` (N, 1, H, W) is True."""
    there = valid[:, 0].to(x.dtype)
    return (spectral_angle(x, y) * there).sum() / there.sum().clamp(min=1)


def judged(judgements: Sequence[Tensor], wanted: float) -> Tensor:
    """LSGAN (Mao et al. 2017): mean squared distance of judgements from 1 (real) or 0 (made), summed over scales."""
    return torch.stack([(each - wanted).square().mean() for each in judgements]).sum()
