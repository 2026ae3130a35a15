"""Batch-norm statistics of another scene, against means over what the layers see."""

import pytest
import torch

from hsiattn.adaptation import adapt
from hsiattn.adaptation.norm_statistics import normalisations, renormalised
from hsiattn.networks import create_network


@pytest.fixture
def network():
    torch.manual_seed(0)
    return create_network("attendnet", bands=12, channels=4, classes=3, patch_size=5, width=4, depth=1).eval()


def _batches(count):
    generator = torch.Generator().manual_seed(1)
    for _ in range(count):
        patches = torch.randn(16, 4, 5, 5, generator=generator) * 2 + 1
        yield torch.randn(16, 12, generator=generator), patches, torch.ones(16, 5, 5, dtype=torch.bool), torch.zeros(16)


def test_statistics_are_the_mean_of_those_of_the_batches_and_weights_stay(network):
    first = normalisations(network)[0]
    seen = []
    handle = first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].transpose(0, 1).flatten(1)))
    for spectra, patches, valid, _ in _batches(3):
        network(spectra, patches, valid)
    handle.remove()
    found = renormalised(network, _batches(3))
    expected = torch.stack([each.mean(dim=1) for each in seen]).mean(dim=0)
    spread = torch.stack([each.var(dim=1) for each in seen]).mean(dim=0)
    torch.testing.assert_close(normalisations(found)[0].running_mean, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(normalisations(found)[0].running_variance, spread, rtol=1e-3, atol=1e-4)
    assert normalisations(found)[0].momentum == first.momentum
    for (name, one), two in zip(network.named_parameters(), found.parameters(), strict=True):
        assert torch.equal(one, two), name
    assert not found.training
    assert torch.equal(first.running_mean, torch.zeros_like(first.running_mean))  # the network itself is as it was


def test_networks_with_patches_are_adapted_too(fitted, tiny):
    from hsiattn.scenes import open_source

    found = adapt(fitted.model_, open_source(tiny.scene), device="cpu")
    assert found.kept
    assert "norm-statistics" in found.failed
    assert all(own.distance is not None for own in found.evidence.values())
