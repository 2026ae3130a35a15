"""Maps and references as NumPy arrays and lists, compared as scikit-learn compares them."""

import numpy as np
import pytest
import xarray as xr
from sklearn.metrics import accuracy_score, cohen_kappa_score, confusion_matrix

import hsiattn
from hsiattn.errors import AssessmentError, GridError

RNG = np.random.default_rng(2)
TRUTH = RNG.integers(1, 4, (20, 30))
MAP = np.where(RNG.random(TRUTH.shape) < 0.7, TRUTH, RNG.integers(1, 4, TRUTH.shape))
NAMES = np.array(["", "wood", "crop", "soil"])


@pytest.mark.parametrize(
    "form",
    [
        lambda codes: codes,
        lambda codes: codes.tolist(),
        lambda codes: codes.astype(float),
        lambda codes: codes.ravel(),
        lambda codes: NAMES[codes],
        lambda codes: NAMES[codes].astype(object).ravel().tolist(),
        lambda codes: np.ma.MaskedArray(codes),
    ],
    ids=["array", "list", "float", "one axis", "text", "list of text", "masked"],
)
def test_figures_are_those_of_scikit_learn(form):
    report = hsiattn.assess(form(MAP), form(TRUTH))
    assert report.overall_accuracy.value == pytest.approx(accuracy_score(TRUTH.ravel(), MAP.ravel()))
    assert report.kappa.value == pytest.approx(cohen_kappa_score(TRUTH.ravel(), MAP.ravel()))
    names = report.classes.names
    order = [NAMES.tolist().index(name) for name in names] if "wood" in names else [1, 2, 3]
    np.testing.assert_array_equal(report.confusion, confusion_matrix(TRUTH.ravel(), MAP.ravel(), labels=order))


def test_unlabelled_pixels_do_not_count_and_unclassified_ones_are_errors():
    truth = np.ma.MaskedArray(TRUTH, RNG.random(TRUTH.shape) < 0.2)
    land_cover = np.where(RNG.random(TRUTH.shape) < 0.1, 0, TRUTH)
    report = hsiattn.assess(land_cover, truth)
    assert report.test_pixels == truth.count()
    assert report.unclassified_pixels == np.count_nonzero(land_cover[~truth.mask] == 0)
    assert report.overall_accuracy.value == pytest.approx(np.mean(land_cover[~truth.mask] > 0))


def test_texts_are_matched_to_the_names_of_the_map():
    attrs = {"class_codes": [5, 7, 9], "class_names": ["crop", "soil", "wood"]}
    codes = np.array([0, 9, 5, 7])
    land_cover = xr.DataArray(codes[MAP], dims=("y", "x"), attrs=attrs)
    report = hsiattn.assess(land_cover, np.where(TRUTH == 3, "moss", NAMES[TRUTH]))
    assert report.classes.names == ("crop", "soil", "wood", "moss")
    assert report.overall_accuracy.value == pytest.approx(np.mean((MAP == TRUTH) & (TRUTH != 3)))


def test_groups_of_an_array_give_intervals_over_polygons():
    groups = np.indices(TRUTH.shape)[0] // 4 + 1
    assert hsiattn.assess(MAP, TRUTH, groups=groups).group_intervals.polygons == 5


@pytest.mark.parametrize(
    ("land_cover", "reference", "error", "match"),
    [
        (MAP, TRUTH[:5], AssessmentError, r"the map \(20, 30\) and the reference \(5, 30\)"),
        (MAP[None], TRUTH, AssessmentError, r"the map has the shape \(1, 20, 30\)"),
        ([], [], AssessmentError, r"shape \(0,\)"),
        ([[1], [1, 2]], TRUTH, AssessmentError, "different lengths"),
        (MAP, xr.DataArray(TRUTH[:, 1:], dims=("y", "x")), GridError, "differ in size"),
        (MAP + 0.5, TRUTH, AssessmentError, "holds the value"),
        (MAP, TRUTH * 0, AssessmentError, "no labelled pixel"),
        (MAP.astype(complex), TRUTH, AssessmentError, "type complex128"),
    ],
)
def test_arrays_that_cannot_be_compared_are_one_clear_error(land_cover, reference, error, match):
    with pytest.raises(error, match=match):
        hsiattn.assess(land_cover, reference)
