"""A gated recurrent unit that runs on a CPU at the speed of its matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hsiattn.core.recurrent_int8 import Int8Direction, quantised, scan_int8

_STATES_AT_ONCE = 2**22
"""Most numbers in the states of the sequences that are computed together: 16 MiB; they stay near the cores."""
_FEWEST, _MOST = 128, 4096
"""Sequences computed together: enough to fill a matrix product, few enough for the gates of a step to stay in cache."""
_WORTH_WHILE = 2**15
"""Numbers in a state, over all sequences, from which on the fast way is the faster one."""


class FastGRU(nn.GRU):
    """One layer of `torch.nn.GRU`, in one or both directions: same parameters, same results, several times the speed.

    torch's own loop works on one sequence after the other's step in row-major order, and its gates cost as much as its
    matrix products. Here, when no gradients are wanted, on a CPU and in float32:

    - sequences lie along the last axis, so that gates are contiguous rows of one product, used in place;
    - sequences are cut into pieces whose gates stay in the cache while all steps run;
    - tanh(a) is computed as 2 σ(2a) - 1, since torch has a fast σ and a slow tanh. The state is kept as
      g = (h + 1) / 2; both factors 2 and the shift go into the weights and biases. With r, z, n the gates of Cho et al.
      2014 (arXiv 1406.1078) as cuDNN computes them, h' = n + z (h - n) then is g' = s + z (g - s), s = σ(2a).

    Inside `torch.autocast` on a CPU the products are those of its type, bfloat16, and all else stays float32. With
    `largest_inputs` they are in int8. Anything else (training, GPUs, other types, export, compilation) goes through
    `torch.nn.GRU`.

    Parameters
    ----------
    inputs, hidden
        Features of a step, and units per direction.
    bidirectional
        Run backwards as well; features of both directions are concatenated. Default: True.

    Attributes
    ----------
    largest_inputs
        (inputs,) largest magnitudes of the features of a step, positive: the fast way then has its products in int8,
        and what is larger counts as so large. None, the default, for products in float32. No parameter, and not kept in
        the state of the module.

    Shapes
    ------
    `forward`: (N, T, inputs) -> (N, T, D·hidden), D directions, as the first result of `torch.nn.GRU` with
    `batch_first`. `scan`: the same with features before sequences, (T, inputs, N) -> (T, D·hidden, N).

    Examples
    --------
    >>> states, _ = FastGRU(4, 16)(torch.randn(3, 25, 4))
    >>> states.shape
    torch.Size([3, 25, 32])
    """

    def __init__(self, inputs: int, hidden: int, *, bidirectional: bool = True) -> None:
        super().__init__(inputs, hidden, batch_first=True, bidirectional=bidirectional)
        self.largest_inputs: Tensor | None = None

    def forward(self, sequences: Tensor, start: Tensor | None = None) -> tuple[Tensor, Tensor | None]:  # type: ignore[override]
        """States of all steps, and the last states, which the fast way leaves out (None)."""
        few = self.largest_inputs is None and len(sequences) * self.hidden_size < _WORTH_WHILE
        if start is not None or few or not self.fast(sequences):
            states, last = super().forward(sequences, start)
            return states, last
        return self.scan(sequences.permute(1, 2, 0)).permute(2, 0, 1), None

    def scan(self, steps: Tensor, out: Tensor | None = None) -> Tensor:
        """States with features before sequences; see the class. Written to `out`, float32, where the fast way is open.

        Fresh memory costs as much as a tenth of the computation, so whoever scans piece after piece gives `out`.
        """
        if not self.fast(steps):
            return super().forward(steps.permute(2, 0, 1))[0].permute(1, 2, 0)
        length, _, count = steps.shape
        if out is None:
            out = steps.new_empty(length, len(self._suffixes) * self.hidden_size, count, dtype=torch.float32)
        if self.largest_inputs is not None:
            self._scan_in_int8(steps, out, self.largest_inputs)
            return out
        kind = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32
        directions = [_Direction.of(self, suffix, kind) for suffix in self._suffixes]
        piece = self.sequences_at_once(length)
        with torch.autocast("cpu", enabled=False):
            for start in range(0, count, piece):
                few = slice(start, start + piece)
                self._scan_piece(directions, _with_ones(steps[:, :, few].to(kind)), out, few)
        return out

    def unrolled(self, steps: Tensor) -> list[list[Tensor]]:
        """States of every direction after every step, as plain products one after the other.

        For graphs that other programs run: their recurrent operators work on one sequence after the other, which takes
        longer than these products. Sequences are rows, since such programs prepare weights once where these are the
        second factor; the states themselves are put together nowhere.

        Shapes
        ------
        (T, N, inputs) -> of every direction T states (N, hidden), in the order of the steps.
        """
        return [self._unrolled(steps.unbind(0), suffix) for suffix in self._suffixes]

    def _unrolled(self, steps: Sequence[Tensor], suffix: str) -> list[Tensor]:
        reset_ih, update_ih, new_ih = getattr(self, f"weight_ih_{suffix}").T.chunk(3, dim=1)
        reset_hh, update_hh, new_hh = getattr(self, f"weight_hh_{suffix}").T.chunk(3, dim=1)
        reset_b, update_b, new_b = getattr(self, f"bias_ih_{suffix}").chunk(3)
        reset_c, update_c, new_c = getattr(self, f"bias_hh_{suffix}").chunk(3)
        reset_b, update_b = reset_b + reset_c, update_b + update_c
        reset_both, update_both = torch.cat([reset_ih, reset_hh]), torch.cat([update_ih, update_hh])
        states: list[Tensor] = []
        backwards = suffix.endswith("reverse")
        for step in steps[::-1] if backwards else steps:
            new = torch.addmm(new_b, step, new_ih)
            if not states:
                reset, update = torch.addmm(reset_b, step, reset_ih), torch.addmm(update_b, step, update_ih)
                new = torch.tanh(new + torch.sigmoid(reset) * new_c)
                states.append(new - torch.sigmoid(update) * new)
                continue
            both = torch.cat([step, states[-1]], dim=1)
            reset, update = torch.addmm(reset_b, both, reset_both), torch.addmm(update_b, both, update_both)
            new = torch.tanh(new + torch.sigmoid(reset) * torch.addmm(new_c, states[-1], new_hh))
            states.append(new + torch.sigmoid(update) * (states[-1] - new))
        return states[::-1] if backwards else states

    def fast(self, x: Tensor) -> bool:
        """Whether the fast way is open for an input."""
        return (
            x.device.type == "cpu"
            and x.dtype in (torch.float32, torch.bfloat16)
            and self.weight_hh_l0.dtype == torch.float32
            and not (torch.is_grad_enabled() and (x.requires_grad or self.weight_hh_l0.requires_grad))
            and (x.dtype == torch.float32 or torch.is_autocast_enabled("cpu"))
            and not torch.compiler.is_compiling()
        )

    def sequences_at_once(self, length: int) -> int:
        """How many sequences of so many steps are best computed together."""
        fitting = _STATES_AT_ONCE // (length * len(self._suffixes) * self.hidden_size)
        most = _MOST if self.largest_inputs is None else _MOST // 2  # sums beside gates take twice the memory
        return max(_FEWEST, min(fitting // 16 * 16, most))

    def _scan_in_int8(self, steps: Tensor, out: Tensor, largest: Tensor) -> None:
        directions = [Int8Direction.of(self, suffix, largest) for suffix in self._suffixes]
        piece, hidden = self.sequences_at_once(len(steps)), self.hidden_size
        for start in range(0, steps.shape[2], piece):
            few = quantised(steps[:, :, start : start + piece], largest)
            for number, direction in enumerate(directions):
                states = out[:, number * hidden : (number + 1) * hidden, start : start + piece]
                scan_int8(direction, few, states, backwards=number > 0)

    def _scan_piece(self, directions: list[_Direction], steps: Tensor, states: Tensor, few: slice) -> None:
        hidden, length, count = self.hidden_size, len(steps), steps.shape[2]
        products, candidates = steps.new_empty(3 * hidden, count), steps.new_empty(hidden, count)
        gates, candidate = products, candidates  # sums in float32, whatever the type of the products
        if steps.dtype != torch.float32:
            gates, candidate = (torch.empty_like(x, dtype=torch.float32) for x in (products, candidates))
        both, new = gates[: 2 * hidden], gates[2 * hidden :]
        reset, update = gates[:hidden], gates[hidden : 2 * hidden]
        for number, direction in enumerate(directions):
            rows = slice(number * hidden, (number + 1) * hidden)
            # The state before and after a step, each with a row of ones.
            halves = [gates.new_ones(hidden + 1, count) for _ in range(2)]
            halves[0][:hidden] = 0.5
            for step in range(length)[:: -1 if number else 1]:
                before, after = halves
                operand = before.to(steps.dtype)
                torch.mm(direction.input_weight, steps[step], out=products)
                products[: 2 * hidden].addmm_(direction.gate_weight, operand[:hidden])
                torch.mm(direction.new_weight, operand, out=candidates)
                if gates is not products:
                    gates.copy_(products)
                    candidate.copy_(candidates)
                both.sigmoid_()
                new.addcmul_(reset, candidate).sigmoid_()
                torch.lerp(new, before[:hidden], update, out=after[:hidden])
                torch.add(-1.0, after[:hidden], alpha=2.0, out=states[step, rows, few])
                halves.reverse()

    @property
    def _suffixes(self) -> tuple[str, ...]:
        return ("l0", "l0_reverse") if self.bidirectional else ("l0",)


def _with_ones(steps: Tensor) -> Tensor:
    """Steps (T, I, N) with a row of ones, which takes a bias into the product: one pass over the gates less."""
    length, _, count = steps.shape
    return torch.cat([steps, steps.new_ones(1, 1, count).expand(length, -1, -1)], dim=1)


@dataclass(frozen=True, eq=False)
class _Direction:
    """Weights of a direction, for states g = (h + 1) / 2 and σ in the place of tanh.

    The last column of those of the input and of the candidate is the bias.
    """

    input_weight: Tensor
    gate_weight: Tensor
    new_weight: Tensor

    @classmethod
    def of(cls, gru: nn.GRU, suffix: str, kind: torch.dtype) -> _Direction:
        weight_ih, weight_hh, bias_ih, bias_hh = (
            getattr(gru, f"{name}_{suffix}").detach() for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        hidden = gru.hidden_size
        twice = torch.ones(3 * hidden, 1, dtype=weight_ih.dtype)
        twice[2 * hidden :] = 2.0
        # h = 2 g - 1, so W h + b = 2 W g + (b - W 1)
        recurrent, recurrent_bias = 2.0 * twice * weight_hh, twice * (bias_hh - weight_hh.sum(dim=1))[:, None]
        input_bias = twice * bias_ih[:, None]
        input_bias[: 2 * hidden] += recurrent_bias[: 2 * hidden]
        parts = (
            torch.cat([twice * weight_ih, input_bias], dim=1),
            recurrent[: 2 * hidden],
            torch.cat([recurrent[2 * hidden :], recurrent_bias[2 * hidden :]], dim=1),
        )
        return cls(*(part.to(kind).contiguous() for part in parts))
