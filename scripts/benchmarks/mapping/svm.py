"""The rival of the mapping benchmark: scikit-learn's RBF-SVM from GeoTIFF to GeoTIFF, as one would write it by hand.

.venv/bin/python -m scripts.benchmarks.mapping.svm fit SCENE LABELS SPLIT MODEL     search C and gamma, keep the SVM
… svm map SCENE MODEL MAP [--jobs 2] [--by threads]                                 predict every pixel
… svm map … --refit                                                                 the same, but train first
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import rasterio
from rasterio.windows import Window
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

_ROWS = 64
"""Of a window: its spectra in double precision, which libsvm computes in, stay small."""


def main() -> None:
    """Fit or map."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    fit_parser = verbs.add_parser("fit")
    for name in ("scene", "labels", "split", "model"):
        fit_parser.add_argument(name, type=Path)
    map_parser = verbs.add_parser("map")
    for name in ("scene", "model", "map"):
        map_parser.add_argument(name, type=Path)
    map_parser.add_argument("--jobs", type=int, default=1, help="windows at a time")
    map_parser.add_argument("--by", choices=("threads", "processes"), default="threads", help="what runs them")
    map_parser.add_argument("--refit", action="store_true", help="train with the C and gamma that were found")
    arguments = parser.parse_args()
    if arguments.verb == "fit":
        fit(arguments.scene, arguments.labels, arguments.split, arguments.model)
    else:
        write_map(arguments.scene, arguments.model, arguments.map, arguments.jobs, arguments.by, arguments.refit)


def fit(scene: Path, labels: Path, split: Path, model: Path) -> None:
    """Search C and gamma by cross-validation on the training and validation pixels, and keep the best machine."""
    from sklearn.model_selection import GridSearchCV, StratifiedKFold

    from hsiattn.splits import ROLES, read_split

    roles = read_split(split)
    with rasterio.open(labels) as raster:
        codes = raster.read(1)
    with rasterio.open(scene) as raster:
        cube = raster.read()
    train, test = np.isin(roles, (ROLES["training"], ROLES["validation"])), roles == ROLES["test"]
    began = time.monotonic()
    grid = {"svc__C": [1, 10, 100, 1000], "svc__gamma": ["scale", 1e-4, 1e-3, 1e-2]}
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    search = GridSearchCV(make_pipeline(StandardScaler(), SVC(kernel="rbf")), grid, cv=folds)
    search.fit(cube[:, train].T, codes[train])
    searched, began = time.monotonic() - began, time.monotonic()
    search.best_estimator_.fit(cube[:, train].T, codes[train])
    figures = {
        "classes": len(np.unique(codes[train])),
        "training_pixels": int(train.sum()),
        "support_vectors": len(search.best_estimator_[-1].support_),
        "parameters": search.best_params_,
        "overall_accuracy": float(search.best_estimator_.score(cube[:, test].T, codes[test])),
        "seconds_search": searched,
        "seconds_fit": time.monotonic() - began,
    }
    joblib.dump((search.best_estimator_, cube[:, train].T, codes[train]), model)
    model.with_suffix(".json").write_text(json.dumps(figures, indent=1), encoding="utf-8")


def write_map(scene: Path, model: Path, path: Path, jobs: int, by: str, refit: bool) -> None:
    """Classify a scene window by window, `jobs` windows at a time."""
    machine, spectra, codes = joblib.load(model)
    if refit:
        machine.fit(spectra, codes)
    with rasterio.open(scene) as source:
        profile = source.profile
        windows = [
            Window(0, row, source.width, min(_ROWS, source.height - row)) for row in range(0, source.height, _ROWS)
        ]
    profile = {name: profile[name] for name in ("driver", "height", "width", "crs", "transform")}
    with rasterio.open(path, "w", **profile, count=1, dtype="uint8", nodata=0) as target:
        for window, values in zip(windows, predictions(scene, machine, windows, jobs, by), strict=True):
            target.write(values, 1, window=window)


def predictions(scene: Path, machine: Pipeline, windows: Iterable[Window], jobs: int, by: str) -> Iterator[np.ndarray]:
    """Class codes of the windows, in their order."""
    work = partial(classify, scene, machine)
    if jobs == 1:
        yield from map(work, windows)
        return
    pool: Executor = ThreadPoolExecutor(jobs) if by == "threads" else ProcessPoolExecutor(jobs)
    with pool:
        yield from pool.map(work, windows)


def classify(scene: Path, machine: Pipeline, window: Window) -> np.ndarray:
    """Class codes (h, w) of a window."""
    with rasterio.open(scene) as source:
        spectra = source.read(window=window)
    codes = machine.predict(spectra.reshape(len(spectra), -1).T)
    return np.asarray(codes.reshape(spectra.shape[1:]), dtype=np.uint8)


if __name__ == "__main__":
    main()
