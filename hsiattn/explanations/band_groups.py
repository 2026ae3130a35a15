"""Groups of neighbouring bands that are taken away together: bands alone say little, since their neighbours know it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hsiattn.errors import BandError
from hsiattn.scenes import SpectralBands

REGIONS: tuple[tuple[str, float, float], ...] = (
    ("UV", 0, 400),
    ("visible", 400, 680),
    ("red edge", 680, 760),
    ("NIR", 760, 1300),
    ("SWIR 1", 1300, 1900),
    ("SWIR 2", 1900, 2600),
    ("thermal", 2600, np.inf),
)
"""Regions of the spectrum, from and to nm."""

DEFAULT_GROUPS = 6
"""Equal groups where wavelengths are not known, or lie in one region."""

_LEAST_RUNS = 6
"""Orders of fewer groups are too few to be told from chance."""


@dataclass(frozen=True, eq=False)
class BandGroup:
    """Bands that are taken away together.

    Attributes
    ----------
    name
        Such as `red edge (680–760 nm)`.
    members
        Their numbers among the bands that the network reads.
    """

    name: str
    members: NDArray[np.int64]


def band_groups(bands: SpectralBands, count: int | None = None) -> list[BandGroup]:
    """Groups of the bands that a network reads; every band is in one.

    Parameters
    ----------
    count
        Number of groups of equal size along the spectrum; None for the regions of the spectrum (`REGIONS`) where all
        wavelengths are known and lie in more than one, else `DEFAULT_GROUPS`.

    Raises
    ------
    BandError
        More groups than bands.

    Examples
    --------
    >>> bands = SpectralBands.build(4, wavelength=[450, 550, 720, 900])
    >>> [(group.name, group.members.tolist()) for group in band_groups(bands)]
    [('visible', [0, 1]), ('red edge', [2]), ('NIR', [3])]
    >>> [(group.name, group.members.tolist()) for group in band_groups(SpectralBands.unknown(5), 2)]
    [('bands 1–3', [0, 1, 2]), ('bands 4–5', [3, 4])]
    """
    if count is not None and count > len(bands):
        raise BandError(f"the model reads {len(bands)} bands, fewer than {count} groups", "give fewer band_groups=")
    known = bool(np.isfinite(bands.wavelength).all())
    if known and count is None:
        regions = [
            BandGroup(name, np.flatnonzero((bands.wavelength >= low) & (bands.wavelength < high)))
            for name, low, high in REGIONS
        ]
        present = [group for group in regions if len(group.members)]
        if len(present) > 1:
            return present
    order = np.argsort(bands.wavelength, kind="stable") if known else np.arange(len(bands))
    parts = np.array_split(order, min(count or DEFAULT_GROUPS, len(bands)))
    return [BandGroup(_span(bands, part, known), part) for part in parts]


def runs_of_equal_weight(weights: NDArray[np.floating], most: int) -> list[NDArray[np.int64]]:
    """Neighbouring bands to which attention (n, B) gives one weight at every pixel: the groups that a network reads.

    Where there are more than `most` of them, as in networks that weigh bands one by one, or few, equal
    groups instead.

    >>> weights = np.repeat([[0.1, 0.2, 0.1, 0.05, 0.02, 0.03]], 2, axis=1)
    >>> [run.tolist() for run in runs_of_equal_weight(weights, 20)]
    [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]]
    """
    bands = np.arange(weights.shape[1])
    apart = np.abs(np.diff(weights, axis=1)).max(axis=0) > 1e-6 * weights.max()
    runs = np.split(bands, np.flatnonzero(apart) + 1)
    return runs if _LEAST_RUNS <= len(runs) <= most else equal_runs(len(bands), most)


def equal_runs(bands: int, most: int) -> list[NDArray[np.int64]]:
    """Neighbouring bands in at most so many groups of equal size."""
    return [np.asarray(run) for run in np.array_split(np.arange(bands), min(most, bands))]


def _span(bands: SpectralBands, members: NDArray[np.int64], known: bool) -> str:
    if known:
        return f"{bands.wavelength[members[0]]:.0f}–{bands.wavelength[members[-1]]:.0f} nm"
    first, last = int(members.min()) + 1, int(members.max()) + 1
    return f"band {first}" if first == last else f"bands {first}–{last}"
