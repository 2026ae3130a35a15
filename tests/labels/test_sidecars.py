"""Class names and colours written beside a raster, judged by GDAL itself and by QGIS's own rules."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine

from hsiattn.classes import ClassTable
from hsiattn.labels.legends import read_class_table, read_legend
from hsiattn.labels.sidecars import palette, write_sidecars

CLASSES = ClassTable.from_records(
    [
        {"code": 1, "name": "roof", "color": "#e60000"},
        {"code": 10, "name": "soil & rock", "color": "#a07040"},
        {"code": 900, "name": "Gewässer <tief>", "color": "#0040c0"},
    ]
)


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    """A map of 2 × 4 pixels without any names."""
    path = tmp_path / "map.tif"
    transform = Affine(10, 0, 5e5, 0, -10, 5e6)
    with rasterio.open(
        path, "w", driver="GTiff", height=2, width=4, count=1, dtype="uint8", nodata=0, transform=transform
    ) as dataset:
        dataset.write(np.array([[[0, 1, 2, 3], [1, 1, 2, 0]]], dtype=np.uint8))
    return path


def test_written_names_colours_and_codes_are_read_back(raster: Path) -> None:
    write_sidecars(raster, CLASSES, [3, 2, 1])
    assert read_class_table(raster) == CLASSES
    assert read_legend(raster).codes == {1: 1, 2: 10, 3: 900}


def test_gdal_takes_the_names_for_its_own(raster: Path, tmp_path: Path) -> None:
    """GDAL writes an ENVI classification header from category names and palette, if it has understood them."""
    with rasterio.open(raster, "r+") as dataset:
        dataset.write_colormap(1, palette(CLASSES))
    write_sidecars(raster, CLASSES, [3, 2, 1])
    rasterio.shutil.copy(raster, tmp_path / "copy.img", driver="ENVI")
    header = (tmp_path / "copy.hdr").read_text(encoding="utf-8")
    assert "file type = ENVI Classification" in header
    names = re.search(r"class names = \{(.*?)\}", header, re.DOTALL)
    assert names is not None
    assert [n.strip() for n in names[1].split(",")] == ["unclassified", *CLASSES.names]
    colors = re.search(r"class lookup = \{(.*?)\}", header, re.DOTALL)
    assert colors is not None
    assert [int(n) for n in colors[1].split(",")] == [0, 0, 0, *np.ravel(CLASSES.colors)]


def test_gdal_carries_the_attribute_table_to_another_file(raster: Path, tmp_path: Path) -> None:
    write_sidecars(raster, CLASSES, [3, 2, 1])
    rasterio.shutil.copy(raster, tmp_path / "copy.tif", driver="GTiff")
    assert read_class_table(tmp_path / "copy.tif") == CLASSES


def test_counts_stand_in_the_attribute_table(raster: Path) -> None:
    pam, _ = write_sidecars(raster, CLASSES, [3, 2, 1])
    rows = ET.parse(pam).findall(".//GDALRasterAttributeTable/Row")
    assert [[cell.text for cell in row][:3] for row in rows] == [
        ["1", "3", "roof"],
        ["2", "2", "soil & rock"],
        ["3", "1", "Gewässer <tief>"],
    ]


def test_the_style_is_a_paletted_renderer_with_one_entry_per_class(raster: Path) -> None:
    _, style = write_sidecars(raster, CLASSES, [3, 2, 1])
    assert style.name == "map.qml"
    root = ET.parse(style).getroot()
    assert root.tag == "qgis"
    renderer = root.find("pipe/rasterrenderer")
    assert renderer is not None
    assert (renderer.get("type"), renderer.get("band")) == ("paletted", "1")
    entries = [entry.attrib for entry in renderer.findall("colorPalette/paletteEntry")]
    assert entries == [
        {"value": "1", "label": "roof", "color": "#e60000", "alpha": "255"},
        {"value": "2", "label": "soil & rock", "color": "#a07040", "alpha": "255"},
        {"value": "3", "label": "Gewässer <tief>", "color": "#0040c0", "alpha": "255"},
    ]


def test_unclassified_is_transparent_in_the_palette() -> None:
    assert palette(CLASSES) == {0: (0, 0, 0, 0), 1: (230, 0, 0, 255), 2: (160, 112, 64, 255), 3: (0, 64, 192, 255)}
