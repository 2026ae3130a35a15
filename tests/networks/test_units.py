"""Units that a network can do without: the smaller network against the whole one with these units silenced by hand."""

from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional

from hsiattn.core import MaskedBatchNorm
from hsiattn.errors import RecipeError
from hsiattn.networks import create_network
from hsiattn.networks.cost import cost_of
from hsiattn.networks.units import Costs, Spread, gathered, put_back

SIZES = {"name": "grouped-ssan", "bands": 21, "channels": 6, "classes": 4, "patch_size": 7}
SMALL_GRU = {"hidden": 5, "embedding": 4, "group": 4}
SMALL_SSAN = {
    "name": "ssan", "hidden": 6, "widths": [5, 4], "spatial_hidden": 9, "shared_fusion": 7, "fusion_hidden": 8,
}  # fmt: skip
VARIANTS = {
    "default": {"hidden": 7, "embedding": 5, "group": 4, "width": 6, "attention_arguments": {"merge": "residual"}},
    "no attention": {
        "hidden": 4, "embedding": 3, "width": [3, 5, 4], "attention": "none", "spectral_attention": "none",
    },
    "pruned before": {
        "hidden": 5, "width": [4, 3, 5], "group": 3, "kept_groups": [1, 2, 4, 6], "kept_components": [0, 3, 4],
    },
    "ssan": {**SMALL_SSAN, "attention_arguments": {"merge": "residual"}},
    "ssan, no attention": {**SMALL_SSAN, "attention": "none", "spectral_attention": "none", "pooling": "average"},
    "ssan, pruned before": {**SMALL_SSAN, "kept_bands": [1, 2, 5, 8, 13], "kept_components": [1, 4, 5]},
    "attendnet-local, mean and maximum": {
        "name": "attendnet-local", "width": 6, "depth": 2, "read_out": "mean-max", "own_stems": False,
        "spatial_width": 5, "pepe_kernel": 7, "group": 4, "stride": 3,
    },
    "attendnet-local, steps": {
        "name": "attendnet-local", "width": 5, "depth": 2, "group": 3, "stride": 3, "halving": False, "norms": False,
        "spatial_width": 6, "condenser_kernel": 3, "stem_kernel": 3, "pepe_kernel": 3, "reduction": 1,
    },
    "attendnet-local, pruned before": {
        "name": "attendnet-local", "width": 4, "depth": 1, "group": 3, "stride": 3, "inner_widths": [[2, 3], [3, 5, 4]],
        "spatial_width": 5, "pepe_kernel": 7, "spatial_inner_widths": [[3, 2], [2, 4, 3]], "kept_components": [1, 2, 5],
    },
    "attendnet": {"name": "attendnet", "width": 6, "depth": 2},
    "attendnet, pruned before": {
        "name": "attendnet", "width": 4, "spatial_width": 5, "depth": 1, "inner_widths": [[2, 3], [3, 5, 4]],
        "spatial_inner_widths": [[3, 2], [2, 4, 3]], "kept_components": [1, 2, 5],
    },
    "gsa": {"name": "gsa", "width": 8, "depth": 2, "heads": 2, "spectral": SMALL_GRU},
    "gsa, pruned before": {
        "name": "gsa", "width": 5, "heads": 2, "inner": [3, 4], "head_features": 3, "kept_components": [0, 2, 3],
        "spectral": {**SMALL_GRU, "kept_groups": [1, 2, 4]},
    },
    "smlp": {"name": "smlp", "width": 5, "depths": [1, 2], "spectral": SMALL_GRU},
    "smlp, pruned before": {
        "name": "smlp", "width": [4, 3], "depths": [1, 1], "hidden": [5, 7], "kept_components": [0, 2, 3],
        "spectral": {**SMALL_GRU, "kept_groups": [1, 2, 4]},
    },
}  # fmt: skip


def _network(arguments):
    torch.manual_seed(0)
    network = create_network(**{**SIZES, **arguments})
    for parameter in network.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    for module in network.modules():
        if isinstance(module, MaskedBatchNorm):
            module.running_mean.normal_()
            module.running_variance.uniform_(0.5, 2.0)
    return network.eval()


