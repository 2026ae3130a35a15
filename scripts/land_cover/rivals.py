"""The built-in model on a labelled scene, beside what is usual with a spectral library and without labels.

    python -m scripts.land_cover.rivals scene.tif labels.tif --data DATA --class 1=built-up --class 3=vegetation …

Rivals have the same measured library, resampled to the bands of the scene: a spectral angle mapper and a random forest
of scikit-learn on pure spectra, and thresholds on indices as in the literature: NDWI > 0 water (McFeeters 1996), NDVI
> 0.3 vegetation, of the rest NDBI > 0 built-up (Zha, Gao and Ni 2003), else soil. Pixels that the model leaves
unclassified count as wrong. Without bands around 1610 nm nothing is built-up by its index. Labels rarely say dry
vegetation: `--dry` says which class of the labels it counts as, for the model and the rivals alike.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from hsiattn.labels import open_labels
from hsiattn.mapping.classification import predict_array
from hsiattn.models.builtin import builtin_model
from hsiattn.scenes import SceneSource, open_source
from scripts.land_cover.libraries import read_libraries
from scripts.land_cover.sensors import Sensor

CLASSES = ("water", "vegetation", "soil", "built-up")
_BROAD = {
    "water": "water", "green vegetation": "vegetation", "tree": "vegetation", "low vegetation": "vegetation",
    "soil and rock": "soil", "built-up": "built-up", "roof": "built-up",
    "pavement": "built-up",
}  # fmt: skip
Said = NDArray[np.int64]


def main() -> None:
    """Print accuracies as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scene")
    parser.add_argument("labels")
    parser.add_argument("--data", type=Path, required=True, help="folder of the libraries")
    parser.add_argument("--class", dest="classes", action="append", required=True, metavar="CODE=NAME")
    parser.add_argument("--dry", choices=("vegetation", "soil"), default="vegetation")
    given = parser.parse_args()
    source = open_source(given.scene)
    labels = open_labels(given.labels, like=source)
    true = np.full(labels.values.shape, -1)
    for entry in given.classes:
        code, name = entry.split("=", 1)
        true[labels.values == int(code)] = CLASSES.index(name)
    wanted = true >= 0
    print(
        json.dumps(
            {
                name: _accuracy(said, true[wanted])
                for name, said in _said(source, wanted, given.data, _BROAD | {"dry vegetation": given.dry})
            },
            indent=1,
        )
    )


def _said(source: SceneSource, wanted: NDArray[np.bool_], data: Path, broad: dict[str, str]) -> list[tuple[str, Said]]:
    """What each says of the wanted pixels: numbers of `CLASSES`, -1 for none; `broad` names them by finer classes."""
    fitted = builtin_model(source)
    found = predict_array(fitted.model, source, force=True)["land_cover"].values[wanted]
    names = {item.code: broad[item.name] for item in fitted.model.classes}
    built_in = np.array([CLASSES.index(names[code]) if code else -1 for code in found.tolist()])
    used = fitted.model.preprocessing.bands
    stored = source.read_bands(source.extent, used.tolist())[:, wanted].T.astype(np.float64)
    pixels = np.nan_to_num(stored * fitted.model.preprocessing.gain)
    bands = source.bands.subset(used)
    library = read_libraries(data)
    sensor = Sensor(bands.wavelength, np.where(bands.fwhm > 0, bands.fwhm, 10.0), np.ones(len(used), dtype=bool))
    spectra = (library.values @ sensor.responses()).astype(np.float64)
    targets = np.array([CLASSES.index(broad[name]) for name in library.classes])
    forest = RandomForestClassifier(300, random_state=0, class_weight="balanced").fit(spectra, targets)
    return [
        ("built-in", built_in),
        ("spectral angle mapper", _by_angle(pixels, spectra, targets)),
        ("random forest", forest.predict(pixels)),
        ("indices", _by_indices(pixels, bands.wavelength)),
    ]


def _by_angle(pixels: NDArray[np.float64], spectra: NDArray[np.float64], targets: Said) -> Said:
    """The class of the library spectrum at the least angle."""
    unit = spectra / np.linalg.norm(spectra, axis=1, keepdims=True)
    return np.concatenate([targets[(part @ unit.T).argmax(axis=1)] for part in np.array_split(pixels, 50)])


def _by_indices(pixels: NDArray[np.float64], wavelength: NDArray[np.float64]) -> Said:
    """The class by thresholds; see the module."""
    green, red, near, short = (pixels[:, np.abs(wavelength - nm).argmin()] for nm in (560, 665, 842, 1610))

    def index(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
        return (first - second) / np.maximum(np.abs(first + second), 1e-9)

    built_up = (index(short, near) > 0) & (np.abs(wavelength - 1610).min() < 60)
    rest = np.where(built_up, CLASSES.index("built-up"), CLASSES.index("soil"))
    land = np.where(index(near, red) > 0.3, CLASSES.index("vegetation"), rest)
    return np.where(index(green, near) > 0, CLASSES.index("water"), land)


def _accuracy(said: Said, true: Said) -> dict[str, object]:
    """Overall and average accuracy, and the share of every class that is right, in percent."""
    right = {
        name: round(100 * float((said[true == number] == number).mean()), 1)
        for number, name in enumerate(CLASSES)
        if (true == number).any()
    }
    return {
        "overall accuracy": round(100 * float((said == true).mean()), 1),
        "average accuracy": round(float(np.mean(list(right.values()))), 1),
        "right": right,
        "unclassified": round(100 * float((said < 0).mean()), 1),
    }


if __name__ == "__main__":
    main()
