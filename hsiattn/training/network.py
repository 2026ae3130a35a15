"""The network that a recipe names, for the pixels that it is fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from hsiattn.classes import ClassTable
from hsiattn.errors import RecipeError
from hsiattn.networks import (
    NETWORKS,
    FittedNetwork,
    SpectralSpatialNetwork,
    accepts,
    check_network,
    create_network,
    network_class,
)
from hsiattn.training.held_out import HeldOut
from hsiattn.training.patches import LabelledPatches
from hsiattn.training.results import FitResult
from hsiattn.training.settings import GradientSettings, RecipeSettings
from hsiattn.training.training_scene import TrainingScene


def check_recipe(recipe: RecipeSettings, classes: ClassTable, bands: int) -> None:
    """Make the network once, before anything is computed for it, as large as it may become.

    Raises
    ------
    RecipeError
        The network does not exist, refuses its arguments, has too many weights, or is none for the training method; or
        settings contradict each other, or the classes.
    """
    fitted = issubclass(network_class(recipe.network.name), FittedNetwork)
    if fitted != recipe.training.closed_form:
        name, method = recipe.network.name, recipe.training.method
        names = (other for other, kind in NETWORKS.items() if issubclass(kind, FittedNetwork) != fitted)
        other = "learns by gradient" if not fitted else "is fitted in closed form"
        remedy = (
            "give training.method=closed-form" if fitted else "give training.method=pseudo-labels or early-stopping"
        )
        raise RecipeError(
            f"network {name!r} {other}, which training.method={method} does not do",
            f"{remedy}, or one of the networks {', '.join(names)}",
        )
    _check_illumination(recipe)
    if len(classes) < 2:
        return  # labels of one class are refused for what they are
    settings = recipe.preprocessing
    channels = bands * settings.bands_as_components + min(settings.principal_components, bands)
    channels += min(settings.noise_components, bands)
    arguments = network_arguments(recipe, classes, bands=bands, channels=channels)
    if isinstance(recipe.training, GradientSettings) and recipe.training.ensemble > 1:
        arguments = around("ensemble", arguments, members=recipe.training.ensemble)
    if recipe.prior is not None:
        sizes = {"patterns": recipe.prior.patterns, "cells": min(recipe.prior.cells, recipe.patch_size)}
        arguments = around("with-prior", arguments, **sizes)
    check_network(**arguments)


def network_arguments(recipe: RecipeSettings, classes: ClassTable, *, bands: int, channels: int) -> dict[str, Any]:
    """What `create_network` is called with: sizes, the recipe's arguments, and those that come from the classes.

    Raises
    ------
    RecipeError
        The recipe weighs attributes of the classes, and the class table has none.
    """
    settings = recipe.network
    sizes = {"bands": bands, "channels": channels, "classes": len(classes), "patch_size": recipe.patch_size}
    arguments = {"name": settings.name, **sizes, **settings.arguments}
    if arguments.get("attribute_balance", 1.0) < 1.0 and "attributes" in accepts(settings.name):
        if not classes.attribute_names:
            raise RecipeError(
                "the recipe weighs attributes of the classes, and the classes have none",
                "add a column attributes to the class table, or give network.arguments.attribute_balance=1",
            )
        arguments.setdefault("attributes", classes.attribute_table().tolist())
    if settings.orientations == 1:
        return arguments
    return around("test-time-augmentation", arguments, orientations=settings.orientations)


def recipe_network(
    scene: TrainingScene, pixels: LabelledPatches, seed: int
) -> tuple[SpectralSpatialNetwork, dict[str, Any]]:
    """The network of the scene's recipe for those pixels, with the initial weights of a seed, and its arguments.

    Where the scene says what networks start from, it is that one.
    """
    if scene.start is not None:
        return scene.start.network(seed), dict(scene.start.arguments)
    sizes = {"bands": pixels.spectra.shape[1], "channels": pixels.patches.shape[1]}
    arguments = network_arguments(scene.recipe, scene.classes, **sizes)
    torch.manual_seed(seed)
    return create_network(**arguments), arguments


def as_ensemble(members: Sequence[FitResult]) -> FitResult:
    """Networks that differ in their weights alone as one whose probabilities are the mean of theirs."""
    first = members[0]
    arguments = around("ensemble", first.arguments, members=len(members))
    network = create_network(**arguments)
    states = [member.network.state_dict() for member in members]
    network.load_state_dict(
        {f"members.{n}.{key}": value for n, state in enumerate(states) for key, value in state.items()}
    )
    record = replace(
        first.record,
        seconds=round(sum(member.record.seconds for member in members), 2),
        parameters=sum(member.record.parameters for member in members),
    )
    held_out = [member.held_out for member in members if member.held_out]
    together = HeldOut.together(held_out) if held_out else None
    temperature = sum(member.own_temperature for member in members) / len(members)
    return replace(
        first,
        network=network.eval(),
        arguments=arguments,
        record=record,
        held_out=together,
        own_temperature=temperature,
    )


def parameters_of(network: SpectralSpatialNetwork) -> int:
    """Number of weights."""
    return sum(parameter.numel() for parameter in network.parameters())


def around(name: str, arguments: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Arguments of a network that is made of others, from those of its members."""
    sizes = {size: arguments[size] for size in ("bands", "channels", "classes", "patch_size")}
    own = {key: value for key, value in arguments.items() if key not in (*sizes, "name")}
    return {"name": name, **sizes, "member": arguments["name"], "member_arguments": own, **more}


def _check_illumination(recipe: RecipeSettings) -> None:
    transform, training = recipe.preprocessing.spectral_transform, recipe.training
    if transform != "none" and isinstance(training, GradientSettings) and training.augmentation.illumination:
        raise RecipeError(
            "training.augmentation.illumination varies reflectance, and preprocessing.spectral_transform is "
            f"{transform}",
            "set one of them aside: training.augmentation.illumination=0 or preprocessing.spectral_transform=none",
        )