def _some(anatomy, seed):
    """At least one unit of each set; two steps, since the sum of a single one is no product that can be counted."""
    random = np.random.default_rng(seed)
    return {
        each.name: np.sort(
            random.permutation(each.count)[: random.integers(1 + (each.name in ("groups", "bands")), each.count + 1)]
        )
        for each in anatomy.units
    }


def _pixels(count=9):
    valid = torch.rand(count, 7, 7) >= 0.2
    valid[:, 3, 3] = True
    return torch.randn(count, 21), torch.randn(count, 6, 7, 7) * valid[:, None], valid


def _masks(network, kept):
    """1 for units that stay, 0 for the others, by the name of their set."""
    mask = {each.name: torch.zeros(each.count) for each in network.anatomy().units}
    for name, units in kept.items():
        mask[name][units] = 1
    return mask


def _context(recurrent, attention, steps, mask):
    """What an attention makes of the states of a GRU written out, without the units that are masked out."""
    both = []
    for suffix, order in (("l0", 1), ("l0_reverse", -1)):
        w_ih, w_hh, b_ih, b_hh = (
            getattr(recurrent, f"{what}_{suffix}") for what in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        state, states = torch.zeros(len(steps[0]), recurrent.hidden_size), []
        for step in steps[::order]:
            r_i, z_i, n_i = (step @ w_ih.T + b_ih).chunk(3, dim=1)
            r_h, z_h, n_h = (state @ w_hh.T + b_hh).chunk(3, dim=1)
            reset, update = torch.sigmoid(r_i + r_h), torch.sigmoid(z_i + z_h)
            state = ((1 - update) * torch.tanh(n_i + reset * n_h) + update * state) * mask["hidden"]
            states.append(state)
        both.append(torch.stack(states[::order], dim=1))
    states = torch.cat(both, dim=2)
    block = attention.block
    if block is None:
        return states.mean(dim=1)
    scores = block.score(torch.tanh(block.projection(states)) * mask["attention"])
    return (torch.softmax(scores, dim=1) * states).sum(dim=1)


def _of_groups(branch, arguments, mask, spectra):
    """Features of an `AttentionRNN` without the units that are masked out."""
    group = arguments.get("group", 8)
    groups = functional.pad(spectra, (0, -spectra.shape[1] % group)).unflatten(1, (-1, group))
    read = arguments.get("kept_groups", range(groups.shape[1]))
    steps = [groups[:, number] for unit, number in enumerate(read) if mask["groups"][unit]]
    steps = [functional.gelu(branch.embedding(step)) * mask["embedding"] for step in steps]
    return _context(branch.recurrent, branch.attention, steps, mask)


def _components(arguments, mask, patches):
    """The components that are read, 0 where they are masked out."""
    read = arguments.get("kept_components", list(range(6)))
    return patches[:, read] * mask["components"][:, None, None]


def _classified(network, features, counted):
    """Logits of a `TwoBranchNetwork` by those of its features that are counted, (F,) of 0 and 1."""
    return network.refinement(_normalised(network.normalisation, features, counted))


def _normalised(norm, x, counted):
    """What a layer norm makes of those features, along the last axis, that are counted; 0 in place of the others."""
    mean = (x * counted).sum(dim=-1, keepdim=True) / counted.sum()
    deviation = ((x - mean).square() * counted).sum(dim=-1, keepdim=True) / counted.sum()
    return ((x - mean) / torch.sqrt(deviation + norm.eps) * norm.weight + norm.bias) * counted


def _silenced_grouped(network, arguments, mask, spectra, patches, valid):
    context = _of_groups(network.spectral, arguments, mask, spectra)
    x, there = _components(arguments, mask, patches), valid[:, None]
    if network.spatial.attention is not None:
        x = network.spatial.attention(x, there)
    for number, layer in enumerate(network.spatial.layers):
        x, there = layer(x, there)
        x = functional.gelu(x) * mask[f"width.{number}"][:, None, None]
    last = mask[f"width.{len(network.spatial.layers) - 1}"]
    counted = torch.cat([mask["hidden"], mask["hidden"], last])
    return _classified(network, torch.cat([context, x.flatten(1)], dim=1), counted)


def _silenced_ssan(network, arguments, mask, spectra, patches, valid):
    read = arguments.get("kept_bands", range(21))
    steps = [spectra[:, number, None] for unit, number in enumerate(read) if mask["bands"][unit]]
    spectral = network.spectral_logits(_context(network.recurrent, network.band_attention, steps, mask))
    x = _components(arguments, mask, patches)
    if network.attention is not None:
        x = network.attention(x, valid[:, None])
    for number, convolution in enumerate(network.convolutions):
        x = torch.relu(convolution(x)) * mask[f"width.{number}"][:, None, None]
        pool = functional.max_pool2d if arguments.get("pooling", "max") == "max" else functional.avg_pool2d
        x = pool(x, 2, ceil_mode=True, **({"count_include_pad": False} if pool is functional.avg_pool2d else {}))
    spatial = network.spatial_logits(torch.relu(network.spatial_hidden(x.flatten(1))) * mask["spatial_hidden"])
    fused = [torch.relu(network.shared_fusion(each)) * mask["shared_fusion"] for each in (spectral, spatial)]
    return network.output(torch.relu(network.fusion_hidden(torch.cat(fused, dim=1))) * mask["fusion_hidden"])


INSIDE = {
    "reduce": "condensed", "pointwise": "embedded", "project": "projected", "project_again": "projected_again",
}  # fmt: skip
"""What the layers of condensers and PEPE blocks give; a depthwise convolution gives what the one before it gives."""


@contextmanager
def _masked(layers):
    """The network with the outputs or inputs of layers multiplied by masks, and layer norms of what is left."""

    def shaped(mask, x):
        return mask.view(-1, *(1 for _ in x.shape[2:]))

    def output(_layer, _inputs, given, mask):
        first = given[0] if isinstance(given, tuple) else given
        return (first * shaped(mask, first), *given[1:]) if isinstance(given, tuple) else first * shaped(mask, first)

    def inputs(_layer, given, mask):
        return (given[0] * shaped(mask, given[0]), *given[1:])

    def last(_layer, _inputs, given, mask):
        return given * mask

    def norm(layer, given, _output, mask):
        return _normalised(layer, given[0], mask)

    hooks = {"output": output, "last": last, "norm": norm}
    handles = [
        layer.register_forward_pre_hook(partial(inputs, mask=mask))
        if where == "input"
        else layer.register_forward_hook(partial(hooks[where], mask=mask))
        for layer, where, mask in layers
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _of_blocks(branch, blocks, norms, mask):
    """Layers of the blocks of a branch, and what masks them, for `_masked`."""
    width = mask[f"{branch}.width"]
    layers = [(blocks[0], "input", width), *((each, "output", width) for each in (*blocks, *norms))]
    for number, block in enumerate(blocks):
        condenser = hasattr(block, "reduce")
        for name, layer in block.named_children():
            inside = INSIDE.get(name)
            if name == "depthwise":
                inside = "condensed" if condenser else "expanded"
            elif name == "expand" and not condenser:
                inside = "expanded"
            if inside is not None:
                layers.append((layer, "output", mask[f"{branch}.{number}.{inside}"]))
    return layers


def _read(network, arguments, mask, spectra, patches, valid):
    """Features of both branches, with only those components that are not masked out."""
    chosen = torch.zeros(6)
    chosen[torch.tensor(arguments.get("kept_components", list(range(6))))] = mask["components"]
    seen = network.spatial(patches * chosen[:, None, None], valid[:, None])
    return torch.cat([network.spectral(spectra), seen.flatten(1)], dim=1)


def _silenced_local(network, arguments, mask, spectra, patches, valid):
    spectral, spatial = network.spectral, network.spatial
    pairs = [block for pair in zip(spectral.condensers, spectral.pepes, strict=True) for block in pair]
    layers = _of_blocks("spectral", pairs, spectral.norms, mask)
    layers += _of_blocks("spatial", list(spatial.blocks), spatial.norms, mask)
    with _masked(layers):
        features = _read(network, arguments, mask, spectra, patches, valid)
    width = mask["spectral.width"]
    if arguments.get("read_out", "steps") == "steps":
        width = width.repeat_interleave(spectral.features // len(width))
    else:
        width = torch.cat([width, width])
    return _classified(network, features, torch.cat([width, mask["spatial.width"]]))


def _silenced_attendnet(network, arguments, mask, spectra, patches, valid):
    layers = []
    for name in ("spectral", "spatial"):
        pairs = getattr(network, name).pairs
        blocks = [block for pair in pairs for block in (pair.condenser, pair.pepe)]
        layers += _of_blocks(name, blocks, [norm for pair in pairs for norm in pair.norms], mask)
    with _masked(layers):
        features = _read(network, arguments, mask, spectra, patches, valid)
    return _classified(network, features, torch.cat([*[mask["spectral.width"]] * 2, *[mask["spatial.width"]] * 2]))


def _silenced_gsa(network, arguments, mask, spectra, patches, valid):
    branch, width = network.spatial, mask["width"]
    layers = [(layer, "output", width) for layer in (branch.stem, branch.normalisation)]
    for number, part in enumerate(branch.bottlenecks):
        inner = mask[f"inner.{number}"]
        layers += [(layer, "output", width) for layer in (part, part.norms[0])]
        layers += [(layer, "output", inner) for layer in (part.reduce, part.norms[1], part.mix, part.norms[2])]
    return _with_groups(network, arguments, mask, spectra, patches, valid, layers, width)


def _silenced_smlp(network, arguments, mask, spectra, patches, valid):
    branch, stage, number = network.spatial, 0, 0
    layers = [(branch.embedding, "output", mask["width.0"])]
    for part in branch.layers:
        stage += hasattr(part, "convolution")
        width = mask[f"width.{stage}"]
        layers.append((part, "output", width))
        if not hasattr(part, "convolution"):
            inside = (part.normalisation, part.depthwise, part.sparse.norm, *part.sparse.along, part.sparse)
            layers += [(layer, "output", width) for layer in inside]
            layers += [(part.channel_mix[0], "last", mask[f"mix.{number}"]), (part.channel_norm, "norm", width)]
            number += 1
    layers.append((branch.normalisation, "output", width))
    return _with_groups(network, arguments, mask, spectra, patches, valid, layers, width)


def _with_groups(network, arguments, mask, spectra, patches, valid, layers, width):
    """Logits where the spectrum is read by an `AttentionRNN`, and layers of the spatial branch are masked."""
    context = _of_groups(network.spectral, arguments["spectral"], mask, spectra)
    with _masked(layers):
        features = _read(network, arguments, mask, spectra, patches, valid)[:, context.shape[1] :]
    counted = torch.cat([mask["hidden"], mask["hidden"], width, width])
    return _classified(network, torch.cat([context, features], dim=1), counted)


SILENCED = {
    "grouped-ssan": _silenced_grouped, "ssan": _silenced_ssan, "attendnet-local": _silenced_local,
    "attendnet": _silenced_attendnet, "gsa": _silenced_gsa, "smlp": _silenced_smlp,
}  # fmt: skip
"""Logits of whole networks whose other units are multiplied by 0, step by step."""


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_the_smaller_network_says_what_the_whole_one_says_with_its_other_units_silenced(variant, seed):
    arguments = {**SIZES, **VARIANTS[variant]}
    network = _network(arguments)
    anatomy = network.anatomy()
    kept = _some(anatomy, seed)
    smaller_arguments = network.slimmed_arguments(arguments, kept)
    smaller = create_network(**smaller_arguments).eval()
    smaller.load_state_dict(gathered(network.state_dict(), anatomy, kept))
    torch.manual_seed(seed)
    spectra, patches, valid = _pixels()
    silenced = SILENCED[arguments["name"]]
    expected = silenced(network, arguments, _masks(network, kept), spectra, patches, valid)
    torch.testing.assert_close(smaller(spectra, patches, valid), expected, atol=1e-5, rtol=1e-5)
    counts = np.array([len(kept[each.name]) for each in anatomy.units])
    cost = cost_of(smaller)
    assert Costs(network, anatomy).of(counts) == (cost.parameters, pytest.approx(cost.macs))


@pytest.mark.parametrize("variant", ["pruned before", "attendnet-local, pruned before"])
@torch.no_grad()
def test_a_smaller_network_maps_tiles_as_it_classifies_patches(variant):
    network = _network(VARIANTS[variant])
    spectra, components = torch.randn(21, 5, 6), torch.randn(6, 11, 12)
    patches = components.unfold(1, 7, 1).unfold(2, 7, 1).permute(1, 2, 0, 3, 4).reshape(-1, 6, 7, 7)
    expected = network(spectra.flatten(1).T, patches).T.reshape(4, 5, 6)
    torch.testing.assert_close(network.dense(spectra, components), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("variant", "read"),
    [("pruned before", np.isin(np.arange(21) // 3, [1, 2, 4, 6])),
     ("ssan, pruned before", np.isin(np.arange(21), [1, 2, 5, 8, 13]))],
    ids=["groups", "bands"],
)  # fmt: skip
@torch.no_grad()
def test_bands_that_are_not_read_have_no_weight(variant, read):
    network = _network(VARIANTS[variant])
    spectra, patches, valid = _pixels()
    weights = network.attention_weights(spectra, patches, valid).bands
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(len(spectra)))
    assert (weights[:, ~read] == 0).all()
    assert (weights[:, read] > 0).all()


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_was_taken_out_goes_back_where_it_came_from(variant):
    network = _network(VARIANTS[variant])
    anatomy, weights = network.anatomy(), network.state_dict()
    kept = _some(anatomy, 0)
    changed = {name: value + 1 for name, value in gathered(weights, anatomy, kept).items()}
    written = {name: value.clone() for name, value in weights.items()}
    put_back(written, changed, anatomy, kept)
    for name, value in gathered(written, anatomy, kept).items():
        partly = weights[name].shape != value.shape
        same = not anatomy.rest({name: weights[name].shape}, kept)
        assert torch.equal(value, weights[name] if same else changed[name]), name
        assert not partly or int((written[name] != weights[name]).sum()) == value.numel()


@pytest.mark.parametrize(
    "arguments",
    [{"pooling": "max"}, {"attention": "se"}, {"attention_arguments": {"broadcast": "released"}}, {"spatial_blocks": 1},
     {"residual_blocks": 1}, {"name": "ssan", "pooling": "hybrid"}, {"name": "ssan", "attention": "nl-sam"},
     {"name": "ssan", "spectral_attention": "se"},
     {"name": "ssan", "attention_arguments": {"broadcast": "released"}}],
    ids=str,
)  # fmt: skip
def test_what_is_woven_together_is_left_whole(arguments):
    names = {each.name for each in create_network(**{**SIZES, **arguments}).anatomy().units}
    assert not any(name.startswith(("width", "components")) for name in names)


@pytest.mark.parametrize(
    "arguments",
    [{"pooling": "max"}, {"attention": "se"}, {"spectral_pooling": "max"},
     {"name": "gsa", "width": 8, "heads": 2, "spectral": {**SMALL_GRU, "attention": "se"}}],
    ids=str,
)  # fmt: skip
def test_a_branch_that_is_left_whole_counts_with_all_its_cost(arguments):
    arguments = {**SIZES, **arguments}
    network = create_network(**arguments)
    anatomy, kept = network.anatomy(), _some(network.anatomy(), 1)
    cost = cost_of(create_network(**network.slimmed_arguments(arguments, kept)))
    counts = np.array([len(kept[each.name]) for each in anatomy.units])
    costs = Costs(network, anatomy, cost_of(network).macs)
    assert costs.of(counts) == (cost.parameters, pytest.approx(cost.macs))


@pytest.mark.parametrize(
    ("argument", "value"),
    [("kept_groups", [2, 1]), ("kept_groups", []), ("kept_groups", [3]), ("kept_components", [0, 0]),
     ("kept_components", [6]), ("width", [3, 3]), ("width", [3, 0, 3]), ("width", 0)],
)  # fmt: skip
def test_choices_that_are_none_are_refused(argument, value):
    with pytest.raises(RecipeError, match=argument):
        create_network(**SIZES, **{argument: value})


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([[2, 3]], "each of 4 blocks, not of 1"),
        ([[2, 3], [2, 3]] * 2, "must be 3 numbers"),
        ([[2, 0], [1, 1, 1]] * 2, "must be 2 numbers"),
    ],
)
def test_widths_of_other_blocks_are_refused(value, said):
    with pytest.raises(RecipeError, match=said):
        create_network(**{**SIZES, "name": "attendnet-local"}, inner_widths=value)


def test_units_lie_where_their_spread_says():
    assert Spread(0, (0, 6), block=2).indices(np.array([0, 2])).tolist() == [0, 1, 4, 5, 6, 7, 10, 11]
