"""Layers and columns of vector files: chosen where one can be meant, refused with the choices where not."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import shapely

from hsiattn.errors import LabelError
from hsiattn.labels.vector_files import coordinate_columns, is_vector_file
from hsiattn.labels.vector_layers import VectorLayer

Write = Callable[..., Path]
BOXES = [shapely.box(2 + k, 3, 8 + k, 9) for k in range(4)]


@pytest.mark.parametrize(
    ("columns", "chosen"),
    [
        ({"id": [1, 2, 3, 4], "kind": ["a", "b", "a", None]}, "kind"),
        ({"note": ["x", "x", "y", "y"], "Class": [3, 3, 4, 5]}, "Class"),
        ({"area": [1.5, 1.5, 2.5, 1.5], "code": [1.0, 1.0, 2.0, 2.0]}, "code"),
        ({"id": [1, 2, 3, 4], "crop": ["a", "b", "c", "d"]}, "crop"),
    ],
)
def test_the_column_that_alone_can_hold_classes_is_chosen(
    columns: dict[str, list], chosen: str, write_vectors: Write
) -> None:
    assert VectorLayer.open(write_vectors("a.gpkg", BOXES, columns)).choose_column(None) == chosen


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (
            {"kind": ["a", "b", "a", "b"], "owner": ["x", "x", "y", "y"]},
            r"several .*; name one with column=: kind, owner",
        ),
        ({"class": ["a", "b", "a", "b"], "label": [1, 1, 2, 2]}, "name one with column=: class, label"),
        ({"id": [1, 2, 3, 4], "area": [1.5, 2.5, 1.5, 2.5]}, "no column of texts .*; name one of its .*: id, area"),
    ],
)
def test_where_several_columns_or_none_can_be_meant_the_choices_are_named(
    columns: dict[str, list], said: str, write_vectors: Write
) -> None:
    with pytest.raises(LabelError, match=said):
        VectorLayer.open(write_vectors("a.gpkg", BOXES, columns)).choose_column(None)


def test_a_column_is_found_whatever_its_case_and_a_wrong_one_refused(write_vectors: Write) -> None:
    layer = VectorLayer.open(write_vectors("a.gpkg", BOXES, {"Kind": ["a"] * 4, "id": [1, 2, 3, 4]}))
    assert layer.choose_column("kind") == "Kind"
    with pytest.raises(LabelError, match=r"has no column 'kinds'; name one of its columns with column=: Kind, id"):
        layer.choose_column("kinds")


def test_several_layers_are_refused_with_their_names(write_vectors: Write) -> None:
    path = write_vectors("a.gpkg", BOXES, ["a"] * 4, layer="fields")
    write_vectors("a.gpkg", BOXES[:2], ["b"] * 2, layer="points", append=True)
    with pytest.raises(LabelError, match="has 2 layers; name one with layer=: fields, points"):
        VectorLayer.open(path)
    assert VectorLayer.open(path, "points").count == 2
    with pytest.raises(LabelError, match=r"has no layer 'roads'; name one with layer=: fields, points"):
        VectorLayer.open(path, "roads")


def test_an_archive_with_several_files_has_them_as_layers(write_vectors: Write, tmp_path: Path) -> None:
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name in ("one", "two"):
            file.write(write_vectors(f"{name}.geojson", BOXES, [name] * 4), f"data/{name}.geojson")
    with pytest.raises(LabelError, match="holds 2 vector files; name one with layer=: one, two"):
        VectorLayer.open(archive)
    (batch,) = VectorLayer.open(archive, "two").batches(["class"])
    assert set(batch.columns["class"]) == {"two"}


def test_batches_give_all_features_in_order_with_their_numbers(
    write_vectors: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hsiattn.labels.vector_layers._BATCH", 3)
    layer = VectorLayer.open(write_vectors("a.gpkg", BOXES * 2, list(range(8))))
    batches = list(layer.batches(["class"]))
    assert [len(batch.numbers) for batch in batches] == [3, 3, 2]
    assert np.concatenate([batch.numbers for batch in batches]).tolist() == list(range(1, 9))
    assert np.concatenate([batch.columns["class"] for batch in batches]).tolist() == list(range(8))


@pytest.mark.parametrize("suffix", [".shp", ".fgb", ".geojson"])
def test_features_are_counted_from_1_in_every_format(suffix: str, write_vectors: Write) -> None:
    layer = VectorLayer.open(write_vectors(f"a{suffix}", BOXES, ["a"] * 4, kind="Polygon"))
    assert np.concatenate([batch.numbers for batch in layer.batches(["class"])]).tolist() == [1, 2, 3, 4]


def test_texts_that_are_not_in_utf_8_are_read_as_latin_1(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_bytes("x,y,class\n1,2,Gewässer\n3,4,Gewässer\n".encode("latin-1"))
    (batch,) = VectorLayer.open(path).batches(["class"])
    assert set(batch.columns["class"]) == {"Gewässer"}


@pytest.mark.parametrize("suffix", [".gpkg", ".fgb", ".geojson"])
def test_truncated_files_and_missing_ones_are_refused_in_one_line(suffix: str, write_vectors: Write) -> None:
    path = write_vectors(f"a{suffix}", BOXES, ["a"] * 4, kind="Polygon")
    path.write_bytes(path.read_bytes()[: 120 if suffix != ".geojson" else -40])
    with pytest.raises(LabelError) as raised:
        list(VectorLayer.open(path).batches(["class"]))
    assert "\n" not in str(raised.value)
    path.unlink()
    with pytest.raises(LabelError, match="does not exist; check the path"):
        VectorLayer.open(path)


def test_paths_that_only_gdal_understands_are_told_by_their_names() -> None:
    assert is_vector_file("/vsizip/a.zip/fields.shp")
    assert is_vector_file("/vsicurl/https://a.b/fields.gpkg")
    assert not is_vector_file("/vsizip/a.zip/labels.tif")
    assert coordinate_columns("lat,lon,x,y") == ("lon", "lat")
    assert coordinate_columns('"x"\t"Y"\tclass') == ("x", "Y")
    assert coordinate_columns("code,name,color") == ()
