"""What rasters say of their own pixel values."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import rasterio

from hsiattn.classes import ClassTable
from hsiattn.labels.legends import read_class_table, read_legend
from hsiattn.labels.sidecars import palette, write_sidecars


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


def test_the_palette_adds_no_class_to_an_attribute_table(raster: Path, classes: ClassTable) -> None:
    """The colour of value 10 in the filled palette must not become a second class with the code 10."""
    with rasterio.open(raster, "r+") as dataset:
        dataset.write_colormap(1, palette(classes))
    write_sidecars(raster, classes, [3, 2, 1])
    assert read_class_table(raster) == classes


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


def test_an_attribute_table_that_hsiattn_once_wrote_gives_the_codes(raster: Path, classes: ClassTable) -> None:
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
        for i, c in enumerate(classes)
    )
    table = f'<GDALRasterAttributeTable tableType="thematic">{defined}{rows}</GDALRasterAttributeTable>'
    raster.with_name("map.tif.aux.xml").write_text(
        f'<PAMDataset><PAMRasterBand band="1">{table}</PAMRasterBand></PAMDataset>', encoding="utf-8"
    )
    assert read_legend(raster).codes == {1: 1, 2: 10, 3: 900}


def attribute_table(fields: list[tuple[str, int, int]], rows: list[tuple[Any, ...]], attributes: str = "") -> str:
    """GDAL's XML of an attribute table; a field is name, type and usage."""
    defined = "".join(
        f'<FieldDefn index="{i}"><Name>{name}</Name><Type>{kind}</Type><Usage>{usage}</Usage></FieldDefn>'
        for i, (name, kind, usage) in enumerate(fields)
    )
    cells = ["".join(f"<F>{cell}</F>" for cell in row) for row in rows]
    written = "".join(f'<Row index="{i}">{text}</Row>' for i, text in enumerate(cells))
    return f"<GDALRasterAttributeTable {attributes}>{defined}{written}</GDALRasterAttributeTable>"


def write_pam(raster: Path, content: str) -> None:
    """GDAL's file of auxiliary metadata beside a raster."""
    text = f'<PAMDataset><PAMRasterBand band="1">{content}</PAMRasterBand></PAMDataset>'
    Path(f"{raster}.aux.xml").write_text(text, encoding="utf-8")


def tag(raster: Path, **tags: str) -> None:
    with rasterio.open(raster, "r+") as dataset:
        dataset.update_tags(**tags)


VALUE, NAME, OTHER = 5, 2, 0
OWN_FIELDS = [
    ("Value", 0, VALUE), ("Count", 0, 1), ("Class", 2, NAME), ("R", 0, 6), ("G", 0, 7), ("B", 0, 8), ("A", 0, 9),
    ("Code", 0, OTHER),
]  # fmt: skip
OWN_ROWS = [(1, 5, "roof", 1, 2, 3, 255, 7), (2, 6, "soil", 4, 5, 6, 255, 90_000)]


def test_a_column_of_codes_in_a_foreign_table_means_nothing(raster: Path) -> None:
    write_pam(
        raster,
        attribute_table(
            [("Value", 0, VALUE), ("CODE", 0, OTHER), ("Class", 2, NAME)],
            [(1, 2, "water"), (2, 3_000_000_000, "forest"), (3, 1, "urban")],
        ),
    )
    table = read_class_table(raster)
    assert table is not None
    assert dict(zip(table.codes, table.names, strict=True)) == {1: "water", 2: "forest", 3: "urban"}
    assert read_legend(raster).codes == {}


def test_the_codes_of_an_older_map_stand_in_its_attribute_table(raster: Path) -> None:
    tag(raster, TIFFTAG_SOFTWARE="hsiattn 0.1.0", HSIATTN_MODEL_SHA256="ab" * 32)
    write_pam(raster, attribute_table(OWN_FIELDS, OWN_ROWS))
    legend = read_legend(raster)
    assert (legend.codes, legend.kind, legend.lost) == ({1: 7, 2: 90_000}, "land-cover", False)
    table = legend.class_table()
    assert table is not None
    assert [(c.code, c.name, c.color) for c in table] == [(7, "roof", (1, 2, 3)), (90_000, "soil", (4, 5, 6))]


def test_older_labels_without_tags_are_known_by_all_their_columns(raster: Path) -> None:
    write_pam(raster, attribute_table(OWN_FIELDS, OWN_ROWS))
    assert read_legend(raster).codes == {1: 7, 2: 90_000}
    write_pam(raster, attribute_table(OWN_FIELDS[1:], [row[1:] for row in OWN_ROWS]))
    assert read_legend(raster).codes == {}


def test_an_older_map_without_its_table_is_lost(raster: Path) -> None:
    tag(raster, TIFFTAG_SOFTWARE="hsiattn 0.1.0")
    assert read_legend(raster).lost
    tag(raster, HSIATTN_KIND="land-cover")  # a newer one needs no table
    assert not read_legend(raster).lost


