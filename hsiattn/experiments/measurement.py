"""One run of an experiment plan: train on its split, map the scene, compare the test pixels."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.assessment import border_pixels, confusion_matrix, metrics, unclassified_counts
from hsiattn.assessment.calibration import expected_calibration_error
from hsiattn.assessment.formatting import none_for_nan
from hsiattn.experiments.plan import file_name
from hsiattn.experiments.protocols import SharedSplit, hidden_classes, shared_split
from hsiattn.experiments.runs import Run
from hsiattn.experiments.scenes import LabelledScene, open_entry
from hsiattn.experiments.strangeness import Strangeness
from hsiattn.splits import fitted_pixels, leakage

if TYPE_CHECKING:
    from hsiattn.training.modelling import TrainingResult


@dataclass(frozen=True)
class Task:
    """A run, with its data, results folder and device.

    Attributes
    ----------
    run
        The run.
    data_sha256
        Fingerprint of the data that it reads.
    data
        Folder that the plan's paths are relative to.
    folder
        Folder of the results.
    device
        See `hsiattn.devices.choose_device`.
    """

    run: Run
    data_sha256: str
    data: Path
    folder: Path
    device: str = "auto"

    @property
    def split_file(self) -> Path:
        """Raster of roles that all recipes share; other data, or another protocol, have another one."""
        run = self.run
        name = f"{run.seed}-{self.data_sha256[:8]}-{run.split_sha256[:8]}.tif"
        return self.folder / "splits" / file_name(run.scene.name) / file_name(run.protocol.name) / name


@dataclass(frozen=True, eq=False)
class Outcome:
    """Results of a run.

    Attributes
    ----------
    record
        Figures, ready for JSON: shares 0 … 1, seconds, and the identity of the run.
    pixels
        Arrays of one length: `row`, `column`, `truth` and `predicted` (codes), `confidence` and `strangeness`, see
        `Strangeness`, of every test pixel; with classes left out also `unknown_row`, … of their pixels.
    """

    record: dict[str, Any]
    pixels: dict[str, NDArray[Any]] = field(repr=False)


def perform(task: Task) -> Outcome:
    """Train without the test pixels, map the whole scene, and measure the map at the test pixels.

    Raises
    ------
    HsiattnError
        The scene, the split or the recipe cannot be used.
    """
    from hsiattn.mapping import predict_array
    from hsiattn.training.modelling import fit_model
    from hsiattn.training.training_scene import TrainingScene

    run = task.run
    scene = open_entry(run.scene, task.data)
    usable = TrainingScene.of(scene.source, scene.codes, scene.classes, run.recipe).usable
    split = shared_split(run, scene, usable, data=task.data, file=task.split_file)
    began = time.monotonic()
    result = fit_model(
        scene.source, split.codes, split.classes, run.recipe, split.for_training(), seed=run.seed, device=task.device,
        groups=split.groups, tested_later=split.test,
    )  # fmt: skip
    trained = time.monotonic()
    land_cover = predict_array(result.model, scene.source, device=task.device)
    mapped = time.monotonic()
    predicted, confidence = land_cover["land_cover"].values, land_cover["confidence"].values
    unknown = usable & np.isin(scene.codes, hidden_classes(scene, run))
    strangeness = Strangeness.of(result.model, scene.source, confidence, task.device)
    return Outcome(
        {
            "scene": run.scene.name,
            "protocol": run.protocol.name,
            "recipe": run.recipe_name,
            "seed": run.seed,
            **_accuracies(scene, split, predicted, confidence, run.border_reach),
            **strangeness.figures(split.test, unknown),
            "unknown_classes": sorted(set(scene.codes[unknown].tolist())),
            **_sampling(result, split, run.recipe.patch_size),
            **_training(result),
            "whole_training_seconds": round(trained - began, 3),
            "mapping_seconds": round(mapped - trained, 3),
            "pixels_per_second": round(predicted.size / (mapped - trained), 1),
            "split_sha256": split.sha256,
            "split_file": str(task.split_file.relative_to(task.folder)),
            "configuration_sha256": run.configuration_sha256,
            "data_sha256": task.data_sha256,
            "versions": result.model.versions,
            "cores": os.cpu_count(),
            "threads": result.model.training["threads"],
            "machine": platform.machine(),
            "created": result.model.created,
            "messages": [message for message in result.messages if message not in result.advice],
        },
        {
            **_pixels("", split.test, scene.codes, predicted, confidence, strangeness.scores),
            **(
                _pixels("unknown_", unknown, scene.codes, predicted, confidence, strangeness.scores)
                if unknown.any()
                else {}
            ),
        },
    )


def _accuracies(
    scene: LabelledScene,
    split: SharedSplit,
    predicted: NDArray[Any],
    confidence: NDArray[np.float32],
    border_reach: int,
) -> dict[str, Any]:
    test, classes = split.test, split.classes
    right = predicted == split.codes
    border = border_pixels(scene.codes, reach=border_reach) & test
    reference, answer = split.codes[test], predicted[test]
    counted = classes.to_indices(reference), classes.to_indices(answer), len(classes)
    confusion, unclassified = confusion_matrix(*counted), unclassified_counts(*counted)
    of_classes = metrics.producers_accuracy(confusion, unclassified)
    worst = int(np.nanargmin(of_classes))
    return {
        "overall_accuracy": float(right[test].mean()),
        "average_accuracy": float(metrics.average_accuracy(confusion, unclassified)),
        "kappa": none_for_nan(float(metrics.kappa(confusion, unclassified))),
        "worst_class": classes.names[worst],
        "worst_class_accuracy": float(of_classes[worst]),
        "border_accuracy": _mean(right[border]),
        "interior_accuracy": _mean(right[test & ~border]),
        "expected_calibration_error": float(
            expected_calibration_error(np.nan_to_num(confidence[test]).astype(np.float64), right[test])
        ),
        "test_pixels": int(test.sum()),
        "border_pixels": int(border.sum()),
        "classes": [
            {"code": entry.code, "class": entry.name, "accuracy": none_for_nan(accuracy), "test_pixels": int(count)}
            for entry, accuracy, count in zip(classes, of_classes, confusion.sum(axis=1) + unclassified, strict=True)
        ],
    }


def _sampling(result: TrainingResult, split: SharedSplit, window: int) -> dict[str, Any]:
    """Numbers of training and validation pixels, and the leakage."""
    fitted = fitted_pixels(result.split.roles)
    return {
        "window": window,
        "leakage": leakage(fitted, split.test, window),
        "training_pixels": int(fitted.sum()),
        "validation_pixels": int(result.split.mask("validation").sum()),
    }


def _training(result: TrainingResult) -> dict[str, Any]:
    network, training = result.model.network, result.model.training
    return {
        "best_epoch": training.get("best_epoch"),
        "training_seconds": training.get("seconds"),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "macs": _multiply_adds(network),
    }


def _multiply_adds(network: Any) -> int:
    """Multiply-adds of a mapped pixel; of forests, which compare and do not multiply, 0."""
    from hsiattn.networks.baselines import RandomForest
    from hsiattn.networks.cost import cost_of

    if any(isinstance(part, RandomForest) for part in network.modules()):
        return 0
    return round(cost_of(network).macs)


def _pixels(
    prefix: str,
    chosen: NDArray[np.bool_],
    codes: NDArray[Any],
    predicted: NDArray[Any],
    confidence: NDArray[Any],
    scores: NDArray[np.float32],
) -> dict[str, NDArray[Any]]:
    rows, columns = np.nonzero(chosen)
    arrays = {
        "row": rows.astype(np.int32),
        "column": columns.astype(np.int32),
        "truth": codes[chosen].astype(np.int32),
        "predicted": predicted[chosen].astype(np.int32),
        "confidence": confidence[chosen].astype(np.float32),
        "strangeness": scores[chosen],
    }
    return {f"{prefix}{name}": array for name, array in arrays.items()}


def _mean(right: NDArray[np.bool_]) -> float | None:
    return float(right.mean()) if right.size else None
