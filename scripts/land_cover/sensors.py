"""Sensors to learn from: those that fly, parts of them, and others that might."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hsiattn.datasets.sensors import sensor, sensor_names
from hsiattn.networks.spectral_grid import in_water_vapour
from scripts.land_cover.spectra import WAVELENGTH, Floats

_HYSPEX = ((160, 415.0, 992.0, 3.7), (256, 967.0, 2500.0, 6.0))
"""Bands, first and last centre and width in nm of HySpex, whose cameras differ: near enough to learn from."""
_FEWEST, _NARROWEST = 10, 300.0
_LAST = 2455.0  # nm


@dataclass(frozen=True)
class Sensor:
    """A sensor: `centres` and `widths` of its bands in nm, (B,), and which of them are `good`."""

    centres: Floats
    widths: Floats
    good: NDArray[np.bool_]

    @classmethod
    def of(cls, centres: Floats) -> Sensor:
        """A sensor with good bands at these centres, as wide as they are apart."""
        return cls(centres, np.gradient(centres), np.ones(len(centres), dtype=bool))

    def below(self, wavelength: float) -> Sensor:
        """Its bands below a wavelength."""
        there = self.centres < wavelength
        return Sensor(self.centres[there], self.widths[there], self.good[there])

    def usable(self) -> Sensor:
        """Its good bands."""
        return Sensor(self.centres[self.good], self.widths[self.good], self.good[self.good])

    def responses(self) -> NDArray[np.float32]:
        """(M, B) shares of the fine grid in the bands, columns of sum 1."""
        distance = (WAVELENGTH[:, None] - self.centres) / np.maximum(self.widths, 5.0)
        weights = np.exp(-4 * np.log(2) * distance**2)
        return (weights / weights.sum(axis=0)).astype(np.float32)


def draw_sensor(rng: np.random.Generator) -> Sensor:
    """A sensor by its name, or with evenly spaced bands; whole, or a part of its range; with or without bad bands.

    It has ten good bands at least, and some 300 nm of good ones.
    """
    while True:
        drawn = _any_sensor(rng)
        usable = drawn.usable().centres
        if len(usable) >= _FEWEST and np.ptp(usable) > _NARROWEST:
            return drawn


def _any_sensor(rng: np.random.Generator) -> Sensor:
    if rng.random() < 0.6:
        centres, widths = _layout(str(rng.choice(sorted([*sensor_names(), "hyspex"]))))
        if rng.random() < 0.3:  # neighbouring bands put together
            group = int(rng.integers(2, 6))
            count = len(centres) // group * group
            centres = centres[:count].reshape(-1, group).mean(axis=1)
            widths = widths[:count].reshape(-1, group).sum(axis=1)
    else:
        step = float(np.exp(rng.uniform(np.log(3), np.log(40))))
        first, last = rng.uniform(390, 480), rng.choice([rng.uniform(840, 1050), rng.uniform(1700, 2500), 2450.0])
        centres = np.arange(first, last, step)
        widths = np.full(len(centres), step * rng.uniform(0.9, 1.6))
    if rng.random() < 0.5:
        last = rng.choice([rng.uniform(840, 1000), rng.uniform(1000, 1800)])
        centres, widths = centres[centres < last], widths[centres < last]
    good = _clear(centres)
    if rng.random() < 0.3:  # a piece that the producer marks as bad, besides single bands
        start, size = rng.integers(len(centres)), rng.integers(1, max(2, len(centres) // 8))
        good[start : start + size] = False
        good &= rng.random(len(centres)) > 0.03
    return Sensor(centres, widths, good)


def by_name(name: str) -> Sensor:
    """One of those that fly, without the bands in water vapour."""
    centres, widths = _layout(name)
    return Sensor(centres, widths, _clear(centres))


def _layout(name: str) -> tuple[Floats, Floats]:
    """Centres and widths (B,) of the bands of a sensor."""
    if name != "hyspex":
        bands = sensor(name).bands()
        return bands.wavelength, bands.fwhm
    centres = np.concatenate([np.linspace(first, last, count) for count, first, last, _ in _HYSPEX])
    return centres, np.concatenate([np.full(count, width) for count, _, _, width in _HYSPEX])


def _clear(centres: Floats) -> NDArray[np.bool_]:
    """Bands that light reaches through the air, and that sensors measure well."""
    return ~in_water_vapour(centres) & (centres < _LAST)
