"""The teacher: what it says of unlabelled pixels, and that nothing of a scene throws it off."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.special import log_softmax, softmax

from hsiattn.folds import folds_of_classes
from hsiattn.pseudo_labels import PseudoLabelSettings, pseudo_label
from hsiattn.pseudo_labels.cross_validation import best_temperature
from hsiattn.pseudo_labels.stacking import best_mixture, class_weights, estimated_priors, try_views
from hsiattn.pseudo_labels.views import VIEWS, VIEWS_FOR_FEW_LABELS, RegionViews, View

SETTINGS = PseudoLabelSettings()


def _check(lesson, area, labelled, targets):
    """What holds of every lesson."""
    shares = lesson.probabilities
    assert shares.shape == (len(area), targets.max() + 1)
    assert shares.dtype == np.float32
    assert (shares >= 0).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(shares[labelled], np.eye(targets.max() + 1)[targets])
    assert json.loads(json.dumps(lesson.record, allow_nan=False)) == lesson.record


@pytest.fixture(scope="module")
def fields(make_fields):
    return make_fields(18, 18, noise=0.15)


@pytest.fixture(scope="module")
def area(make_area, fields):
    return make_area(fields.cube)


@pytest.fixture(scope="module")
def labels(fields):
    return fields.label(6)


@pytest.fixture(scope="module")
def lesson(area, labels):
    return pseudo_label(area, *labels, SETTINGS, seed=4)


def test_a_few_labels_teach_the_whole_area(lesson, area, fields, labels):
    _check(lesson, area, *labels)
    assert (lesson.probabilities.argmax(axis=1) == fields.classes.ravel()).mean() > 0.9


def test_the_record_says_what_was_chosen_and_found(lesson):
    record = lesson.record
    assert record["pixels"] == 18 * 18
    assert len(record["views"]) == 8
    assert sum(record["views"].values()) == pytest.approx(1, abs=1e-3)
    assert [name.split(",")[0] for name in record["views"]][4:] == 3 * ["quadratic"] + ["kernel"]
    assert record["smoothing"] in (None, 1.0, 0.3, 0.1, 0.03)
    assert 0.3 <= record["temperature"] <= 100
    assert sum(record["class_frequencies"]) == pytest.approx(1, abs=1e-3)
    assert record["cross_validated_accuracy"] > 0.8


def _smoothing_matrix(views, area, hold):
    """What the diffusion multiplies values by, from the dense system; the identity without one."""
    if hold is None:
        return np.eye(len(area))
    guide, (first, second) = views[View("components")][:, :10].astype(float), area.neighbours.T
    distance = ((guide[first] - guide[second]) ** 2).sum(axis=1)
    affinity = np.zeros((len(area), len(area)))
    affinity[first, second] = affinity[second, first] = np.exp(-distance / np.median(distance)) + 1e-4
    return hold * np.linalg.inv(np.diag(affinity.sum(axis=1) + hold) - affinity)


def _by_definition(area, labelled, targets, settings, sufficiency, seed):
    """Probabilities and record of `teach`, step by step; the parts have tests of their own."""
    views, certain = RegionViews(area), np.eye(targets.max() + 1)
    candidates = VIEWS if sufficiency == 1 else VIEWS_FOR_FEW_LABELS
    tried = try_views(views, labelled, targets, settings.wanted_views, seed, candidates)
    counts = np.bincount(targets)
    weights = class_weights(views, tried, labelled, targets) if settings.weigh_classes else np.ones(len(counts))
    mixture = best_mixture(tried, weights[targets[counts[targets] > 1]])

    def known(pixels, classes):
        shares = mixture.probabilities(views, pixels, classes)
        shares[pixels] = certain[classes]
        return shares

    def smoothed(shares, hold):
        values = np.maximum(_smoothing_matrix(views, area, hold) @ shares, 1e-6)
        return values / values.sum(axis=1, keepdims=True)

    turns = [turn for number in (1, 2) for turn in folds_of_classes(targets, (seed, number))]
    members = np.concatenate([targets[out] for _, out in turns])
    said = [known(labelled[kept], targets[kept]) for kept, _ in turns]
    scores = {}
    for hold in (None, 1.0, 0.3, 0.1, 0.03):
        parts = [smoothed(shares, hold)[labelled[out]] for shares, (_, out) in zip(said, turns, strict=True)]
        logits = np.log(np.concatenate(parts))
        temperature = best_temperature(logits, members)
        likelihood = log_softmax(logits / temperature, axis=1)[np.arange(len(members)), members]
        scores[hold] = weights[members] @ likelihood, temperature, (logits.argmax(axis=1) == members).mean()
    hold = max(scores, key=lambda each: scores[each][0])
    shares = known(labelled, targets)
    priors = estimated_priors(shares)
    shares *= (priors * len(priors)) ** (settings.prior_strength * sufficiency)
    shares[labelled] = certain[targets]
    shares = softmax(np.log(smoothed(shares, hold)) / scores[hold][1], axis=1)
    shares[labelled] = certain[targets]
    found = {part.view: part.weight for part in mixture.parts}
    return shares, {"views": found, "smoothing": hold, "figures": [*scores[hold][1:], *priors]}


@pytest.mark.parametrize(
    ("counts", "seed", "settings", "sufficiency"),
    [
        ((14, 6, 10), 0, {}, 1),
        ((14, 6, 10), 1, {"prior_strength": 1.0}, 1),
        ((14, 6, 10), 0, {"weigh_classes": False, "few_labels": 20, "prior_strength": 1.0}, 0.5),
        ((4, 1, 4), 0, {"linear_views": 2, "quadratic_views": 0}, 0.3),
    ],
)
def test_the_steps_follow_each_other_as_documented(make_fields, make_area, counts, seed, settings, sufficiency):
    """Where two thirds of the area are of one class, and how far to smooth depends on all that goes before."""
    fields = make_fields(16, 16, noise=0.8, side=4, bands=8)
    valid = (fields.classes == 0) | (np.indices((16, 16)).sum(axis=0) % 4 == 0)
    pixels, classes = fields.label(20, valid)
    kept = np.concatenate([np.flatnonzero(classes == k)[:count] for k, count in enumerate(counts)])
    area, labels, settings = (
        make_area(fields.cube, valid),
        (pixels[kept], classes[kept]),
        PseudoLabelSettings(**settings),
    )
    lesson = pseudo_label(area, *labels, settings, seed=seed)
    shares, record = _by_definition(area, *labels, settings, sufficiency, seed)
    np.testing.assert_allclose(lesson.probabilities, shares, atol=1e-4)
    assert lesson.record["smoothing"] == record["smoothing"]
    assert lesson.record["views"] == {str(view): pytest.approx(at, abs=1e-4) for view, at in record["views"].items()}
    figures = [lesson.record["temperature"], lesson.record["cross_validated_accuracy"]]
    assert [*figures, *lesson.record["class_frequencies"]] == pytest.approx(record["figures"], abs=1e-3)


def test_where_nothing_is_cross_validated_the_order_of_labels_does_not_matter(area, labels):
    indices, targets = labels[0][::6], labels[1][::6]
    shares = [
        pseudo_label(area, indices[order], targets[order], SETTINGS).probabilities for order in ([0, 1, 2], [2, 0, 1])
    ]
    np.testing.assert_allclose(*shares, atol=1e-6)


def test_neighbours_help_where_single_spectra_do_not_tell_classes_apart(make_fields, make_area):
    fields = make_fields(36, 36, noise=0.45, side=12)
    area, labels = make_area(fields.cube), fields.label(12)
    lesson = pseudo_label(area, *labels, SETTINGS)
    assert (lesson.probabilities.argmax(axis=1) == fields.classes.ravel()).mean() > 0.9
    assert any("window" in view or "diffusion" in view for view in lesson.record["views"])


def test_probabilities_are_about_as_sure_as_they_are_right(make_fields, make_area):
    fields = make_fields(36, 36, noise=0.5, side=4)
    area, labels = make_area(fields.cube), fields.label(15)
    shares = pseudo_label(area, *labels, SETTINGS).probabilities
    others = np.setdiff1d(np.arange(len(area)), labels[0])
    right = shares[others].argmax(axis=1) == fields.classes.ravel()[others]
    assert 0.5 < right.mean() < 0.995
    assert shares[others].max(axis=1).mean() == pytest.approx(right.mean(), abs=0.12)


@pytest.mark.parametrize(
    ("linear", "quadratic", "kernel", "given"), [(1, 0, 0, 1), (5, 2, 1, 8), (50, 50, 50, 16 + 4 + 4), (1, 0, 3, 4)]
)
def test_so_many_views_take_part_as_asked(area, fields, linear, quadratic, kernel, given):
    settings = PseudoLabelSettings(linear_views=linear, quadratic_views=quadratic, kernel_views=kernel)
    assert len(pseudo_label(area, *fields.label(10), settings).record["views"]) == given


@pytest.mark.parametrize(("count", "few", "given"), [(9, 10, 40), (10, 10, 24), (9, 9, 24), (9, 0, 24), (2, 3, 40)])
def test_isotropic_views_compete_where_classes_have_few_labels(area, fields, count, few, given):
    settings = PseudoLabelSettings(linear_views=50, quadratic_views=50, kernel_views=50, few_labels=few)
    views = pseudo_label(area, *fields.label(count), settings).record["views"]
    assert len(views) == given
    assert any("isotropic" in view for view in views) == (given == 40)


def test_labels_are_counted_class_by_class_on_average(fields):
    targets = fields.label(18)[1]
    kept = np.concatenate([np.flatnonzero(targets == k)[:count] for k, count in enumerate((18, 6, 6))])
    assert SETTINGS.sufficiency(targets[kept]) == 1
    assert SETTINGS.sufficiency(targets[kept[:-3]]) == pytest.approx(0.9)
    assert SETTINGS.model_copy(update={"few_labels": 40}).sufficiency(targets[kept]) == pytest.approx(0.25)


def test_a_class_of_several_kinds_is_learned_through_kernels(make_area):
    """Two classes of two kinds each, in opposite corners, which no hyperplane and no two ellipsoids tell apart."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 4, (30, 30))  # without fields: neighbours are of no help
    corners = np.array([[1, 1], [-1, -1], [1, -1], [-1, 1]])[kinds]
    axes = rng.normal(size=(2, 6))
    area, classes = make_area(corners @ axes + 0.3 * rng.normal(size=(30, 30, 6))), kinds.ravel() // 2
    labelled = rng.permutation(900)[:120]
    right = [
        (pseudo_label(area, labelled, classes[labelled], settings).probabilities.argmax(axis=1) == classes).mean()
        for settings in (PseudoLabelSettings(quadratic_views=0, kernel_views=0), SETTINGS)
    ]
    assert right[0] < 0.7
    assert right[1] > 0.95


