from __future__ import annotations

import numpy as np
import pytest

from hsiattn.errors import SceneError
from hsiattn.scenes import Radiometry
from hsiattn.scenes.envi_values import fill_of, good_bands_of, items_of, number_of, reflectance_of


@pytest.mark.parametrize(
    "text",
    ["10000", "10000.0", "1e4", "1.0D+04", "{10000}", "{ 10000 }", "10000,", "10000 ; remark", "10000 (unitless)"],
)
def test_a_number_is_found_in_whatever_form_it_stands(text):
    assert number_of(items_of(text)[0]) == 10_000


@pytest.mark.parametrize("text", ["none", "x10", "10x", "", "{}", "-"])
def test_what_is_no_number_is_none(text):
    assert [number for number in map(number_of, items_of(text)) if not np.isnan(number)] == []


@pytest.mark.parametrize(
    ("good", "bad"),
    [("1", "0"), ("1.0", "0.0"), ("True", "False"), ("good", "BAD"), ("yes", "no"), ("'Good'", "'Bad'")],
)
def test_bad_bands_are_told_in_numbers_and_in_words(good, bad):
    assert good_bands_of([good, bad, good], 3, "a.hdr") == [True, False, True]
    assert good_bands_of(f"{{{bad}, {good}, {good},}}", 3, "a.hdr") == [False, True, True]


@pytest.mark.parametrize("word", ["perhaps", "nan", "1b", "--"])
def test_an_unknown_word_among_bad_bands_is_an_error(word):
    with pytest.raises(SceneError, match=r"a\.hdr has .* in bbl"):
        good_bands_of(["1", word], 2, "a.hdr")


@pytest.mark.parametrize("text", ["-9999", "-9999,", "-9999 ; fill", "{-9999}", ["-9999"], "-9999, -9999", "-9.999e3"])
def test_a_fill_value_is_found_in_whatever_form_it_stands(text):
    assert fill_of(text, 3, "a.hdr") == ([-9999.0], "")


def test_fill_values_can_differ_by_band():
    assert fill_of("{0, -1, -2}", 3, "a.hdr") == ([0.0, -1.0, -2.0], "")
    with pytest.raises(SceneError, match="2 values of data ignore value for 3 bands"):
        fill_of("{0, -1}", 3, "a.hdr")


def test_a_fill_value_that_is_no_number_is_said():
    fills, note = fill_of("none", 3, "a.hdr")
    assert np.isnan(fills).all()
    assert "'none' in a.hdr is no number" in note
    assert fill_of("NaN", 3, "a.hdr")[1] == ""


def _figures(*values):
    return np.array(values, dtype=np.float64)


@pytest.mark.parametrize(
    ("factor", "gain", "offset", "expected"),
    [
        (None, None, None, None),
        (_figures(1e4, 1e4), None, None, Radiometry.divided_by(1e4, 2)),
        (None, _figures(1e-4, 1e-4), None, Radiometry.divided_by(1e4, 2)),
        (None, _figures(1e-4, 2e-4), None, Radiometry(_figures(1e-4, 2e-4), _figures(0, 0))),
        (None, _figures(1e-4, 1e-4), _figures(-0.1, 0), Radiometry(_figures(1e-4, 1e-4), _figures(-0.1, 0))),
        (None, None, _figures(-0.1, 0), Radiometry(_figures(1, 1), _figures(-0.1, 0))),
        (_figures(1e4, 1e4), _figures(1e-4, 1e-4), _figures(0, 0), Radiometry.divided_by(1e4, 2)),
        (_figures(1e4, 1e4), _figures(1, 1), _figures(0, 0), Radiometry.divided_by(1e4, 2)),
        (
            _figures(1e4, 1e4),
            _figures(1e-4, 1e-4),
            _figures(0.1, 0),
            Radiometry(_figures(1e-4, 1e-4), _figures(0.1, 0)),
        ),
        (_figures(1e4, 5e3), None, None, Radiometry(_figures(1e-4, 2e-4), _figures(0, 0))),
    ],
)
def test_gains_offsets_and_scale_factor_give_one_radiometry(factor, gain, offset, expected):
    assert reflectance_of(factor, gain, offset, "a.hdr") == (expected, "")


def test_of_gains_that_contradict_the_scale_factor_the_factor_is_taken_and_said():
    radiometry, note = reflectance_of(_figures(1e4, 1e4), _figures(0.02, 0.03), _figures(1, 2), "a.hdr")
    assert radiometry == Radiometry.divided_by(1e4, 2)
    assert "reflectance scale factor 10000 and gains of 0.02 to 0.03, which contradict" in note


@pytest.mark.parametrize("factor", [0.0, -1.0, np.nan])
def test_a_scale_factor_that_means_nothing_is_ignored_aloud(factor):
    radiometry, note = reflectance_of(_figures(factor), None, None, "a.hdr")
    assert radiometry is None
    assert note == "the reflectance scale factor in a.hdr is no number above 0 and is ignored"
