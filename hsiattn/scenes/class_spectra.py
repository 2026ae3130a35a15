"""Mean spectra of classes and their spread, from the labelled pixels of a scene."""

from __future__ import annotations

import os

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsiattn.classes import ClassTable
from hsiattn.errors import LabelError
from hsiattn.scenes.alignment import check_same_grid
from hsiattn.scenes.pixels import windows_with
from hsiattn.scenes.scene import as_source
from hsiattn.scenes.source import SceneSource


def class_spectra(scene: SceneSource | xr.DataArray | str | os.PathLike[str], labels: xr.DataArray) -> xr.Dataset:
    """Mean and standard deviation of the spectra of every class.

    Only the windows that hold labels are read. A band of a pixel that is missing or masked does not count.

    Parameters
    ----------
    scene
        As for `as_source`.
    labels
        Codes (y, x) on the scene's grid, 0 = unlabelled, as `open_labels` gives them.

    Returns
    -------
    xarray.Dataset
        `mean` and `std` (class, band), float64, in reflectance where the scene says how to get it (see the attribute
        `reflectance`), else as stored; NaN where there are no measurements, or just one (`std`, which divides by their
        number less 1). `count` (class, band), measurements. `pixels` (class), labelled pixels. Coordinates `class`
        (names), `code` and `color` ("#rrggbb") on "class"; those of `open_scene` on "band".

    Raises
    ------
    GridError
        The labels lie on another grid.
    LabelError
        No pixel is labelled.
    SceneError
        The scene cannot be read.
    """
    source = as_source(scene)
    labels = labels.transpose("y", "x")
    check_same_grid(source, labels, ("the scene", "the labels"))
    codes = np.nan_to_num(labels.to_numpy()).astype(np.int64)
    found = np.unique(codes[codes != 0])
    if found.size == 0:
        raise LabelError("no pixel is labelled", "draw labels inside the scene; 0 means unlabelled")
    table = ClassTable.from_attrs(labels.attrs) or ClassTable.from_codes(found.tolist())
    positions = np.argwhere(np.isin(codes, table.codes))
    return spectra_of_pixels(source, positions, codes[tuple(positions.T)], table)


def spectra_of_pixels(
    source: SceneSource, positions: NDArray[np.int64], codes: NDArray[np.int64], table: ClassTable
) -> xr.Dataset:
    """Mean and standard deviation of the spectra of some pixels, by their classes.

    Parameters
    ----------
    positions
        (N, 2) rows and columns.
    codes
        (N,) of their classes, all of them in the table.

    Returns
    -------
    xarray.Dataset
        As from `class_spectra`, of the classes that have pixels.

    Raises
    ------
    SceneError
        The scene cannot be read.
    """
    records = [record for record in table.to_records() if (codes == record["code"]).any()]
    numbers = np.array([record["code"] for record in records], dtype=np.int64)
    moments = _Moments(len(numbers), len(source.bands))
    with source.kept_open():
        for window, members in windows_with(positions, source):
            rows, columns = (positions[members] - (window.row_off, window.col_off)).T
            spectra = source.read(window)[:, rows, columns]
            masked = source.masked(window)
            measured = source.measured(spectra, None if masked is None else masked[rows, columns])
            values = source.radiometry.reflectance(spectra.T).T
            here = codes[members]
            for number in np.unique(here):
                of_class = here == number
                place = int(np.flatnonzero(numbers == number)[0])
                moments.add(place, values[:, of_class], measured[:, of_class])
    return xr.Dataset(
        {
            "mean": (("class", "band"), moments.mean),
            "std": (("class", "band"), moments.deviation),
            "count": (("class", "band"), moments.count),
            "pixels": ("class", np.array([np.count_nonzero(codes == number) for number in numbers], dtype=np.int64)),
        },
        coords={
            "class": [record["name"] for record in records],
            "code": ("class", numbers),
            "color": ("class", [record["color"] for record in records]),
            **source.bands.coords(),
        },
        attrs={"reflectance": source.radiometry.stated, "scene": source.name},
    )


class _Moments:
    """Means and sums of squared deviations (K, B), updated part by part (Chan, Golub and LeVeque 1983)."""

    def __init__(self, classes: int, bands: int) -> None:
        self.count = np.zeros((classes, bands), dtype=np.int64)
        self._mean = np.zeros((classes, bands))
        self._squares = np.zeros((classes, bands))

    def add(self, place: int, values: NDArray[np.float64], measured: NDArray[np.bool_]) -> None:
        """Take in values (B, N) of a class, of which some are measurements."""
        count = measured.sum(axis=1)
        some = np.maximum(count, 1)
        mean = np.where(measured, values, 0.0).sum(axis=1) / some
        squares = np.square(np.where(measured, values - mean[:, None], 0.0)).sum(axis=1)
        total = np.maximum(self.count[place] + count, 1)
        apart = mean - self._mean[place]
        self._squares[place] += squares + np.square(apart) * self.count[place] * count / total
        self._mean[place] += apart * count / total
        self.count[place] += count

    @property
    def mean(self) -> NDArray[np.float64]:
        return np.where(self.count > 0, self._mean, np.nan)

    @property
    def deviation(self) -> NDArray[np.float64]:
        return np.where(self.count > 1, np.sqrt(self._squares / np.maximum(self.count - 1, 1)), np.nan)
