"""Hybrid pooling against its formula by PyWavelets, and the way of the details through the stages."""

import inspect
import math

import numpy as np
import pytest
import pywt
import torch

import hsiattn.core.pooling.hybrid
from hsiattn.core.pooling import HybridPooling, MaxPooling


def _map(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def _trained(pooling, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for parameter in pooling.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return pooling.double()


def _expected(pooling, x, wavelet):
    """Values by PyWavelets and numpy alone, for images."""
    low, high = pywt.dwt2(x.numpy(), wavelet, mode="periodization")
    side = x.shape[-1]
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), *((0, s % 2) for s in x.shape[2:])), constant_values=-np.inf)
    largest = np.maximum.reduce([padded[..., i::2, j::2] for i in (0, 1) for j in (0, 1)])
    assert largest.shape[-1] == (side + 1) // 2
    share = 1 / (1 + np.exp(-pooling.balance.detach().numpy()))
    weight, bias = (p.detach().numpy() for p in (pooling.condense.weight, pooling.condense.bias))
    detail = np.einsum("dc,nchw->ndhw", weight[:, :, 0, 0], np.concatenate(high, axis=1)) + bias[:, None, None]
    return share * largest + (1 - share) * low / 2, detail


@pytest.mark.parametrize("wavelet", ["haar", "db2", "bior2.2"])
@pytest.mark.parametrize("sides", [(8, 8), (7, 5)])
@pytest.mark.parametrize("detail", ["concat", "skip"])
def test_values_follow_the_formula(wavelet, sides, detail):
    x = _map(2, 5, *sides)
    pooling = _trained(HybridPooling(5, wavelet=wavelet, detail=detail, detail_channels=3))
    values, mask, details = pooling(x, None)
    mixed, condensed = _expected(pooling, x, wavelet)
    np.testing.assert_allclose(values.detach().numpy(), np.concatenate([mixed, condensed], axis=1), atol=1e-10)
    assert mask is None
    assert (details is None) == (detail == "concat")


def test_sequences_divide_by_the_square_root_of_2():
    x = _map(2, 4, 9)
    pooling = _trained(HybridPooling(4, wavelet="db2", detail_channels=2, dimensions=1))
    low, high = pywt.dwt(x.numpy(), "db2", mode="periodization")
    share = torch.sigmoid(pooling.balance.detach())
    mixed = share * MaxPooling(4, dimensions=1)(x) + (1 - share) * torch.from_numpy(low) / math.sqrt(2)
    condensed = pooling.condense(torch.from_numpy(high))
    torch.testing.assert_close(pooling(x), torch.cat([mixed, condensed], dim=1), atol=1e-10, rtol=0)


def test_carried_details_are_added_after_a_further_transform():
    first, second = (_trained(HybridPooling(c, detail="skip", detail_channels=2), seed=c) for c in (4, 6))
    x, y = _map(2, 4, 14, 14), _map(2, 6, 7, 7, seed=1)
    details = first(x, None).details
    assert torch.equal(details, first(x)[:, 4:])
    values, _, carried = second(y, None, details)
    low = torch.from_numpy(pywt.dwt2(details.detach().numpy(), "haar", mode="periodization")[0])
    torch.testing.assert_close(carried, second(y, None).details + low / 2, atol=1e-10, rtol=0)
    assert torch.equal(values[:, 6:], carried)
    assert torch.equal(values[:, :6], second(y)[:, :6])


def test_details_of_the_first_stage_reach_the_last():
    """The claim of the abstract: lost details enrich other stages."""
    stages = [_trained(HybridPooling(3, detail="skip", detail_channels=2), seed=seed) for seed in range(3)]
    edges = torch.ones(1, 3, 16, 16, dtype=torch.float64)
    edges[..., 1::2] = -1  # a texture of one pixel, of which an average over cells keeps nothing
    flat = torch.ones(1, 3, 16, 16, dtype=torch.float64)
    results = []
    for x in (edges, flat):
        details = None
        for stage in stages:
            _, _, details = stage(x, None, details)
            x = flat[..., : x.shape[-1] // 2, : x.shape[-1] // 2]  # the main path forgets the texture
        results.append(details)
    assert (results[0] - results[1]).abs().max() > 0.01


def test_concat_takes_no_notice_of_earlier_details():
    pooling, x = HybridPooling(3, detail_channels=2).double(), _map(2, 3, 6, 6)
    assert torch.equal(pooling(x, None, _map(2, 2, 6, 6)).values, pooling(x))


def test_a_fresh_pooling_mixes_half_and_half():
    x = _map(2, 3, 6, 6)
    low = pywt.dwt2(x.numpy(), "haar", mode="periodization")[0]
    mixed = HybridPooling(3).double()(x)[:, :3]
    torch.testing.assert_close(mixed, (MaxPooling(3)(x) + torch.from_numpy(low) / 2) / 2)


@pytest.mark.parametrize("dimensions", [1, 2])
@pytest.mark.parametrize("detail", ["concat", "skip"])
def test_with_identity_start_the_detail_channels_start_at_0_and_learn(dimensions, detail):
    x = _map(2, 4, *(6,) * dimensions)
    pooling = HybridPooling(4, detail=detail, dimensions=dimensions, identity_start=True).double()
    values = pooling(x)
    assert (values[:, 4:] == 0).all()
    assert (values[:, :4] != 0).all()
    (values * _map(*values.shape, seed=2)).sum().backward()
    assert all((p.grad != 0).all() for p in pooling.parameters())


@pytest.mark.parametrize(("channels", "detail_channels"), [(1, 1), (3, 8), (8, 5)])
@pytest.mark.parametrize("dimensions", [1, 2])
def test_parameters_and_outputs_follow_the_formula(channels, detail_channels, dimensions):
    pooling = HybridPooling(channels, detail_channels=detail_channels, dimensions=dimensions)
    bands = 3 if dimensions == 2 else 1
    assert sum(p.numel() for p in pooling.parameters()) == channels + (bands * channels + 1) * detail_channels
    assert pooling.outputs == channels + detail_channels


@pytest.mark.parametrize("arguments", [{"detail": "add"}, {"detail_channels": 0}, {"wavelet": "none"}])
def test_bad_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match=r"must be|no discrete wavelet"):
        HybridPooling(4, **arguments)


@pytest.mark.parametrize("shape", [(2, 3, 6, 6), (2, 2, 3, 3), (1, 2, 6, 6)])
def test_details_that_do_not_fit_are_refused(shape):
    with pytest.raises(ValueError, match="same in every stage"):
        HybridPooling(4, detail="skip", detail_channels=2)(torch.zeros(2, 4, 6, 6), None, torch.zeros(shape))


def test_the_module_says_that_it_is_a_reconstruction():
    assert "reconstruction" in inspect.getdoc(hsiattn.core.pooling.hybrid)
