"""Scenes of full size for the mapping benchmark, put together from small real ones, with labels and trained models."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.transform import from_origin
from rasterio.windows import Window

from scripts.benchmarks.mapping.commands import hsiattn_command, measure, python

HEIGHT, WIDTH, BANDS = 610, 340, 103
"""Of Pavia University, the scene that most papers time their networks on."""

LAYOUTS: dict[str, dict[str, Any]] = {
    "default": {},
    "tiled": {"tiled": True, "blockxsize": 256, "blockysize": 256},
    "band": {"interleave": "band"},
}
"""Creation options of the GeoTIFF: as rasterio writes it when nothing is asked for, in blocks, band by band."""

MIXTURES = {
    "easy": ("salinas-a", "indian-pines-crop"),
    "hard": ("salinas-a", "indian-pines-crop", "enmap-potsdam"),
}
"""The small scenes that a large one is made of, one below the other: fields alone, or fields and a city."""

_NOISE = 0.01
"""Deviation of the noise on every pixel as a share of its band's: repeated spectra are then no duplicates."""
_LABELS_PER_CLASS = 1000
_PER_CLASS = 200
_LARGER = 4


@dataclass
class BenchmarkFiles:
    """Files of one mixture and layout in the output folder.

    Attributes
    ----------
    scene, large_scene
        610 × 340 × 103 pixels, float32, and the same four times as high and as wide.
    labels, classes
        Class codes of some pixels of the scene, and their table.
    split
        Who trained: the SVM and the networks see the same pixels.
    svm
        Fitted SVM.
    """

    folder: Path
    mixture: str = "easy"
    layout: str = "default"

    def __post_init__(self) -> None:
        layout = "" if self.layout == "default" else f"_{self.layout}"
        self.scene, self.large_scene = self._file(f"{layout}.tif"), self._file(f"_x16{layout}.tif")
        self.labels, self.classes = self._file("_labels.tif"), self._file("_classes.csv")
        self.split, self.svm = self._file("_split.tif"), self._file("_svm.joblib")

    def model(self, recipe: str = "default") -> Path:
        """Model file of a recipe."""
        return self._file(f"_{recipe}.hsiattn")

    def _file(self, ending: str) -> Path:
        return self.folder / f"{self.mixture}{ending}"


def prepare(files: BenchmarkFiles, data: Path, *, large: bool = False, settings: Sequence[str] = ()) -> None:
    """Make what is not there yet: scene, labels, split and the model of the default recipe."""
    files.folder.mkdir(parents=True, exist_ok=True)
    if not files.labels.exists() or not files.scene.exists() or (large and not files.large_scene.exists()):
        spectra, codes, names = compose(data, MIXTURES[files.mixture])
        with files.classes.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("code", "name"), *enumerate(names, start=1)])
        write_scene(files.scene, spectra, LAYOUTS[files.layout], times=1)
        write_labels(files.labels, codes)
        if large:
            write_scene(files.large_scene, spectra, LAYOUTS[files.layout], times=_LARGER)
    if not files.model().exists():
        trained = _train(files, "default", _PER_CLASS, settings, "--split", "random", "--write-split", files.split)
        accuracy = trained["accuracy"]["overall_accuracy"]["value"]
        files.model().with_suffix(".json").write_text(json.dumps({"overall_accuracy": accuracy}), encoding="utf-8")


def prepare_published(files: BenchmarkFiles) -> None:
    """A model of the recipe `ssan-paper` after one epoch: its weights matter neither for speed nor for equality."""
    if not files.model("ssan-paper").exists():
        _train(files, "ssan-paper", 20, ["training.max_epochs=1"], "--split", "none")


def _train(files: BenchmarkFiles, recipe: str, per_class: int, settings: Sequence[str], *words: object) -> Any:
    """Train a model of a recipe; the command's JSON."""
    command = hsiattn_command(
        "train", files.scene, "--labels", files.labels, "--classes", files.classes, "-o", files.model(recipe),
        "--recipe", recipe, "--per-class", per_class, "--overwrite", "--json", *words,
        *(word for setting in settings for word in ("--set", setting)),
    )  # fmt: skip
    return json.loads(measure(command).output)


def prepare_svm(files: BenchmarkFiles) -> None:
    """The SVM, with C and gamma found by cross-validation on the pixels that the network was trained on."""
    if not files.svm.exists():
        measure(svm_command("fit", files.scene, files.labels, files.split, files.svm))


def svm_command(*words: object) -> list[str]:
    """A command of the SVM."""
    return python("-m", "scripts.benchmarks.mapping.svm", *words)


