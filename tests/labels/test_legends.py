"""What rasters say of their own pixel values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
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


def test_a_raster_without_names_has_no_table(raster: Path) -> None:
    assert read_class_table(raster) is None


def test_a_palette_alone_gives_colours(raster: Path) -> None:
    with rasterio.open(raster, "r+") as dataset:
        dataset.write_colormap(1, {1: (9, 8, 7, 255), 3: (6, 5, 4, 255)})
    table = read_legend(raster).class_table([1, 3])
    assert table is not None
    assert dict(zip(table.codes, table.colors, strict=True)) == {1: (9, 8, 7), 3: (6, 5, 4)}
    assert table.names == ("class 1", "class 3")


def test_a_palette_alone_is_a_table_up_to_its_last_colour(raster: Path) -> None:
    """GDAL fills a palette up with black to 256 entries, which are no classes."""
    with rasterio.open(raster, "r+") as dataset:
        dataset.write_colormap(1, {1: (9, 8, 7, 255), 2: (0, 0, 0, 255), 3: (6, 5, 4, 255)})
    table = read_class_table(raster)
    assert table is not None
    assert dict(zip(table.codes, table.colors, strict=True)) == {1: (9, 8, 7), 2: (0, 0, 0), 3: (6, 5, 4)}


def test_the_palette_adds_no_class_to_an_attribute_table(raster: Path) -> None:
    """The colour of value 10 in the filled palette must not become a second class with the code 10."""
    with rasterio.open(raster, "r+") as dataset:
        dataset.write_colormap(1, palette(CLASSES))
    write_sidecars(raster, CLASSES, [3, 2, 1])
    assert read_class_table(raster) == CLASSES


def test_category_names_alone_give_names_and_repeated_ones_are_told_apart(raster: Path) -> None:
    pam = raster.with_name("map.tif.aux.xml")
    categories = "".join(f"<Category>{name}</Category>" for name in ("none", "forest", "", "forest"))
    pam.write_text(
        f'<PAMDataset><PAMRasterBand band="1"><CategoryNames>{categories}</CategoryNames></PAMRasterBand></PAMDataset>',
        encoding="utf-8",
    )
    table = read_class_table(raster)
    assert table is not None
    assert dict(zip(table.codes, table.names, strict=True)) == {1: "forest", 3: "forest (3)"}


def test_a_foreign_attribute_table_is_read_by_usage_and_by_name(raster: Path) -> None:
    """As ESRI writes it: other column names, numbers with a fraction, no usages for the names."""
    fields = [("OID", "0"), ("Value", "5"), ("Class_Name", "0"), ("Red", "6"), ("Green", "7"), ("Blue", "8")]
    defined = "".join(
        f'<FieldDefn index="{i}"><Name>{name}</Name><Type>2</Type><Usage>{usage}</Usage></FieldDefn>'
        for i, (name, usage) in enumerate(fields)
    )
    row = "".join(f"<F>{cell}</F>" for cell in ("0", "2.0", "meadow", "1", "2", "3"))
    table = f'<GDALRasterAttributeTable>{defined}<Row index="0">{row}</Row></GDALRasterAttributeTable>'
    raster.with_name("map.tif.aux.xml").write_text(
        f'<PAMDataset><PAMRasterBand band="1">{table}</PAMRasterBand></PAMDataset>', encoding="utf-8"
    )
    classes = read_class_table(raster)
    assert classes is not None
    assert classes.to_records() == [{"code": 2, "name": "meadow", "color": "#010203"}]


@pytest.mark.parametrize("text", ["", "<PAMDataset>", "not xml", "<PAMDataset/>"])
def test_a_broken_pam_file_is_passed_over(raster: Path, text: str) -> None:
    raster.with_name("map.tif.aux.xml").write_text(text, encoding="utf-8")
    assert read_class_table(raster) is None


def test_an_attribute_table_that_hsiattn_once_wrote_gives_the_codes(raster: Path) -> None:
    """Labels of the simulated example had no tags, and the values 1 … K."""
    fields = [("Value", 5), ("Count", 1), ("Class", 2), ("R", 6), ("G", 7), ("B", 8), ("A", 9), ("Code", 0)]
    defined = "".join(
        f'<FieldDefn index="{i}"><Name>{name}</Name><Type>{2 if name == "Class" else 0}</Type>'
        f"<Usage>{usage}</Usage></FieldDefn>"
        for i, (name, usage) in enumerate(fields)
    )
    rows = "".join(
        f'<Row index="{i}">'
        + "".join(f"<F>{cell}</F>" for cell in (i + 1, 5, c.name[:4], *c.color, 255, c.code))
        + "</Row>"
        for i, c in enumerate(CLASSES)
    )
    table = f'<GDALRasterAttributeTable tableType="thematic">{defined}{rows}</GDALRasterAttributeTable>'
    raster.with_name("map.tif.aux.xml").write_text(
        f'<PAMDataset><PAMRasterBand band="1">{table}</PAMRasterBand></PAMDataset>', encoding="utf-8"
    )
    assert read_legend(raster).codes == {1: 1, 2: 10, 3: 900}
