"""Class schemes: merges, parents, levels and what is ignored, from files and on rasters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsiattn.classes import ClassTable
from hsiattn.errors import LabelError
from hsiattn.labels import open_labels
from hsiattn.labels.rasters import LabelRaster, read_labels
from hsiattn.labels.schemes import ClassScheme, renumbered, split_sources
from hsiattn.labels.tables import open_class_scheme, open_class_table

YAML = """
classes:
  - {code: 1, name: forest}
  - {code: 11, name: broadleaf, parent: forest, merges: [Oak, beech, 12]}
  - {code: 13, name: conifer, parent: 1, merges: spruce; pine}
  - {code: 2, name: water}
ignore: [shadow, 99]
"""
CSV = """code,name,parent,merges
1,forest,,
11,broadleaf,forest,Oak;beech;12
13,conifer,1,spruce;pine
2,water,,
0,,,shadow;99
"""


def scheme_of(text: str, folder: Path, suffix: str = "yaml") -> ClassScheme:
    path = folder / f"legend.{suffix}"
    path.write_text(text, encoding="utf-8")
    return open_class_scheme(path)


@pytest.fixture(params=["yaml", "csv"])
def scheme(request: pytest.FixtureRequest, tmp_path: Path) -> ClassScheme:
    return scheme_of(YAML if request.param == "yaml" else CSV, tmp_path, request.param)


@pytest.mark.parametrize(
    ("source", "code", "at_level_1"),
    [
        ("oak", 11, 1), (" OAK ", 11, 1), (12, 11, 1), ("12", 11, 1), ("broadleaf", 11, 1), (11, 11, 1),
        ("Spruce", 13, 1), ("forest", 1, 1), (1, 1, 1), ("water", 2, 2), (2, 2, 2), ("shadow", 0, 0), (99, 0, 0),
        ("road", None, None), (3, None, None),
    ],
)  # fmt: skip
def test_a_source_counts_as_the_class_that_merges_it(scheme, source, code, at_level_1):
    assert scheme.code_of(source) == code
    assert scheme.at_level(1).code_of(source) == at_level_1


def test_the_classes_are_the_finest_and_those_that_are_present(scheme):
    assert scheme.depth == 2
    assert scheme.table().names == ("water", "broadleaf", "conifer")
    assert scheme.table([1]).names == ("forest", "water", "broadleaf", "conifer")
    assert scheme.at_level(1).table().names == ("forest", "water")
    assert scheme.at_level(2).table().names == ("water", "broadleaf", "conifer")


def test_what_is_merged_and_ignored_is_told_in_one_line_each(scheme):
    assert scheme.notes() == (
        "the class table merges Oak, beech, 12 into broadleaf; spruce, pine into conifer",
        "the class table ignores shadow, 99: these pixels count as unlabelled",
    )
    assert scheme.at_level(1).notes()[-1] == "classes are those of level 1 of 2 of the class table: forest, water"
    assert ClassScheme.of(ClassTable.from_codes([1, 2])).notes() == ()


def test_the_record_says_all(scheme):
    assert scheme.at_level(1).to_record() == {
        "level": 1,
        "depth": 2,
        "ignored": ["shadow", "99"],
        "classes": [
            {"code": 1, "name": "forest"},
            {"code": 2, "name": "water"},
            {"code": 11, "name": "broadleaf", "parent": 1, "merges": ["Oak", "beech", "12"]},
            {"code": 13, "name": "conifer", "parent": 1, "merges": ["spruce", "pine"]},
        ],
    }


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[{code: 1, name: a, parent: b}, {code: 2, name: b, parent: a}]", "run in a circle: a → b → a|b → a → b"),
        ("[{code: 1, name: a, parent: a}]", "run in a circle: a → a"),
        ("[{code: 1, name: a, parent: tree}]", "the parent tree of class 1 is none of the classes"),
        ("[{code: 1, name: a, merges: [x]}, {code: 2, name: b, merges: [X]}]", "the source X is in two classes, a and"),
        ("[{code: 1, name: a, merges: [2]}, {code: 2, name: b}]", "the source 2 is in two classes, b and a"),
        ("[{code: 1, name: a, merges: [b]}, {code: 2, name: b}]", "the source b is in two classes, b and a"),
        ("{classes: [{code: 1, name: a, merges: [x]}], ignore: [x]}", "the source x is in two classes, a and what is"),
        ("{classes: [{code: 0, name: a}], ignore: [x]}", "everything is ignored"),
        ("[{code: 1, name: a, merges: [0]}]", "a merges the code 0, which means unlabelled"),
        ("[{code: 1, name: a, merges: [[1, 2]]}]", "is a list itself"),
        ("[{code: 1, name: a, merges: {1: 2}}]", "is a mapping"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(tmp_path, text, match):
    with pytest.raises(LabelError, match=match) as raised:
        scheme_of(text, tmp_path)
    assert "legend.yaml: " in raised.value.problem
    assert "\n" not in str(raised.value)


def test_a_level_that_is_not_there_is_refused(scheme):
    for level in (0, 3):
        with pytest.raises(LabelError, match=f"there is no level {level} in a legend of 2 levels; give 1 to 2"):
            scheme.at_level(level)


def test_a_class_that_says_what_it_merges_may_lose_its_own_code(tmp_path):
    scheme = scheme_of("[{code: 1, name: a, merges: [3]}, {code: 2, name: b, merges: [1]}]", tmp_path)
    assert [scheme.code_of(code) for code in (1, 2, 3)] == [2, 2, 1]


def test_the_name_of_what_is_unlabelled_is_a_source_and_no_news(tmp_path):
    scheme = scheme_of("[{code: 0, name: Unclassified}, {code: 1, name: a}]", tmp_path)
    assert scheme.code_of("unclassified") == 0
    assert scheme.is_plain
    assert scheme.notes() == ()


def test_a_table_without_merges_reads_as_before(tmp_path):
    (tmp_path / "t.csv").write_text("code,name,color\n1,a,#ff0000\n7,b,#00ff00\n", encoding="utf-8")
    assert open_class_table(tmp_path / "t.csv") == open_class_scheme(tmp_path / "t.csv").table()


def test_a_deep_legend_has_its_levels(tmp_path):
    scheme = scheme_of(
        "[{code: 3, name: land}, {code: 31, name: forest, parent: 3}, {code: 311, name: oak, parent: 31}, "
        "{code: 5, name: sea}]",
        tmp_path,
    )
    assert [scheme.at_level(level).code_of(311) for level in (1, 2, 3, None)] == [3, 31, 311, 311]
    assert [scheme.at_level(level).code_of(5) for level in (1, 2, 3, None)] == [5] * 4
    assert scheme.at_level(2).table().codes == (5, 31)


@given(st.lists(st.integers(1, 60), max_size=20), st.dictionaries(st.integers(1, 60), st.integers(0, 60), max_size=9))
def test_codes_change_as_they_are_listed(codes, changes):
    values = np.array(codes, dtype=np.int64)
    assert renumbered(values, changes).tolist() == [changes.get(code, code) for code in codes]


def test_sources_are_listed_once():
    assert split_sources([3, "a", None, "A ", "3"]) == ["3", "a"]
    assert split_sources(None) == []


# -- on rasters --------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["uint8", "int32", "float32"])
def coded(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Labels of 2 × 4 pixels with the codes 1, 2, 11, 12, 13 and 99."""
    np.save(tmp_path / "labels.npy", np.array([[0, 1, 12, 99], [11, 13, 2, 12]], dtype=request.param))
    return tmp_path / "labels.npy"


