"""Water bodies by the semi-analytical model of Gordon et al. 1988, with what dissolves and floats in them.

Remote-sensing reflectance below the surface is 0.0949 u + 0.0794 u², u = b / (a + b), a the absorption and b the
backscattering; above it, 0.52 r / (1 - 1.7 r); times π that is reflectance. Absorption of pure water after Pope and Fry
1997 up to 725 nm and after Kou et al. 1993 beyond, of algae by two Gaussians around 440 and 675 nm, of dissolved matter
after Bricaud et al. 1981. The table of pure water is only roughly theirs, and coarser still beyond 1000 nm, where
water is black at any depth.
"""

from __future__ import annotations

import numpy as np

from scripts.land_cover.spectra import WAVELENGTH, Floats, Spectra, bell

_NM = [380, 400, 420, 440, 460, 480, 500, 520, 540, 560, 580, 600, 620, 640, 660, 680, 700, 720, 740, 760, 780, 800,
       820, 840, 860, 880, 900, 920, 940, 960, 980, 1000, 1050, 1100, 1150, 1200, 1300, 1400, 2500]  # fmt: skip
_PER_METRE = [0.0114, 0.0066, 0.0045, 0.0064, 0.0098, 0.0127, 0.0204, 0.0409, 0.0474, 0.0619, 0.0896, 0.2224, 0.2755,
              0.3108, 0.41, 0.465, 0.624, 1.23, 2.71, 2.85, 2.69, 2.07, 2.6, 4.0, 4.9, 5.6, 6.8, 12.0, 29.0, 46.0, 43.0,
              36.0, 15.0, 20.0, 100.0, 100.0, 120.0, 1200.0, 5000.0]  # fmt: skip


def waters(count: int, rng: np.random.Generator) -> Spectra:
    """Clear to turbid, green to brown water, deep or shallow, with some light from the surface."""
    pure = np.exp(np.interp(WAVELENGTH, _NM, np.log(_PER_METRE)))
    drawn = np.stack([_water(pure, rng) for _ in range(count)]).astype(np.float32)
    groups = np.array([f"water {number}" for number in range(count)])
    return Spectra(drawn, np.full(count, "water"), np.full(count, "water model"), groups)


def _water(pure: Floats, rng: np.random.Generator) -> Floats:
    nm = WAVELENGTH
    algae, dissolved = 10 ** rng.uniform(-0.5, 2.0), 10 ** rng.uniform(-1.5, 0.7)
    mud = 10 ** rng.uniform(-1.0, 1.9)
    absorbed = pure + 0.03 * algae**0.7 * (bell(440, 40) + 0.5 * bell(675, 14))
    absorbed += dissolved * np.exp(-rng.uniform(0.011, 0.02) * (nm - 440))
    absorbed += 0.02 * mud * np.exp(-0.011 * (nm - 440))
    scattered = 0.0012 * (nm / 500.0) ** -4.3
    scattered += (0.002 * algae**0.6 + 0.012 * mud) * (nm / 550.0) ** -rng.uniform(0.0, 1.2)
    u = scattered / (absorbed + scattered)
    below = 0.0949 * u + 0.0794 * u**2
    reflectance = np.pi * 0.52 * below / (1 - 1.7 * below)
    surface = max(0.0, rng.normal(0.002, 0.006)) * (nm / 550.0) ** -rng.uniform(0.0, 0.6)
    return np.asarray(reflectance + surface)
