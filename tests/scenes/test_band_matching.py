from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsiattn.errors import BandError
from hsiattn.scenes import SpectralBands, find_band_match, match_bands

AVIRIS = SpectralBands.build(
    7,
    names=["B29", "B30", "B31", "B32", "B33", "B34", "B35"],
    wavelength=[638.2, 648.0, 657.8, 667.6, 655.8, 665.6, 675.4],
    fwhm=[9.0] * 7,
    good=[True, True, True, False, True, True, True],
)
CENTRES = [450.0, 500.0, 550.0, 600.0, np.nan]


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


def test_a_band_without_wavelength_does_not_turn_off_matching_by_wavelength():
    wanted = SpectralBands.build(5, wavelength=CENTRES)
    offered = SpectralBands.build(5, wavelength=[600.3, 550, 500, 450, np.nan])
    match = find_band_match(wanted, offered)
    assert (match.indices.tolist(), match.rule, match.by_position) == ([3, 2, 1, 0, 4], "wavelength", 1)
    assert match.describe() == "wavelength, at most 0.3 nm apart, 1 band without wavelength by position"


def test_a_band_without_wavelength_is_found_between_the_same_neighbours_in_either_direction():
    wanted = SpectralBands.build(5, wavelength=[450, np.nan, 550, 600, 650])
    among_others = SpectralBands.build(7, wavelength=[400, 450, np.nan, 550, 575, 600, 650])
    assert match_bands(wanted, among_others).tolist() == [1, 2, 3, 5, 6]
    assert match_bands(wanted, among_others.subset(range(6, -1, -1))).tolist() == [5, 4, 3, 1, 0]


def test_a_wavelength_that_only_the_scene_lacks_is_replaced_by_the_place():
    wanted = SpectralBands.build(4, wavelength=[450, 500, 550, 600])
    match = find_band_match(wanted, SpectralBands.build(4, wavelength=[450, np.nan, 550, 600]))
    assert (match.indices.tolist(), match.by_position) == ([0, 1, 2, 3], 1)


def test_a_band_without_wavelength_is_found_by_its_name_wherever_it_stands():
    wanted = SpectralBands.build(4, names=["a", "b", "slope", "c"], wavelength=[450, 500, np.nan, 600])
    offered = SpectralBands.build(5, names=["slope", "x", "y", "z", "w"], wavelength=[np.nan, 450, 500, 550, 600])
    match = find_band_match(wanted, offered)
    assert (match.indices.tolist(), match.by_name) == ([1, 2, 0, 4], 1)


def test_a_band_without_wavelength_is_refused_where_nothing_tells_it():
    offered = SpectralBands.build(6, wavelength=[450, np.nan, 500, 550, np.nan, 600])
    with pytest.raises(
        BandError, match=r"band 5 \(number 5\) of the model has no wavelength, and neither name nor place"
    ):
        match_bands(SpectralBands.build(5, wavelength=CENTRES), offered)


def test_other_wavelengths_are_refused_even_where_one_band_has_none_and_the_count_fits():
    with pytest.raises(BandError, match=r"no band near 450\.0, 500\.0, 550\.0, 600\.0 nm \(4 of 5 bands\)"):
        match_bands(
            SpectralBands.build(5, wavelength=CENTRES), SpectralBands.build(5, wavelength=[np.nan, 900, 950, 990, 1000])
        )


def test_only_the_needed_bands_must_be_found():
    wanted = SpectralBands.build(4, wavelength=[450, 500, 550, 600])
    offered = SpectralBands.build(3, wavelength=[600, 550, 450])
    assert find_band_match(wanted, offered, needed=np.array([0, 3])).indices.tolist() == [2, 0]


def test_bands_at_one_centre_stay_apart_where_the_scene_has_two_as_well():
    overlap = SpectralBands.build(4, wavelength=[640, 660, 660, 680])
    shifted = SpectralBands.build(4, wavelength=[640.2, 660.2, 660.2, 680.2])
    assert match_bands(overlap, shifted).tolist() == [0, 1, 2, 3]
    assert match_bands(overlap, shifted.subset([3, 2, 1, 0])).tolist() == [3, 2, 1, 0]


def test_bands_that_share_one_of_the_scene_are_counted():
    match = find_band_match(
        SpectralBands.build(3, wavelength=[500, 505, 510], fwhm=[9] * 3), SpectralBands.build(1, wavelength=[504])
    )
    assert match.shared == 2


def test_names_in_another_order_forbid_to_go_by_count():
    wanted = SpectralBands.build(3, names=["red", "nir", "swir"])
    with pytest.raises(BandError, match=r"red is band 1 of the model and band 2 of the scene"):
        match_bands(wanted, SpectralBands.build(3, names=["nir", "red", "blue"]))
    assert find_band_match(wanted, SpectralBands.build(3, names=["a", "b", "c"])).describe() == "count alone"
