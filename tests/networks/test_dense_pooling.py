"""Networks whose spatial branch pools, on whole tiles."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hsiattn.networks import GroupedSSAN, patches_of_tile

BANDS, CHANNELS, CLASSES = 6, 3, 4
POOLINGS = {
    "max": ("max", {}),
    "average": ("average", {}),
    "wavelet": ("wavelet", {}),
    "wavelet, mean": ("wavelet", {"mean_preserving": True}),
    "hybrid": ("hybrid", {"detail_channels": 3}),
    "hybrid, skip": ("hybrid", {"detail": "skip", "detail_channels": 3}),
    "max, shifted": ("max", {"random_shift": "full"}),
}


def _network(pooling, arguments, patch_size, **others) -> GroupedSSAN:
    network = GroupedSSAN(
        BANDS, CHANNELS, CLASSES, patch_size, group=3, embedding=3, hidden=3, width=5,
        pooling=pooling, pooling_arguments=arguments, **others,
    ).eval()  # fmt: skip
    for parameter in network.parameters():  # away from zero starts, so that every part has an influence
        parameter.data += 0.1 * torch.randn_like(parameter)
    return network


def _tile(patch_size, height, width, missing):
    valid = torch.rand(height + patch_size - 1, width + patch_size - 1) >= missing
    if missing:
        valid[: patch_size + 1, : patch_size // 2 + 2] = False  # a region
    return torch.randn(BANDS, height, width), torch.randn(CHANNELS, *valid.shape) * valid, valid


def _patchwise(network, spectra, components, valid):
    patches, neighbours = patches_of_tile(components, valid, network.patch_size)
    logits = network(spectra.flatten(1).T, patches.flatten(0, 1), neighbours.flatten(0, 1))
    return logits.T.reshape(CLASSES, *spectra.shape[1:])


@pytest.mark.parametrize("pooling", sorted(POOLINGS))
@settings(max_examples=30, deadline=None)
@given(
    patch_size=st.sampled_from([1, 3, 5, 7, 9, 11, 13]),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    missing=st.sampled_from([0.0, 0.1, 0.5, 0.95]),
    place=st.sampled_from(["none", "input", "features"]),
    seed=st.integers(0, 99),
)
def test_a_tile_gives_what_every_patch_gives(pooling, patch_size, height, width, missing, place, seed):
    torch.manual_seed(seed)
    others = {"attention": "none"} if place == "none" else {"attention_at": place if patch_size > 1 else "input"}
    network = _network(*POOLINGS[pooling], patch_size, **others)
    assert network.dense_capable
    spectra, components, valid = _tile(patch_size, height, width, missing)
    with torch.inference_mode():
        dense = network.dense(spectra, components, valid)
        torch.testing.assert_close(dense, _patchwise(network, spectra, components, valid), atol=1e-5, rtol=1e-5)
        if not missing:
            unmasked = network.dense(spectra, components)
            torch.testing.assert_close(unmasked, dense, atol=1e-5, rtol=1e-5)


def test_a_patch_of_27_pixels_with_five_poolings_gives_the_same_too():
    torch.manual_seed(0)
    network = _network("hybrid", {"detail": "skip"}, 27)
    inputs = _tile(27, 3, 4, 0.2)
    torch.testing.assert_close(network.dense(*inputs), _patchwise(network, *inputs), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("pooling", ["max", "hybrid"])
def test_bfloat16_stays_close(pooling):
    torch.manual_seed(0)
    network = _network(pooling, {}, 9)
    inputs = _tile(9, 6, 7, 0.2)
    exact = network.dense(*inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = network.dense(*inputs).float()
    assert (mixed - exact).abs().max() < 0.05 * (1 + exact.abs().max())


@pytest.mark.parametrize(
    ("pooling", "arguments", "others"),
    [
        ("wavelet", {"wavelet": "db2"}, {}),
        ("wavelet", {"weighted": True}, {}),
        ("hybrid", {"wavelet": "bior2.2"}, {}),
        ("wavelet", {"wavelet": "sym4", "random_shift": "paper"}, {}),
        ("max", {}, {"attention": "se"}),
        ("max", {}, {"attention": "condenser", "attention_at": "features"}),
    ],
)
def test_what_looks_beyond_its_cell_or_pixel_keeps_the_network_patchwise(pooling, arguments, others):
    network = _network(pooling, arguments, 9, **others)
    assert not network.dense_capable
    with pytest.raises(NotImplementedError, match="dense"):
        network.dense(*_tile(9, 3, 3, 0.0))
    with pytest.raises(ValueError, match="tiles"):
        network.spatial(torch.randn(1, CHANNELS, 12, 12), None)


def test_tiles_are_refused_in_training_where_cells_may_be_shifted():
    network = _network("max", {"random_shift": "full"}, 5).train()
    with pytest.raises(ValueError, match="evaluation"):
        network.dense(*_tile(5, 3, 3, 0.0))
