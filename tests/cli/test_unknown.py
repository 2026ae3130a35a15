"""`hsiattn classify --unknown`, and what `hsiattn assess` and `hsiattn info` say of such a map."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import rasterio

from hsiattn.mapping import predict_array
from hsiattn.models.model_file import read_model, write_model
from hsiattn.open_set import OpenSet
from hsiattn.open_set.logit_scores import MaxSoftmax
from hsiattn.scenes import open_source


@pytest.fixture(scope="module")
def with_detector(model, tiny, tmp_path_factory):
    """The small model with a detector that calls doubtful pixels unknown."""
    trained = read_model(model)
    shares = predict_array(trained, open_source(tiny.scene), probabilities=True, device="cpu")["probabilities"].values
    doubt = 1 - shares.max(axis=0)
    path = tmp_path_factory.mktemp("detector") / "open.hsiattn"
    write_model(replace(trained, open_set=OpenSet.of_scores(MaxSoftmax(), doubt[np.isfinite(doubt)], {})), path)
    return path


def test_unknown_pixels_are_mapped_counted_and_told_in_the_report(desk, hsiattn, with_detector):
    mapped = hsiattn("classify", "scene.tif", "-m", with_detector, "--unknown", "--accept", 0.8, "--json")
    assert mapped.exit_code == 0, mapped.stderr
    (record,) = json.loads(mapped.stdout)["maps"]
    with rasterio.open("scene_classes.tif") as dataset:
        values, tags = dataset.read(1), dataset.tags()
    assert record["unknown"] == record["counts"]["unknown"] == (values == 255).sum() > 100
    assert (tags["HSIATTN_UNKNOWN_DETECTOR"], tags["HSIATTN_UNKNOWN_ACCEPT"]) == ("max-softmax", "0.8")
    told = hsiattn("assess", "scene_classes.tif", "--reference", "labels.tif", "--scene", "scene.tif")
    assert told.exit_code == 0, told.stderr
    assert "Unknown material" in told.stdout
    assert "max-softmax, 80 % of the known pixels accepted" in told.stdout
    assert '"unknown"' in hsiattn("info", "scene_classes.tif", "--json").stdout


def test_resume_leaves_a_map_alone_only_with_the_same_rule(desk, hsiattn, with_detector, refused):
    order = ("classify", "scene.tif", "-m", with_detector)
    assert hsiattn(*order, "--unknown").exit_code == 0
    again = hsiattn(*order, "--unknown", "--accept", 0.95, "--resume", "--json")
    assert json.loads(again.stdout)["left_alone"] == 1
    line = refused(*order, "--resume")
    assert "another rule of what is unknown; map with --unknown and --accept 0.95 as there, or add --overwrite" in line


def test_a_model_without_a_detector_is_refused_before_anything_is_written(desk, model, refused):
    line = refused("classify", "scene.tif", "-m", model, "--unknown")
    assert "cannot tell unknown material: it was trained without a detector of it; train a model with" in line
    assert "the recipe trains none" in refused("classify", "scene.tif", "--labels", "labels.tif", "--unknown")


@pytest.mark.parametrize("options", [("--accept", 0.9), ("--unknown", "--accept", 1), ("--unknown", "--accept", "nan")])
def test_shares_without_effect_or_out_of_range_are_mistakes_of_usage(desk, hsiattn, with_detector, options):
    result = hsiattn("classify", "scene.tif", "-m", with_detector, *options)
    assert result.exit_code == 2
    assert "--accept" in result.stderr
