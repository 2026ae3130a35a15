"""`hsiattn train` with hardly any labels: a model or one line, whatever the split."""

from __future__ import annotations

import json

import numpy as np
import pytest


@pytest.fixture
def train_with(desk, tiny, write_labels, hsiattn, quick):
    """Trains with so many labelled pixels of every class."""

    def run(count: int, *options: object):
        rng = np.random.default_rng(0)
        codes = np.zeros_like(tiny.codes)
        for code in (1, 4, 7):
            chosen = rng.permutation(np.argwhere((tiny.codes == code) & (tiny.spectra[0] != tiny.nodata)))[:count]
            codes[tuple(chosen.T)] = code
        write_labels(desk / "few.tif", codes, crs=tiny.crs, transform=tiny.transform)
        few = ("--set", "training.pseudo_labels.pixels=200")
        return hsiattn("train", "scene.tif", "--labels", "few.tif", "-o", "m.hsiattn", *quick, *few, *options)

    return run


@pytest.mark.parametrize("count", [1, 2, 3])
def test_where_all_pixels_train_one_of_every_class_makes_a_model(train_with, hsiattn, count):
    result = train_with(count, "--split", "none", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    pixels = report["split"]["pixels"]
    assert pixels["training"] + pixels["validation"] == 3 * count
    accuracy = report["training"]["pseudo_labels"]["cross_validated_accuracy"]
    assert accuracy is None if count == 1 else 0 <= accuracy <= 1
    assert hsiattn("classify", "scene.tif", "map.tif", "-m", "m.hsiattn").exit_code == 0


@pytest.mark.parametrize("split", ["blocks", "random", "polygons"])
@pytest.mark.parametrize("count", [1, 2])
def test_other_splits_make_a_model_or_say_in_one_line_what_is_missing(train_with, desk, split, count):
    result = train_with(count, "--split", split, *(("--per-class", 1) if split == "random" else ()))
    if result.exit_code == 0:
        assert (desk / "m.hsiattn").is_file()
        return
    assert result.exit_code == 1
    assert not (desk / "m.hsiattn").exists()
    (line,) = result.stderr.splitlines()
    assert line.startswith("hsiattn: error: ")
    assert "unexpected" not in line
    assert "; " in line
