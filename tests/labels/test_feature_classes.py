"""Codes and names of classes from the values of a column."""

from __future__ import annotations

import numpy as np
import pytest

from hsiattn.classes import ClassTable
from hsiattn.errors import LabelError
from hsiattn.labels.feature_classes import FeatureClasses
from hsiattn.labels.schemes import ClassScheme


def _classes(*values: object) -> tuple[FeatureClasses, np.ndarray]:
    classes = FeatureClasses("column kind of a.gpkg")
    return classes, classes.number(np.array(values, dtype=object))


def test_texts_get_codes_in_sorted_order_and_blanks_none() -> None:
    classes, numbers = _classes("wood", " crop ", None, "", "wood", "ash")
    codes, table = classes.resolve()
    assert [0 if n < 0 else codes[n] for n in numbers] == [3, 2, 0, 0, 3, 1]
    assert table.names == ("ash", "crop", "wood")


def test_numbers_in_any_form_are_codes() -> None:
    for values in (np.array([7, 3, 7]), np.array([7.0, 3.0, np.nan]), np.array(["7", "03", None], object)):
        classes = FeatureClasses("column kind of a.gpkg")
        numbers = classes.number(values)
        codes, table = classes.resolve()
        assert codes[numbers[:2]].tolist() == [7, 3]
        assert table.codes == (3, 7)


def test_a_scheme_merges_ignores_and_must_list_the_rest() -> None:
    legend = ClassTable.from_records([{"code": 4, "name": "forest"}, {"code": 9, "name": "water"}])
    scheme = ClassScheme(legend, merges={4: ("oak", "beech"), 0: ("shadow",)})
    classes, numbers = _classes("Oak", "beech", "shadow", "water")
    codes, table = classes.resolve(scheme)
    assert codes[numbers].tolist() == [4, 4, 0, 9]
    assert table.names == ("forest", "water")
    with pytest.raises(LabelError, match="holds road, which the class table does not list"):
        _classes("oak", "road")[0].resolve(scheme)


def test_names_take_the_codes_of_known_classes_and_others_new_ones() -> None:
    known = ClassTable.from_records([{"code": 2, "name": "Low vegetation"}, {"code": 5, "name": "tree"}])
    classes, numbers = _classes("low_vegetation", "tree", "shadow")
    codes, table = classes.resolve(known=known)
    assert codes[numbers].tolist() == [2, 5, 6]
    assert dict(zip(table.codes, table.names, strict=True)) == {2: "Low vegetation", 5: "tree", 6: "shadow"}
    with pytest.raises(LabelError, match=r"no class of the column .* \(road, roof\) is among those of the map"):
        _classes("roof", "road")[0].resolve(known=known)


@pytest.mark.parametrize("value", [1.5, [1, 2], b"x"])
def test_values_that_are_no_classes_are_refused(value: object) -> None:
    values = np.empty(1, object)
    values[0] = value
    with pytest.raises(LabelError, match=r"which is neither text nor whole number; name another with column="):
        FeatureClasses("column kind of a.gpkg").number(values)


def test_colours_are_those_that_most_features_of_a_class_have() -> None:
    classes, numbers = _classes("a", "a", "a", "b")
    styles = ["#112233", "BRUSH(fc:#445566ff);PEN(c:#000000)", "#445566", "red"]
    classes.note_colors(numbers, np.array(styles, object))
    records = classes.resolve()[1].to_records()
    assert records[0]["color"] == "#445566"
    assert records[1]["color"] == ClassTable.from_codes([1, 2]).to_records()[1]["color"]
