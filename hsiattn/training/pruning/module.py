"""The Lightning module that prunes while it trains: dynamic channel propagation, to a target."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call
from torch.utils.hooks import RemovableHandle

from hsiattn.networks import SpectralSpatialNetwork
from hsiattn.networks.units import Kept, gathered, put_back
from hsiattn.training.module import PixelClassification
from hsiattn.training.pruning.latency import share_of_flops
from hsiattn.training.pruning.prunable import Prunable
from hsiattn.training.pruning.utility import magnitudes, relative, watch

_FALLING = 0.6
"""Share of the time between warm-up and settling in which the limit of the cost falls to the target."""

_ALIKE = 0.75
"""Part of the share that stays of every set where all shrink alike, the cost of a layer being a product of two sets."""


class PruningClassification(PixelClassification):
    """Trains the network of the units that are awake, and decides before every step which ones these are.

    Dynamic channel propagation (Shen, Li, Zhao, Zhang and Zhou 2020, arXiv 2007.01486): every unit has a utility. In a
    step those that are awake lose a share of it and gain their importance in this step, relative to the largest of
    their set; those that are asleep keep theirs, and their weights. The least useful ones over all sets sleep, so that
    a unit whose utility sinks below that of a sleeping one is replaced by it. How many sleep follows from the cost: its
    limit falls from that of the whole network to the target, by a bisection on the threshold before every step (what
    Qi, Shen, Li, Zhao and Liu 2021, EURASIP JASP 31, target directly; their formulas were not at hand). From `settled`
    on nothing changes any more, and the learning rate falls on the network that stays.

    One threshold on utilities would take out channels that cost next to nothing and leave what costs most. With the
    criterion `taylor` units are therefore ranked by utility over what the whole network would save without them.

    No mask is multiplied to anything: the step is that of the smaller network, whose weights are gathered from those of
    the whole one, so that what is extracted in the end is what was trained.

    Attributes
    ----------
    utilities
        (U,) of all units.
    awake
        (U,) bool.
    limit
        () most multiply-adds or weights in the end; 0 before it is known.
    """

    utilities: Tensor
    awake: Tensor
    limit: Tensor

    def __init__(self, *arguments: Any, prunable: Prunable) -> None:
        super().__init__(*arguments)
        self.prunable = prunable
        count = len(prunable.choice.sets)
        self.register_buffer("utilities", torch.zeros(count, dtype=torch.float64))
        self.register_buffer("awake", torch.ones(count, dtype=torch.bool))
        self.register_buffer("limit", torch.zeros((), dtype=torch.float64))
        self._shape: NDArray[np.bool_] | None = None
        self._kept: Kept = prunable.anatomy.everything()
        self._smaller = (prunable.network,)  # in a tuple, or it would be a part of the module and of its checkpoints
        self._handles: list[RemovableHandle] = []
        self._asleep: dict[str, Tensor] = {}
        self._shown: dict[str, NDArray[np.float64]] = {}
        self._chance = np.random.default_rng((self.seed, 17)).random(count)

    @property
    def settled(self) -> bool:
        """Whether the units that are awake stay so."""
        return self.global_step >= self._step_at(self.prunable.settings.settled)

    def on_train_batch_start(self, batch: Any, batch_index: int) -> None:
        """Decide which units are awake."""
        super().on_train_batch_start(batch, batch_index)
        settings, choice = self.prunable.settings, self.prunable.choice
        first, last = self._step_at(settings.warm_up), self._step_at(settings.settled)
        if self._shape is not None and self.global_step > last:
            self._smaller[0].train()  # validation has left it in evaluation
            return
        if first <= self.global_step <= last:
            utilities = self._ranked()
            if self.global_step in (first, last) or not self.limit:
                self.limit.fill_(self._limit_of(utilities))
            part = min(1.0, (self.global_step - first) / max(1.0, _FALLING * (last - first)))
            limit = float(self.limit)
            most = limit + (choice.whole - limit) * (1 - part) ** 3
            kept = choice.within(utilities, most, filled=self.global_step == last, least=self._least)
            self.awake.copy_(torch.from_numpy(kept))
        self._wake(self.awake.cpu().numpy())

    def optimizer_step(self, *arguments: Any, **options: Any) -> None:
        """A step that leaves the weights of sleeping units as they are, whatever momentum and decay want."""
        weights = dict(self.network.named_parameters())
        before = {name: weights[name].detach().clone() for name in self._asleep}
        super().optimizer_step(*arguments, **options)
        with torch.no_grad():
            for name, asleep in self._asleep.items():
                weights[name].copy_(torch.where(asleep, before[name], weights[name]))
        self._remember()

    def member_logits(self, spectra: Tensor, patches: Tensor, valid: Tensor | None) -> Tensor:
        """Logits (1, N, K) of the network of the units that are awake."""
        weights = {**dict(self.network.named_parameters()), **dict(self.network.named_buffers())}
        given = gathered(weights, self.prunable.anatomy, self._kept)
        logits: Tensor = functional_call(self._smaller[0], given, (spectra, patches, valid))
        if self.training:  # running statistics were updated in copies
            put_back(dict(self.network.named_buffers()), given, self.prunable.anatomy, self._kept)
        return logits[None]

    def logits(self, spectra: Tensor, patches: Tensor, valid: Tensor | None) -> Tensor:
        """Logits (N, K) of the same."""
        self._wake(self.awake.cpu().numpy())
        return self.member_logits(spectra, patches, valid)[0]

    def _wake(self, kept: NDArray[np.bool_]) -> None:
        """Make the network of those units the one that is trained, unless it is."""
        watched = not self.settled and self.prunable.settings.criterion in ("taylor", "propagation")
        self._smaller[0].train(self.training)
        if self._shape is not None and np.array_equal(kept, self._shape) and watched == bool(self._handles):
            return
        for handle in self._handles:
            handle.remove()
        self._shape, self._kept = kept.copy(), self.prunable.choice.by_set(kept)
        network, _ = self.prunable.smaller(kept)
        self._smaller = (network.to(self.device).train(self.training),)
        self._handles = watch(network, network.anatomy(), self._on_importance) if watched else []
        self._asleep = {}
        weights = dict(self.network.named_parameters())
        shapes = {name: value.shape for name, value in weights.items()}
        for name, axes in self.prunable.anatomy.rest(shapes, self._kept).items():
            asleep = torch.zeros_like(weights[name], dtype=torch.bool)
            for axis, stays in axes:
                gone = torch.ones(shapes[name][axis], dtype=torch.bool)
                gone[torch.from_numpy(stays)] = False
                asleep |= gone.to(asleep.device).view([-1 if a == axis else 1 for a in range(asleep.ndim)])
            self._asleep[name] = asleep

    def _on_importance(self, name: str, importance: Tensor) -> None:
        self._shown[name] = importance.double().cpu().numpy()

    def _remember(self) -> None:
        """Let the units that were awake lose and gain utility."""
        if not self._shown:
            return
        kept, decay = self._kept, self.prunable.settings.decay
        utilities = self.utilities.cpu().numpy().copy()
        start = 0
        for each in self.prunable.anatomy.units:
            shown = self._shown.get(each.name)
            if shown is not None:
                rows = start + kept[each.name]
                utilities[rows] = decay * utilities[rows] + relative(shown)
            start += each.count
        self.utilities.copy_(torch.from_numpy(utilities))
        self._shown = {}

    def _ranked(self) -> NDArray[np.float64]:
        """What units are ranked by."""
        criterion = self.prunable.settings.criterion
        if criterion == "random":
            return self._chance
        if criterion == "magnitude":
            return magnitudes(dict(self.network.named_parameters()), self.prunable.anatomy)
        utilities: NDArray[np.float64] = self.utilities.cpu().numpy()
        if criterion == "propagation":
            return utilities
        savings = self.prunable.choice.savings
        return np.divide(utilities, savings, out=np.full_like(utilities, np.inf), where=savings > 0)

    @property
    def _least(self) -> float:
        """Share of every set that stays: as published none, else part of what stays where all sets shrink alike."""
        settings = self.prunable.settings
        return 0.0 if settings.criterion == "propagation" else _ALIKE * math.sqrt(settings.target)

    def _limit_of(self, utilities: NDArray[np.float64]) -> float:
        """The cost that the target comes to."""
        choice, settings = self.prunable.choice, self.prunable.settings
        if settings.goal != "latency":
            choice.within(utilities, settings.target * choice.whole)  # said now, if it cannot be met
            return settings.target * choice.whole

        def network_at(share: float) -> SpectralSpatialNetwork:
            kept = choice.within(utilities, share * choice.whole, filled=True, least=self._least)
            return self.prunable.smaller(kept)[0]

        least = choice.cost(choice.fewest(utilities)) / choice.whole
        return share_of_flops(settings.target, network_at, least=least) * choice.whole

    def _step_at(self, share: float) -> int:
        return round(share * int(self.trainer.estimated_stepping_batches))
