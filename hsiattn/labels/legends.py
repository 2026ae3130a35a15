"""What a raster says of its own pixel values: class table in its tags, attribute table, category names, palette.

A raster that this package wrote holds its class table in a tag inside the file, so that a copy without `.aux.xml` is
read right; older ones hold the codes in the column `Code` of their attribute table alone. In every other raster the
pixel value is the code, whatever columns its attribute table has.

rasterio has no calls for attribute tables and category names. GDAL writes both into a VRT, as it has read them, so a
VRT in memory is made here: names are found in every format and behind every path that GDAL reads (`/vsizip/`, ERDAS,
ENVI classifications), and its parser, which expands no entities, is the only one that sees the file.
"""

from __future__ import annotations

import html
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import rasterio.shutil
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile

from hsiattn.classes import (
    MAX_CODE,
    MAX_VALUE,
    UNLABELLED,
    ClassTable,
    Color,
    LandCoverClass,
    distinct_color,
    distinct_names,
    parse_attributes,
    parse_color,
)
from hsiattn.errors import LabelError
from hsiattn.files.kinds import CLASSES_TAG, HEADER_FIELD, KIND_TAG, MODEL_TAG, SOFTWARE, SOFTWARE_TAG, FileKind
from hsiattn.labels.sidecars import CODE_COLUMN, FieldType, FieldUsage
from hsiattn.scenes.geotiff import open_raster

_OWN_COLUMNS = ("Value", "Count", "Class", "R", "G", "B", "A", CODE_COLUMN)
"""Columns of an attribute table of ours whose pixel values are not the codes."""

_KIND_IN_HEADER = HEADER_FIELD.replace(" ", "_")
"""The field as GDAL gives it."""

_MOST_VALUES = 2**16
"""Values that one row of an attribute table may stand for, and rows that are read."""


@dataclass(frozen=True)
class Legend:
    """What a raster says of its own pixel values.

    Attributes
    ----------
    names, colors, attributes
        Of the classes, by pixel value; a value may have any of them or none.
    codes
        Code of the class in the reference data, by pixel value, where the raster is one of ours; else empty: the pixel
        values are the codes.
    kind
        What a raster of ours says it holds, see `FileKind`; None for any other raster.
    lost
        True for a map of ours whose values mean nothing, because it came away from its table of codes.
    """

    names: Mapping[int, str] = field(default_factory=dict)
    colors: Mapping[int, Color] = field(default_factory=dict)
    codes: Mapping[int, int] = field(default_factory=dict)
    attributes: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    kind: str | None = None
    lost: bool = False

    def class_table(self, values: Iterable[int] = ()) -> ClassTable | None:
        """The table of the classes that have a name or a code, and of `values`; None if there are none.

        Only where nothing else says which classes there are, the palette does; GDAL fills it up with black to 256.
        """
        values = set(values)
        wanted = {value for value in {*self.names, *self.codes, *values} if UNLABELLED < value <= MAX_CODE}
        if not wanted:
            painted = [value for value, color in self.colors.items() if color != (0, 0, 0)]
            wanted = {value for value in self.colors if UNLABELLED < value <= max(painted, default=UNLABELLED)}
        if not wanted:
            return None
        if len(wanted) > MAX_VALUE:  # an attribute table for all values there may be, say
            wanted &= set(values)
        classes = []
        for position, value in enumerate(sorted(wanted)):
            code, color = self.codes.get(value, value), self.colors.get(value, distinct_color(position))
            classes.append(LandCoverClass(code, self.names.get(value, ""), color, self.attributes.get(value, ())))
        return distinct_names(classes) if classes else None

    def renumbered(self, changes: Mapping[int, int]) -> Legend:
        """The legend of the same raster after its pixel values changed; a value that becomes 0 is none of a class."""

        def moved(column: Mapping[int, Any]) -> dict[int, Any]:
            return {changes.get(value, value): entry for value, entry in column.items() if changes.get(value, value)}

        return replace(self, names=moved(self.names), colors=moved(self.colors), attributes=moved(self.attributes))


def read_class_table(path: str | os.PathLike[str]) -> ClassTable | None:
    """Codes, names and colours that a raster brings along (tags, attribute table, category names, palette).

    Returns
    -------
    ClassTable or None
        None where the raster names and colours nothing.

    Raises
    ------
    SceneError
        The raster cannot be opened.
    """
    return read_legend(path).class_table()


def read_legend(path: str | os.PathLike[str]) -> Legend:
    """Everything that a raster says of its pixel values; raises as `read_class_table`."""
    with open_raster(os.fspath(path)) as dataset:
        return legend_of(dataset)


