"""What is particular about the local AttendNet; what all networks have in common is in test_every_network.py."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from hsiattn.core import MaskedBatchNorm
from hsiattn.networks import LocalAttendNet
from hsiattn.networks.attendnet_local import UnpaddedCondenser, UnpaddedPEPE


def _trained(**arguments):
    """A network as after some training: no statistic, scale or weight at its start."""
    torch.manual_seed(0)
    network = LocalAttendNet(21, 3, 2, **arguments)
    for module in network.modules():
        if isinstance(module, MaskedBatchNorm):
            module.running_mean.normal_()
            module.running_variance.uniform_(0.5, 2.0)
    for parameter in network.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return network.eval()


def test_a_condenser_selects_by_what_surrounds_a_position():
    torch.manual_seed(0)
    block, x = UnpaddedCondenser(6, reduction=2, kernel=3), torch.randn(2, 6, 5, 5)
    weights = {name: layer.weight for name, layer in block.named_children()}
    condensed = functional.conv2d(
        functional.conv2d(x, weights["reduce"], block.reduce.bias), weights["depthwise"], groups=3
    )
    embedded = torch.relu(block.pointwise(torch.relu(condensed + block.depthwise.bias[:, None, None])))
    middle = x[:, :, 1:-1, 1:-1]
    result, mask = block(x, None)
    assert mask is None
    torch.testing.assert_close(result, middle + middle * torch.sigmoid(block.expand(embedded)) * block.scale)


def test_a_pepe_block_adds_what_it_sees_to_the_middle():
    torch.manual_seed(0)
    block, x = UnpaddedPEPE(6, reduction=2, expansion=2, kernel=3), torch.randn(2, 6, 5, 5)
    wide = torch.relu(block.expand(torch.relu(block.project(x))))
    seen = torch.relu(functional.conv2d(wide, block.depthwise.weight, block.depthwise.bias, groups=6))
    expected = x[:, :, 1:-1, 1:-1] + block.extend(torch.relu(block.project_again(seen)))
    torch.testing.assert_close(block(x, None)[0], expected)


@pytest.mark.parametrize(
    ("kernels", "expected"),
    [((1, 1, 3), [1, 3, 1, 3, 1, 3, 1, 3]), ((3, 3, 5), [3, 5]), ((1, 1, 9), [1, 9]), ((3, 1, 5), [1, 5, 1, 3])],
)
def test_blocks_follow_each_other_until_one_pixel_is_left(kernels, expected):
    stem, condenser, pepe = kernels
    spatial = _trained(stem_kernel=stem, condenser_kernel=condenser, pepe_kernel=pepe).spatial
    assert [block.kernel for block in spatial.blocks] == expected
    patch = torch.randn(1, 3, 9, 9, requires_grad=True)
    features = spatial(patch, None)
    assert features.shape == (1, 12, 1, 1)
    features.sum().backward()
    assert (patch.grad.abs().sum(dim=1) > 0).all()  # every neighbour has a say


@pytest.mark.parametrize("patch_size", [1, 3, 11])
def test_patches_of_other_sizes(patch_size):
    network = _trained(patch_size=patch_size, pepe_kernel=5)
    assert network(torch.randn(2, 21), torch.randn(2, 3, patch_size, patch_size)).shape == (2, 2)


@pytest.mark.parametrize("read_out", ["mean-max", "steps"])
@pytest.mark.parametrize("shape", [{"stride": 8, "depth": 3}, {"stride": 3, "own_stems": False, "norms": False}])
def test_columns_of_a_tile_are_the_features_of_every_spectrum(read_out, shape):
    spectral, spectra = _trained(read_out=read_out, halving="depth" in shape, **shape).spectral, torch.randn(700, 21)
    with torch.inference_mode():
        torch.testing.assert_close(spectral.columns(spectra.T).T, spectral(spectra), atol=1e-5, rtol=1e-5)


def test_groups_have_weights_of_their_own_or_share_them():
    spectra = torch.zeros(1, 21)
    spectra[0, 8:16] = 1.0
    own, shared = (_trained(own_stems=own).spectral for own in (True, False))
    assert own.weight.shape == (3, 12, 8)
    assert shared.weight.shape == (1, 12, 8)
    expected = torch.relu(own.weight[1].sum(dim=1) + own.bias[1, :, 0])
    torch.testing.assert_close(own._stem(spectra.T)[1, :, 0], expected)


def test_nothing_recurs_and_arguments_without_sense_are_refused():
    assert not any(isinstance(module, nn.GRU | nn.LSTM | nn.RNN) for module in LocalAttendNet(21, 3, 2).modules())
    for arguments, match in (
        ({"stride": 9}, "stride"),
        ({"pepe_kernel": 4}, "kernel must be odd"),
        ({"pepe_kernel": 1}, "no neighbour is seen"),
        ({"read_out": "last"}, "read_out"),
    ):
        with pytest.raises(ValueError, match=match):
            LocalAttendNet(21, 3, 2, **arguments)
