"""The class table: order, refusals, and the way from codes to indices and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from hsiattn.classes import (
    ClassTable,
    LandCoverClass,
    distinct_color,
    distinct_names,
    parse_attributes,
    parse_code,
    parse_color,
)
from hsiattn.errors import LabelError

code_sets = st.sets(st.integers(1, 2**31 - 1), min_size=1, max_size=20)
words = st.lists(st.sampled_from(["vegetation", "crop", "soil", "sealed ground", "low-rise", "zone_2"]), max_size=4)

FIELDS = ClassTable.from_records(
    [
        {"code": 1, "name": "maize", "attributes": ["vegetation", "crop"]},
        {"code": 2, "name": "cloud"},
        {"code": 5, "name": "grass", "attributes": ["vegetation"]},
    ]
)


def test_classes_are_sorted_by_code() -> None:
    table = ClassTable((LandCoverClass(10, "corn", (1, 2, 3)), LandCoverClass(1, "broccoli", (4, 5, 6))))
    assert table.codes == (1, 10)
    assert table.names == ("broccoli", "corn")
    assert table.colors == ((4, 5, 6), (1, 2, 3))


@given(codes=code_sets)
def test_indices_lead_back_to_the_codes(codes: set[int]) -> None:
    table = ClassTable.from_codes(codes)
    raster = np.array([[0, *sorted(codes)]])
    indices = table.to_indices(raster)
    assert indices.tolist() == [[-1, *range(len(codes))]]
    np.testing.assert_array_equal(table.to_codes(indices), raster)


def test_a_code_outside_the_table_has_no_index() -> None:
    assert ClassTable.from_codes([2, 5]).to_indices(np.array([1, 2, 3, 5, 6])).tolist() == [-1, 0, -1, 1, -1]


@given(codes=code_sets)
def test_attributes_and_records_carry_the_whole_table(codes: set[int]) -> None:
    table = ClassTable.from_codes(codes)
    assert ClassTable.from_attrs(table.to_attrs()) == table
    assert ClassTable.from_records(table.to_records()) == table


def test_attributes_without_a_table_give_none() -> None:
    assert ClassTable.from_attrs({"units": "m"}) is None


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([], "empty"),
        ([{"code": 0, "name": "nothing"}], "code 0"),
        ([{"code": -1}], "negative code -1"),
        ([{"code": 1}, {"code": 1, "name": "b"}], "code 1 more than once"),
        ([{"code": 1, "name": "water"}, {"code": 2, "name": "water"}], "name water more than once"),
        ([{"name": "water"}], "no integer code"),
        ([{"code": 1.5}], "no integer code"),
        ([{"code": True}], "no integer code"),
        ([{"code": "one"}], "no integer code"),
        ([{"code": 1, "color": "blue"}], "'blue' is not a colour"),
        ([{"code": float("nan")}], "no integer code"),
        ([{"code": float("inf")}], "no integer code"),
        ([{"code": 10**400}], "no integer code"),
        ([{"code": 2**31}], "number the classes below 2 147 483 648"),
        ([{"code": code} for code in range(1, 65_537)], "65536 classes; give at most 65535"),
        ([{"code": 1, "name": "a\tb"}, {"code": 2, "name": " a b "}], "name a b more than once"),
    ],
)
def test_an_impossible_table_is_refused(records: list[dict[str, object]], message: str) -> None:
    with pytest.raises(LabelError, match=message):
        ClassTable.from_records(records)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("  low \t vegetation\r\n", "low vegetation"),
        ("\x1b[31mred\x07\x00", "�[31mred��"),
        ("abc\u202ecba", "abc�cba"),
        ("half \ud83d", "half �"),
        ("x" * 10**5, "x" * 199 + "…"),
        ("", "class 3"),
        (" \n", "class 3"),
        (None, "class 3"),
        ("森林 (Wald) <&>", "森林 (Wald) <&>"),
        (1.5, "1.5"),
    ],
)
def test_a_name_is_one_line_that_can_be_shown_and_written_anywhere(given: object, name: str) -> None:
    assert ClassTable.from_records([{"code": 3, "name": given}]).names == (name,)


def test_classes_with_one_name_are_told_apart_by_their_codes() -> None:
    names = ["a", "a", "a (7)", "a", "x" * 200, "x" * 200]
    table = distinct_names(LandCoverClass(code, name, (0, 0, 0)) for code, name in enumerate(names, start=5))
    assert table.names[:4] == ("a", "a (6)", "a (7)", "a (8)")
    assert len(set(table.names)) == 6
    with pytest.raises(LabelError, match="code 5 more than once"):
        distinct_names([LandCoverClass(5, "x" * 200, (0, 0, 0))] * 3)


@given(codes=code_sets)
def test_values_in_a_map_are_the_codes_as_long_as_a_pixel_holds_them(codes: set[int]) -> None:
    table = ClassTable.from_codes(codes)
    largest = max(codes)
    assert table.values == (tuple(sorted(codes)) if largest <= 65_535 else tuple(range(1, len(codes) + 1)))


def test_the_largest_value_of_a_map_is_that_of_sixteen_bits() -> None:
    assert ClassTable.from_codes([7, 65_535]).values == (7, 65_535)
    assert ClassTable.from_codes([7, 65_536]).values == (1, 2)


@pytest.mark.parametrize(
    "value", [12, "12", "012", " 12 ", "12.0", "1.2e1", "+12", 12.0, np.uint8(12), np.float32(12), "0xC"]
)
def test_whole_numbers_are_codes_however_they_are_written(value: object) -> None:
    assert parse_code(value) == 12


@pytest.mark.parametrize(
    "value", ["1_2", "12,0", "", "0o14", "1.5", "1e999", "nan", "٣", None, True, np.True_, 1.5, [12]]
)
def test_anything_else_is_no_code(value: object) -> None:
    with pytest.raises(ValueError, match="is no code"):
        parse_code(value)


def test_a_subset_keeps_names_and_colours() -> None:
    table = ClassTable.from_records([{"code": c, "name": f"n{c}", "color": f"#0000{c:02x}"} for c in (1, 2, 3)])
    assert table.subset([3, 1]).to_records() == [table.to_records()[0], table.to_records()[2]]


@pytest.mark.parametrize("color", ["#ff0010", "FF0010", (255, 0, 16), ["255", "0", "16"]])
def test_a_colour_is_read_from_text_or_numbers(color: object) -> None:
    assert parse_color(color) == (255, 0, 16)


@pytest.mark.parametrize("color", ["#ff00", "#gg0000", "+1+1+1", (1, 2), (1, 2, 256), (0.5, 0.1, 0.2), None, 7])
def test_what_is_no_colour_is_refused(color: object) -> None:
    with pytest.raises(LabelError, match="not a colour"):
        parse_color(color)


def test_made_up_colours_differ_well() -> None:
    colors = np.array([distinct_color(position) for position in range(20)], dtype=float)
    distances = np.linalg.norm(colors[:, None] - colors[None], axis=-1)
    assert distances[~np.eye(20, dtype=bool)].min() > 20


# -- attributes --------------------------------------------------------------------------------------------------------


def test_attributes_are_sorted_unique_and_in_lower_case() -> None:
    item = LandCoverClass(1, "maize", (1, 2, 3), ("Vegetation", "crop", " crop ", "C4  plant"))
    assert item.attributes == ("c4 plant", "crop", "vegetation")


@pytest.mark.parametrize(
    "text", ["crop;vegetation", "vegetation; Crop ;", ["vegetation", "crop"], ("crop", "crop", "vegetation")]
)
def test_attributes_are_read_from_one_text_or_from_several_words(text: object) -> None:
    assert parse_attributes(text) == ("crop", "vegetation")


@pytest.mark.parametrize("nothing", [None, "", " ; ", [], ()])
def test_a_class_may_have_no_attributes(nothing: object) -> None:
    assert parse_attributes(nothing) == ()


@pytest.mark.parametrize("wrong", ["a,b", "crop!", ["a;b"], [""], [None], [3], 3, "line\x00end", "Öl/Gas"])
def test_what_is_no_attribute_is_refused(wrong: object) -> None:
    with pytest.raises(LabelError, match="not an attribute"):
        ClassTable.from_records([{"code": 1, "attributes": wrong}])


def test_letters_of_every_language_make_attributes() -> None:
    assert parse_attributes("Gehölz;水") == ("gehölz", "水")


@given(attributes=st.lists(words, min_size=1, max_size=6))
def test_records_and_xarray_attributes_carry_the_attributes_of_classes(attributes: list[list[str]]) -> None:
    table = ClassTable.from_records([{"code": i + 1, "attributes": words} for i, words in enumerate(attributes)])
    assert [c.attributes for c in table] == [tuple(sorted(set(words))) for words in attributes]
    assert ClassTable.from_records(table.to_records()) == table
    assert ClassTable.from_attrs(table.to_attrs()) == table


@given(attributes=st.lists(words, min_size=1, max_size=6))
def test_the_attribute_table_says_for_every_class_which_attributes_it_has(attributes: list[list[str]]) -> None:
    table = ClassTable.from_records([{"code": i + 1, "attributes": words} for i, words in enumerate(attributes)])
    cells = table.attribute_table()
    assert cells.dtype == np.bool_
    assert cells.shape == (len(attributes), len(table.attribute_names))
    for row, words in zip(cells, attributes, strict=True):
        chosen = {name for name, there in zip(table.attribute_names, row, strict=True) if there}
        assert chosen == set(words)
    assert cells.any(axis=0).all()


def test_rows_of_the_attribute_table_are_classes_and_columns_attributes() -> None:
    assert FIELDS.attribute_names == ("crop", "vegetation")
    assert FIELDS.attribute_table().tolist() == [[True, True], [False, False], [False, True]]


def test_a_table_without_attributes_has_an_attribute_table_without_columns() -> None:
    table = ClassTable.from_codes([1, 2])
    assert table.attribute_names == ()
    assert table.attribute_table().shape == (2, 0)


def test_only_classes_with_attributes_mention_them() -> None:
    """Model files and reports stay as they were before classes had attributes."""
    assert [record.get("attributes") for record in FIELDS.to_records()] == [
        ["crop", "vegetation"],
        None,
        ["vegetation"],
    ]
    assert set(FIELDS.to_records()[1]) == {"code", "name", "color"}
    assert FIELDS.to_attrs()["class_attributes"] == ["crop;vegetation", "", "vegetation"]
    assert "class_attributes" not in FIELDS.subset([2]).to_attrs()


def test_a_subset_keeps_attributes() -> None:
    part = FIELDS.subset([5, 2])
    assert [c.attributes for c in part] == [(), ("vegetation",)]
    assert part.attribute_names == ("vegetation",)


def test_a_table_is_read_from_the_arrays_and_bare_values_that_netcdf_makes_of_lists() -> None:
    attrs = {name: np.array(values) for name, values in FIELDS.to_attrs().items()}
    assert ClassTable.from_attrs(attrs) == FIELDS
    for code in FIELDS.codes:
        bare = {name: values[0] for name, values in FIELDS.subset([code]).to_attrs().items()}
        assert ClassTable.from_attrs(bare) == FIELDS.subset([code])


@pytest.mark.parametrize("codes", [FIELDS.codes, (5,), (2,)])
def test_a_table_survives_a_netcdf_file(codes: tuple[int, ...], tmp_path: Path) -> None:
    pytest.importorskip("h5netcdf")
    table = FIELDS.subset(codes)
    labels = xr.DataArray(np.zeros((2, 3), np.int32), dims=("y", "x"), name="labels", attrs=table.to_attrs())
    labels.to_netcdf(tmp_path / "labels.nc", engine="h5netcdf")
    with xr.open_dataarray(tmp_path / "labels.nc", engine="h5netcdf") as again:
        assert ClassTable.from_attrs(again.attrs) == table