def test_labels_come_in_the_classes_of_the_scheme(coded, scheme):
    labels, notes = read_labels(LabelRaster(coded, table=scheme))
    assert labels.values.tolist() == [[0, 1, 11, 0], [11, 13, 2, 11]]
    assert labels.attrs["class_names"] == ["forest", "water", "broadleaf", "conifer"]
    assert notes == scheme.notes()
    top = open_labels(coded, table=scheme, level=1)
    assert top.values.tolist() == [[0, 1, 1, 0], [1, 1, 2, 1]]
    assert top.attrs["class_names"] == ["forest", "water"]
    assert '"ignored": ["shadow", "99"]' in top.attrs["class_scheme"][0]


def test_a_code_that_is_in_no_class_is_refused(tmp_path, scheme):
    np.save(tmp_path / "odd.npy", np.array([[1, 44]], np.uint8))
    with pytest.raises(
        LabelError, match=r"holds the codes 44, which .* does not list; add them .* or to what it ignor"
    ):
        open_labels(tmp_path / "odd.npy", table=scheme)


def test_labels_that_are_all_ignored_are_refused(tmp_path, scheme):
    np.save(tmp_path / "odd.npy", np.array([[0, 99]], np.uint8))
    with pytest.raises(LabelError, match="has no labelled pixel that the class table does not ignore"):
        open_labels(tmp_path / "odd.npy", table=scheme)


