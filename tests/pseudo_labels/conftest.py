"""Areas from arrays, and a scene of square fields whose class, spectra and noise are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from hsiattn.pseudo_labels import SceneRegion


def _make_area(cube: np.ndarray, valid: np.ndarray | None = None) -> SceneRegion:
    """The area of one rectangle, spectra (H, W, B), all of it or where valid (H, W)."""
    valid = np.ones(cube.shape[:2], dtype=bool) if valid is None else valid
    positions = np.argwhere(valid)
    return SceneRegion(positions, cube[valid].astype(np.float32), positions)


@pytest.fixture(scope="session")
def make_area() -> Callable[..., SceneRegion]:
    """The function that makes an area from an array."""
    return _make_area


@dataclass(frozen=True)
class Fields:
    """A scene of square fields.

    Attributes
    ----------
    cube
        (H, W, B) reflectance.
    classes
        (H, W), 0 … K - 1.
    means
        (K, B), without noise.
    """

    cube: np.ndarray
    classes: np.ndarray
    means: np.ndarray

    def label(self, count: int, valid: np.ndarray | None = None, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Indices in the area, and classes, of so many random pixels of every class."""
        classes = self.classes.ravel() if valid is None else self.classes[valid]
        rng = np.random.default_rng(seed)
        chosen = [rng.permutation(np.flatnonzero(classes == k))[:count] for k in range(len(self.means))]
        return np.concatenate(chosen), classes[np.concatenate(chosen)]


def _make_fields(
    height: int = 30, width: int = 30, *, classes: int = 3, bands: int = 12, noise: float = 0.02, side: int = 6
) -> Fields:
    """Fields of side × side pixels, classes in turn, white noise."""
    rng = np.random.default_rng(0)
    rows, columns = np.indices((height, width))
    members = (rows // side + columns // side) % classes
    means = rng.uniform(0.1, 0.6, (classes, bands))
    return Fields(means[members] + noise * rng.normal(size=(height, width, bands)), members, means)


@pytest.fixture(scope="session")
def make_fields() -> Callable[..., Fields]:
    """The function that makes a scene of fields."""
    return _make_fields


@pytest.fixture
def full_forests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forests of as many trees as outside of the tests."""
    monkeypatch.setattr("hsiattn.pseudo_labels.discriminants._TREES", 100)
