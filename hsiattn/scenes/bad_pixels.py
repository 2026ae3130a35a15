"""Doubtful spectra: single bands far off their neighbours, negative reflectance beyond noise, reflectance far above 1.

What is usual in every band of a scene comes from a bounded sample of it, by order statistics that a few bad pixels do
not move. Peaks that many pixels share, such as those that an atmospheric correction leaves, are usual there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.scenes.block_cache import ONCE_THROUGH, block_cache
from hsiattn.scenes.block_windows import PIXELS_AT_ONCE, block_windows
from hsiattn.scenes.pixels import windows_with
from hsiattn.scenes.radiometry import Radiometry
from hsiattn.scenes.scene_sample import sample_scene
from hsiattn.scenes.source import SceneSource

if TYPE_CHECKING:
    import xarray as xr

REASONS = ("spike", "negative", "too bright")
"""Why a spectrum is bad."""

_USUAL = 0.98
"""Share of the pixels of a scene whose peak in a band is usual there."""
_SPIKE, _LEAST_SPIKE = 3.0, 0.2
"""A spike is so many times the usual peak of its band, and this share of the scene's bright reflectance at least."""
_NOISE, _LEAST_NEGATIVE = 8.0, 0.05
"""Reflectance is negative below so many standard deviations of the noise, and this share of the bright one at least."""
_BRIGHTEST = 2.0
"""No surface reflects more, glint and slopes towards the sun included."""
_BRIGHT = 0.98
_GAP = 3.0
"""Distance of neighbouring bands, in units of the median one, beyond which they are no neighbours."""
_FEWEST = 1000
"""Pixels of a sample below which it says nothing."""
_TOO_MANY = 0.05
"""Share of the labelled pixels beyond which bad spectra are no exception, and say more of the scene than of pixels."""
_WORTH_SAYING = 0.005
"""Share of a sample from which on a map is made with a word on bad spectra."""
_VALUES = 2**24
"""Values that are read at a time."""
_AT_ONCE = 2**15
"""Pixels that are looked at together, few enough to stay in a processor's cache."""


