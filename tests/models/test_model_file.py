"""Model files: they come back as they went out, or are refused in one line."""

import json
import os
import shutil
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import hsiattn.models.model_file
from hsiattn import open_scene
from hsiattn.errors import BandError, ModelFileError, OutputError
from hsiattn.mapping import predict_array
from hsiattn.models.model_file import read_model, write_model
from hsiattn.models.registry import find_model, installed_models, models_folder
from hsiattn.scenes import as_source


def _refused(path, match=None):
    with pytest.raises(ModelFileError, match=match) as caught:
        read_model(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_model_predicts_after_the_round_trip_what_it_predicted_before_bit_for_bit(model, model_path, source):
    before = predict_array(model, source, probabilities=True, device="cpu")
    after = predict_array(read_model(model_path), source, probabilities=True, device="cpu")
    for name in ("land_cover", "confidence", "probabilities"):
        np.testing.assert_array_equal(after[name], before[name])
    assert after["land_cover"].identical(before["land_cover"])


def test_a_temperature_survives_the_round_trip_and_older_files_have_none(model, model_path, tmp_path):
    write_model(replace(model, temperature=2.5), tmp_path / "humble.hsiattn")
    assert read_model(tmp_path / "humble.hsiattn").temperature == 2.5
    _rewrite(model_path, edit_header=lambda header: header.pop("temperature"))
    assert read_model(model_path).temperature == 1


def test_the_figures_of_every_epoch_survive_the_round_trip_and_older_files_have_none(model, model_path):
    history = hsiattn.models.model_file.read_model(model_path).training["history"]
    assert history == model.training["history"]
    assert history["epoch"] == list(range(1, model.training["epochs"] + 1))
    _rewrite(model_path, edit_header=lambda header: header["training"].pop("history"))
    assert "history" not in hsiattn.models.model_file.read_model(model_path).training


def test_files_from_before_spectral_transforms_have_none(model_path):
    def edit(header):
        header.pop("spectral_transform")
        header.update(format_version=1, network=header["network"] | {"discriminant": False})

    _rewrite(model_path, edit_header=edit)
    assert read_model(model_path).preprocessing.spectral_transform is None


def test_confidence_and_probabilities_are_those_of_the_logits_by_the_temperature(model, source):
    plain, humble = (
        predict_array(replace(model, temperature=t), source, probabilities=True, device="cpu") for t in (1.0, 4.0)
    )
    np.testing.assert_array_equal(humble["land_cover"], plain["land_cover"])
    logits = np.log(plain["probabilities"].to_numpy().astype(np.float64))
    shares = np.exp(logits / 4 - np.log(np.exp(logits / 4).sum(axis=0)))
    np.testing.assert_allclose(humble["probabilities"], shares, atol=1e-5)
    np.testing.assert_allclose(humble["confidence"], shares.max(axis=0), atol=1e-5)
    assert humble["confidence"].mean() < plain["confidence"].mean()


def test_everything_about_a_model_survives_the_round_trip(model, model_path):
    twin = read_model(model_path)
    assert json.dumps(twin.header(), sort_keys=True) == json.dumps(
        hsiattn.models.model_file._without_nan(model.header()), sort_keys=True
    )
    assert twin.classes == model.classes
    assert twin.bands == model.bands
    assert twin.patch_size == model.patch_size == 5
    assert not twin.network.training
    for name, value in model.network.state_dict().items():
        assert torch.equal(twin.network.state_dict()[name], value)
    for name, array in model.preprocessing.to_arrays().items():
        np.testing.assert_array_equal(twin.preprocessing.to_arrays()[name], array)


def test_the_digest_is_the_same_for_the_same_model_and_another_for_another(model, model_path, tmp_path):
    digest = read_model(model_path).digest
    assert len(digest) == 64
    assert write_model(model, tmp_path / "twin.hsiattn") == digest
    assert write_model(replace(model, created="2001"), tmp_path / "other.hsiattn") != digest


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_neither_saved_nor_loaded(model, model_path, tmp_path, value):
    def spoil(tensors):
        name = next(n for n in sorted(tensors) if n.startswith("network.") and tensors[n].is_floating_point())
        tensors[name].view(-1)[0] = value

    _rewrite(model_path, edit_tensors=spoil)
    _refused(model_path, "has values that are NaN or infinite")
    offset = model.preprocessing.offset.copy()
    offset[3] = value
    spoilt = replace(model, preprocessing=replace(model.preprocessing, offset=offset))
    for useless in (spoilt, replace(model, temperature=value)):
        with pytest.raises(ModelFileError, match="the model is of no use"):
            write_model(useless, tmp_path / "useless.hsiattn")
    assert not (tmp_path / "useless.hsiattn").exists()


def test_a_truncated_model_is_refused_wherever_it_ends(model_path):
    data = model_path.read_bytes()
    ends = {*range(12), *range(0, len(data), max(1, len(data) // 60)), len(data) - 1, len(data) - 4}
    for end in sorted(ends):
        model_path.write_bytes(data[:end])
        _refused(model_path, "not a model file, or is truncated")
    model_path.write_bytes(data + b"\0")
    _refused(model_path)


def test_one_altered_byte_is_recognised_wherever_it_lies(model_path):
    data = model_path.read_bytes()
    header = 8 + int.from_bytes(data[:8], "little")
    places = [*range(8), *range(8, header, 17), header - 1, *range(header, len(data), 31), len(data) - 1]
    for number, place in enumerate(places):
        altered = bytearray(data)
        altered[place] ^= (0x01, 0x20, 0x80, 0xFF)[number % 4]
        if altered[place : place + 1].isspace() and data[place : place + 1].isspace():
            continue  # filling between header and tensors
        model_path.write_bytes(altered)
        _refused(model_path)


def test_other_files_are_refused(tmp_path):
    save_file({"a": torch.zeros(3)}, tmp_path / "other.safetensors", metadata={"format": "pt"})
    save_file({"a": torch.zeros(3)}, tmp_path / "bare.safetensors")
    for name in ("other", "bare"):
        _refused(tmp_path / f"{name}.safetensors", "not a model of hsiattn")
    (tmp_path / "text.hsiattn").write_text("name: default\n" * 30)
    (tmp_path / "empty.hsiattn").touch()
    (tmp_path / "folder.hsiattn").mkdir()
    for name, match in (("text", "truncated"), ("empty", "truncated"), ("folder", "folder"), ("none", "no model file")):
        _refused(tmp_path / f"{name}.hsiattn", match)


def _header(path):
    with safe_open(path, framework="pt") as file:
        return file.metadata()["header"]


def _rewrite(path, *, edit_header=lambda h: None, edit_tensors=lambda t: None, metadata=None):
    """The same file with another header and other tensors, and the digest that goes with them."""
    with safe_open(path, framework="pt") as file:
        header, tensors = json.loads(file.metadata()["header"]), {n: file.get_tensor(n) for n in file.keys()}  # noqa: SIM118
    edit_header(header)
    edit_tensors(tensors)
    text = json.dumps(header)
    stated = {"format": "hsiattn model", "header": text, "sha256": hsiattn.models.model_file._digest(text, tensors)}
    save_file(tensors, path, metadata=stated | (metadata or {}))


def test_a_newer_format_is_refused_even_if_nothing_else_is_as_expected(model_path):
    _rewrite(model_path, edit_header=lambda h: (h.clear(), h.update(format_version=7, versions=["?"])))
    _refused(model_path, "format 7, this hsiattn reads up to 6; update hsiattn")


@pytest.mark.parametrize(
    "change",
    [
        {"edit_header": lambda h: h.pop("bands")},
        {"edit_header": lambda h: h.update(classes=[1, 2])},
        {"edit_header": lambda h: h.update(spectral_transform="logarithm")},
        {"edit_header": lambda h: h.update(spectral_transform="absorbance")},
        {"edit_header": lambda h: h.update(temperature=0.0)},
        {"edit_header": lambda h: h.update(temperature="warm")},
        {"edit_header": lambda h: h.update(temperature=None)},
        {"edit_header": lambda h: h.update(classes=[{"code": 0, "name": "x"}])},
        {"edit_header": lambda h: h["network"].update(name="resnet")},
        {"edit_header": lambda h: h["network"].update(hidden=5)},
        {"edit_header": lambda h: h["bands"].pop("names")},
        {"edit_tensors": lambda t: t.pop("preprocessing.gain")},
        {"edit_tensors": lambda t: [t.pop(n) for n in list(t) if n.startswith("network.")]},
    ],
)
def test_a_model_whose_parts_do_not_fit_is_refused_in_one_line(model_path, change):
    _rewrite(model_path, **change)
    _refused(model_path, "not (a usable model|usable here)")


@pytest.mark.parametrize("metadata", [{"header": "[]"}, {"header": "{}"}, {"header": "no"}, {"format": "x"}])
def test_metadata_of_another_kind_are_refused(model_path, metadata):
    _rewrite(model_path, metadata=metadata)
    _refused(model_path, "not a model of hsiattn")


def test_an_existing_model_is_not_replaced_unless_asked(model, model_path):
    data = model_path.read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        write_model(replace(model, created="2001"), model_path)
    assert model_path.read_bytes() == data
    write_model(replace(model, created="2001"), model_path, overwrite=True)
    assert read_model(model_path).created == "2001"


@pytest.mark.parametrize("failure", [KeyboardInterrupt, OSError("No space left on device")])
def test_a_write_that_fails_leaves_what_was_there(model, model_path, monkeypatch, failure):
    def write_bytes(path, _content):
        path.write_text("half of it")
        raise failure

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    data = model_path.read_bytes()
    expected = KeyboardInterrupt if failure is KeyboardInterrupt else OutputError
    for target in (model_path, model_path.with_name("new.hsiattn")):
        with pytest.raises(expected):
            write_model(model, target, overwrite=True)
    assert [file.name for file in model_path.parent.iterdir()] == [model_path.name]
    assert model_path.read_bytes() == data


def test_a_folder_that_is_not_there_is_one_error(model, tmp_path):
    with pytest.raises(OutputError, match="does not exist"):
        write_model(model, tmp_path / "no" / "m.hsiattn")


def test_a_model_file_has_the_rights_of_any_new_file(model, tmp_path):
    (tmp_path / "plain").touch()
    write_model(model, tmp_path / "m.hsiattn")
    assert os.stat(tmp_path / "m.hsiattn").st_mode == os.stat(tmp_path / "plain").st_mode


def test_bands_are_matched_by_wavelength_in_another_order_and_with_others_between(model, tiny):
    scene = open_scene(tiny.scene)
    order = np.r_[np.arange(24)[::-1], 5]
    mixed = scene.isel(band=order)
    indices = model.match(as_source(mixed))
    np.testing.assert_array_equal(mixed["wavelength"].values[indices], model.used_bands.wavelength)


def test_a_scene_without_the_bands_is_refused(model, tiny):
    with pytest.raises(BandError):
        model.match(as_source(open_scene(tiny.scene).isel(band=slice(0, 9))))


# -- hostile files, all of them with the right checksum ----------------------------------------------------------------


def _depths(count):
    value = {}
    for _ in range(count):
        value = {"a": value}
    return value


HOSTILE = {
    "ensemble": lambda h: h["network"].update(name="ensemble", member=h["network"]["name"], members=10**5),
    "forest": lambda h: h["network"].update(name="random-forest", trees=10**9),
    "hidden": lambda h: h["network"].update(hidden=10_000),
    "width": lambda h: h["network"].update(width=10**9),
    "classes": lambda h: h["network"].update(name="rbf-svm", classes=10**6),
    "bands": lambda h: h["network"].update(bands=10**12),
    "channels": lambda h: h["network"].update(channels=-1),
    "patch": lambda h: h["network"].update(patch_size=10**6 + 1),
    "depth": lambda h: h["network"].update(name="gsa", depth=10**9),
    "depth of condensers": lambda h: h["network"].update(name="attendnet", depth=10**9),
    "depth of local condensers": lambda h: h["network"].update(name="attendnet-local", depth=10**9),
    "depths": lambda h: h["network"].update(name="smlp", depths=[10**9]),
    "widths": lambda h: h["network"].update(name="ssan", widths=[10**9, 10**9]),
    "true": lambda h: h["network"].update(patch_size=True),
    "nested": lambda h: h["network"].update(
        name="ensemble", member="ensemble", members=100, member_arguments={"members": 100}
    ),
    "code": lambda h: h["classes"][0].update(code=2**40),
    "code of text": lambda h: h["classes"][0].update(code="1"),
    "colour": lambda h: h["classes"][0].update(color=[1, 2, 3]),
    "one class less": lambda h: h["classes"].pop(),
    "one band less": lambda h: [h["bands"][key].pop() for key in ("names", "wavelength", "fwhm", "good")],
    "wavelengths of text": lambda h: h["bands"].update(wavelength=["x"] * len(h["bands"]["names"])),
    "infinite wavelengths": lambda h: h["bands"].update(wavelength=[float("inf")] * len(h["bands"]["names"])),
    "recipe": lambda h: h.update(recipe=[]),
    "components": lambda h: h["recipe"]["preprocessing"].update(noise_components="many"),
    "bands of text": lambda h: h["recipe"]["preprocessing"].update(only_bands="many"),
    "precision": lambda h: h["training"].update(precision="64"),
    "split": lambda h: h.update(split=None),
    "history of text": lambda h: h["training"].update(history="long"),
    "history without losses": lambda h: h["training"]["history"].pop("training_loss"),
    "history of other lengths": lambda h: h["training"]["history"]["epoch"].append(9),
    "endless history": lambda h: h["training"].update(history=dict.fromkeys(h["training"]["history"], [1] * 501)),
    "versions": lambda h: h.update(versions={"torch": 2}),
    "accuracy": lambda h: h.update(accuracy=3),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_header_that_asks_for_too_much_is_refused_before_anything_is_made(model_path, change, monkeypatch):
    made = []
    monkeypatch.setattr(torch.nn.Module, "load_state_dict", lambda *_: made.append(1))
    _rewrite(model_path, edit_header=change)
    tracemalloc.start()
    _refused(model_path, "not a usable model")
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()
    assert not made


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        json.dumps({"format_version": 1, "recipe": _depths(60)}),
        '{"format_version": 1, "format_version": 1}',
        '{"format_version": ' + "9" * 5000 + "}",
        '{"format_version": 1, "x": ' + "1" * 30 + "}",
        '{"format_version": true}',
        '{"format_version": 1.0}',
        '{"format_version": 1, "x": "' + "a" * 2**23 + '"}',
    ],
    ids=["deep", "deeper than models", "twice", "long number", "large number", "true", "1.0", "long"],
)
def test_a_header_beyond_the_bounds_of_json_is_refused(model_path, text):
    _rewrite(model_path, metadata={"header": text})
    _refused(model_path, "not a model of hsiattn")


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.update({"preprocessing.bands": t["preprocessing.bands"] + 1000}),
        lambda t: t.update({"preprocessing.bands": t["preprocessing.bands"] - 1}),
        lambda t: t.update({"preprocessing.bands": t["preprocessing.bands"].float()}),
        lambda t: t.update({"preprocessing.bands": torch.zeros_like(t["preprocessing.bands"])}),
        lambda t: t.update({"preprocessing.gain": t["preprocessing.gain"][None]}),
        lambda t: t.update({"preprocessing.shift": t["preprocessing.shift"][:-1].clone()}),
        lambda t: t.update({"preprocessing.projection": t["preprocessing.projection"][:, :-1].contiguous()}),
        lambda t: t.update({"preprocessing.offset": t["preprocessing.offset"].double()}),
        lambda t: t.update({"network.more": torch.zeros(3)}),
        lambda t: t.update({name: t[name].double() for name in t if name.startswith("network.")}),
        lambda t: t.update({name: t[name][None].clone() for name in t if name.startswith("network.")}),
    ],
)
def test_tensors_of_another_shape_or_type_are_refused(model_path, change):
    _rewrite(model_path, edit_tensors=change)
    _refused(model_path, "not a usable model")


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("preprocessing.more", torch.bfloat16),
        ("preprocessing.more", torch.float16),
        ("network.more", torch.uint8),
        ("network.more", torch.float8_e4m3fn),
    ],
)
def test_tensors_of_types_that_no_model_has_are_refused(model_path, name, dtype):
    with safe_open(model_path, framework="pt") as file:
        metadata, tensors = file.metadata(), {n: file.get_tensor(n) for n in file.keys()}  # noqa: SIM118
    save_file(tensors | {name: torch.zeros(4).to(dtype)}, model_path, metadata=metadata)
    _refused(model_path, "not a model of hsiattn")


