import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hsiattn.core.attention import SelfAttention

C = 6


def _block(seed=0, **arguments):
    torch.manual_seed(seed)
    return SelfAttention(C, **{"reduction": 2, "identity_start": False} | arguments).eval()


def _by_hand(block, x, counts):
    """Weights and results by loops over positions: x (C, P), `counts` their numbers."""
    f, g, h = (getattr(block, name).weight.detach().numpy().reshape(-1, C) for name in ("query", "key", "value"))
    weights, result = np.zeros((x.shape[1], x.shape[1])), np.zeros_like(x)
    for i in counts:
        scores = {j: np.exp((f @ x[:, i]) @ (g @ x[:, j])) for j in counts}
        for j in counts:
            weights[i, j] = scores[j] / sum(scores.values())
        gathered = sum(weights[i, j] * (h @ x[:, j]) for j in counts)
        if len(h) < C:
            gathered = block.restore.weight.detach().numpy().reshape(C, -1) @ gathered
        result[:, i] = x[:, i] + block.gamma.item() * gathered
    return weights, result


@pytest.mark.parametrize("value", ["full", "reduced"])
@settings(max_examples=6, deadline=None)
@given(height=st.integers(1, 4), width=st.integers(1, 5), masked=st.booleans())
def test_weights_and_results_are_those_of_the_paper(value, height, width, masked):
    block, x = _block(value=value), torch.randn(2, C, height, width)
    mask = torch.rand(2, 1, height, width) >= 0.4 if masked else torch.ones(2, 1, height, width, dtype=torch.bool)
    mask[..., 0, 0] = True
    for n in range(2):
        counts = np.flatnonzero(mask[n].numpy())
        weights, result = _by_hand(block, x[n].flatten(1).numpy(), counts)
        ours = block.weights(x, mask if masked else None)[n].detach().numpy()
        np.testing.assert_allclose(ours[counts], weights[counts], atol=1e-5)
        ours = block(x, mask if masked else None)[n].flatten(1).detach().numpy()
        np.testing.assert_allclose(ours, result, atol=1e-5)


def _rows_are_shares(weights):
    return bool((weights >= 0).all()) and torch.allclose(weights.sum(dim=2), torch.ones(weights.shape[:2]), atol=1e-5)


@pytest.mark.parametrize("dimensions", [1, 2])
def test_what_a_position_looks_at_sums_to_one(dimensions):
    block, x = _block(dimensions=dimensions), 3 * torch.randn(2, C, *(5, 4)[:dimensions])
    mask = torch.rand(2, 1, *x.shape[2:]) >= 0.5
    mask[:, :, 0] = True
    assert _rows_are_shares(block.weights(x))
    assert _rows_are_shares(block.weights(x, mask))
    assert _rows_are_shares(block.weights(x, torch.zeros_like(mask)))
    assert (block.weights(x, mask).masked_select(~mask.flatten(2)) == 0).all()


def test_a_softmax_over_the_wrong_axis_is_told_apart():
    """The transposed weights, what looks at a position, do not sum to 1 where the right ones do."""
    weights = _block().weights(3 * torch.randn(2, C, 5, 4))
    assert _rows_are_shares(weights)
    assert not _rows_are_shares(weights.mT)


def test_scores_are_not_divided_by_the_root_of_the_features():
    block, x = _block(), torch.randn(1, C, 8)[..., None]
    scores = torch.einsum("ncp,ncq->npq", block.query(x).flatten(2), block.key(x).flatten(2))
    assert torch.allclose(block.weights(x), scores.softmax(dim=-1), atol=1e-6)
    assert not torch.allclose(block.weights(x), (scores / 3**0.5).softmax(dim=-1), atol=1e-3)


