"""Labelled reflectance spectra on one fine grid of wavelengths."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WAVELENGTH: Floats = np.arange(380.0, 2501.0, 5.0)
"""(M,) nm, where all spectra are sampled before a sensor sees them."""

LEAVES = ("water", "tree", "low vegetation", "dry vegetation", "soil and rock", "roof", "pavement")
"""The finest classes."""
PARENTS = {"green vegetation": ("tree", "low vegetation"), "built-up": ("roof", "pavement")}
"""Classes of which only that is known, with the finest ones that they may be."""
BROAD = ("water", "green vegetation", "dry vegetation", "soil and rock", "built-up")
"""Classes of the first level."""
OF_BROAD = np.array([[leaf in PARENTS.get(name, (name,)) for name in BROAD] for leaf in LEAVES])
"""(7, 5) bool: which of the first level each of the finest classes belongs to."""


def allowed(name: str) -> NDArray[np.bool_]:
    """Which of the finest classes (7,) a class stands for.

    >>> allowed("built-up").tolist()
    [False, False, False, False, False, True, True]
    """
    return np.isin(LEAVES, PARENTS.get(name, (name,)))


@dataclass(frozen=True)
class Spectra:
    """Labelled spectra.

    Attributes
    ----------
    values
        (n, M) float32 reflectance at `WAVELENGTH`.
    classes
        (n,) names, of `LEAVES` or of `PARENTS`.
    sources
        (n,) where they come from.
    groups
        (n,) polygon or material, never divided between training and trial.
    """

    values: NDArray[np.float32]
    classes: NDArray[np.str_]
    sources: NDArray[np.str_]
    groups: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.values)

    def where(self, chosen: NDArray[np.bool_]) -> Spectra:
        """Those that are chosen (n,)."""
        return Spectra(self.values[chosen], self.classes[chosen], self.sources[chosen], self.groups[chosen])

    @classmethod
    def joined(cls, parts: Iterable[Spectra]) -> Spectra:
        """All parts, one after the other."""
        parts = list(parts)
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__annotations__))


def bell(centre: float, width: float) -> Floats:
    """A Gaussian (M,) of height 1 at `WAVELENGTH`; centre and standard deviation in nm."""
    return np.asarray(np.exp(-0.5 * ((WAVELENGTH - centre) / width) ** 2))


def on_grid(wavelength: Floats, values: Floats) -> NDArray[np.float32]:
    """Spectra (n, B) with centres (B,) in nm as (n, M); constant beyond the first and the last centre."""
    order = np.argsort(wavelength, kind="stable")
    return np.stack([np.interp(WAVELENGTH, wavelength[order], row[order]) for row in values]).astype(np.float32)