def test_the_table_in_the_tags_serves_without_sidecar_and_wins_over_one(raster: Path, classes: ClassTable) -> None:
    records = [{"value": v, **r} for v, r in zip((1, 2, 3), classes.to_records(), strict=True)]
    tag(raster, HSIATTN_CLASSES=json.dumps(records), HSIATTN_KIND="land-cover")
    assert read_class_table(raster) == classes
    write_pam(raster, attribute_table([("Value", 0, VALUE), ("Class", 2, NAME)], [(1, "something else")]))
    assert read_class_table(raster) == classes
    assert read_legend(raster).codes == {1: 1, 2: 10, 3: 900}


@pytest.mark.parametrize(
    "text",
    [
        "{", "[]", "7", '"x"', '[{"value": 1}]', '[{"value": 0, "code": 1}]', '[{"value": 1, "code": -1}]', "[1, 2]",
        '[{"value": 1, "code": 1, "color": 7}]', "[" * 100_000, '[{"value": 1, "code": NaN}]',
        '[{"value": 1, "code": 1, "attributes": "?!"}]',
    ],
)  # fmt: skip
def test_a_broken_table_in_the_tags_is_none(raster: Path, text: str, classes: ClassTable) -> None:
    tag(raster, HSIATTN_CLASSES=text)
    assert read_class_table(raster) is None


def test_a_row_may_stand_for_a_range_of_values(raster: Path) -> None:
    write_pam(
        raster,
        attribute_table(
            [("Least", 1, 3), ("Most", 1, 4), ("Kind", 2, NAME)],
            [(1, 2.9, "water"), (3, 5, "wood"), (4, 7, "later"), (8, 1e12, "all"), (9, 8, "empty")],
        ),
    )
    assert read_legend(raster).names == {
        1: "water",
        2: "water",
        3: "wood",
        4: "wood",
        5: "wood",
        6: "later",
        7: "later",
    }


def test_rows_may_be_numbered_by_steps(raster: Path) -> None:
    table = attribute_table([("Kind", 2, NAME)], [("a",), ("b",)], 'Row0Min="3" BinSize="1"')
    write_pam(raster, table)
    assert read_legend(raster).names == {3: "a", 4: "b"}


def test_names_stand_in_the_only_column_of_text_where_none_is_called_so(raster: Path) -> None:
    write_pam(
        raster, attribute_table([("VALUE", 0, OTHER), ("N", 0, OTHER), ("COVER", 2, OTHER)], [(2, 9, "x &lt; y")])
    )
    assert read_legend(raster).names == {2: "x < y"}


def test_values_that_no_class_can_have_are_passed_over(raster: Path) -> None:
    write_pam(
        raster,
        attribute_table(
            [("Value", 1, VALUE), ("Class", 2, NAME)],
            [(-9999, "nodata"), (2.5, "half"), (1e300, "huge"), ("nan", "none"), (3, "water"), (0, "outside")],
        ),
    )
    table = read_class_table(raster)
    assert table is not None
    assert table.names == ("water",)


def test_a_legend_inside_an_archive_is_found(raster: Path, tmp_path: Path) -> None:
    write_pam(raster, attribute_table([("Value", 0, VALUE), ("Class", 2, NAME)], [(2, "meadow")]))
    with zipfile.ZipFile(tmp_path / "maps.zip", "w") as archive:
        for name in ("map.tif", "map.tif.aux.xml"):
            archive.write(tmp_path / name, f"inner/{name}")
    table = read_class_table(f"/vsizip/{tmp_path}/maps.zip/inner/map.tif")
    assert table is not None
    assert table.to_records()[0] | {"color": ""} == {"code": 2, "name": "meadow", "color": ""}


def test_class_names_of_an_envi_classification_are_read(tmp_path: Path) -> None:
    (tmp_path / "labels").write_bytes(bytes([0, 1, 2, 1]))
    (tmp_path / "labels.hdr").write_text(
        "ENVI\nsamples = 2\nlines = 2\nbands = 1\nheader offset = 0\nfile type = ENVI Classification\ndata type = 1\n"
        "interleave = bsq\nbyte order = 0\nclasses = 3\nclass names = {Unclassified, Water, Bare soil}\n"
        "class lookup = {0, 0, 0, 0, 0, 255, 160, 112, 64}\n"
    )
    table = read_class_table(tmp_path / "labels")
    assert table is not None
    assert [(c.code, c.name, c.color) for c in table] == [(1, "Water", (0, 0, 255)), (2, "Bare soil", (160, 112, 64))]


def test_every_value_of_16_bits_may_have_a_name(raster: Path) -> None:
    write_pam(
        raster,
        attribute_table([("Value", 0, VALUE), ("Class", 2, NAME)], [(value, f"c{value}") for value in range(2**16)]),
    )
    table = read_class_table(raster)
    assert table is not None
    assert (len(table), table.names[-1]) == (65_535, "c65535")


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><PAMDataset>&b;</PAMDataset>',
        "<PAMDataset>" * 5000,
        '<PAMDataset><PAMRasterBand band="1"><GDALRasterAttributeTable><Row/></GDALRasterAttributeTable>'
        "</PAMRasterBand></PAMDataset>",
    ],
)
def test_a_hostile_pam_file_names_nothing(raster: Path, text: str) -> None:
    Path(f"{raster}.aux.xml").write_text(text, encoding="utf-8")
    assert read_class_table(raster) is None
