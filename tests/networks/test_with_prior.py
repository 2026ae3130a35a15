"""A network with a memory of spectra: its probabilities against a plain loop over pixels, blocks and classes."""

import math
from itertools import pairwise

import pytest
import torch

from hsiattn.errors import ModelFileError, RecipeError
from hsiattn.networks import WithPrior, check_allowed, create_network, load_network

BANDS, CHANNELS, CLASSES, PATCH, PATTERNS, AXES = 10, 4, 3, 5, 6, 2
SIZES = {"bands": BANDS, "channels": CHANNELS, "classes": CLASSES, "patch_size": PATCH}
MEMBER = {"member": "attendnet", "member_arguments": {"width": 4}}


def _network(cells: int = 3, weight: float = 0.6, **sizes) -> WithPrior:
    torch.manual_seed(0)
    arguments = {**SIZES, **MEMBER, "patterns": PATTERNS, "axes": AXES, "cells": cells, **sizes}
    network = create_network("with-prior", **arguments).eval()
    network.remember(
        projection=torch.randn(AXES, arguments["channels"] or BANDS),
        centres=torch.randn(PATTERNS, AXES),
        saliency=torch.rand(arguments["classes"], PATTERNS),
        remembered=torch.ones(arguments["classes"], dtype=torch.bool),
        weight=weight,
        temperature=1.7,
        least_doubt=0.05,
    )
    return network


