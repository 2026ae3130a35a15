"""What networks say of how they weigh bands and neighbours."""

import pytest
import torch
from torch.nn import functional

from hsiattn.networks import create_network
from hsiattn.networks.attention_cnn import AttentionCNN
from hsiattn.networks.attention_rnn import AttentionRNN
from hsiattn.networks.branches import shared_out
from hsiattn.networks.hierarchical import EncoderSizes, GroupedBands, PixelsOfPatch

SIZES = {"bands": 20, "channels": 3, "classes": 4, "patch_size": 7}
GROUPED = {"hidden": 4, "width": 6, "embedding": 5, "group": 6}
HIERARCHICAL = {"width": 8, "heads": 2, "feedforward": 8, "depth": 1, "groups": 3}
SPECTRAL = {"hidden": 4, "embedding": 5, "group": 6}
NETWORKS = {
    "ssan": ("ssan", {"hidden": 4}, "both"),
    "ssan, another attention": ("ssan", {"hidden": 4, "attention": "nl-sam", "spectral_attention": "gsa"}, "both"),
    "ssan, channels alone": ("ssan", {"hidden": 4, "attention": "se", "spectral_attention": "se"}, "neither"),
    "grouped-ssan": ("grouped-ssan", GROUPED, "both"),
    "grouped-ssan, pooled bands": ("grouped-ssan", GROUPED | {"spectral_pooling": "max", "group": 3}, "both"),
    "grouped-ssan, features": ("grouped-ssan", GROUPED | {"attention_at": "features"}, "both"),
    "grouped-ssan, self-attention": ("grouped-ssan", GROUPED | {"attention": "self-attention"}, "both"),
    "grouped-ssan, no attention": (
        "grouped-ssan", GROUPED | {"attention": "none", "spectral_attention": "none"}, "neither",
    ),
    "gsa": ("gsa", {"width": 6, "heads": 2, "spectral": SPECTRAL}, "both"),
    "smlp": ("smlp", {"width": 6, "spectral": SPECTRAL}, "bands"),
    "attendnet": ("attendnet", {"width": 12}, "neighbours"),
    "attendnet-local": ("attendnet-local", {"group": 6, "stride": 6}, "neighbours"),
    "attendnet-local, margin": ("attendnet-local", {"stem_kernel": 3, "condenser_kernel": 3}, "neighbours"),
    "hierarchical": ("hierarchical", HIERARCHICAL, "both"),
    "hierarchical, pixels": ("hierarchical", HIERARCHICAL | {"windows": "pixel", "step": 2}, "both"),
    "ensemble": ("ensemble", {"members": 2, "member_arguments": GROUPED}, "both"),
    "test-time augmentation": ("test-time-augmentation", {"member_arguments": GROUPED}, "both"),
    "discriminant": ("discriminant", {}, "neither"),
}  # fmt: skip


def _network(variant):
    name, arguments, weighs = NETWORKS[variant]
    torch.manual_seed(0)
    network = create_network(name, **SIZES, **arguments).eval()
    for parameter in network.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return network, weighs


def _pixels(count=6):
    generator = torch.Generator().manual_seed(1)
    valid = torch.rand(count, 7, 7, generator=generator) > 0.4
    valid[:, 3, 3] = True
    patches = torch.randn(count, 3, 7, 7, generator=generator) * valid[:, None]
    return torch.randn(count, 20, generator=generator), patches, valid


@pytest.mark.parametrize("variant", sorted(NETWORKS))
def test_weights_have_the_sum_one_and_missing_neighbours_have_none(variant):
    network, weighs = _network(variant)
    spectra, patches, valid = _pixels()
    bands, neighbours = network.attention_weights(spectra, patches, valid)
    assert (bands is not None) == (weighs in ("both", "bands"))
    assert (neighbours is not None) == (weighs in ("both", "neighbours"))
    for weights, shape in ((bands, (6, 20)), (neighbours, (6, 7, 7))):
        if weights is not None:
            assert weights.shape == shape
            assert (weights >= 0).all()
            torch.testing.assert_close(weights.flatten(1).sum(dim=1), torch.ones(6))
    if neighbours is not None:
        assert (neighbours[~valid] == 0).all()
        complete = network.attention_weights(spectra, patches)[1]
        torch.testing.assert_close(complete, network.attention_weights(spectra, patches, torch.ones_like(valid))[1])


def test_those_of_a_grouped_network_are_those_of_its_attention_shared_among_bands():
    network, _ = _network("grouped-ssan")
    spectra, patches, valid = _pixels()
    bands, neighbours = network.attention_weights(spectra, patches, valid)
    steps = functional.pad(spectra, (0, 4)).view(6, 4, 6)
    states, _ = network.spectral.recurrent(functional.gelu(network.spectral.embedding(steps)))
    attention = network.spectral.attention.block
    scores = torch.tanh(attention.projection(states)) @ attention.score.weight[0]
    weights = torch.softmax(scores, dim=1)
    expected = torch.cat([weights[:, [0]] / 6] * 6 + [weights[:, [1]] / 6] * 6 + [weights[:, [2]] / 6] * 6, dim=1)
    torch.testing.assert_close(bands, torch.cat([expected, *[weights[:, [3]] / 2] * 2], dim=1))
    gate = network.spatial.attention.gate(patches, valid[:, None])[:, 0] * valid
    torch.testing.assert_close(neighbours, gate / gate.sum(dim=(1, 2), keepdim=True))


