"""Disturbances that real scenes bring along: what sensors, calibration and products do to reflectance.

All work on cubes (B, H, W) of reflectance in memory, need no model, and are the same for the same seed. A value that is
missing (NaN) stays missing, and no other becomes so. Nothing is clipped: noise makes dark water negative in real scenes
too. Strength 0 leaves a cube as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.errors import BandError

Cube = NDArray[np.float32]
Floats = NDArray[np.float64]

NOISE = 0.02
"""Deviation of noise at strength 1, as a share of a band's median: a signal-to-noise ratio of 50."""
STRIPE_GAIN, STRIPE_OFFSET = 0.03, 0.01
"""Deviation of the detectors' gains, and of their offsets as a share of a band's median, at strength 1."""
DEAD_SHARE, MISSING_SHARE = 0.03, 0.10
"""Share of the bands that are dead, and of those that are missing, at strength 1."""
PATH_RADIANCE, GAIN_ERROR = 0.02, 0.03
"""Reflectance of the haze at 550 nm, and deviation of the error of the gain, at strength 1."""
HAZE_EXPONENT = 1.0
"""Haze falls off with this power of the wavelength: moderate in Chavez 1988 (4 very clear, 0.5 very hazy)."""

_HIGHEST = 0.999
"""Quantile of a cube that stands for saturation."""
_NEIGHBOURS = 4
"""Bands that a spectrum between them is interpolated from."""
_WIDEST_STEP = 3.0
"""Typical steps between centres beyond which nothing is interpolated across: dropped water bands."""


def disturb(
    cube: NDArray[np.floating[Any]],
    name: str,
    strength: float = 1.0,
    *,
    wavelength: NDArray[np.floating[Any]] | None = None,
    seed: int = 0,
) -> Cube:
    """Disturb a cube of reflectance.

    Parameters
    ----------
    cube
        (B, H, W) reflectance; NaN where missing. It stays as it is.
    name
        One of `DISTURBANCES`, which says what each does at strength 1.
    strength
        0 for none; doubling it doubles deviations, shares and distances.
    wavelength
        (B,) centres in nm. Without them, or with unknown ones (NaN), what depends on the wavelength is refused.
    seed
        Decides noise, detectors and bands.

    Returns
    -------
    float32 (B, H, W)

    Raises
    ------
    ValueError
        There is no such disturbance, the strength is negative or no number, or the cube is no cube.
    BandError
        The disturbance depends on wavelengths, and they are unknown.

    Examples
    --------
    >>> grey = np.full((3, 2, 2), 0.5, dtype=np.float32)
    >>> disturb(grey, "dead-bands", 3.4, seed=1)[:, 0, 0].tolist()
    [0.0, 0.5, 0.5]
    """
    if name not in _KINDS:
        raise ValueError(f"there is no disturbance {name!r}; there are {', '.join(_KINDS)}")
    return apply(_KINDS[name], name, cube, strength, wavelength, seed)


@dataclass(frozen=True)
class Kind:
    """A disturbance or shift.

    Attributes
    ----------
    about
        What it does at strength 1, in words.
    function
        Called with a cube without NaN, strength, wavelengths and a generator of random numbers.
    spectral
        Whether it needs wavelengths.
    """

    about: str
    function: Callable[[Cube, float, Floats, np.random.Generator], NDArray[Any]]
    spectral: bool = False


def apply(
    kind: Kind,
    name: str,
    cube: NDArray[np.floating[Any]],
    strength: float,
    wavelength: NDArray[np.floating[Any]] | None,
    seed: int,
) -> Cube:
    """What `disturb` does, of any kind; missing values are the band's median meanwhile."""
    if cube.ndim != 3 or 0 in cube.shape:
        raise ValueError(f"a cube has the shape (bands, rows, columns), not {cube.shape}")
    if not (np.isfinite(strength) and strength >= 0):
        raise ValueError(f"the strength is a number from 0, not {strength}")
    values = np.array(cube, dtype=np.float32)
    if strength == 0:
        return values
    centres = known_wavelengths(wavelength, len(values), name) if kind.spectral else np.zeros(len(values))
    missing = ~np.isfinite(values)
    if missing.any():
        values = np.where(missing, medians(values)[:, None, None], values)
    changed = np.asarray(kind.function(values, strength, centres, np.random.default_rng(seed)), dtype=np.float32)
    changed[missing] = np.nan
    return changed


def known_wavelengths(wavelength: NDArray[np.floating[Any]] | None, count: int, name: str) -> Floats:
    """The centres (B,) in nm.

    Raises
    ------
    BandError
        They are unknown.
    ValueError
        There is not one per band.
    """
    if wavelength is None or not np.isfinite(wavelength).all():
        raise BandError(f"{name} depends on wavelengths, which the scene lacks", "add wavelengths to the scene")
    centres = np.asarray(wavelength, dtype=np.float64)
    if centres.shape != (count,):
        raise ValueError(f"{count} bands have {centres.size} wavelengths")
    return centres


