from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsiattn.errors import BandError
from hsiattn.scenes import SpectralBands, find_band_match, match_bands
from hsiattn.scenes.spectral import guess_unit, parse_description, to_nanometres

AVIRIS = SpectralBands.build(
    7,
    names=["B29", "B30", "B31", "B32", "B33", "B34", "B35"],
    wavelength=[638.2, 648.0, 657.8, 667.6, 655.8, 665.6, 675.4],
    fwhm=[9.0] * 7,
    good=[True, True, True, False, True, True, True],
)


def test_bands_survive_json():
    bands = SpectralBands.build(3, wavelength=[450, np.nan, 900], fwhm=[10, 10, np.nan], good=[1, 0, 1], nominal=True)
    assert SpectralBands.from_dict(json.loads(json.dumps(bands.to_dict(), allow_nan=False))) == bands


def test_a_subset_keeps_the_order_that_is_asked_for():
    part = AVIRIS.subset([5, 0, 3])
    assert part.names == ("B34", "B29", "B32")
    assert part.wavelength.tolist() == [665.6, 638.2, 667.6]
    assert part.good.tolist() == [True, True, False]


def test_bands_differ_where_a_figure_differs():
    assert AVIRIS.subset(range(6)) != AVIRIS
    assert SpectralBands.build(7, names=AVIRIS.names) != AVIRIS
    assert AVIRIS != "AVIRIS"


def test_metadata_of_the_wrong_length_are_refused():
    with pytest.raises(BandError, match="3 bands have 2 values of wavelength"):
        SpectralBands.build(3, wavelength=[1.0, 2.0])


@pytest.mark.parametrize(
    ("values", "unit", "expected"),
    [
        ([450, 900], "Nanometers", [450, 900]),
        ([0.45, 2.4], "Micrometers", [450, 2400]),
        ([0.45, 2.4], "µm", [450, 2400]),
        ([4500, 9000], "Angstroms", [450, 900]),
        ([0.45, 2.4], None, [450, 2400]),
        ([450, 2400], "Unknown", [450, 2400]),
        ([8.0, 12.0], "", [8000, 12000]),  # thermal
        ([1, 2], "Index", [np.nan, np.nan]),
        ([20000, 10000], "Wavenumber", [np.nan, np.nan]),
    ],
)
def test_wavelengths_come_out_in_nm(values, unit, expected):
    np.testing.assert_allclose(to_nanometres(values, unit), expected)


def test_a_unit_is_guessed_without_stumbling_over_unknown_centres():
    assert guess_unit([np.nan, 0.4]) == "µm"
    assert guess_unit([np.nan, 400.0]) == "nm"
    assert guess_unit([np.nan]) == "nm"


@pytest.mark.parametrize(
    ("text", "name", "wavelength"),
    [
        ("Band 7 (482.0 Nanometers)", "Band 7", 482.0),
        ("red edge (0.705 µm)", "red edge", 705.0),
        ("B4 (394.935486)", "B4", 394.935486),
        ("(1.65 micrometers)", None, 1650.0),
        ("NDVI", "NDVI", np.nan),
        ("part (3)", "part (3)", np.nan),
        ("depth (3 furlongs)", "depth (3 furlongs)", np.nan),
        ("", None, np.nan),
        (None, None, np.nan),
    ],
)
def test_a_description_gives_name_and_wavelength(text, name, wavelength):
    found_name, found = parse_description(text)
    assert found_name == name
    np.testing.assert_allclose(found, wavelength)


def test_bands_of_the_same_sensor_match_one_to_one_even_where_a_centre_occurs_twice():
    twice = SpectralBands.build(4, wavelength=[640, 660, 660, 680])
    assert match_bands(twice, twice).tolist() == [0, 1, 2, 3]


@given(order=st.permutations(range(7)), count=st.integers(1, 7))
def test_any_choice_of_bands_is_found_again_by_wavelength(order, count):
    chosen = order[:count]
    match = find_band_match(AVIRIS.subset(chosen), AVIRIS)
    assert match.indices.tolist() == chosen
    assert match.rule == "wavelength"
    assert match.largest_difference == 0


@given(
    wanted=st.lists(st.floats(400, 2500), min_size=1, max_size=12),
    offered=st.lists(st.floats(400, 2500), min_size=1, max_size=12),
    fwhm=st.floats(1, 500),
)
def test_the_nearest_band_within_the_fwhm_is_taken_or_the_scene_is_refused(wanted, offered, fwhm):
    wanted_bands = SpectralBands.build(len(wanted), wavelength=wanted, fwhm=[fwhm] * len(wanted))
    offered_bands = SpectralBands.build(len(offered), wavelength=offered)
    distances = [min(abs(a - b) for b in offered) for a in wanted]
    if max(distances) > fwhm + 0.05:
        with pytest.raises(BandError):
            match_bands(wanted_bands, offered_bands)
        return
    indices = match_bands(wanted_bands, offered_bands)
    assert [abs(a - offered[i]) for a, i in zip(wanted, indices, strict=True)] == pytest.approx(distances)


def test_without_fwhm_a_band_must_lie_within_half_the_spacing():
    wanted = SpectralBands.build(3, wavelength=[500, 510, 520])
    assert match_bands(wanted, SpectralBands.build(4, wavelength=[525, 514.9, 504.9, 100])).tolist() == [2, 1, 0]
    with pytest.raises(BandError, match=r"no band near 520\.0 nm \(1 of 3 bands\)"):
        match_bands(wanted, SpectralBands.build(3, wavelength=[500, 510, 514]))


def test_unknown_wavelengths_among_the_offered_bands_are_passed_over():
    offered = SpectralBands.build(4, wavelength=[np.nan, 510, np.nan, 500])
    assert match_bands(SpectralBands.build(2, wavelength=[500, 510]), offered).tolist() == [3, 1]


def test_bands_without_wavelengths_match_by_their_names():
    wanted = SpectralBands.build(2, names=["swir", "red"])
    offered = SpectralBands.build(3, names=["red", "nir", "swir"])
    match = find_band_match(wanted, offered)
    assert (match.indices.tolist(), match.rule) == ([2, 0], "name")
    assert np.isnan(match.largest_difference)


@pytest.mark.parametrize("names", [["band 2", "band 1"], ["Band_2", "Band_1"], ["2", "1"], ["red", "red"]])
def test_numbered_or_repeated_names_say_nothing_and_the_count_decides(names):
    match = find_band_match(SpectralBands.build(2, names=names), SpectralBands.build(2, names=names[::-1]))
    assert (match.indices.tolist(), match.rule) == ([0, 1], "count")


def test_a_scene_without_wavelengths_matches_a_model_that_has_them_by_count():
    assert find_band_match(AVIRIS, SpectralBands.unknown(7)).rule == "count"


def test_a_refusal_names_both_lists_in_one_line():
    with pytest.raises(BandError) as caught:
        match_bands(AVIRIS, SpectralBands.unknown(12), wanted_name="model fields.hsiattn", offered_name="scene a.tif")
    message = str(caught.value)
    assert "model fields.hsiattn has 7 bands at 638.2" in message
    assert (
        "scene a.tif has 12 bands without wavelengths (band 1, band 2, band 3, …, band 10, band 11, band 12)" in message
    )
    assert "\n" not in message
