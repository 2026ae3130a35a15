"""Networks that grow: deeper ones that say the same, to the last neighbour that is missing."""

import pytest
import torch

from hsiattn.core import PointwiseResidual
from hsiattn.networks import NETWORKS, FittedNetwork, accepts, create_network, growing_arguments, grown, load_network

SIZES = {"bands": 20, "channels": 3, "classes": 4, "patch_size": 7}
SMALL = {
    "grouped-ssan": {"hidden": 8, "width": 6, "embedding": 5, "group": 6},
    "gsa": {"width": 6, "heads": 2, "spectral": {"hidden": 8, "group": 6}},
    "smlp": {"width": 6, "depths": [1], "spectral": {"hidden": 8, "group": 6}},
    "attendnet": {"width": 12},
    "attendnet-local": {},
    "hierarchical": {"width": 8, "heads": 2, "feedforward": 8, "depth": 1, "groups": 3},
}
VARIANTS = {name: {"name": name, **arguments} for name, arguments in SMALL.items()} | {
    "poolings": {"name": "grouped-ssan", **SMALL["grouped-ssan"], "pooling": "wavelet", "attention_at": "features"},
    "attributes": {
        "name": "grouped-ssan", **SMALL["grouped-ssan"], "attributes": [[1, 0], [1, 1], [0, 1], [0, 0]],
        "attribute_balance": 0.6,
    },
    "ensemble": {
        "name": "ensemble", "member": "grouped-ssan", "members": 2, "member_arguments": SMALL["grouped-ssan"],
    },
    "test-time augmentation": {
        "name": "test-time-augmentation", "member": "ensemble",
        "member_arguments": {"member": "attendnet", "members": 2, "member_arguments": SMALL["attendnet"]},
    },
}  # fmt: skip


def _trained(arguments):
    """A network whose weights are away from every start."""
    torch.manual_seed(0)
    network = create_network(**arguments)
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return network.eval()


def _pixels(count=12):
    generator = torch.Generator().manual_seed(1)
    valid = torch.rand(count, 7, 7, generator=generator) >= 0.3
    valid[:, 3, 3] = True
    patches = torch.randn(count, 3, 7, 7, generator=generator) * valid[:, None]
    return torch.randn(count, 20, generator=generator), patches, valid


def test_every_network_grows_that_is_a_frame_of_two_branches_or_made_of_such():
    learning = {name for name, kind in NETWORKS.items() if not issubclass(kind, FittedNetwork)}
    assert {name for name in learning if growing_arguments(name)} == set(SMALL)
    made_of_others = {name for name in learning if "member" in accepts(name)}
    assert set(SMALL) | {"ssan", "any-sensor"} | made_of_others == learning


@pytest.mark.parametrize("variant", VARIANTS)
def test_growth_changes_no_logit_and_no_feature(variant):
    arguments = {**VARIANTS[variant], **SIZES}
    network = _trained(arguments)
    seen, before = _pixels(), dict(arguments)
    for times in (1, 2, 3):
        deeper, arguments = grown(network, arguments)
        assert type(deeper) is type(network)
        assert not deeper.training
        assert sum(p.numel() for p in deeper.parameters()) > sum(p.numel() for p in network.parameters())
        for masked in (seen, seen[:2]):
            torch.testing.assert_close(deeper(*masked), network(*masked), atol=1e-5, rtol=0)
            for after, expected in zip(
                deeper.forward_with_features(*masked), network.forward_with_features(*masked), strict=True
            ):
                torch.testing.assert_close(after, expected, atol=1e-5, rtol=0)
        innermost = arguments
        while "member_arguments" in innermost:
            innermost = innermost["member_arguments"]
        assert innermost["residual_blocks"] == times
        network = deeper
    assert before == {**VARIANTS[variant], **SIZES}  # what was given stays as it was


@pytest.mark.parametrize("variant", ["grouped-ssan", "ensemble"])
def test_growth_changes_no_logit_of_a_tile(variant):
    arguments = {**VARIANTS[variant], **SIZES}
    network = _trained(arguments)
    deeper, _ = grown(network, arguments)
    torch.manual_seed(3)
    valid = torch.rand(11, 14) >= 0.3
    tile = torch.randn(20, 5, 8), torch.randn(3, 11, 14) * valid, valid
    with torch.inference_mode():
        torch.testing.assert_close(deeper.dense(*tile), network.dense(*tile), atol=1e-5, rtol=0)


def test_what_has_grown_learns_in_every_part_after_a_step_and_comes_back_from_its_file():
    arguments = {**VARIANTS["grouped-ssan"], **SIZES}
    deeper, arguments = grown(_trained(arguments), arguments)
    deeper.train()
    optimizer = torch.optim.SGD(deeper.parameters(), lr=0.1)
    for _ in range(2):  # the last layers of the blocks first, since they are 0
        optimizer.zero_grad()
        deeper(*_pixels()).square().sum().backward()
        optimizer.step()
    assert [name for name, p in deeper.named_parameters() if not p.grad.abs().sum() > 0] == []
    again = load_network(deeper.state_dict(), **arguments)
    assert torch.equal(again(*_pixels()), deeper.eval()(*_pixels()))


@pytest.mark.parametrize("made", ["ssan", "of ssan"])
def test_a_network_that_cannot_grow_says_so(made):
    ssan = {"name": "ssan", "hidden": 4}
    ensemble = {"name": "ensemble", "member": "ssan", "members": 2, "member_arguments": {"hidden": 2}}
    arguments = {"ssan": ssan, "of ssan": ensemble}[made] | SIZES
    if made == "of ssan":  # whose edge an ensemble refuses, so nothing is made of it
        assert grown(create_network(**(ssan | SIZES)), arguments) is None
    else:
        assert grown(create_network(**arguments), arguments) is None


def test_a_network_of_single_pixels_grows_behind_its_features_alone():
    arguments = {"name": "grouped-ssan", **SMALL["grouped-ssan"], **SIZES, "patch_size": 1, "attention": "none"}
    network = _trained(arguments)
    deeper, arguments = grown(network, arguments)
    assert arguments["residual_blocks"] == 1
    assert "spatial_blocks" not in arguments
    spectra, patches = torch.randn(4, 20), torch.randn(4, 3, 1, 1)
    torch.testing.assert_close(deeper(spectra, patches), network(spectra, patches), atol=1e-5, rtol=0)


def test_a_fresh_block_returns_what_it_is_given_and_nothing_where_nothing_is():
    block = PointwiseResidual(5)
    x, mask = torch.randn(2, 5, 4, 3), torch.rand(2, 1, 4, 3) > 0.4
    assert torch.equal(block(x), x)
    assert torch.equal(block(x, mask), x * mask)
    assert torch.equal(block(x[:, :, 0, 0]), x[:, :, 0, 0])
    with pytest.raises(ValueError, match="x must be"):
        block(x[0])


def test_a_block_is_the_same_network_at_every_position():
    block = PointwiseResidual(5)
    torch.nn.init.normal_(block.outer.weight)
    x = torch.randn(2, 5, 4, 3)
    each = torch.stack([torch.stack([block(x[:, :, i, j]) for j in range(3)], -1) for i in range(4)], -2)
    torch.testing.assert_close(block(x), each)
