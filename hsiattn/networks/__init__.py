"""Networks for spectral-spatial classification, by the names that recipes use."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hsiattn.errors import RecipeError
from hsiattn.networks.attendnet import AttendNet
from hsiattn.networks.base import Edge, SpectralSpatialNetwork, if_any_missing, patches_of_tile
from hsiattn.networks.baselines import RBFSVM, Discriminant, FittedNetwork, RandomForest
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
    "create_network",
    "if_any_missing",
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
        raise RecipeError(f"there is no network {name!r}", f"choose one of {', '.join(sorted(NETWORKS))}")
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
        raise RecipeError(f"network {name!r} has no argument {', '.join(unknown)}", f"it takes {', '.join(known)}")
    for argument, value in arguments.items():
        try:
            TypeAdapter(known[argument]).validate_python(value)
        except ValidationError as error:
            complaint = error.errors()[0]["msg"].removeprefix("Input ")
            raise RecipeError(
                f"network {name!r}: {argument} {complaint}, not {value!r}", "change it in the recipe"
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
        Unknown network, unknown argument, or a value the network refuses.
    """
    check_arguments(name, arguments)
    try:
        return network_class(name)(bands, channels, classes, patch_size, **arguments)
    except (TypeError, ValueError, RuntimeError) as error:
        raise RecipeError(f"network {name!r} refuses its arguments: {error}", "change them in the recipe") from error
