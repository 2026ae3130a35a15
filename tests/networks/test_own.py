"""Networks that are not of this package."""

import importlib
import inspect
import os
import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from torch import nn

import hsiattn
from hsiattn import SpectralSpatialClassifier, open_labels, open_scene
from hsiattn.errors import ModelFileError, RecipeError
from hsiattn.models.model_file import read_model
from hsiattn.networks import (
    NETWORKS,
    ModuleNetwork,
    SpectralSpatialNetwork,
    check_allowed,
    check_network,
    create_network,
    load_network,
    network_class,
    own,
)
from hsiattn.training import load_recipe

SIZES = {"bands": 12, "channels": 3, "classes": 4, "patch_size": 5}
MODULE = """
    from torch import nn
    from hsiattn.networks import TwoBranchNetwork
    from hsiattn.networks.attention_cnn import AttentionCNN
    from hsiattn.networks.attention_rnn import AttentionRNN

    class Spectral(nn.Sequential):
        def __init__(self, bands, classes, hidden: int = 6):
            super().__init__(nn.Linear(bands, hidden), nn.ReLU(), nn.Linear(hidden, classes))

    class Spatial(nn.Sequential):
        def __init__(self, *, channels, patch_size, classes):
            super().__init__(nn.Flatten(), nn.Linear(channels * patch_size**2, classes))

    class Both(nn.Module):
        def __init__(self, classes, bands, channels, kind: str = "sum"):
            super().__init__()
            self.spectral, self.spatial = nn.Linear(bands, classes), nn.Linear(channels, classes)

        def forward(self, spectra, patches):
            return self.spectral(spectra) + self.spatial(patches.mean(dim=(2, 3)))

    class Framed(TwoBranchNetwork):
        def __init__(self, bands, channels, classes, patch_size, *, width: int = 4, **frame):
            spectral = AttentionRNN(bands, hidden=width)
            super().__init__(
                bands, channels, classes, patch_size, spectral, AttentionCNN(channels, patch_size, width=width), **frame
            )

    class Sizeless(nn.Module):
        def __init__(self, width: int = 3):
            super().__init__()

    class WrongShape(nn.Linear):
        def __init__(self, bands, classes):
            super().__init__(bands, classes + 1)

    class Failing(nn.Linear):
        def __init__(self, bands, classes):
            super().__init__(bands + 1, classes)

    def function(bands, classes):
        return nn.Linear(bands, classes)
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of networks on the path, under a name that no other test has; returns the name."""
    name = f"nets_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(textwrap.dedent(MODULE))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(own, "_used", set())
    monkeypatch.delenv("HSIATTN_NETWORKS", raising=False)
    yield name
    sys.modules.pop(name, None)


@pytest.fixture
def installed(module, tmp_path):
    """The same, with the class Spectral registered as an entry point."""
    info = tmp_path / "nets-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: nets\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[hsiattn.networks]\nplain-spectrum = {module}:Spectral\n")
    importlib.invalidate_caches()
    return module


def _pixels(count=5):
    valid = torch.rand(count, 5, 5) > 0.3
    return torch.randn(count, 12), torch.randn(count, 3, 5, 5), valid


def _only_in_file(name, weights=None, **arguments):
    return load_network(weights or {}, name, **SIZES, **arguments)


# -- what is made of a class -------------------------------------------------------------------------------------------


def test_a_module_of_spectra_gets_spectra_and_is_evaluated_on_whole_tiles(module):
    network = create_network(f"{module}:Spectral", **SIZES, hidden=3).eval()
    spectra, patches, valid = _pixels()
    assert network.module[0].out_features == 3
    assert torch.equal(network(spectra, patches, valid), network.module(spectra))
    tile = torch.randn(12, 6, 7)
    dense = network.dense(tile, torch.randn(3, 10, 11))
    torch.testing.assert_close(dense.flatten(1).T, network.module(tile.flatten(1).T))
    assert dense.shape == (4, 6, 7)


def test_a_module_of_patches_gets_patches_in_which_missing_neighbours_are_zero(module):
    network = create_network(f"{module}:Spatial", **SIZES).eval()
    spectra, patches, valid = _pixels()
    assert not network.dense_capable
    assert torch.equal(network(spectra, patches), network.module(patches))
    torch.testing.assert_close(network(spectra, patches, valid), network.module(patches * valid[:, None]))
    disturbed = torch.where(valid[:, None], patches, torch.nan)
    assert torch.equal(network(spectra, disturbed, valid), network(spectra, patches, valid))


def test_a_module_of_both_gets_both_and_may_have_an_argument_of_any_name(module):
    network = create_network(f"{module}:Both", **SIZES, kind="mean").eval()
    spectra, patches, _ = _pixels()
    assert torch.equal(network(spectra, patches), network.module(spectra, patches))


