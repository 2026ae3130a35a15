"""What the simulated sensor sees of the valley: mixed pixels, uneven light, noise, and the edge of its swath."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsiattn.simulation.covers import CLASSES, COVERS, LOOKALIKES, Floats, gauss, rise
from hsiattn.simulation.landscape import CELLS, Land, smooth_noise


def mix_covers(land: Land, wavelength: Floats, rng: np.random.Generator) -> NDArray[np.float32]:
    """Reflectance (B, height, width): cells averaged, each field and each spot of it a little different."""
    pairs = [COVERS[cover] for cover in range(len(CLASSES))]
    typical = np.stack([first(wavelength) for first, _ in pairs])[land.cover]
    shaded = np.stack([second(wavelength) for _, second in pairs])[land.cover]
    mates = np.array([LOOKALIKES.get(cover, cover) for cover in range(len(CLASSES))])
    alien = np.stack([pairs[mate][0](wavelength) for mate in mates])[land.cover]
    count = len(land.cover)
    share = np.clip(rng.normal(0.16, 0.09, count), 0.0, 0.4)[:, None]  # of the second spectrum, per region
    brightness = rng.normal(1.0, 0.05, count)[:, None]
    tilt = 1 + rng.normal(0, 0.03, count)[:, None] * (wavelength - 1450) / 1050
    first = (brightness * tilt * ((1 - share) * typical + share * shaded)).astype(np.float32)
    first += (rng.uniform(0.0, 0.3, count)[:, None] * (alien - typical)).astype(np.float32)
    shade, weeds = ((brightness * (other - typical)).astype(np.float32) for other in (shaded, alien))

    height, width = (size // CELLS for size in land.region.shape)
    mean = np.zeros((height, width, wavelength.size), dtype=np.float32)
    shade_slope, weeds_slope = np.zeros_like(mean), np.zeros_like(mean)
    for i in range(CELLS):
        for j in range(CELLS):
            cells = land.region[i::CELLS, j::CELLS]
            mean += first[cells]
            shade_slope += shade[cells]
            weeds_slope += weeds[cells]
    patchy = 0.075 * (smooth_noise(rng, (height, width), 6) + 0.7 * rng.standard_normal((height, width)))
    weedy = 0.05 * smooth_noise(rng, (height, width), 4) + 0.16 * rng.standard_normal((height, width))
    mixed = (
        mean + shade_slope * patchy[..., None].astype(np.float32) + weeds_slope * weedy[..., None].astype(np.float32)
    )
    mixed /= CELLS**2
    return np.ascontiguousarray(np.maximum(mixed, 0.001).transpose(2, 0, 1))


def illuminate(reflectance: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """The gradient across the swath that correction leaves behind, and thin haze: smooth factors near 1."""
    _, height, width = reflectance.shape
    across = np.linspace(-1, 1, width)[None, :]
    gradient = 1 + 0.09 * across - 0.03 * across**2 + 0.02 * smooth_noise(rng, (height, width), max(height, width) / 4)
    return (reflectance * gradient).astype(np.float32)


def in_water_vapour(wavelength: Floats) -> NDArray[np.bool_]:
    """Bands in which the atmosphere lets hardly any light through."""
    return ((wavelength > 1340) & (wavelength < 1445)) | ((wavelength > 1790) & (wavelength < 1965))


def noise_of_bands(wavelength: Floats) -> NDArray[np.float32]:
    """Standard deviation of the noise in reflectance: more in blue and SWIR, gross in water vapour."""
    sigma = 0.0022 + 0.004 * np.exp(-(wavelength - 400) / 45) + 0.0035 * rise(wavelength, 2250, 90)
    sigma += 0.0025 * (gauss(wavelength, 940, 18) + gauss(wavelength, 1135, 22))
    return np.where(in_water_vapour(wavelength), 0.12, sigma).astype(np.float32)


def outside_swath(height: int, width: int) -> NDArray[np.bool_]:
    """Pixels beside the flight strip, which runs a few degrees off the column direction."""
    y, x = np.mgrid[:height, :width] + 0.5
    left, right = 0.035 * width - 0.05 * y, width + 0.05 * (height - y) - 0.035 * width
    return np.asarray((x < left) | (x > right))
