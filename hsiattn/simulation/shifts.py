"""Shifts between scenes of the same place: other light, other air, another sensor, another season.

Like the disturbances, they work on cubes (B, H, W) of reflectance in memory, are the same for the same seed, and leave
missing values (NaN) missing. They change a whole scene smoothly, as one flown on another day differs from the first, so
that labels stay true and what an adaptation gains can be measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.simulation.covers import COVERS, GRASS
from hsiattn.simulation.disturbances import Cube, Floats, Kind, apply, known_wavelengths, medians, smooth_curve
from hsiattn.simulation.landscape import smooth_noise

SCENE_GAIN = 0.8
"""Light of the other scene as a share of the first one's, at strength 1."""
SUN_ZENITH = math.radians(40.0)
SLOPE = 0.15
"""Deviation of the terrain's gradient along each axis at strength 1: slopes of about 12°."""
DIFFUSE = 0.15
"""Share of the light at 550 nm that comes from the sky and not from the sun, 1/wavelength elsewhere."""
OPTICAL_THICKNESS, ANGSTROM = 0.3, 1.3
"""Of the aerosol at 550 nm at strength 1, and how it falls off with the wavelength (Ångström 1929): continental air."""
PHASE, ALBEDO, LOST = 0.2, 0.95, 0.16
"""Phase function towards the sensor, single-scattering albedo, and share of the scattered light that goes back up."""
STEP = 1.5
"""Distance between the other sensor's bands, and their width, by the first one's, at strength 1."""
SENSOR_GAIN = 0.02
"""Deviation of the difference in calibration between two sensors, a smooth curve, at strength 1."""
COVER = 0.2
"""Mean share of a pixel that the other season's vegetation covers at strength 1; from nothing to twice that."""


def shift(
    cube: NDArray[np.floating[Any]],
    name: str,
    strength: float = 1.0,
    *,
    wavelength: NDArray[np.floating[Any]] | None = None,
    fwhm: NDArray[np.floating[Any]] | None = None,
    seed: int = 0,
) -> tuple[Cube, Floats | None]:
    """Show a scene's reflectance as another scene of the same place would have it.

    Parameters
    ----------
    cube
        (B, H, W) reflectance; NaN where missing. It stays as it is.
    name
        One of `SHIFTS`, which says what each does at strength 1.
    strength
        0 for none. `season` alone may be negative: green instead of dry vegetation.
    wavelength, fwhm
        (B,) centres and widths in nm; the widths matter to `sensor` alone, typical steps where unknown.
    seed
        Decides terrain, fields and curves.

    Returns
    -------
    cube, wavelength
        float32 (B', H, W), and the centres (B',) in nm of its bands: those given, but with `sensor`.

    Raises
    ------
    ValueError
        There is no such shift, the strength is no number or negative, or the cube is no cube.
    BandError
        The shift depends on wavelengths, and they are unknown.

    Examples
    --------
    >>> flat = np.full((2, 3, 3), 0.05, dtype=np.float32)
    >>> hazy, _ = shift(flat, "haze", wavelength=np.array([450.0, 2200.0]))
    >>> bool(hazy[0].mean() > hazy[1].mean())
    True
    """
    if name not in SHIFTS:
        raise ValueError(f"there is no shift {name!r}; there are {', '.join(SHIFTS)}")
    if name == "sensor":
        return _as_seen_by_another_sensor(cube, strength, wavelength, fwhm, seed)
    kind = _KINDS[name]
    if name == "season" and strength < 0:
        kind, strength = _GREENING, -strength
    centres = None if wavelength is None else np.asarray(wavelength, dtype=np.float64)
    return apply(kind, name, cube, strength, wavelength, seed), centres


def _field(random: np.random.Generator, shape: tuple[int, int], scale: float) -> Floats:
    """Noise (H, W) of unit variance over about `scale` pixels; 0 for a single pixel."""
    return smooth_noise(random, shape, scale) if max(shape) > 1 else np.zeros(shape)


# ------------------------------------------------------------------------------------------------------------- light