def test_a_position_that_resembles_one_alone_gathers_from_that_one():
    block = SelfAttention(2, reduction=1, identity_start=False)
    with torch.no_grad():
        for layer, scale in ((block.query, 10.0), (block.key, 10.0), (block.value, 1.0)):
            layer.weight.copy_(scale * torch.eye(2)[:, :, None, None])
    x = torch.tensor([[[[1.0, 0.0, 1.0]], [[0.0, 1.0, 0.0]]]])
    torch.testing.assert_close(block(x), 2 * x)  # every position gathers its own kind


def test_by_default_the_fresh_layer_returns_its_input_and_only_gamma_moves_first():
    layer, x = SelfAttention(C), torch.randn(2, C, 4, 4)
    result = layer(x)
    assert torch.equal(result, x)
    result.square().sum().backward()
    assert layer.gamma.grad.abs() > 0
    assert layer.query.weight.grad.abs().sum() == 0
    assert SelfAttention(C, identity_start=False).gamma.item() == 1


@pytest.mark.parametrize("value", ["full", "reduced"])
def test_with_spectral_norm_the_largest_singular_value_of_every_matrix_is_one(value):
    block = _block(value=value, spectral_norm=True).train()
    for _ in range(50):
        block(torch.randn(1, C, 3, 3))
    block.eval()
    names = ["query", "key", "value"] + ["restore"] * (value == "reduced")
    for name in names:
        weight = getattr(block, name).weight.detach().flatten(1).numpy()
        assert np.linalg.svd(weight, compute_uv=False)[0] == pytest.approx(1, abs=1e-3)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 80), st.integers(1, 16), st.sampled_from([1, 2]), st.booleans())
def test_the_number_of_parameters_follows_the_formula(channels, reduction, dimensions, spectral_norm):
    inner = max(channels // reduction, 1)
    for value, expected in (("full", 2 * channels * inner + channels**2 + 1), ("reduced", 4 * channels * inner + 1)):
        block = SelfAttention(
            channels, reduction=reduction, value=value, spectral_norm=spectral_norm, dimensions=dimensions
        )
        assert sum(p.numel() for p in block.parameters()) == expected


@pytest.mark.parametrize("masked", [False, True])
def test_with_pooled_keys_positions_look_at_the_means_of_cells(masked):
    block, x = _block(key_pooling=2), torch.randn(2, C, 5, 4)
    mask = torch.rand(2, 1, 5, 4) >= 0.3 if masked else torch.ones(2, 1, 5, 4, dtype=torch.bool)
    mask[:, :, :2, :2] = not masked  # a whole cell without positions that count
    cells = torch.zeros(2, C, 3, 2)
    for n, i, j in np.ndindex(2, 3, 2):
        counts = mask[n, 0, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        inside = x[n, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2][:, counts]
        cells[n, :, i, j] = inside.mean(dim=1) if counts.any() else torch.nan
    kept = torch.where(mask, x, 0.0)
    known = cells.isfinite().all(dim=1).flatten(1)
    scores = torch.einsum("ncp,ncq->npq", block.query(kept).flatten(2), block.key(cells.nan_to_num()).flatten(2))
    weights = scores.masked_fill(~known[:, None], -torch.inf).softmax(dim=-1)
    given = mask if masked else None
    torch.testing.assert_close(block.weights(x, given), weights, rtol=1e-4, atol=1e-5)
    assert _rows_are_shares(block.weights(x, given))
    gathered = torch.einsum("npq,ncq->ncp", weights, block.value(cells.nan_to_num()).flatten(2)).view_as(x)
    torch.testing.assert_close(block(x, given), torch.where(mask, x + gathered, 0.0), rtol=1e-4, atol=1e-5)
    received = block.attention_weights(x, given)
    torch.testing.assert_close(received.flatten(1).sum(dim=1), torch.ones(2))
    assert (received[~mask[:, 0]] == 0).all()


def test_pooled_keys_leave_the_fresh_layer_the_identity_and_are_refused_below_one():
    x = torch.randn(1, C, 6)
    assert torch.equal(SelfAttention(C, key_pooling=3, dimensions=1)(x), x)
    with pytest.raises(ValueError, match="key_pooling"):
        SelfAttention(C, key_pooling=0)
