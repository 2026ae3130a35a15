"""What GDAL knows of an open raster beside its pixels: how values become reflectance, and which are missing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.windows import Window

from hsiattn.errors import SceneError
from hsiattn.scenes.radiometry import Radiometry, legible_divisor
from hsiattn.scenes.spectral import SpectralBands
from hsiattn.scenes.validity import clean_nodata


@dataclass(frozen=True)
class RasterMask:
    """Mask of the missing pixels of a raster, by an alpha band or by GDAL's mask of the dataset.

    Attributes
    ----------
    band
        Number (1 …) of the alpha band, or of the band whose mask GDAL is asked for.
    is_alpha
        Which of the two.
    """

    band: int
    is_alpha: bool

    def read(self, dataset: Any, window: Window) -> NDArray[np.bool_]:
        """True (h, w) where the pixels of a window are missing."""
        values = (
            dataset.read(self.band, window=window) if self.is_alpha else dataset.read_masks(self.band, window=window)
        )
        return np.asarray(values == 0)


def alpha_bands(dataset: Any, bands: SpectralBands) -> list[int]:
    """Numbers (1 …) of the bands that say how opaque pixels are.

    By colour interpretation or by name; but a band with a wavelength is a measurement, whatever it is called: GDAL
    takes the last of four bands of bytes for alpha unless told otherwise. Nor has a raster alpha bands alone.
    """
    named = [
        i
        for i, (interpretation, name) in enumerate(zip(dataset.colorinterp, bands.names, strict=True), start=1)
        if interpretation == ColorInterp.alpha or name.lower() in ("alpha", "alpha band")
    ]
    alpha = [i for i in named if math.isnan(bands.wavelength[i - 1])]
    return alpha if len(alpha) < dataset.count else []


def mask_of(dataset: Any, alpha: Sequence[int]) -> RasterMask | None:
    """The mask that all bands share; None where there is none.

    An alpha band counts beside any number of others; GDAL itself heeds it only beside one or three.
    """
    if alpha:
        return RasterMask(alpha[-1], is_alpha=True)
    for band, flags in enumerate(dataset.mask_flag_enums, start=1):
        if MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags:
            return RasterMask(band, is_alpha=False)
    return None


def bands_with_own_masks(dataset: Any) -> list[int]:
    """Numbers (1 …) of the bands that have a mask each, as those of virtual rasters can."""
    return [band for band, flags in enumerate(dataset.mask_flag_enums, start=1) if not flags]


def nodata_of(dataset: Any, indexes: Sequence[int], dtype: np.dtype[Any]) -> tuple[float | None, ...]:
    """Nodata value of the bands of those numbers."""
    values = dataset.nodatavals
    return tuple(clean_nodata(values[i - 1], dtype) for i in indexes)


def radiometry_of(path: str, gain: NDArray[np.float64], offset: NDArray[np.float64]) -> tuple[Radiometry | None, str]:
    """Radiometry by gains and offsets (B,), None where they say nothing; and what the user should know, if anything.

    Raises
    ------
    SceneError
        Some, but not all of the gains are 0 or no numbers.
    """
    # A gain may be so small that nothing can be divided by it.
    useless = ~(np.isfinite(gain) & np.isfinite(offset) & (np.abs(gain) > 1 / np.finfo(np.float64).max))
    if useless.all():
        return None, f"the scale of {path} is 0 or no number and is ignored: its values are taken as they are"
    if useless.any():
        band = int(np.flatnonzero(useless)[0])
        raise SceneError(
            f"band {band + 1} of {path} has the scale {gain[band]:g} and the offset {offset[band]:g}, others have not",
            "correct them, e.g. with rio edit-info or gdal_edit",
        )
    if (gain == 1).all() and not offset.any():
        return None, ""
    if (gain == gain[0]).all() and not offset.any():
        return Radiometry.divided_by(legible_divisor(float(gain[0])), len(gain)), ""
    return Radiometry(gain, offset), ""
