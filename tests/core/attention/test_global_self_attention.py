import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode

from hsiattn.core.attention import GlobalSelfAttention, SelfAttention, global_self_attention

C = 5


def _block(seed=0, **arguments):
    torch.manual_seed(seed)
    block = GlobalSelfAttention(C, **{"size": 9, "heads": 2, "head_features": 3} | arguments).eval()
    with torch.no_grad():
        for parameter in block.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
        if block.norm is not None:
            block.norm.running_mean.normal_()
            block.norm.running_variance.uniform_(0.5, 2.0)
    return block


def _mask(x, missing=0.4):
    mask = torch.rand(len(x), 1, *x.shape[2:]) >= missing
    mask.flatten(1)[:, 0] = True
    return mask


def _arrays(block):
    return {name: value.detach().numpy().squeeze() for name, value in block.state_dict().items()}


def _content(k, q, v, counts):
    """Head by head and position by position: k, q, v {position: (d,)}."""
    total = sum(np.exp(k[p]) for p in counts)
    context = sum(np.outer(np.exp(k[p]) / total, v[p]) for p in counts)  # (d of keys, d of values)
    return {p: q[p] @ context for p in counts}


def _position(q, v, counts, arrays, head, size):
    """Two passes over the offsets of one head, the first normalised."""
    below, beside = arrays["offsets.0"], arrays["offsets.1"]
    features = slice(3 * head, 3 * head + 3)
    columns = {}
    for a, b in counts:
        y = sum((q[a, b] @ below[i - a + size - 1]) * v[i, j] for i, j in counts if j == b)
        y = (y - arrays["norm.running_mean"][features]) / np.sqrt(arrays["norm.running_variance"][features] + 1e-5)
        columns[a, b] = y * arrays["norm.scale"][features] + arrays["norm.shift"][features]
    return {
        (a, b): sum((q[a, b] @ beside[j - b + size - 1]) * columns[i, j] for i, j in counts if i == a)
        for a, b in counts
    }


def _by_hand(block, x, mask):
    """The block by explicit loops over samples, heads and positions."""
    arrays, size = _arrays(block), block.size
    result = np.zeros(x.shape)
    for n in range(len(x)):
        pixels = {
            (a, b): x[n, :, a, b].double().numpy()
            for a in range(x.shape[2])
            for b in range(x.shape[3])
            if mask[n, 0, a, b]
        }
        heads = []
        for head in range(2):
            rows = slice(3 * head, 3 * head + 3)
            q = {p: arrays["query.weight"][rows] @ value for p, value in pixels.items()}
            v = {p: arrays["value.weight"][rows] @ value for p, value in pixels.items()}
            mixed = {p: np.zeros(3) for p in pixels}
            if block.content:
                k = {p: arrays["key.weight"][rows] @ value for p, value in pixels.items()}
                mixed = {p: mixed[p] + y for p, y in _content(k, q, v, list(pixels)).items()}
            if block.offsets:
                mixed = {p: mixed[p] + y for p, y in _position(q, v, list(pixels), arrays, head, size).items()}
            heads.append(mixed)
        for a, b in pixels:
            together = np.concatenate([mixed[a, b] for mixed in heads])
            result[n, :, a, b] = arrays["project.weight"] @ together + arrays["project.bias"]
    return result


@pytest.mark.parametrize(("content", "positional"), [(True, False), (False, True), (True, True)])
@settings(max_examples=6, deadline=None)
@given(height=st.integers(1, 6), width=st.integers(1, 6), size=st.sampled_from([6, 9]), masked=st.booleans())
def test_both_parts_are_the_sums_over_positions_of_the_paper(content, positional, height, width, size, masked):
    block = _block(size=size, content=content, positional=positional)
    x = torch.randn(2, C, height, width)
    mask = _mask(x) if masked else torch.ones(2, 1, height, width, dtype=torch.bool)
    result = block(x, mask if masked else None).detach().numpy()
    np.testing.assert_allclose(result, _by_hand(block, x, mask), atol=2e-5, rtol=1e-4)


def test_along_a_sequence_position_is_one_pass_without_normalisation():
    block = _block(dimensions=1, content=False, heads=1)
    x, arrays = torch.randn(1, C, 7), _arrays(block)
    values = x[0].numpy()
    q, v = arrays["query.weight"] @ values, arrays["value.weight"] @ values
    mixed = [sum((q[:, i] @ arrays["offsets.0"][j - i + 8]) * v[:, j] for j in range(7)) for i in range(7)]
    expected = arrays["project.weight"] @ np.array(mixed).T + arrays["project.bias"][:, None]
    np.testing.assert_allclose(block(x)[0].detach().numpy(), expected, atol=1e-5)


def test_content_follows_any_rearrangement_of_the_positions_and_position_does_not():
    x, order = torch.randn(2, C, 6 * 7), torch.randperm(6 * 7)
    for positional in (False, True):
        block = _block(positional=positional)
        moved_after = block(x.view(2, C, 6, 7)).flatten(2)[..., order]
        moved_before = block(x[..., order].view(2, C, 6, 7)).flatten(2)
        assert torch.allclose(moved_before, moved_after, atol=1e-5) is not positional


def _every_pixel_influences_every_result(block, height, width):
    x = torch.randn(1, C, height, width, requires_grad=True)
    result = block(x)
    for a in range(height):
        for b in range(width):
            (gradient,) = torch.autograd.grad(result[0, :, a, b].sum(), x, retain_graph=True)
            if not (gradient.abs().sum(dim=1) > 0).all():
                return False
    return True