@dataclass(frozen=True, eq=False)
class UsualSpectra:
    """What is usual in a scene.

    Attributes
    ----------
    bands
        Indices (b) of the bands that count: good, and with data.
    spike
        Height (b) in reflectance beyond which a band is a spike between its neighbours; infinite at ends and gaps.
    least
        Reflectance (b) below which a value is negative beyond noise.
    most
        Reflectance above which no surface is; infinite where the scene does not say what its values mean.
    radiometry
        Makes reflectance of the values of these bands.
    looked_at
        Pixels of the sample.
    """

    bands: NDArray[np.int64]
    spike: NDArray[np.float64]
    least: NDArray[np.float64]
    most: float
    radiometry: Radiometry
    looked_at: int = 0

    def find(self, spectra: NDArray[Any], there: NDArray[np.bool_] | None = None) -> dict[str, NDArray[np.bool_]]:
        """Which of stored spectra (b, N) of the bands that count are bad, (N,) by reason, see `REASONS`.

        Parameters
        ----------
        there
            (b, N), False where a value is missing and says nothing; None where all are there.
        """
        found = {reason: np.zeros(spectra.shape[1], dtype=bool) for reason in REASONS}
        for start in range(0, spectra.shape[1], _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            self._look(spectra[:, part], None if there is None else there[:, part], *(f[part] for f in found.values()))
        return found

    def _look(
        self,
        spectra: NDArray[Any],
        there: NDArray[np.bool_] | None,
        spike: NDArray[np.bool_],
        negative: NDArray[np.bool_],
        bright: NDArray[np.bool_],
    ) -> None:
        """Go through the bands with two differences at hand, which is many times faster than whole cubes of them."""
        before: NDArray[np.float32] | None = None
        rise_before: NDArray[np.float32] | None = None
        gain, offset = (figures.astype(np.float32) for figures in (self.radiometry.gain, self.radiometry.offset))
        with np.errstate(invalid="ignore", over="ignore"):
            for i, stored in enumerate(spectra):
                value = stored.astype(np.float32) * gain[i] + offset[i]
                if there is not None:
                    value[~there[i]] = np.nan
                negative |= value < self.least[i]
                if np.isfinite(self.most):
                    bright |= value > self.most
                rise = None if before is None else value - before
                if rise is not None and rise_before is not None and np.isfinite(limit := self.spike[i - 1]):
                    height = np.minimum(np.abs(rise), np.abs(rise_before))
                    spike |= (height > limit) & (rise * rise_before < 0)
                before, rise_before = value, rise


def peaks(spectra: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far every band of (N, B) stands out of both neighbours, on the same side; 0 where it lies between them.

    >>> peaks(np.array([[1.0, 2.0, 5.0, 3.0, 3.0]])).tolist()
    [[0.0, 0.0, 2.0, 0.0, 0.0]]
    """
    steps = np.diff(spectra, axis=1)
    heights = np.zeros_like(spectra)
    if spectra.shape[1] > 2:
        up, down = steps[:, :-1], -steps[:, 1:]
        heights[:, 1:-1] = np.where(up * down > 0, np.sign(up) * np.minimum(np.abs(up), np.abs(down)), 0.0)
    return heights


def usual_spectra(source: SceneSource, area: Window | None = None) -> UsualSpectra | None:
    """Learn from a sample of a scene, or of a part of it, what is usual there; None where too few pixels hold data.

    Raises
    ------
    SceneError
        The scene cannot be read.
    """
    learned = _learn(source, area)
    return None if learned is None else learned[0]


def tell_bad_share(source: SceneSource, area: Window | None = None) -> list[str]:
    """Say in a sentence how many pixels of a sample have bad spectra; nothing where they are few.

    Raises
    ------
    SceneError
        The scene cannot be read.
    """
    learned = _learn(source, area)
    if learned is None:
        return []
    usual, spectra = learned
    found = usual.find(spectra.T)
    bad = int(np.count_nonzero(np.logical_or.reduce(list(found.values()))))
    if bad < _WORTH_SAYING * len(spectra):
        return []
    return [
        f"{bad} of {len(spectra)} sampled pixels have doubtful spectra ({_listed(found)}); they are classified all the "
        "same"
    ]


def _learn(source: SceneSource, area: Window | None) -> tuple[UsualSpectra, NDArray[Any]] | None:
    """What is usual, and the complete spectra (N, b) of the sample that say so."""
    good = np.flatnonzero(source.bands.good)
    sample = sample_scene(source, good, area=area)
    if len(sample.measured) == 0:
        return None
    with_data = sample.measured.mean(axis=0) > sample.measured.any(axis=1).mean() / 2
    complete = sample.measured[:, with_data].all(axis=1)
    bands = good[with_data]
    if len(bands) == 0 or np.count_nonzero(complete) < _FEWEST:
        return None
    radiometry = source.radiometry.subset(bands)
    spectra = sample.values[complete][:, with_data]
    values = radiometry.reflectance(spectra)
    bright = max(float(np.quantile(values, _BRIGHT)), 0.0)
    spike = np.maximum(_SPIKE * np.quantile(np.abs(peaks(values)), _USUAL, axis=0), _LEAST_SPIKE * bright)
    spike[~_has_neighbours(source.bands.wavelength[bands])] = np.inf
    least = -np.maximum(_NOISE * _noise(values), _LEAST_NEGATIVE * bright)
    most = _BRIGHTEST if source.radiometry.stated else np.inf
    return UsualSpectra(bands, spike, least, most, radiometry, len(spectra)), spectra


def find_bad_pixels(
    source: SceneSource, positions: NDArray[np.int64], usual: UsualSpectra
) -> dict[str, NDArray[np.bool_]]:
    """Which of the pixels at positions (N, 2) have bad spectra, (N,) by reason, see `REASONS`.

    Bands without data say nothing of a pixel.

    Raises
    ------
    SceneError
        The scene cannot be read.
    """
    found = {reason: np.zeros(len(positions), dtype=bool) for reason in REASONS}
    indices = usual.bands.tolist()
    with source.kept_open():
        for window, members in windows_with(positions, source):
            rows, columns = (positions[members] - (window.row_off, window.col_off)).T
            spectra = source.read_bands(window, indices)[:, rows, columns]
            masked = source.masked(window)
            there = source.measured(spectra, None if masked is None else masked[rows, columns], indices)
            for reason, bad in usual.find(spectra, there).items():
                found[reason][members] = bad
    return found


def count_bad_pixels(source: SceneSource) -> dict[str, int] | None:
    """Pixels of a whole scene with bad spectra, by reason; None where too few hold data to tell what is usual.

    Raises
    ------
    SceneError
        The scene cannot be read.
    """
    usual = usual_spectra(source)
    if usual is None:
        return None
    counts, indices = dict.fromkeys(REASONS, 0), usual.bands.tolist()
    with block_cache(ONCE_THROUGH), source.kept_open():
        for window in block_windows(
            source.height, source.width, [source.block], max(1, min(_VALUES // len(indices), PIXELS_AT_ONCE))
        ):
            values, masked = source.read_bands(window, indices), source.masked(window)
            there = source.measured(values, masked, indices)
            flat = (len(indices), -1)
            for reason, bad in usual.find(values.reshape(flat), there.reshape(flat)).items():
                counts[reason] += int(np.count_nonzero(bad))
    return counts


def without_bad_pixels(source: SceneSource, labels: xr.DataArray) -> tuple[xr.DataArray, list[str]]:
    """Labels (y, x) of a scene without those of pixels whose spectra are bad, and a sentence on them.

    Where more than a twentieth of the labelled pixels are, the labels stay as they are, and the sentence says so: what
    is so frequent is a property of the scene.

    Raises
    ------
    SceneError
        The scene cannot be read.
    """
    codes = labels.transpose("y", "x").to_numpy()
    positions = np.argwhere(np.nan_to_num(codes) != 0)
    usual = usual_spectra(source) if len(positions) else None
    if usual is None:
        return labels, []
    found = find_bad_pixels(source, positions, usual)
    bad = np.logical_or.reduce(list(found.values()))
    count, listed = int(np.count_nonzero(bad)), _listed(found)
    if count == 0:
        return labels, []
    told = f"{count} of {len(positions)} labelled pixels have doubtful spectra ({listed})"
    if count > _TOO_MANY * len(positions):
        return labels, [f"{told}; so many are kept: look at the spectra, and whether the scale of the scene is right"]
    codes = codes.copy()
    codes[tuple(positions[bad].T)] = 0
    kept = labels.transpose("y", "x").copy(data=codes)
    return kept, [f"{told} and are left out, of the test too; keep_bad= keeps them"]


def _listed(found: Mapping[str, NDArray[np.bool_]]) -> str:
    counts = {reason: int(np.count_nonzero(bad)) for reason, bad in found.items()}
    return ", ".join(f"{reason} {count}" for reason, count in counts.items() if count)


def _noise(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation of the noise of every band of (N, B), by its distance from the mean of its neighbours."""
    apart = np.zeros_like(values)
    if values.shape[1] > 2:
        apart[:, 1:-1] = values[:, 1:-1] - (values[:, :-2] + values[:, 2:]) / 2
        apart[:, [0, -1]] = apart[:, [1, -2]]
    deviation = 1.4826 * np.median(np.abs(apart - np.median(apart, axis=0)), axis=0)
    return np.asarray(deviation / np.sqrt(1.5))


def _has_neighbours(wavelength: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether bands (b) have neighbours on both sides, rather than a gap."""
    near = np.ones(max(len(wavelength) - 1, 0), dtype=bool)
    if np.isfinite(wavelength).all() and len(wavelength) > 1:
        steps = np.diff(wavelength)
        near = np.abs(steps) <= _GAP * np.median(np.abs(steps))
        near &= np.sign(steps) == np.sign(np.median(steps))  # where two spectrometers overlap, centres step back
    return np.asarray(np.concatenate([[False], near]) & np.concatenate([near, [False]]))
