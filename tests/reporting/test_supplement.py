"""What stands beside the figures: who made what, spectra, attention, learning curve, split, warnings."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import hsiattn
from hsiattn.assessment import AccuracyReport
from hsiattn.assessment.records import SupplementRecord
from hsiattn.errors import AssessmentError, GridError, HsiattnError, ModelFileError
from hsiattn.explanations.attention import attention_of
from hsiattn.models.model_file import read_model, write_model
from hsiattn.scenes import open_source
from hsiattn.scenes.class_spectra import class_spectra
from hsiattn.splits import ROLES


def supplement(report: AccuracyReport) -> SupplementRecord:
    assert report.supplement is not None
    return report.supplement.record


@pytest.fixture(scope="module")
def whole(mapped: Any) -> AccuracyReport:
    return hsiattn.assess(
        str(mapped.map), mapped.labels, split=mapped.split, scene=mapped.scene, model=mapped.model, author="A. Nalyst",
        command="hsiattn assess",
    )  # fmt: skip


def test_the_identity_names_everything_as_it_was_given(whole: AccuracyReport, mapped: Any, tiny: Any) -> None:
    identity = supplement(whole)["identity"]
    made = datetime.fromisoformat(identity.pop("created"))
    assert abs(made - datetime.now(UTC)) < timedelta(minutes=10)
    assert made.utcoffset() == timedelta(0)
    model = read_model(mapped.model)
    pixel = tiny.transform.a
    assert identity == {
        "scene": str(mapped.scene), "map": str(mapped.map), "reference": str(mapped.labels), "split": str(mapped.split),
        "model": str(mapped.model), "model_sha256": model.digest, "recipe": "default", "seed": 0,
        "versions": model.versions, "author": "A. Nalyst", "command": "hsiattn assess",
        "crs": "WGS 84 / UTM zone 33N (EPSG:32633)", "pixel_size": [pixel, pixel], "pixel_unit": "metre", "width": 48,
        "height": 40,
    }  # fmt: skip


def test_without_scene_and_model_the_map_tells_of_both_and_the_report_of_what_would_be_there(mapped: Any) -> None:
    found = supplement(hsiattn.assess(mapped.map, mapped.labels))
    identity = found["identity"]
    assert (identity["scene"], identity["recipe"], identity["seed"]) == (mapped.scene.name, "default", 0)
    assert identity["model_sha256"] == read_model(mapped.model).digest
    assert {"model", "split"}.isdisjoint(identity)
    with_scene, with_model = found["absent"]
    assert "scene=" in with_scene
    assert "model=" in with_model
    assert {"spectra", "attention", "learning", "split"}.isdisjoint(found)


def test_a_map_in_memory_has_no_path(fitted: Any, tiny: Any) -> None:
    scene = hsiattn.open_scene(tiny.scene)
    identity = supplement(hsiattn.assess(fitted.predict(scene), hsiattn.open_labels(tiny.labels)))["identity"]
    assert {"map", "reference"}.isdisjoint(identity)
    assert identity["scene"] == tiny.scene.name


def test_spectra_are_those_of_the_test_pixels(whole: AccuracyReport, mapped: Any, tiny: Any, fitted: Any) -> None:
    found = supplement(whole)["spectra"]
    labels = hsiattn.open_labels(tiny.labels)
    expected = class_spectra(
        tiny.scene, labels.where(fitted.split_.roles == ROLES["test"], 0).assign_attrs(labels.attrs)
    )
    assert found["sample"] == "all test pixels"
    assert [item["code"] for item in found["classes"]] == [1, 4, 7]
    for item, mean, std, pixels in zip(
        found["classes"], expected["mean"].values, expected["std"].values, expected["pixels"].values, strict=True
    ):
        np.testing.assert_allclose(item["mean"], mean, rtol=1e-5)
        np.testing.assert_allclose(item["std"], std, rtol=1e-5)
        assert item["pixels"] == pixels
    assert found["wavelength"] == pytest.approx([450.0 + 20 * band for band in range(24)])


def test_attention_is_the_mean_of_that_at_the_test_pixels_and_its_trust_is_told(
    whole: AccuracyReport, mapped: Any, tiny: Any, fitted: Any
) -> None:
    found = supplement(whole)["attention"]
    model, source = read_model(mapped.model), open_source(tiny.scene)
    for item in found["classes"]:
        tested = np.argwhere((tiny.codes == item["code"]) & (fitted.split_.roles == ROLES["test"]))
        weights = attention_of(model, source, tested)["bands"].values
        if len(tested) <= 100:
            np.testing.assert_allclose(item["mean"], weights.mean(axis=0), rtol=1e-4)
        assert item["pixels"] == min(100, len(tested))
        assert sum(item["mean"]) == pytest.approx(1, abs=1e-3)
        assert (np.array(item["lower"]) <= np.array(item["upper"])).all()
    assert "ttention" in found["trust"]


def test_the_learning_curve_is_that_of_the_model(whole: AccuracyReport, fitted: Any) -> None:
    found = supplement(whole)["learning"]
    assert found["epoch"] == list(range(1, fitted.model_.training["epochs"] + 1))
    assert found["training_loss"] == fitted.model_.training["history"]["training_loss"]
    assert found["best_epoch"] == fitted.model_.training["best_epoch"]


def test_the_split_has_the_pixels_of_every_role(whole: AccuracyReport, fitted: Any) -> None:
    found = supplement(whole)["split"]
    record = fitted.split_.record
    assert found["pixels"] == {**{n: record["pixels"][n] for n in ("training", "validation", "test")},
                               "buffer": record["pixels"]["dropped"]}  # fmt: skip
    assert found["leakage"] == whole.leakage
    assert sum(row["test"] for row in found["per_class"].values()) == whole.test_pixels


def test_the_supplement_is_json_and_is_read_back(whole: AccuracyReport) -> None:
    record = json.loads(whole.to_json())
    assert record["supplement"] == supplement(whole)
    assert AccuracyReport.from_dict(record).supplement.record == supplement(whole)  # type: ignore[union-attr]


def test_warnings_of_the_training_reach_a_report_that_knows_the_map_alone(
    mapped: Any, tiny: Any, tmp_path: Path
) -> None:
    own = read_model(mapped.model)
    warned = replace(own, training={**own.training, "warnings": ["lda is 6 points better than what was built"]})
    write_model(warned, tmp_path / "m.hsiattn")
    loaded = hsiattn.SpectralSpatialClassifier.load(tmp_path / "m.hsiattn", device="cpu")
    loaded.write_land_cover(tiny.scene, tmp_path / "map.tif")
    report = hsiattn.assess(tmp_path / "map.tif", tiny.labels)
    assert supplement(report)["messages"] == ["lda is 6 points better than what was built"]
    assert "lda is 6 points better" in report.to_text().lower()
    assert "is 6 points better than what was built" in report.to_html()


def test_the_wrong_model_is_refused(mapped: Any, tmp_path: Path) -> None:
    own = read_model(mapped.model)
    write_model(replace(own, created="another day"), tmp_path / "other.hsiattn")
    with pytest.raises(AssessmentError, match="did not make"):
        hsiattn.assess(mapped.map, mapped.labels, model=tmp_path / "other.hsiattn")


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [({"model": "missing.hsiattn"}, ModelFileError), ({"scene": "missing.tif"}, HsiattnError),
     ({"confidence": "missing.tif"}, HsiattnError)],
)  # fmt: skip
def test_what_is_missing_is_named(mapped: Any, wrong: dict[str, str], kind: type[HsiattnError]) -> None:
    with pytest.raises(kind, match="missing"):
        hsiattn.assess(mapped.map, mapped.labels, **wrong)  # type: ignore[arg-type]


def test_a_scene_on_another_grid_is_refused_and_one_that_holds_the_map_is_not(mapped: Any, fitted: Any) -> None:
    scene = hsiattn.open_scene(mapped.scene)
    labels = hsiattn.open_labels(mapped.labels)
    with pytest.raises(GridError, match="differ in size"):
        hsiattn.assess(mapped.map, labels, scene=scene[:, 3:])
    part = (slice(4, 36), slice(5, 40))
    land_cover = fitted.predict(scene).isel(y=part[0], x=part[1])
    found = supplement(hsiattn.assess(land_cover, labels.isel(y=part[0], x=part[1]), scene=scene))["spectra"]
    inside = xr.zeros_like(labels)
    inside[part] = labels[part]
    expected = class_spectra(scene, inside)
    np.testing.assert_allclose([item["mean"] for item in found["classes"]], expected["mean"].values, rtol=1e-5)


def test_a_split_that_only_the_model_knows_is_told_as_that_of_its_training(mapped: Any) -> None:
    found = supplement(hsiattn.assess(mapped.map, mapped.labels, model=mapped.model))["split"]
    assert found["in_words"].startswith("in the training of the model, test pixels: ")


# -- reports of trainings ----------------------------------------------------------------------------------------------


def test_the_report_of_a_training_has_the_same_and_shows_the_land_cover(fitted: Any, tiny: Any) -> None:
    report = hsiattn.report_of(fitted, tiny.scene, tiny.labels, author="B")
    found = supplement(report)
    assert {"identity", "spectra", "attention", "learning", "split"} <= set(found)
    assert found["identity"]["author"] == "B"
    assert found["identity"]["reference"] == str(tiny.labels)
    assert report.overall_accuracy == fitted.report_.overall_accuracy
    assert report.supplement is not None
    assert report.supplement.pictures is not None
    pictures = report.supplement.pictures()
    predicted = fitted.predict(hsiattn.open_scene(tiny.scene))["land_cover"].values
    np.testing.assert_array_equal(pictures.land_cover, report.classes.to_indices(predicted) + 1)
    assert pictures.split is not None
    np.testing.assert_array_equal(pictures.split, fitted.split_.roles)


def test_a_large_scene_is_not_mapped_for_its_report(fitted: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hsiattn.reporting.training.MAPPED", 1000)
    report = hsiattn.report_of(fitted, tiny.scene, tiny.labels)
    assert report.supplement is not None
    assert report.supplement.pictures is not None
    assert not report.supplement.pictures().land_cover.any()
    assert any("is not shown" in text for text in supplement(report)["absent"])


def test_the_model_file_does_not_hold_the_supplement(fitted: Any, tmp_path: Path) -> None:
    fitted.save(tmp_path / "m.hsiattn")
    accuracy = read_model(tmp_path / "m.hsiattn").accuracy
    assert accuracy is not None
    assert accuracy["supplement"] is None
    assert fitted.model_.digest == read_model(tmp_path / "m.hsiattn").digest


def test_networks_without_attention_say_so_in_one_sentence(tiny: Any) -> None:
    classifier = hsiattn.SpectralSpatialClassifier("lda", split="random").fit(tiny.scene, tiny.labels)
    found = supplement(hsiattn.report_of(classifier, tiny.scene, tiny.labels))
    assert "attention" not in found
    assert [text for text in found["absent"] if "weighs no bands" in text]
    assert "learning" not in found


def test_there_is_no_report_without_a_test(tiny: Any) -> None:
    classifier = hsiattn.SpectralSpatialClassifier("lda", split="none").fit(tiny.scene, tiny.labels)
    with pytest.raises(AssessmentError, match="no pixel was held out"):
        hsiattn.report_of(classifier, tiny.scene, tiny.labels)