def legend_of(dataset: Any) -> Legend:
    """Everything that an open raster says of the pixel values of its first band.

    What the class table in the tags, else the attribute table, leaves open, category names and palette fill.
    """
    tags = dataset.tags()
    older = _kind_of_older(dataset, tags)
    kind = tags.get(KIND_TAG) or older
    own = _classes_in_tags(tags.get(CLASSES_TAG, ""))
    if own is not None:
        return replace(own, kind=kind or FileKind.LABELS)
    header = dataset.tags(ns="ENVI")
    band = _band_description(dataset)
    names, table = _category_names(band), _AttributeTable.of(band)
    colors = _palette(dataset)
    codes: Mapping[int, int] = _codes_in_header(header)
    if table is not None:
        names |= table.names()
        colors |= table.colors()
        if kind is not None or table.is_ours:
            codes = table.codes() or codes
    lost = KIND_TAG not in tags and older == FileKind.LAND_COVER and not codes
    return Legend(names, colors, codes, kind=kind or header.get(_KIND_IN_HEADER), lost=lost)


# -- rasters of ours ---------------------------------------------------------------------------------------------------


def _kind_of_older(dataset: Any, tags: Mapping[str, str]) -> str | None:
    """What a raster of ours holds that was written before there was a tag for it; None for any other raster."""
    if not (MODEL_TAG in tags or tags.get(SOFTWARE_TAG, "").startswith(SOFTWARE)):
        return None
    if dataset.dtypes[0].startswith("float"):
        return FileKind.CONFIDENCE if dataset.count == 1 else FileKind.PROBABILITIES
    return FileKind.LAND_COVER


def _classes_in_tags(text: str) -> Legend | None:
    """The class table that a raster of ours holds in a tag; None where there is none, or a broken one."""
    try:
        records = json.loads(text) if text else None
        rows = [(int(record["value"]), int(record["code"]), record) for record in records or ()]
        if not rows or not all(value > 0 and 0 < code <= MAX_CODE for value, code, _ in rows):
            return None
        return Legend(
            names={value: str(record["name"]) for value, _, record in rows if record.get("name")},
            colors={value: parse_color(record["color"]) for value, _, record in rows if record.get("color")},
            codes={value: code for value, code, _ in rows},
            attributes={value: parse_attributes(record.get("attributes")) for value, _, record in rows},
        )
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, LabelError):
        return None


def _codes_in_header(header: Mapping[str, str]) -> dict[int, int]:
    """Codes by pixel value in an ENVI header of ours; empty where there are none: the pixel values are the codes."""
    if _KIND_IN_HEADER not in header:
        return {}
    listed = [text.strip() for text in header.get("class_codes", "").strip("{} ").split(",")]
    codes = {value: int(text) for value, text in enumerate(listed) if text.isdecimal() and len(text) < 11}
    return {value: code for value, code in codes.items() if 0 < code <= MAX_CODE and value > 0}


# -- what GDAL knows ---------------------------------------------------------------------------------------------------


def _band_description(dataset: Any) -> str:
    """GDAL's XML of the first band; empty where it cannot be had."""
    try:
        with MemoryFile(ext=".vrt") as file:
            rasterio.shutil.copy(dataset, file.name, driver="VRT")
            text = file.read().decode("utf-8", errors="replace")
    except RasterioError:
        return ""
    return _between(text, "VRTRasterBand")


def _between(text: str, tag: str) -> str:
    """The first element of that name, as text; empty where there is none."""
    start, end = text.find(f"<{tag}"), text.find(f"</{tag}>")
    return text[start : end + len(tag) + 3] if 0 <= start < end else ""


def _elements(text: str, tag: str) -> Iterator[str]:
    """What stands in each element of that name, which holds none of its own kind.

    GDAL escapes whatever is no tag, so that a pattern finds exactly what a parser would, in a tenth of the time.
    """
    for found in re.finditer(rf"<{tag}(?:\s[^>]*?)?(?:/>|>(.*?)</{tag}>)", text, re.DOTALL):
        yield found[1] or ""


def _texts(text: str, tag: str) -> list[str]:
    """The texts of the elements of that name, which hold no others."""
    return [html.unescape(inner).strip() for inner in _elements(text, tag)]


def _category_names(band: str) -> dict[int, str]:
    categories = _texts(_between(band, "CategoryNames"), "Category")
    return {value: name for value, name in enumerate(categories) if name}


def _palette(dataset: Any) -> dict[int, Color]:
    """Colours of band 1 as stored in the raster itself."""
    try:
        colors = dataset.colormap(1)
    except ValueError:  # the band has no colour table
        return {}
    return {int(value): (r, g, b) for value, (r, g, b, _alpha) in colors.items()}


