"""Networks for spectral-spatial classification, by the names that recipes use."""

from __future__ import annotations

import inspect
from typing import Any

from hsiattn.errors import RecipeError
from hsiattn.networks.base import Edge, SpectralSpatialNetwork, if_any_missing, patches_of_tile
from hsiattn.networks.grouped_ssan import GroupedSSAN
from hsiattn.networks.ssan import SSAN

NETWORKS: dict[str, type[SpectralSpatialNetwork]] = {
    "ssan": SSAN,
    "grouped-ssan": GroupedSSAN,
}

__all__ = [
    "NETWORKS",
    "SSAN",
    "Edge",
    "GroupedSSAN",
    "SpectralSpatialNetwork",
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


def create_network(
    name: str, *, bands: int, channels: int, classes: int, patch_size: int, **arguments: Any
) -> SpectralSpatialNetwork:
    """The network of that name, with fresh weights.

    Raises
    ------
    RecipeError
        Unknown network, unknown argument, or a value the network refuses.
    """
    network = network_class(name)
    known = [p.name for p in inspect.signature(network).parameters.values() if p.kind is p.KEYWORD_ONLY]
    unknown = sorted(set(arguments) - set(known))
    if unknown:
        raise RecipeError(f"network {name!r} has no argument {', '.join(unknown)}", f"it takes {', '.join(known)}")
    try:
        return network(bands, channels, classes, patch_size, **arguments)
    except (TypeError, ValueError, RuntimeError) as error:
        raise RecipeError(f"network {name!r} refuses its arguments: {error}", "change them in the recipe") from error
