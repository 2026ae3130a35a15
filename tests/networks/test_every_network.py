"""One battery of checks that every network must pass."""

import resource

import pytest
import torch
from torch.nn import functional

from hsiattn.errors import RecipeError
from hsiattn.networks import (
    NETWORKS,
    AugmentedAtTestTime,
    FittedNetwork,
    WithPrior,
    create_network,
    load_network,
    network_class,
    patches_of_tile,
)

BANDS, CHANNELS, CLASSES, PATCH = 20, 3, 4, 7
GROUPED = {"hidden": 8, "width": 6, "embedding": 5, "group": 6}
HIERARCHICAL = {"width": 8, "heads": 2, "feedforward": 8, "depth": 1, "groups": 3}
VARIANTS = {
    "ssan": ("ssan", {"hidden": 8}),
    "ssan, other parts": (
        "ssan",
        {
            "hidden": 8,
            "attention": "nl-sam",
            "spectral_attention": "se",
            "spectral_attention_arguments": {"reduction": 4},
            "pooling": "hybrid",
            "pooling_arguments": {"detail": "skip", "random_shift": "paper"},
        },
    ),
    "grouped-ssan": ("grouped-ssan", GROUPED),
    "grouped-ssan, no attention": ("grouped-ssan", GROUPED | {"attention": "none", "spectral_attention": "none"}),
    "grouped-ssan, other parts": (
        "grouped-ssan",
        GROUPED
        | {
            "attention": "condenser",
            "attention_at": "features",
            "pooling": "wavelet",
            "pooling_arguments": {"wavelet": "db2"},
            "spectral_attention": "gsa",
            "spectral_pooling": "max",
        },
    ),
    "grouped-ssan, attributes": (
        "grouped-ssan",
        GROUPED | {"attributes": [[1, 0], [1, 1], [0, 1], [0, 0]], "attribute_balance": 0.6},
    ),
    "grouped-ssan, grown": ("grouped-ssan", GROUPED | {"residual_blocks": 2, "spatial_blocks": 4}),
    "grouped-ssan, grown with poolings": (
        "grouped-ssan",
        GROUPED | {"pooling": "max", "attention": "none", "residual_blocks": 1, "spatial_blocks": 2},
    ),
    "gsa": ("gsa", {"width": 6, "heads": 2, "spectral": {"hidden": 8, "group": 6}}),
    "smlp": ("smlp", {"width": 6, "depths": [1, 1], "spectral": {"hidden": 8, "group": 6}}),
    "attendnet": ("attendnet", {"width": 12}),  # of 6, all inner channels may be dead from the start
    "attendnet-local": ("attendnet-local", {}),
    "attendnet-local, other parts": (
        "attendnet-local",
        {
            "norms": False,
            "stride": 4,
            "own_stems": False,
            "halving": False,
            "read_out": "mean-max",
            "stem_kernel": 3,
            "condenser_kernel": 3,
            "pepe_kernel": 9,
        },
    ),
    "ensemble": ("ensemble", {"members": 2, "member_arguments": GROUPED}),
    "ensemble, patchwise": ("ensemble", {"members": 2, "member": "hierarchical", "member_arguments": HIERARCHICAL}),
    "test-time augmentation": ("test-time-augmentation", {"member_arguments": GROUPED}),
    "test-time augmentation, four sides": ("test-time-augmentation", {"member_arguments": GROUPED, "orientations": 4}),
    "test-time augmentation, pooling": (
        "test-time-augmentation",
        {"member_arguments": GROUPED | {"pooling": "max", "attention": "none"}},
    ),
    "test-time augmentation, patchwise": (
        "test-time-augmentation",
        {"member": "hierarchical", "member_arguments": HIERARCHICAL},
    ),
    "with-prior": ("with-prior", {"member_arguments": GROUPED, "patterns": 12, "axes": 2, "cells": 3}),
    "with-prior, patchwise": ("with-prior", {"member": "hierarchical", "member_arguments": HIERARCHICAL}),
    "hierarchical": ("hierarchical", HIERARCHICAL),
    "any-sensor": ("any-sensor", {"width": 12, "features": 8, "dropout": 0.0}),
    "any-sensor, classes of several": (
        "any-sensor",
        {"width": 12, "features": 8, "dropout": 0.0, "members": [[0], [1, 2], [1], [2]], "encoders": 2},
    ),
    "hierarchical, pixels": ("hierarchical", HIERARCHICAL | {"windows": "pixel"}),
}

