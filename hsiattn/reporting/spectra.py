"""Mean spectra of the classes for a report, from a sample of the reference pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable

from hsiattn.assessment.records import SpectraRecord
from hsiattn.classes import ClassTable
from hsiattn.reporting.labelled_pixels import MOST, LabelledPixels
from hsiattn.reporting.placed_scene import PlacedScene
from hsiattn.scenes.class_spectra import spectra_of_pixels

_DIGITS = 6
"""Significant digits of the figures in the record."""


def describe_spectra(scene: PlacedScene, pixels: LabelledPixels, classes: ClassTable) -> SpectraRecord:
    """Mean and standard deviation of the spectra of every class that has pixels in the sample.

    Raises
    ------
    SceneError
        The scene cannot be read.
    """
    codes = classes.to_codes(pixels.classes)
    found = spectra_of_pixels(scene.source, scene.positions(pixels.positions), codes, classes)
    bands = scene.source.bands
    names, numbers, colors = (found[name].values.tolist() for name in ("class", "code", "color"))
    return {
        "bands": list(bands.names),
        "wavelength": rounded(bands.wavelength.tolist()),
        "good": [bool(good) for good in bands.good],
        "unit": "reflectance" if found.attrs["reflectance"] else "value as stored",
        "classes": [
            {
                "code": code, "name": name, "color": color, "pixels": int(found["pixels"][place]),
                "mean": rounded(found["mean"].values[place].tolist()),
                "std": rounded(found["std"].values[place].tolist()),
            }
            for place, (code, name, color) in enumerate(zip(numbers, names, colors, strict=True))
        ],
        "sample": describe_sample(pixels.is_sample, MOST, pixels.tested),
    }  # fmt: skip


def describe_sample(is_sample: bool, most: int, tested: bool) -> str:
    """Which pixels figures are of, in words.

    >>> describe_sample(True, 100, tested=True), describe_sample(False, 100, tested=False)
    ('a sample of the test pixels, at most 100 of each class', 'all labelled pixels')
    """
    which = "test pixels" if tested else "labelled pixels"
    return f"a sample of the {which}, at most {most} of each class" if is_sample else f"all {which}"


def rounded(values: Iterable[float]) -> list[float | None]:
    """Figures of a record with the digits that tell something, None for NaN.

    >>> rounded([1 / 3, float("nan")])
    [0.333333, None]
    """
    return [float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None for value in values]
