"""Several files as one scene: tiles on one grid, with gaps between them and overlaps.

Where tiles overlap, the first file given that has data at a pixel counts: one in which the pixel is neither masked nor
missing in all bands. A pixel without data in any file that covers it takes what the first of these says of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.scenes.common_values import CommonValues
from hsiattn.scenes.kept_handles import KeptHandles
from hsiattn.scenes.mosaic_layout import MosaicLayout, common_bands, lay_out
from hsiattn.scenes.quality import QualityLayer
from hsiattn.scenes.radiometry import Radiometry
from hsiattn.scenes.source import SceneSource

_BANDS = 32
"""Bands that are read at a time to find out whether a pixel holds data."""


class MosaicSource(SceneSource):
    """Tiles of one scene, on one grid; a window reads only the tiles that it touches.

    Parameters
    ----------
    tiles
        Two or more, in the order in which they count where they overlap; opened one after the other.
    name
        What messages call the scene.

    Raises
    ------
    GridError
        A tile has no georeference, or its pixels do not lie on those of the first one.
    BandError
        The tiles have different bands; the message names both lists.
    SceneError
        Some tiles say how their values become reflectance and others do not.

    Attributes
    ----------
    layout
        Where the tiles lie.
    """

    def __init__(self, tiles: Iterable[SceneSource], name: str) -> None:
        self.name = name
        self._tiles: tuple[SceneSource, ...] = tuple(_sharing_metadata(tiles))
        first = self._tiles[0]
        self.layout: MosaicLayout = lay_out(self._tiles, name)
        self.bands, of_bands = common_bands(self._tiles)
        grid = self.layout.grid
        self.height, self.width, self.crs, self.transform = grid.height, grid.width, grid.crs, grid.transform
        self.block = self.layout.block_of([tile.block for tile in self._tiles])
        self.files = tuple(dict.fromkeys(file for tile in self._tiles for file in tile.files))
        self._kept = KeptHandles(self._tiles)
        self._settle()
        self.left_out = first.left_out
        self.quality = _merged_layers(self)
        about_values = self._values.note(f"the files of {name}")
        about = (*self.layout.notes(name), *([about_values] if about_values else []), *of_bands)
        self.notes = (*about, *merged_notes(self._tiles))

    def _settle(self) -> None:
        """Choose type, nodata and radiometry for the values of all tiles."""
        self._values = CommonValues.of(self._tiles)
        self.dtype = self._values.dtype
        self._set_nodata(self._values.nodata)
        self.radiometry = self._values.radiometry
        unsaid = self.layout.has_gaps and not self._values.describes_gaps
        self._masks = unsaid or any(tile.has_mask for tile in self._tiles)

    def read(self, window: Window) -> NDArray[Any]:
        """Stored values of a window, shape (B, h, w)."""
        return self.read_bands(window, range(len(self.bands)))

    def read_bands(self, window: Window, indices: Sequence[int]) -> NDArray[Any]:
        """Stored values of some bands (0-based) of a window; tiles outside of it stay unread."""
        indices = [int(i) for i in indices]
        found = self._owners(window)
        if len(found.pieces) == 1 and found.pieces[0].covers(window):
            return self._read_piece(found.pieces[0], indices)
        values = self._values.gaps(indices, int(window.height), int(window.width))
        for number, piece in enumerate(found.pieces):
            mine = found.owner[piece.place] == number
            if mine.all():
                values[(slice(None), *piece.place)] = self._read_piece(piece, indices)
            elif mine.any():
                values[(slice(None), *piece.place)][:, mine] = self._read_piece(piece, indices)[:, mine]
        return values

    @property
    def has_mask(self) -> bool:
        """Whether some pixel can be missing without a value that says so."""
        return self._masks or bool(self._own_layers())

    def masked(self, window: Window) -> NDArray[np.bool_] | None:
        """Mask (h, w) of the pixels in no tile, and of those that their tile leaves out; None where there is none."""
        if not self.has_mask:
            return None
        found = self._owners(window)
        mask = np.asarray(found.owner < 0)
        for layer in self._own_layers():
            mask |= layer.read(window)
        for number, piece in enumerate(found.pieces):
            of_tile = self._on(piece.tile).masked(piece.inside)
            if of_tile is not None:
                mask[piece.place] |= of_tile & (found.owner[piece.place] == number)
        return mask

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """See `SceneSource.kept_open`; every thread keeps the tiles open that it has read last."""
        with self._kept.while_open():
            yield

    def with_radiometry(self, radiometry: Radiometry) -> Self:
        """Copy of the source with another gain and offset, the same for all tiles."""
        super().with_radiometry(radiometry)  # refuses another number of bands
        return self._with_tiles(tile.with_radiometry(radiometry) for tile in self._tiles)

    def leaving_out(self, names: Iterable[str]) -> Self:
        """Copy of the source in which the pixels of these quality layers, and of no others, are missing."""
        left_out = tuple(names)
        clone = self._with_tiles(tile.leaving_out(left_out) for tile in self._tiles)
        clone.left_out = left_out
        return clone

    def _with_tiles(self, tiles: Iterable[SceneSource]) -> Self:
        clone = self._clone()
        clone._tiles = tuple(tiles)
        clone._kept = KeptHandles(clone._tiles)
        clone._settle()
        others = (layer for layer in self.quality if not isinstance(layer.read, _LayerOfTiles))
        clone.quality = (*_merged_layers(clone), *others)
        return clone

    def _own_layers(self) -> list[QualityLayer]:
        """Layers of the mosaic as a whole that leave pixels out; those of its tiles take part in what counts where."""
        layers = (layer for layer in self.quality if layer.name in self.left_out)
        return [layer for layer in layers if not isinstance(layer.read, _LayerOfTiles)]

    def _on(self, tile: int) -> SceneSource:
        """A tile, with its handle where handles are kept."""
        return self._kept.of(tile)

    def _read_piece(self, piece: _Piece, indices: Sequence[int]) -> NDArray[Any]:
        tile = self._on(piece.tile)
        return self._values.take(tile, tile.read_bands(piece.inside, indices), indices)

    def _owners(self, window: Window) -> _Owners:
        """The pieces of tiles in a window, and which of them counts at every pixel."""
        pieces = [self._piece(tile, window) for tile in self.layout.touching(window)]
        shape = (int(window.height), int(window.width))
        if len(pieces) == 1:
            owner = np.full(shape, -1, dtype=np.int32)
            owner[pieces[0].place] = 0
            return _Owners(pieces, owner)
        times = np.zeros(shape, dtype=np.int32)
        for piece in pieces:
            times[piece.place] += 1
        owner = np.full(shape, -1, dtype=np.int32)
        settled = times <= 1
        for number, piece in enumerate(pieces):
            of_window, done = owner[piece.place], settled[piece.place]
            claimed = done & (times[piece.place] == 1)
            open_still = ~done
            if open_still.any():
                with_data = self._with_data(piece, open_still)
                claimed |= with_data | (open_still & (of_window < 0))
                done |= with_data
            of_window[claimed] = number
        return _Owners(pieces, owner)

    def _piece(self, tile: int, window: Window) -> _Piece:
        (top, left), source = self.layout.corner(tile), self._tiles[tile]
        rows = max(top, int(window.row_off)), min(top + source.height, int(window.row_off + window.height))
        columns = max(left, int(window.col_off)), min(left + source.width, int(window.col_off + window.width))
        inside = Window.from_slices((rows[0] - top, rows[1] - top), (columns[0] - left, columns[1] - left))
        row, column = int(window.row_off), int(window.col_off)
        place = slice(rows[0] - row, rows[1] - row), slice(columns[0] - column, columns[1] - column)
        return _Piece(tile, inside, place)

    def _with_data(self, piece: _Piece, asked: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which of those pixels (h, w) of a piece are not masked and hold a measurement in some band.

        Bands are read until all is known: where the first ones hold data, the others stay unread.
        """
        tile = self._on(piece.tile)
        found = np.zeros(asked.shape, dtype=bool)
        rows, columns = _box_of(asked)
        inside = Window(
            piece.inside.col_off + columns.start,
            piece.inside.row_off + rows.start,
            columns.stop - columns.start,
            rows.stop - rows.start,
        )
        masked = tile.masked(inside)
        wanted = asked[rows, columns] if masked is None else asked[rows, columns] & ~masked
        measured = np.zeros_like(wanted)
        for bands in _chunks_of_bands(tile):
            if not (wanted & ~measured).any():
                break
            measured |= (~tile.missing(tile.read_bands(inside, bands), bands)).any(axis=0)
        found[rows, columns] = measured & wanted
        return found


