"""Labels from polygons and points: a layer of a vector file as class codes and groups on the grid of a scene."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.classes import MAX_CODE, UNLABELLED, ClassTable
from hsiattn.errors import LabelError
from hsiattn.labels.burning import NOTHING, Burner
from hsiattn.labels.feature_classes import COLOR_COLUMNS, FeatureClasses
from hsiattn.labels.geometries import Cutting, Shapes, lay_on_pixels
from hsiattn.labels.label_source import SOURCE_ATTRIBUTE
from hsiattn.labels.rasters import HELD, code_of_class_zero
from hsiattn.labels.schemes import SCHEME_ATTRIBUTE, ClassScheme
from hsiattn.labels.tables import as_scheme
from hsiattn.labels.vector_layers import Batch, VectorLayer
from hsiattn.labels.vector_notes import Account, account_in_words, nothing_labelled
from hsiattn.labels.vector_options import VectorOptions
from hsiattn.labels.vector_placement import Box, VectorPlacement
from hsiattn.scenes.alignment import check_same_grid
from hsiattn.scenes.block_windows import block_windows
from hsiattn.scenes.georeferencing import georeference
from hsiattn.scenes.grid import Grid
from hsiattn.scenes.windowed_array import read_lazily

_FEW = 2**17
"""Features up to which all are read, so that those outside the scene and those without geometry are told apart."""

_BLOCK = (512, 512)
_FARTHEST = 500
"""Pixels up to which the radius of points may reach."""


class VectorLabels:
    """Polygons and points as labels on a grid, of any size, read window by window.

    Pixels that features of different classes cover are left unlabelled. A pixel that several features of one class
    cover belongs to the first of them in the file. The geometries of the scene are held in memory, laid on its pixels.

    Parameters
    ----------
    path
        GeoPackage, GeoJSON, shapefile (also zipped), FlatGeobuf or a table of coordinates.
    grid, scene
        The grid to label, and what it is called in messages.
    options
        Layer, column and which pixels a feature labels.
    table, level, unlabelled
        As for `open_labels`.
    known
        Classes whose codes those of the same names take, see `FeatureClasses.resolve`; only without a table.

    Attributes
    ----------
    name
        The path.
    grid, block
        Size and georeference; rows and columns of the windows that are burnt at once.
    scheme, table
        The classes that were given, None where there are none; the table of those that features have.
    notes
        What a user should know about how the file is understood, one sentence each.
    source
        JSON-ready record of where the labels come from: file, layer, column, options, polygons and pixels per class.

    Raises
    ------
    LabelError
        The file cannot be used, or labels no pixel.
    """

    kind = None
    block = _BLOCK

    def __init__(
        self,
        path: str | os.PathLike[str],
        grid: Grid,
        *,
        scene: str = "the scene",
        options: VectorOptions | None = None,
        table: ClassScheme | ClassTable | str | os.PathLike[str] | None = None,
        level: int | None = None,
        unlabelled: int | None = None,
        known: ClassTable | None = None,
    ) -> None:
        self.name, self.grid, self.options = os.fspath(path), grid, options or VectorOptions()
        code_of_zero = code_of_class_zero(unlabelled)
        layer = VectorLayer.open(path, self.options.layer)
        self._column = layer.choose_column(self.options.column)
        placement = VectorPlacement.of(layer, grid, scene)
        self._classes = FeatureClasses(f"column {self._column} of {self.name}")
        features = _read_features(layer, self._column, self._classes, placement, self.options)
        table_name = "the class table"
        if isinstance(table, str | os.PathLike):
            table_name += f" {os.fspath(table)}"
        self.scheme = as_scheme(table, level, unlabelled=unlabelled or UNLABELLED, code_of_zero=code_of_zero)
        if not self._classes.count:
            raise nothing_labelled(self.name, scene, features.tally, layer, grid)
        codes, self.table = self._classes.resolve(
            self.scheme, table_name=table_name, unlabelled=unlabelled, code_of_zero=code_of_zero, known=known
        )
        self._burner, self._rank_codes, self._rank_ids = _ranked(features, codes, placement, self.options)
        if not len(self._rank_codes):
            raise nothing_labelled(self.name, scene, features.tally, layer, grid)
        self._last: tuple[Window, NDArray[np.int32], NDArray[np.int32]] | None = None
        self._held: tuple[NDArray[np.int32], NDArray[np.int32]] | None = None
        account = self._survey(features, layer)
        own = () if self.scheme is None else self.scheme.notes()
        self.notes = (*own, *placement.notes, *account_in_words(account, self.options, placement.unit))
        self.source = self._record(layer, account)
        if not account.pixels:
            raise nothing_labelled(self.name, scene, features.tally, layer, grid, account)

    @property
    def groups(self) -> VectorGroups:
        """The number of the feature of every pixel, read window by window."""
        return VectorGroups(self)

    @property
    def has_names(self) -> bool:
        """Whether the column holds texts that are no codes."""
        return self._classes.are_names

    def on_grid_of(self, other: Grid, name: str) -> Self:
        """Give these labels, which lie on the grid that they were made for.

        Raises
        ------
        GridError
            The other grid is another one.
        """
        check_same_grid(other, self.grid, (name, self.name))
        return self

    def note_on_zeros(self, pixels: int) -> str | None:
        """Give None: outside of polygons and points nothing is labelled."""
        return None

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Do nothing: there is no file to keep open."""
        yield

    def read(self, window: Window) -> NDArray[np.int32]:
        """Codes of a window, shape (h, w), 0 where unlabelled."""
        return self.burn(window)[0]

    def read_counting(self, window: Window) -> tuple[NDArray[np.int32], int]:
        """Codes as from `read`, and no pixel for `note_on_zeros`."""
        return self.read(window), 0

    def class_table(self, codes: list[int]) -> ClassTable:
        """The table of all classes of the layer."""
        return self.table

    def burn(self, window: Window) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Codes and groups (h, w) of a window, 0 where nothing is labelled."""
        if self._held is not None:
            codes, ids = self._held
            return codes[window.toslices()], ids[window.toslices()]
        last = self._last  # codes and groups of a window are asked for one after the other
        if last is None or last[0] != window:
            codes, ids, _ = self._resolved(*self._burner.burn(window))
            self._last = last = (window, codes, ids)
        return last[1], last[2]

    def labels(self) -> xr.DataArray:
        """Codes as `open_labels` gives them, with the coordinate `group`."""
        shape = (self.grid.height, self.grid.width)
        codes, ids = self._held or (
            read_lazily(shape, np.int32, partial(_codes_of, self)),
            read_lazily(shape, np.int32, partial(_groups_of, self)),
        )
        attrs = {**self.table.to_attrs(), SOURCE_ATTRIBUTE: json.dumps(self.source, ensure_ascii=False)}
        if self.scheme is not None and not self.scheme.is_plain:
            attrs[SCHEME_ATTRIBUTE] = [json.dumps(self.scheme.to_record(), ensure_ascii=False)]
        labels = xr.DataArray(codes, dims=("y", "x"), name="labels", attrs=attrs)
        return georeference(labels, self.grid).assign_coords(group=(("y", "x"), ids))

    def _resolved(
        self, lowest: NDArray[np.int32], highest: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_]]:
        """Codes and groups of ranks, and where features of different classes overlap."""
        code_of, id_of = (np.concatenate([[0], of]).astype(np.int32) for of in (self._rank_codes, self._rank_ids))
        codes = code_of[lowest]
        divided = codes != code_of[highest]
        codes[divided] = UNLABELLED
        ids = id_of[lowest]
        ids[divided] = NOTHING
        return codes, ids, divided

    def _survey(self, features: _Features, layer: VectorLayer) -> Account:
        """Go through the scene once: pixels per class, overlaps, and features that label none."""
        shape = (self.grid.height, self.grid.width)
        held = (np.zeros(shape, np.int32), np.zeros(shape, np.int32)) if shape[0] * shape[1] <= HELD else None
        ranks = len(self._rank_codes) + 1
        pixels, seen, overlap = np.zeros(ranks, np.int64), np.zeros(ranks, bool), 0
        for window in self._windows():
            lowest, highest = self._burner.burn(window)
            codes, ids, divided = self._resolved(lowest, highest)
            if held is not None:
                held[0][window.toslices()], held[1][window.toslices()] = codes, ids
            pixels += np.bincount(lowest[~divided], minlength=ranks)
            overlap += int(divided.sum())
            for found in (lowest, highest):
                seen[found.ravel()] = True
        self._held = held
        hidden = self._without_pixels(~seen[1:])
        totals: Counter[int] = Counter()
        for code in np.unique(self._rank_codes).tolist():
            totals[code] = int(pixels[1:][self._rank_codes == code].sum())
        return Account(
            source=self.name,
            column=self._column,
            tally=features.tally,
            features=layer.count,
            classes={code: int(np.count_nonzero(self._rank_codes == code)) for code in sorted(totals)},
            pixels={code: count for code, count in sorted(totals.items()) if count},
            overlap=overlap,
            too_small=np.sort(self._rank_ids[hidden]).tolist(),
            has_points=bool(len(self._burner.points)),
            has_polygons=bool(len(self._burner.polygons)),
        )

    def _without_pixels(self, unseen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which of those features cover no pixel at all, as others do not hide them either."""
        while unseen.any():
            found = np.zeros(len(unseen) + 1, bool)
            for window in self._windows():
                for ranks in self._burner.burn(window, unseen):
                    found[ranks.ravel()] = True
            if not found[1:].any():
                break
            unseen &= ~found[1:]
        return unseen

    def _windows(self) -> Iterator[Window]:
        """Windows of the scene in which something lies."""
        for window in block_windows(self.grid.height, self.grid.width, [_BLOCK]):
            if not self._burner.is_empty(window):
                yield window

    def _record(self, layer: VectorLayer, account: Account) -> dict[str, Any]:
        names = dict(zip(self.table.codes, self.table.names, strict=True))
        return {
            "file": os.path.basename(self.name),
            "layer": layer.layer,
            "column": self._column,
            "options": {k: v for k, v in self.options.given().items() if k not in ("column", "layer")},
            "features_per_class": {names[code]: count for code, count in account.classes.items()},
            "pixels_per_class": {names[code]: count for code, count in account.pixels.items()},
            "overlapping_pixels": account.overlap,
        }

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_last": None}


