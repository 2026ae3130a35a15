"""Unknown material in reports: its share, its kinds, where they lie and what they are most like."""

from __future__ import annotations

import csv
import io
import json
import math

import jsonschema
import numpy as np
import pytest
import xarray as xr

import hsiattn
from hsiattn.assessment.report import AccuracyReport
from hsiattn.assessment.schema import report_schema
from hsiattn.classes import ClassTable
from hsiattn.mapping.provenance import UnknownTags
from hsiattn.reporting.clustering import kinds_of
from hsiattn.reporting.unknown import nearest_class

TAGS = UnknownTags(255, "mahalanobis", 0.95, 12.5)
CLASSES = [{"code": 1, "name": "rising"}, {"code": 2, "name": "falling"}]
UNKNOWN = {"code": 255, "name": "unknown", "color": "#ff00ff"}
RISING, FALLING, BUMP = np.linspace(0.1, 0.5, 12), np.linspace(0.5, 0.1, 12), np.where(np.arange(12) == 6, 0.9, 0.1)


@pytest.fixture(scope="module")
def scene(make_scene):
    """A scene (40, 60): rising to the left, falling in the middle, to the right a bump above darker falling spectra."""
    rng = np.random.default_rng(0)
    values = np.empty((12, 40, 60))
    values[:, :, :20], values[:, :, 20:40] = RISING[:, None, None], FALLING[:, None, None]
    values[:, :25, 40:], values[:, 25:, 40:] = BUMP[:, None, None], 0.4 * FALLING[:, None, None]
    return make_scene((values + rng.normal(0, 0.005, values.shape)).astype(np.float32))


@pytest.fixture(scope="module")
def codes():
    """Codes (H, W) of a map that calls the right third unknown, and two columns of its neighbour."""
    values = np.repeat([[1, 2, 255]], [20, 18, 22], axis=1).repeat(40, axis=0)
    values[0, 0] = 0
    return values


def _raster(scene, values, records, **attrs):
    attributes = ClassTable.from_records(records).to_attrs() | attrs
    from hsiattn.scenes import georeference, grid_of

    return georeference(xr.DataArray(values.astype(np.uint8), dims=("y", "x"), attrs=attributes), grid_of(scene))


@pytest.fixture(scope="module")
def land_cover(scene, codes):
    return _raster(scene, codes, [*CLASSES, UNKNOWN]).to_dataset(name="land_cover").assign_attrs(TAGS.to_attrs())


@pytest.fixture(scope="module")
def reference(scene):
    """Every second row of the two known classes is labelled."""
    values = np.repeat([[1, 2, 0]], 20, axis=1).repeat(40, axis=0)
    values[1::2] = 0
    return _raster(scene, values, CLASSES)


@pytest.fixture(scope="module")
def report(land_cover, reference, scene):
    return hsiattn.assess(land_cover, reference, scene=scene)


def test_share_area_and_test_pixels_are_counted(report, codes, scene):
    unknown = report.supplement.record["unknown"]
    strange = int((codes == 255).sum())
    assert unknown["pixels"] == strange == 880
    assert unknown["share"] == pytest.approx(strange / (codes > 0).sum())
    assert unknown["hectares"] == pytest.approx(strange * 0.01)
    assert (unknown["detector"], unknown["accept"], unknown["threshold"]) == ("mahalanobis", 0.95, 12.5)
    # two of twenty columns of the second class are called unknown, in every second row
    assert unknown["test_pixels"] == 40
    assert unknown["accuracy_of_known"] == 1.0
    assert report.overall_accuracy.value == pytest.approx((800 - 40 - 1) / 800)


def test_kinds_have_their_share_their_place_and_the_class_they_are_most_like(report):
    unknown = report.supplement.record["unknown"]
    bump, dark, *others = sorted(unknown["kinds"], key=lambda kind: kind["place"]["row"])
    if others:  # the strip of falling spectra that the map calls unknown is bright
        dark, bump = (next(k for k in unknown["kinds"] if lo <= k["place"]["row"] < hi and k["place"]["column"] > 39)
                      for lo, hi in ((25, 40), (0, 25)))  # fmt: skip
    assert bump["share"] == pytest.approx(25 * 20 / 880)
    assert bump["angle"] == pytest.approx(_angle(BUMP, RISING), abs=1)
    assert (dark["nearest"]["name"], dark["angle"]) == ("falling", pytest.approx(0, abs=2))
    place = bump["place"]
    assert (place["x"], place["y"]) == (360_000 + 10 * (place["column"] + 0.5), 5_810_000 - 10 * (place["row"] + 0.5))
    spectra = {item["name"]: item["mean"] for item in unknown["spectra"]["classes"]}
    np.testing.assert_allclose(spectra[bump["name"]], BUMP, atol=0.002)
    assert sum(kind["share"] for kind in unknown["kinds"]) == pytest.approx(1)