@pytest.mark.parametrize(("height", "width"), [(5, 5), (3, 6), (6, 1)])
def test_every_pixel_influences_every_result_by_position_alone(height, width):
    assert _every_pixel_influences_every_result(_block(size=6, content=False), height, width)


def test_offsets_in_one_direction_only_would_leave_pixels_unseen():
    """An early public version has L instead of 2L - 1 vectors, none for what lies above or to the left."""
    block = _block(size=6, content=False)
    with torch.no_grad():
        for vectors in block.offsets:
            vectors[:5] = 0
    assert not _every_pixel_influences_every_result(block, 5, 5)


def test_a_score_is_not_a_share():
    """Without softmax, twice the offset vectors give twice the sum."""
    block = _block(dimensions=1, content=False)
    x = torch.randn(2, C, 8)
    before = block(x) - block.project.bias[:, None]
    with torch.no_grad():
        block.offsets[0] *= 2
    torch.testing.assert_close(block(x) - block.project.bias[:, None], 2 * before, atol=1e-5, rtol=1e-4)


class _Largest(TorchDispatchMode):
    """Elements of the largest tensor that any operation returns."""

    elements = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.elements = max(self.elements, result.numel())
        return result


def _largest(block, side):
    with _Largest() as meter, torch.no_grad():
        block.to("meta")(torch.empty(1, 16, side, side, device="meta"))
    return meter.elements


def _kept(block, side):
    """Bytes that training keeps for the backward pass."""
    kept = []  # also holds on to the tensors, so that no storage is given out twice
    with saved_tensors_hooks(lambda tensor: kept.append(tensor), lambda nothing: nothing):
        block.to("meta")(torch.empty(1, 16, side, side, device="meta"))
    storages = {tensor.untyped_storage()._cdata: tensor.untyped_storage() for tensor in kept}
    return sum(storage.nbytes() for storage in storages.values())


def _growth(measure, create):
    """Slope of the logarithms over the number of positions."""
    sides = (27, 54, 108)
    logarithms = [math.log(measure(create(side), side)) for side in sides]
    return np.polyfit([2 * math.log(side) for side in sides], logarithms, 1)[0]


def _global(side):
    return GlobalSelfAttention(16, size=side, heads=4)


def test_the_largest_tensor_grows_with_the_number_of_positions_and_not_with_its_square(monkeypatch):
    assert _growth(_largest, _global) < 1.1
    assert _largest(_global(27), 27) < 27**4
    monkeypatch.setattr(global_self_attention, "_SCORES", 1)  # nothing is small enough for a fixed share
    assert _growth(_largest, _global) == pytest.approx(1, abs=0.1)
    assert _growth(_largest, lambda side: SelfAttention(16)) == pytest.approx(2, abs=0.01)  # the meter can see it


def test_what_training_keeps_grows_with_the_number_of_positions(monkeypatch):
    monkeypatch.setattr(global_self_attention, "_SCORES", 1)
    assert _growth(_kept, _global) == pytest.approx(1, abs=0.1)
    monkeypatch.setattr(global_self_attention, "checkpoint", lambda function, *inputs, **options: function(*inputs))
    assert _growth(_kept, _global) > 1.3


@pytest.mark.parametrize("dimensions", [1, 2])
def test_a_few_lines_at_a_time_give_the_same_values_and_gradients(dimensions, monkeypatch):
    block = _block(dimensions=dimensions, head_features=2)
    x = torch.randn(2, C, *(9, 7)[:dimensions])
    results = []
    for scores in (2**18, 1):
        monkeypatch.setattr(global_self_attention, "_SCORES", scores)
        block.zero_grad()
        result = block(x, torch.ones_like(x[:, :1]) > 0)
        result.square().sum().backward()
        results.append([result, *(parameter.grad for parameter in block.parameters())])
    for whole, chunked in zip(*results, strict=True):
        torch.testing.assert_close(chunked, whole, atol=1e-4, rtol=1e-4)


@pytest.mark.slow
def test_the_compiler_takes_chunks_too(monkeypatch):
    block, x = _block(head_features=2), torch.randn(1, C, 9, 9)
    monkeypatch.setattr(global_self_attention, "_SCORES", 1)
    torch.compiler.reset()
    compiled = torch.compile(block, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), block(x), atol=1e-5, rtol=1e-4)
    compiled(x).sum().backward()
    assert block.offsets[0].grad.abs().sum() > 0


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 40), st.integers(1, 20), st.integers(1, 8), st.integers(1, 9))
def test_the_number_of_parameters_follows_the_formula(channels, size, heads, features):
    for dimensions, extra in (
        (1, (2 * size - 1) * features),
        (2, 2 * (2 * size - 1) * features + 2 * heads * features),
    ):
        for positional in (False, True):
            block = GlobalSelfAttention(
                channels, size=size, heads=heads, head_features=features, positional=positional, dimensions=dimensions
            )
            expected = 4 * channels * heads * features + channels + positional * extra
            assert sum(p.numel() for p in block.parameters()) == expected


def test_heads_share_the_channels_but_get_four_features_at_least():
    assert GlobalSelfAttention(64, size=7, heads=8).query.out_channels == 64
    assert GlobalSelfAttention(8, size=7, heads=8).query.out_channels == 32


def test_with_positions_a_longer_side_is_refused():
    with pytest.raises(ValueError, match="longer than size 9, not \\(3, 10\\)"):
        _block()(torch.randn(1, C, 3, 10))
    assert _block(positional=False)(torch.randn(1, C, 3, 10)).shape == (1, C, 3, 10)
