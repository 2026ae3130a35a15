"""Polygons drawn into a label map: where they lie, what they leave for the test, and what cannot be drawn."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.distance import cdist

from hsiattn.classes import ClassTable
from hsiattn.errors import SplitError
from hsiattn.splits import DrawnPolygons, split_labels

WAYS = ("centres", "squares", "strips")
EIGHT = np.ones((3, 3))
FIELDS = np.kron(np.random.default_rng(2).integers(0, 4, (6, 7)), np.ones((14, 14), int))
"""84 × 98 pixels: fields of three classes, of 14 pixels and multiples of them, and unlabelled land."""


def drawn(codes, **parameters):
    """Masks of training and test pixels (H, W), and the number of each pixel's polygon: by scipy's labelling."""
    positions = np.argwhere(codes > 0)
    training, test = next(DrawnPolygons(**parameters).split(positions, codes[codes > 0]))
    masks = np.zeros((2, *codes.shape), dtype=bool)
    for mask, chosen in zip(masks, (training, test), strict=True):
        mask[tuple(positions[chosen].T)] = True
    return masks[0], masks[1], numbered(codes, masks[0])


def numbered(codes, training):
    polygons = np.zeros(codes.shape, dtype=int)
    for code in np.unique(codes[training]):
        labels, _ = ndimage.label(training & (codes == code), EIGHT)
        polygons[labels > 0] = labels[labels > 0] + polygons.max()
    return polygons


def distances(mask, others):
    """Chebyshev distances of all pixels of two masks, one by one."""
    return cdist(np.argwhere(mask), np.argwhere(others), "chebyshev")


def sides(mask):
    rows, columns = np.nonzero(mask)
    return np.ptp(rows) + 1, np.ptp(columns) + 1


def of_class(codes, polygons, code):
    return [polygons == number for number in np.unique(polygons[(codes == code) & (polygons > 0)])]


@settings(max_examples=40)
@given(
    st.sampled_from(WAYS), st.integers(0, 999), st.integers(1, 6), st.sampled_from([None, 2, 5]), st.integers(0, 5),
    st.integers(5, 14),
)  # fmt: skip
def test_the_test_is_all_that_is_farther_than_the_buffer_from_training_and_every_class_is_there(
    way, seed, most, size, buffer, field
):
    codes = np.kron(np.random.default_rng(seed).integers(0, 4, (7, 8)), np.ones((field, field), int))
    parameters = {"polygons_per_class": most, "size": size, "buffer": buffer, "random_state": seed}
    training, test, polygons = drawn(codes, draw=way, **parameters)
    labelled = codes > 0
    far = np.zeros_like(labelled)
    far[labelled] = distances(labelled, training).min(axis=1) > buffer
    np.testing.assert_array_equal(test, far)
    assert not training[~labelled].any()
    for code in np.unique(codes[labelled]):
        assert 1 <= len(of_class(codes, polygons, code)) <= most
        assert test[codes == code].mean() >= 0.1


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("way", WAYS)
def test_polygons_of_a_class_are_as_many_as_asked_for_and_farther_apart_than_the_buffer(way, seed):
    _, _, polygons = drawn(FIELDS, draw=way, random_state=seed)
    for code in (1, 2, 3):
        ours = of_class(FIELDS, polygons, code)
        # class 1 has three fields alone
        fields = ndimage.label(code == FIELDS, EIGHT)[1]
        assert len(ours) == (min(4, fields) if way == "centres" else 4)
        assert all(distances(a, b).min() > 4 for k, a in enumerate(ours) for b in ours[:k])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("way", ["squares", "strips"])
def test_where_there_is_no_room_polygons_are_nearer_but_stay_fields_of_their_own(way, seed):
    codes = np.repeat([[1] * 30 + [2] * 30], 12, axis=0)
    _, test, polygons = drawn(codes, draw=way, polygons_per_class=12, buffer=6, size=2, random_state=seed)
    for code in (1, 2):
        ours = of_class(codes, polygons, code)
        nearest = [distances(a, b).min() for k, a in enumerate(ours) for b in ours[:k]]
        assert len(ours) > 2
        assert min(nearest) in range(2, 7)
        assert test[codes == code].mean() >= 0.1


@pytest.mark.parametrize("way", WAYS)
def test_more_polygons_or_larger_ones_than_there_is_room_for_still_leave_a_tenth_for_the_test(way):
    for parameters in ({"polygons_per_class": 10**9}, {"size": 10**9}):
        _, test, polygons = drawn(FIELDS, draw=way, **parameters)
        for code in (1, 2, 3):
            assert test[code == FIELDS].mean() >= 0.1
            assert len(of_class(FIELDS, polygons, code)) >= (1 if way == "centres" or "size" in parameters else 5)


@pytest.mark.parametrize("seed", range(6))
def test_squares_and_strips_have_their_size_and_end_at_the_field(seed):
    fields = numbered(FIELDS, FIELDS > 0)
    for way, size in (("squares", None), ("squares", 3), ("strips", None), ("strips", 5)):
        _, _, polygons = drawn(FIELDS, draw=way, size=size, random_state=seed)
        full = size or {"squares": 4, "strips": 12}[way]
        for number in range(1, polygons.max() + 1):
            mask = polygons == number
            short, long = sorted(sides(mask))
            assert short <= (1 if way == "strips" else full)
            assert long <= full
            assert mask.sum() == short * long  # all fields are rectangles, or meet at corners
            assert mask.sum() >= 3 / 8 * (full if way == "strips" else full**2)
            assert len(np.unique(fields[mask])) == 1


def test_squares_lie_anywhere_and_strips_along_both_axes():
    codes = np.kron([[1, 2], [2, 1]], np.ones((20, 20), int))
    interior = sum(ndimage.binary_erosion(codes == code, EIGHT) for code in (1, 2)) > 0
    squares = [drawn(codes, random_state=seed)[0] for seed in range(20)]
    assert all(np.sum([square[at] for square in squares]) > 100 for at in (interior, ~interior))
    upright = []
    for seed in range(10):
        _, _, strips = drawn(codes, draw="strips", random_state=seed)
        upright += [sides(strips == number)[0] > 1 for number in range(1, strips.max() + 1)]
    assert 0.25 < np.mean(upright) < 0.75


@pytest.mark.parametrize("seed", range(5))
def test_centres_are_compact_around_the_innermost_pixel_and_off_the_border(seed):
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(70, 80)), 5)
    codes = np.digitize(smooth, np.quantile(smooth, [0.4, 0.6])) + 1
    _, _, polygons = drawn(codes, draw="centres", random_state=seed)
    inner = sum(ndimage.binary_erosion(codes == code, EIGHT) for code in (1, 2, 3)) > 0
    assert polygons.max() >= 6
    for number in range(1, polygons.max() + 1):
        mask = polygons == number
        code = codes[mask][0]
        assert np.all(codes[mask] == code)
        assert mask.sum() <= 16
        patches, _ = ndimage.label(codes == code, EIGHT)
        patch = patches == patches[mask][0]
        outside = np.pad(~patch, 1, constant_values=True)
        depth = cdist(np.argwhere(patch) + 1, np.argwhere(outside)).min(axis=1)
        innermost = np.argwhere(patch)[depth == depth.max()]
        assert any(mask[tuple(pixel)] for pixel in innermost)
        if (patch & inner).sum() > 60:
            assert mask.sum() == 16
            assert not np.any(mask & ~inner)
            assert max(sides(mask)) <= 6


def test_a_patch_too_narrow_for_an_interior_is_drawn_up_to_its_border():
    codes = np.zeros((20, 60), dtype=int)
    codes[3:5, :] = 1
    codes[10:20, :] = 2
    training, _, _ = drawn(codes, draw="centres")
    assert training[codes == 1].sum() == 16
    assert training[3:5, 26:33].all()


@pytest.mark.parametrize("most", [10, 40])
def test_centres_lie_in_the_thirty_largest_patches_alone(most):
    codes = np.zeros((120, 120), dtype=int)
    for number, (row, column) in enumerate(np.argwhere(np.ones((8, 8)))):
        side = 13 if number % 2 == 0 and number < 60 else 2  # 30 of 64
        codes[row * 15 : row * 15 + side, column * 15 : column * 15 + side] = 1
    chosen = set()
    for seed in range(3):
        _, _, polygons = drawn(codes, draw="centres", polygons_per_class=most, buffer=2, random_state=seed)
        assert polygons.max() == min(most, 30)
        patches, _ = ndimage.label(codes)
        of_polygons = patches[polygons > 0]
        assert np.bincount(patches.ravel())[of_polygons].min() == 169
        assert len(np.unique(of_polygons)) == polygons.max()
        chosen.add(tuple(np.unique(of_polygons)))
    assert len(chosen) == (3 if most < 30 else 1)


@pytest.mark.parametrize("way", WAYS)
def test_a_seed_decides_all_and_more_draws_never_change_the_earlier_ones(way):
    positions, codes = np.argwhere(FIELDS > 0), FIELDS[FIELDS > 0]

    def draws(count, seed):
        return [training.tobytes() for training, _ in DrawnPolygons(count, draw=way, random_state=seed).split(
            positions, codes
        )]  # fmt: skip

    two, three = draws(2, 5), draws(3, 5)
    assert two == draws(2, 5)
    assert two == three[:2]
    assert len({*three, *draws(3, 6)}) == 6


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("place", [(0, 0), (300, 700)])
def test_only_where_pixels_lie_to_each_other_counts(way, place):
    positions, codes = np.argwhere(FIELDS > 0), FIELDS[FIELDS > 0]
    here, there = (next(DrawnPolygons(draw=way).split(positions + shift, codes * 7)) for shift in ((0, 0), place))
    np.testing.assert_array_equal(here[0], there[0])
    np.testing.assert_array_equal(here[1], there[1])


@pytest.mark.parametrize("seed", range(4))
def test_a_small_class_gets_a_smaller_polygon_rather_than_no_test(seed):
    codes = np.full((40, 40), 1)
    codes[10:12, 10:20] = 2  # as the oats of Indian Pines
    for way in WAYS:
        training, test, polygons = drawn(codes, draw=way, random_state=seed)
        assert len(of_class(codes, polygons, 2)) >= 1
        assert training[codes == 2].sum() in range(1, 12)
        assert test[codes == 2].sum() >= 2
        if way == "centres":
            assert training[codes == 2].sum() == 1


@pytest.mark.parametrize("way", WAYS)
def test_classes_too_small_for_polygon_and_buffer_are_named_with_the_way_out(way):
    codes = np.full((40, 60), 20)
    codes[5:9, 5:9] = 3
    codes[30, 30] = 11
    table = ClassTable.from_records([{"code": 3, "name": "oats"}, {"code": 11}, {"code": 20}])
    with pytest.raises(SplitError, match=r"^class oats \(code 3\), 11 cannot have both a training polygon") as caught:
        split_labels(codes, table, DrawnPolygons(draw=way), window=9)
    assert "smaller buffer=" in caught.value.remedy
    assert caught.value.classes == (3, 11)


@pytest.mark.parametrize("way", WAYS)
def test_the_number_of_training_pixels_can_be_limited_and_the_test_stays(way):
    whole, test, _ = drawn(FIELDS, draw=way, random_state=3)
    part, same, _ = drawn(FIELDS, draw=way, random_state=3, train_size=5)
    np.testing.assert_array_equal(test, same)
    assert np.all(whole[part])
    assert [np.sum(part & (code == FIELDS)) for code in (1, 2, 3)] == [5, 5, 5]


@pytest.mark.parametrize("way", WAYS)
def test_no_window_of_the_test_holds_a_training_pixel_and_the_record_says_how_it_was_drawn(way):
    split = split_labels(FIELDS, ClassTable.from_codes([1, 2, 3]), DrawnPolygons(draw=way), window=9)
    assert split.record["leakage"] == 0
    assert json.loads(json.dumps(split.record)) == split.record
    assert (split.record["method"], split.record["draw"], split.record["size"]) == ("DrawnPolygons", way, None)
    assert "more than 4 pixels from any of the training polygons" in split.record["in_words"]


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"draw": "circles"}, "cannot be drawn as 'circles'; give draw= centres, squares, strips"),
        ({"polygons_per_class": 0}, "polygons_per_class of drawn polygons is 0; give 1 or more"),
        ({"size": 0}, "size of drawn polygons is 0"),
        ({"buffer": -1}, "buffer of drawn polygons is -1; give 0 or more"),
    ],
)
def test_parameters_beyond_reason_are_refused(parameters, problem):
    with pytest.raises(SplitError, match=problem):
        DrawnPolygons(**parameters)