PATCHWISE = {  # blocks that see the whole patch, poolings that look beyond their cells, and the networks around them
    "ssan", "ssan, other parts", "grouped-ssan, other parts", "gsa", "smlp", "attendnet", "hierarchical",
    "hierarchical, pixels", "ensemble, patchwise", "test-time augmentation, patchwise",
    "with-prior, patchwise",
}  # fmt: skip
ONE_OF_EACH = {name: variant for variant, (name, _) in reversed(VARIANTS.items())}


def _create(variant: str):
    name, arguments = VARIANTS[variant]
    return create_network(name, bands=BANDS, channels=CHANNELS, classes=CLASSES, patch_size=PATCH, **arguments)


@pytest.fixture(params=sorted(VARIANTS))
def variant(request) -> str:
    return request.param


one_of_each_kind = pytest.mark.parametrize("variant", ONE_OF_EACH.values(), ids=ONE_OF_EACH)


def _remember_something(network: WithPrior) -> None:
    for memory in (network.projection, network.centres):
        memory.normal_()
    network.saliency.uniform_()
    network.remembered[0] = False
    for setting, value in ((network.weight, 0.5), (network.temperature, 1.5), (network.least_doubt, 0.05)):
        setting.fill_(value)


@pytest.fixture
def network(variant):
    torch.manual_seed(0)
    network = _create(variant)
    for parameter in network.parameters():  # away from zero starts, so that every part has an influence
        parameter.data += 0.1 * torch.randn_like(parameter)
    if isinstance(network, WithPrior):
        _remember_something(network)
    return network


