"""Training settings and records in model files of earlier versions, as this one has them."""

from __future__ import annotations

import math
from typing import Any


def with_training_method(header: dict[str, Any]) -> dict[str, Any]:
    """A header whose recipe names its training method, and whose records hold no figure without meaning.

    Flags of the recipe said how the network was trained. Of what no longer exists, such as a search for arguments of
    the network, the model file keeps the outcome, and the recipe says nothing.
    """
    recipe, record = header.get("recipe"), header.get("training")
    if isinstance(recipe, dict):
        recipe = {key: _without(value, _GONE.get(key, ())) for key, value in recipe.items()}
        if isinstance(recipe.get("training"), dict):
            recipe["training"] = _training(recipe["training"])
        header = {**header, "recipe": recipe}
    return {**header, "training": _record(record)} if isinstance(record, dict) else header


def with_stacked_pseudo_labels(header: dict[str, Any]) -> dict[str, Any]:
    """A header whose recipe has no settings of pseudo-labels that left-out groups decide now.

    Until format 3 a recipe said how many views of each form were stacked, and how far class frequencies were trusted:
    `prior_strength` was the exponent that `favour` now stands for.
    """
    if not isinstance(recipe := header.get("recipe"), dict) or not isinstance(training := recipe.get("training"), dict):
        return header
    if not isinstance(settings := training.get("pseudo_labels"), dict):
        return header
    strength = settings.get("prior_strength")
    favour = {"favour": _favour(float(strength))} if isinstance(strength, int | float) else {}
    training = {**training, "pseudo_labels": {**favour, **_without(settings, _DECIDED)}}
    return {**header, "recipe": {**recipe, "training": training}}


def _favour(strength: float) -> str:
    """The word for the exponent that is nearest."""
    exponents = {"average": 0.0, "both": 0.25, "overall": 0.5}
    return min(exponents, key=lambda word: abs(exponents[word] - strength))


_DECIDED = ("linear_views", "quadratic_views", "kernel_views", "weigh_classes", "prior_strength", "few_labels")
_GONE = {"network": ("search",), "preprocessing": ("discriminant",)}
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
    record = _without(record, ("chosen_arguments",))
    if isinstance(teacher := record.pop("teacher", None), dict):
        record["pseudo_labels"] = {_RECORDED.get(key, key): value for key, value in teacher.items()}
    loss = record.get("best_validation_loss")
    if not (isinstance(loss, int | float) and math.isfinite(loss)):
        record.pop("best_validation_loss", None)
    return record


_RECORDED = {"pixels_taught": "pixels_used"}


def _without(values: Any, gone: tuple[str, ...]) -> Any:
    return {key: value for key, value in values.items() if key not in gone} if isinstance(values, dict) else values
