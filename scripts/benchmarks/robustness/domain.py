"""How often a scene is refused that should be mapped, and mapped that should be refused.

    .venv/bin/python -m scripts.benchmarks.robustness.domain [--data FOLDER] [--recipe NAME] [--full]

A model per training scene and recipe; its domain is then asked of other parts and scenes of the same sensor, as they
are and under other light, haze, noise, clouds and mixes of covers (no alarm is wanted), and of scenes with another
scale, unit, order of bands or sensor (an alarm is wanted). Only the preprocessing is fitted: nothing else decides.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import xarray as xr
from numpy.typing import NDArray
from scipy import ndimage
from scipy.io import loadmat

from hsiattn.classes import ClassTable
from hsiattn.mapping.scene_check import check_scene
from hsiattn.models.model_file import TrainedModel
from hsiattn.scenes import as_source
from hsiattn.simulation import simulate_scene
from hsiattn.splits import RandomPixels
from hsiattn.training.modelling import fit_model
from hsiattn.training.recipes import load_recipe
from hsiattn.training.training_scene import TrainingScene
from scripts.benchmarks.accuracy.composed_scenes import compose, label_maps, read_library
from scripts.benchmarks.accuracy.real_scenes import mosaic_potsdam

Floats = NDArray[np.float64]
RECIPES = ("lda", "svm", "default")
_LEAST_LABELS = 20
"""Labelled pixels of a class; smaller ones train no model."""
_SIDE = 96
"""Pixels of the part of composed scenes that is looked at, along each side."""


@dataclass(frozen=True, eq=False)
class Case:
    """A training scene, and scenes of the same sensor: reflectance (B, H, W), centres in nm (B,), codes (H, W)."""

    name: str
    train: Floats
    labels: NDArray[np.int64]
    centres: Floats
    others: dict[str, Floats]


# ---------------------------------------------------------------------------------------------------------- scenes


def example_cases() -> Iterator[Case]:
    """The embedded example, whole and by a part of it, and other valleys under the same sensor."""
    scenes = [simulate_scene(height=120, width=120, bands=120, seed=seed) for seed in range(5)]
    cubes = []
    for scene, _ in scenes:
        values = scene.values.astype(np.float64)
        values[:, (values == scene.attrs["_FillValue"]).any(axis=0)] = np.nan
        cubes.append(values / float(scene.attrs["scale_factor_reflectance"]))
    centres = scenes[0][0].wavelength.values
    others = {f"valley {seed}": cube for seed, cube in enumerate(cubes[1:], start=1)}
    codes = scenes[0][1].values.astype(np.int64)
    yield Case("example", cubes[0], codes, centres, others)
    half = cubes[0].shape[2] // 2
    yield Case("example, west", cubes[0][..., :half], codes[:, :half], centres, others | {"east": cubes[0][..., half:]})


def composed_cases(data: Path) -> Iterator[Case]:
    """Scenes composed of one library, each trained on, the others mapped."""
    library = read_library(data / "roberts2017-urban")
    cubes, labels = {}, {}
    for name, seed, codes in label_maps(data):
        values, coded, _ = compose(codes, library, seed)
        rows, columns = (slice((size - _SIDE) // 2, (size + _SIDE) // 2) for size in coded.shape)
        cubes[name], labels[name] = values[:, rows, columns].astype(np.float64), coded[rows, columns]
    for name, cube in cubes.items():
        others = {other: values for other, values in cubes.items() if other != name}
        yield Case(name, cube, labels[name].astype(np.int64), library.wavelengths, others)


def real_cases(data: Path, work: Path) -> Iterator[Case]:
    """EnMAP over Potsdam by its west, Indian Pines and Salinas-A by halves."""
    work.mkdir(parents=True, exist_ok=True)
    scene, labels = mosaic_potsdam(data / "enmap-potsdam", work)
    with rasterio.open(scene) as file, rasterio.open(labels) as coded:
        values, codes = file.read().astype(np.float64), coded.read(1).astype(np.int64)
        centres = np.array([float(file.tags(i)["wavelength"]) for i in file.indexes])
        values[values == file.nodata] = np.nan
    kept = np.isfinite(values).any(axis=(1, 2))
    values, centres = values[kept] / 10_000, centres[kept]
    half = values.shape[2] // 2
    tiles = {
        f"tile {r}, {c}": values[:, r : r + 32, c : c + 32]
        for r in range(0, values.shape[1] - 31, 32)
        for c in range(half - half % 32 + 32, values.shape[2] - 31, 32)
        if np.isfinite(values[:, r : r + 32, c : c + 32]).all(axis=0).any()
    }
    yield Case("potsdam, west", values[..., :half], codes[:, :half], centres, {"east": values[..., half:]} | tiles)
    pines = np.load(data / "indian-pines" / "Indian_pines_corrected.npy")
    truth = np.load(data / "indian-pines" / "Indian_pines_gt.npy")
    yield from halves("pines", pines, truth, 72, 72)
    cube = loadmat(data / "salinas-a" / "SalinasA_corrected.mat")["salinasA_corrected"]
    truth = loadmat(data / "salinas-a" / "SalinasA_gt.mat")["salinasA_gt"]
    yield from halves("salinas-a", cube, truth, 42, 43)


def halves(name: str, cube: NDArray[Any], codes: NDArray[Any], row: int, column: int) -> Iterator[Case]:
    """A scene (H, W, B) of scaled reflectance trained on in the north and mapped in the south, and west and east."""
    values, codes = cube.transpose(2, 0, 1) / 10_000, codes.astype(np.int64)
    centres = np.linspace(400, 2500, len(values))
    yield Case(f"{name}, north", values[:, :row], codes[:row], centres, {"south": values[:, row:]})
    yield Case(f"{name}, west", values[..., :column], codes[:, :column], centres, {"east": values[..., column:]})


# ------------------------------------------------------------------------------------------------------- conditions


def noise_of(cube: Floats) -> Floats:
    """(B,) noise: what the first twenty principal axes of the pixels leave of each band."""
    spectra = cube[:, np.isfinite(cube).all(axis=0)]
    spectra = spectra - spectra.mean(axis=1, keepdims=True)
    axes = np.linalg.eigh(spectra @ spectra.T)[1][:, -20:]
    return np.asarray((spectra - axes @ (axes.T @ spectra)).std(axis=1))


def haze(cube: Floats, centres: Floats, strength: float) -> Floats:
    """Path light that falls with the wavelength, and less contrast."""
    typical, mean = np.nanmedian(cube), np.nanmean(cube, axis=(1, 2), keepdims=True)
    path = strength * typical * (centres.min() / centres) ** 1.5
    return np.asarray((1 - strength) * cube + strength * mean + path[:, None, None])


def clouds(cube: Floats, share: float, random: np.random.Generator) -> Floats:
    """Bright clouds over a share of the scene."""
    field = ndimage.gaussian_filter(random.standard_normal(cube.shape[1:]), min(cube.shape[1:]) / 12)
    there = field > np.quantile(field, 1 - share)
    bright = np.nanquantile(cube, 0.99) * random.uniform(1.0, 1.8, cube.shape[1:])
    return np.where(there, 0.1 * cube + bright, cube)


def harmless(cube: Floats, centres: Floats) -> Iterator[tuple[str, Floats]]:
    """What another flight line or day makes of a scene."""
    random = np.random.default_rng(11)
    ramp = np.linspace(0.7, 1.4, cube.shape[2])
    grain = noise_of(cube)[:, None, None] * np.sqrt(3) * random.standard_normal(cube.shape)
    yield "as it is", cube
    yield "light × 0.7", cube * 0.7
    yield "light × 1.4", cube * 1.4
    yield "light × 0.7 … 1.4", cube * ramp
    yield "haze, weak", haze(cube, centres, 0.1)
    yield "haze, strong", haze(cube, centres, 0.25)
    yield "noise × 2", cube + grain
    yield "clouds on 30 %", clouds(cube, 0.3, random)
    yield "bands ± 1 %", cube * (1 + 0.01 * random.standard_normal((len(cube), 1, 1)))
    yield "light, haze and noise", haze(cube * ramp[::-1], centres, 0.15) + grain
    brightness = cube.mean(axis=0)
    dark = brightness <= np.nanmedian(brightness)
    yield "the darker half only", np.where(dark, cube, np.nan)
    yield "the brighter half only", np.where(dark, np.nan, cube)


def sunlight(centres: Floats) -> Floats:
    """(B,) irradiance at the ground, 1 at most: a black body of 5 800 K behind water vapour."""
    metres = centres * 1e-9
    planck = metres**-5 / (np.exp(0.01438777 / (metres * 5800)) - 1)
    lines = ((940, 25, 0.5), (1130, 30, 0.5), (1400, 45, 0.9), (1900, 60, 0.9))  # centre, width, depth
    vapour = sum(depth * np.exp(-(((centres - centre) / width) ** 2)) for centre, width, depth in lines)
    return np.asarray(planck / planck.max() * (1 - vapour))


def harmful(cube: Floats, centres: Floats) -> Iterator[tuple[str, Floats]]:
    """What makes a scene one that the model knows nothing of, or of which it is told the wrong scale."""
    random = np.random.default_rng(12)
    for power in (-4, -3, -2, -1, 1, 2, 3, 4):
        yield f"× 10^{power}", cube * 10.0**power
    light = sunlight(centres)[:, None, None]
    yield "radiance", cube * light
    yield "radiance of equal mean", cube * light / light.mean()
    gains = random.permutation(np.geomspace(0.5, 2, len(cube)))[:, None, None]
    yield "gains of other bands", cube * gains
    shuffled = random.permutation(light / light.mean())
    yield "sunlight of other bands", cube * shuffled
    yield "bands in descending order", cube[::-1]
    yield "bands in any order", cube[random.permutation(len(cube))]
    for name, stretch in (("400–1000 nm", 0.3), ("400–1700 nm", 0.6)):
        place = np.linspace(0, stretch * (len(cube) - 1), len(cube))
        low, part = place.astype(int), (place % 1)[:, None, None]
        yield f"sensor of {name}", cube[low] * (1 - part) + cube[np.minimum(low + 1, len(cube) - 1)] * part
    yield "one value everywhere", np.full_like(cube, np.nanmedian(cube))
    yield "a mean spectrum everywhere", np.broadcast_to(np.nanmean(cube, axis=(1, 2), keepdims=True), cube.shape).copy()


# ----------------------------------------------------------------------------------------------------------- figures


def model_of(case: Case, recipe_name: str) -> TrainedModel:
    """The model in all that the check looks at: only the preprocessing is the recipe's, the network is the quickest."""
    source = as_source(scene_of(case.train, case.centres))
    codes, counts = np.unique(case.labels[case.labels > 0], return_counts=True)
    labels = np.where(np.isin(case.labels, codes[counts >= _LEAST_LABELS]), case.labels, 0)
    classes = ClassTable.from_codes(codes[counts >= _LEAST_LABELS].tolist())
    quick, recipe = load_recipe("lda"), load_recipe(recipe_name)
    splitter = RandomPixels(train_size=10, random_state=0)
    result = fit_model(source, labels, classes, quick, splitter)
    scene = TrainingScene.of(source, labels, classes, recipe.model_copy(update={"patch_size": 1}))
    positions, targets = scene.positions(result.split, "training", "validation")
    preprocessing = scene.fit_preprocessing(positions, targets)
    return replace(result.model, preprocessing=preprocessing, domain=scene.domain(preprocessing))