def test_a_list_of_tensors_longer_than_any_is_not_read(model_path):
    data = bytearray(model_path.read_bytes())
    data[:8] = (2**26).to_bytes(8, "little")
    with model_path.open("wb") as file:
        file.write(data)
        file.truncate(2**26 + 1000)
    _refused(model_path, "not a model file")


def test_a_pipe_is_no_model_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "m.hsiattn")
    _refused(tmp_path / "m.hsiattn", "not a file on a disk")


def test_damaged_models_are_told_of_one_by_one_and_the_others_with_them(install, source, model_path):
    from hsiattn.cli.models import describe

    wanted = install("fields")
    for name, change in HOSTILE.items():
        _rewrite(model_path, edit_header=change)
        shutil.copy(model_path, models_folder() / f"{name}.hsiattn")
        write_model(read_model(wanted), model_path, overwrite=True)
    (models_folder() / "folder.hsiattn").mkdir()
    (models_folder() / "gone.hsiattn").symlink_to("nowhere")
    entries = [describe(path) for path in installed_models()]
    usable = {Path(entry["path"]).stem for entry in entries if entry["usable"]}
    # whether the arguments of a network fit its weights is seen when a model is read whole, as it is to be used
    of_arguments = {"depth of condensers", "depth of local condensers", "depths", "widths"}
    assert usable == {"fields", "ensemble", "forest", "hidden", "width", "depth", "nested", *of_arguments}
    assert all("\n" not in entry["summary"] for entry in entries)
    assert find_model(source) == wanted
