"""The fast GRU, against torch's own."""

from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hsiattn.core import FastGRU, recurrent


def _by_torch(gru, sequences):
    reference = nn.GRU(gru.input_size, gru.hidden_size, batch_first=True, bidirectional=gru.bidirectional)
    reference.load_state_dict(gru.state_dict())
    with torch.no_grad():
        return reference(sequences)[0]


@settings(max_examples=30, deadline=None)
@given(
    inputs=st.integers(1, 9),
    hidden=st.integers(1, 17),
    length=st.integers(1, 12),
    count=st.integers(1, 70),
    both=st.booleans(),
    seed=st.integers(0, 99),
)
def test_without_gradients_the_states_are_those_of_torch(inputs, hidden, length, count, both, seed):
    torch.manual_seed(seed)
    gru = FastGRU(inputs, hidden, bidirectional=both)
    for parameter in gru.parameters():
        parameter.data *= 3.0  # gates that open and close
    sequences = 2.0 * torch.randn(count, length, inputs)
    with torch.inference_mode(), patch.object(recurrent, "_WORTH_WHILE", 0):
        states, last = gru(sequences)
        columns = gru.scan(sequences.permute(1, 2, 0))
        parts = [torch.stack(part, dim=1) for part in gru.unrolled(sequences.transpose(0, 1))]
    assert last is None
    torch.testing.assert_close(torch.cat(parts, dim=2), _by_torch(gru, sequences), atol=1e-5, rtol=0)
    torch.testing.assert_close(states, _by_torch(gru, sequences), atol=1e-5, rtol=0)
    torch.testing.assert_close(columns.permute(2, 0, 1), states, atol=1e-6, rtol=0)


def test_a_long_sequence_of_large_values_stays_close_to_torch():
    torch.manual_seed(0)
    gru, sequences = FastGRU(1, 64), 50.0 * torch.randn(5, 200, 1)
    with torch.inference_mode(), patch.object(recurrent, "_WORTH_WHILE", 0):
        torch.testing.assert_close(gru(sequences)[0], _by_torch(gru, sequences), atol=1e-5, rtol=0)


def test_pieces_make_no_difference(monkeypatch):
    torch.manual_seed(0)
    gru, steps = FastGRU(3, 8), torch.randn(4, 3, 150)
    with torch.inference_mode():
        whole = gru.scan(steps)
        monkeypatch.setattr(recurrent, "_FEWEST", 16)
        monkeypatch.setattr(recurrent, "_MOST", 32)
        assert gru.sequences_at_once(4) == 32
        out = torch.empty(4, 16, 150)
        assert gru.scan(steps, out) is out
    torch.testing.assert_close(out, whole, atol=1e-6, rtol=0)


def test_pieces_hold_the_longer_the_sequences_the_fewer_of_them():
    gru = FastGRU(1, 512)
    counts = [gru.sequences_at_once(length) for length in (1, 10, 100, 1000)]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == recurrent._FEWEST


def test_parameters_are_named_as_in_torch():
    names = nn.GRU(3, 5, batch_first=True, bidirectional=True).state_dict()
    assert {name: value.shape for name, value in FastGRU(3, 5).state_dict().items()} == {
        name: value.shape for name, value in names.items()
    }


def test_training_goes_through_torch_and_gives_its_gradients():
    torch.manual_seed(0)
    gru, sequences = FastGRU(3, 5), torch.randn(4, 6, 3, requires_grad=True)
    states, last = gru(sequences)
    states.square().sum().backward()
    assert last is not None
    ours = sequences.grad.clone()
    reference = nn.GRU(3, 5, batch_first=True, bidirectional=True)
    reference.load_state_dict(gru.state_dict())
    sequences.grad = None
    reference(sequences)[0].square().sum().backward()
    torch.testing.assert_close(ours, sequences.grad)


def test_an_input_that_wants_gradients_goes_through_torch_though_the_weights_want_none():
    gru = FastGRU(3, 5).requires_grad_(requires_grad=False)
    sequences = torch.randn(4, 6, 3)
    assert gru.fast(sequences)
    assert not gru.fast(sequences.requires_grad_())


