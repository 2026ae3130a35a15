"""Pseudo-labels: what is said of unlabelled pixels, how far it is believed, and which scenes they stand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.ndimage import gaussian_filter
from scipy.special import softmax

from hsiattn.assessment import robust_temperature
from hsiattn.folds import grouped_folds
from hsiattn.pseudo_labels import PseudoLabelSettings, labelling, pseudo_label
from hsiattn.pseudo_labels.cross_validation import Trial, left_out_pixels, try_view
from hsiattn.pseudo_labels.stacking import stack
from hsiattn.pseudo_labels.views import REFERENCES, VIEWS, RegionViews, View
from hsiattn.splits import folds_across_groups

SETTINGS = PseudoLabelSettings()


def _check(pseudo, area, labelled, targets):
    """What holds of all pseudo-labels."""
    shares = pseudo.probabilities
    assert shares.shape == (len(area), targets.max() + 1)
    assert shares.dtype == np.float32
    assert (shares >= 0).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(shares[labelled], np.eye(targets.max() + 1)[targets])
    assert json.loads(json.dumps(pseudo.record, allow_nan=False)) == pseudo.record


def _right(pseudo, classes):
    """Share of pixels whose likeliest class is the true one."""
    return (pseudo.probabilities.argmax(axis=1) == classes.ravel()).mean()


@pytest.fixture(scope="module")
def fields(make_fields):
    return make_fields(18, 18, noise=0.15)


@pytest.fixture(scope="module")
def area(make_area, fields):
    return make_area(fields.cube)


@pytest.fixture(scope="module")
def labels(fields):
    return fields.label(6)


def test_a_few_labels_are_enough_for_the_whole_area_and_the_record_says_how(area, fields, labels):
    pseudo = pseudo_label(area, *labels, SETTINGS, seed=4)
    _check(pseudo, area, *labels)
    assert _right(pseudo, fields.classes) > 0.9
    record = pseudo.record
    assert record["pixels"] == 18 * 18
    assert set(record["views"]) <= {str(view) for view in VIEWS}
    assert sum(record["views"].values()) == pytest.approx(1, abs=1e-3)
    assert sum(record["class_frequencies"]) == pytest.approx(1, abs=1e-3)
    assert record["cross_validated_accuracy"] > 0.8
    assert record["taken_alone"] is None
    left_out = record["left_out"]
    assert left_out["pixels"] == 18
    assert 1 < left_out["groups"] <= 18
    assert left_out["chance"] == pytest.approx(1 / 3, abs=1e-4)
    assert set(left_out["accuracy"]) == set(REFERENCES)
    assert min(left_out["accuracy"].values()) > 1 / 3


def _scene_of_pure_strips(seed):
    """Narrow pure polygons in a scene where every pixel is of a class of its own: cube, classes, polygon ids (or -1).

    The frequencies of classes vary smoothly. So the surroundings of a polygon tell it from all others, and pixels of
    one polygon share them, but they say little about the class.
    """
    rng = np.random.default_rng(seed)
    frequencies = softmax(2 * np.stack([_smooth_field(rng) for _ in range(3)]), axis=0)
    classes = (rng.random((60, 60)) > frequencies.cumsum(axis=0)).sum(axis=0).clip(max=2)
    polygons = np.full((60, 60), -1)
    places = [(row, column) for row in range(2, 55, 6) for column in range(2, 52, 11)]
    for number, (row, column) in enumerate(rng.permutation(places)[:15]):
        strip = row + 2, slice(column, column + 8)
        polygons[strip], classes[strip] = number, number % 3
    cube = rng.normal(size=(3, 10))[classes] + 1.7 * rng.normal(size=(60, 60, 10))
    return cube, classes, polygons


def _smooth_field(rng):
    field = gaussian_filter(rng.normal(size=(60, 60)), 5)
    return field / field.std()


@pytest.mark.parametrize("seed", [0, 1])
def test_surroundings_that_only_tell_one_polygon_from_another_are_believed_by_folds_of_pixels_alone(make_area, seed):
    """Folds of pixels choose window means and diffusion, folds of polygons choose single spectra and are right."""
    cube, classes, polygons = _scene_of_pure_strips(seed)
    area, outside = make_area(cube), polygons.ravel() < 0
    labelled = np.flatnonzero(~outside)
    targets, groups = classes.ravel()[labelled], polygons.ravel()[labelled]
    around, right, claimed = {}, {}, {}
    for name, given in (("polygons", groups), ("pixels", None)):
        pseudo = pseudo_label(area, labelled, targets, SETTINGS, groups=given)
        around[name] = sum(weight for view, weight in pseudo.record["views"].items() if "single pixels" not in view)
        right[name] = (pseudo.probabilities.argmax(axis=1) == classes.ravel())[outside].mean()
        claimed[name] = pseudo.record["cross_validated_accuracy"], pseudo.probabilities.max(axis=1)[outside].mean()
    views = RegionViews(area)
    means = views.discriminant(REFERENCES["lda-means"], labelled, targets).logits(views[REFERENCES["lda-means"]])
    assert around["polygons"] < 0.25 < around["pixels"]
    assert right["polygons"] > right["pixels"] + 0.1
    assert right["polygons"] > (means.argmax(axis=1) == classes.ravel())[outside].mean() + 0.1
    np.testing.assert_allclose(claimed["polygons"], right["polygons"], atol=0.1)
    assert min(claimed["pixels"]) > right["pixels"] + 0.15


def test_neighbours_help_where_single_spectra_do_not_tell_classes_apart(make_fields, make_area):
    fields = make_fields(36, 36, noise=0.45, side=12)
    area, (labelled, targets) = make_area(fields.cube), fields.label(12)
    pseudo = pseudo_label(area, labelled, targets, SETTINGS)
    views = RegionViews(area)
    lda = views.discriminant(REFERENCES["lda"], labelled, targets).logits(views[REFERENCES["lda"]])
    assert _right(pseudo, fields.classes) > 0.9
    assert _right(pseudo, fields.classes) > (lda.argmax(axis=1) == fields.classes.ravel()).mean() + 0.1
    assert sum(weight for view, weight in pseudo.record["views"].items() if "single pixels" not in view) > 0.5


def _blocks(fields, side):
    """Groups of pixels (H * W,): squares of so many pixels."""
    rows, columns = np.indices(fields.classes.shape) // side
    return (rows * 100 + columns).ravel()


def test_an_encoder_whose_features_tell_the_classes_is_believed_and_one_that_says_nothing_is_not(area, fields, labels):
    """Features that are the classes themselves, and the same number for all pixels."""
    known = np.eye(3, dtype=np.float32)[fields.classes.ravel()] * 5
    known += np.random.default_rng(0).normal(size=known.shape).astype(np.float32) / 5
    telling = pseudo_label(area, *labels, SETTINGS, encode=lambda spectra: known, seed=4)
    empty = pseudo_label(area, *labels, SETTINGS, encode=lambda spectra: np.zeros_like(known), seed=4)
    plain = pseudo_label(area, *labels, SETTINGS, seed=4)
    assert "encoded" not in plain.record
    assert not any("encoded" in view for view in plain.record["views"])
    assert telling.record["encoded"] > 0.3 > empty.record["encoded"]
    assert _right(telling, fields.classes) >= _right(plain, fields.classes)


def test_settings_without_an_encoder_are_written_as_before_there_were_any():
    assert "encoder" not in PseudoLabelSettings().model_dump()
    assert PseudoLabelSettings(encoder="builtin").model_dump(mode="json")["encoder"] == "builtin"
    with pytest.raises(ValueError, match="builtin"):
        PseudoLabelSettings(encoder="mine.hsiattn")


@pytest.mark.parametrize("favour", ["overall", "both", "average"])
def test_the_steps_follow_each_other_as_documented(make_fields, make_area, favour):
    """Where two thirds of the area are of one class; the parts have tests of their own."""
    fields = make_fields(18, 18, noise=0.5, side=3, bands=8)
    valid = (fields.classes == 0) | (np.indices((18, 18)).sum(axis=0) % 4 == 0)
    area, settings = make_area(fields.cube, valid), PseudoLabelSettings(favour=favour)
    labelled, targets = fields.label(12, valid)
    groups = _blocks(fields, 3)[valid.ravel()][labelled]
    pseudo = pseudo_label(area, labelled, targets, settings, groups=groups, seed=5)

    views, certain = RegionViews(area), np.eye(3)[targets]
    folds = folds_across_groups(area.positions[labelled], targets, groups, 5)
    members = targets[left_out_pixels(folds)]
    trials = [try_view(views, view, labelled, targets, folds) for view in VIEWS]
    mixture = stack(trials, members, pseudo.record["left_out"]["groups"])
    shares = mixture.probabilities(views, labelled, targets)
    shares[labelled] = certain
    frequencies = shares.mean(axis=0)
    factors = (3 * frequencies) ** {"overall": 0.5, "both": 0.25, "average": 0.0}[favour]

    def logits(shares):
        weighted = shares * factors
        return np.log(np.maximum(weighted / weighted.sum(axis=1, keepdims=True), 1e-4))

    left_out = mixture.of_left_out(trials)
    by_pixel = grouped_folds(targets, np.arange(36), 5)
    again = mixture.of_left_out([try_view(views, part.view, labelled, targets, by_pixel) for part in mixture.parts])
    temperatures = [robust_temperature(logits(left_out), members)]
    temperatures.append(robust_temperature(logits(again), targets[left_out_pixels(by_pixel)]))
    temperature = np.sqrt(np.prod(temperatures))
    expected = softmax(logits(shares) / temperature, axis=1)
    expected[labelled] = certain
    np.testing.assert_allclose(pseudo.probabilities, expected, atol=1e-5)
    record = pseudo.record
    assert record["taken_alone"] is None
    assert record["temperature"] == pytest.approx(temperature, abs=1e-3)
    assert record["class_frequencies"] == pytest.approx(frequencies, abs=1e-4)
    assert record["cross_validated_accuracy"] == pytest.approx(
        ((left_out * factors).argmax(axis=1) == members).mean(), abs=1e-4
    )
    assert record["views"] == {str(part.view): pytest.approx(part.weight, abs=1e-4) for part in mixture.parts}
    for name, view in REFERENCES.items():
        own = next(trial for trial in trials if trial.view == view).probabilities
        assert record["left_out"]["accuracy"][name] == pytest.approx((own.argmax(axis=1) == members).mean(), abs=1e-4)


def test_the_more_overall_accuracy_is_favoured_the_more_pixels_go_to_frequent_classes(make_area):
    rng = np.random.default_rng(0)
    classes = rng.choice(3, (20, 20), p=[0.7, 0.15, 0.15])  # without fields, and none of them pure
    area = make_area(rng.uniform(0.1, 0.6, (3, 8))[classes] + 0.2 * rng.normal(size=(20, 20, 8)))
    labelled = np.concatenate([np.flatnonzero(classes.ravel() == k)[:10] for k in range(3)])
    found = {}
    for favour in ("average", "both", "overall"):
        pseudo = pseudo_label(area, labelled, classes.ravel()[labelled], PseudoLabelSettings(favour=favour))
        found[favour] = pseudo.probabilities.argmax(axis=1)
    counts = [int((found[favour] == 0).sum()) for favour in ("average", "both", "overall")]
    assert counts[0] <= counts[1] <= counts[2] > counts[0]
    right = {favour: found[favour] == classes.ravel() for favour in found}
    recalls = {favour: np.mean([right[favour][classes.ravel() == k].mean() for k in range(3)]) for favour in found}
    assert right["overall"].mean() >= right["average"].mean()
    assert recalls["average"] >= recalls["overall"] - 0.01


def _trials(right_of_mixture, right_of_lda):
    """Trials of a mixture of one view, and of LDA beside it, by which pixels of class 0 of two they are right in."""

    def trial(view, right):
        return Trial(view, 2.0, np.where(np.asarray(right)[:, None], [0.9, 0.1], [0.1, 0.9]))

    return [trial(REFERENCES["lda"], right_of_lda), trial(View("shape"), right_of_mixture)]


def _alone(right_of_mixture, right_of_lda, groups):
    trials = _trials(right_of_mixture, right_of_lda)
    mixture = stack(trials[1:], np.empty(0, np.int64), 0)
    return labelling._better_reference(trials, mixture, np.zeros(len(groups), np.int64), np.asarray(groups))


def test_a_reference_is_taken_alone_only_where_it_is_better_by_more_than_two_standard_errors_of_groups():
    """The ratio estimate of cluster sampling (Cochran 1977): deviations of groups' sums from the mean × their sizes."""
    rng = np.random.default_rng(0)
    taken = []
    for share in np.repeat([0.0, 0.1, 0.2, 0.4], 25):
        groups = np.sort(rng.integers(0, 8, 40))
        mixture = rng.random(40) < 0.6
        lda = np.where(rng.random(40) < share, True, mixture)
        names = np.unique(groups)
        gains = np.array([(lda.astype(int) - mixture)[groups == name].sum() for name in names])
        sizes = np.array([(groups == name).sum() for name in names])
        mean = gains.sum() / 40
        error = np.sqrt(len(names) * np.var(gains - mean * sizes, ddof=1)) / 40
        enough = 40**2 / np.square(sizes).sum() > 4  # Kish's effective number of groups
        taken.append(enough and mean > 2 * error)
        found = _alone(mixture, lda, groups)
        assert (found is not None) == (enough and mean > 0 and mean > 2 * error)
        assert found is None or found.view == REFERENCES["lda"]
    assert 10 < sum(taken) < 90