def scene_of(cube: Floats, centres: Floats, told: bool = True) -> xr.DataArray:
    """A scene in memory, with its wavelengths or without."""
    coords = {"wavelength": ("band", centres, {"units": "nm"})} if told else {}
    return xr.DataArray(cube.astype(np.float32), dims=("band", "y", "x"), coords=coords)


def measure(cases: list[Case], recipe: str, full: bool) -> tuple[int, int, int, int]:
    """Print shares; false alarms of how many, alarms of how many."""
    false, quiet, right, loud = 0, 0, 0, 0
    for case in cases:
        model = model_of(case, recipe)
        for wanted, conditions in ((False, harmless), (True, harmful)):
            for name, cube in {"itself": case.train, **case.others}.items():
                for condition, changed in conditions(cube, case.centres):
                    check = check_scene(model, as_source(scene_of(changed, case.centres, told=not wanted)))
                    alarm = check.problem is not None
                    false, quiet = false + (alarm and not wanted), quiet + (not wanted)
                    right, loud = right + (alarm and wanted), loud + wanted
                    if full or alarm != wanted:
                        mark = "" if alarm == wanted else "  <<<"
                        tag = check.domain
                        print(f"{recipe:8} {case.name:28} {name:26} {condition:28} {tag}{mark}")
    return false, quiet, right, loud


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the real scenes; the example alone without")
    parser.add_argument("--work", type=Path, default=Path("/tmp/check_domain"), help="folder for the mosaic")
    parser.add_argument("--recipe", action="append", help=f"default: {', '.join(RECIPES)}")
    parser.add_argument("--only", default="", help="only training scenes with this in their name")
    parser.add_argument("--full", action="store_true", help="print every scene, not only those that are wrong")
    given = parser.parse_args()
    cases = list(example_cases())
    if given.data:
        cases += [*composed_cases(given.data), *real_cases(given.data, given.work)]
    cases = [case for case in cases if given.only in case.name]
    wrong = False
    for recipe in given.recipe or RECIPES:
        false, quiet, right, loud = measure(cases, recipe, given.full)
        print(f"{recipe}: false alarms {false} of {quiet}, alarms {right} of {loud}")
        wrong |= bool(false) or right < loud
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
