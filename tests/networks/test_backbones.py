"""What is particular about each backbone; what all have in common is in test_every_network.py."""

import pytest
import torch
from torch import nn

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