def compose(data: Path, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Small scenes tiled side by side to the full size, one strip of rows for each.

    Neighbouring tiles are each other's mirror image, so that no seam shows within a strip.

    Returns
    -------
    spectra (B, H, W) float32, codes (H, W) uint8 from 1 with 0 for unlabelled, and the names of the codes.
    """
    spectra, codes = np.empty((BANDS, HEIGHT, WIDTH), np.float32), np.zeros((HEIGHT, WIDTH), np.uint8)
    edges = np.linspace(0, HEIGHT, len(names) + 1).round().astype(int)
    legend: list[str] = []
    for name, top, bottom in zip(names, edges[:-1], edges[1:], strict=True):
        cube, known = _potsdam(data / name) if name == "enmap-potsdam" else _labelled_scene(data, name)
        chosen = np.linspace(0, len(cube) - 1, BANDS).round().astype(int)
        rows, columns = mirrored(np.arange(bottom - top), cube.shape[1]), mirrored(np.arange(WIDTH), cube.shape[2])
        spectra[:, top:bottom] = cube[chosen][:, rows[:, None], columns]
        for code in np.unique(known[known > 0]):
            legend.append(f"{name} {code}")
            codes[top:bottom][known[rows[:, None], columns] == code] = len(legend)
    return spectra, codes, legend


def mirrored(positions: np.ndarray, size: int) -> np.ndarray:
    """Positions in an endless row of tiles, of which every other one is mirrored, as positions in one tile."""
    inside = positions % (2 * size)
    return np.where(inside < size, inside, 2 * size - 1 - inside)


def _labelled_scene(data: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Cube (B, h, w) of a scene of the plan few-labels, and its codes (h, w)."""
    from hsiattn.experiments.plan import load_plan
    from hsiattn.experiments.scenes import open_entry

    [entry] = [entry for entry in load_plan("few-labels").scenes if entry.name == name]
    scene = open_entry(entry, data)
    return scene.source.read(scene.source.extent).astype(np.float32), scene.codes


def _potsdam(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The 18 tiles as one picture of 3 × 6, without the bands that hold no data."""
    tiles = []
    for path in sorted((folder / "images").glob("*.tif")):
        with rasterio.open(path) as image, rasterio.open(folder / "labels" / path.name) as labels:
            values = image.read()
            tiles.append((values[(values != image.nodata).all(axis=(1, 2))], labels.read(1)))
    rows = [tiles[start : start + 6] for start in range(0, 18, 6)]
    cube = np.concatenate([np.concatenate([values for values, _ in row], axis=2) for row in rows], axis=1)
    return cube, np.concatenate([np.concatenate([codes for _, codes in row], axis=1) for row in rows])


def write_scene(path: Path, spectra: np.ndarray, layout: dict[str, Any], *, times: int) -> None:
    """Write `times` × `times` copies of the spectra, mirrored by turns, with noise of their own; once, if at all."""
    if path.exists():
        return
    noise = (_NOISE * spectra.std(axis=(1, 2)))[:, None, None].astype(np.float32)
    height, width = times * HEIGHT, times * WIDTH
    columns = mirrored(np.arange(width), WIDTH)
    generator = np.random.default_rng(0)
    temporary = path.with_suffix(".part")
    with rasterio.open(temporary, "w", **_profile(height, width), count=BANDS, dtype="float32", **layout) as target:
        for window in _strips(height, width):
            rows = mirrored(np.arange(window.row_off, window.row_off + window.height), HEIGHT)
            values = spectra[:, rows[:, None], columns]
            values += noise * generator.standard_normal(values.shape, dtype=np.float32)
            target.write(values, window=window)
    temporary.rename(path)


def write_labels(path: Path, codes: np.ndarray) -> None:
    """Write the codes of some pixels of each class, enough to train and to test on."""
    generator, kept = np.random.default_rng(0), np.zeros_like(codes)
    for code in np.unique(codes[codes > 0]):
        members = generator.permutation(np.flatnonzero(codes == code))[:_LABELS_PER_CLASS]
        kept.flat[members] = code
    with rasterio.open(path, "w", **_profile(*codes.shape), count=1, dtype="uint8", nodata=0) as target:
        target.write(kept, 1)


def layout_of(path: Path) -> str:
    """How a raster lies on the disk, in words."""
    with rasterio.open(path) as dataset:
        rows, columns = dataset.block_shapes[0]
        interleave = "pixel" if dataset.interleaving is None else dataset.interleaving.value.lower()
        return f"{dataset.height}×{dataset.width}×{dataset.count}, blocks of {rows}×{columns}, {interleave}-interleaved"


def _profile(height: int, width: int) -> dict[str, Any]:
    transform = from_origin(500_000, 5_800_000, 4, 4)
    return {"driver": "GTiff", "height": height, "width": width, "crs": "EPSG:32633", "transform": transform}


def _strips(height: int, width: int) -> Iterator[Window]:
    """Windows of whole rows, of blocks as high as those of a tiled file."""
    for row in range(0, height, 256):
        yield Window(0, row, width, min(256, height - row))