def test_pixels_of_one_group_are_no_evidence_against_the_mixture_however_many_they_are():
    assert _alone([False] * 50, [True] * 50, [0] * 50) is None  # no standard error of one group
    assert _alone([False] * 7, [True] * 7, range(7)) is not None
    assert _alone([True] * 7, [True] * 7, range(7)) is None  # no better
    dominated = [0] * 50 + list(range(1, 7))
    assert _alone([False] * 56, [True] * 56, dominated) is None  # one group outweighs the six others


def test_a_reference_that_is_taken_alone_makes_the_pseudo_labels_and_is_named(monkeypatch, area, labels):
    def lda_is_better(trials, *_):
        return next(trial for trial in trials if trial.view == REFERENCES["lda"])

    monkeypatch.setattr(labelling, "_better_reference", lda_is_better)
    pseudo = pseudo_label(area, *labels, PseudoLabelSettings(favour="average"))
    assert pseudo.record["taken_alone"] == "lda"
    assert pseudo.record["views"] == {str(REFERENCES["lda"]): 1.0}
    assert pseudo.record["cross_validated_accuracy"] == pseudo.record["left_out"]["accuracy"]["lda"]
    views = RegionViews(area)
    lda = views.discriminant(REFERENCES["lda"], *labels).logits(views[REFERENCES["lda"]])
    others = np.setdiff1d(np.arange(len(area)), labels[0])
    np.testing.assert_array_equal(pseudo.probabilities[others].argmax(axis=1), lda[others].argmax(axis=1))


