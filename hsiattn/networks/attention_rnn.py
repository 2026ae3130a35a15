"""The spectral branch of SSAN and of most networks here: a GRU over groups of bands, and attention over its states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsiattn.core import AdditiveAttention, FastGRU, FeatureBlock
from hsiattn.networks.arguments import Arguments, checked, keywords, make_block, make_pooling
from hsiattn.networks.branches import SpectralBranch, chosen_inputs, group_bands, kept_inputs, shared_out
from hsiattn.networks.units import Anatomy, Kept, Shown, Spread, Units, in_layers

_DIRECTIONS = ("l0", "l0_reverse")
"""How torch names the weights of a bidirectional GRU."""


class AttentionRNN(SpectralBranch):
    """Contiguous groups of bands are the steps of a bidirectional GRU; attention weighs its states.

    Parameters
    ----------
    bands
        B.
    group
        Bands per step. Default: 8.
    embedding
        Features of a group before the GRU. Default: 32.
    hidden
        GRU units per direction. Default: 32.
    attention
        See `BandAttention`. Default: `additive`.
    pooling
        Halves the number of steps before the GRU: `none` or the name of a pooling of the core. Default: `none`.
    kept_groups
        Numbers of the groups that are read, ascending, the first one 0; None for all of them. Default: None.
    """

    def __init__(
        self,
        bands: int,
        *,
        group: int = 8,
        embedding: int = 32,
        hidden: int = 32,
        kept_groups: Sequence[int] | None = None,
        attention: str = "additive",
        attention_arguments: Arguments = None,
        pooling: str = "none",
        pooling_arguments: Arguments = None,
    ) -> None:
        super().__init__()
        self.bands, self.group = bands, group
        self.kept = chosen_inputs("kept_groups", kept_groups, -(-bands // group))
        steps = -(-bands // group) if self.kept is None else len(self.kept)
        self.steps = steps
        self.embedding = nn.Linear(group, embedding)
        inputs = embedding
        if pooling != "none":
            self.pooling = make_pooling(pooling, embedding, pooling_arguments, dimensions=1)
            inputs, steps = self.pooling.outputs, -(-steps // 2)
        self.pools = pooling != "none"
        self.recurrent = FastGRU(inputs, hidden)
        self.attention = BandAttention(2 * hidden, steps, attention, attention_arguments)
        self.features = 2 * hidden

    @classmethod
    def of(cls, bands: int, arguments: Arguments) -> AttentionRNN:
        """The branch with arguments from a recipe, which are checked first."""
        return cls(bands, **checked("spectral", keywords(cls, given=("bands",)), arguments))

    def forward(self, spectra: Tensor) -> Tensor:
        """(N, B) -> (N, features)."""
        context: Tensor = self.attention(self._states(spectra))
        return context

    def attention_weights(self, spectra: Tensor) -> Tensor | None:
        """Those of the attention over the steps; see `SpectralBranch`. Bands of a step share its weight."""
        weights = self.attention.weights(self._states(spectra))
        if weights is None:
            return None
        count = spectra.shape[1]
        numbers = torch.arange(count, device=spectra.device) // self.group
        if self.kept is not None:  # groups that are not read have no weight
            read = weights.new_zeros(len(weights), -(-count // self.group))
            read[:, self.kept] = weights if not self.pools else weights.repeat_interleave(2, 1)[:, : len(self.kept)] / 2
            return shared_out(read, numbers)
        return shared_out(weights, numbers // 2 if self.pools else numbers)

    def columns(self, spectra: Tensor) -> Tensor:
        """(B, N) -> (features, N), in pieces that stay near the core."""
        if not self.pools and torch.compiler.is_exporting():
            return self.attention.over_parts(self.recurrent.unrolled(self._embed_rows(spectra))).T
        if self.pools or not self.recurrent.fast(spectra):
            return super().columns(spectra)
        length = self.steps
        piece = min(self.recurrent.sequences_at_once(length), spectra.shape[1])
        states = spectra.new_empty(length * self.features * piece, dtype=torch.float32)
        parts = []
        for few in torch.split(spectra, piece, dim=1):
            steps = self._embed(few)
            out = states[: length * self.features * few.shape[1]].view(length, self.features, -1)
            parts.append(self.attention.over_columns(self.recurrent.scan(steps, out)))
        return torch.cat(parts, dim=1)

    def _states(self, spectra: Tensor) -> Tensor:
        """States of the GRU: (N, B) -> (N, T, features)."""
        groups = group_bands(spectra, self.group)
        if self.kept is not None:
            groups = groups[:, self.kept]
        steps = functional.gelu(self.embedding(groups))
        if self.pools:
            steps = self.pooling(steps.transpose(1, 2)).transpose(1, 2)
        states: Tensor = self.recurrent(steps)[0]
        return states

    def _embed(self, spectra: Tensor) -> Tensor:
        """What the GRU reads, features before pixels: (B, N) -> (T, embedding, N)."""
        groups = self._groups(spectra)
        bias = self.embedding.bias[:, None].expand(len(groups), -1, groups.shape[2])
        return functional.gelu(torch.baddbmm(bias, self.embedding.weight.expand(len(groups), -1, -1), groups))

    def _embed_rows(self, spectra: Tensor) -> Tensor:
        """The same with pixels as rows: (B, N) -> (T, N, embedding)."""
        rows = self._groups(spectra).transpose(1, 2)
        embedded = functional.gelu(self.embedding(rows.flatten(0, 1)))  # as one product, bias and all
        return embedded.view(len(rows), rows.shape[1], -1)

    def _groups(self, spectra: Tensor) -> Tensor:
        """The groups of bands that are read, features before pixels: (B, N) -> (T, group, N)."""
        missing = -len(spectra) % self.group
        groups = functional.pad(spectra, (0, 0, 0, missing)).view(-1, self.group, spectra.shape[1])
        return groups if self.kept is None else groups[self.kept]

    def anatomy(self) -> Anatomy:
        """Groups of bands, features of the embedding, units of the GRU (of both directions at once) and of attention.

        With a pooling, or an attention that mixes features, none: they belong together.
        """
        if self.pools or not self.attention.steps_alone:
            return Anatomy((), {})
        embedding = self.embedding.out_features
        reads = tuple((f"recurrent.weight_ih_{each}", Spread(1)) for each in _DIRECTIONS)
        read_inputs = None if self.kept is None else tuple(self.kept)
        hidden = recurrent_units("recurrent", self.recurrent, self.attention.readers("attention"))
        units = [
            Units("groups", self.steps, (), Shown("", "input", Spread(1, block=self.group), read_inputs)),
            Units(
                "embedding", embedding, (*in_layers(outputs=["embedding"]), *reads),
                Shown("embedding", "output", Spread(2)),
            ),
            replace(hidden, features=hidden.shown.spread),
            *self.attention.units("attention"),
        ]  # fmt: skip
        per_step = [name for name, value in self.named_parameters() if value.ndim > 1]
        weighted_sum = () if self.attention.block is None else ((2, ("groups", "hidden")),)
        return Anatomy(tuple(units), dict.fromkeys(per_step, "groups"), weighted_sum)

    def slimmed(self, kept: Kept) -> dict[str, Any]:
        """See `SpectralBranch.slimmed`."""
        arguments: dict[str, Any] = {name: len(kept[name]) for name in ("embedding", "hidden")}
        arguments |= kept_inputs("kept_groups", self.kept, self.steps, kept["groups"])
        return {**arguments, **slimmed_attention("attention_arguments", kept)}


def recurrent_units(name: str, layer: nn.GRU, readers: Sequence[tuple[str, Spread]]) -> Units:
    """Units of a bidirectional GRU, of both directions at once.

    Parameters
    ----------
    name
        Of the layer in its network.
    readers
        Weights that read its states.
    """
    hidden = layer.hidden_size
    gates, both = (0, hidden, 2 * hidden), Spread(2, (0, hidden))
    own = tuple(
        (f"{name}.{part}_{each}", Spread(0, gates))
        for each in _DIRECTIONS
        for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    back = tuple((f"{name}.weight_hh_{each}", Spread(1)) for each in _DIRECTIONS)
    return Units("hidden", hidden, (*own, *back, *readers), Shown(name, "output", both))


def slimmed_attention(name: str, kept: Kept) -> dict[str, Any]:
    """The argument of that name by which a `BandAttention` has only those units; none where it has no units."""
    return {name: {"attention_features": len(kept["attention"])}} if "attention" in kept else {}


def slimmed_branch(branch: SpectralBranch, arguments: Mapping[str, Any], kept: Kept) -> dict[str, Any]:
    """`spectral` of networks that take the arguments of an `AttentionRNN` by that name, with only those units.

    As it is where the branch has no units.
    """
    if not branch.anatomy().units:
        return {}
    return {"spectral": {**(arguments.get("spectral") or {}), **branch.slimmed(kept)}}


class BandAttention(nn.Module):
    """One vector from the states of a sequence: (N, T, F) -> (N, F).

    Parameters
    ----------
    features, steps
        F and T.
    name
        `additive`, the attention of SSAN, `none` for the mean of the states, or any block of the core with a
        one-dimensional form, followed by the mean. Default: `additive`.
    """

    def __init__(self, features: int, steps: int, name: str = "additive", arguments: Arguments = None) -> None:
        super().__init__()
        self.block: AdditiveAttention | FeatureBlock | None = None
        if name == "additive":
            known = keywords(AdditiveAttention, given=("features",))
            self.block = AdditiveAttention(features, **checked(name, known, arguments))
        elif name != "none":
            self.block = make_block(name, features, arguments, size=steps, dimensions=1)

    def forward(self, states: Tensor) -> Tensor:
        """(N, T, F) -> (N, F)."""
        if isinstance(self.block, AdditiveAttention):
            context: Tensor = self.block(states)[0]
            return context
        if self.block is None:
            return states.mean(dim=1)
        weighed: Tensor = self.block(states.transpose(1, 2))
        return weighed.mean(dim=2)

    @property
    def steps_alone(self) -> bool:
        """Whether it weighs steps and leaves features alone, so that it can do without any of them."""
        return self.block is None or isinstance(self.block, AdditiveAttention)

    def readers(self, name: str) -> tuple[tuple[str, Spread], ...]:
        """Weights that read the states of a bidirectional GRU, where the attention has that name in its network."""
        if not isinstance(self.block, AdditiveAttention):
            return ()
        half = self.block.projection.in_features // 2
        return ((f"{name}.block.projection.weight", Spread(1, (0, half))),)

    def units(self, name: str) -> tuple[Units, ...]:
        """Features that score a step, where the attention has that name in its network."""
        if not isinstance(self.block, AdditiveAttention):
            return ()
        places = in_layers(outputs=[f"{name}.block.projection"], inputs=[f"{name}.block.score"])
        shown = Shown(f"{name}.block.projection", "output", Spread(2))
        return (Units("attention", self.block.projection.out_features, places, shown),)

    def weights(self, states: Tensor) -> Tensor | None:
        """How the steps are weighed: (N, T, F) -> (N, T), with sum 1; None where they are not."""
        if isinstance(self.block, AdditiveAttention):
            return self.block.weights(states)
        return None if self.block is None else self.block.attention_weights(states.transpose(1, 2))

    def over_parts(self, parts: Sequence[Sequence[Tensor]]) -> Tensor:
        """The same of states that lie in several tensors: P lists of T tensors (N, F_p) -> (N, F)."""
        if isinstance(self.block, AdditiveAttention):
            return self.block.over_parts(parts)
        context: Tensor = self(torch.cat([torch.stack(list(part), dim=1) for part in parts], dim=2))
        return context

    def over_columns(self, states: Tensor) -> Tensor:
        """Evaluate with features before sequences: (T, F, N) -> (F, N)."""
        if isinstance(self.block, AdditiveAttention):
            return self.block.over_columns(states)
        if self.block is None:
            return states.mean(dim=0)
        context: Tensor = self(states.permute(2, 0, 1))
        return context.T