@dataclass(frozen=True)
class _AttributeTable:
    """GDAL's raster attribute table.

    Attributes
    ----------
    fields
        Name, type and usage of every column, the latter two as in `FieldType` and `FieldUsage`.
    rows
        Pixel value and cells; ranges of values stand there once for each whole number inside. Of several rows for a
        value the first counts, as in GDAL.
    """

    fields: Sequence[tuple[str, str, str]]
    rows: Sequence[tuple[int, Sequence[str]]]

    @classmethod
    def of(cls, band: str) -> _AttributeTable | None:
        """The table in GDAL's XML of a band; None where there is none."""
        text = _between(band, "GDALRasterAttributeTable")
        fields = [
            ("".join(_texts(defined, "Name")), "".join(_texts(defined, "Type")), "".join(_texts(defined, "Usage")))
            for defined in _elements(text, "FieldDefn")
        ]
        if not fields:
            return None
        value_at = _column(fields, FieldUsage.VALUE, ("value",))
        bounds_at = [_column(fields, usage) for usage in (FieldUsage.LEAST, FieldUsage.MOST)]
        first, step = (_attribute(text, name) for name in ("Row0Min", "BinSize"))
        rows: list[tuple[int, Sequence[str]]] = []
        for number, row in enumerate(_elements(text, "Row")):
            cells = _texts(row, "F")
            if value_at is not None:
                low = high = _number(cells, value_at)
            elif None not in bounds_at:
                low, high = (_number(cells, at) for at in bounds_at)
            else:  # GDAL's linear binning; NaN where the table has none
                low, high = first + number * step, first + (number + 1) * step - (1 if step == 1 else 1e-9)
            rows += [(value, cells) for value in _whole_numbers(low, high)]
            if len(rows) > 2 * _MOST_VALUES:
                break
        return cls(fields, rows)

    @property
    def is_ours(self) -> bool:
        """Whether its columns are those of the tables that this package writes."""
        return tuple(name for name, _, _ in self.fields) == _OWN_COLUMNS

    def names(self) -> dict[int, str]:
        """Class names by pixel value."""
        at = _column(self.fields, FieldUsage.NAME, ("class", "class_name", "class_names", "name", "label"))
        if at is None:  # the only other text
            texts = (i for i, (_, kind, usage) in enumerate(self.fields) if (kind, usage) == (FieldType.TEXT, "0"))
            at = next(texts, None)
        if at is None:
            return {}
        return {value: cells[at] for value, cells in reversed(self.rows) if at < len(cells) and cells[at]}

    def colors(self) -> dict[int, Color]:
        """Colours by pixel value."""
        at = [_column(self.fields, usage, names) for usage, names in _COLOR_FIELDS]
        found = {value: [_number(cells, column) for column in at] for value, cells in reversed(self.rows)}
        return {
            value: (int(red), int(green), int(blue))
            for value, (red, green, blue) in found.items()
            if all(0 <= part <= 255 for part in (red, green, blue))
        }

    def codes(self) -> dict[int, int]:
        """Codes of the reference data by pixel value, in a table of ours."""
        at = _column(self.fields, None, (CODE_COLUMN.lower(),))
        numbers = {value: _number(cells, at) for value, cells in reversed(self.rows)}
        return {value: int(code) for value, code in numbers.items() if 0 < code <= MAX_CODE and value > 0}


_COLOR_FIELDS = (
    (FieldUsage.RED, ("r", "red")),
    (FieldUsage.GREEN, ("g", "green")),
    (FieldUsage.BLUE, ("b", "blue")),
)


def _column(fields: Sequence[tuple[str, str, str]], usage: str | None, names: Sequence[str] = ()) -> int | None:
    """Position of the column with this usage, else of the one with the first of these names."""
    by_usage = (i for i, (_, _, used) in enumerate(fields) if used == usage)
    by_name = (i for wanted in names for i, (name, _, _) in enumerate(fields) if name.lower() == wanted)
    return next(by_usage, next(by_name, None))


def _number(cells: Sequence[str], at: int | None) -> float:
    """The number in a cell; NaN where there is none."""
    try:
        return math.nan if at is None else float(cells[at])
    except (IndexError, ValueError):
        return math.nan


def _attribute(text: str, name: str) -> float:
    """A number among the attributes of an element's first tag; NaN where there is none."""
    found = re.search(rf'{name}="([^"]*)"', text.partition(">")[0])
    return _number([found[1]] if found else [], 0)


def _whole_numbers(low: float, high: float) -> range:
    """The whole numbers from `low` to `high`, both included; none where they are unknown, broken or too many."""
    if not -MAX_CODE <= low <= high <= MAX_CODE or high - low >= _MOST_VALUES:
        return range(0)
    return range(math.ceil(low), math.floor(high) + 1)
