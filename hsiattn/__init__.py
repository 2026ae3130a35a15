"""Hyperspectral land-cover maps from spectral-spatial attention networks, with honest accuracy reports.

A scene goes in, a georeferenced land-cover map and an accuracy report come out::

    import hsiattn

    scene = hsiattn.open_scene("scene.tif")
    labels = hsiattn.open_labels("labels.tif", like=scene)
    classifier = hsiattn.SpectralSpatialClassifier(recipe="default", random_state=0).fit(scene, labels)
    land_cover = classifier.predict(scene)
    hsiattn.write_map(land_cover, "land_cover.tif")
    print(classifier.report_)

The names below are loaded when they are first used, so that `import hsiattn` and the command line start at once.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from hsiattn.lazy import lazily
from hsiattn.version import __version__

if TYPE_CHECKING:
    from hsiattn.assessment import AccuracyReport as AccuracyReport
    from hsiattn.assessment import draw_sample as draw_sample
    from hsiattn.classes import ClassTable as ClassTable
    from hsiattn.classifier import SpectralSpatialClassifier as SpectralSpatialClassifier
    from hsiattn.datasets import download_dataset as download_dataset
    from hsiattn.datasets import open_dataset as open_dataset
    from hsiattn.errors import HsiattnError as HsiattnError
    from hsiattn.labels import open_class_table as open_class_table
    from hsiattn.labels import open_labels as open_labels
    from hsiattn.mapping import write_map as write_map
    from hsiattn.reporting import assess as assess
    from hsiattn.reporting import report_of as report_of
    from hsiattn.scenes import as_scene as as_scene
    from hsiattn.scenes import convert_scene as convert_scene
    from hsiattn.scenes import open_scene as open_scene
    from hsiattn.training.cross_validation import cross_validate as cross_validate

_HOMES = {
    "AccuracyReport": "hsiattn.assessment",
    "ClassTable": "hsiattn.classes",
    "HsiattnError": "hsiattn.errors",
    "SpectralSpatialClassifier": "hsiattn.classifier",
    "as_scene": "hsiattn.scenes",
    "assess": "hsiattn.reporting",
    "cross_validate": "hsiattn.training.cross_validation",
    "download_dataset": "hsiattn.datasets",
    "draw_sample": "hsiattn.assessment",
    "convert_scene": "hsiattn.scenes",
    "open_dataset": "hsiattn.datasets",
    "open_class_table": "hsiattn.labels",
    "open_labels": "hsiattn.labels",
    "open_scene": "hsiattn.scenes",
    "report_of": "hsiattn.reporting",
    "write_map": "hsiattn.mapping",
}

__all__ = [  # noqa: RUF022  (in the order of the way from scene to report)
    "open_scene",
    "as_scene",
    "open_dataset",
    "download_dataset",
    "open_labels",
    "open_class_table",
    "SpectralSpatialClassifier",
    "cross_validate",
    "assess",
    "report_of",
    "draw_sample",
    "write_map",
    "convert_scene",
    "AccuracyReport",
    "ClassTable",
    "HsiattnError",
    "__version__",
]


_load, __dir__ = lazily(__name__, _HOMES)


def __getattr__(name: str) -> Any:
    """Load a public name, and with those that bring xarray the accessor `.hsi`."""
    value = _load(name)
    if "xarray" in sys.modules:
        import_module("hsiattn.accessor")
    return value


if "xarray" in sys.modules:  # whoever has loaded it waits for nothing
    import_module("hsiattn.accessor")