class _Piece(NamedTuple):
    """The part of a tile that lies in a window: which tile, the part in its own rows and columns, its place there."""

    tile: int
    inside: Window
    place: tuple[slice, slice]

    def covers(self, window: Window) -> bool:
        """Whether it is all of the window."""
        return (int(self.inside.height), int(self.inside.width)) == (int(window.height), int(window.width))


class _Owners(NamedTuple):
    """The pieces in a window, and the index among them of the one that counts at every pixel (h, w), -1 for none."""

    pieces: list[_Piece]
    owner: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class _LayerOfTiles:
    """One quality layer of a mosaic: what every pixel's tile says of it."""

    mosaic: MosaicSource
    name: str

    def __call__(self, window: Window) -> NDArray[np.bool_]:
        found = self.mosaic._owners(window)
        flagged = np.zeros(found.owner.shape, dtype=bool)
        for number, piece in enumerate(found.pieces):
            for layer in self.mosaic._tiles[piece.tile].quality:
                if layer.name == self.name:
                    flagged[piece.place] |= layer.read(piece.inside) & (found.owner[piece.place] == number)
        return flagged


def _merged_layers(mosaic: MosaicSource) -> tuple[QualityLayer, ...]:
    """One layer of every name that some tile has."""
    names = dict.fromkeys(layer.name for tile in mosaic._tiles for layer in tile.quality)
    return tuple(QualityLayer(name, _LayerOfTiles(mosaic, name), mosaic.name) for name in names)


