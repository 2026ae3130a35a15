"""An archive: which scenes paths and patterns mean, where their maps go, and what has become of them."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import rasterio

from hsiattn.errors import BandError, OutputError, SceneError
from hsiattn.files.patterns import is_pattern
from hsiattn.mapping import Provenance
from hsiattn.mapping.archive import Order, Summary, make_orders
from hsiattn.mapping.request import BESIDE, MappingRequest
from hsiattn.models.model_file import write_model
from hsiattn.models.registry import ModelFinder, read_for_mapping


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with the empty files a, b and c."""
    monkeypatch.chdir(tmp_path)
    for name in ("b.tif", "a.tif", "c.bsq"):
        (tmp_path / name).touch()
    return tmp_path


def scenes(*arguments, out_dir="maps", **request):
    return [order.scene for order in make_orders(arguments, out_dir, MappingRequest(**request))]


def test_patterns_are_sorted_arguments_keep_their_order_and_every_scene_comes_once(folder):
    assert scenes("c.bsq", "*.tif", "./a.tif") == ["c.bsq", "a.tif", "b.tif"]


def test_only_text_with_wildcards_that_names_no_file_is_a_pattern(folder):
    (folder / "strip[1].tif").touch()
    assert is_pattern("*.tif")
    assert not is_pattern("strip[1].tif")
    assert not is_pattern("/vsizip/a.zip/*.tif")
    assert not is_pattern("missing.tif")
    with pytest.raises(SceneError, match=r"no file matches \*\.hdr"):
        scenes("*.hdr")


def test_all_rasters_are_named_after_the_scene_and_the_driver(folder):
    request = MappingRequest(confidence=BESIDE, probabilities=BESIDE, driver="envi")
    (order,) = make_orders(["c.bsq"], "maps", request)
    assert list(order.targets) == [f"maps/c_classes{part}.img" for part in ("", "_confidence", "_probabilities")]


def test_scenes_of_one_name_and_scenes_in_the_place_of_a_map_are_refused(folder):
    (folder / "other").mkdir()
    (folder / "other/a.tif").touch()
    with pytest.raises(OutputError, match=r"maps of a\.tif and other/a\.tif would both be maps/a_classes\.tif"):
        scenes("a.tif", "other/a.tif")
    (folder / "a_classes.tif").touch()
    with pytest.raises(OutputError, match=r"the map of a\.tif would replace it") as caught:
        scenes("a.tif", "a_classes.tif", out_dir=".")
    assert caught.value.remedy == "choose another out_dir="
    assert scenes("*.tif", out_dir=".") == ["a.tif", "b.tif"]


def test_an_order_is_carried_out_once_and_then_left_alone(fitted, tiny, tmp_path):
    write_model(fitted.model_, tmp_path / "m.hsiattn")
    request = MappingRequest(model=str(tmp_path / "m.hsiattn"), resume=True, device="cpu", confidence=BESIDE)
    order = Order(str(tiny.scene), request.targets(str(tmp_path / "map.tif")))
    models = ModelFinder(request.model, read_for_mapping)
    record = order.carry_out(request, models, request.inputs, nullcontext)
    assert record.pixels == 48 * 40
    assert Provenance.read(tmp_path / "map.tif").model_sha256 == models.model_for(None).digest
    assert order.carry_out(request, models, request.inputs, nullcontext) is None
    assert order.describe(record)["pixels"] == 48 * 40
    assert order.describe(None) == {"scene": str(tiny.scene), "map": str(tmp_path / "map.tif"), "left_alone": True}
    (tmp_path / "map_confidence.tif").unlink()
    with pytest.raises(OutputError, match="is there, but not all the rasters that should lie beside it"):
        order.carry_out(request, models, request.inputs, nullcontext)


def test_a_scene_that_cannot_be_mapped_leaves_nothing(fitted, tiny, tmp_path):
    with (
        rasterio.open(tiny.scene) as scene,
        rasterio.open(tmp_path / "s.tif", "w", **scene.profile | {"count": 3}) as s,
    ):
        s.write(scene.read([1, 2, 3]))
    write_model(fitted.model_, tmp_path / "m.hsiattn")
    request = MappingRequest(model=str(tmp_path / "m.hsiattn"))
    order = Order(str(tmp_path / "s.tif"), request.targets(str(tmp_path / "map.tif")))
    with pytest.raises(BandError):
        order.carry_out(request, ModelFinder(request.model, read_for_mapping), request.inputs, nullcontext)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.hsiattn", "s.tif"]


def test_a_summary_counts_what_has_become_of_the_scenes():
    summary = Summary(4, seconds=2.0)
    for record in ({"pixels": 30}, {"pixels": 50}, {"left_alone": True}, {"error": "no bands"}):
        summary.add({"scene": "a.tif", "map": "m.tif", **record})
    assert str(summary) == "4 scenes: 2 mapped, 1 failed, 1 left alone; 80 pixels in 2.0 s (40 pixels/s)"
    assert list(summary.to_dict()) == ["maps", "scenes", "mapped", "failed", "left_alone", "pixels", "seconds"]
    assert Summary.of({"scene": "a.tif", "pixels": 3, "seconds": 1.5}).to_dict()["seconds"] == 1.5
