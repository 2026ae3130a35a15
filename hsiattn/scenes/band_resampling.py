"""Bands of one sensor computed from those of another, by the sensors' spectral responses.

The response of a wanted band is a Gaussian around its centre c with its full width at half maximum w,
r(λ) = exp(-4 ln 2 ((λ - c) / w)²). The band is the mean of the offered bands within 1.5 w, weighted by the response at
their centres. Bands that are marked bad do not take part. This holds where the offered bands are at least as narrow as
the wanted ones; the width of the offered bands adds to that of the result.

A wanted band is covered where an offered one lies within w of its centre, and the weighted mean of the centres within
w / 2: at the end of a spectrometer, or beside a gap, a one-sided mean would stand for other wavelengths.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.errors import BandError
from hsiattn.scenes.band_matching import _shorten, legible_bands
from hsiattn.scenes.radiometry import Radiometry
from hsiattn.scenes.source import SceneSource
from hsiattn.scenes.spectral import SpectralBands

REACH = 1.5
"""Distance from the centre, in FWHM, up to which offered bands take part; the response is 0.002 there."""

LEAST_SHARE = 0.5
"""Share of the weight of a band that must be measured at a pixel; below it the band is missing there."""

_LONE_FWHM = 10.0  # nm: what imaging spectrometers usually have
_ROUNDING = 0.05  # nm: centres are often printed with one decimal


class ResampledSource(SceneSource):
    """A scene with the bands of another sensor, computed window by window.

    Values are float32 in the units of the scene, or reflectance where its bands have different gains or offsets. A band
    is NaN where less than half of its weight is measured; elsewhere it is the mean of what is measured.

    Parameters
    ----------
    source
        Scene of known wavelengths.
    bands
        The wanted bands.
    wanted_name, offered_name
        What messages call the two lists.

    Attributes
    ----------
    original
        The scene.
    weights
        Share (M, B) of every band of the scene in every wanted one; rows have the sum 1.

    Raises
    ------
    BandError
        Wavelengths are unknown, or the scene does not cover all wanted bands; the message names both lists.
    """

    def __init__(
        self, source: SceneSource, bands: SpectralBands, *, wanted_name: str = "model", offered_name: str = "scene"
    ) -> None:
        self.weights, note = response_weights(bands, source.bands, wanted_name=wanted_name, offered_name=offered_name)
        self.original = source
        self.name, self.bands, self.dtype = source.name, bands, np.dtype(np.float32)
        self.height, self.width = source.height, source.width
        self.crs, self.transform, self.control = source.crs, source.transform, source.control
        self.nodata, self.block, self.files = None, source.block, source.files
        self.notes = (*source.notes, *([note] if note else []))
        self._converts = source.radiometry.stated and source.radiometry.scale is None
        if source.radiometry.stated:
            self.radiometry = Radiometry.divided_by(source.radiometry.scale or 1.0, len(bands))

    def read(self, window: Window) -> NDArray[np.float32]:
        """Values of a window, shape (M, h, w)."""
        return self.read_bands(window, range(len(self.bands)))

    def read_bands(self, window: Window, indices: Sequence[int]) -> NDArray[np.float32]:
        """Values of some of the wanted bands (0-based) of a window; bands of the scene without a share stay unread."""
        weights = self.weights[np.asarray(indices, dtype=np.int64)]
        read = np.flatnonzero(weights.any(axis=0))
        weights = weights[:, read]
        stored = self.original.read_bands(window, read.tolist())
        missing = self.original.missing(stored, read.tolist())
        values = stored.astype(np.float64)
        if self._converts:
            radiometry = self.original.radiometry.subset(read)
            values = values * radiometry.gain[:, None, None] + radiometry.offset[:, None, None]
        if not missing.any():
            return np.tensordot(weights, values, 1).astype(np.float32)
        values[missing] = 0.0
        share = np.tensordot(weights, (~missing).astype(np.float64), 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.tensordot(weights, values, 1) / share
        return np.where(share >= LEAST_SHARE, mean, np.nan).astype(np.float32)

    @property
    def has_mask(self) -> bool:
        """Whether the scene has a mask."""
        return self.original.has_mask

    def masked(self, window: Window) -> NDArray[np.bool_] | None:
        """Mask (h, w) of the scene, see `SceneSource.masked`."""
        return self.original.masked(window)

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """See `SceneSource.kept_open`."""
        with self.original.kept_open():
            yield

    def describe(self) -> str:
        """How the bands were made, in a few words, for messages and tags."""
        used = int(np.count_nonzero(self.weights.any(axis=0)))
        return f"resampling by FWHM-weighted means of {used} of {len(self.original.bands)} bands"


def response_weights(
    wanted: SpectralBands, offered: SpectralBands, *, wanted_name: str = "model", offered_name: str = "scene"
) -> tuple[NDArray[np.float64], str]:
    """Compute the share of every offered band in every wanted one.

    Returns
    -------
    weights, note
        float64 (M, B), rows of sum 1; and what was assumed of widths that are unknown, empty where nothing was.

    Raises
    ------
    BandError
        Wavelengths are unknown on one side, or wanted bands are not covered; the message names both lists.

    Examples
    --------
    >>> scene = SpectralBands.build(3, wavelength=[500, 505, 510])
    >>> weights, _ = response_weights(SpectralBands.build(1, wavelength=[505], fwhm=[5]), scene)
    >>> weights.round(3).tolist()
    [[0.056, 0.889, 0.056]]
    """
    lists = f"the {wanted_name} has {legible_bands(wanted)}, the {offered_name} has {legible_bands(offered)}"
    usable = np.isfinite(offered.wavelength) & offered.good
    for name, known in ((wanted_name, np.isfinite(wanted.wavelength)), (offered_name, usable)):
        if not known.any() or (name == wanted_name and not known.all()):
            raise BandError(
                f"bands cannot be resampled without wavelengths, which the {name} lacks: {lists}",
                f"add wavelengths to the {name}",
            )
    fwhm, note = _widths(wanted, wanted_name)
    centres = np.where(usable, offered.wavelength, np.inf)
    distance = np.abs(centres - wanted.wavelength[:, None])
    with np.errstate(over="ignore"):
        weights = np.exp(-4 * math.log(2) * (distance / fwhm[:, None]) ** 2)
    weights[distance > REACH * fwhm[:, None]] = 0.0
    total = weights.sum(axis=1, keepdims=True)
    weights = np.divide(weights, total, out=weights, where=total > 0)
    centroid = weights @ np.where(usable, offered.wavelength, 0.0)
    near = distance.min(axis=1) <= fwhm + _ROUNDING
    covered = near & (np.abs(centroid - wanted.wavelength) <= fwhm / 2 + _ROUNDING)
    if not covered.all():
        lost = np.flatnonzero(~covered)
        raise BandError(
            f"the {offered_name} does not cover {_shorten([f'{wanted.wavelength[i]:.1f}' for i in lost])} nm "
            f"({len(lost)} of {len(wanted)} bands), so that they cannot be resampled: {lists}",
            "use a scene that covers these wavelengths, or train without them (bbl = 0)",
        )
    return weights, note


def can_resample(wanted: SpectralBands, offered: SpectralBands) -> bool:
    """Whether the wanted bands can be computed from the offered ones."""
    try:
        response_weights(wanted, offered)
    except BandError:
        return False
    return True


def _widths(bands: SpectralBands, name: str) -> tuple[NDArray[np.float64], str]:
    """FWHM of every band in nm; where it is unknown the distance to the nearest other band, and a sentence on that."""
    known = bands.fwhm > 0
    if known.all():
        return bands.fwhm, ""
    apart = np.abs(bands.wavelength[:, None] - bands.wavelength)
    nearest = np.where(apart > 0, apart, np.inf).min(axis=1)
    widths = np.where(known, bands.fwhm, np.where(np.isfinite(nearest), nearest, _LONE_FWHM))
    return widths, (
        f"the FWHM of {np.count_nonzero(~known)} of {len(bands)} bands of the {name} is unknown: the distance to the "
        "next band is assumed"
    )