def medians(cube: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Median (B,) of what is measured in every band; 0 where nothing is."""
    flat = cube.reshape(len(cube), -1)
    there = [band[np.isfinite(band)] for band in flat]
    return np.array([np.median(band) if band.size else 0.0 for band in there], dtype=np.float32)


# -------------------------------------------------------------------------------------------------------- the sensor


def _noise(cube: Cube, strength: float, centres: Floats, random: np.random.Generator) -> Cube:
    deviation = np.abs(medians(cube)) * np.float32(NOISE * strength)
    return cube + random.standard_normal(cube.shape, dtype=np.float32) * deviation[:, None, None]


def _striping(cube: Cube, strength: float, centres: Floats, random: np.random.Generator) -> Cube:
    """Every column of every band has a detector of its own, which looks at all rows as the sensor moves on."""
    detectors = (len(cube), 1, cube.shape[2])
    gain = 1 + STRIPE_GAIN * strength * random.standard_normal(detectors, dtype=np.float32)
    offset = STRIPE_OFFSET * strength * random.standard_normal(detectors, dtype=np.float32)
    return np.asarray(cube * gain + offset * np.abs(medians(cube))[:, None, None], dtype=np.float32)


def _dead_bands(cube: Cube, strength: float, centres: Floats, random: np.random.Generator) -> Cube:
    """Single bands, of which every other one says nothing and the rest is stuck at saturation."""
    count = min(len(cube), max(1, round(DEAD_SHARE * strength * len(cube))))
    dead = random.permutation(len(cube))[:count]
    cube[dead[::2]] = 0.0
    cube[dead[1::2]] = np.quantile(cube, _HIGHEST)
    return cube


def _missing_bands(cube: Cube, strength: float, centres: Floats, random: np.random.Generator) -> Cube:
    """One run of bands that hold zeros, as products write where the atmosphere lets no light through.

    Where a product writes nodata instead, there is nothing to test: a map has no data at all there.
    """
    count = min(len(cube), max(1, round(MISSING_SHARE * strength * len(cube))))
    first = int(random.integers(len(cube) - count + 1))
    cube[first : first + count] = 0.0
    return cube


# ---------------------------------------------------------------------------------- the atmosphere and calibration


def _gain_and_haze(cube: Cube, strength: float, centres: Floats, random: np.random.Generator) -> NDArray[Any]:
    """Path radiance after Chavez (1988), the same everywhere, and a gain that is wrong by a smooth curve."""
    path = PATH_RADIANCE * strength * (550.0 / centres) ** HAZE_EXPONENT
    gain = np.maximum(1 + GAIN_ERROR * strength * smooth_curve(centres, random), 0.1)
    return np.asarray(cube * gain[:, None, None] + path[:, None, None])


def smooth_curve(centres: Floats, random: np.random.Generator) -> Floats:
    """A smooth curve (B,) over the wavelengths, of unit variance in the mean over many draws: waves, 1 to 3 of them."""
    place = (centres - centres.min()) / max(float(np.ptp(centres)), 1.0)
    waves = np.arange(1, 4)[:, None] * np.pi * place
    phases = random.uniform(0, 2 * np.pi, (3, 1))
    return np.asarray(np.sqrt(2 / 3) * random.standard_normal(3) @ np.cos(waves + phases))


def _band_shift(cube: Cube, strength: float, centres: Floats, random: np.random.Generator) -> NDArray[Any]:
    """All bands see the spectrum so many nm from where they should, up or down."""
    direction = 1.0 if random.random() < 0.5 else -1.0
    weights = interpolation_weights(centres, centres + direction * strength).astype(np.float32)
    return np.tensordot(weights, cube, 1)


def interpolation_weights(centres: Floats, wanted: Floats) -> Floats:
    """Weights (B, B) by which spectra at B centres give those at B wanted places near them, in the same order.

    By the cubic through the four nearest bands of a run (Lagrange): bands of another spectrometer, where centres step
    back, and those beyond a gap of more than three typical steps take no part.
    """
    weights = np.zeros((len(wanted), len(centres)))
    for run in _runs(centres):
        width = min(_NEIGHBOURS, len(run))
        for band in run:
            near = run[np.argsort(np.abs(centres[run] - wanted[band]), kind="stable")[:width]]
            weights[band, near] = _lagrange(centres[near], float(wanted[band]))
    return weights


def _lagrange(nodes: Floats, place: float) -> Floats:
    """Weights of values at the nodes in the polynomial through them."""
    others = ~np.eye(len(nodes), dtype=bool)
    apart = np.where(others, nodes[:, None] - nodes, 1.0)
    return np.asarray(np.prod(np.where(others, (place - nodes) / apart, 1.0), axis=1))


def _runs(centres: Floats) -> list[NDArray[np.int64]]:
    """Bands in file order that lie side by side, all centres in one direction and without a gap."""
    steps = np.diff(centres)
    if not steps.size:
        return [np.arange(1)]
    steps = steps * (-1 if np.median(steps) < 0 else 1)
    typical = float(np.median(steps[steps > 0])) if (steps > 0).any() else 1.0
    apart = (steps <= 0) | (steps > _WIDEST_STEP * typical)
    return np.split(np.arange(len(centres)), np.flatnonzero(apart) + 1)


_KINDS: Mapping[str, Kind] = {
    "noise": Kind("white noise of 2 % of a band's median: a signal-to-noise ratio of 50", _noise),
    "striping": Kind("columns of a push-broom sensor, gains off by 3 % and offsets by 1 % of the median", _striping),
    "dead-bands": Kind("3 % of the bands, one by one, stuck at zero or at saturation, and not marked bad", _dead_bands),
    "gain-haze": Kind(
        "path radiance of 0.02 reflectance at 550 nm, less towards longer waves, and gains off by a smooth 3 %",
        _gain_and_haze,
        spectral=True,
    ),
    "band-shift": Kind("all bands 1 nm off, up or down", _band_shift, spectral=True),
    "missing-bands": Kind("a run of 10 % of the bands holds zeros, as where water vapour is cut out", _missing_bands),
}

DISTURBANCES: Mapping[str, str] = {name: kind.about for name, kind in _KINDS.items()}
"""Names of the disturbances, and what each does at strength 1."""

SPECTRAL_DISTURBANCES = tuple(name for name, kind in _KINDS.items() if kind.spectral)
"""Those that need wavelengths."""