@pytest.mark.parametrize(("count", "classes"), [(1, 2), (1, 5), (2, 5), (3, 2)])
def test_one_two_or_three_labels_of_every_class_suffice(make_fields, make_area, count, classes):
    fields = make_fields(classes=classes)
    area, labels = make_area(fields.cube), fields.label(count)
    lesson = pseudo_label(area, *labels, SETTINGS)
    _check(lesson, area, *labels)
    assert (lesson.probabilities.argmax(axis=1) == fields.classes.ravel()).mean() > (0.9 if count == 1 else 0.95)
    assert (lesson.record["cross_validated_accuracy"] is None) == (count == 1)


@pytest.mark.parametrize("counts", [(6, 6, 1), (1, 2, 1), (40, 1, 2)])
def test_classes_may_have_a_single_label_beside_others_with_several(make_fields, make_area, counts):
    fields = make_fields(20, 20)
    indices, targets = fields.label(40)
    kept = np.concatenate([np.flatnonzero(targets == k)[:count] for k, count in enumerate(counts)])
    area, labels = make_area(fields.cube), (indices[kept], targets[kept])
    lesson = pseudo_label(area, *labels, SETTINGS)
    _check(lesson, area, *labels)
    assert (lesson.probabilities.argmax(axis=1) == fields.classes.ravel()).mean() > 0.9


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
def test_no_values_throw_the_teacher_off(make_fields, make_area, spoil, count):
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
        lesson = pseudo_label(area, *labels, SETTINGS)
        _check(lesson, area, *labels)
        np.testing.assert_array_equal(lesson.probabilities.argmax(axis=1), fields.classes.ravel())


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
    lesson = pseudo_label(area, *labels, SETTINGS)
    _check(lesson, area, *labels)
    assert (lesson.probabilities.argmax(axis=1) == fields.classes[valid]).mean() > (0.9 if len(area) > 50 else 0.7)


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
    [
        {"area": 100},
        {"pixels": 0},
        {"label_weight": 0},
        {"linear_views": 0},
        {"kernel_views": -1},
        {"prior_strength": 1.5},
        {"few_labels": -1},
        {"folds": 3},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValidationError):
        PseudoLabelSettings(**wrong)
