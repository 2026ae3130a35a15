"""Which bands the network of a map looks at, class by class, for a report."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsiattn.assessment.records import AttentionRecord, ClassAttentionRecord
from hsiattn.classes import ClassTable
from hsiattn.errors import RecipeError
from hsiattn.models.model_file import TrainedModel
from hsiattn.reporting.labelled_pixels import LabelledPixels
from hsiattn.reporting.placed_scene import PlacedScene
from hsiattn.reporting.spectra import describe_sample, rounded
from hsiattn.scenes.source import SceneSource

MOST_PIXELS = 100
"""Pixels of a class."""

_TESTED = 50
"""Pixels of the test of how far attention may be trusted."""


def describe_attention(
    model: TrainedModel, scene: PlacedScene, pixels: LabelledPixels, classes: ClassTable, *, trust: bool = True
) -> AttentionRecord | None:
    """Mean weights of the bands at the pixels of every class, with quartiles; None of a network that weighs no bands.

    With `trust`, how far they may be trusted is tested, too, see `hsiattn.explanations.deletion`.

    Raises
    ------
    BandError
        The scene's bands do not fit the model.
    SceneError
        The scene cannot be read.
    """
    from hsiattn.explanations.attention import attention_of

    at, of_class = pixels.at_most(MOST_PIXELS)
    if not len(at):
        return None
    source, positions = model.resampled(scene.source), scene.positions(at)
    try:
        found = attention_of(model, source, positions)
    except RecipeError:
        return None
    if "bands" not in found:
        return None
    weights = found["bands"].values
    there = np.isfinite(weights).all(axis=1)
    records: list[ClassAttentionRecord] = []
    for place, record in enumerate(classes.to_records()):
        own = weights[(of_class == place) & there]
        if not len(own):
            continue
        lower, upper = np.quantile(own, (0.25, 0.75), axis=0)
        figures = {"mean": own.mean(axis=0, dtype=np.float64), "lower": lower, "upper": upper}
        records.append(
            {
                "code": record["code"], "name": record["name"], "color": record["color"], "pixels": len(own),
                **{name: rounded(values.tolist()) for name, values in figures.items()},  # type: ignore[typeddict-item]
            }
        )  # fmt: skip
    if not records:
        return None
    bands = model.used_bands
    described: AttentionRecord = {
        "bands": list(bands.names),
        "wavelength": rounded(bands.wavelength.tolist()),
        "classes": records,
        "sample": describe_sample(len(of_class) < int(pixels.eligible.sum()), MOST_PIXELS, pixels.tested),
    }
    verdict = _trust(model, source, positions, there) if trust else None
    if verdict is not None:
        described["trust"] = verdict
    return described


def _trust(
    model: TrainedModel, source: SceneSource, positions: NDArray[np.int64], there: NDArray[np.bool_]
) -> str | None:
    """The verdict of the deletion test on bands, in words, or why there is none; None where bands have no verdict."""
    from hsiattn.explanations.deletion import deletion_test

    chosen = positions[there]
    spread = np.unique(np.linspace(0, len(chosen) - 1, _TESTED).round().astype(np.int64))  # they are in order of class
    try:
        tested = deletion_test(model, source, chosen[spread])
    except RecipeError as error:  # captum is missing, for instance
        return f"Not tested: {error}"
    return next((curves.in_words for curves in tested.subjects if curves.subject == "bands"), None)
