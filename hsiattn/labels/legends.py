"""What a raster says of its own pixel values: attribute table, category names and palette."""

from __future__ import annotations

import os
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from hsiattn.classes import UNLABELLED, ClassTable, Color, LandCoverClass, distinct_color
from hsiattn.labels.sidecars import CODE_COLUMN, FieldUsage, pam_path


@dataclass(frozen=True)
class Legend:
    """What a raster says of its own pixel values.

    Attributes
    ----------
    names, colors
        By pixel value; a value may have either, both or none.
    codes
        Code of the class in the reference data, by pixel value; empty where the raster has no column `Code`.
    """

    names: Mapping[int, str]
    colors: Mapping[int, Color]
    codes: Mapping[int, int]

    def class_table(self, values: Iterable[int] = ()) -> ClassTable | None:
        """The table of the classes that have a name or a code, and of `values`; None if there are none.

        Only where nothing else says which classes there are, the palette does; GDAL fills it up with black to 256.
        """
        wanted = (set(self.names) | set(self.codes) | set(values)) - {UNLABELLED}
        if not wanted:
            painted = [value for value, color in self.colors.items() if color != (0, 0, 0)]
            wanted = {value for value in self.colors if UNLABELLED < value <= max(painted, default=UNLABELLED)}
        if not wanted:
            return None
        classes: list[LandCoverClass] = []
        taken: set[str] = set()
        for position, value in enumerate(sorted(wanted)):
            code = self.codes.get(value, value)
            name = self.names.get(value) or f"class {code}"
            name = f"{name} ({code})" if name in taken else name
            taken.add(name)
            classes.append(LandCoverClass(code, name, self.colors.get(value, distinct_color(position))))
        return ClassTable(tuple(classes))


def read_class_table(path: str | os.PathLike[str]) -> ClassTable | None:
    """Codes, names and colours that a raster brings along (attribute table, category names, palette).

    Returns
    -------
    ClassTable or None
        None where the raster names and colours nothing. Codes are those of the column `Code` where there is one, else
        the pixel values.
    """
    return read_legend(path).class_table()


def read_legend(path: str | os.PathLike[str]) -> Legend:
    """Everything that a raster says of its pixel values; what the attribute table leaves open, the palette fills."""
    band = _pam_band(pam_path(path))
    names = _category_names(band)
    colors = _palette_colors(path)
    codes: dict[int, int] = {}
    table = band.find("GDALRasterAttributeTable") if band is not None else None
    if table is not None:
        table_names, table_colors, codes = _attribute_table(table)
        names |= table_names
        colors |= table_colors
    return Legend(names, colors, codes)


def _pam_band(file: Path) -> ET.Element | None:
    """The element of band 1; None where there is no such file or it is not PAM."""
    try:
        root = ET.fromstring(file.read_text(encoding="utf-8"))
    except (OSError, ET.ParseError, UnicodeDecodeError):
        return None
    bands = root.findall("PAMRasterBand")
    return next((band for band in bands if band.get("band", "1") == "1"), None)


def _category_names(band: ET.Element | None) -> dict[int, str]:
    categories = band.findall("CategoryNames/Category") if band is not None else []
    return {value: name for value, item in enumerate(categories) if (name := (item.text or "").strip())}


def _palette_colors(path: str | os.PathLike[str]) -> dict[int, Color]:
    """Colours of band 1 as stored in the raster itself."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as raster:
                colors = raster.colormap(1)
    except (RasterioError, ValueError):  # ValueError: the band has no colour table
        return {}
    return {int(value): (r, g, b) for value, (r, g, b, _alpha) in colors.items()}


def _attribute_table(table: ET.Element) -> tuple[dict[int, str], dict[int, Color], dict[int, int]]:
    """Names, colours and codes by pixel value; a table without values or with broken cells gives what it can."""
    fields = [(f.findtext("Name", "").strip(), f.findtext("Usage", "").strip()) for f in table.findall("FieldDefn")]
    value_at = _column(fields, (FieldUsage.VALUE,), ("value",))
    name_at = _column(fields, (FieldUsage.NAME,), ("class", "class_name", "name", "label"))
    rgb_at = [_column(fields, (usage,), names) for usage, names in _COLOR_FIELDS]
    code_at = _column(fields, (), (CODE_COLUMN.lower(),))
    names: dict[int, str] = {}
    colors: dict[int, Color] = {}
    codes: dict[int, int] = {}
    for row in table.findall("Row"):
        cells = [(cell.text or "").strip() for cell in row.findall("F")]
        value = _integer(cells, value_at)
        if value is None:
            continue
        if name_at is not None and name_at < len(cells) and cells[name_at]:
            names[value] = cells[name_at]
        red, green, blue = (_integer(cells, at) for at in rgb_at)
        if red is not None and green is not None and blue is not None and max(red, green, blue) <= 255:
            colors[value] = (red, green, blue)
        code = _integer(cells, code_at)
        if code is not None:
            codes[value] = code
    return names, colors, codes


_COLOR_FIELDS = (
    (FieldUsage.RED, ("r", "red")),
    (FieldUsage.GREEN, ("g", "green")),
    (FieldUsage.BLUE, ("b", "blue")),
)


def _column(fields: Sequence[tuple[str, str]], usages: Sequence[str], names: Sequence[str]) -> int | None:
    """Position of the column with one of these usages, else with one of these names."""
    by_usage = (i for i, (_, usage) in enumerate(fields) if usage in usages)
    by_name = (i for i, (name, _) in enumerate(fields) if name.lower() in names)
    return next(by_usage, next(by_name, None))


def _integer(cells: Sequence[str], at: int | None) -> int | None:
    try:
        return None if at is None else int(float(cells[at]))
    except (IndexError, ValueError, OverflowError):
        return None