def _sharing_metadata(tiles: Iterable[SceneSource]) -> Iterator[SceneSource]:
    """The tiles, with one object for metadata that all of them repeat: thousands of them stay small."""
    first: SceneSource | None = None
    for tile in tiles:
        if first is None:
            first = tile
        else:
            if tile.bands == first.bands:
                tile.bands = first.bands
            if tile._radiometry is not None and tile._radiometry == first._radiometry:
                tile._radiometry = first._radiometry
            if tile.crs == first.crs:
                tile.crs = first.crs
        yield tile


def _box_of(chosen: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The rows and columns that hold all chosen pixels (h, w), of which there is one at least."""
    rows, columns = np.flatnonzero(chosen.any(axis=1)), np.flatnonzero(chosen.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _chunks_of_bands(tile: SceneSource) -> list[list[int]]:
    """All bands, the good ones first: one from their middle, which mostly is enough, then some at a time."""
    good, bad = np.flatnonzero(tile.bands.good).tolist(), np.flatnonzero(~tile.bands.good).tolist()
    middle = good[len(good) // 2 :][:1]
    others = [band for band in (*good, *bad) if band not in middle]
    chunks = [others[start : start + _BANDS] for start in range(0, len(others), _BANDS)]
    return [middle, *chunks] if middle else chunks


def merged_notes(scenes: Sequence[SceneSource]) -> tuple[str, ...]:
    """The notes of several scenes: one that several have, but for their names, is told once."""
    told: dict[str, list[str]] = {}
    for scene in scenes:
        for note in scene.notes:
            told.setdefault(note.replace(scene.name, "\0"), []).append(note)
    return tuple(
        notes[0] if len(notes) == 1 or note == notes[0] else f"{notes[0]} (so it is with {len(notes)} files)"
        for note, notes in told.items()
    )
