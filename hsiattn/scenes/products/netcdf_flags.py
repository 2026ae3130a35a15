"""Quality layers of products that keep them in netCDF-4 files: bits of one variable, or bands of another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.scenes.hdf5 import Hdf5File
from hsiattn.scenes.netcdf import reading
from hsiattn.scenes.products.lookup_tables import LookupTable
from hsiattn.scenes.quality import QualityLayer

_SET = 0.5
"""Flags that are stored as floating-point numbers are 0 or 1; pixels without any are -9999."""


@dataclass(frozen=True)
class BitFlag:
    """Reads of which pixels some bits of an integer variable (H, W) say something.

    Attributes
    ----------
    file, name
        The variable.
    bits
        Of which one at least is set.
    """

    file: Hdf5File
    name: str
    bits: int

    def __call__(self, window: Window) -> NDArray[np.bool_]:
        """True (h, w) where the pixels of a window are flagged."""
        with reading(self.file.path):
            values = self.file.read(self.name, window.toslices())
        return np.asarray((values.astype(np.int64) & self.bits) != 0)


@dataclass(frozen=True)
class BandFlag:
    """Reads of which pixels some bands of a variable (rows, columns, bands) say something, by way of a lookup table.

    Attributes
    ----------
    file, name
        The variable.
    bands
        Of which one at least is set.
    table
        The table by which the scene is rectified.
    """

    file: Hdf5File
    name: str
    bands: tuple[int, ...]
    table: LookupTable

    def __call__(self, window: Window) -> NDArray[np.bool_]:
        """True (h, w) where the pixels of a window are flagged."""
        flagged = np.zeros((int(window.height), int(window.width)), dtype=bool)
        self.table.fill(window, flagged, self._read)
        return flagged

    def _read(self, rows: slice, columns: slice) -> NDArray[np.bool_]:
        with reading(self.file.path):
            values = self.file.read(self.name, (rows, columns, list(self.bands)))
        return np.asarray((values >= _SET).any(axis=-1))


def bits_by_meaning(attributes: Mapping[str, object]) -> dict[str, int]:
    """Bits by their meanings in upper case, as CF writes them into `flag_masks` and `flag_meanings`.

    >>> bits_by_meaning({"flag_masks": [1, 512], "flag_meanings": "ATMFAIL CLDICE"})
    {'ATMFAIL': 1, 'CLDICE': 512}
    """
    masks, meanings = attributes.get("flag_masks"), str(attributes.get("flag_meanings", "")).upper().split()
    if not isinstance(masks, list) or len(masks) != len(meanings):
        return {}
    found: dict[str, int] = {}
    for meaning, mask in zip(meanings, masks, strict=True):
        found[meaning] = found.get(meaning, 0) | (int(mask) & (2**32 - 1) if isinstance(mask, int) else 0)
    return found


def bit_layers(file: Hdf5File, name: str, wanted: Mapping[str, Iterable[str]]) -> tuple[QualityLayer, ...]:
    """The layers whose bits a variable has.

    Parameters
    ----------
    file, name
        The variable.
    wanted
        Meanings, one of which has to hold, by the name of the layer.
    """
    bits = bits_by_meaning(file.attributes(name))
    layers = []
    for layer, meanings in wanted.items():
        mask = sum({bits.get(meaning, 0) for meaning in meanings})
        if mask:
            layers.append(QualityLayer(layer, BitFlag(file, name, mask), f"{name[1:]} of {file.path}"))
    return tuple(layers)


def band_layers(
    file: Hdf5File, name: str, labels: Iterable[str], wanted: Mapping[str, Iterable[str]], table: LookupTable
) -> tuple[QualityLayer, ...]:
    """The layers whose bands a variable has, told by their labels in lower case.

    Parameters
    ----------
    file, name
        The variable.
    labels
        Of all its bands. They are not told by position, since versions of a product order them otherwise.
    wanted
        Labels, one of which has to hold, by the name of the layer.
    table
        The table by which the scene is rectified.
    """
    numbers: dict[str, list[int]] = {}
    for number, label in enumerate(labels):
        numbers.setdefault(" ".join(label.lower().split()), []).append(number)
    empty = BandFlag(file, name, (), table)
    layers = []
    for layer, names in wanted.items():
        bands = tuple(sorted(number for label in names for number in numbers.get(label, ())))
        if bands:
            layers.append(QualityLayer(layer, replace(empty, bands=bands), file.path))
    return tuple(layers)
