"""Layers by which a product says what is wrong with a pixel: cloud, haze, shadow, a defect of the sensor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.errors import SceneError

LEFT_OUT = ("cloud", "dilated cloud", "cirrus", "haze", "cloud shadow", "spacecraft", "defective")
"""Names of the layers whose pixels count as missing unless the user says otherwise."""

TOLD = ("snow", "water", "terrain shadow", "vegetation", "aggregate")
"""Names of the layers that a product may have and that are told, not left out."""


@dataclass(frozen=True, eq=False)
class QualityLayer:
    """One thing that a product says of its pixels.

    Attributes
    ----------
    name
        One of `LEFT_OUT` or `TOLD`.
    read
        The pixels (h, w) of a window of which it holds, bool. Picklable; opens its own handle.
    origin
        File or data set that it comes from, for messages.
    """

    name: str
    read: Callable[[Window], NDArray[np.bool_]]
    origin: str = ""


def still_left_out(
    quality: Sequence[QualityLayer], left_out: Iterable[str], use_flagged: Iterable[str], name: str
) -> tuple[str, ...]:
    """Names of the layers that still leave pixels out, once those of some layers are to be used.

    Parameters
    ----------
    quality, left_out
        Those of a scene.
    use_flagged
        Layers whose pixels are to be used; "all" for every one.
    name
        Name of the scene, for messages.

    Raises
    ------
    SceneError
        The scene has no such layer, or it leaves no pixel out anyway.
    """
    wanted, left = list(use_flagged), tuple(left_out)
    there = [layer.name for layer in quality if layer.name in left]
    if not wanted:
        return left
    if not there:
        raise SceneError(f"{name} has no layer that leaves flagged pixels out", "leave out use_flagged=")
    if wanted == ["all"]:
        return ()
    unknown = [layer for layer in wanted if layer not in there]
    if unknown:
        raise SceneError(
            f"{name} leaves no pixels out as {' or '.join(unknown)}",
            f"name some of its layers for use_flagged=: {', '.join(dict.fromkeys(there))}",
        )
    return tuple(layer for layer in left if layer not in wanted)