def _pixels(count: int = 4, missing: float = 0.3):
    generator = torch.Generator().manual_seed(1)
    valid = torch.rand(count, PATCH, PATCH, generator=generator) >= missing
    valid[:, PATCH // 2, PATCH // 2] = True
    patches = torch.randn(count, CHANNELS, PATCH, PATCH, generator=generator)
    return torch.randn(count, BANDS, generator=generator), patches, valid


def _saliency_of(network: WithPrior, pixel: torch.Tensor) -> list[float]:
    place = network.projection @ pixel
    nearest = min(range(PATTERNS), key=lambda p: float((place - network.centres[p]).square().sum()))
    return network.saliency[:, nearest].tolist()


def _prior_by_hand(network: WithPrior, patch: torch.Tensor, valid: torch.Tensor) -> list[float]:
    edges = [round(n * PATCH / network.cells) for n in range(network.cells + 1)]
    whole = []
    for k in range(CLASSES):
        parts = []
        for top, bottom in pairwise(edges):
            for left, right in pairwise(edges):
                inside = [
                    _saliency_of(network, patch[:, row, column])[k]
                    for row in range(top, bottom)
                    for column in range(left, right)
                    if valid[row, column]
                ]
                if inside:
                    parts.append(sum(inside) / len(inside))
        best = sorted(parts, reverse=True)[: math.ceil(len(parts) / 2)]
        whole.append(sum(best) / len(best))
    return [0.999 * value / sum(whole) + 0.001 / CLASSES for value in whole]


@pytest.mark.parametrize("cells", [1, 2, 3, 5])
def test_the_prior_is_what_a_loop_over_pixels_and_blocks_finds(cells):
    network = _network(cells)
    spectra, patches, valid = _pixels()
    found = network.prior(spectra, patches, valid)
    for row, patch, there in zip(found, patches, valid, strict=True):
        assert row.tolist() == pytest.approx(_prior_by_hand(network, patch, there), abs=1e-5)


def test_probabilities_are_the_normalised_product_of_powers_of_both():
    network = _network()
    pixels = _pixels()
    own = torch.softmax(network.member(*pixels) / 1.7, dim=1) * 0.95 + 0.05 / CLASSES
    product = own**0.4 * network.prior(*pixels) ** 0.6
    found = network(*pixels).softmax(dim=1)
    torch.testing.assert_close(found, product / product.sum(dim=1, keepdim=True), atol=1e-5, rtol=1e-4)


def test_without_weight_probabilities_are_those_of_the_network():
    network, pixels = _network(weight=0.0), _pixels()
    alone = torch.softmax(network.member(*pixels) / 1.7, dim=1)
    torch.testing.assert_close(network(*pixels).softmax(dim=1), alone, atol=1e-6, rtol=1e-5)


def test_a_pattern_that_says_nothing_changes_no_answer():
    network, pixels = _network(), _pixels(32)
    network.saliency.fill_(1 / CLASSES)
    torch.testing.assert_close(network.prior(*pixels), torch.full((32, CLASSES), 1 / CLASSES))
    assert torch.equal(network(*pixels).argmax(dim=1), network.member(*pixels).argmax(dim=1))


def test_a_pixel_that_is_like_nothing_seen_says_nothing():
    network, (spectra, patches, valid) = _network(), _pixels()
    network.reach.fill_(400.0)
    far = network.prior(spectra, 1e3 * patches, valid)
    torch.testing.assert_close(far, torch.full((len(far), CLASSES), 1 / CLASSES))
    near = network.prior(spectra, patches, valid)
    assert near.tolist()[0] == pytest.approx(_prior_by_hand(network, patches[0], valid[0]), abs=1e-5)


def test_a_class_outside_the_memory_is_left_to_the_network():
    network, pixels = _network(), _pixels()
    network.remembered[1] = False
    assert network.prior(*pixels)[:, 1].eq(0).all()
    network.remembered[:] = False  # all of them
    alone = torch.softmax(network.member(*pixels) / 1.7, dim=1) * 0.95 + 0.05 / CLASSES
    torch.testing.assert_close(network(*pixels).softmax(dim=1), alone, atol=1e-5, rtol=1e-4)


def test_the_memory_has_no_parameters_and_no_gradient():
    network = _network()
    assert {name.split(".")[0] for name, _ in network.named_parameters()} == {"member"}
    spectra, patches, valid = _pixels()
    spectra.requires_grad_()
    patches.requires_grad_()
    assert not network.prior(spectra, patches, valid).requires_grad
    network(spectra, patches, valid).sum().backward()
    assert patches.grad is not None


@pytest.mark.parametrize("weight", [0.0, 0.6])
def test_a_network_that_is_very_sure_still_has_a_gradient_to_attack(weight):
    network = _network(weight=weight)
    with torch.no_grad():
        network.member.refinement.weight *= 1e4  # other classes have a probability that float32 does not know
    spectra = torch.randn(6, BANDS, requires_grad=True)
    logits = network(spectra, torch.randn(6, CHANNELS, PATCH, PATCH))
    (slope,) = torch.autograd.grad(logits.amax(dim=1).sum() - logits.amin(dim=1).sum(), spectra)
    assert torch.isfinite(logits).all()
    assert torch.isfinite(slope).all()
    if weight == 0:
        assert (slope.abs().sum(dim=1) > 0).all()


def test_a_softened_memory_has_a_gradient_and_comes_near_to_the_nearest_pattern():
    network = _network()
    spectra, patches, valid = _pixels()
    patches.requires_grad_()
    soft = network.softened(0.5).prior(spectra, patches, valid)
    (gradient,) = torch.autograd.grad(soft[:, 0].sum(), patches)
    assert gradient.abs().sum() > 0
    exact = network.prior(spectra, patches, valid)
    assert (network.softened(1e-4).prior(spectra, patches, valid) - exact).abs().max() < 0.01
    assert network.softness is None  # the network itself stays as it is


def test_without_components_the_memory_knows_the_spectrum_of_the_pixel_alone():
    network = _network(channels=0, cells=1, patch_size=1, member="discriminant", member_arguments={})
    torch.manual_seed(3)
    network.member.fit(torch.randn(30, BANDS), torch.empty(30, 0, 1, 1), None, torch.arange(30) % CLASSES)
    spectra = torch.randn(6, BANDS)
    found = network.prior(spectra, torch.empty(6, 0, 1, 1))
    for row, spectrum in zip(found, spectra, strict=True):
        salient = torch.tensor(_saliency_of(network, spectrum))
        torch.testing.assert_close(row, 0.999 * salient / salient.sum() + 0.001 / CLASSES, atol=1e-5, rtol=1e-4)
    tile = spectra.T.reshape(BANDS, 2, 3)
    dense = network.dense(tile, torch.empty(0, 2, 3)).flatten(1).T
    torch.testing.assert_close(dense, network(spectra, torch.empty(6, 0, 1, 1)), atol=1e-4, rtol=1e-4)
    arguments = {"bands": BANDS, "channels": 0, "classes": CLASSES, "patch_size": 1, "member": "discriminant"}
    again = load_network(network.state_dict(), "with-prior", **arguments, patterns=PATTERNS, axes=AXES, cells=1)
    torch.testing.assert_close(again(spectra, torch.empty(6, 0, 1, 1)), network(spectra, torch.empty(6, 0, 1, 1)))


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"cells": 6}, "a window of 5 pixels has no 6 blocks in a row"),
        ({"axes": 5}, "patterns of 5 numbers cannot come from 4"),
        ({"patterns": 0}, "a memory of 0 patterns remembers nothing"),
    ],
)
def test_sizes_that_cannot_be_are_refused(wrong, complaint):
    with pytest.raises(RecipeError, match=complaint):
        create_network("with-prior", **SIZES, **MEMBER, **wrong)


def test_arrays_of_another_shape_are_no_memory():
    network = _network()
    given = {name: getattr(network, name) for name in ("projection", "centres", "saliency", "remembered")}
    with pytest.raises(ValueError, match=r"centres has the shape \(2, 2\), not \(6, 2\)"):
        network.remember(**given | {"centres": torch.zeros(2, 2)}, weight=0.5, temperature=1.0, least_doubt=0.1)


def test_a_file_may_not_bring_a_network_of_its_own_inside():
    with pytest.raises(ModelFileError, match="os:system"):
        check_allowed("with-prior", {"member": "os:system"})
