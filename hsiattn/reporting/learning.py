"""The course of a training for a report, from what the model file keeps of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsiattn.assessment.records import LearningRecord

if TYPE_CHECKING:
    from hsiattn.models.model_file import TrainedModel


def describe_learning(model: TrainedModel) -> LearningRecord | None:
    """Loss and accuracy epoch by epoch; None of a model in closed form, or one of an early version."""
    history = model.training.get("history")
    if not history or not history["epoch"]:
        return None
    best = model.training.get("best_epoch")
    record: LearningRecord = {
        "epoch": list(history["epoch"]),
        "training_loss": list(history["training_loss"]),
        "training_accuracy": list(history["training_accuracy"]),
        "validation_loss": list(history["validation_loss"]),
        "validation_accuracy": list(history["validation_accuracy"]),
        "best_epoch": best if isinstance(best, int) else history["epoch"][-1],
    }
    notes = []
    if model.arguments.get("name") == "ensemble":
        notes.append(f"figures of the first of {model.arguments.get('members')} networks")
    if history["epoch"][-1] > len(history["epoch"]):
        notes.append(f"{len(history['epoch'])} of {history['epoch'][-1]} epochs are shown")
    if notes:
        record["note"] = "; ".join(notes)
    return record
