"""Model files of earlier versions, in the words of this one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar

from hsiattn.models.upgrade_networks import with_plain_networks

_Tensor = TypeVar("_Tensor")
_OLD, _NEW = "preparation", "preprocessing"


def upgraded(header: dict[str, Any], tensors: Mapping[str, _Tensor]) -> tuple[dict[str, Any], dict[str, _Tensor]]:
    """Header and tensors of a file of format 1 or 2 as this version would have written them; later ones as they are.

    Until format 2 preprocessing was called "preparation", in the recipe and in the names of tensors; flags of a recipe
    said how the network was trained; and most networks began as a linear discriminant unless they were told otherwise.

    Raises
    ------
    ModelFileError
        The network began as a linear discriminant.
    """
    if header["format_version"] > 2:
        return header, dict(tensors)
    header = with_plain_networks(header)
    if isinstance(header.get("recipe"), dict):
        header = {**header, "recipe": _recipe(header["recipe"])}
    if isinstance(header.get("training"), dict):
        header = {**header, "training": _record(header["training"])}
    prefix = f"{_OLD}."
    return header, {
        f"{_NEW}.{name.removeprefix(prefix)}" if name.startswith(prefix) else name: tensor
        for name, tensor in tensors.items()
    }


def _recipe(recipe: dict[str, Any]) -> dict[str, Any]:
    recipe = {_NEW if key == _OLD else key: value for key, value in recipe.items()}
    for section, gone in (("network", ("search",)), (_NEW, ("discriminant",))):
        if isinstance(recipe.get(section), dict):
            recipe[section] = {key: value for key, value in recipe[section].items() if key not in gone}
    if isinstance(recipe.get("training"), dict):
        recipe["training"] = _training(recipe["training"])
    return recipe


_OF_EARLY_STOPPING = ("patience", "validation_share", "refit", "class_balance")
_OF_GRADIENTS = (
    *("optimizer", "learning_rate", "weight_decay", "schedule", "batch_size", "max_epochs", "max_steps", "precision"),
    *("augmentation", "ensemble"),
)


def _training(flags: dict[str, Any]) -> dict[str, Any]:
    """Settings of the method that the flags meant: no epochs, a teacher, or neither."""
    teacher, gone = flags.get("teacher"), {"teacher", "proven_by"}
    kept: dict[str, Any] = {}
    if flags.get("max_epochs") == 0:
        method = "closed-form"
        gone.update(_OF_GRADIENTS, _OF_EARLY_STOPPING)
    elif teacher is not None:
        method, kept = "pseudo-labels", {"pseudo_labels": teacher}
        gone.update(_OF_EARLY_STOPPING)
    else:
        method = "early-stopping"
    return {"method": method, **{key: value for key, value in flags.items() if key not in gone}, **kept}


def _record(record: dict[str, Any]) -> dict[str, Any]:
    """How training went, without figures that said nothing."""
    record = {key: value for key, value in record.items() if key != "chosen_arguments"}
    if isinstance(teacher := record.pop("teacher", None), dict):
        record["pseudo_labels"] = {_RECORDED.get(key, key): value for key, value in teacher.items()}
    loss = record.get("best_validation_loss")
    if not (isinstance(loss, int | float) and math.isfinite(loss)):
        record.pop("best_validation_loss", None)
    return record


_RECORDED = {"pixels_taught": "pixels_used"}