def test_where_nothing_is_left_out_the_order_of_labels_does_not_matter(area, labels):
    indices, targets = labels[0][::6], labels[1][::6]
    shares = []
    for order in ([0, 1, 2], [2, 0, 1]):
        pseudo = pseudo_label(area, indices[order], targets[order], SETTINGS)
        assert pseudo.record["temperature"] == 1
        assert pseudo.record["cross_validated_accuracy"] is pseudo.record["left_out"]["chance"] is None
        assert pseudo.record["left_out"]["pixels"] == pseudo.record["left_out"]["groups"] == 0
        assert set(pseudo.record["left_out"]["accuracy"].values()) == {None}
        shares.append(pseudo.probabilities)
    without = ~np.isin(np.arange(len(area)), indices)
    assert (shares[0].argmax(axis=1) == shares[1].argmax(axis=1))[without].mean() > 0.95  # forests depend on it


def test_classes_of_a_single_polygon_each_leave_nothing_out_and_are_told_apart_all_the_same(make_fields, make_area):
    fields = make_fields(18, 18, noise=0.1)
    groups = _blocks(fields, 6)
    labelled = np.flatnonzero(np.isin(groups, [0, 1, 2]) & (fields.classes.ravel() >= 0))
    area, targets = make_area(fields.cube), fields.classes.ravel()[labelled]
    assert [len(set(targets[groups[labelled] == number])) for number in (0, 1, 2)] == [1, 1, 1]
    pseudo = pseudo_label(area, labelled, targets, SETTINGS, groups=groups[labelled])
    _check(pseudo, area, labelled, targets)
    assert pseudo.record["left_out"]["pixels"] == 0
    assert _right(pseudo, fields.classes) > 0.8
    single = sum(weight for view, weight in pseudo.record["views"].items() if "single pixels" in view)
    assert single == pytest.approx(2 / 3, abs=1e-3)