def _pixels(count: int = 6, missing: float = 0.0):
    generator = torch.Generator().manual_seed(1)
    valid = torch.rand(count, PATCH, PATCH, generator=generator) >= missing
    valid[:, PATCH // 2, PATCH // 2] = True
    patches = torch.randn(count, CHANNELS, PATCH, PATCH, generator=generator) * valid[:, None]
    return torch.randn(count, BANDS, generator=generator), patches, valid


def test_the_battery_knows_every_network_that_learns():
    learning = {name for name, kind in NETWORKS.items() if not issubclass(kind, FittedNetwork)}  # those have their own
    assert {name for name, _ in VARIANTS.values()} == learning


def test_logits_have_one_row_per_pixel_and_one_column_per_class(network):
    assert network(*_pixels(5)).shape == (5, CLASSES)
    assert network(*_pixels(1)).shape == (1, CLASSES)


@pytest.mark.parametrize("training", [False, True])
def test_features_come_with_the_logits_of_the_network(network, training):
    network.train(training)
    seen = _pixels(5, missing=0.3)
    results = []
    for evaluate in (network.forward_with_features, network):
        torch.manual_seed(4)  # the same units are dropped
        results.append(evaluate(*seen))
    (logits, features), alone = results
    torch.testing.assert_close(logits, alone, atol=1e-5, rtol=1e-4)
    assert features.ndim == 2
    assert len(features) == 5
    assert torch.isfinite(features).all()


@pytest.mark.parametrize("variant", sorted(VARIANTS.keys() - PATCHWISE))
def test_dense_features_are_those_of_every_patch(network):
    network.eval()
    torch.manual_seed(2)
    valid = torch.rand(5 + PATCH - 1, 8 + PATCH - 1) >= 0.3
    components = torch.randn(CHANNELS, *valid.shape) * valid
    spectra = torch.randn(BANDS, 5, 8)
    patches, neighbours = patches_of_tile(components, valid, PATCH)
    with torch.inference_mode():
        dense = network.dense_with_features(spectra, components, valid)
        each = network.forward_with_features(spectra.flatten(1).T, patches.flatten(0, 1), neighbours.flatten(0, 1))
    for of_tile, of_patches in zip(dense, each, strict=True):
        torch.testing.assert_close(of_tile.flatten(1).T, of_patches, atol=1e-4, rtol=1e-4)


def test_a_pixel_does_not_depend_on_the_others_in_its_batch(network):
    network.eval()
    spectra, patches, valid = _pixels(6, missing=0.3)
    together = network(spectra, patches, valid)
    alone = torch.cat([network(spectra[i : i + 1], patches[i : i + 1], valid[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_every_parameter_learns(network):
    functional.cross_entropy(network(*_pixels(8)), torch.arange(8) % CLASSES).backward()
    silent = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


def test_missing_neighbours_have_no_influence(network):
    network.eval()
    spectra, patches, valid = _pixels(6, missing=0.4)
    disturbed = torch.where(valid[:, None], patches, 1e3)
    torch.testing.assert_close(network(spectra, disturbed, valid), network(spectra, patches, valid))


def test_no_mask_means_that_all_neighbours_are_there(network):
    network.eval()
    spectra, patches, valid = _pixels(4)
    torch.testing.assert_close(network(spectra, patches), network(spectra, patches, valid))


def test_reversing_the_spectrum_changes_the_result(network):
    network.eval()
    spectra, patches, valid = _pixels(4)
    assert not torch.allclose(network(spectra, patches, valid), network(spectra.flip(1), patches, valid), atol=1e-4)


@one_of_each_kind
def test_bfloat16_autocast_stays_close(network):
    network.eval()
    exact = network(*_pixels())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = network(*_pixels()).float()
    assert (mixed - exact).abs().max() < 0.05 * (1 + exact.abs().max())


@pytest.mark.parametrize("missing", [0.0, 0.35])
@pytest.mark.parametrize("size", [(1, 1), (5, 8), (11, 3)])
@pytest.mark.parametrize("variant", sorted(VARIANTS.keys() - PATCHWISE))
def test_dense_evaluation_equals_every_patch_on_its_own(network, size, missing):
    network.eval()
    torch.manual_seed(2)
    height, width = size
    valid = torch.rand(height + PATCH - 1, width + PATCH - 1) >= missing
    components = torch.randn(CHANNELS, *valid.shape) * valid
    spectra = torch.randn(BANDS, height, width)
    patches, neighbours = patches_of_tile(components, valid, PATCH)
    with torch.inference_mode():  # as maps are made, and where some parts have a way of their own
        dense = network.dense(spectra, components, valid)
        one_by_one = network(spectra.flatten(1).T, patches.flatten(0, 1), neighbours.flatten(0, 1))
    assert network.dense_capable
    assert dense.shape == (CLASSES, height, width)
    torch.testing.assert_close(dense.flatten(1).T, one_by_one, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("variant", sorted(PATCHWISE))
def test_a_network_that_sees_its_patch_as_a_whole_says_so(network):
    assert not network.dense_capable
    with pytest.raises(NotImplementedError, match="dense"):
        network.dense(*_pixels(1))


@one_of_each_kind
def test_a_few_pixels_can_be_learned_by_heart(network):
    torch.manual_seed(3)
    spectra, patches, valid = _pixels(12)
    targets = torch.arange(12) % CLASSES
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for step in range(200):
        quarters = step if isinstance(network, AugmentedAtTestTime) else 0  # as training does, it must see all sides
        sides = [torch.rot90(x.flip(-1) if quarters % 8 > 3 else x, quarters, (-2, -1)) for x in (patches, valid)]
        optimizer.zero_grad()
        each = network.train().member_logits(spectra, *sides)  # every member learns from its own errors
        torch.stack([functional.cross_entropy(logits, targets) for logits in each]).mean().backward()
        optimizer.step()
        if step % 8 == 7 and (network.eval()(spectra, patches, valid).argmax(dim=1) == targets).all():
            return
    pytest.fail("not after 200 steps")


@pytest.mark.filterwarnings("ignore:The tensor attribute:UserWarning")  # how nn.GRU keeps its weights
@pytest.mark.parametrize("variant", ["grouped-ssan", "hierarchical", "attendnet-local"])
def test_the_torch_exporter_captures_it(network):
    network.eval()
    inputs = _pixels(4)
    program = torch.export.export(network, inputs, strict=False)
    torch.testing.assert_close(program.module()(*inputs), network(*inputs), atol=1e-5, rtol=1e-4)


def test_unknown_names_and_arguments_are_refused_with_the_choices():
    with pytest.raises(RecipeError, match="ssan"):
        network_class("resnet")
    with pytest.raises(RecipeError, match="hidden"):
        create_network("ssan", bands=4, channels=4, classes=2, patch_size=27, hiden=3)
    with pytest.raises(RecipeError, match="odd"):
        create_network("ssan", bands=4, channels=4, classes=2, patch_size=8)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"width": "many"}, "width should be a valid integer.*'many'"),
        ({"attention_arguments": "abc"}, "attention_arguments should be a valid dictionary"),
        ({"attention_at": "output"}, "attention_at should be 'input' or 'features'"),
        ({"attributes": 3}, "attributes should be"),
        ({"attention": "squeeze"}, "no attention 'squeeze'; choose one of none, additive"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_by_its_name(arguments, match):
    with pytest.raises(RecipeError, match=match):
        create_network("grouped-ssan", bands=4, channels=4, classes=2, patch_size=5, **arguments)


def test_a_network_comes_back_from_its_weights(variant):
    name, arguments = VARIANTS[variant]
    arguments = {**arguments, "bands": BANDS, "channels": CHANNELS, "classes": CLASSES, "patch_size": PATCH}
    network = _create(variant)
    again = load_network(network.state_dict(), name, **arguments)
    assert not again.training
    for key, value in network.state_dict().items():
        assert torch.equal(again.state_dict()[key], value)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda weights: weights.pop("output.bias"), "its network lacks output.bias"),
        (lambda weights: weights.update(more=torch.zeros(1)), "its network does not know more"),
        (
            lambda weights: weights.update({"output.bias": torch.zeros(5)}),
            r"output.bias has the shape \(5,\), not \(4,\)",
        ),
        (
            lambda weights: weights.update({"output.bias": torch.zeros(4).double()}),
            "output.bias is of type torch.float64",
        ),
    ],
)
def test_weights_of_another_network_are_refused_by_the_first_that_differs(change, complaint):
    sizes = {"bands": BANDS, "channels": CHANNELS, "classes": CLASSES, "patch_size": PATCH, "hidden": 2}
    weights = dict(create_network("ssan", **sizes).state_dict())
    change(weights)
    with pytest.raises(ValueError, match=complaint):
        load_network(weights, "ssan", **sizes)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("grouped-ssan", {"hidden": 10**5}),
        ("grouped-ssan", {"width": 10**9}),
        ("ensemble", {"members": 10**6}),
        ("hierarchical", {"depth": 10**9}),
        ("smlp", {"depths": [10**9]}),
        ("attendnet-local", {"depth": 10**9}),
        ("attendnet-local", {"group": 10**9, "stride": 1}),
        ("ssan", {"hidden": 2**62}),
        ("gsa", {"heads": 0}),
    ],
)
def test_a_network_beyond_all_use_is_refused_without_memory(name, arguments):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(RecipeError, match=r"network '.*' refuses its arguments") as caught:
        create_network(name, bands=BANDS, channels=CHANNELS, classes=CLASSES, patch_size=PATCH, **arguments)
    assert "\n" not in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB
