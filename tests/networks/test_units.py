"""Units that a network can do without: the smaller network against the whole one with these units silenced by hand."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from hsiattn.errors import RecipeError
from hsiattn.networks import create_network
from hsiattn.networks.cost import cost_of
from hsiattn.networks.units import Costs, Spread, gathered

SIZES = {"name": "grouped-ssan", "bands": 21, "channels": 6, "classes": 4, "patch_size": 7}
VARIANTS = {
    "default": {"hidden": 7, "embedding": 5, "group": 4, "width": 6, "attention_arguments": {"merge": "residual"}},
    "no attention": {
        "hidden": 4, "embedding": 3, "width": [3, 5, 4], "attention": "none", "spectral_attention": "none",
    },
    "pruned before": {
        "hidden": 5, "width": [4, 3, 5], "group": 3, "kept_groups": [1, 2, 4, 6], "kept_components": [0, 3, 4],
    },
}  # fmt: skip


def _network(arguments):
    torch.manual_seed(0)
    network = create_network(**SIZES, **arguments)
    for parameter in network.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return network.eval()


def _some(anatomy, seed):
    """At least one unit of each set; two steps, since the sum of a single one is no product that can be counted."""
    random = np.random.default_rng(seed)
    return {
        each.name: np.sort(
            random.permutation(each.count)[: random.integers(1 + (each.name == "groups"), each.count + 1)]
        )
        for each in anatomy.units
    }


def _pixels(count=9):
    valid = torch.rand(count, 7, 7) >= 0.2
    valid[:, 3, 3] = True
    return torch.randn(count, 21), torch.randn(count, 6, 7, 7) * valid[:, None], valid


def _silenced(network, arguments, kept, spectra, patches, valid):
    """Logits of the whole network whose other units are multiplied by 0, step by step, with a GRU written out."""
    mask = {each.name: torch.zeros(each.count) for each in network.anatomy().units}
    for name, units in kept.items():
        mask[name][units] = 1
    branch, group = network.spectral, arguments.get("group", 8)
    padded = functional.pad(spectra, (0, -spectra.shape[1] % group))
    groups = padded.unflatten(1, (-1, group))
    read = arguments.get("kept_groups", range(groups.shape[1]))
    steps = [groups[:, number] for unit, number in enumerate(read) if mask["groups"][unit]]
    steps = [functional.gelu(branch.embedding(step)) * mask["embedding"] for step in steps]
    hidden = branch.recurrent.hidden_size
    both = []
    for suffix, order in (("l0", 1), ("l0_reverse", -1)):
        w_ih, w_hh, b_ih, b_hh = (
            getattr(branch.recurrent, f"{what}_{suffix}") for what in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        state, states = torch.zeros(len(spectra), hidden), []
        for step in steps[::order]:
            r_i, z_i, n_i = (step @ w_ih.T + b_ih).chunk(3, dim=1)
            r_h, z_h, n_h = (state @ w_hh.T + b_hh).chunk(3, dim=1)
            reset, update = torch.sigmoid(r_i + r_h), torch.sigmoid(z_i + z_h)
            state = ((1 - update) * torch.tanh(n_i + reset * n_h) + update * state) * mask["hidden"]
            states.append(state)
        both.append(torch.stack(states[::order], dim=1))
    states = torch.cat(both, dim=2)
    if branch.attention.block is None:
        context = states.mean(dim=1)
    else:
        block = branch.attention.block
        scores = block.score(torch.tanh(block.projection(states)) * mask["attention"])
        context = (torch.softmax(scores, dim=1) * states).sum(dim=1)
    chosen = torch.zeros(6)
    chosen[torch.tensor(arguments.get("kept_components", list(range(6))))[mask["components"].bool()]] = 1
    components = patches * chosen[:, None, None]
    components = components[:, arguments.get("kept_components", list(range(6)))]
    x, there = components, valid[:, None]
    if network.spatial.attention is not None:
        x = network.spatial.attention(x, there)
    for number, layer in enumerate(network.spatial.layers):
        x, there = layer(x, there)
        x = functional.gelu(x) * mask[f"width.{number}"][:, None, None]
    features = torch.cat([context, x.flatten(1)], dim=1)
    last = mask[f"width.{len(network.spatial.layers) - 1}"]
    counted = torch.cat([mask["hidden"], mask["hidden"], last])
    mean = (features * counted).sum(dim=1, keepdim=True) / counted.sum()
    deviation = ((features - mean).square() * counted).sum(dim=1, keepdim=True) / counted.sum()
    normed = (features - mean) / torch.sqrt(deviation + network.normalisation.eps)
    normed = (normed * network.normalisation.weight + network.normalisation.bias) * counted
    return network.refinement(normed)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_the_smaller_network_says_what_the_whole_one_says_with_its_other_units_silenced(variant, seed):
    arguments = VARIANTS[variant]
    network = _network(arguments)
    anatomy = network.anatomy()
    kept = _some(anatomy, seed)
    smaller_arguments = network.slimmed_arguments({**SIZES, **arguments}, kept)
    smaller = create_network(**smaller_arguments).eval()
    smaller.load_state_dict(gathered(network.state_dict(), anatomy, kept))
    torch.manual_seed(seed)
    spectra, patches, valid = _pixels()
    expected = _silenced(network, arguments, kept, spectra, patches, valid)
    torch.testing.assert_close(smaller(spectra, patches, valid), expected, atol=1e-5, rtol=1e-5)
    counts = np.array([len(kept[each.name]) for each in anatomy.units])
    cost = cost_of(smaller)
    assert Costs(network, anatomy).of(counts) == (cost.parameters, pytest.approx(cost.macs))


@torch.no_grad()
def test_a_smaller_network_maps_tiles_as_it_classifies_patches():
    network = _network(VARIANTS["pruned before"])
    spectra, components = torch.randn(21, 5, 6), torch.randn(6, 11, 12)
    patches = components.unfold(1, 7, 1).unfold(2, 7, 1).permute(1, 2, 0, 3, 4).reshape(-1, 6, 7, 7)
    expected = network(spectra.flatten(1).T, patches).T.reshape(4, 5, 6)
    torch.testing.assert_close(network.dense(spectra, components), expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_bands_that_are_not_read_have_no_weight():
    network = _network(VARIANTS["pruned before"])
    spectra, patches, valid = _pixels()
    weights = network.attention_weights(spectra, patches, valid).bands
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(len(spectra)))
    read = np.isin(np.arange(21) // 3, [1, 2, 4, 6])
    assert (weights[:, ~read] == 0).all()
    assert (weights[:, read] > 0).all()


@pytest.mark.parametrize(
    "arguments",
    [{"pooling": "max"}, {"attention": "se"}, {"spatial_blocks": 1}, {"residual_blocks": 1}],
    ids=lambda arguments: next(iter(arguments)),
)
def test_what_is_woven_together_is_left_whole(arguments):
    names = {each.name for each in create_network(**SIZES, **arguments).anatomy().units}
    assert not any(name.startswith(("width", "components")) for name in names)


@pytest.mark.parametrize(
    ("argument", "value"),
    [("kept_groups", [2, 1]), ("kept_groups", []), ("kept_groups", [3]), ("kept_components", [0, 0]),
     ("kept_components", [6]), ("width", [3, 3]), ("width", [3, 0, 3]), ("width", 0)],
)  # fmt: skip
def test_choices_that_are_none_are_refused(argument, value):
    with pytest.raises(RecipeError, match=argument):
        create_network(**SIZES, **{argument: value})


def test_units_lie_where_their_spread_says():
    assert Spread(0, (0, 6), block=2).indices(np.array([0, 2])).tolist() == [0, 1, 4, 5, 6, 7, 10, 11]
