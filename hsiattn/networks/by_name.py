"""The one way from a name to a network: what there is, what it takes, making it, and loading its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from hsiattn.errors import HsiattnError, RecipeError
from hsiattn.files.text import printable
from hsiattn.networks.arguments import checked, keywords
from hsiattn.networks.base import SpectralSpatialNetwork
from hsiattn.networks.baselines import FittedNetwork
from hsiattn.networks.budget import budget
from hsiattn.networks.own import SIZES, ModuleNetwork, named_by_a_file, not_usable, own_network, registered

NETWORKS: dict[str, type[SpectralSpatialNetwork]] = {}
"""Networks of this package by the names that recipes use; `hsiattn.networks` enters them, some made of others."""

_MOST_WEIGHTS = 2**27
"""Most weights of a network that is made anew: 512 MiB, twenty times those of the published SSAN."""
_MOST_TENSORS, _MOST_MODULES = 5000, 20_000


def network_class(name: str) -> type[SpectralSpatialNetwork]:
    """The network class of that name; for a plain module, the one that wraps it.

    Raises
    ------
    RecipeError
        There is none.

    Examples
    --------
    >>> from hsiattn.networks import network_class
    >>> network_class("ssan").edge
    'zero'
    """
    kind = _class_of(name)
    return kind if issubclass(kind, SpectralSpatialNetwork) else ModuleNetwork


def accepts(name: str) -> dict[str, Any]:
    """The arguments that a network takes beyond its sizes, those of the frame it stands in included, with their types.

    Raises
    ------
    RecipeError
        There is no such network.

    Examples
    --------
    >>> from hsiattn.networks import accepts
    >>> list(accepts("test-time-augmentation"))
    ['member', 'member_arguments', 'orientations']
    """
    return keywords(_class_of(name), given=SIZES)


def check_arguments(name: str, arguments: Mapping[str, Any]) -> None:
    """Refuse a network that does not exist, names of arguments that it does not take, and values of the wrong kind.

    Raises
    ------
    RecipeError
        Names what there is instead.

    Examples
    --------
    >>> check_arguments("ensemble", {"membres": 8})
    Traceback (most recent call last):
    hsiattn.errors.RecipeError: network 'ensemble' has no argument membres; it takes member, members, member_arguments
    """
    checked(f"network {name!r}", accepts(name), arguments)


def create_network(
    name: str, *, bands: int, channels: int, classes: int, patch_size: int, **arguments: Any
) -> SpectralSpatialNetwork:
    """The network of that name, with fresh weights.

    Parameters
    ----------
    name
        One of `NETWORKS`, one that an installed package registers as an entry point of the group `hsiattn.networks`,
        or the import path of a class, `package.module:Class`; see `hsiattn.networks`.
    bands, channels, classes, patch_size
        See `SpectralSpatialNetwork`.
    arguments
        Of the network, see `accepts`.

    Raises
    ------
    RecipeError
        Unknown network, unknown argument, a value the network refuses, or more weights than a network may have.

    Examples
    --------
    >>> from hsiattn.networks import create_network
    >>> network = create_network("grouped-ssan", bands=30, channels=4, classes=3, patch_size=9)
    >>> network(torch.randn(5, 30), torch.randn(5, 4, 9, 9)).shape
    torch.Size([5, 3])
    """
    sizes = {"bands": bands, "channels": channels, "classes": classes, "patch_size": patch_size}
    check_arguments(name, arguments)
    try:
        kind = _class_of(name)
        with budget(weights=_MOST_WEIGHTS, tensors=_MOST_TENSORS, modules=_MOST_MODULES):
            if issubclass(kind, SpectralSpatialNetwork):
                return kind(**sizes, **arguments)
            return ModuleNetwork(kind, **sizes, **arguments)
    except HsiattnError:
        raise
    except Exception as error:  # constructors compute with whatever they are given
        reason = printable(str(error), 300) or type(error).__name__
        raise RecipeError(f"network {name!r} refuses its arguments: {reason}", "change them in the recipe") from error


@torch.no_grad()
def check_network(name: str, *, bands: int, channels: int, classes: int, patch_size: int, **arguments: Any) -> None:
    """Make a network and forget it, so that whatever is wrong with it is told before a scene is read.

    One that is not of this package is shown two pixels as well. Random numbers to come are what they would have been.

    Parameters
    ----------
    name, bands, channels, classes, patch_size, arguments
        As for `create_network`; sizes may be those that it has at most.

    Raises
    ------
    RecipeError
        As for `create_network`, or its logits have another shape than (N, K).

    Examples
    --------
    >>> from hsiattn.networks import check_network
    >>> sizes = {"bands": 30, "channels": 4, "classes": 3, "patch_size": 9}
    >>> check_network("grouped-ssan", **sizes, attention="se", attention_arguments={"reducton": 2})
    Traceback (most recent call last):
    hsiattn.errors.RecipeError: se has no argument reducton; it takes reduction, identity_start
    """
    with torch.random.fork_rng(devices=[]):
        network = create_network(
            name, bands=bands, channels=channels, classes=classes, patch_size=patch_size, **arguments
        ).eval()
        if all(type(part).__module__.startswith(("hsiattn.", "torch.")) for part in network.modules()):
            return
        try:
            logits = network(torch.zeros(2, bands), torch.zeros(2, channels, patch_size, patch_size))
        except Exception as error:  # whatever its code may raise
            reason = printable(str(error), 300) or type(error).__name__
            raise RecipeError(f"network {name!r} fails on two pixels: {reason}", "correct the network") from error
        shape = tuple(getattr(logits, "shape", ()))
        if shape != (2, classes):
            raise RecipeError(
                f"network {name!r} gives {shape} for two pixels, not (2, {classes})", "correct the network"
            )


def check_allowed(name: Any, arguments: Any) -> None:
    """Refuse a network, or members of one, that a model file names and may not import; see `own_network`.

    Raises
    ------
    ModelFileError
        There is no such network here, or it is not allowed.

    Examples
    --------
    >>> check_allowed("ensemble", {"member": "os:system"})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    hsiattn.errors.ModelFileError: its network os:system is not part of hsiattn, and model files may not import it ...
    """
    with named_by_a_file():
        while isinstance(name, str):
            network_class(name)
            arguments = arguments if isinstance(arguments, dict) else {}
            name, arguments = arguments.get("member"), arguments.get("member_arguments")


def load_network(weights: Mapping[str, Tensor], name: str, **arguments: Any) -> SpectralSpatialNetwork:
    """The network of that name with stored weights, in evaluation mode.

    The network may consist of no more than the weights that are there, so no memory is asked for beyond their size. Of
    networks that are not of this package, only those are imported that somebody here allows, see `own_network`.

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
    ModelFileError
        There is no network of that name here, or it is not allowed.
    ValueError
        The weights are not those of such a network; names the first that differs.

    Examples
    --------
    >>> arguments = {"name": "attendnet", "bands": 30, "channels": 4, "classes": 3, "patch_size": 9}
    >>> weights = create_network(**arguments).state_dict()
    >>> load_network(weights, **arguments).training
    False
    """
    stored = sum(tensor.numel() for tensor in weights.values())
    spare = min(arguments["classes"], 300) ** 3 + 2**24  # what is computed, not stored, such as pairs of classes
    with (
        named_by_a_file(),
        budget(weights=2 * stored + spare, tensors=2 * len(weights) + 200, modules=20 * len(weights) + 1000),
    ):
        network = create_network(name, **arguments)
    _check_weights(network, weights)
    network.load_state_dict(dict(weights))
    for part in network.modules():
        if isinstance(part, FittedNetwork):
            part.check_fitted()
    return network.eval()


def _class_of(name: str) -> type[nn.Module]:
    found = NETWORKS.get(name) or own_network(name)
    if found is None:
        names = ", ".join(sorted({*NETWORKS, *registered()}))
        raise not_usable(
            f"there is no network {printable(repr(name), 60)}",
            f"choose one of {names}, or give an import path such as package.module:Class",
            in_file="install the package that registers it, or update hsiattn",
        )
    return found


def _check_weights(network: SpectralSpatialNetwork, weights: Mapping[str, Tensor]) -> None:
    """Compare names, types and shapes; those of arrays that a fit yields depend on the training pixels."""
    wanted = network.state_dict()
    for differing, what in (
        (wanted.keys() - weights.keys(), "lacks"),
        (weights.keys() - wanted.keys(), "does not know"),
    ):
        if differing:
            raise ValueError(f"its network {what} {min(differing)}")
    free = {
        f"{place}.{name}".removeprefix(".")
        for place, part in network.named_modules()
        if isinstance(part, FittedNetwork)
        for name in part.fitted
    }
    for name, tensor in weights.items():
        if tensor.dtype != wanted[name].dtype:
            raise ValueError(f"{name} is of type {tensor.dtype}, not {wanted[name].dtype}")
        if name not in free and tensor.shape != wanted[name].shape:
            raise ValueError(f"{name} has the shape {tuple(tensor.shape)}, not {tuple(wanted[name].shape)}")
