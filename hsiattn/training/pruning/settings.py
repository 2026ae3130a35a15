"""Settings of pruning."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from hsiattn.settings import Settings

Criterion = Literal["taylor", "propagation", "magnitude", "random"]
Goal = Literal["flops", "parameters", "latency"]


class PruningSettings(Settings):
    """What a network may cost in the end, and how it is chosen what stays; see `hsiattn.training.pruning`.

    Exactly one of the three targets is given, each a share of the cost of the whole network, 0 … 1.

    Parameters
    ----------
    flops
        Multiply-adds per pixel of a map.
    parameters
        Number of weights.
    latency
        Measured time per pixel of a map, on this machine.
    criterion
        What units are ranked by: `taylor`, the change of the loss that their activations stand for, to first order,
        over the cost that they take away; `propagation`, the same without the cost, as published (Shen, Li, Zhao, Zhang
        and Zhou 2020, arXiv 2007.01486); `magnitude`, the norm of their weights; `random`, chance. The last two are
        yardsticks. Default: `taylor`.
    decay
        What a unit keeps of its utility per step while it is awake; the source has 0.6, for a hundred times as many
        steps. Default: 0.95.
    warm_up
        Share of the steps in which all units stay. Default: 0.15.
    settled
        Share of the steps after which no unit goes or comes back. Default: 0.6.

    Raises
    ------
    ValueError
        There is no target, or more than one, or nothing may happen between `warm_up` and `settled`.

    Examples
    --------
    >>> PruningSettings(flops=0.25).goal
    'flops'
    """

    flops: float | None = Field(default=None, gt=0, lt=1)
    parameters: float | None = Field(default=None, gt=0, lt=1)
    latency: float | None = Field(default=None, gt=0, lt=1)
    criterion: Criterion = "taylor"
    decay: float = Field(default=0.95, ge=0, le=1)
    warm_up: float = Field(default=0.15, ge=0, lt=1)
    settled: float = Field(default=0.6, gt=0, le=1)

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if len(self._targets) != 1:
            raise ValueError("give one of flops, parameters and latency")
        if self.settled <= self.warm_up:
            raise ValueError("settled must be larger than warm_up")
        return self

    @property
    def goal(self) -> Goal:
        """Which cost has a target."""
        return next(iter(self._targets))

    @property
    def target(self) -> float:
        """The share of that cost that may stay."""
        return self._targets[self.goal]

    @property
    def _targets(self) -> dict[Goal, float]:
        every: dict[Goal, float | None] = {
            "flops": self.flops, "parameters": self.parameters, "latency": self.latency,
        }  # fmt: skip
        return {goal: share for goal, share in every.items() if share is not None}