def test_a_negative_code_can_be_ignored(tmp_path):
    scheme = scheme_of("{classes: [{code: 1, name: a}], ignore: [-9999]}", tmp_path)
    np.save(tmp_path / "odd.npy", np.array([[1, -9999]], np.int16))
    assert open_labels(tmp_path / "odd.npy", table=scheme).values.tolist() == [[1, 0]]


def test_names_in_the_raster_count_too(raster, tmp_path):
    """`raster` has the values 0 to 3; its names are given beside it."""
    names = ("", "oak", "lake", "Shadow")
    rows = "".join(f"<Category>{name}</Category>" for name in names)
    Path(f"{raster}.aux.xml").write_text(
        f'<PAMDataset><PAMRasterBand band="1"><CategoryNames>{rows}</CategoryNames></PAMRasterBand></PAMDataset>',
        encoding="utf-8",
    )
    scheme = scheme_of(
        "{classes: [{code: 11, name: broadleaf, merges: [oak]}, {code: 20, name: lake}], ignore: [shadow]}", tmp_path
    )
    assert open_labels(raster, table=scheme).values.tolist() == [[0, 11, 20, 0], [11, 11, 20, 0]]


def test_a_value_that_is_in_two_classes_by_code_and_by_name_is_refused(raster, tmp_path):
    Path(f"{raster}.aux.xml").write_text(
        '<PAMDataset><PAMRasterBand band="1"><CategoryNames><Category></Category><Category>oak</Category>'
        "</CategoryNames></PAMRasterBand></PAMDataset>",
        encoding="utf-8",
    )
    scheme = scheme_of("[{code: 5, name: a, merges: [oak]}, {code: 6, name: b, merges: [1]}]", tmp_path)
    with pytest.raises(LabelError, match=r"the value 1 \(oak\) belongs to b by its value and to a by its name"):
        open_labels(raster, table=scheme)


def test_merged_classes_win_together_where_labels_are_resampled(tmp_path):
    import rasterio
    from affine import Affine
    from rasterio.crs import CRS

    from hsiattn.scenes import Grid

    values = np.array([[3, 3, 3, 11, 11], [3, 12, 12, 11, 12]], np.uint8).repeat(1, axis=0)
    with rasterio.open(
        tmp_path / "l.tif", "w", driver="GTiff", count=1, dtype="uint8", height=2, width=5, crs="EPSG:32633",
        transform=Affine(1, 0, 5e5, 0, -1, 5e6),
    ) as dataset:  # fmt: skip
        dataset.write(values, 1)
    scheme = scheme_of("[{code: 3, name: soil}, {code: 11, name: wood, merges: [12]}]", tmp_path)
    grid = Grid(1, 1, CRS.from_epsg(32633), Affine(5, 0, 5e5, 0, -2, 5e6))
    merged = LabelRaster(tmp_path / "l.tif", table=scheme).on_grid_of(grid, "scene")
    apart = LabelRaster(tmp_path / "l.tif").on_grid_of(grid, "scene")
    whole = rasterio.windows.Window(0, 0, 1, 1)
    assert merged.read(whole).tolist() == [[11]]
    assert apart.read(whole).tolist() == [[3]]