def test_a_polygon_may_hold_two_classes_and_ids_may_be_any_numbers(make_fields, make_area):
    fields = make_fields(18, 18, noise=0.15, side=3)
    groups = 7 * _blocks(fields, 6) + 1000  # of four fields each
    labelled = np.random.default_rng(0).permutation(324)[:90]
    area, targets = make_area(fields.cube), fields.classes.ravel()[labelled]
    assert any(len(set(targets[groups[labelled] == number])) > 1 for number in np.unique(groups))
    pseudo = pseudo_label(area, labelled, targets, SETTINGS, groups=groups[labelled])
    _check(pseudo, area, labelled, targets)
    assert pseudo.record["left_out"]["pixels"] == 90
    assert pseudo.record["left_out"]["groups"] <= 9
    assert _right(pseudo, fields.classes) > 0.85


def test_parts_of_one_field_that_was_cut_into_groups_count_as_one_piece_of_evidence(make_fields, make_area):
    fields = make_fields(24, 24, noise=0.15, side=12, classes=2)
    rows, columns = np.indices((24, 24))
    labelled = np.flatnonzero((rows < 12).ravel())  # two fields that touch, in a class each
    area, targets = make_area(fields.cube), fields.classes.ravel()[labelled]
    halves = (10 * targets + (columns.ravel()[labelled] % 12) // 4).astype(np.int64)  # each cut in three
    pseudo = pseudo_label(area, labelled, targets, SETTINGS, groups=halves)
    assert pseudo.record["left_out"]["pixels"] == len(labelled)
    assert pseudo.record["left_out"]["groups"] == 2


def test_probabilities_are_about_as_sure_as_they_are_right(make_fields, make_area):
    fields = make_fields(36, 36, noise=0.5, side=4)
    area, labels = make_area(fields.cube), fields.label(15)
    shares = pseudo_label(area, *labels, SETTINGS).probabilities
    others = np.setdiff1d(np.arange(len(area)), labels[0])
    right = shares[others].argmax(axis=1) == fields.classes.ravel()[others]
    assert 0.5 < right.mean() < 0.995
    assert shares[others].max(axis=1).mean() == pytest.approx(right.mean(), abs=0.12)


def test_a_class_of_several_kinds_is_learned(make_area):
    """Two classes of two kinds each, in opposite corners, which no hyperplane and no two ellipsoids tell apart."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 4, (30, 30))  # without fields: neighbours are of no help
    corners = np.array([[1, 1], [-1, -1], [1, -1], [-1, 1]])[kinds]
    axes = rng.normal(size=(2, 6))
    area, classes = make_area(corners @ axes + 0.3 * rng.normal(size=(30, 30, 6))), kinds.ravel() // 2
    labelled = rng.permutation(900)[:120]
    pseudo = pseudo_label(area, labelled, classes[labelled], SETTINGS)
    assert _right(pseudo, classes) > 0.95
    assert pseudo.record["left_out"]["accuracy"]["lda"] < 0.7


@pytest.mark.parametrize(("count", "classes"), [(1, 2), (1, 5), (2, 5), (3, 2)])
def test_one_two_or_three_labels_of_every_class_suffice(make_fields, make_area, count, classes):
    fields = make_fields(classes=classes)
    area, labels = make_area(fields.cube), fields.label(count)
    pseudo = pseudo_label(area, *labels, SETTINGS)
    _check(pseudo, area, *labels)
    assert _right(pseudo, fields.classes) > (0.9 if count == 1 else 0.95)
    assert (pseudo.record["cross_validated_accuracy"] is None) == (count == 1)


@pytest.mark.parametrize("counts", [(6, 6, 1), (1, 2, 1), (40, 1, 2)])
def test_classes_may_have_a_single_label_beside_others_with_several(make_fields, make_area, counts):
    fields = make_fields(20, 20)
    indices, targets = fields.label(40)
    kept = np.concatenate([np.flatnonzero(targets == k)[:count] for k, count in enumerate(counts)])
    area, labels = make_area(fields.cube), (indices[kept], targets[kept])
    pseudo = pseudo_label(area, *labels, SETTINGS)
    _check(pseudo, area, *labels)
    assert _right(pseudo, fields.classes) > 0.9
    assert pseudo.record["left_out"]["pixels"] == sum(count for count in counts if count > 1)


def _constant_bands(cube, classes):
    cube[..., 3], cube[..., 7] = 0.4, 0


def _one_class_without_scatter(cube, classes):
    cube[classes == 0] = cube[classes == 0][0]


def _all_alike(cube, classes):
    cube[:] = 0.3


def _all_dark(cube, classes):
    cube[:] = 0


def _no_information(cube, classes):
    cube[:] = np.random.default_rng(0).normal(size=cube.shape)


def _bands_twice(cube, classes):
    cube[..., 5], cube[..., 6] = cube[..., 4], 2 * cube[..., 4]


def _coarse_steps(cube, classes):
    cube[:] = np.round(cube * 20) / 20


def _huge(cube, classes):
    cube *= 1e15


def _tiny(cube, classes):
    cube *= 1e-8


def _one_outlier(cube, classes):
    cube[10, 10] = 1e6


SPOILT = [
    _constant_bands, _one_class_without_scatter, _all_alike, _all_dark, _no_information, _bands_twice, _coarse_steps,
    _huge, _tiny, _one_outlier,
]  # fmt: skip


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda function: function.__name__.strip("_"))
@pytest.mark.parametrize("count", [1, 5])
def test_no_values_throw_the_classifiers_off(make_fields, make_area, spoil, count):
    fields = make_fields(14, 14, side=4)
    labels = fields.label(count)
    spoil(fields.cube, fields.classes)
    area = make_area(fields.cube)
    _check(pseudo_label(area, *labels, SETTINGS), area, *labels)


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("bands", [1, 2, 3, 40])
def test_scenes_may_have_few_bands_and_many(make_fields, make_area, bands, count):
    fields = make_fields(14, 14, bands=bands, side=4)
    area, labels = make_area(fields.cube), fields.label(count)
    _check(pseudo_label(area, *labels, SETTINGS), area, *labels)


def test_spectra_without_noise_are_told_apart(make_fields, make_area):
    fields = make_fields(18, 18, noise=0.0)
    for count in (1, 5):
        area, labels = make_area(fields.cube), fields.label(count)
        pseudo = pseudo_label(area, *labels, SETTINGS)
        _check(pseudo, area, *labels)
        np.testing.assert_array_equal(pseudo.probabilities.argmax(axis=1), fields.classes.ravel())


def test_an_area_may_have_fewer_pixels_than_bands(make_fields, make_area):
    fields = make_fields(7, 7, bands=90, side=3)
    area, labels = make_area(fields.cube), fields.label(4)
    _check(pseudo_label(area, *labels, SETTINGS), area, *labels)


VALID = {
    "holes": np.random.default_rng(0).random((20, 20)) > 0.4,
    "a checkerboard": np.indices((20, 20)).sum(axis=0) % 2 == 0,
    "lone pixels": (np.indices((20, 20)) % 2 == 0).all(axis=0),
    "one row": np.indices((20, 20))[0] == 17,
    "two halves": abs(np.indices((20, 20))[1] - 10) > 3,
}


@pytest.mark.parametrize(("where", "count"), [*((where, 4) for where in VALID), ("lone pixels", 1), ("one row", 1)])
def test_pixels_may_lie_anyhow(make_fields, make_area, where, count):
    fields, valid = make_fields(20, 20), VALID[where]
    area, labels = make_area(fields.cube, valid), fields.label(count, valid)
    pseudo = pseudo_label(area, *labels, SETTINGS)
    _check(pseudo, area, *labels)
    assert (pseudo.probabilities.argmax(axis=1) == fields.classes[valid]).mean() > (0.9 if len(area) > 50 else 0.7)


def test_every_pixel_may_be_labelled_and_labels_may_lie_at_the_very_edge(make_fields, make_area):
    fields = make_fields(12, 12, side=4)
    area, members = make_area(fields.cube), fields.classes.ravel()
    everything = np.arange(len(area))
    _check(pseudo_label(area, everything, members, SETTINGS), area, everything, members)
    edge = np.flatnonzero(((area.positions == 0) | (area.positions == 11)).any(axis=1))
    _check(pseudo_label(area, edge, members[edge], SETTINGS), area, edge, members[edge])
    corners = np.array([0, 11])  # of two classes, and nothing else is labelled
    assert members[0] != members[11]
    targets = np.array([0, 1])
    _check(pseudo_label(area, corners, targets, SETTINGS), area, corners, targets)


@pytest.mark.parametrize(
    "wrong",
    [{"area": 100}, {"pixels": 0}, {"label_weight": 0}, {"favour": "kappa"}, {"linear_views": 4}, {"folds": 3}],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValidationError):
        PseudoLabelSettings(**wrong)
