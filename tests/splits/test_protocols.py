"""Protocols drawn from made-up labels: what they promise, and which classes they cannot take."""

import json

import numpy as np
import pytest

from hsiattn.classes import ClassTable
from hsiattn.errors import SplitError
from hsiattn.splits import (
    PROTOCOLS,
    ROLES,
    Adaptation,
    adapt_protocol,
    connected_fields,
    draw_protocol,
    leakage,
    leakage_by_window,
)

TABLE = ClassTable.from_records([{"code": 2, "name": "oats"}, {"code": 5, "name": "rye"}, {"code": 8, "name": "ley"}])


@pytest.fixture(scope="module")
def codes():
    """Fields of 18 × 18 pixels with lanes between them."""
    fields = np.random.default_rng(4).permuted(np.tile([2, 5, 8], 12)).reshape(6, 6)
    values = np.kron(fields, np.ones((20, 20), dtype=int))
    values[:, ::20] = values[:, 19::20] = values[::20] = values[19::20] = 0
    return values


@pytest.fixture(scope="module")
def difficult(codes):
    """The same with a fourth class of nine pixels in one place."""
    values = codes.copy()
    values[50:53, 70:73] = 9
    return values


FOUR = ClassTable.from_codes([2, 5, 8, 9])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_can_be_drawn_from_many_fields_and_says_what_it_drew(codes, protocol):
    assert adapt_protocol(codes, TABLE, protocol, range(2)) == Adaptation()
    split = draw_protocol(codes, TABLE, protocol, 1)
    record = split.record
    assert json.loads(json.dumps(record)) == record
    assert (record["protocol"], record["seed"], record["left_out"]) == (protocol, 1, [])
    np.testing.assert_array_equal(split.mask("none"), codes == 0)
    fitted = split.mask("training") | split.mask("validation")
    for c in TABLE:
        for side in (fitted, split.mask("test")):
            assert (side & (codes == c.code)).sum() >= PROTOCOLS[protocol].fewest
    assert record["leakage_by_window"] == leakage_by_window(split.roles)
    assert record["leakage"] == record["leakage_by_window"]["9"] == leakage(fitted, split.mask("test"), 9)
    assert split.mask("validation").sum() == pytest.approx(0.2 * fitted.sum(), abs=2)


@pytest.mark.parametrize(
    ("protocol", "most", "clean"),
    [
        ("random-10", 10, 1),
        ("random-30", 30, 1),
        ("blocks-30", 30, 9),
        ("blocks-all", 10**6, 27),
        ("polygons-30", 30, 1),
    ],
)
def test_protocols_keep_what_their_words_promise(codes, protocol, most, clean):
    roles = draw_protocol(codes, TABLE, protocol, 3).roles
    fitted = np.isin(roles, (ROLES["training"], ROLES["validation"]))
    assert all((fitted & (codes == c.code)).sum() <= most for c in TABLE)
    assert {share for window, share in leakage_by_window(roles).items() if int(window) <= clean} == {0.0}
    if protocol == "polygons-30":
        fields = connected_fields(codes)
        assert not set(fields[fitted]) & set(fields[roles == ROLES["test"]])


def test_leakage_grows_with_the_window(codes):
    shares = list(leakage_by_window(draw_protocol(codes, TABLE, "random-5-percent").roles).values())
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] > 0.9


@pytest.mark.parametrize("protocol", ["random-10", "blocks-30", "polygons-30"])
def test_a_class_that_stands_in_the_way_is_left_out_and_its_pixels_are_dropped(difficult, protocol):
    adaptation = adapt_protocol(difficult, FOUR, protocol, range(2))
    assert adaptation.left_out == (9,)
    split = draw_protocol(difficult, FOUR, protocol, left_out=[9], block_size=adaptation.block_size)
    assert (split.roles[difficult == 9] == ROLES["dropped"]).all()
    assert set(split.record["per_class"]) == {"class 2", "class 5", "class 8"}
    assert split.record["left_out"] == [9]
    assert split.record["pixels"]["dropped"] == split.mask("dropped").sum()
    with pytest.raises(SplitError, match="class 9 "):
        draw_protocol(difficult, FOUR, protocol)


def test_a_class_that_is_not_in_the_labels_is_left_out(codes):
    assert adapt_protocol(codes, FOUR, "random-10").left_out == (9,)


def test_other_blocks_are_tried_before_a_class_is_given_up(codes):
    """Of a single field of 18 × 18 pixels, large blocks leave too little on one side; blocks of 16 do not."""
    values = codes.copy()
    values[42:60, 42:60] = 9
    with pytest.raises(SplitError, match="class 9 "):
        [draw_protocol(values, FOUR, "blocks-30", seed) for seed in range(5)]
    assert adapt_protocol(values, FOUR, "blocks-30", range(5)) == Adaptation((), 16)
    for seed in range(5):
        test = draw_protocol(values, FOUR, "blocks-30", seed, block_size=16).mask("test")
        assert (test & (values == 9)).sum() >= 10


def test_labels_of_one_class_in_one_place_have_no_protocol():
    codes = np.kron([[1, 0], [0, 2]], np.ones((3, 3), dtype=int))
    with pytest.raises(SplitError, match="polygons-30 cannot be drawn"):
        adapt_protocol(codes, ClassTable.from_codes([1, 2]), "polygons-30")


def test_an_unknown_protocol_is_refused_with_the_known_ones(codes):
    for ask in (draw_protocol, adapt_protocol):
        with pytest.raises(SplitError, match="'blocks'") as caught:
            ask(codes, TABLE, "blocks")
        assert "blocks-30" in caught.value.remedy
