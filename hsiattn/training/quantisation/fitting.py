"""Training that ends with a network for int8."""

from __future__ import annotations

from typing import Any

from hsiattn.core import int8_layers
from hsiattn.errors import RecipeError
from hsiattn.networks import SpectralSpatialNetwork
from hsiattn.preprocessing import Preprocessing
from hsiattn.training.fit import train_network
from hsiattn.training.patches import LabelledPatches
from hsiattn.training.quantisation.module import QuantisationAwareClassification
from hsiattn.training.results import FitOptions, FitResult
from hsiattn.training.settings import GradientSettings


def train_for_int8(
    network: SpectralSpatialNetwork,
    arguments: dict[str, Any],
    pixels: LabelledPatches,
    settings: GradientSettings,
    preprocessing: Preprocessing,
    options: FitOptions,
    **how: Any,
) -> FitResult:
    """Train a network in place, on rounded weights and inputs in later steps. Its weights come out as float32.

    Parameters
    ----------
    network, arguments
        The network and what made it.
    how
        As in `hsiattn.training.fit.train_network`. Training does not stop early: rounding follows the steps.

    Raises
    ------
    RecipeError
        No layer of the network has a use for int8, or the method has a module of its own.
    TrainingError
        As of `train_network`.
    """
    assert settings.quantisation_aware is not None
    if how.pop("module", None) is not None:
        raise RecipeError(
            f"training.method={settings.method} does not train for int8",
            "give training.method=pseudo-labels, early-stopping or self-training, or no training.quantisation_aware",
        )
    layers = len(int8_layers(network))
    if not layers:
        raise RecipeError(
            f"nothing in the network {arguments['name']} has a use for int8", "leave training.quantisation_aware out"
        )
    how["patience"] = None
    module = QuantisationAwareClassification
    record = train_network(network, pixels, settings, options, preprocessing=preprocessing, module=module, **how)
    start = settings.quantisation_aware.start
    words = f"weights and inputs of {layers} layers were rounded to int8 after {start:.0%} of the training steps"
    account = {"quantisation_aware": {"start": start, "layers": layers, "in_words": words}}
    return FitResult(network, arguments, preprocessing, record, account=account)
