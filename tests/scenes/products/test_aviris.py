from __future__ import annotations

import pytest

from hsiattn.scenes import open_source
from scripts.benchmarks.products.flight_lines import AVIRIS_NAME, aviris

IGNORED = "data ignore value = -9999\n"


@pytest.mark.parametrize("ignored", ["", IGNORED])
def test_a_flight_line_is_read_as_it_was_written(tmp_path, ignored, check_against_truth):
    truth = aviris(tmp_path, ignored=ignored)
    for path in (truth.path, tmp_path / AVIRIS_NAME):
        source = open_source(path)
        check_against_truth(source, truth)
        assert any("states no nodata" in note for note in source.notes) == (not ignored)


@pytest.mark.parametrize(
    ("name", "fill", "is_stated"),
    [
        ("AV320231008t173943_L2A_OE_main_98b13fff_RFL_ORT", -9999, True),
        ("ang20140606t223903_corr_v1c_img", -9999, True),
        ("ang20140606t223903_rdn_v1c_img", -9999, False),
        ("f230918t01p00r11_rfl", -9999, True),
        ("f201013t01p00r10rdn_e_sc01_ort_img", -50, False),
        ("f080611t01p00r07rdn_c.img", -50, False),
    ],
)
def test_the_fill_and_the_scale_go_by_the_instrument_and_the_kind(tmp_path, name, fill, is_stated):
    source = open_source(aviris(tmp_path, name=name).path)
    assert source.nodata == fill
    assert source.radiometry.stated == is_stated
    assert any("radiance" in note for note in source.notes) == (not is_stated)


def test_a_renamed_flight_line_is_found_by_its_header(tmp_path, check_against_truth):
    truth = aviris(tmp_path, name="survey.img")
    check_against_truth(open_source(tmp_path / "survey.img"), truth)


@pytest.mark.parametrize("name", ["ang20220224t210144_rdn_v2aa1_obs_ort", "ang20220224t210144_ort_igm"])
def test_companions_are_no_reflectance(tmp_path, name):
    source = open_source(aviris(tmp_path, name=name, description="AVIRIS-NG geometry").path)
    assert source.nodata is None
    assert not source.radiometry.stated


def test_other_scenes_are_taken_as_their_headers_have_them(tmp_path):
    source = open_source(aviris(tmp_path, name="survey.img", description="HySpex reflectance").path)
    assert source.nodata is None
    assert not source.radiometry.stated


@pytest.mark.real_scene
def test_the_real_rotated_scene_keeps_its_grid(real_data):
    source = open_source(real_data / "aviris-rotated" / "AV_mastercal_testdata.bsq")
    assert source.grid.is_rotated
    assert source.crs.to_epsg() == 32610
    assert source.transform.determinant == pytest.approx(-(14.9**2))
