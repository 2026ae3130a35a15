"""What translating the training scene is worth on simulated shifts, against matched moments and no adaptation.

    .venv/bin/python -m scripts.benchmarks.translation DATA [--scenes salinas-a …] [--shifts haze …] [--seeds 5]
        [--ground halves] [--recipe lda] [--per-class 20] [--set KEY=VALUE …]

A scene is shifted (`hsiattn.simulation.shift`). With `--ground halves` its left half, as it was and with labels, is the
source, and the right half, shifted, the target, so that they hold other fields and other shares of the classes; with
`same` both are the whole scene. The recipe is trained on N labelled pixels per class of the source, of the source with
the target's moments (the translation untrained), of the translated source, and of the target. Figures: overall
accuracy on the other labelled pixels of the target, mean spectral angle in degrees and mean distance in reflectance
between class means and the target's, seconds of processor time for learning and applying the translation. Classes with
30 pixels in either half count. DATA holds the scenes of the cards, each in a folder of its name.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hsiattn.adaptation.translation import TranslatedSource, TranslationSettings, train_translation
from hsiattn.classes import ClassTable
from hsiattn.datasets import open_dataset
from hsiattn.mapping.inference import evaluate_tile
from hsiattn.models.model_file import TrainedModel
from hsiattn.scenes import SceneSource, as_scene, as_source
from hsiattn.scenes.band_resampling import ResampledSource
from hsiattn.scenes.tiles import read_tile
from hsiattn.simulation.shifts import SHIFTS, shift
from hsiattn.splits import ROLES
from hsiattn.training.modelling import fit_model
from hsiattn.training.recipes import load_recipe

_FEWEST = 30
_SCALE = 1e4
"""By which values of scenes that state no scale are divided."""


def main() -> None:
    """Print a line for every scene, shift and seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--scenes", nargs="+", default=["salinas-a", "indian-pines"])
    parser.add_argument("--shifts", nargs="+", default=["haze", "illumination"], choices=list(SHIFTS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--ground", choices=("halves", "same"), default="halves")
    parser.add_argument("--recipe", default="lda")
    parser.add_argument("--per-class", type=int, default=20)
    parser.add_argument("--set", dest="changes", nargs="+", default=[], help="settings of the translation")
    options = parser.parse_args()
    changes = dict(change.split("=", 1) for change in options.changes)
    settings = TranslationSettings.model_validate(changes)
    for seed in range(options.seeds):
        for scene in options.scenes:
            for name in options.shifts:
                print(json.dumps(figures(scene, name, seed, settings, options)), flush=True)


def figures(scene: str, name: str, seed: int, settings: TranslationSettings, options: Any) -> dict[str, Any]:
    """All figures of one shift of a scene."""
    opened, labels = open_dataset(scene, options.data / scene)
    source = as_source(opened)
    scale = (source.radiometry.scale if source.radiometry.stated else None) or _SCALE
    cube = np.asarray(source.read(source.extent) / scale, dtype=np.float32)
    codes, centres = np.asarray(labels.values, dtype=np.int64), source.bands.wavelength
    shifted, centres_there = shift(cube, name, wavelength=centres, seed=seed)
    parts = np.s_[:, : codes.shape[1] // 2], np.s_[:, codes.shape[1] // 2 :]
    here, there = parts if options.ground == "halves" else (np.s_[:, :],) * 2
    classes = [c for c in np.unique(codes[codes > 0]) if min(np.sum(codes[p] == c) for p in (here, there)) >= _FEWEST]
    known = np.where(np.isin(codes, classes), codes, 0)
    first, second = _scene(cube[:, *here], centres), _scene(shifted[:, *there], centres_there)
    run = _Run(known[here], known[there], ClassTable.from_codes([int(c) for c in classes]), second, seed, options)
    told: dict[str, Any] = {"scene": scene, "shift": name, "seed": seed, "ground": options.ground}
    told["target"] = run.accuracy(second, known[there])
    same = len(first.bands) == len(second.bands)
    told["source"] = run.told(first if same else ResampledSource(first, second.bands))
    for method, epochs in (("moments", 0), ("translation", settings.epochs)):
        began = time.process_time()
        learnt = train_translation(
            first, second, settings.model_copy(update={"epochs": epochs}), seed=seed, device="cpu"
        )
        translated = TranslatedSource(learnt)
        values = translated.read(translated.extent)
        seconds = round(time.process_time() - began, 1)
        told[method] = {**run.told(_scene(values, centres_there)), "seconds": seconds}
    return told


class _Run:
    """Trains and tests with one seed."""

    def __init__(
        self,
        here: NDArray[np.int64],
        there: NDArray[np.int64],
        classes: ClassTable,
        target: SceneSource,
        seed: int,
        options: Any,
    ) -> None:
        self.here, self.there, self.classes, self.target = here, there, classes, target
        self.seed, self.recipe, self.per_class = seed, load_recipe(options.recipe), options.per_class
        self.means = self._means(target, there)

    def told(self, source: SceneSource) -> dict[str, float]:
        """Accuracy of what is trained on a source, and how far its class means lie from the target's."""
        means = self._means(source, self.here)
        cosine = (means * self.means).sum(1) / np.linalg.norm(means, axis=1) / np.linalg.norm(self.means, axis=1)
        angle = float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean())
        distance = float(np.sqrt(np.square(means - self.means).mean(axis=1)).mean())
        accuracy = self.accuracy(source, self.here)
        return {"accuracy": round(accuracy, 4), "angle": round(angle, 2), "distance": round(distance, 4)}

    def accuracy(self, source: SceneSource, codes: NDArray[np.int64]) -> float:
        """Share of the target's test pixels that a model trained on a source knows."""
        roles = self._roles(codes)
        model = fit_model(source, codes, self.classes, self.recipe, roles, seed=self.seed, device="cpu").model
        test = (self.there > 0) & (self._roles(self.there) == 0)
        return float((_codes_of(model, self.target)[test] == self.there[test]).mean())

    def _roles(self, codes: NDArray[np.int64]) -> NDArray[np.uint8]:
        random, roles = np.random.default_rng(self.seed), np.zeros(codes.shape, dtype=np.uint8)
        for code in self.classes.codes:
            places = random.permutation(np.argwhere(codes == code))[: self.per_class]
            roles[tuple(places.T)] = ROLES["training"]
        return roles

    def _means(self, source: SceneSource, codes: NDArray[np.int64]) -> NDArray[np.float64]:
        cube = source.read(source.extent)
        return np.stack([np.nanmean(cube[:, codes == code], axis=1) for code in self.classes.codes])


def _scene(cube: NDArray[np.floating[Any]], centres: NDArray[np.floating[Any]] | None) -> SceneSource:
    return as_source(as_scene(cube.transpose(1, 2, 0), wavelengths=centres, scale=1.0, name="half"))


def _codes_of(model: TrainedModel, source: SceneSource) -> NDArray[np.int64]:
    """Class codes (H, W) of a scene in the bands of the model's."""
    network, own = model.network, model.preprocessing
    halo = network.patch_size // 2
    tile = read_tile(source, source.extent, halo, own.bands, network.edge)
    spectra, components = own.transform(tile.values, tile.valid, source.radiometry.subset(own.bands))
    core = np.s_[halo : halo + source.height, halo : halo + source.width]
    logits = evaluate_tile(network, np.ascontiguousarray(spectra[:, *core]), components, tile.valid, tile.valid[core])
    return np.asarray(np.array(model.classes.codes)[logits.argmax(dim=0).numpy()])


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
