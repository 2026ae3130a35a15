"""How many pixels each flag leaves out of a scene, counted by reading the flags alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.scenes.block_cache import ONCE_THROUGH, block_cache
from hsiattn.scenes.block_windows import block_windows
from hsiattn.scenes.source import SceneSource


def count_flagged(
    source: SceneSource, area: Window | None = None, wanted: Callable[[Window], NDArray[np.bool_]] | None = None
) -> dict[str, int]:
    """Pixels by the name of the flag, for every flag of a scene; a pixel with two flags counts twice.

    The spectra are not read, only the flags, window by window.

    Parameters
    ----------
    area
        The part that is counted; None for all of the scene.
    wanted
        Which pixels (h, w) of a window count; None for all.

    Raises
    ------
    SceneError
        A file of flags cannot be read.
    """
    counts = {layer.name: 0 for layer in source.quality}
    if not counts:
        return counts
    area = area or source.extent
    top, left = int(area.row_off), int(area.col_off)
    with block_cache(ONCE_THROUGH), source.kept_open():
        for part in block_windows(int(area.height), int(area.width), [source.block]):
            window = Window(left + int(part.col_off), top + int(part.row_off), int(part.width), int(part.height))
            chosen = None if wanted is None else wanted(window)
            for layer in source.quality:
                flagged = layer.read(window)
                counts[layer.name] += int(np.count_nonzero(flagged if chosen is None else flagged & chosen))
    return counts


def tell_flagged(source: SceneSource, counts: dict[str, int]) -> list[str]:
    """Sentences on the pixels that flags leave out, of which there are `counts`; none where there are none.

    Examples
    --------
    >>> from types import SimpleNamespace as Scene
    >>> tell_flagged(Scene(left_out=("cloud", "haze")), {"cloud": 12, "haze": 1, "snow": 8})
    ['flags of the product leave out 12 pixels as cloud, 1 pixel as haze; use_flagged= names flags to use all the same']
    """
    left_out = [
        f"{n} pixel{'' if n == 1 else 's'} as {name}" for name, n in counts.items() if n and name in source.left_out
    ]
    if not left_out:
        return []
    return [f"flags of the product leave out {', '.join(left_out)}; use_flagged= names flags to use all the same"]
