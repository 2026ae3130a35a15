"""Class names and colours written beside a raster, judged by GDAL itself and by QGIS's own rules."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil

from hsiattn.classes import ClassTable
from hsiattn.labels.legends import read_class_table, read_legend
from hsiattn.labels.sidecars import class_tags, palette, write_sidecars


def test_written_names_colours_and_codes_are_read_back(coded_raster: Path, classes: ClassTable) -> None:
    write_sidecars(coded_raster, classes, [3, 2, 1])
    assert read_class_table(coded_raster) == classes
    assert read_legend(coded_raster).codes == {}


def test_gdal_takes_the_names_for_its_own(coded_raster: Path, tmp_path: Path, classes: ClassTable) -> None:
    """GDAL writes an ENVI classification header from category names and palette, if it has understood them."""
    with rasterio.open(coded_raster, "r+") as dataset:
        dataset.write_colormap(1, palette(classes))
    write_sidecars(coded_raster, classes, [3, 2, 1])
    rasterio.shutil.copy(coded_raster, tmp_path / "copy.img", driver="ENVI")
    header = (tmp_path / "copy.hdr").read_text(encoding="utf-8")
    assert "file type = ENVI Classification" in header
    names = re.search(r"class names = \{(.*?)\}", header, re.DOTALL)
    assert names is not None
    by_value = {value: name for value, n in enumerate(names[1].split(",")) if (name := n.strip())}
    assert by_value == {0: "unclassified"} | dict(zip(classes.codes, classes.names, strict=True))
    colors = re.search(r"class lookup = \{(.*?)\}", header, re.DOTALL)
    assert colors is not None
    rows = np.array(colors[1].split(","), dtype=int).reshape(-1, 3)
    assert rows.shape == (901, 3)
    np.testing.assert_array_equal(rows[list(classes.codes)], classes.colors)
    assert rows.any(axis=1).sum() == 3


def test_gdal_carries_the_attribute_table_to_another_file(
    coded_raster: Path, tmp_path: Path, classes: ClassTable
) -> None:
    write_sidecars(coded_raster, classes, [3, 2, 1])
    rasterio.shutil.copy(coded_raster, tmp_path / "copy.tif", driver="GTiff")
    assert read_class_table(tmp_path / "copy.tif") == classes


def test_counts_stand_in_the_attribute_table(coded_raster: Path, classes: ClassTable) -> None:
    pam, _ = write_sidecars(coded_raster, classes, [3, 2, 1])
    rows = ET.parse(pam).findall(".//GDALRasterAttributeTable/Row")
    assert [[cell.text for cell in row][:3] for row in rows] == [
        ["1", "3", "roof"],
        ["10", "2", "soil & rock"],
        ["900", "1", "Gewässer <tief>"],
    ]


def test_the_style_is_a_paletted_renderer_with_one_entry_per_class(coded_raster: Path, classes: ClassTable) -> None:
    _, style = write_sidecars(coded_raster, classes, [3, 2, 1])
    assert style.name == "map.qml"
    root = ET.parse(style).getroot()
    assert root.tag == "qgis"
    renderer = root.find("pipe/rasterrenderer")
    assert renderer is not None
    assert (renderer.get("type"), renderer.get("band")) == ("paletted", "1")
    entries = [entry.attrib for entry in renderer.findall("colorPalette/paletteEntry")]
    assert entries == [
        {"value": "1", "label": "roof", "color": "#e60000", "alpha": "255"},
        {"value": "10", "label": "soil & rock", "color": "#a07040", "alpha": "255"},
        {"value": "900", "label": "Gewässer <tief>", "color": "#0040c0", "alpha": "255"},
    ]


def test_unclassified_is_transparent_in_the_palette(classes: ClassTable) -> None:
    assert palette(classes) == {0: (0, 0, 0, 0), 1: (230, 0, 0, 255), 10: (160, 112, 64, 255), 900: (0, 64, 192, 255)}


def test_the_attribute_table_has_a_column_of_codes_only_where_the_values_are_none(
    coded_raster: Path, classes: ClassTable
) -> None:
    for legend, names in (
        (classes, ["Value", "Count", "Class", "R", "G", "B", "A"]),
        (ClassTable.from_codes([3, 70_000]), ["Value", "Count", "Class", "R", "G", "B", "A", "Code"]),
    ):
        pam, _ = write_sidecars(coded_raster, legend, [1] * len(legend))
        table = ET.parse(pam).find(".//GDALRasterAttributeTable")
        assert table is not None
        assert [field.findtext("Name") for field in table.findall("FieldDefn")] == names
        rows = [[cell.text for cell in row] for row in table.findall("Row")]
        assert [row[0] for row in rows] == [str(value) for value in legend.values]
        assert [row[7:] for row in rows] == ([["3"], ["70000"]] if legend is not classes else [[]] * 3)


@pytest.mark.parametrize(("largest", "listed"), [(4095, 4096), (4096, 0)])
def test_names_are_listed_by_value_up_to_a_bound_and_always_stand_in_the_attribute_table(
    coded_raster: Path, largest: int, listed: int
) -> None:
    pam, _ = write_sidecars(coded_raster, ClassTable.from_codes([2, largest]), [1, 1])
    assert len(ET.parse(pam).findall(".//Category")) == listed
    table = read_class_table(coded_raster)
    assert table is not None
    assert dict(zip(table.codes, table.names, strict=True)) == {2: "class 2", largest: f"class {largest}"}


def test_the_tag_lists_values_codes_names_and_colours(classes: ClassTable) -> None:
    classes = ClassTable.from_records(
        [
            {"code": 7, "name": "Öl", "color": "#010203", "attributes": ["b", "a"]},
            {"code": 300, "name": "x", "color": "#040506"},
        ]
    )
    assert json.loads(class_tags(classes)["HSIATTN_CLASSES"]) == [
        {"value": 7, "code": 7, "name": "Öl", "color": "#010203", "attributes": ["a", "b"]},
        {"value": 300, "code": 300, "name": "x", "color": "#040506"},
    ]
    recoded = json.loads(class_tags(ClassTable.from_codes([3, 65_536]))["HSIATTN_CLASSES"])
    assert [(record["value"], record["code"]) for record in recoded] == [(1, 3), (2, 65_536)]


@pytest.mark.parametrize(
    "name", ["bad \x00\x01\x1b[31m\ud800 name", "]]>&<!--\"'", "line\nbreak", "\u202eabc", "x" * 10**5]
)
def test_no_name_breaks_the_files_beside_a_raster(coded_raster: Path, name: str) -> None:
    classes = ClassTable.from_records([{"code": 1, "name": name}, {"code": 2, "name": "roof"}])
    pam, style = write_sidecars(coded_raster, classes, [3, 2])
    assert [cell.text for cell in ET.parse(pam).findall(".//Row/F[3]")] == list(classes.names)
    assert [entry.get("label") for entry in ET.parse(style).iter("paletteEntry")] == list(classes.names)
    rasterio.shutil.copy(coded_raster, coded_raster.with_name("copy.tif"), driver="GTiff")
    again = read_class_table(coded_raster.with_name("copy.tif"))
    assert again is not None
    assert again.names == classes.names
