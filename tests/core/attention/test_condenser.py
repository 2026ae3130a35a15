import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hsiattn.core.attention import AttentionCondenser, condenser

C = 8


def _block(seed=0, **arguments):
    torch.manual_seed(seed)
    block = AttentionCondenser(C, **{"reduction": 2} | arguments).eval()
    with torch.no_grad():
        for parameter in block.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return block


def _arrays(block):
    return {name: value.detach().numpy() for name, value in block.state_dict().items()}


def _attention_by_hand(block, x, mask):
    """A of one sample by loops over cells: x (C, H, W), mask (H, W)."""
    arrays = _arrays(block)
    weights = {name: arrays[f"{name}.weight"] for name in ("reduce", "depthwise", "pointwise", "expand")}
    biases = {name: arrays[f"{name}.bias"] for name in weights}
    height, width = mask.shape
    cells = {}
    for i in range((height + 1) // 2):
        for j in range((width + 1) // 2):
            members = [(a, b) for a in range(height) for b in range(width) if (a // 2, b // 2) == (i, j) and mask[a, b]]
            reduced = [weights["reduce"][:, :, 0, 0] @ x[:, a, b] + biases["reduce"] for a, b in members]
            cells[i, j] = np.max(reduced, axis=0) if members else np.zeros(len(biases["reduce"]))
    attention = np.zeros_like(x)
    for a in range(height):
        for b in range(width):
            seen = biases["depthwise"].copy()
            for di in (-1, 0, 1):
                for dj in (-1, 0, 1):
                    seen += weights["depthwise"][:, 0, di + 1, dj + 1] * cells.get((a // 2 + di, b // 2 + dj), 0)
            embedded = np.maximum(weights["pointwise"][:, :, 0, 0] @ np.maximum(seen, 0) + biases["pointwise"], 0)
            attention[:, a, b] = weights["expand"][:, :, 0, 0] @ embedded + biases["expand"]
    return attention


@pytest.mark.parametrize("selection", ["gate", "add"])
@settings(max_examples=8, deadline=None)
@given(height=st.integers(1, 7), width=st.integers(1, 7), masked=st.booleans())
def test_it_condenses_embeds_expands_and_selects_as_defined(selection, height, width, masked):
    block, x = _block(selection=selection), torch.randn(2, C, height, width)
    mask = torch.rand(2, 1, height, width) >= (0.5 if masked else 0)
    scale = block.scale.item()
    result = block(x, mask if masked else None).detach().numpy()
    for n in range(2):
        attention, values = _attention_by_hand(block, x[n].numpy(), mask[n, 0].numpy()), x[n].numpy()
        gated = values / (1 + np.exp(-attention)) * scale + values
        expected = gated if selection == "gate" else values * scale + attention
        np.testing.assert_allclose(result[n], np.where(mask[n].numpy(), expected, 0), atol=2e-5)


@pytest.mark.parametrize("dimensions", [1, 2])
def test_the_gate_lies_between_zero_and_one_and_is_the_same_within_a_cell(dimensions):
    block, x = _block(dimensions=dimensions), torch.randn(2, C, *(9, 7)[:dimensions])
    gate = block.attention(x)
    assert gate.shape == x.shape
    assert ((gate > 0) & (gate < 1)).all()
    odd = gate[..., 1::2]
    assert torch.equal(odd, gate[..., : 2 * odd.shape[-1] : 2])
    assert gate.flatten(2).unique(dim=2).shape[2] > 1


def _acts(block):
    x = torch.randn(2, C, 6, 6)
    return (block(x) - x).abs().max() > 1e-2


def test_a_branch_that_is_computed_and_dropped_is_noticed():
    """A public version of TinySpeech computes its condensers and returns what it was given."""

    class Dropped(AttentionCondenser):
        def forward(self, x, mask=None):
            super().forward(x, mask)
            return x

    assert _acts(_block())
    assert not _acts(Dropped(C))


def _sees_neighbouring_cells(block):
    """Whether a change in one cell reaches the attention of the cell beside it; cells hold 2 × 2 positions."""
    x = torch.randn(1, C, 6, 6, requires_grad=True)
    (gradient,) = torch.autograd.grad(block.attention(x)[:, :, 2, 2].sum(), x)
    touched = gradient.abs().sum(dim=(0, 1)) > 0
    return bool(touched[:2].any() and touched[4:].any() and touched[:, :2].any() and touched[:, 4:].any())


def test_an_embedding_by_single_positions_is_noticed():
    """The group convolution of the same public version is a 1×1 convolution in one group, blind to its neighbours."""
    block = _block()
    assert _sees_neighbouring_cells(block)
    block.depthwise = torch.nn.Conv2d(4, 4, 1)
    assert not _sees_neighbouring_cells(block)


def test_the_scale_is_one_at_first_and_not_whatever_stood_in_memory():
    for selection in ("gate", "add"):
        assert AttentionCondenser(C, selection=selection).scale.item() == 1
    assert AttentionCondenser(C, identity_start=True).scale.item() == 0


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 40), st.integers(1, 8), st.sampled_from([1, 3, 5]), st.sampled_from([1, 2]))
def test_the_number_of_parameters_follows_the_formula(channels, reduction, kernel, dimensions):
    block = AttentionCondenser(channels, reduction=reduction, kernel=kernel, dimensions=dimensions)
    c = max(channels // reduction, 1)
    expected = 2 * channels * c + c**2 + c * kernel**dimensions + 3 * c + channels + 1
    assert sum(p.numel() for p in block.parameters()) == expected


def test_the_module_says_that_it_is_a_reconstruction_with_other_readings():
    assert "reconstruction" in condenser.__doc__
    assert "three readings" in condenser.__doc__


@pytest.mark.parametrize("selection", ["gate", "add"])
@pytest.mark.parametrize("length", [1, 2, 9])
def test_features_before_sequences_give_the_same(selection, length):
    block, x = _block(selection=selection, dimensions=1), torch.randn(5, C, length)
    with torch.inference_mode():
        columns = block.over_columns(x.permute(2, 1, 0).contiguous())
        torch.testing.assert_close(columns.permute(2, 1, 0), block(x), atol=1e-5, rtol=1e-5)
