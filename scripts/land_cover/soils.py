"""Bare soils and rocks by a simple model, since libraries hold few of them and of few places.

Reflectance grows from blue to near infrared, as fast as iron and humus let it, and levels off beyond; iron oxides bend
the curve around 500 and 870 nm, clay and carbonate absorb at 2205 and 2335 nm, bound water at 1415 and 1930 nm. Depths
and shapes are drawn from wide ranges that we chose; they were taken from no library.
"""

from __future__ import annotations

import numpy as np

from scripts.land_cover.spectra import WAVELENGTH, Floats, Spectra, bell


def soils(count: int, rng: np.random.Generator) -> Spectra:
    """Dark to bright, humic, iron-rich, clayey, sandy and calcareous soils, and rocks."""
    drawn = np.stack([_soil(rng) for _ in range(count)]).astype(np.float32)
    groups = np.array([f"soil {number}" for number in range(count)])
    return Spectra(drawn, np.full(count, "soil and rock"), np.full(count, "soil model"), groups)


def _soil(rng: np.random.Generator) -> Floats:
    nm = WAVELENGTH
    bright, dark = rng.uniform(0.12, 0.6), rng.uniform(0.1, 0.5)
    length = np.exp(
        rng.uniform(np.log(180), np.log(900))
    )  # nm over which reflectance grows: short of sand, long of humus
    growth = 1 - np.exp(-(((nm - 320) / length) ** rng.uniform(0.9, 1.8)))
    curve = bright * (dark * 0.5 + (1 - dark * 0.5) * growth)
    curve *= 1 + rng.uniform(-0.12, 0.08) * (nm - 1300) / 1200
    iron = rng.uniform(0, 1) ** 2
    curve *= 1 - iron * (0.45 * bell(490, 55) + 0.2 * bell(rng.uniform(860, 920), 60))
    clay, lime, bound = rng.uniform(0, 0.18), max(0.0, rng.normal(0, 0.1)), rng.uniform(0, 0.2)
    curve *= 1 - clay * bell(2205, 18) - 0.5 * clay * bell(2160, 15) * (rng.random() < 0.4)
    curve *= 1 - lime * bell(2335, 25)
    curve *= 1 - bound * (0.6 * bell(1415, 30) + bell(1930, 45))
    return np.asarray(curve)