@dataclass(frozen=True, eq=False)
class VectorGroups:
    """The numbers of the features of `VectorLabels`, as a raster that is read window by window."""

    labels: VectorLabels

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.labels.name

    @property
    def grid(self) -> Grid:
        """Size and georeference."""
        return self.labels.grid

    @property
    def block(self) -> tuple[int, int]:
        """Rows and columns of the windows that are burnt at once."""
        return self.labels.block

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Do nothing: there is no file to keep open."""
        yield

    def read(self, window: Window) -> NDArray[np.int32]:
        """Numbers of features (h, w) of a window, 0 where there is none."""
        return self.labels.burn(window)[1]


@dataclass
class _Features:
    """All features of a layer that lie in the scene, with the numbers of their values and of themselves."""

    shapes: Shapes
    values: NDArray[np.int64]
    numbers: NDArray[np.int64]
    tally: Counter[str]


def _read_features(
    layer: VectorLayer, column: str, classes: FeatureClasses, placement: VectorPlacement, options: VectorOptions
) -> _Features:
    reach = _reach(placement, options)
    box = placement.box(options.inner_buffer + options.radius)
    cutting = Cutting(box, placement.longest_side(), options.inner_buffer, reach)
    style = next((name for name in layer.columns if name.lower() in COLOR_COLUMNS and name != column), None)
    wanted = [column] if style is None else [column, style]
    filtered = box is not None and layer.is_filtered and layer.count > _FEW and _mostly_outside(layer, box)
    parts: list[Shapes] = []
    values: list[NDArray[np.int64]] = []
    numbers: list[NDArray[np.int64]] = []
    tally: Counter[str] = Counter()
    if filtered:  # the codes of texts must not depend on what lies in the scene
        for batch in layer.batches([column], shapes=False):
            classes.number(batch.columns[column])
    read = 0
    for batch in layer.batches(wanted, bbox=box if filtered else None):
        read, start = read + len(batch.numbers), sum(len(part) for part in numbers)
        found = _values(batch, column, style, classes)
        named = found >= 0
        tally["without class"] += int(np.count_nonzero(~named))
        assert batch.shapes is not None
        part = lay_on_pixels(batch.shapes[named], placement, cutting)
        tally.update(part.tally)
        parts.append(_moved(part, start))
        values.append(found[named])
        numbers.append(batch.numbers[named])
    if filtered:
        tally["outside or missing"] += layer.count - read
    return _Features(_joined(parts), _concatenated(values), _concatenated(numbers), tally)


def _mostly_outside(layer: VectorLayer, box: Box) -> bool:
    """Whether a rectangle holds less than half of the extent of a layer."""
    bounds = layer.bounds()
    if bounds is None:
        return False
    width, height = (min(bounds[k + 2], box[k + 2]) - max(bounds[k], box[k]) for k in (0, 1))
    area = (bounds[2] - bounds[0]) * (bounds[3] - bounds[1])
    return max(width, 0.0) * max(height, 0.0) < 0.5 * area


def _moved(part: Shapes, start: int) -> Shapes:
    """Shapes whose features are counted from `start` on."""
    return replace(part, polygon_owners=part.polygon_owners + start, point_owners=part.point_owners + start)


def _values(batch: Batch, column: str, style: str | None, classes: FeatureClasses) -> NDArray[np.int64]:
    found = classes.number(batch.columns[column])
    if style is not None:
        classes.note_colors(found, batch.columns[style])
    return found


def _reach(placement: VectorPlacement, options: VectorOptions) -> float:
    """Pixels that the radius of points reaches.

    Raises
    ------
    LabelError
        More than anybody can mean.
    """
    inverse = np.linalg.inv(placement.to_metres())
    reach = float(options.radius * np.hypot(inverse[:, 0], inverse[:, 1]).max())
    if reach > _FARTHEST:
        raise LabelError(
            f"a radius of {options.radius:g} {placement.unit} is {reach:.0f} pixels", "give a smaller radius="
        )
    return reach + 1 if reach else 0.0


def _joined(parts: list[Shapes]) -> Shapes:
    if not parts:
        return Shapes()
    return Shapes(
        np.concatenate([part.polygons for part in parts]),
        np.concatenate([part.polygon_owners for part in parts]),
        np.concatenate([part.points for part in parts]),
        np.concatenate([part.point_owners for part in parts]),
    )


def _concatenated(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def _ranked(
    features: _Features, codes: NDArray[np.int64], placement: VectorPlacement, options: VectorOptions
) -> tuple[Burner, NDArray[np.int64], NDArray[np.int64]]:
    """What burns the features by rank, and the code and the number of the feature of every rank."""
    shapes = features.shapes
    code_of = codes[features.values] if len(features.values) else features.values
    used = np.zeros(len(code_of), bool)
    used[shapes.polygon_owners], used[shapes.point_owners] = True, True
    used &= code_of != UNLABELLED
    features.tally["unlabelled"] += int(np.count_nonzero(code_of == UNLABELLED))
    order = np.lexsort((np.arange(len(code_of)), code_of))
    order = order[used[order]]
    rank_of = np.zeros(len(code_of), np.int64)
    rank_of[order] = np.arange(1, len(order) + 1)
    polygon_ranks, point_ranks = rank_of[shapes.polygon_owners], rank_of[shapes.point_owners]
    upwards = np.argsort(polygon_ranks, kind="stable")
    upwards = upwards[polygon_ranks[upwards] > 0]
    dotted = point_ranks > 0
    burner = Burner(
        shapes.polygons[upwards],
        polygon_ranks[upwards],
        shapes.points[dotted],
        point_ranks[dotted],
        options.all_touched,
        options.radius,
        placement.to_metres(),
    )
    ids = features.numbers[order]
    if len(ids) and (ids.min() < 1 or ids.max() > MAX_CODE or len(np.unique(ids)) < len(ids)):
        ids = order + 1  # numbers that no group can have: count anew, in the order of the file
    return burner, code_of[order], ids


def _codes_of(labels: VectorLabels, window: Window) -> NDArray[np.int32]:
    return labels.burn(window)[0]


def _groups_of(labels: VectorLabels, window: Window) -> NDArray[np.int32]:
    return labels.burn(window)[1]