def test_bands_of_a_pooled_step_share_its_weight():
    torch.manual_seed(0)
    branch = AttentionRNN(17, group=3, embedding=5, hidden=4, pooling="max")  # 6 steps, 3 of them pooled
    spectra = torch.randn(2, 17)
    weights, steps = branch.attention_weights(spectra), branch.attention.weights(branch._states(spectra))
    assert steps.shape == (2, 3)
    for first, last, step in ((0, 6, 0), (6, 12, 1), (12, 17, 2)):
        share = steps[:, step, None] / (last - first)
        torch.testing.assert_close(weights[:, first:last], share.expand(-1, last - first))


def test_what_a_feature_sees_shares_its_weight():
    torch.manual_seed(0)
    branch = AttentionCNN(3, 7, width=6, attention="additive", attention_at="features")
    _, patches, valid = _pixels(2)
    weights = branch.attention_weights(patches, valid[:, None])
    features, there = branch.layers[0](patches, valid[:, None])
    given = branch.attention.attention_weights(functional.gelu(features), there)
    expected = torch.zeros(2, 7, 7)
    for n in range(2):
        for i in range(5):
            for j in range(5):
                window = valid[n, i : i + 3, j : j + 3]
                expected[n, i : i + 3, j : j + 3] += window * given[n, i, j] / window.sum().clamp(min=1)
    torch.testing.assert_close(weights, expected)


def test_parts_of_a_spectrum_and_rings_of_a_patch_share_the_weights_of_the_hierarchy():
    torch.manual_seed(0)
    sizes = EncoderSizes(width=4, heads=2, feedforward=4, depth=1, dropout=0.0)
    branch, spectra = GroupedBands(10, sizes, groups=3, step=2).eval(), torch.randn(2, 10)
    given = branch.summary.weights(branch._encoded(spectra))
    owner = [0, 0, 1, 1, 2, 2, 3, 4, 4, 5]  # groups of 4, 3 and 3 bands
    expected = torch.stack([given[:, step] / owner.count(step) for step in owner], dim=1)
    torch.testing.assert_close(branch.attention_weights(spectra), expected)
    patch_branch = PixelsOfPatch(3, 7, sizes, windows="ring").eval()
    _, patches, valid = _pixels(2)
    weights = patch_branch.attention_weights(patches, valid[:, None])
    rings = patch_branch.summary.weights(*patch_branch._encoded(patches, valid[:, None]))
    ring = torch.tensor([[max(abs(i - 3), abs(j - 3)) for j in range(7)] for i in range(7)])
    for n in range(2):
        for number in range(4):
            members = valid[n] & (ring == number)
            torch.testing.assert_close(weights[n][members], (rings[n, number] / members.sum()).expand(members.sum()))


def test_weights_of_parts_are_divided_among_their_members():
    shared = shared_out(torch.tensor([[0.6, 0.4]]), torch.tensor([0, 1, 1, 0, 0]))
    torch.testing.assert_close(shared, torch.tensor([[0.2, 0.2, 0.2, 0.2, 0.2]]))


def test_those_of_an_ensemble_are_the_means_over_its_members():
    network, _ = _network("ensemble")
    for weights, *each in zip(
        network.attention_weights(*_pixels()), *(m.attention_weights(*_pixels()) for m in network.members), strict=True
    ):
        torch.testing.assert_close(weights, (each[0] + each[1]) / 2)
        assert not torch.allclose(*each, rtol=1e-3, atol=0)


@pytest.mark.parametrize("attention", ["spatial-gate", "spatial-channel"])
def test_those_of_test_time_augmentation_turn_with_the_patch(attention):
    torch.manual_seed(0)
    arguments = GROUPED | {"attention": attention}
    network = create_network("test-time-augmentation", **SIZES, member_arguments=arguments).eval()
    spectra, patches, valid = _pixels()
    weights = network.attention_weights(spectra, patches, valid).neighbours
    turned = network.attention_weights(spectra, *(x.transpose(-1, -2).flip(-1) for x in (patches, valid))).neighbours
    torch.testing.assert_close(turned, weights.transpose(-1, -2).flip(-1))
    mirrored = network.member.attention_weights(spectra, patches.flip(-1), valid.flip(-1)).neighbours.flip(-1)
    if attention == "spatial-gate":  # which weighs every pixel by itself, from whatever side
        torch.testing.assert_close(weights, mirrored)
