"""What a sensor sees of labelled spectra: pixels of several materials, light and shade, residues of the air, noise."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scripts.land_cover.foreign import foreign, gas_transmission
from scripts.land_cover.sensors import Sensor
from scripts.land_cover.spectra import BROAD, LEAVES, OF_BROAD, WAVELENGTH, Floats, Spectra, allowed

_FOREIGN = 0.2
"""Share of the spectra that are no land cover."""
_MIXED = 0.65
"""Share of the others that hold several materials."""
_MATERIALS = 3
"""How many at most."""
_TELLING = 0.7
"""Share of its broad class from which on a material gives a pixel its finest class."""


class Pixels(NamedTuple):
    """Pixels before a sensor sees them.

    Attributes
    ----------
    values
        (n, M) float32 reflectance at `WAVELENGTH`.
    classes
        (n, 7) bool: which of the finest classes it may be, none where it is no land cover.
    """

    values: NDArray[np.float32]
    classes: NDArray[np.bool_]


class Viewer:
    """Draws views of spectra, classes alike often, and within a class sources and groups alike."""

    def __init__(self, spectra: Spectra) -> None:
        self._values = spectra.values
        self._classes = np.stack([allowed(name) for name in spectra.classes])
        self._weights = _balanced(spectra)
        self._soil = np.flatnonzero(spectra.classes == "soil and rock")

    def draw(self, count: int, rng: np.random.Generator, *, strength: float = 1.0) -> Pixels:
        """So many pixels; `strength` 0 leaves materials pure and the air clean."""
        chosen = rng.choice(len(self._weights), (_MATERIALS, count), p=self._weights)
        materials = self._values[chosen.ravel()]
        materials = _moist(materials, np.isin(chosen.ravel(), self._soil), rng, strength)
        shares = _shares(rng.random(count) < _MIXED * strength, rng)
        values = _mixture(materials.reshape(_MATERIALS, count, -1), shares, rng)
        classes = _most(shares, self._classes[chosen])
        strange = rng.random(count) < _FOREIGN * (strength > 0)
        if strange.any():
            values[strange] = foreign(values[strange], rng)
            classes[strange] = False
        values = _lit(values, rng, strength)
        values = _through_air(values, ~strange, rng, strength)
        return Pixels(values.astype(np.float32), classes)


def _shares(mixed: NDArray[np.bool_], rng: np.random.Generator) -> Floats:
    """(M, n) shares of the materials of pixels, sum 1: the first one alone, or in mixed pixels any."""
    drawn = rng.gamma(rng.uniform(0.3, 1.5, len(mixed)), size=(_MATERIALS, len(mixed))) + 1e-9
    alone = np.zeros_like(drawn)
    alone[0] = 1.0
    return np.where(mixed, drawn / drawn.sum(axis=0), alone)


def _mixture(materials: Floats, shares: Floats, rng: np.random.Generator) -> Floats:
    """Spectra (n, L) of pixels of materials (M, n, L): linear mixtures or, some of them, intimate ones."""
    linear = np.einsum("mn,mnl->nl", shares, materials)
    intimate = np.exp(np.einsum("mn,mnl->nl", shares, np.log(materials.clip(1e-4))))
    return np.where(rng.random((len(linear), 1)) < 0.2, intimate, linear)


def _most(shares: Floats, classes: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which of the finest classes (n, 7) the broad class may be that has most of a pixel.

    Where a single material has most of what that broad class has, they are those of this material, else of all of them.

    Parameters
    ----------
    shares
        (M, n) of the materials.
    classes
        (M, n, 7) which of the finest classes each material may be, all of one broad class.
    """
    broad = (classes @ OF_BROAD).argmax(axis=2)  # (M, n)
    of_broad = np.stack([(shares * (broad == number)).sum(axis=0) for number in range(len(BROAD))])
    winner = of_broad.argmax(axis=0)
    told = shares * (broad == winner) >= _TELLING * of_broad.max(axis=0)
    counted = np.where(told.any(axis=0), told, (broad == winner) & (shares > 0))
    return np.asarray((counted[:, :, None] & classes).any(axis=0))


