"""Vector files are described by their layers, columns and classes."""

from __future__ import annotations

import numpy as np
import pyogrio
import pytest
import shapely

from hsiattn.errors import LabelError
from hsiattn.labels.vector_description import describe_vectors


@pytest.fixture
def write(tmp_path):
    """Writes points with columns to a layer of a GeoPackage."""

    def write(columns, layer="fields", name="fields.gpkg", append=False):
        count = len(next(iter(columns.values())))
        pyogrio.raw.write(
            str(tmp_path / name), shapely.to_wkb(shapely.points(np.arange(count) * 10.0, 3.0)),
            [np.array(values, dtype=object if isinstance(values[0], str) else None) for values in columns.values()],
            list(columns), layer=layer, geometry_type="Point", crs="EPSG:32633", driver="GPKG", append=append,
        )  # fmt: skip
        return tmp_path / name

    return write


def test_layer_columns_and_classes_are_told(write):
    path = write({"crop": ["maize", "rye", "maize"], "area": [1.5, 2.5, 3.5]})
    described = describe_vectors(path)
    assert described["kind"] == "vector labels"
    assert (described["layer"], described["features"], described["crs"]) == ("fields", 3, "EPSG:32633")
    assert described["bounds"] == (0, 3, 20, 3)
    assert list(described["columns"]) == ["crop", "area"]
    assert described["class_column"] == "crop"
    assert described["features_of_class"] == {"maize": 2, "rye": 1}


def test_several_layers_or_columns_are_named_as_choices(write):
    path = write({"one": ["a", "a"], "two": ["b", "b"]})
    described = describe_vectors(path)
    assert "one, two" in described["note"]
    assert "class_column" not in described
    assert describe_vectors(path, column="two")["features_of_class"] == {"b": 2}
    write({"x": [1]}, layer="roads", append=True)
    described = describe_vectors(path)
    assert "fields" in described["note"]
    assert "roads" in described["note"]
    assert describe_vectors(path, layer="roads")["layer"] == "roads"


def test_a_column_of_numbers_without_end_is_no_column_of_classes(write):
    described = describe_vectors(write({"id": list(range(1500))}), column="id")
    assert "no classes" in described["note"]


@pytest.mark.parametrize("wrong", [{"layer": "nix"}, {"column": "nix"}])
def test_what_is_not_there_is_refused(write, wrong):
    with pytest.raises(LabelError, match="nix"):
        describe_vectors(write({"crop": ["a", "a"]}), **wrong)