def _illuminate(cube: Cube, strength: float, centres: Floats, random: np.random.Generator) -> NDArray[Any]:
    """Less light, and slopes that face the sun or turn away from it (cosine law, Teillet et al. 1982), sky light aside.

    The sun stands in the east, towards higher columns.
    """
    shape = (cube.shape[1], cube.shape[2])
    east, north = (SLOPE * strength * _field(random, shape, max(4.0, max(shape) / 6)) for _ in range(2))
    upright = 1 / np.sqrt(1 + east**2 + north**2)
    incidence = upright * (math.cos(SUN_ZENITH) + east * math.sin(SUN_ZENITH))
    direct = np.maximum(incidence, 0.0) / math.cos(SUN_ZENITH)
    sky = np.minimum(DIFFUSE * 550.0 / centres, 0.5)[:, None, None]
    return np.asarray(cube * (SCENE_GAIN**strength * ((1 - sky) * direct + sky)))


def _haze(cube: Cube, strength: float, centres: Floats, random: np.random.Generator) -> NDArray[Any]:
    """Aerosol that a correction left in: single scattering into the sensor, and light lost on both ways.

    Path reflectance = albedo · phase · τ / (4 cos θ), transmittance = exp(-lost · τ · (1 + 1 / cos θ)), for a sensor
    overhead and the sun at θ; after Kaufman et al. 1997. The thickness τ drifts by half over the scene.
    """
    shape = (cube.shape[1], cube.shape[2])
    drift = np.clip(1 + 0.25 * _field(random, shape, max(4.0, max(shape) / 3)), 0.5, 1.5)
    thickness = (OPTICAL_THICKNESS * strength * (550.0 / centres) ** ANGSTROM)[:, None, None] * drift
    path = ALBEDO * PHASE * thickness / (4 * math.cos(SUN_ZENITH))
    return np.asarray(cube * np.exp(-LOST * thickness * (1 + 1 / math.cos(SUN_ZENITH))) + path)


# ------------------------------------------------------------------------------------------------------------ season


def _dry(cube: Cube, strength: float, centres: Floats, random: np.random.Generator) -> NDArray[Any]:
    return _cover_with(COVERS[GRASS][1](centres), cube, strength, random)


def _green(cube: Cube, strength: float, centres: Floats, random: np.random.Generator) -> NDArray[Any]:
    return _cover_with(COVERS[GRASS][0](centres), cube, strength, random)


def _cover_with(endmember: Floats, cube: Cube, strength: float, random: np.random.Generator) -> NDArray[Any]:
    """Linear mixture with one spectrum, its share a smooth field that knows nothing of the classes."""
    shape = (cube.shape[1], cube.shape[2])
    field = 1 + 0.5 * _field(random, shape, max(4.0, max(shape) / 5))
    share = np.clip(np.clip(field, 0.0, 2.0) * COVER * strength, 0.0, 1.0)
    return np.asarray(cube * (1 - share) + endmember[:, None, None] * share)


# ------------------------------------------------------------------------------------------------------------ sensor


def _as_seen_by_another_sensor(
    cube: NDArray[np.floating[Any]],
    strength: float,
    wavelength: NDArray[np.floating[Any]] | None,
    fwhm: NDArray[np.floating[Any]] | None,
    seed: int,
) -> tuple[Cube, Floats | None]:
    """Bands `STEP`^strength times as far apart and wide, from half a step above the first, and another calibration."""
    if strength == 0:
        centres = None if wavelength is None else np.asarray(wavelength, dtype=np.float64)
        return apply(_CALIBRATION, "sensor", cube, 0.0, wavelength, seed), centres
    known = known_wavelengths(wavelength, len(cube), "sensor")
    calibrated = apply(_CALIBRATION, "sensor", cube, strength, wavelength, seed)
    centres, widths = other_bands(known, STEP**strength)
    return resample_bands(calibrated, known, centres, widths, own_fwhm=fwhm), centres


