"""Which units stay, so that a network costs no more than it may: those that matter most, over all sets at once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hsiattn.errors import TrainingError
from hsiattn.networks.units import Costs

Measure = Literal["flops", "parameters"]

_LEAST = 0.01
"""Share of a set below which there is no use in halving it."""


class Choice:
    """Units of all sets in one row, and what a network of some of them costs.

    Parameters
    ----------
    costs
        Of the network.
    counts
        Number of units by set, in the order of `costs.names`.
    measure
        What has a limit.
    """

    def __init__(self, costs: Costs, counts: Mapping[str, int], measure: Measure) -> None:
        self.costs = costs
        self.measure = measure
        self.sets = np.repeat(np.arange(len(counts)), list(counts.values()))
        """(U,) number of the set of every unit."""
        self._starts = np.concatenate([[0], np.cumsum(list(counts.values()))])

    @property
    def whole(self) -> float:
        """Cost of the network with all its units."""
        return self.cost(np.ones(len(self.sets), dtype=bool))

    def counts(self, kept: NDArray[np.bool_]) -> NDArray[np.int64]:
        """How many units of every set stay, in the order of the sets."""
        return np.bincount(self.sets[kept], minlength=len(self._starts) - 1)

    def cost(self, kept: NDArray[np.bool_]) -> float:
        """Cost of the network with some of its units, (U,)."""
        weights, macs = self.costs.of(self.counts(kept))
        return macs if self.measure == "flops" else float(weights)

    def by_set(self, kept: NDArray[np.bool_]) -> dict[str, NDArray[np.int64]]:
        """Numbers of the units that stay, by the name of their set."""
        parts = np.split(kept, self._starts[1:-1])
        return {name: np.flatnonzero(part) for name, part in zip(self.costs.names, parts, strict=True)}

    def within(
        self, utilities: NDArray[np.float64], most: float, *, filled: bool = False, least: float = 0.0
    ) -> NDArray[np.bool_]:
        """The units (U,) that stay: all above the least threshold by which the cost is within its limit.

        The most useful unit of every set always stays.

        Parameters
        ----------
        utilities
            (U,), comparable between sets.
        most
            Limit of the cost.
        filled
            Put units back, the most useful ones first, as long as the cost stays within its limit: what one unit less
            saves may be much.
        least
            Share of every set, 0 … 1, that stays whatever its utility, the most useful ones: a layer of a few channels
            lets nothing through, however little each of them seemed to matter. It is halved as often as the limit
            demands.

        Raises
        ------
        TrainingError
            Even one unit per set costs more; says what can be reached.
        """
        order = self._removable(utilities, least)
        while least > _LEAST and self._cost_without(order) > most:
            least /= 2
            order = self._removable(utilities, least)

        def without(removed: int) -> NDArray[np.bool_]:
            kept = np.ones(len(utilities), dtype=bool)
            kept[order[:removed]] = False
            return kept

        low, high = 0, len(order)
        if (least := self.cost(without(high))) > most:
            raise TrainingError(
                f"no network of this kind has {most / self.whole:.3g} of the {self.measure}",
                f"give a target of {np.ceil(1000 * least / self.whole) / 1000:.3g} or more",
            )
        while low < high:
            middle = (low + high) // 2
            if self.cost(without(middle)) <= most:
                high = middle
            else:
                low = middle + 1
        kept = without(low)
        for unit in order[:low][::-1] if filled else ():
            kept[unit] = True
            kept[unit] = self.cost(kept) <= most
        return kept

    @cached_property
    def savings(self) -> NDArray[np.float64]:
        """Share of the cost (U,) that each unit alone takes away from the whole network."""
        everything = self.counts(np.ones(len(self.sets), dtype=bool))
        index = 1 if self.measure == "flops" else 0
        without = np.array([self.costs.of(everything - one)[index] for one in np.eye(len(everything), dtype=np.int64)])
        return ((self.whole - without) / self.whole)[self.sets]

    def fewest(self, utilities: NDArray[np.float64]) -> NDArray[np.bool_]:
        """The most useful unit (U,) of every set and no other."""
        kept = np.ones(len(utilities), dtype=bool)
        kept[self._removable(utilities, 0.0)] = False
        return kept

    def _cost_without(self, units: NDArray[np.int64]) -> float:
        kept = np.ones(len(self.sets), dtype=bool)
        kept[units] = False
        return self.cost(kept)

    def _removable(self, utilities: NDArray[np.float64], least: float) -> NDArray[np.int64]:
        """Units that may go, the least useful first; of equals the last. A share of every set may not."""
        order = np.lexsort((-np.arange(len(utilities)), utilities))
        stay = []
        for start, stop in pairwise(self._starts):
            ranked = start + np.argsort(-utilities[start:stop], kind="stable")
            stay.append(ranked[: max(1, int(least * (stop - start)))])
        return order[~np.isin(order, np.concatenate(stay))]
