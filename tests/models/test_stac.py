"""Models as items of a STAC catalogue, checked against the schemas of STAC and of its extensions."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import pyproj
import pystac
import pytest
from pystac.extensions.mlm import MLMExtension

from hsiattn.classes import ClassTable
from hsiattn.models.model_file import read_model, write_model
from hsiattn.models.stac import stac_item
from hsiattn.scenes import SpectralBands


@pytest.fixture
def item(model_path):
    return stac_item(read_model(model_path), model_path, href="./fields.hsiattn")


def test_the_item_is_valid(item, check_item):
    check_item(item)
    assert json.loads(json.dumps(item, allow_nan=False)) == item


def test_a_wrong_item_is_found(item, check_item):
    item["properties"]["mlm:input"][0]["input"]["dim_order"] = ["height"]
    with pytest.raises(AssertionError):
        check_item(item)


def test_pystac_reads_what_the_item_says(item, model):
    mlm = MLMExtension.ext(pystac.Item.from_dict({**item, "stac_extensions": [MLMExtension.get_schema_uri()]}))
    assert (mlm.mlm_name, mlm.architecture) == ("hsiattn fields", "grouped-ssan")
    assert mlm.total_parameters == sum(tensor.numel() for tensor in model.network.state_dict().values())
    assert list(mlm.input[0].bands) == list(model.used_bands.names)


def test_the_place_is_that_of_the_training_scene(item, model):
    (ring,) = item["geometry"]["coordinates"]
    west, north = pyproj.Transformer.from_crs(32633, 4326, always_xy=True).transform(360_000, 5_810_000)
    assert (item["bbox"][0], item["bbox"][3]) == pytest.approx((west, north), abs=1e-3)  # whose edges are not parallels
    assert ring == model.data["place"]["footprint"]


def test_a_model_that_does_not_know_its_place_has_no_geometry(model, model_path, check_item):
    item = stac_item(replace(model, data={"scene": "scene.tif"}), model_path)
    assert item["geometry"] is None
    assert "bbox" not in item
    check_item(item)


def test_bands_have_their_wavelengths_in_micrometres(item, model):
    bands = item["properties"]["bands"]
    assert [band["eo:center_wavelength"] for band in bands] == pytest.approx(model.used_bands.wavelength / 1000)


def test_bands_without_wavelength_are_told_by_name(model, model_path, check_item):
    item = stac_item(replace(model, bands=SpectralBands.unknown(len(model.bands))), model_path)
    assert not any("eo/" in extension for extension in item["stac_extensions"])
    check_item(item)


def test_scaling_by_mean_and_deviation_is_what_the_preprocessing_does(item, model):
    values = np.random.default_rng(0).random((len(model.used_bands), 2, 3)).astype(np.float32)
    scaled, _ = model.preprocessing.transform(values, np.ones((2, 3), dtype=bool))
    steps = item["properties"]["mlm:input"][0]["value_scaling"]
    expected = [(band - step["mean"]) / step["stddev"] for band, step in zip(values, steps, strict=True)]
    np.testing.assert_allclose(scaled, expected, rtol=1e-4, atol=1e-4)


def test_classes_have_the_values_and_colours_of_the_map(item, model):
    unclassified, *classes = item["properties"]["mlm:output"][0]["classification:classes"]
    assert (unclassified["value"], unclassified["nodata"]) == (0, True)
    assert [entry["value"] for entry in classes] == list(model.classes.values)
    assert [tuple(bytes.fromhex(entry["color_hint"])) for entry in classes] == list(model.classes.colors)


def test_the_file_is_told_with_size_and_checksum(item, model_path):
    asset = item["assets"]["model"]
    assert asset["href"] == "./fields.hsiattn"
    assert asset["file:size"] == model_path.stat().st_size
    assert asset["file:checksum"] == "1220" + hashlib.sha256(model_path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["Felder (Süd) 2024.hsiattn", "1.hsiattn", "-.hsiattn"])
def test_any_name_of_a_file_gives_a_valid_item(model, tmp_path, check_item, name):
    write_model(model, tmp_path / name)
    check_item(stac_item(read_model(tmp_path / name), tmp_path / name))


def test_names_and_settings_of_any_kind_give_a_valid_item(model, model_path, check_item):
    classes = ClassTable.from_records([{"code": 70_000 + n, "name": f"«Wald» {n}"} for n in range(len(model.classes))])
    recipe = {"a b": float("nan"), "preprocessing": {"scaling": "minmax"}}
    changed = replace(model, classes=classes, recipe=recipe, created="never", versions={"torch": "main"}, accuracy=None)
    item = stac_item(changed, model_path)
    check_item(item)
    assert item["properties"]["mlm:input"][0]["value_scaling"][0]["type"] == "min-max"
