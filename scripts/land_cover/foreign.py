"""Spectra of what is no land cover: snow and ice, clouds, radiance, uncorrected air, minerals, curves of no meaning.

The network learns from them to say that it does not know. They need not be exact: what matters is that they lie on all
sides of those of land cover.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scripts.land_cover.spectra import WAVELENGTH, Floats

_GASES = (  # centre and width in nm, largest optical depth: oxygen, water vapour, carbon dioxide
    (688, 4, 0.3), (762, 6, 1.0), (720, 10, 0.3), (820, 12, 0.3), (940, 22, 1.4), (1135, 25, 1.6), (1270, 10, 0.2),
    (1380, 45, 8.0), (1580, 12, 0.1), (1870, 50, 8.0), (2010, 20, 0.8), (2060, 20, 0.5), (2480, 60, 1.0),
)  # fmt: skip


def foreign(known: Floats, rng: np.random.Generator) -> Floats:
    """Spectra (n, M) that are no land cover, from as many that are: each in a way of its own."""
    ways = rng.choice(len(_WAYS), len(known), p=_SHARES)
    made = np.empty_like(known)
    for number, way in enumerate(_WAYS):
        of_it = np.flatnonzero(ways == number)
        if len(of_it):
            made[of_it] = way(known[of_it], rng)
    return made


def gas_transmission(amount: Floats) -> Floats:
    """Share of the light (n, M) that gases let through, their amounts (n, 1) relative to a usual path."""
    depth = sum(most * np.exp(-0.5 * ((WAVELENGTH - centre) / width) ** 2) for centre, width, most in _GASES)
    return np.asarray(np.exp(-amount * depth))


def snow(known: Floats, rng: np.random.Generator) -> Floats:
    """Snow, firn and bare ice: scattering grains that absorb as ice does, here and there with soot or meltwater."""
    count = len(known)
    grain = 10 ** rng.uniform(-1.3, 1.0, (count, 1))  # mm
    soot = rng.uniform(0, 0.4, (count, 1)) ** 3
    ice = np.exp(np.interp(WAVELENGTH, *_ICE))
    depth = 1.2 * np.sqrt(grain * (ice + soot * 0.3))
    white = np.exp(-depth) * rng.uniform(0.5, 1.0, (count, 1))
    share = rng.choice([1.0, 1.0, 0.8, 0.6], (count, 1))
    return np.asarray(share * white + (1 - share) * known)


_ICE = (
    [380, 600, 700, 800, 900, 1030, 1090, 1270, 1320, 1500, 1640, 1830, 2000, 2240, 2500],
    np.log([1e-4, 5e-4, 2e-3, 6e-3, 0.02, 0.09, 0.05, 0.4, 0.3, 9.0, 3.5, 3.0, 14.0, 3.0, 9.0]),
)
"""nm, and the logarithm of the absorption of ice per mm; only roughly that of Warren and Brandt 2008."""


def clouds(known: Floats, rng: np.random.Generator) -> Floats:
    """Clouds with a little of the ground below: bright, since grey ones are like roofs and roads to 1000 nm."""
    count = len(known)
    ice = np.exp(np.interp(WAVELENGTH, *_ICE))
    bright = rng.uniform(0.6, 1.0, (count, 1)) * np.exp(-0.5 * np.sqrt(rng.uniform(0.001, 0.08, (count, 1)) * ice))
    share = rng.uniform(0.8, 1.0, (count, 1))
    return np.asarray(share * bright * gas_transmission(rng.uniform(0, 0.6, (count, 1))) + (1 - share) * known)


def radiance(known: Floats, rng: np.random.Generator) -> Floats:
    """Light instead of reflectance: the sun's, through the air, with that of the air itself, in any unit."""
    count = len(known)
    sun = WAVELENGTH**-5 / np.expm1(1.4388e7 / (WAVELENGTH * 5778))
    seen = _at_sensor(known, rng) * sun / sun.max()
    return np.asarray(seen * rng.uniform(0.3, 3.0, (count, 1)))


def uncorrected(known: Floats, rng: np.random.Generator) -> Floats:
    """Reflectance at the top of the atmosphere."""
    return _at_sensor(known, rng)


def _at_sensor(known: Floats, rng: np.random.Generator) -> Floats:
    count = len(known)
    air = rng.uniform(0.05, 0.2, (count, 1)) * (WAVELENGTH / 450) ** -rng.uniform(1.5, 4.0, (count, 1))
    through = np.exp(-rng.uniform(0.05, 0.35, (count, 1)) * (WAVELENGTH / 500) ** -1.5)
    return np.asarray((known * through + air) * gas_transmission(rng.uniform(0.6, 2.0, (count, 1))))


def minerals(known: Floats, rng: np.random.Generator) -> Floats:
    """Smooth, bright curves with deep, narrow absorptions at any wavelength: ores, salts, plastics, paints."""
    count = len(known)
    curve = np.clip(0.5 + 0.35 * _smooth(count, rng.uniform(300, 1200), rng), 0.05, 1.2)
    for _ in range(rng.integers(2, 7)):
        centre, width = rng.uniform(400, 2450, (count, 1)), rng.uniform(10, 70, (count, 1))
        curve *= 1 - rng.uniform(0.1, 0.8, (count, 1)) * np.exp(-0.5 * ((WAVELENGTH - centre) / width) ** 2)
    return np.asarray(curve)


def curves(known: Floats, rng: np.random.Generator) -> Floats:
    """Random curves that go up and down in any part of the spectrum, rugged or not."""
    count = len(known)
    made = rng.uniform(0.05, 0.8, (count, 1)) + rng.uniform(0.1, 0.5) * _smooth(count, 10 ** rng.uniform(1.3, 2.2), rng)
    return np.asarray(np.maximum(made, 0.0 if rng.random() < 0.7 else -1.0))


def wrong_bands(known: Floats, rng: np.random.Generator) -> Floats:
    """Spectra whose bands are not where they are said to be: reversed, or moved by far."""
    if rng.random() < 0.4:
        return np.asarray(known[:, ::-1])
    moved = int(rng.choice([-1, 1]) * rng.integers(20, 120))
    return np.asarray(np.roll(known, moved, axis=1))


def stretched(known: Floats, rng: np.random.Generator) -> Floats:
    """Spectra that were bent: multiplied by a strong smooth curve, as by a lamp, a wrong calibration or a vignette."""
    return np.asarray(known * np.exp(rng.uniform(0.5, 1.2) * _smooth(len(known), 10 ** rng.uniform(1.8, 2.7), rng)))


def noise(known: Floats, rng: np.random.Generator) -> Floats:
    """Spectra that are hardly more than noise."""
    typical = known.mean(axis=1, keepdims=True)
    return np.asarray(known * rng.uniform(0, 0.6) + typical * rng.uniform(0.3, 1.0) * rng.standard_normal(known.shape))


def _smooth(count: int, length: float, rng: np.random.Generator) -> Floats:
    """Random functions (n, M) of about unit deviation that vary over so many nm."""
    waves = 24  # of frequencies that all share, each with an amplitude and a phase of its own
    angle = WAVELENGTH * rng.standard_normal((waves, 1)) / length
    weights = rng.standard_normal((count, 2 * waves)) / np.sqrt(waves)
    return np.asarray(weights @ np.concatenate([np.cos(angle), np.sin(angle)]))


_WAYS: tuple[Callable[[Floats, np.random.Generator], Floats], ...] = (
    snow, clouds, radiance, uncorrected, minerals, curves, wrong_bands, stretched, noise,
)  # fmt: skip
_SHARES = np.array([2, 1, 2, 2, 2, 2, 1, 2, 1]) / 15
