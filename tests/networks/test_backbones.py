"""What is particular about each backbone; what all have in common is in test_every_network.py."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from hsiattn.core import MaskedBatchNorm, with_positions
from hsiattn.networks import GSA, SMLP, SSAN, AttendNet, Hierarchical
from hsiattn.networks.hierarchical import EncoderSizes, GroupedBands, PixelsOfPatch

SIZES = EncoderSizes(width=4, heads=2, feedforward=4, depth=1, dropout=0.0)


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _influence(branch: nn.Module, side: int) -> torch.Tensor:
    """How much each pixel of a patch (1, 3, side, side) matters to a branch: (side, side)."""
    patch = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(1), requires_grad=True)
    features = branch.eval()(patch, None)
    (features * torch.randn(features.shape, generator=torch.Generator().manual_seed(2))).sum().backward()
    return patch.grad.abs().sum(dim=1)[0]


def _trained(branch: nn.Module) -> nn.Module:
    """A branch as after some training: no statistic, scale or weight at its start."""
    for module in branch.modules():
        if isinstance(module, MaskedBatchNorm):
            module.running_mean.normal_()
            module.running_variance.uniform_(0.5, 2.0)
    for parameter in branch.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return branch.eval()


def _centre_and_mean(x: torch.Tensor, centre: int) -> torch.Tensor:
    return torch.cat([x[:, :, centre, centre], x.mean(dim=(2, 3))], dim=1)


def test_gsa_is_residual_bottlenecks_normalised_before_each_layer():
    torch.manual_seed(0)
    branch, patches = _trained(GSA(12, 3, 2, 7, width=6, heads=2).spatial), torch.randn(4, 3, 7, 7)
    x = branch.stem(patches)
    for bottleneck in branch.bottlenecks:
        before, inside, after = bottleneck.norms
        reduced = bottleneck.reduce(torch.relu(before(x)))
        mixed = bottleneck.mix(torch.relu(inside(reduced)))
        x = x + bottleneck.expand(torch.relu(after(mixed)))
    expected = _centre_and_mean(torch.relu(branch.normalisation(x)), 3)
    torch.testing.assert_close(branch(patches, None)[..., 0, 0], expected, atol=1e-5, rtol=1e-4)


def test_smlp_adds_a_mix_of_positions_then_one_of_channels_and_halves_between_stages():
    torch.manual_seed(0)
    branch, patches = _trained(SMLP(12, 3, 2, 7, width=4, depths=(1, 1)).spatial), torch.randn(4, 3, 7, 7)
    first, halving, second = branch.layers
    x = branch.embedding(patches)
    for block in (first, second):
        if block is second:
            x = functional.conv2d(functional.pad(x, (0, 1, 0, 1)), halving.convolution.weight, stride=2)
        x = x + block.sparse(block.depthwise(functional.gelu(block.normalisation(x))))
        pixels = x.permute(0, 2, 3, 1)
        x = x + block.channel_mix(block.channel_norm(pixels)).permute(0, 3, 1, 2)
    expected = _centre_and_mean(branch.normalisation(x), 1)
    torch.testing.assert_close(branch(patches, None)[..., 0, 0], expected, atol=1e-5, rtol=1e-4)


def test_attendnet_is_pairs_of_condenser_and_pepe_block_each_normalised():
    torch.manual_seed(0)
    network = AttendNet(21, 3, 2, 7, width=4)
    spatial, spectral = _trained(network.spatial), _trained(network.spectral)
    patches, spectra = torch.randn(4, 3, 7, 7), torch.randn(4, 21)

    def paired(pair: nn.Module, x: torch.Tensor) -> torch.Tensor:
        return pair.norms[1](pair.pepe(pair.norms[0](pair.condenser(x))))

    x = torch.relu(spatial.stem(patches))
    for pair in spatial.pairs:
        x = paired(pair, x)
    torch.testing.assert_close(spatial(patches, None)[..., 0, 0], _centre_and_mean(x, 3), atol=1e-5, rtol=1e-4)
    places = torch.tensor([band / 10 - 1 for band in range(21)]).expand(4, -1)
    x = torch.relu(spectral.stem(torch.stack([spectra, places], dim=1)))
    for pair in spectral.pairs:
        x = functional.avg_pool1d(paired(pair, x), 2, ceil_mode=True, count_include_pad=False)
    expected = torch.cat([x.mean(dim=2), x.max(dim=2).values], dim=1)
    torch.testing.assert_close(spectral(spectra), expected, atol=1e-5, rtol=1e-4)


def test_hierarchical_encodes_the_steps_of_each_group_and_sums_all_of_them_up():
    torch.manual_seed(0)
    branch, spectra = _trained(GroupedBands(7, SIZES, groups=2, step=2)), torch.randn(3, 7)
    groups = spectra[:, :4].reshape(3, 2, 2), torch.cat([spectra[:, 4:], torch.zeros(3, 1)], dim=1).reshape(3, 2, 2)
    encoded = [
        encoder(with_positions(torch.relu(embedding(group))))
        for group, embedding, encoder in zip(groups, branch.embeddings, branch.encoders, strict=True)
    ]
    torch.testing.assert_close(branch(spectra), branch.summary(torch.cat(encoded, dim=1)))
    pixels = _trained(PixelsOfPatch(2, 3, SIZES, windows="pixel"))
    patches, mask = torch.randn(2, 2, 3, 3), torch.rand(2, 1, 3, 3) > 0.3
    vectors = pixels.components((patches * mask).flatten(2).mT.reshape(18, 2)).reshape(2, 9, 4)
    there = mask.flatten(1)
    expected = pixels.summary(pixels.encoder(with_positions(vectors), there), there)
    torch.testing.assert_close(pixels(patches, mask)[..., 0, 0], expected)


@pytest.mark.parametrize("network", [GSA, SMLP, AttendNet, Hierarchical])
def test_every_pixel_of_the_patch_has_a_say(network):
    torch.manual_seed(0)
    assert (_influence(network(12, 3, 2, 9).spatial, 9) > 0).all()


def test_gsa_has_no_convolution_over_positions_but_its_stem():
    spatial = GSA(12, 3, 2, 9).spatial
    wide = [layer for layer in spatial.modules() if isinstance(layer, nn.Conv2d) and layer.kernel_size != (1, 1)]
    assert wide == [spatial.stem]


def test_smlp_mixes_without_attention_and_halves_the_patch_between_stages():
    spatial = SMLP(12, 3, 2, 9, width=4, depths=(1, 2, 1)).spatial
    sides = [layer.sparse.size for layer in spatial.layers if hasattr(layer, "sparse")]
    assert sides == [9, 5, 5, 3]
    assert spatial.centre == (1, 1)
    assert spatial.features == 2 * 16
    with pytest.raises(ValueError, match="depths"):
        SMLP(12, 3, 2, 9, depths=())


def test_the_centre_of_an_smlp_stays_at_the_pixel_that_is_classified():
    for side in (5, 7, 9, 27):
        spatial = SMLP(12, 3, 2, side, width=4, depths=(1, 1)).spatial
        row, column = spatial.centre
        assert (row, column) == (side // 2 // 2, side // 2 // 2)  # the 2×2 cell that holds the centre of the patch


def test_attendnet_is_ten_times_smaller_than_ssan_and_has_no_recurrence():
    network = AttendNet(200, 4, 9, 9)
    assert 10 * _count(network) < _count(SSAN(200, 4, 9))
    assert not any(isinstance(module, nn.GRU | nn.LSTM | nn.RNN) for module in network.modules())


def test_bands_are_dealt_to_groups_in_order():
    torch.manual_seed(0)
    branch = GroupedBands(10, SIZES, groups=3, step=2).eval()
    assert branch.members == [4, 3, 3]
    spectra = torch.randn(1, 10)
    seen: list[torch.Tensor] = []
    branch.embeddings[1].register_forward_pre_hook(lambda _layer, inputs: seen.append(inputs[0]))
    branch(spectra)
    assert torch.equal(seen[0][0], torch.tensor([[spectra[0, 4], spectra[0, 5]], [spectra[0, 6], 0.0]]))


@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_rings_are_means_of_the_pixels_that_are_there(missing):
    torch.manual_seed(0)
    branch = PixelsOfPatch(2, 5, SIZES, windows="ring")
    patches, mask = torch.randn(3, 2, 5, 5), torch.rand(3, 1, 5, 5) >= missing
    mask[0, :, 0] = mask[0, :, -1] = mask[0, :, :, 0] = mask[0, :, :, -1] = False  # no outer ring at all
    rings, exist = branch._windows(patches, mask)
    for n in range(3):
        for ring in range(3):
            members = [
                patches[n, :, i, j]
                for i in range(5)
                for j in range(5)
                if max(abs(i - 2), abs(j - 2)) == ring and mask[n, 0, i, j]
            ]
            assert bool(exist[n, ring]) == bool(members)
            if members:
                torch.testing.assert_close(rings[n, ring], torch.stack(members).mean(dim=0))


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="multiple of heads"):
        Hierarchical(12, 3, 2, 5, width=6, heads=4)
    with pytest.raises(ValueError, match="groups"):
        Hierarchical(3, 3, 2, 5, groups=4)
    with pytest.raises(ValueError, match="windows"):
        Hierarchical(12, 3, 2, 5, windows="column")
