"""Colours for classes that have none of their own, chosen so that colour-blind readers can tell them apart.

The first eight differ in lightness (CIELAB L*) by 8 and more, so that they can be told apart in grey too; the first
twelve by 4. They were found by simulated annealing from colours like those of Okabe and Ito 2008: the least difference
(CIEDE2000) of any two is as large as it can be made, not only to normal vision but with deuteranopia and protanopia
(after Machado et al. 2009) too, and all stand out from white. The others follow one by one, each as different as
possible from those before it.
"""

from __future__ import annotations

import colorsys

PALETTE = (
    "5a6bfe", "d4ca04", "a50000", "690078", "a14465", "69b4e1", "2da55a", "69ffb4", "2d4bd2", "3cf0e1", "42b19b",
    "2d7896", "691e2d", "f45414", "ff96b4", "5a2d4b", "965a4b", "13928d", "b4c378", "c33c0f", "69e1ff", "6996ff",
    "3b95b6", "3c9678", "9cf77a", "7e4072", "052db2", "78b487", "872d2d", "f852be", "b4f0d2", "4b5a96", "0f5a4b",
    "ceaa40", "d25a3c", "97274b",
)  # fmt: skip
"""Red, green and blue in hexadecimal digits."""

_GOLDEN = 0.618033988749895


def palette_color(position: int) -> tuple[int, int, int]:
    """The `position`-th of an endless row of colours, red, green and blue, 0 … 255.

    >>> palette_color(0), palette_color(1)
    ((90, 107, 254), (212, 202, 4))
    """
    if position < len(PALETTE):
        digits = PALETTE[position]
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    hue = (position * _GOLDEN) % 1.0  # golden ratio: never near an earlier hue for long
    value, saturation = (0.9, 0.65, 0.8)[position % 3], (0.75, 0.5)[position // 3 % 2]
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)
