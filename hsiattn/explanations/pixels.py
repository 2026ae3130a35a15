"""Which pixels are explained: those at map coordinates, or some of every class."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from affine import Affine
from numpy.typing import NDArray

from hsiattn.errors import LabelError, SceneError
from hsiattn.explanations.windows import Decision, read_windows
from hsiattn.models.model_file import TrainedModel
from hsiattn.scenes import SceneSource
from hsiattn.scenes.pixels import gather_spectra

SEEN = 2000
"""Pixels of the scene among which the model finds its classes where there are no labels."""
_SPARE = 4
"""Labelled pixels that are looked at for each that is wanted, since some may hold no data."""


def pixels_at(source: SceneSource, places: Sequence[tuple[float, float]]) -> NDArray[np.int64]:
    """Rows and columns (N, 2) of the pixels that hold map coordinates x, y in the scene's CRS.

    Raises
    ------
    SceneError
        The scene has no such coordinates, or a place lies outside of it.
    """
    grid = source.grid
    if grid.transform == Affine.identity():
        raise SceneError(
            f"{source.name} does not say where its pixels lie on the map", "name pixels by row and column: pixel="
        )
    found = []
    for x, y in places:
        column, row = (math.floor(number) for number in ~grid.transform @ (x, y))
        if not (0 <= row < grid.height and 0 <= column < grid.width):
            left, bottom, right, top = (f"{number:.10g}" for number in grid.bounds)
            raise SceneError(
                f"{x:.10g},{y:.10g} lies outside {source.name}",
                f"give x from {left} to {right} and y from {bottom} to {top}, in the CRS of the scene",
            )
        found.append((row, column))
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def pixels_of_labels(
    model: TrainedModel, source: SceneSource, codes: NDArray[np.integer], samples: int, random_state: int
) -> NDArray[np.int64]:
    """Some labelled pixels with data of every class of the model, at most `samples`, by chance: (N, 2), class by class.

    Parameters
    ----------
    codes
        (H, W) codes of the model's classes, 0 = unlabelled; others are left out.

    Raises
    ------
    LabelError
        There are none.
    """
    rng, bands = np.random.default_rng(random_state), model.match(source)
    chosen = []
    for code in model.classes.codes:
        rows, columns = np.nonzero(codes == code)
        drawn = rng.permutation(len(rows))[: _SPARE * samples]
        places = np.stack([rows[drawn], columns[drawn]], axis=1).astype(np.int64)
        _, measured = gather_spectra(source, places)
        chosen.append(places[measured[:, bands].all(axis=1)][:samples])
    found = np.concatenate(chosen)
    if not len(found):
        raise LabelError(
            f"no labelled pixel of {source.name} with data is of a class of the model",
            f"give labels with its classes: {', '.join(model.classes.names)}",
        )
    return found


def pixels_of_predictions(
    model: TrainedModel, source: SceneSource, samples: int, random_state: int, device: str = "cpu"
) -> NDArray[np.int64]:
    """Some pixels of every class that the model sees in a sample of the scene, at most `samples`, class by class.

    Raises
    ------
    SceneError
        None of the sample holds data.
    """
    rng = np.random.default_rng(random_state)
    total = source.height * source.width
    drawn = rng.choice(total, SEEN, replace=False) if total > SEEN else rng.permutation(total)
    places = np.stack(np.divmod(drawn, source.width), axis=1).astype(np.int64)
    decision, predicted = Decision(model, device), np.full(len(places), -1)
    for windows in read_windows(model, source, places, decision.device):
        kept = windows.part(windows.measured)
        for batch in kept.batches():
            with torch.no_grad():
                likeliest = decision.probabilities(batch.bands, batch.valid).argmax(dim=1)
            predicted[batch.members] = likeliest.cpu().numpy()
    if (predicted < 0).all():
        raise SceneError(
            f"none of {len(places)} pixels of {source.name} holds data in the bands of the model",
            "name pixels that do: pixel=",
        )
    each = [np.flatnonzero(predicted == index)[:samples] for index in range(len(model.classes))]
    return places[np.concatenate(each)]