def _calibrate(cube: Cube, strength: float, centres: Floats, random: np.random.Generator) -> NDArray[Any]:
    gain = np.maximum(1 + SENSOR_GAIN * strength * smooth_curve(centres, random), 0.1)
    return np.asarray(cube * gain[:, None, None])


def other_bands(wavelength: Floats, step: float) -> tuple[Floats, Floats]:
    """Centres and widths (M,) in nm of a sensor whose bands are `step` times as far apart as the given ones.

    They follow the given bands, gaps and all: every `step`-th place among the sorted centres, half a place on.
    """
    ascending = np.unique(wavelength)
    if len(ascending) == 1:
        return ascending, np.full(1, 10.0 * step)
    steps = np.diff(ascending)
    typical = float(np.median(steps))
    places = np.arange(0.5, len(ascending) - 1, step)
    below = places.astype(np.int64)
    places = places[steps[below] <= 3 * typical]  # none amid a gap
    centres = np.interp(places, np.arange(len(ascending)), ascending)
    return np.asarray(centres), step * np.interp(centres, ascending, np.gradient(ascending).clip(0, 2 * typical))


def resample_bands(
    cube: NDArray[np.floating[Any]],
    wavelength: NDArray[np.floating[Any]],
    centres: NDArray[np.floating[Any]],
    widths: NDArray[np.floating[Any]],
    *,
    own_fwhm: NDArray[np.floating[Any]] | None = None,
) -> Cube:
    """Bands of another sensor, by Gaussian spectral responses.

    Parameters
    ----------
    cube, wavelength
        (B, H, W) and their centres (B,) in nm.
    centres, widths
        (M,) wanted centres and full widths at half maximum in nm.
    own_fwhm
        (B,) widths of the given bands. Where known, weights are narrower, so that given and wanted widths add up
        (squares of Gaussian widths add when responses are convolved); never below half the distance between bands.

    Returns
    -------
    float32 (M, H, W)
        Missing where the heaviest band is.
    """
    known = np.asarray(wavelength, dtype=np.float64)
    spacing = np.gradient(np.unique(known)) if len(np.unique(known)) > 1 else np.full(1, np.inf)
    nearest = np.abs(known - np.asarray(centres, dtype=np.float64)[:, None])
    closest = nearest.argmin(axis=1)
    effective = np.array(widths, dtype=np.float64)
    if own_fwhm is not None:
        own = np.nan_to_num(np.asarray(own_fwhm, dtype=np.float64))[closest]
        effective = np.sqrt(np.maximum(effective**2 - own**2, 0.0))
    least = float(np.median(spacing)) / 2 if np.isfinite(spacing).all() else 1.0
    effective = np.maximum(effective, least)
    weights = np.exp(-4 * math.log(2) * (np.minimum(nearest / effective[:, None], 10)) ** 2)
    weights[nearest > np.maximum(1.5 * effective, nearest.min(axis=1))[:, None]] = 0.0
    weights /= weights.sum(axis=1, keepdims=True)
    filled = np.where(np.isfinite(cube), cube, medians(cube)[:, None, None])
    result = np.tensordot(weights.astype(np.float32), filled.astype(np.float32), 1)
    result[~np.isfinite(cube)[weights.argmax(axis=1)]] = np.nan
    return np.asarray(result, dtype=np.float32)


_KINDS: Mapping[str, Kind] = {
    "illumination": Kind(
        "light of 0.8 times, and slopes of some 12° towards and away from a sun at 40°", _illuminate, spectral=True
    ),
    "haze": Kind("aerosol of optical thickness 0.3 at 550 nm, from half to one and a half times that", _haze, True),
    "season": Kind("a fifth of every pixel, from none to two fifths, is dry grass (green with a minus)", _dry, True),
}
_GREENING = Kind("the same with green grass", _green, True)
_CALIBRATION = Kind("calibration that differs by a smooth 2 %", _calibrate, True)

SHIFTS: Mapping[str, str] = {
    **{name: kind.about for name, kind in _KINDS.items()},
    "sensor": "bands 1.5 times as far apart and as wide, and calibration that differs by a smooth 2 %",
}
"""Names of the shifts, and what each does at strength 1."""
