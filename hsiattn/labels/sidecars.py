"""Class names and colours of a raster: tags and palette inside the file, GDAL's PAM file and a QGIS style beside it.

rasterio has no calls for category names and attribute tables, so the PAM file `<raster>.aux.xml` is written here as
GDAL writes it. GDAL then shows the names everywhere (QGIS, `gdalinfo`) and carries them on when the raster is
converted, e.g. to COG or to an ENVI classification.

Pixel values are the codes of the classes. Only where a code is larger than a pixel value can be, they are 1 … K, and
the codes stand in the column `Code` of the attribute table.
"""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from hsiattn.classes import UNLABELLED, ClassTable, format_color
from hsiattn.files.kinds import CLASSES_TAG

CODE_COLUMN = "Code"
"""Attribute-table column with the codes of the classes, where the pixel values are not their codes."""

MAX_LISTED = 4095
"""Largest pixel value up to which all values are listed by name (GDAL's category names, ENVI's class names).

Such lists have an entry for every value from 0, of a class or not.
"""


class FieldType:
    """Numbers that GDAL gives to the types of columns of an attribute table (GDALRATFieldType)."""

    INTEGER, TEXT = "0", "2"


class FieldUsage:
    """Numbers that GDAL gives to the uses of columns of an attribute table (GDALRATFieldUsage)."""

    GENERIC, PIXEL_COUNT, NAME, LEAST, MOST, VALUE = "0", "1", "2", "3", "4", "5"
    RED, GREEN, BLUE, ALPHA = "6", "7", "8", "9"


_COLUMNS = (
    ("Value", FieldType.INTEGER, FieldUsage.VALUE),
    ("Count", FieldType.INTEGER, FieldUsage.PIXEL_COUNT),
    ("Class", FieldType.TEXT, FieldUsage.NAME),
    ("R", FieldType.INTEGER, FieldUsage.RED),
    ("G", FieldType.INTEGER, FieldUsage.GREEN),
    ("B", FieldType.INTEGER, FieldUsage.BLUE),
    ("A", FieldType.INTEGER, FieldUsage.ALPHA),
)


def pam_path(path: str | os.PathLike[str]) -> Path:
    """GDAL's file of auxiliary metadata beside a raster: `map.tif` → `map.tif.aux.xml`."""
    return Path(f"{os.fspath(path)}.aux.xml")


def style_path(path: str | os.PathLike[str]) -> Path:
    """The style that QGIS applies when it opens a raster: `map.tif` → `map.qml`."""
    return Path(path).with_suffix(".qml")


def class_tags(classes: ClassTable) -> dict[str, str]:
    """The tag that says inside a map or a raster of labels what its pixel values mean."""
    records = zip(classes.values, classes.to_records(), strict=True)
    return {CLASSES_TAG: json.dumps([{"value": value, **record} for value, record in records])}


def palette(classes: ClassTable) -> dict[int, tuple[int, int, int, int]]:
    """Colours of the pixel values of a map for rasterio's `write_colormap`; 0 (unclassified) is transparent."""
    colors = {value: (*color, 255) for value, color in zip(classes.values, classes.colors, strict=True)}
    return {UNLABELLED: (0, 0, 0, 0), **colors}


def write_sidecars(path: str | os.PathLike[str], classes: ClassTable, counts: Sequence[int]) -> list[Path]:
    """Write class names and colours of a map beside it, as PAM file and as QGIS style.

    Parameters
    ----------
    path
        The map, whose pixel values are `classes.values`, and 0 where unclassified.
    classes
        Its K classes.
    counts
        Pixels of each class (K integers).

    Returns
    -------
    list of Path
        The files written; earlier ones of the same name are replaced.
    """
    trees = {pam_path(path): _pam(classes, counts), style_path(path): _qgis_style(classes)}
    for file, tree in trees.items():
        ET.indent(tree)
        text = ET.tostring(tree, encoding="unicode")
        doctype = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n" if file.suffix == ".qml" else ""
        file.write_text(f"{doctype}{text}\n", encoding="utf-8")
    return list(trees)


def _pam(classes: ClassTable, counts: Sequence[int]) -> ET.Element:
    root = ET.Element("PAMDataset")
    band = ET.SubElement(root, "PAMRasterBand", band="1")
    ET.SubElement(band, "Description").text = "land cover"
    if classes.values[-1] <= MAX_LISTED:
        names = dict(zip(classes.values, classes.names, strict=True)) | {UNLABELLED: "unclassified"}
        categories = ET.SubElement(band, "CategoryNames")
        for value in range(classes.values[-1] + 1):
            ET.SubElement(categories, "Category").text = names.get(value, "")
    recoded = classes.values != classes.codes
    columns = (*_COLUMNS, (CODE_COLUMN, FieldType.INTEGER, FieldUsage.GENERIC)) if recoded else _COLUMNS
    table = ET.SubElement(band, "GDALRasterAttributeTable", tableType="thematic")
    for index, (name, kind, usage) in enumerate(columns):
        field = ET.SubElement(table, "FieldDefn", index=str(index))
        for tag, text in (("Name", name), ("Type", kind), ("Usage", usage)):
            ET.SubElement(field, tag).text = text
    for index, (value, item, count) in enumerate(zip(classes.values, classes, counts, strict=True)):
        row = ET.SubElement(table, "Row", index=str(index))
        for cell in (value, int(count), item.name, *item.color, 255, item.code)[: len(columns)]:
            ET.SubElement(row, "F").text = str(cell)
    return root


def _qgis_style(classes: ClassTable) -> ET.Element:
    root = ET.Element("qgis", version="3.28.0", styleCategories="AllStyleCategories")
    pipe = ET.SubElement(root, "pipe")
    renderer = ET.SubElement(
        pipe, "rasterrenderer", type="paletted", band="1", opacity="1", alphaBand="-1", nodataColor=""
    )
    ET.SubElement(renderer, "rasterTransparency")
    entries = ET.SubElement(renderer, "colorPalette")
    for value, item in zip(classes.values, classes, strict=True):
        color = format_color(item.color)
        ET.SubElement(entries, "paletteEntry", value=str(value), label=item.name, color=color, alpha="255")
    ET.SubElement(pipe, "brightnesscontrast", brightness="0", contrast="0", gamma="1")
    ET.SubElement(pipe, "huesaturation", saturation="0", grayscaleMode="0", colorizeOn="0")
    ET.SubElement(pipe, "rasterresampler", maxOversampling="2")
    ET.SubElement(root, "blendMode").text = "0"
    return root