def test_a_network_on_the_frame_of_ours_is_one_of_ours(module):
    network = create_network(f"{module}:Framed", **SIZES, width=6, dropout=0.1).eval()
    assert isinstance(network, SpectralSpatialNetwork)
    assert network.dropout.p == 0.1
    assert network.dense_capable
    assert network_class(f"{module}:Framed") is type(network)
    assert network_class(f"{module}:Spatial") is ModuleNetwork


def test_weights_come_back(module):
    network = create_network(f"{module}:Spatial", **SIZES).eval()
    twin = _only_in_file(f"{module}:Spatial", network.state_dict())
    pixels = _pixels()
    assert torch.equal(twin(*pixels), network(*pixels))


@pytest.mark.parametrize("around", ["ensemble", "test-time-augmentation"])
def test_it_may_be_a_member_of_others(module, around):
    network = create_network(around, **SIZES, member=f"{module}:Spatial").eval()
    assert network(*_pixels()).shape == (5, 4)


def test_an_installed_package_registers_a_name(installed):
    network = create_network("plain-spectrum", **SIZES, hidden=3)
    assert type(network.module).__module__ == installed
    with pytest.raises(RecipeError, match=r"choose one of any-sensor, .*plain-spectrum"):
        create_network("plain-spektrum", **SIZES)


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments", "match"),
    [
        ("{}:Spectral", {"hiden": 3}, "has no argument hiden; it takes hidden"),
        ("{}:Spectral", {"hidden": "many"}, "hidden should be a valid integer"),
        ("{}:Spatial", {"width": 3}, "has no argument width; it takes none"),
        ("{}:Sizeless", {}, "asks for neither bands nor channels"),
        ("{}:WrongShape", {}, r"gives \(2, 5\) for two pixels, not \(2, 4\)"),
        ("{}:Failing", {}, "fails on two pixels: mat1 and mat2"),
        ("{}:function", {}, "is no torch.nn.Module"),
        ("{}:Missing", {}, "cannot be imported: module .* has no attribute 'Missing'"),
        ("nowhere.nets:Net", {}, "cannot be imported: No module named 'nowhere'; install the package"),
        ("os:system", {}, "is no torch.nn.Module"),
        ("grouped ssan", {}, "there is no network 'grouped ssan'; choose one of"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line_before_a_scene_is_read(module, name, arguments, match):
    before = torch.get_rng_state()
    with pytest.raises(RecipeError, match=match) as caught:
        check_network(name.format(module), **SIZES, **arguments)
    assert "\n" not in str(caught.value)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "arguments", "match"),
    [
        (
            "grouped-ssan",
            {"attention_arguments": {"merg": "residual"}},
            "spatial-gate has no argument merg; it takes bro",
        ),
        (
            "grouped-ssan",
            {"attention_arguments": {"merge": "add"}},
            "spatial-gate: merge should be 'multiply' or 'resi",
        ),
        (
            "grouped-ssan",
            {"attention": "se", "attention_arguments": {"reduction": "a"}},
            "se: reduction should be a valid",
        ),
        (
            "grouped-ssan",
            {"spectral_attention_arguments": {"size": 3}},
            "additive has no argument size; it takes atten",
        ),
        (
            "grouped-ssan",
            {"pooling": "max", "pooling_arguments": {"random_shift": "far"}},
            "max: random_shift should be",
        ),
        ("grouped-ssan", {"spectral_pooling": "hybrid", "spectral_pooling_arguments": {"detail": 1}}, "hybrid: detail"),
        (
            "ssan",
            {"hidden": 3, "pooling_arguments": {"kernel": 3}},
            "max has no argument kernel; it takes random_shift",
        ),
        ("gsa", {"spectral": {"hiden": 3}}, "spectral has no argument hiden; it takes group, embedding, hidden"),
        ("smlp", {"spectral": {"group": "a"}}, "spectral: group should be a valid integer"),
        ("ensemble", {"member_arguments": {"widht": 3}}, "network 'grouped-ssan' has no argument widht"),
    ],
)
def test_a_wrong_argument_of_a_part_is_refused_by_the_names_of_both(name, arguments, match):
    with pytest.raises(RecipeError, match=match) as caught:
        check_network(name, **SIZES, **arguments)
    assert "\n" not in str(caught.value)


def test_checking_a_network_leaves_random_numbers_as_they_were():
    before = torch.get_rng_state()
    check_network("grouped-ssan", **SIZES)
    assert torch.equal(torch.get_rng_state(), before)


# -- what a model file may import --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["os:system", "builtins:exec", "torch.nn:Linear", "{}:Spectral"])
@pytest.mark.parametrize("member", [False, True])
def test_a_file_has_nothing_imported_that_nobody_allows(module, name, member):
    name = name.format(module)
    wanted = ("ensemble", {"member": name}) if member else (name, {})
    with pytest.raises(ModelFileError, match=r"may not import it here; if you trust .* set HSIATTN_NETWORKS="):
        _only_in_file(wanted[0], **wanted[1])
    with pytest.raises(ModelFileError, match="may not import"):
        check_allowed(*wanted)
    assert module not in sys.modules


