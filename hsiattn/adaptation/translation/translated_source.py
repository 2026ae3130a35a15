"""A scene as it would look in the radiometry of another one, translated tile by tile when it is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.adaptation.translation.tiles import check_tile, normalise
from hsiattn.adaptation.translation.translator import Translator
from hsiattn.scenes import Radiometry, SceneSource
from hsiattn.scenes.tiles import Tile, read_tile

_AT_ONCE = 16
"""Tiles that are translated together."""


class TranslatedSource(SceneSource):
    """The source scene of a translation, in the target's bands and look.

    The scene is cut into tiles of the size that the translation was learnt from, each half over the next, and where
    tiles overlap their values are averaged with weights that fall off towards a tile's edge: so there are no seams, and
    a pixel has the same value whatever window it is read with. Values are reflectance as the target scene states it,
    float32; NaN where the source holds no data, and in the target's bands that do not take part. Memory grows with the
    window, not with the scene.

    Parameters
    ----------
    translator
        The translation.

    Raises
    ------
    SceneError
        The scene is smaller than a tile.
    """

    def __init__(self, translator: Translator) -> None:
        pair = translator.pair
        source, target = pair.source, pair.target
        check_tile(source, translator.settings.tile)
        self.translator = translator
        self.name, self.bands, self.dtype = source.name, target.bands, np.dtype(np.float32)
        self.height, self.width = source.height, source.width
        self.crs, self.transform, self.control = source.crs, source.transform, source.control
        self.nodata, self.block, self.files, self.notes = None, source.block, source.files, source.notes
        if target.radiometry.stated:
            self.radiometry = Radiometry.divided_by(1.0, len(target.bands))
        self._last: tuple[Window, NDArray[np.float32]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_last": None}

    def read(self, window: Window) -> NDArray[np.float32]:
        """Values of a window, shape (M, h, w)."""
        last = self._last
        if last is None or last[0] != window:
            last = self._last = window, self._translated(window)
        return last[1].copy()

    def read_bands(self, window: Window, indices: Sequence[int]) -> NDArray[np.float32]:
        """Values of some bands (0-based) of a window."""
        return self.read(window)[np.asarray(indices, dtype=np.int64)]

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """See `SceneSource.kept_open`."""
        with self.translator.pair.source.kept_open():
            yield

    def _translated(self, window: Window) -> NDArray[np.float32]:
        """All bands of a window: the weighted mean of the tiles that reach into it."""
        pair, size = self.translator.pair, self.translator.settings.tile
        top, left = int(window.row_off), int(window.col_off)
        shape = int(window.height), int(window.width)
        rows = tile_starts(self.height, size, top, top + shape[0])
        columns = tile_starts(self.width, size, left, left + shape[1])
        region = Window.from_slices((rows[0], rows[-1] + size), (columns[0], columns[-1] + size))
        whole = read_tile(pair.source, region, 0, pair.source_bands, "reflect")
        total = np.zeros((len(pair.target_bands), *whole.valid.shape), dtype=np.float32)
        weights = np.zeros(whole.valid.shape, dtype=np.float32)
        ramp = np.minimum(np.arange(1, size + 1), np.arange(size, 0, -1)).astype(np.float32)
        weight = np.outer(ramp, ramp)
        places = [np.s_[r - rows[0] : r - rows[0] + size, c - columns[0] : c - columns[0] + size]
                  for r in rows for c in columns]  # fmt: skip
        for start in range(0, len(places), _AT_ONCE):
            some = places[start : start + _AT_ONCE]
            for place, made in zip(some, self._tiles(whole, some), strict=True):
                total[:, *place] += weight * made
                weights[place] += weight
        total /= weights
        total[:, ~whole.valid] = np.nan
        inside = np.s_[top - rows[0] : top - rows[0] + shape[0], left - columns[0] : left - columns[0] + shape[1]]
        result = np.full((len(self.bands), *shape), np.nan, dtype=np.float32)
        result[pair.target_bands] = total[:, *inside]
        return result

    def _tiles(self, whole: Tile, places: Sequence[tuple[slice, slice]]) -> NDArray[np.float32]:
        """Translated tiles (n, M, t, t) of a region; each is filled for itself, so that it is the same in any."""
        translator = self.translator
        radiometry = translator.pair.source.radiometry.subset(translator.pair.source_bands)
        tiles = (Tile(whole.values[:, *place], whole.valid[place]) for place in places)
        return translator.translate(np.stack([normalise(tile, radiometry, translator.spaces[0]) for tile in tiles]))


def tile_starts(length: int, size: int, start: int, stop: int) -> list[int]:
    """Where tiles begin that reach into start … stop along an axis; every half tile, and one at the very end.

    >>> tile_starts(100, 32, 40, 50)
    [16, 32, 48]
    >>> tile_starts(100, 32, 90, 100)
    [64, 68]
    """
    step = size // 2
    every = [*range(0, length - size, step), length - size]
    return [begin for begin in every if begin < stop and begin + size > start]
