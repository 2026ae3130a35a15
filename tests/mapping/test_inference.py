"""Probabilities of a tile, by whichever way, against the network on one patch at a time."""

import numpy as np
import pytest
import torch

from hsiattn.mapping import evaluate_patchwise, evaluate_tile, inference
from hsiattn.networks import create_network

BANDS, CHANNELS, CLASSES, PATCH = 9, 2, 3, 5
ARGUMENTS = {"grouped-ssan": {"hidden": 4, "width": 4, "embedding": 4}, "ssan": {"hidden": 4}}


@pytest.fixture(params=sorted(ARGUMENTS))
def network(request):
    torch.manual_seed(0)
    sizes = {"bands": BANDS, "channels": CHANNELS, "classes": CLASSES, "patch_size": PATCH}
    network = create_network(request.param, **sizes, **ARGUMENTS[request.param]).eval()
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return network


def _tile(height, width, missing=0.2):
    rng = np.random.default_rng(3)
    valid = rng.random((height + PATCH - 1, width + PATCH - 1)) >= missing
    components = (rng.normal(size=(CHANNELS, *valid.shape)) * valid).astype(np.float32)
    return rng.normal(size=(BANDS, height, width)).astype(np.float32), components, valid


def _shares(network, *tile, **options):
    return torch.softmax(evaluate_tile(network, *tile, **options), dim=0).numpy()


def _one_by_one(network, spectra, components, valid):
    height, width = spectra.shape[1:]
    shares = np.empty((CLASSES, height, width))
    with torch.no_grad():
        for i in range(height):
            for j in range(width):
                parts = (
                    spectra[:, i, j],
                    components[:, i : i + PATCH, j : j + PATCH],
                    valid[i : i + PATCH, j : j + PATCH],
                )
                logits = network(*(torch.from_numpy(np.ascontiguousarray(part))[None] for part in parts))[0]
                exponentials = np.exp(logits.double().numpy())
                shares[:, i, j] = exponentials / exponentials.sum()
    return shares


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (6, 4)])
def test_a_tile_has_the_probabilities_of_its_patches(network, size, missing):
    spectra, components, valid = _tile(*size, missing)
    shares = _shares(network, spectra, components, valid, np.ones(size, dtype=bool))
    assert shares.shape == (CLASSES, *size)
    assert shares.dtype == np.float32
    np.testing.assert_allclose(shares, _one_by_one(network, spectra, components, valid), atol=1e-5)
    np.testing.assert_allclose(shares.sum(axis=0), 1, atol=1e-5)


@pytest.mark.parametrize("network", ["grouped-ssan"], indirect=True)
def test_dense_and_patchwise_evaluation_agree(network):
    assert network.dense_capable
    tile = _tile(8, 9)
    wanted = np.ones((8, 9), dtype=bool)
    dense = _shares(network, *tile, wanted)
    network.dense_capable = False
    np.testing.assert_allclose(_shares(network, *tile, wanted), dense, atol=1e-5)


def test_pixels_that_are_not_wanted_do_not_change_those_that_are(monkeypatch, network):
    monkeypatch.setattr(inference, "_BATCH", 7)
    spectra, components, valid = _tile(6, 8)
    wanted = np.random.default_rng(0).random((6, 8)) < 0.4
    some = _shares(network, spectra, components, valid, wanted)
    everything = _shares(network, spectra, components, valid, np.ones((6, 8), dtype=bool))
    np.testing.assert_allclose(some[:, wanted], everything[:, wanted], atol=1e-5)


def test_the_patchwise_way_computes_wanted_pixels_only(network):
    tensors = [torch.from_numpy(a) for a in _tile(4, 4)]
    wanted = torch.eye(4, dtype=torch.bool)
    with torch.inference_mode():
        logits = evaluate_patchwise(network, *tensors, wanted)
        assert not evaluate_patchwise(network, *tensors, torch.zeros_like(wanted)).any()
    assert not logits[:, ~wanted].any()
    assert logits[:, wanted].all()


def test_bfloat16_stays_close(network):
    tile = _tile(5, 5)
    wanted = np.ones((5, 5), dtype=bool)
    exact, mixed = (_shares(network, *tile, wanted, precision=p) for p in ("32", "bf16-mixed"))
    np.testing.assert_allclose(mixed, exact, atol=0.05)
    assert mixed.dtype == np.float32