def _balanced(spectra: Spectra) -> Floats:
    """(n,) chances of sum 1: the same for all leaves, and for sources and groups within them by their square roots."""
    weights = np.zeros(len(spectra))
    share = dict.fromkeys(LEAVES, 1.0) | {"green vegetation": 1.0, "built-up": 0.5}
    for name in np.unique(spectra.classes):
        of_class = spectra.classes == name
        sources = np.unique(spectra.sources[of_class])
        of_source = {source: of_class & (spectra.sources == source) for source in sources}
        total = sum(np.sqrt(len(np.unique(spectra.groups[rows]))) for rows in of_source.values())
        for rows in of_source.values():
            groups, inverse, counts = np.unique(spectra.groups[rows], return_inverse=True, return_counts=True)
            weights[rows] = share[name] * np.sqrt(len(groups)) / total / len(groups) / counts[inverse]
    return weights / weights.sum()


def _moist(values: Floats, soil: NDArray[np.bool_], rng: np.random.Generator, strength: float) -> Floats:
    """Soils darker when wet, most where water absorbs (Lobell and Asner 2002)."""
    wet = soil & (rng.random(len(values)) < 0.5 * strength)
    if wet.any():
        depth = rng.uniform(0, 0.8, (int(wet.sum()), 1))
        absorbed = 1 + 0.8 * np.exp(-0.5 * ((WAVELENGTH - 1450) / 60) ** 2)
        absorbed += 1.2 * np.exp(-0.5 * ((WAVELENGTH - 1930) / 80) ** 2) + 0.3 * (WAVELENGTH > 1400)
        values = values.copy()
        values[wet] *= np.exp(-depth * absorbed)
    return values


def _lit(values: Floats, rng: np.random.Generator, strength: float) -> Floats:
    """Slopes and shade: less light of the sun, and of what is left more that is blue."""
    count = len(values)
    direct = np.exp(0.35 * strength * rng.standard_normal((count, 1)))
    shaded = rng.random((count, 1)) < 0.25 * strength
    sun = np.where(shaded, rng.uniform(0.1, 0.8, (count, 1)), 1.0)
    sky = rng.uniform(0.05, 0.25, (count, 1)) * (WAVELENGTH / 450) ** -rng.uniform(1.0, 3.0, (count, 1))
    return values * direct * np.where(shaded, sun + (1 - sun) * sky, 1.0)


def _through_air(values: Floats, land: NDArray[np.bool_], rng: np.random.Generator, strength: float) -> Floats:
    """What a correction leaves: a little haze or too little, gases, and smooth errors of gain."""
    count, there = len(values), (rng.random((len(values), 1)) < 0.7 * strength) & land[:, None]
    haze = 0.012 * rng.standard_normal((count, 1)) * (WAVELENGTH / 450) ** -rng.uniform(0.5, 4.0, (count, 1))
    gases = gas_transmission(0.12 * rng.standard_normal((count, 1)))
    phase, length = rng.uniform(0, 2 * np.pi, (count, 1)), np.exp(rng.uniform(np.log(150), np.log(1500), (count, 1)))
    gain = 1 + 0.05 * rng.standard_normal((count, 1)) * np.sin(WAVELENGTH / length * 2 * np.pi + phase)
    return np.where(there, (values * gain * np.where(np.abs(gases) < 3, gases, 1.0) + haze), values)


def measured(
    values: NDArray[np.float32], sensor: Sensor, rng: np.random.Generator, strength: float = 1.0
) -> NDArray[np.float32]:
    """What a sensor measures (n, B) of spectra (n, M): gain, offset and noise of every band.

    Gains are shared by all of them, as in a scene.
    """
    seen = values @ sensor.responses()
    count, bands = seen.shape
    gain = 1 + rng.uniform(0, 0.03) * strength * rng.standard_normal(bands)
    offset = rng.uniform(0, 0.004) * strength * rng.standard_normal(bands)
    grain = rng.uniform(0, 0.006, (count, 1)) * strength * rng.standard_normal((count, bands), dtype=np.float32)
    speckle = 1 + rng.uniform(0, 0.03, (count, 1)) * strength * rng.standard_normal((count, bands), dtype=np.float32)
    return (seen * gain * speckle + offset + grain).astype(np.float32)
