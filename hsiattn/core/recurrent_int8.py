"""The steps of a gated recurrent unit with matrix products in int8; gates and states stay float32."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

_FULL = 127
"""Largest int8 that is used; -128 would have no counterpart."""


@dataclass(frozen=True, eq=False)
class Int8Direction:
    """Weights of one direction of a GRU in int8, for σ in the place of tanh; see `FastGRU`.

    One product makes the sums of all gates: its rows are reset and update gate, and the parts of the candidate that
    come from the input and from the state, which are added only after the reset gate has weighed the second one. Its
    columns are the features of the input, those of the state, and two for the bias, a coarse and a fine one, so that
    the bias is exact to the last bit of the sum.

    Attributes
    ----------
    weight
        (4·hidden, inputs + hidden + 2) int8.
    scale
        (4·hidden, 1) float32: what a unit of each row's sum is worth.
    """

    weight: Tensor
    scale: Tensor

    @classmethod
    def of(cls, gru: nn.GRU, suffix: str, largest: Tensor) -> Int8Direction:
        """The weights of the direction of that suffix, for inputs of these largest magnitudes (inputs,)."""
        weight_ih, weight_hh, bias_ih, bias_hh = (
            getattr(gru, f"{name}_{suffix}").detach() for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        hidden, inputs = gru.hidden_size, gru.input_size
        gates, new = slice(0, 2 * hidden), slice(2 * hidden, 3 * hidden)
        exact = weight_ih.new_zeros(4 * hidden, inputs + hidden + 1)
        # An input is largest · q / 127 and a state q / 127, so all columns of a row share a scale.
        exact[: 3 * hidden, :inputs] = weight_ih * largest
        exact[gates, inputs:-1], exact[3 * hidden :, inputs:-1] = weight_hh[gates], weight_hh[new]
        exact[gates, -1], exact[new, -1], exact[3 * hidden :, -1] = (
            bias_ih[gates] + bias_hh[gates],
            bias_ih[new],
            bias_hh[new],
        )
        exact[2 * hidden :] *= 2.0  # tanh(a) = 2 σ(2a) - 1
        unit = exact.abs().amax(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny * _FULL) / _FULL
        coarse = exact / unit
        rounded = coarse.round()
        fine = ((coarse[:, -1:] - rounded[:, -1:]) * _FULL).round()
        return cls(torch.cat([rounded, fine], dim=1).to(torch.int8), unit / _FULL)


def quantised(steps: Tensor, largest: Tensor) -> Tensor:
    """Steps (T, inputs, N) in int8; what is larger than the largest magnitudes becomes these."""
    return torch.mul(steps, (_FULL / largest)[:, None]).round_().clamp_(-_FULL, _FULL).to(torch.int8)


def scan_int8(direction: Int8Direction, steps: Tensor, states: Tensor, *, backwards: bool) -> None:
    """Fill the states (T, hidden, N) of one direction from its quantised steps (T, inputs, N).

    A state lies between -1 and 1, so its scale is known beforehand. Results do not depend on how sequences are cut into
    pieces: sums are whole numbers, and all else is computed one by one.
    """
    length, inputs, count = steps.shape
    hidden = states.shape[1]
    sums = steps.new_empty(4 * hidden, count, dtype=torch.int32)
    gates = torch.empty_like(sums, dtype=torch.float32)
    both, reset, update = gates[: 2 * hidden], gates[:hidden], gates[hidden : 2 * hidden]
    new, candidate = gates[2 * hidden : 3 * hidden], gates[3 * hidden :]
    operand = steps.new_zeros(inputs + hidden + 2, count)
    operand[-2], operand[-1] = _FULL, 1
    current, state = operand[:inputs], operand[inputs:-2]
    lowest, lowest_int8 = gates.new_tensor(-1.0), gates.new_tensor(-_FULL)  # plain numbers become tensors in every step
    before, after = (gates.new_full((hidden, count), 0.5) for _ in range(2))  # g = (h + 1) / 2, see `FastGRU`
    for step in range(length)[:: -1 if backwards else 1]:
        current.copy_(steps[step])
        torch._int_mm(direction.weight, operand, out=sums)
        gates.copy_(sums).mul_(direction.scale)
        both.sigmoid_()
        new.addcmul_(reset, candidate).sigmoid_()
        torch.lerp(new, before, update, out=after)
        torch.add(lowest, after, alpha=2.0, out=states[step])
        state.copy_(torch.add(lowest_int8, after, alpha=2.0 * _FULL, out=candidate).round_())
        before, after = after, before
