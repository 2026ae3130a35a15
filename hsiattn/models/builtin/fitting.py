"""The built-in model, fitted to the bands and the scale of a scene."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsiattn.errors import BandError
from hsiattn.files.paths import StrPath
from hsiattn.models.builtin.renaming import read_names, renamed
from hsiattn.models.builtin.scale import guess_scale
from hsiattn.models.builtin.trust import in_words, nearest_trial
from hsiattn.models.model_file import TrainedModel, read_model
from hsiattn.networks import load_network
from hsiattn.networks.spectral_grid import NODES, grid_weights
from hsiattn.preprocessing import Preprocessing
from hsiattn.scenes import SceneSource, SpectralBands
from hsiattn.scenes.scene_sample import sample_scene

FILE = Path(__file__).with_name("land-cover.hsiattn")
_FEWEST_NODES = 12
"""Nodes of the grid that bands must cover: less is no spectrum."""


class Fitted(NamedTuple):
    """The built-in model for a scene, and what the user should know of it."""

    model: TrainedModel
    notes: tuple[str, ...]


@cache
def read_builtin() -> TrainedModel:
    """The built-in model as it is in the package, for bands at the nodes of its grid."""
    return read_model(FILE)


def builtin_model(
    source: SceneSource, *, classes_from: StrPath | None = None, among: NDArray[np.int64] | None = None
) -> Fitted:
    """Fit the built-in model to a scene.

    Bands that are marked bad, that hold no data, or that lie in water vapour take no part. Where the scene does not say
    how its values become reflectance, a sample of it decides.

    Parameters
    ----------
    classes_from
        Table of names for the classes, see `hsiattn.models.builtin.renaming.read_names`; None for their own.
    among
        Indices of the bands that may take part; None for all.

    Raises
    ------
    BandError
        The wavelengths of the scene are unknown, or its bands cover too little of the spectrum.
    LabelError
        The table of names cannot be used.
    SceneError
        The scene cannot be read.
    """
    original = read_builtin()
    if classes_from is not None:
        original = renamed(original, read_names(classes_from), classes_from)
    used = usable_bands(source.bands, source.name)
    if among is not None:
        used = np.intersect1d(used, among)
        _check_covered(source.bands.subset(used), source.name)
    sample = sample_scene(source, used)
    with_data = sample.measured.any(axis=0) if sample.measured.any() else np.ones(len(used), dtype=bool)
    used = used[with_data]
    _check_covered(source.bands.subset(used), source.name)
    complete = sample.values[:, with_data][sample.measured[:, with_data].all(axis=1)]
    divisor, notes = 1.0, []
    if not source.radiometry.stated and len(complete):
        whole = bool(np.issubdtype(source.dtype, np.integer))
        guess = guess_scale(complete.astype(np.float64), whole_numbers=whole)
        divisor = guess.divisor
        notes += [_on_scale(divisor, guess.conventional)] if divisor != 1.0 else []
    model = _for_bands(original, source.bands, used, divisor)
    wavelength = model.used_bands.wavelength
    trials = model.training.get("trials")
    notes += [in_words(nearest_trial(trials, wavelength))] if trials else []
    return Fitted(model, tuple(notes))


def usable_bands(bands: SpectralBands, name: str) -> NDArray[np.int64]:
    """Indices of the good bands that the grid of the built-in model reads.

    Raises
    ------
    BandError
        No wavelength is known.
    """
    known = np.flatnonzero(np.isfinite(bands.wavelength) & bands.good)
    if not len(known):
        raise BandError(
            f"the wavelengths of {name} are unknown, by which the built-in model reads it",
            "give sensor=NAME or wavelengths=FILE, or train a model of your own on labels",
        )
    weights, _ = grid_weights(bands.wavelength[known], bands.fwhm[known])
    return known[weights.any(axis=0)].astype(np.int64)


def _check_covered(bands: SpectralBands, name: str) -> None:
    covered = 0
    if len(bands):
        covered = int(np.count_nonzero(grid_weights(bands.wavelength, bands.fwhm)[1]))
    if covered < _FEWEST_NODES:
        raise BandError(
            f"{name} has too few bands for the built-in model: they cover {covered} of {len(NODES)} places between "
            f"{NODES[0]:.0f} and {NODES[-1]:.0f} nm, and {_FEWEST_NODES} are needed",
            "use a hyperspectral scene, or train a model of your own on labels",
        )


def _for_bands(original: TrainedModel, bands: SpectralBands, used: NDArray[np.int64], divisor: float) -> TrainedModel:
    count = len(used)
    centres, widths = bands.wavelength[used], bands.fwhm[used]
    arguments = {
        **original.arguments,
        "bands": count,
        "wavelength": [round(float(centre), 3) for centre in centres],
        "fwhm": [round(float(width), 3) if np.isfinite(width) else None for width in widths],
    }
    preprocessing = Preprocessing(
        bands=used,
        offset=np.zeros(count, np.float32),
        gain=np.full(count, 1 / divisor, np.float32),
        projection=np.zeros((0, count), np.float32),
        shift=np.zeros(0, np.float32),
    )
    network = load_network(original.network.state_dict(), **arguments)
    return replace(original, arguments=arguments, preprocessing=preprocessing, bands=bands, network=network)


def _on_scale(divisor: float, conventional: bool) -> str:
    if conventional:
        return f"the scene states no scale: its values are taken for reflectance × {divisor:.0f}; scale= says otherwise"
    return (
        f"the scene states no scale, and its values are not those of reflectance: they are divided by {divisor:.4g}, "
        "which makes it as bright as land usually is; scale= says otherwise"
    )