@pytest.mark.parametrize("kind", [torch.float64, torch.float16])
def test_other_types_go_through_torch(kind):
    gru = FastGRU(3, 5).to(kind)
    with torch.inference_mode():
        assert not gru.fast(torch.zeros(2, 3, 3, dtype=kind))
        assert gru(torch.zeros(2, 3, 3, dtype=kind))[0].dtype == kind


def test_in_bfloat16_the_states_are_good_to_two_digits():
    torch.manual_seed(0)
    gru, sequences = FastGRU(4, 16), torch.randn(40, 20, 4)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        states = gru.scan(sequences.permute(1, 2, 0)).permute(2, 0, 1)
    assert states.dtype == torch.float32
    torch.testing.assert_close(states, _by_torch(gru, sequences), atol=0.03, rtol=0)
    assert not torch.equal(states, _by_torch(gru, sequences))


# -- int8 --------------------------------------------------------------------------------------------------------------

needs_int8 = pytest.mark.skipif(not torch.cpu._is_vnni_supported(), reason="this CPU does not multiply in int8")


@needs_int8
@settings(max_examples=30, deadline=None)
@given(
    inputs=st.integers(1, 9),
    hidden=st.integers(1, 17),
    length=st.integers(1, 12),
    count=st.integers(1, 70),
    both=st.booleans(),
    size=st.floats(1e-3, 1e3),
    seed=st.integers(0, 99),
)
def test_in_int8_states_differ_by_no_more_than_rounding_lets_them(inputs, hidden, length, count, both, size, seed):
    torch.manual_seed(seed)
    gru = FastGRU(inputs, hidden, bidirectional=both)
    for name in ("weight_ih_l0", "weight_ih_l0_reverse")[: 1 + both]:
        getattr(gru, name).data /= size
    sequences = size * (2.0 * torch.rand(count, length, inputs) - 1.0)
    gru.largest_inputs = sequences.abs().amax(dim=(0, 1))
    with torch.inference_mode():
        states, last = gru(sequences)
        columns = gru.scan(sequences.permute(1, 2, 0))
    assert last is None
    torch.testing.assert_close(columns.permute(2, 0, 1), states, atol=0, rtol=0)
    assert states.abs().max() <= 1
    # Weights are at most 1 / √hidden. Each column of a sum is off by half a unit of its weight, and of its factor.
    of_a_sum = (inputs + hidden + 2) * hidden**-0.5 * 2 / 254
    torch.testing.assert_close(states, _by_torch(gru, sequences), atol=of_a_sum, rtol=0)


@needs_int8
def test_in_int8_pieces_make_no_difference_at_all(monkeypatch):
    torch.manual_seed(0)
    gru, steps = FastGRU(3, 8), torch.randn(4, 3, 150)
    gru.largest_inputs = torch.full((3,), 4.0)
    with torch.inference_mode():
        whole = gru.scan(steps)
        monkeypatch.setattr(recurrent, "_FEWEST", 16)
        monkeypatch.setattr(recurrent, "_MOST", 64)
        assert gru.sequences_at_once(4) == 32
        assert torch.equal(gru.scan(steps), whole)


@needs_int8
def test_in_int8_what_exceeds_the_largest_inputs_counts_as_these():
    torch.manual_seed(0)
    gru = FastGRU(2, 5)
    gru.largest_inputs = torch.tensor([1.0, 3.0])
    steps = 10.0 * torch.randn(4, 2, 30)
    with torch.inference_mode():
        cut = gru.scan(torch.minimum(torch.maximum(steps, -gru.largest_inputs[:, None]), gru.largest_inputs[:, None]))
        assert torch.equal(gru.scan(steps), cut)


def test_the_largest_inputs_are_no_part_of_the_state():
    gru = FastGRU(2, 5)
    before = list(gru.state_dict())
    gru.largest_inputs = torch.ones(2)
    assert list(gru.state_dict()) == before
