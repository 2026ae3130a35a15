"""Scenes in ENVI format: a text header and a flat binary file, in any of the three interleaves.

`spectral` parses the header and GDAL says what its map information, fill value, gains, control points and sidecars
mean. The pixels are read here, window by window: GDAL reads whole lines of one band at a time, which takes several
times as long where pixels or lines are interleaved.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.errors import SceneError
from hsiattn.scenes.envi_header import as_gdal_sees_it, find_header, locate, sidecars_of
from hsiattn.scenes.envi_values import fill_of, number_of, reflectance_of
from hsiattn.scenes.gdal_metadata import mask_of, radiometry_of
from hsiattn.scenes.geotiff import open_raster
from hsiattn.scenes.ground_control import GroundControl
from hsiattn.scenes.source import SceneSource
from hsiattn.scenes.validity import clean_nodata

__all__ = ["EnviSource", "find_header"]


_NO_CRS = 'LOCAL_CS["Arbitrary"'
"""How GDAL calls the CRS of map information that names none."""


class EnviSource(SceneSource):
    """A scene in ENVI format.

    Parameters
    ----------
    path
        The header (`.hdr`) or the data file.

    Raises
    ------
    SceneError
        One of the two files is missing, the header lacks or contradicts something, or the data file has another size
        than the header says.
    """

    def __init__(self, path: str | Path) -> None:
        self._header, data = locate(Path(path))
        self.name = str(data)
        self._cube = self._header.cube(data)
        count, self.height, self.width = self._cube.shape
        self.dtype = self._cube.dtype.newbyteorder("=")
        notes = [*self._header.notes, self._check_size()]
        self.bands = self._header.bands(count)
        self.block = (1, self.width)
        with as_gdal_sees_it(self._header, data) as gdal_path, open_raster(gdal_path, driver="ENVI") as dataset:
            self.crs, self.transform, self.control = dataset.crs, dataset.transform, GroundControl.of(dataset)
            if self.crs is not None and self.crs.to_wkt().startswith(_NO_CRS):
                self.crs = None
            self._mask = mask_of(dataset, [])
            notes += [self._take_nodata(dataset), self._take_radiometry(dataset)]
        if self._header.is_classification:
            notes.append(f"{data} holds classes ({', '.join(self._header.class_names)}), no measurements")
        self.files = (self.name, str(self._header.path), *sidecars_of(data))
        self.notes = tuple(note for note in notes if note)

    def read(self, window: Window) -> NDArray[Any]:
        """Stored values of a window in native byte order, shape (B, h, w)."""
        return self.read_bands(window, range(len(self.bands)))

    def read_bands(self, window: Window, indices: Sequence[int]) -> NDArray[Any]:
        """Stored values of some bands (0-based) of a window."""
        try:
            return self._cube.read(list(indices), *window.toslices())
        except EOFError:
            self._check_size()
            raise SceneError(f"{self.name} ends too early", "copy or download it again") from None
        except OSError as error:
            raise SceneError(
                f"{self.name} cannot be read ({error.strerror})", "put the file back, or open the scene again"
            ) from error

    def _read_mask(self, window: Window) -> NDArray[np.bool_]:
        """Read the mask of missing pixels beside the data file (`.msk`)."""
        with (
            as_gdal_sees_it(self._header, Path(self.name)) as path,
            # Silencing touches state that all threads share; only files without a georeference need it.
            open_raster(path, quiet=not self.grid.has_place, driver="ENVI") as dataset,
        ):
            return np.asarray(self._mask.read(dataset, window))

    def _take_nodata(self, dataset: Any) -> str:
        """Nodata by the header or, where a sidecar says otherwise, by GDAL; and what the user should know of it."""
        given = self._header.fields.get("data ignore value")
        fills, note = fill_of(given, len(self.bands), self._header.where) if given is not None else ([math.nan], "")
        of_header = np.broadcast_to(fills, len(self.bands)).tolist()
        seen = _as_gdal_reads(given)  # of a list in braces GDAL reads a 0
        by_band = [
            own if other is None or other == seen or (math.isnan(other) and math.isnan(seen)) else other
            for own, other in zip(of_header, dataset.nodatavals, strict=True)
        ]
        self._set_nodata([clean_nodata(value, self.dtype) for value in by_band])
        return note

    def _take_radiometry(self, dataset: Any) -> str:
        """Radiometry by the header or, where a sidecar says otherwise, by GDAL; and what the user should know of it."""
        count, header = len(self.bands), self._header
        gain = header.numbers("data reflectance gain values", count)
        offset = header.numbers("data reflectance offset values", count)
        if gain is None:
            gain, offset = header.numbers("data gain values", count), header.numbers("data offset values", count)
        note = ""
        if any(str(file).endswith(".aux.xml") for file in dataset.files):
            scales, offsets = (np.array(values, dtype=np.float64) for values in (dataset.scales, dataset.offsets))
            stated, note = radiometry_of(self.name, scales, offsets)
            if stated is not None:
                gain, offset = stated.gain, stated.offset
        radiometry, remark = reflectance_of(header.scale_factor(count), gain, offset, header.where)
        if radiometry is not None:
            self.radiometry = radiometry
        return "; ".join(text for text in (note, remark) if text)

    def _check_size(self) -> str:
        """Refuse a data file that cannot be what the header says; what the user should know of one that is longer.

        A file that holds another band, line or column for each that the header tells has a wrong header, and would be
        read shifted, unless that axis is the slowest one on file.
        """
        needed = self._cube.bytes
        try:
            found = Path(self.name).stat().st_size
        except OSError as error:
            raise SceneError(f"{self.name} is gone", "put the file back, or open the scene again") from error
        if found < needed:
            raise SceneError(
                f"{self.name} is truncated: its header promises {needed} bytes, it has {found}",
                "copy or download it again",
            )
        if found == needed:
            return ""
        excess, whole = found - needed, needed - self._cube.offset
        sizes = {"bands": self._cube.shape[0], "lines": self.height, "samples": self.width}
        slowest = list(sizes)[self._cube.axes.index(0)]
        more = {name: excess // (whole // size) for name, size in sizes.items() if excess % (whole // size) == 0}
        if more and slowest not in more:
            name, count = next(iter(more.items()))
            raise SceneError(
                f"{self.name} is longer than its header says: it has {found} bytes instead of {needed}, "
                f"as if there were {sizes[name] + count} {name} and not {sizes[name]}",
                f"correct the header {self._header.where}",
            )
        return (
            f"{self.name} is longer than its header says: it has {found} bytes, of which the first {needed} are read; "
            "check the header"
        )


def _as_gdal_reads(fill: Any) -> float:
    """The number that GDAL makes of a `data ignore value`, of whatever form."""
    number = number_of(fill) if isinstance(fill, str) else math.nan
    return 0.0 if math.isnan(number) and "nan" not in str(fill).lower()[:4] else number
