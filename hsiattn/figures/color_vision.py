"""How well colours can be told apart, also by readers with deuteranopia and protanopia.

Sources: Machado, Oliveira and Fernandes 2009, IEEE Transactions on Visualization and Computer Graphics 15, 1291-1298
(simulation of colour vision deficiencies, severity 1.0, on linear RGB); CIE 142-2001 and Sharma, Wu and Dalal 2005,
Color Research and Application 30, 21-30 (difference CIEDE2000); IEC 61966-2-1 (sRGB).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from hsiattn.classes import LandCoverClass

VISIONS: Mapping[str, NDArray[np.float64]] = {
    "normal vision": np.eye(3),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}
"""Matrices on linear red, green and blue."""

HARD_TO_TELL = 8.0
"""Difference CIEDE2000 below which two areas that do not touch are easily taken for the same."""

_MOST_NAMED = 3
_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = _TO_XYZ.sum(axis=1)


def hard_to_tell(classes: Sequence[LandCoverClass], least: float = HARD_TO_TELL) -> list[tuple[str, str, str]]:
    """Find pairs of classes whose colours differ too little, to readers of normal vision or to colour-blind ones.

    Parameters
    ----------
    classes
        Names and colours.
    least
        Difference CIEDE2000 from which colours can be told apart.

    Returns
    -------
    list of tuple of str
        The two names, and the first vision of `VISIONS` to which they look alike.
    """
    if not classes:
        return []
    colors = [item.color for item in classes]
    alike = {vision: differences(colors, colors, vision) < least for vision in VISIONS}
    found = []
    for first, second in combinations(range(len(classes)), 2):
        for vision, matrix in alike.items():
            if matrix[first, second]:
                found.append((classes[first].name, classes[second].name, vision))
                break
    return found


def pairs_in_words(classes: Sequence[LandCoverClass]) -> list[str]:
    """A sentence on classes whose colours are hard to tell apart; empty where there are none."""
    pairs = hard_to_tell(classes)
    if not pairs:
        return []
    shown = [f"{first} and {second} ({vision})" for first, second, vision in pairs[:_MOST_NAMED]]
    more = f", and {len(pairs) - _MOST_NAMED} more pairs" if len(pairs) > _MOST_NAMED else ""
    return [f"colours that are hard to tell apart: {', '.join(shown)}{more}; a class table can give others"]


def differences(first: ArrayLike, second: ArrayLike, vision: str = "normal vision") -> NDArray[np.float64]:
    """Differences CIEDE2000 (N, M) of colours (N, 3) and (M, 3), 0 … 255, as a vision of `VISIONS` sees them."""
    one, other = (to_lab(seen(np.asarray(colors, np.float64).reshape(-1, 3), vision)) for colors in (first, second))
    return ciede2000(one[:, None], other[None])


def seen(colors: NDArray[np.float64], vision: str) -> NDArray[np.float64]:
    """Colours (…, 3), 0 … 255, as linear light (…, 3), 0 … 1, that looks to everybody as they look to that vision."""
    shares = colors / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.clip(linear @ VISIONS[vision].T, 0, 1))


def to_lab(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIELAB (…, 3) of linear sRGB (…, 3), white D65."""
    shares = linear @ _TO_XYZ.T / _WHITE
    roots = np.where(shares > (6 / 29) ** 3, np.cbrt(shares), shares / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(roots, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def ciede2000(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Colour difference CIEDE2000 of colours in CIELAB (…, 3), with all weights 1."""
    (l1, a1, b1), (l2, a2, b2) = (np.moveaxis(colors, -1, 0) for colors in (first, second))
    chroma = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    c1, c2 = np.hypot(stretch * a1, b1), np.hypot(stretch * a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, stretch * a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    grey = c1 * c2 == 0
    turn = np.where(grey, 0.0, (h2 - h1 + 180) % 360 - 180)
    apart = np.abs(h1 - h2) > 180
    hue = np.where(grey, h1 + h2, (h1 + h2) / 2 + np.where(apart, np.where(h1 + h2 < 360, 180, -180), 0))
    light, mean = (l1 + l2) / 2, (c1 + c2) / 2
    weight = (
        1
        - 0.17 * np.cos(np.radians(hue - 30))
        + 0.24 * np.cos(np.radians(2 * hue))
        + 0.32 * np.cos(np.radians(3 * hue + 6))
        - 0.20 * np.cos(np.radians(4 * hue - 63))
    )
    scale_l = 1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2)
    scale_c, scale_h = 1 + 0.045 * mean, 1 + 0.015 * mean * weight
    by_l, by_c = (l2 - l1) / scale_l, (c2 - c1) / scale_c
    by_h = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2)) / scale_h
    turned = 30 * np.exp(-(((hue - 275) / 25) ** 2))
    rotation = -np.sin(np.radians(2 * turned)) * 2 * np.sqrt(mean**7 / (mean**7 + 25.0**7))
    return np.asarray(np.sqrt(np.maximum(by_l**2 + by_c**2 + by_h**2 + rotation * by_c * by_h, 0)))
