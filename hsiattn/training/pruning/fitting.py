"""Training that ends with a smaller network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hsiattn.errors import RecipeError
from hsiattn.networks import SpectralSpatialNetwork
from hsiattn.preprocessing import Preprocessing
from hsiattn.training.fit import train_network
from hsiattn.training.network import parameters_of
from hsiattn.training.patches import LabelledPatches
from hsiattn.training.pruning.module import PruningClassification
from hsiattn.training.pruning.prunable import Prunable
from hsiattn.training.results import FitOptions, FitResult
from hsiattn.training.settings import GradientSettings


def train_pruned(
    network: SpectralSpatialNetwork,
    arguments: dict[str, Any],
    pixels: LabelledPatches,
    settings: GradientSettings,
    preprocessing: Preprocessing,
    options: FitOptions,
    **how: Any,
) -> FitResult:
    """Train a network, prune it meanwhile, and take out what stays.

    Parameters
    ----------
    network, arguments
        The whole network and what made it.
    how
        As in `hsiattn.training.fit.train_network`. Training does not stop early: pruning follows the steps.

    Raises
    ------
    RecipeError
        The network has no units that it could do without, or the method has a module of its own.
    TrainingError
        The target cannot be met; says which can. Or as of `train_network`.
    """
    assert settings.pruning is not None
    if how.pop("module", None) is not None:
        raise RecipeError(
            f"training.method={settings.method} does not prune",
            "give training.method=pseudo-labels, early-stopping or self-training, or no training.pruning",
        )
    how["patience"] = None
    prunable = Prunable(network, arguments, settings.pruning)
    made: list[PruningClassification] = []

    def module(*given: Any) -> PruningClassification:
        made.append(PruningClassification(*given, prunable=prunable))
        return made[-1]

    record = train_network(network, pixels, settings, options, preprocessing=preprocessing, module=module, **how)
    kept = made[-1].awake.cpu().numpy()
    smaller, arguments = prunable.extracted(kept)
    record = replace(record, parameters=parameters_of(smaller))
    return FitResult(smaller.eval(), arguments, preprocessing, record, account={"pruning": prunable.describe(kept)})
