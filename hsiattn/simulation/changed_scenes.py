"""Scenes as disturbances and shifts would have them: the same grid and bands, other values."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsiattn.errors import SceneError
from hsiattn.scenes import Radiometry, SceneSource, SpectralBands, as_source, georeference
from hsiattn.simulation.disturbances import DISTURBANCES, disturb
from hsiattn.simulation.shifts import SHIFTS, other_bands, shift

BRIGHT = 0.5
"""Reflectance that stands for the brightest twentieth of a scene's values where the scene does not state its unit."""
_MOST_VALUES = 2**29
"""Values of a cube, 2 GiB of them, beyond which a scene is not changed in memory, where it takes four times that."""


def changed_scene(scene: Any, name: str, strength: float = 1.0, *, seed: int = 0) -> xr.DataArray:
    """Show a scene under a disturbance or shift, in memory.

    Parameters
    ----------
    scene
        Anything `as_source` takes.
    name
        One of `DISTURBANCES` or `SHIFTS`; for `haze` and all others that occur once there is no doubt.
    strength, seed
        See `disturb` and `shift`.

    Returns
    -------
    DataArray
        As from `to_scene`, float32 in the units of the scene, NaN where missing: the scene's radiometry holds for it.
        Its bands are the scene's, but for `sensor`. Where a scene does not say how values become reflectance, they are
        taken to be in proportion to it, `BRIGHT` for the brightest twentieth.

    Raises
    ------
    SceneError
        The scene cannot be read, holds no data, or is too large to be held in memory.
    BandError
        The change depends on wavelengths, and they are unknown.
    ValueError
        There is no such change, or the strength is none.
    """
    source = as_source(scene)
    cube, radiometry = reflectance_of(source)
    bands = source.bands
    if name in DISTURBANCES:
        changed = disturb(cube, name, strength, wavelength=bands.wavelength, seed=seed)
    elif name in SHIFTS:
        changed, centres = shift(cube, name, strength, wavelength=bands.wavelength, fwhm=bands.fwhm, seed=seed)
        if centres is not None and len(centres) != len(bands):
            bands, radiometry = _bands_of_sensor(bands, strength), _shared(radiometry, len(centres))
    else:
        raise ValueError(f"there is no change {name!r}; there are {', '.join((*DISTURBANCES, *SHIFTS))}")
    return _as_scene(changed, source, bands, radiometry, f"{source.name} ({name} {strength:g})")


def reflectance_of(source: SceneSource) -> tuple[NDArray[np.float32], Radiometry]:
    """Reflectance (B, H, W) of a whole scene, NaN where missing, and the radiometry by which it was computed.

    Raises
    ------
    SceneError
        The scene cannot be read, holds no data, or is too large to be held in memory.
    """
    if np.prod(source.shape, dtype=np.int64) > _MOST_VALUES:
        raise SceneError(f"{source.name} is too large to be changed in memory", "cut out the part with labels")
    stored, mask = source.read(source.extent), source.masked(source.extent)
    missing = source.missing(stored)
    if mask is not None:
        missing |= mask
    cube = stored.astype(np.float32)
    cube[missing] = np.nan
    if missing.all():
        raise SceneError(f"{source.name} holds no data", "check nodata and mask of the scene")
    radiometry = source.radiometry
    if not radiometry.stated:
        bright = float(np.quantile(cube[~missing], 0.95))
        radiometry = Radiometry(np.full(len(cube), BRIGHT / bright if bright > 0 else 1.0), np.zeros(len(cube)), False)
    cube *= radiometry.gain[:, None, None].astype(np.float32)
    cube += radiometry.offset[:, None, None].astype(np.float32)
    return cube, radiometry


def _bands_of_sensor(bands: SpectralBands, strength: float) -> SpectralBands:
    from hsiattn.simulation.shifts import STEP

    centres, widths = other_bands(bands.wavelength, STEP**strength)
    return SpectralBands.build(len(centres), wavelength=centres, fwhm=widths)


def _shared(radiometry: Radiometry, count: int) -> Radiometry:
    """For bands made of several others: the gain of all where they share it, else reflectance itself."""
    if radiometry.scale is not None:
        return Radiometry(np.full(count, radiometry.gain[0]), np.zeros(count), radiometry.stated)
    return Radiometry.divided_by(1.0, count)


def _as_scene(
    cube: NDArray[np.float32], source: SceneSource, bands: SpectralBands, radiometry: Radiometry, name: str
) -> xr.DataArray:
    """The scene of reflectance, back in stored units."""
    gain, offset = (part.astype(np.float32)[:, None, None] for part in (radiometry.gain, radiometry.offset))
    attrs: dict[str, Any] = {"name": name}
    coords: dict[str, Any] = {}
    if radiometry.stated:
        coords = {"gain": ("band", radiometry.gain), "offset": ("band", radiometry.offset)}
    if bands.nominal:
        attrs["wavelength_nominal"] = True
    if source.has_mask:
        coords["masked"] = (("y", "x"), source.masked(source.extent))
    values = (cube - offset) / gain
    changed = xr.DataArray(values, dims=("band", "y", "x"), coords=bands.coords() | coords, attrs=attrs, name="scene")
    return georeference(changed, source.grid)
