"""A network and the smaller ones that have some of its units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hsiattn.errors import RecipeError
from hsiattn.networks import NETWORKS, SpectralSpatialNetwork, create_network
from hsiattn.networks.cost import cost_of
from hsiattn.networks.units import Anatomy, Costs, gathered
from hsiattn.training.pruning.choice import Choice, Measure
from hsiattn.training.pruning.settings import PruningSettings


class Prunable:
    """A network that can do without some of its units, and the choice among them.

    Parameters
    ----------
    network, arguments
        The network and what `create_network` made it from.
    settings
        The target.

    Raises
    ------
    RecipeError
        The network has no units that it could do without.
    """

    def __init__(
        self, network: SpectralSpatialNetwork, arguments: Mapping[str, Any], settings: PruningSettings
    ) -> None:
        self.network = network
        self.arguments = dict(arguments)
        self.settings = settings
        self.anatomy = anatomy_of(network, str(arguments["name"]))
        counts = {each.name: each.count for each in self.anatomy.units}
        measured: Measure = "parameters" if settings.goal == "parameters" else "flops"
        self.choice = Choice(Costs(network, self.anatomy, cost_of(network).macs), counts, measured)

    def smaller(self, kept: NDArray[np.bool_]) -> tuple[SpectralSpatialNetwork, dict[str, Any]]:
        """A network of those units (U,), whose weights mean nothing, and its arguments."""
        arguments = self.network.slimmed_arguments(self.arguments, self.choice.by_set(kept))
        with torch.random.fork_rng(devices=[]):  # random numbers to come are what they would have been
            return create_network(**arguments), arguments

    def extracted(self, kept: NDArray[np.bool_]) -> tuple[SpectralSpatialNetwork, dict[str, Any]]:
        """The network of those units (U,), with their weights, and its arguments."""
        network, arguments = self.smaller(kept)
        network.load_state_dict(gathered(self.network.state_dict(), self.anatomy, self.choice.by_set(kept)))
        return network, arguments

    def describe(self, kept: NDArray[np.bool_]) -> dict[str, Any]:
        """What was asked for and what came out, before and after, JSON-ready."""
        before, after = (self.choice.costs.of(self.choice.counts(which)) for which in (np.ones_like(kept), kept))
        by_set = self.choice.by_set(kept)
        return {
            "criterion": self.settings.criterion,
            "target": {self.settings.goal: self.settings.target},
            "macs_per_pixel": [round(before[1]), round(after[1])],
            "parameters": [before[0], after[0]],
            "units": {each.name: [each.count, len(by_set[each.name])] for each in self.anatomy.units},
        }


def anatomy_of(network: SpectralSpatialNetwork, name: str) -> Anatomy:
    """The units of a network.

    Raises
    ------
    RecipeError
        There are none.
    """
    anatomy = network.anatomy()
    if not anatomy.units or not _becomes_smaller(type(network)):
        names = ", ".join(other for other, kind in NETWORKS.items() if _becomes_smaller(kind))
        raise RecipeError(
            f"the network {name} with these arguments has no units that pruning could take away",
            f"prune one of {names}, without poolings and attention that mix channels, residual blocks or an ensemble",
        )
    return anatomy


def _becomes_smaller(kind: type[SpectralSpatialNetwork]) -> bool:
    """Whether a kind of network can say how it is made with fewer units."""
    return kind.slimmed_arguments is not SpectralSpatialNetwork.slimmed_arguments
