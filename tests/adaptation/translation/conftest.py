"""A tiny scene with fields of four materials, the same in other light elsewhere, and settings that learn quickly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from hsiattn.adaptation.translation import TranslationSettings
from hsiattn.scenes import SceneSource, as_scene, as_source

TINY = TranslationSettings(
    components=3, tile=8, tiles=6, width=4, downsamplings=1, blocks=1, style=2, style_downsamplings=2, hidden=8,
    scales=1, judge_width=4, judge_layers=2, batch_size=2, epochs=2,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Place:
    """Reflectance (B, H, W) and class codes (H, W) of a place."""

    cube: np.ndarray
    codes: np.ndarray

    def source(self, **known: object) -> SceneSource:
        """The place as a scene."""
        given = {"wavelengths": WAVELENGTHS, "scale": 1.0, "name": "place", **known}
        return as_source(as_scene(self.cube.transpose(1, 2, 0), **given))


WAVELENGTHS = np.linspace(450, 900, 10)


def place(seed: int, height: int = 26, width: int = 21) -> Place:
    """Fields of 5 × 5 pixels, each of one of four materials whose spectra are always the same."""
    x = np.linspace(0, 1, 10)
    materials = np.stack([0.1 + 0.3 * x, 0.35 - 0.2 * x, 0.2 + 0.15 * np.sin(6 * x), 0.3 + 0.1 * np.cos(9 * x)])
    random = np.random.default_rng(seed)
    fields = random.integers(0, 4, (-(-height // 5), -(-width // 5)))
    index = np.kron(fields, np.ones((5, 5), dtype=int))[:height, :width]
    noise = 0.01 * random.standard_normal((10, height, width))
    return Place((materials[index].transpose(2, 0, 1) + noise).astype(np.float32), index + 1)


def hazy(cube: np.ndarray) -> np.ndarray:
    """Less light and a veil that is strongest in the blue."""
    return (0.7 * cube + 0.08 * (450 / WAVELENGTHS)[:, None, None] ** 2).astype(np.float32)


@pytest.fixture(scope="package")
def here() -> Place:
    """The place that is translated."""
    return place(1)


@pytest.fixture(scope="package")
def there() -> Place:
    """Another place, in other light."""
    other = place(2)
    return Place(hazy(other.cube), other.codes)
