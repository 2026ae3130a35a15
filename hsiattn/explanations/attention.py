"""What a trained network attends to at pixels of a scene."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from hsiattn.errors import RecipeError, SceneError
from hsiattn.models.model_file import TrainedModel
from hsiattn.scenes import SceneSource
from hsiattn.training.patches import gather_patches

_PIXELS_AT_ONCE = 256
_DIMS = {"bands": ("pixel", "band"), "neighbours": ("pixel", "dy", "dx")}


@torch.inference_mode()
def attention_of(model: TrainedModel, source: SceneSource, pixels: ArrayLike) -> xr.Dataset:
    """Weights that the network of a model gives to bands and neighbours; see `SpectralSpatialClassifier.attention`.

    Raises
    ------
    RecipeError
        The network weighs neither.
    SceneError
        No pixel is given, or one outside the scene.
    BandError
        The scene's bands do not fit the model.
    """
    positions, network, size = positions_of(pixels, source), model.network, model.patch_size
    preprocessing = replace(model.preprocessing, bands=model.match(source))
    nobody = np.zeros(len(positions), dtype=np.int64)
    seen = gather_patches(source, positions, nobody, preprocessing, patch_size=size, edge=network.edge)
    arrays = (torch.from_numpy(array) for array in (seen.spectra, seen.patches, seen.valid))
    batches = zip(*(torch.split(array, _PIXELS_AT_ONCE) for array in arrays), strict=True)
    parts = [network.attention_weights(*batch) for batch in batches]
    found = {}
    for kind, weights in zip(_DIMS, zip(*parts, strict=True), strict=True):
        if weights[0] is not None:
            values = torch.cat(weights).float().numpy()
            values[~seen.valid[:, size // 2, size // 2]] = np.nan
            found[kind] = (_DIMS[kind], values)
    if not found:
        raise no_attention(model)
    row, column = positions.T
    reach = np.arange(size) - size // 2
    coords = {"row": ("pixel", row), "column": ("pixel", column), "band": list(model.used_bands.names)}
    return xr.Dataset(found, coords={**coords, "dy": reach, "dx": reach})


def no_attention(model: TrainedModel) -> RecipeError:
    """The error that a network without attention is answered with."""
    return RecipeError(
        f"network {model.arguments['name']!r} weighs neither bands nor neighbours",
        "train one with attention, as recipe=default has it",
    )


def positions_of(pixels: ArrayLike, source: SceneSource) -> NDArray[np.int64]:
    """Rows and columns as (N, 2), all of them inside the scene.

    Raises
    ------
    SceneError
        No pixel is given, or one outside the scene.
    """
    positions = np.asarray(pixels, dtype=np.int64).reshape(-1, 2)
    inside = f"give rows from 0 to {source.height - 1} and columns from 0 to {source.width - 1}"
    if not len(positions):
        raise SceneError(f"no pixel of {source.name} is named", inside)
    outside = ((positions < 0) | (positions >= (source.height, source.width))).any(axis=1)
    if outside.any():
        row, column = positions[outside][0]
        raise SceneError(f"the pixel in row {row}, column {column} lies outside {source.name}", inside)
    return positions
