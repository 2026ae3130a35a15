"""Which bands the network of a map looks at, class by class, for a report."""

from __future__ import annotations

import warnings

import numpy as np

from hsiattn.assessment.records import AttentionRecord, ClassAttentionRecord
from hsiattn.classes import ClassTable
from hsiattn.errors import RecipeError
from hsiattn.models.model_file import TrainedModel
from hsiattn.reporting.labelled_pixels import LabelledPixels
from hsiattn.reporting.placed_scene import PlacedScene
from hsiattn.reporting.spectra import describe_sample, rounded

MOST_PIXELS = 100
"""Pixels of a class."""


def describe_attention(
    model: TrainedModel, scene: PlacedScene, pixels: LabelledPixels, classes: ClassTable, tested: bool
) -> AttentionRecord | None:
    """Mean weights of the bands at the pixels of every class, with quartiles; None of a network that weighs no bands.

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
    try:
        found = attention_of(model, model.resampled(scene.source), scene.positions(at))
    except RecipeError:
        return None
    if "bands" not in found:
        return None
    weights = found["bands"].values
    records: list[ClassAttentionRecord] = []
    for place, record in enumerate(classes.to_records()):
        own = weights[of_class == place]
        own = own[np.isfinite(own).all(axis=1)]
        if not len(own):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
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
    fewer = len(of_class) < int(pixels.eligible.sum())
    return {
        "bands": list(bands.names),
        "wavelength": rounded(bands.wavelength.tolist()),
        "classes": records,
        "sample": describe_sample(fewer, MOST_PIXELS, tested),
    }
