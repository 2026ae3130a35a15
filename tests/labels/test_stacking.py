from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import hsiattn
from hsiattn.classes import ClassTable
from hsiattn.errors import GridError, LabelError
from hsiattn.labels.stacking import common_classes, stack_scenes
from hsiattn.scenes import as_source
from hsiattn.simulation import simulate_scene


def labels(names, codes=None, made_up=False, groups=None):
    """Labels with one row of pixels, one per class."""
    codes = codes or list(range(1, len(names) + 1))
    table = ClassTable.from_records([{"code": c, "name": n} for c, n in zip(codes, names, strict=True)])
    attrs = {**table.to_attrs(), **({"label_source": "{}"} if made_up else {})}
    array = xr.DataArray(np.array([codes], np.int32), dims=("y", "x"), attrs=attrs)
    return array if groups is None else array.assign_coords(group=(("y", "x"), np.array([groups])))


def scenes(*arrays):
    return [
        as_source(xr.DataArray(np.ones((2, 1, one.sizes["x"])), dims=("band", "y", "x"), name=f"s{i}"))
        for i, one in enumerate(arrays)
    ]


def test_codes_and_names_that_agree_are_kept_and_put_together():
    given = labels(["maize", "oats"]), labels(["oats", "rye"], [2, 7])
    stack, stacked = stack_scenes(scenes(*given), given, gap=3)
    table = ClassTable.from_attrs(stacked.attrs)
    assert (table.codes, table.names) == ((1, 2, 7), ("maize", "oats", "rye"))
    np.testing.assert_array_equal(stacked, [[1, 2], [0, 0], [0, 0], [0, 0], [2, 7]])
    assert stack.shape[1:] == stacked.shape


def test_a_name_counts_more_than_none():
    table, _ = common_classes([labels(["", "oats"]), labels(["maize", ""])], ["a", "b"])
    assert table.names == ("maize", "oats")


def test_classes_of_texts_get_one_code_by_their_name():
    given = labels(["oats", "rye"], made_up=True), labels(["maize", "rye"], made_up=True)
    _, stacked = stack_scenes(scenes(*given), given, gap=1)
    table = ClassTable.from_attrs(stacked.attrs)
    assert dict(zip(table.codes, table.names, strict=True)) == {1: "maize", 2: "oats", 3: "rye"}
    np.testing.assert_array_equal(stacked, [[2, 3], [0, 0], [1, 3]])


def test_texts_take_the_codes_that_rasters_have():
    given = labels(["rye", "maize"], [4, 9]), labels(["barley", "maize", "rye"], made_up=True)
    _, stacked = stack_scenes(scenes(*given), given, gap=1)
    np.testing.assert_array_equal(stacked, [[4, 9, 0], [0, 0, 0], [10, 9, 4]])


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (labels(["water", "oats"]), "the code 1 is maize in the labels of s0 and water in those of s1"),
        (labels(["maize"], [3]), "maize has the code 1 in the labels of s0 and 3 in those of s1"),
    ],
)
def test_codes_that_contradict_each_other_are_refused(second, words):
    given = labels(["maize", "oats"]), second
    with pytest.raises(LabelError, match=words):
        stack_scenes(scenes(*given), given)


def test_polygons_of_two_scenes_keep_apart():
    given = labels(["a", "b", "c"], groups=[5, 0, 9]), labels(["a", "b", "c"], groups=[9, 5, -1])
    _, stacked = stack_scenes(scenes(*given), given, gap=1)
    np.testing.assert_array_equal(stacked.coords["group"], [[1, 0, 2], [0, 0, 0], [4, 3, 0]])
    _, stacked = stack_scenes(scenes(*given), given, gap=1, groups=[None, np.array([[7, 7, 0]])])
    np.testing.assert_array_equal(stacked.coords["group"], [[1, 0, 2], [0, 0, 0], [3, 3, 0]])


def test_labels_that_are_too_few_or_of_another_size_are_refused():
    one, two = labels(["a", "b"]), labels(["a", "b", "c"])
    with pytest.raises(LabelError, match="2 scenes and labels of 1"):
        stack_scenes(scenes(one, one), [one])
    with pytest.raises(GridError, match="differ in size"):
        stack_scenes(scenes(one, one), [one, two])
    with pytest.raises(GridError, match="the groups of s0 have 1 × 1 pixels"):
        stack_scenes(scenes(one, one), [one, one], groups=[np.ones((1, 1)), None])


def test_the_classifier_takes_lists_of_scenes_and_labels():
    a, of_a = simulate_scene(height=64, width=48, bands=24, seed=1)
    b, of_b = simulate_scene(height=50, width=60, bands=24, seed=2)
    for split, training in (("scenes", 1), ("random", 2)):
        fitted = hsiattn.SpectralSpatialClassifier("lda", split=split).fit([a, b], [of_a, of_b])
        parts = fitted.split_.record["scenes"]
        assert sum(part["pixels"]["training"] > 0 for part in parts) == training
        assert fitted.split_.roles.shape == (parts[1]["first_row"] + 50, 60)
    assert fitted.predict(a)["land_cover"].shape == (64, 48)
