"""The accessor `.hsi` of xarray objects: scenes, labels and land-cover maps at hand in a notebook.

It is there as soon as something of `hsiattn` that works with xarray was used, such as `hsiattn.open_scene`, and after
`import hsiattn` where xarray had been imported before; otherwise after `import hsiattn.accessor`. Nothing but xarray is
loaded before the accessor is used.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hsiattn.classes import ClassTable
    from hsiattn.classifier import SpectralSpatialClassifier
    from hsiattn.labels.arrays import Labels
    from hsiattn.scenes import SceneSource


@xr.register_dataarray_accessor("hsi")  # type: ignore[no-untyped-call]
class ArrayAccessor:
    """What a DataArray offers that is a scene, labels or a land-cover map.

    Examples
    --------
    >>> from hsiattn.simulation import simulate_scene
    >>> scene, labels = simulate_scene(height=96, width=96, bands=24, seed=1)
    >>> scene.hsi.wavelengths[:2].round(), labels.hsi.classes.names[:2]
    (array([400., 491.]), ('maize', 'grassland'))
    >>> scene.hsi.spectra(labels)["mean"].dims
    ('class', 'band')
    """

    def __init__(self, array: xr.DataArray) -> None:
        self._array = array

    @property
    def wavelengths(self) -> NDArray[np.float64]:
        """Band centres (B,) in nm, NaN where unknown, of a scene."""
        return _source(self._array).bands.wavelength

    @property
    def classes(self) -> ClassTable:
        """Codes, names and colours of labels or a map.

        Raises
        ------
        LabelError
            The array has no class table in its attributes.
        """
        return _classes(self._array)

    def rgb(self, size: int = 1000) -> xr.DataArray:
        """A picture of a scene: true colour where its wavelengths allow it, else false colour or principal components.

        Every channel is stretched between its 2nd and 98th percentile. `scene.hsi.rgb().plot.imshow()` draws it.

        Parameters
        ----------
        size
            Most pixels of the longer side; of larger scenes every second row and column is shown, or fewer.

        Returns
        -------
        DataArray
            Dims ("y", "x", "channel"), uint8: red, green, blue, and opacity, 0 where a pixel is missing.
        """
        from hsiattn.scenes.georeferencing import georeference
        from hsiattn.scenes.quicklook import make_quicklook

        source = _source(self._array)
        picture = make_quicklook(source, size)
        whole = xr.DataArray(np.empty((source.height, source.width), bool), dims=("y", "x"))
        thinned = georeference(whole, source.grid)[:: picture.step, :: picture.step]
        return xr.DataArray(
            picture.pixels, dims=("y", "x", "channel"),
            coords={**thinned.coords, "channel": ["red", "green", "blue", "opacity"]},
            attrs={"long_name": picture.description}, name="rgb",
        )  # fmt: skip

    def spectra(self, labels: Any) -> xr.Dataset:
        """Mean and standard deviation of the spectra of every class of a scene.

        Parameters
        ----------
        labels
            In any form that `SpectralSpatialClassifier.fit` takes.

        Returns
        -------
        xarray.Dataset
            `mean` and `std` (class, band), `count` (class, band) and `pixels` (class); see
            `hsiattn.scenes.class_spectra.class_spectra`.
        """
        from hsiattn.labels.arrays import labels_of
        from hsiattn.scenes.class_spectra import class_spectra

        source = _source(self._array)
        return class_spectra(source, _as_array(labels_of(labels, source), source))

    def classify(self, model: SpectralSpatialClassifier | str | Path, **options: Any) -> xr.Dataset:
        """Land cover of a scene, see `SpectralSpatialClassifier.predict`.

        Parameters
        ----------
        model
            A fitted classifier, or the path of a model file.
        options
            `smoothing`, `scale`, `force`.
        """
        from hsiattn.classifier import SpectralSpatialClassifier

        classifier = SpectralSpatialClassifier.load(model) if isinstance(model, str | os.PathLike) else model
        land_cover: xr.Dataset = classifier.predict(self._array, **options)
        return land_cover

    def plot_map(self, ax: Axes | None = None, *, legend: bool = True, title: str | None = None) -> Axes:
        """Draw labels or a map in the colours of their classes, see `hsiattn.labels.plots.plot_classes`."""
        from hsiattn.labels.plots import plot_classes

        return plot_classes(self._array, ax, legend=legend, title=title)


@xr.register_dataset_accessor("hsi")  # type: ignore[no-untyped-call]
class DatasetAccessor:
    """What a Dataset offers that `SpectralSpatialClassifier.predict` gave: its variable `land_cover`."""

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset

    @property
    def classes(self) -> ClassTable:
        """Codes, names and colours of the map."""
        return _classes(self._land_cover)

    def plot_map(self, ax: Axes | None = None, *, legend: bool = True, title: str | None = None) -> Axes:
        """Draw the map in the colours of its classes, see `hsiattn.labels.plots.plot_classes`."""
        from hsiattn.labels.plots import plot_classes

        return plot_classes(self._land_cover, ax, legend=legend, title=title)

    def write_map(self, path: str | Path, **options: Any) -> None:
        """Write the map with its colours and names, see `hsiattn.write_map`; rioxarray writes no colours."""
        from hsiattn.mapping import write_map

        write_map(self._dataset, path, **options)

    @property
    def _land_cover(self) -> xr.DataArray:
        from hsiattn.errors import LabelError

        if "land_cover" not in self._dataset:
            raise LabelError("the Dataset has no variable land_cover", "take one of its variables, and .hsi of that")
        return self._dataset["land_cover"]


def _source(array: xr.DataArray) -> SceneSource:
    from hsiattn.scenes import as_source

    return as_source(array)


def _classes(array: xr.DataArray) -> ClassTable:
    from hsiattn.classes import ClassTable
    from hsiattn.errors import LabelError

    table = ClassTable.from_attrs(array.attrs)
    if table is None:
        raise LabelError("the array has no class table in its attributes", "open labels with open_labels")
    return table


def _as_array(labels: Labels, source: SceneSource) -> xr.DataArray:
    from hsiattn.scenes import georeference

    array = xr.DataArray(labels.codes, dims=("y", "x"), attrs=labels.classes.to_attrs())
    return georeference(array, source.grid)
