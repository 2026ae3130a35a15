"""The class table: order, refusals, and the way from codes to indices and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsiattn.classes import ClassTable, LandCoverClass, distinct_color, parse_color
from hsiattn.errors import LabelError

code_sets = st.sets(st.integers(1, 2**31 - 1), min_size=1, max_size=20)


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
    ],
)
def test_an_impossible_table_is_refused(records: list[dict[str, object]], message: str) -> None:
    with pytest.raises(LabelError, match=message):
        ClassTable.from_records(records)


def test_a_subset_keeps_names_and_colours() -> None:
    table = ClassTable.from_records([{"code": c, "name": f"n{c}", "color": f"#0000{c:02x}"} for c in (1, 2, 3)])
    assert table.subset([3, 1]).to_records() == [table.to_records()[0], table.to_records()[2]]


@pytest.mark.parametrize("color", ["#ff0010", "FF0010", (255, 0, 16), ["255", "0", "16"]])
def test_a_colour_is_read_from_text_or_numbers(color: object) -> None:
    assert parse_color(color) == (255, 0, 16)


@pytest.mark.parametrize("color", ["#ff00", "#gg0000", (1, 2), (1, 2, 256), None, 7])
def test_what_is_no_colour_is_refused(color: object) -> None:
    with pytest.raises(LabelError, match="not a colour"):
        parse_color(color)


def test_made_up_colours_differ_well() -> None:
    colors = np.array([distinct_color(position) for position in range(20)], dtype=float)
    distances = np.linalg.norm(colors[:, None] - colors[None], axis=-1)
    assert distances[~np.eye(20, dtype=bool)].min() > 20