@pytest.mark.parametrize("allowed", ["{0}:Spectral", "other:Net,{0}", "other {0}:Spectral"])
def test_the_environment_allows_a_class_or_a_module(module, allowed, monkeypatch):
    monkeypatch.setenv("HSIATTN_NETWORKS", allowed.format(module))
    with pytest.raises(ValueError, match=r"lacks module\.0\.bias"):  # so it was made
        _only_in_file(f"{module}:Spectral")


@pytest.mark.parametrize("allowed", ["{0}:Spectra", "{0}:Spectral2", "net", ","])
def test_names_that_only_begin_alike_are_not_allowed(module, allowed, monkeypatch):
    monkeypatch.setenv("HSIATTN_NETWORKS", allowed.format(module))
    with pytest.raises(ModelFileError, match="may not import"):
        _only_in_file(f"{module}:Spectral")


def test_what_is_allowed_must_still_be_a_module_and_installed(module, monkeypatch):
    monkeypatch.setenv("HSIATTN_NETWORKS", "os,nowhere")
    with pytest.raises(ModelFileError, match=r"os:system is no torch\.nn\.Module"):
        _only_in_file("os:system")
    with pytest.raises(ModelFileError, match="No module named 'nowhere'; install the package that has it"):
        _only_in_file("nowhere:Net")


def test_what_a_package_registers_is_allowed_by_name_and_by_path(installed):
    for name in ("plain-spectrum", f"{installed}:Spectral"):
        with pytest.raises(ValueError, match="lacks"):
            _only_in_file(name)
    with pytest.raises(ModelFileError, match="may not import"):
        _only_in_file(f"{installed}:Spatial")


def test_what_a_file_may_import_does_not_count_as_used(module, monkeypatch):
    monkeypatch.setenv("HSIATTN_NETWORKS", module)
    check_allowed(f"{module}:Spectral", {})
    monkeypatch.delenv("HSIATTN_NETWORKS")
    with pytest.raises(ModelFileError, match="may not import"):
        check_allowed(f"{module}:Spectral", {})


def test_a_name_that_nobody_here_registers_is_told_as_such():
    with pytest.raises(ModelFileError, match="there is no network 'theirs'; install the package that registers it"):
        _only_in_file("theirs")
    check_allowed("ensemble", {"member": "ensemble", "member_arguments": {"member": "ssan"}})
    assert "theirs" not in NETWORKS


# -- the example of help(hsiattn.networks), from training to map -------------------------------------------------------


@pytest.fixture
def example(tmp_path, monkeypatch):
    """The files of the example, on the path."""
    text = inspect.getdoc(hsiattn.networks)
    for name, content in re.findall(r"^([\w-]+\.\w+)::\n\n((?:(?:    .*)?\n)+)", text, flags=re.MULTILINE):
        (tmp_path / name).write_text(textwrap.dedent(content))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(own, "_used", set())
    yield tmp_path
    sys.modules.pop("mynets", None)


@pytest.mark.slow
def test_the_documented_example_trains_and_maps_and_its_file_asks_to_be_allowed(example, tiny, monkeypatch):
    quick = ["training.max_epochs=1", "training.max_per_class=20", "training.pseudo_labels.pixels=100"]
    recipe = load_recipe(example / "small-cnn.yaml", quick)
    classifier = SpectralSpatialClassifier(recipe, split="random", device="cpu")
    classifier.fit(open_scene(tiny.scene), open_labels(tiny.labels)).save(example / "model.hsiattn")
    assert isinstance(classifier.model_.network, ModuleNetwork)
    assert isinstance(classifier.model_.network.module, nn.Module)
    land_cover = classifier.predict(open_scene(tiny.scene))["land_cover"]
    again = SpectralSpatialClassifier.load(example / "model.hsiattn").predict(open_scene(tiny.scene))["land_cover"]
    np.testing.assert_array_equal(again, land_cover)
    monkeypatch.setattr(own, "_used", set())  # as in another process
    with pytest.raises(ModelFileError, match=r"model.hsiattn is not a usable model: its network mynets:SmallCNN"):
        read_model(example / "model.hsiattn")
    command = [sys.executable, "-m", "hsiattn", "classify", str(tiny.scene), str(example / "map.tif")]
    command += ["--model", str(example / "model.hsiattn"), "--workers", "2"]
    path = os.pathsep.join([str(example), *sys.path])
    for allowed, status in (("", 1), ("mynets:SmallCNN", 0)):
        environment = {**os.environ, "PYTHONPATH": path, "HSIATTN_NETWORKS": allowed}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        assert allowed or "set HSIATTN_NETWORKS=mynets:SmallCNN" in done.stderr
    assert (example / "map.tif").exists()
