"""Networks for spectral-spatial classification, by the names that recipes use."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from hsiattn.errors import HsiattnError, RecipeError
from hsiattn.files.text import printable
from hsiattn.networks.attendnet import AttendNet
from hsiattn.networks.base import Edge, SpectralSpatialNetwork, if_any_missing, patches_of_tile
from hsiattn.networks.baselines import RBFSVM, Discriminant, FittedNetwork, RandomForest
from hsiattn.networks.budget import BudgetError, budget
from hsiattn.networks.ensemble import Ensemble
from hsiattn.networks.grouped_ssan import GroupedSSAN
from hsiattn.networks.gsa import GSA
from hsiattn.networks.hierarchical import Hierarchical
from hsiattn.networks.orientations import AugmentedAtTestTime
from hsiattn.networks.refined_discriminant import RefinedDiscriminant
from hsiattn.networks.smlp import SMLP
from hsiattn.networks.ssan import SSAN

NETWORKS: dict[str, type[SpectralSpatialNetwork]] = {
    "ssan": SSAN,
    "grouped-ssan": GroupedSSAN,
    "gsa": GSA,
    "smlp": SMLP,
    "attendnet": AttendNet,
    "hierarchical": Hierarchical,
    "ensemble": Ensemble,
    "test-time-augmentation": AugmentedAtTestTime,
    "discriminant": Discriminant,
    "random-forest": RandomForest,
    "rbf-svm": RBFSVM,
}

_MOST_WEIGHTS = 2**27
"""Of a network that is made anew: 512 MiB, twenty times those of the published SSAN."""
_MOST_TENSORS, _MOST_MODULES = 5000, 20_000

__all__ = [
    "GSA",
    "NETWORKS",
    "RBFSVM",
    "SMLP",
    "SSAN",
    "AttendNet",
    "AugmentedAtTestTime",
    "Discriminant",
    "Edge",
    "Ensemble",
    "FittedNetwork",
    "GroupedSSAN",
    "Hierarchical",
    "RandomForest",
    "RefinedDiscriminant",
    "SpectralSpatialNetwork",
    "accepts",
    "check_arguments",
    "check_size",
    "create_network",
    "if_any_missing",
    "load_network",
    "network_class",
    "patches_of_tile",
]


def network_class(name: str) -> type[SpectralSpatialNetwork]:
    """The network class of that name.

    Raises
    ------
    RecipeError
        There is none.
    """
    if name not in NETWORKS:
        raise RecipeError(
            f"there is no network {printable(repr(name), 60)}", f"choose one of {', '.join(sorted(NETWORKS))}"
        )
    return NETWORKS[name]


def check_arguments(name: str, arguments: Mapping[str, Any]) -> None:
    """Refuse a network that does not exist, names of arguments that it does not take, and values of the wrong kind.

    Raises
    ------
    RecipeError
        Names what there is instead.
    """
    known = accepts(name)
    unknown = sorted(set(arguments) - set(known))
    if unknown:
        names = printable(", ".join(map(str, unknown)), 100)
        raise RecipeError(f"network {name!r} has no argument {names}", f"it takes {', '.join(known)}")
    for argument, value in arguments.items():
        try:
            TypeAdapter(known[argument]).validate_python(value)
        except ValidationError as error:
            complaint = printable(error.errors()[0]["msg"].removeprefix("Input "), 200)
            raise RecipeError(
                f"network {name!r}: {argument} {complaint}, not {printable(repr(value), 100)}",
                "change it in the recipe",
            ) from error


def accepts(name: str) -> dict[str, Any]:
    """The arguments that a network takes beyond its sizes, those of the frame it stands in included, with their types.

    Raises
    ------
    RecipeError
        There is no such network.
    """
    known: dict[str, Any] = {}
    for kind in network_class(name).__mro__:
        parameters = inspect.signature(kind, eval_str=True).parameters.values()
        known |= {p.name: p.annotation for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}
        if not any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
            break  # nothing is handed on to the class above
    return known


def create_network(
    name: str, *, bands: int, channels: int, classes: int, patch_size: int, **arguments: Any
) -> SpectralSpatialNetwork:
    """The network of that name, with fresh weights.

    Raises
    ------
    RecipeError
        Unknown network, unknown argument, a value the network refuses, or more weights than a network may have.
    """
    sizes = {"bands": bands, "channels": channels, "classes": classes, "patch_size": patch_size}
    check_arguments(name, arguments)
    try:
        with budget(weights=_MOST_WEIGHTS, tensors=_MOST_TENSORS, modules=_MOST_MODULES):
            return network_class(name)(**sizes, **arguments)
    except HsiattnError:
        raise
    except Exception as error:  # constructors compute with whatever they are given
        reason = printable(str(error), 300) or type(error).__name__
        raise RecipeError(f"network {name!r} refuses its arguments: {reason}", "change them in the recipe") from error


def check_size(name: str, *, bands: int, channels: int, classes: int, patch_size: int, **arguments: Any) -> None:
    """Refuse a network of more weights than one may have, before anything is computed for it.

    Parameters
    ----------
    name, bands, channels, classes, patch_size, arguments
        As for `create_network`; sizes may be those that it has at most. Whatever else may be wrong with them is not
        told: with the sizes that it will have, nothing may be.

    Raises
    ------
    RecipeError
        It has more.
    """
    sizes = {"bands": bands, "channels": channels, "classes": classes, "patch_size": patch_size}
    with torch.random.fork_rng(devices=[]):
        try:
            create_network(name, **sizes, **arguments)
        except RecipeError as error:
            if isinstance(error.__cause__, BudgetError):
                raise


def load_network(weights: Mapping[str, Tensor], name: str, **arguments: Any) -> SpectralSpatialNetwork:
    """The network of that name with stored weights, in evaluation mode.

    The network may consist of no more than the weights that are there, so no memory is asked for beyond their size.

    Parameters
    ----------
    weights
        Its `state_dict`.
    name, arguments
        As for `create_network`, sizes included.

    Raises
    ------
    RecipeError
        As for `create_network`.
    ValueError
        The weights are not those of such a network; names the first that differs.
    """
    stored = sum(tensor.numel() for tensor in weights.values())
    spare = min(arguments["classes"], 300) ** 3 + 2**24  # what is computed, not stored, such as pairs of classes
    with budget(weights=2 * stored + spare, tensors=2 * len(weights) + 200, modules=20 * len(weights) + 1000):
        network = create_network(name, **arguments)
    _check_weights(network, weights)
    network.load_state_dict(dict(weights))
    if isinstance(network, FittedNetwork):
        network.check_fitted()
    return network.eval()


def _check_weights(network: SpectralSpatialNetwork, weights: Mapping[str, Tensor]) -> None:
    """Compare names, types and shapes; those of arrays that a fit yields depend on the training pixels."""
    wanted = network.state_dict()
    for differing, what in (
        (wanted.keys() - weights.keys(), "lacks"),
        (weights.keys() - wanted.keys(), "does not know"),
    ):
        if differing:
            raise ValueError(f"its network {what} {min(differing)}")
    free = network.fitted if isinstance(network, FittedNetwork) else {}
    for name, tensor in weights.items():
        if tensor.dtype != wanted[name].dtype:
            raise ValueError(f"{name} is of type {tensor.dtype}, not {wanted[name].dtype}")
        if name not in free and tensor.shape != wanted[name].shape:
            raise ValueError(f"{name} has the shape {tuple(tensor.shape)}, not {tuple(wanted[name].shape)}")
