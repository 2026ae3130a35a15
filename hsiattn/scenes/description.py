"""Descriptions of scenes: what is known of one, and what a look at all of its pixels adds; JSON-ready."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.scenes.block_cache import ONCE_THROUGH, block_cache
from hsiattn.scenes.block_windows import PIXELS_AT_ONCE, block_windows
from hsiattn.scenes.flag_counts import count_flagged
from hsiattn.scenes.radiometry import Radiometry
from hsiattn.scenes.source import SceneSource
from hsiattn.scenes.spectral import SpectralBands

_VALUES, _BANDS = 2**24, 32
"""Values of a scene, and bands, that are read at a time."""


def describe_scene(source: SceneSource) -> dict[str, Any]:
    """Grid, type, bands and radiometry of a scene, and what is odd about it."""
    nodata = source.nodata if source.nodata_by_band is None else list(source.nodata_by_band)
    return {
        **describe_grid(source.width, source.height, source.crs, source.transform, nodata),
        "type": str(source.dtype),
        "bands": source.bands.describe(),
        "wavelength_nm": known_wavelengths(source.bands),
        **_describe_radiometry(source.radiometry),
        **({"ground_control": source.control.describe()} if source.control is not None else {}),
        **({"mask": True} if source.has_mask else {}),
        **({"flags": [layer.name for layer in source.quality]} if source.quality else {}),
        **({"flags_left_out": [layer.name for layer in source.layers_left_out]} if source.quality else {}),
        **({"notes": list(source.notes)} if source.notes else {}),
    }


def describe_grid(width: int, height: int, crs: Any, transform: Any, nodata: Any) -> dict[str, Any]:
    """The grid of a raster in JSON's words."""
    return {
        "width": width,
        "height": height,
        "crs": crs.to_string() if crs else None,
        "transform": [value + 0.0 for value in list(transform)[:6]],  # + 0.0: no negative zeros
        "nodata": nodata,
    }


def known_wavelengths(bands: SpectralBands) -> list[float] | None:
    """Band centres in nm, None where none is known."""
    return bands.wavelength.tolist() if np.isfinite(bands.wavelength).any() else None


def count_missing(source: SceneSource) -> dict[str, Any]:
    """Pixels that a map leaves out, and bands that carry nothing, of a whole scene, read once in windows of its blocks.

    As in training, the bands that count are those that are good and hold data; a pixel that misses one of them is left
    out of every map.

    Returns
    -------
    dict
        `missing_pixels` miss some of these bands, `empty_pixels` all of them; `useless_bands` hold nothing, or the same
        value everywhere. `left_out` has both by reason: of pixels, those that are `masked` by the file or a flag, by
        flag, and the others that hold no data in some or in all bands; of bands, those that are marked bad, empty or
        constant, or hold the same values as an earlier one.
    """
    bands, good = len(source.bands), source.bands.good
    found = _Findings.of(bands)
    with block_cache(ONCE_THROUGH), source.kept_open():
        for window in block_windows(
            source.height, source.width, [source.block], min(_VALUES // min(bands, _BANDS), PIXELS_AT_ONCE)
        ):
            missed = np.zeros((int(window.height), int(window.width)), dtype=np.uint32)
            masked = source.masked(window)
            for first in range(0, bands, _BANDS):
                numbers = range(first, min(first + _BANDS, bands))
                for band, values in zip(numbers, source.read_bands(window, numbers), strict=True):
                    valid = source.complete(values[None], masked, [band])
                    if good[band]:
                        missed += ~valid
                    found.take(band, values, valid)
            found.masked += 0 if masked is None else int(np.count_nonzero(masked))
            found.gaps += np.bincount(missed.ravel(), minlength=found.gaps.size)
    return found.summary(source)


@dataclass(eq=False)
class _Findings:
    """What a look at all pixels has found so far.

    Attributes
    ----------
    lowest, highest
        Least and greatest value of every band.
    digests
        Checksum of the values of every band, by which equal bands are found.
    gaps
        Pixels by the number of good bands that they miss.
    masked
        Pixels that a mask or a flag leaves out.
    """

    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]
    digests: list[int]
    gaps: NDArray[np.int64]
    masked: int = 0

    @classmethod
    def of(cls, bands: int) -> _Findings:
        return cls(np.full(bands, np.inf), np.full(bands, -np.inf), [0] * bands, np.zeros(bands + 1, dtype=np.int64))

    def take(self, band: int, values: NDArray[Any], valid: NDArray[np.bool_]) -> None:
        """Take in a window of a band (h, w)."""
        found = values if valid.all() else values[valid]
        if found.size:
            self.lowest[band] = min(self.lowest[band], found.min())
            self.highest[band] = max(self.highest[band], found.max())
        self.digests[band] = zlib.crc32(np.ascontiguousarray(found).data, self.digests[band])

    def summary(self, source: SceneSource) -> dict[str, Any]:
        """The result of `count_missing`."""
        good = source.bands.good
        counted = int(np.count_nonzero(good))
        nothing = self.lowest > self.highest
        empty = int(np.count_nonzero(good & nothing))  # missed at every pixel, and so no reason to leave it out
        useless = self.lowest >= self.highest
        missing, without = int(self.gaps[min(empty + 1, counted) :].sum()), int(self.gaps[counted])
        pixels = {
            **({"masked": self.masked} if source.has_mask else {}),
            **{_reason(source, name): count for name, count in count_flagged(source).items()},
            "without data in any band": max(0, without - self.masked),
            "without data in some band": missing - without,
        }
        of_bands = {"marked bad": ~good, "empty": nothing, "constant": useless & ~nothing, "repeated": self._repeated()}
        return {
            "missing_pixels": missing,
            "empty_pixels": without,
            "useless_bands": [source.bands.names[band] for band in np.flatnonzero(useless)],
            "left_out": {
                "pixels": pixels,
                "bands": {name: (np.flatnonzero(which) + 1).tolist() for name, which in of_bands.items()},
            },
        }

    def _repeated(self) -> NDArray[np.bool_]:
        """Bands (B,) whose values are those of an earlier band, pixel by pixel; constant ones are not counted."""
        seen: set[tuple[int, float, float]] = set()
        repeated = np.zeros(len(self.digests), dtype=bool)
        for band, key in enumerate(zip(self.digests, self.lowest.tolist(), self.highest.tolist(), strict=True)):
            if key[1] < key[2]:
                repeated[band] = key in seen
                seen.add(key)
        return repeated


def _reason(source: SceneSource, flag: str) -> str:
    return f"flagged {flag}" if flag in source.left_out else f"flagged {flag}, and used"


def _describe_radiometry(radiometry: Radiometry) -> dict[str, Any]:
    """The divisor that gives reflectance where one serves all bands, else gain and offset in words and numbers."""
    scale = radiometry.scale
    if scale is not None:
        return {"reflectance_scale": scale}
    return {"reflectance": radiometry.describe(), "gain": radiometry.gain, "offset": radiometry.offset}