def _angle(one, other):
    return math.degrees(math.acos(one @ other / math.sqrt((one @ one) * (other @ other))))


def test_every_form_tells_of_it(report):
    record = json.loads(report.to_json())
    jsonschema.validate(record, report_schema())
    text = report.to_text()
    assert "Unknown material" in text
    assert "36.7 % of the classified pixels (880, 8.80 ha)" in text
    assert "here is something that your legend lacks" in text
    rows = {(row["class"], row["measure"]): row["value"] for row in csv.DictReader(io.StringIO(report.to_csv()))}
    assert rows["unknown", "unknown_pixels"] == "880"
    assert "## Unknown material" in report.to_markdown()
    assert "Unknown material" in report.to_latex()
    page = report.to_html()
    assert "Mean spectra of unknown material" in page
    assert 'id="unknown-head"' in page
    again = AccuracyReport.from_dict(record)
    assert again.to_text() == text


def test_a_map_without_unknown_material_says_nothing_of_it(land_cover, reference, scene):
    plain = hsiattn.assess(land_cover.assign_attrs(dict.fromkeys(TAGS.to_attrs(), "")), reference, scene=scene)
    assert "unknown" not in plain.supplement.record
    assert "Unknown material" not in plain.to_text()


def test_unknown_material_is_a_stratum_like_others(report, codes):
    (area,) = [row for row in report.areas["classes"] if row["name"] == "unknown"]
    assert area["mapped_share"] == pytest.approx((codes == 255).sum() / (codes > 0).sum())


@pytest.mark.parametrize("share", [0.03, 0.3])
def test_a_share_that_known_classes_alone_give_is_nothing_to_wonder_about(land_cover, reference, share):
    from hsiattn.assessment.unknown_text import unknown_advice

    advice = unknown_advice({"accept": 0.95, "share": share})
    assert ("nothing shows that the legend lacks a class" in advice) == (share < 0.05)


def test_a_reference_with_a_class_unknown_of_its_own_is_compared(land_cover, reference, scene):
    labels = reference.copy()
    labels[:, 50:] = 9
    labels[:, 45:50] = 5
    own = [*CLASSES, {"code": 5, "name": "water"}, {"code": 9, "name": "unknown"}]
    labels = _raster(scene, labels.values, own)
    found = hsiattn.assess(land_cover, labels)
    assert found.classes.names == ("rising", "falling", "water", "unknown (reference)", "unknown")
    assert found.confusion[3].tolist() == [0, 0, 0, 0, 400]
    told = found.supplement.record["unknown"]
    assert (told["foreign_pixels"], told["foreign_found"]) == (600, 600)
    assert "600 of 600 test pixels of such classes are called unknown" in found.to_text()
    without_water = _raster(scene, np.where(labels.values == 5, 0, labels.values), [own[0], own[1], own[3]])
    matched = hsiattn.assess(land_cover, without_water)
    assert matched.classes.names == ("rising", "falling", "unknown")
    assert matched.confusion[2].tolist() == [0, 0, 400]


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_as_many_kinds_are_found_as_there_are(count):
    rng = np.random.default_rng(count)
    truth = np.repeat(np.arange(count), 40)
    spectra = rng.uniform(0, 1, (count, 20))[truth] + rng.normal(0, 0.03, (len(truth), 20))
    found = kinds_of(spectra)
    assert len(np.unique(found)) == count
    assert len({(a, b) for a, b in zip(truth.tolist(), found.tolist(), strict=True)}) == count


@pytest.mark.parametrize("size", [1, 4, 30])
def test_few_spectra_and_equal_ones_are_one_kind(size):
    assert not kinds_of(np.full((size, 6), 0.3)).any()
    assert not kinds_of(np.random.default_rng(0).normal(0.3, 0.1, (size, 6))).any()


def test_the_nearest_class_has_the_smallest_angle_over_the_bands_that_both_have():
    known = {
        "good": [True, True, True, False], "classes": [
            {"code": 1, "name": "a", "mean": [1.0, 0.0, None, 5.0]},
            {"code": 2, "name": "b", "mean": [1.0, 1.0, 1.0, 0.0]},
        ]
    }  # fmt: skip
    nearest, angle = nearest_class(np.array([2.0, 2.0, 2.0, 9.0]), known)
    assert (nearest["name"], angle) == ("b", pytest.approx(0, abs=1e-5))
    nearest, angle = nearest_class(np.array([3.0, 1.0, np.nan, 9.0]), known)
    assert (nearest["name"], angle) == ("a", pytest.approx(math.degrees(math.atan(1 / 3))))
    assert nearest_class(np.zeros(4), known) == (None, None)
