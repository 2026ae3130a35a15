"""The land covers of the simulated scene: their legend, and spectra composed of the absorptions that make real ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hsiattn.classes import ClassTable

Floats = NDArray[np.float64]

CLASSES = ClassTable.from_records(
    [
        {"code": 1, "name": "maize", "color": "#f2b134"},
        {"code": 10, "name": "grassland", "color": "#8bc34a"},
        {"code": 11, "name": "stubble", "color": "#e8d9a0"},
        {"code": 12, "name": "bare soil", "color": "#a1662f"},
        {"code": 20, "name": "woodland", "color": "#1b5e20"},
        {"code": 30, "name": "water", "color": "#1e88e5"},
        {"code": 40, "name": "asphalt", "color": "#616161"},
        {"code": 41, "name": "tiled roof", "color": "#d84315"},
    ]
)
"""Legend of the example."""

MAIZE, GRASS, STUBBLE, SOIL, WOOD, WATER, ASPHALT, ROOF = range(8)
"""Class indices, in the order of the legend."""


def gauss(wavelength: Floats, centre: float, width: float) -> Floats:
    """An absorption or a peak of height 1, its deviation in nm."""
    return np.asarray(np.exp(-0.5 * ((wavelength - centre) / width) ** 2))


def rise(wavelength: Floats, centre: float, width: float) -> Floats:
    """An edge from 0 to 1, over about four times its width in nm."""
    return np.asarray(1.0 / (1.0 + np.exp(-(wavelength - centre) / width)))


def _leaf(w: Floats, plateau: float, green: float, edge: float, water: float) -> Floats:
    """Green vegetation: NIR plateau, height of the green peak, position of the red edge (nm), leaf water (relative)."""
    visible = 0.032 + green * gauss(w, 553, 32) + 0.35 * green * gauss(w, 620, 35)
    tissue = plateau * rise(w, edge, 13) * (1 - 0.12 * rise(w, 1350, 60))
    depth = 0.07 * gauss(w, 975, 28) + 0.16 * gauss(w, 1195, 45) + 1.25 * gauss(w, 1455, 70)
    depth += 1.9 * gauss(w, 1945, 95) + 0.55 * rise(w, 1420, 40) + 0.75 * rise(w, 2080, 190)
    return visible * (1 - 0.6 * rise(w, 1300, 80)) + tissue * np.exp(-water * depth)


def _mineral_soil(w: Floats, brightness: float, moisture: float) -> Floats:
    """Bare soil: rising and saturating, with iron oxide, hydroxyl, water and clay (2200 nm) absorptions."""
    shape = 0.045 + 0.42 * (1 - np.exp(-np.clip(w - 380, 0, None) / 620)) - 0.05 * rise(w, 2250, 90)
    shape *= 1 - 0.10 * gauss(w, 500, 55) - 0.06 * gauss(w, 880, 70) - 0.09 * gauss(w, 2205, 28)
    return brightness * shape * np.exp(-moisture * (0.35 * gauss(w, 1420, 45) + 0.75 * gauss(w, 1925, 60)))


def _straw(w: Floats) -> Floats:
    """Dry plant matter: no chlorophyll, lignin and cellulose absorptions at 1730, 2100 and 2310 nm."""
    shape = 0.07 + 0.44 * (1 - np.exp(-np.clip(w - 400, 0, None) / 380))
    shape *= 1 - 0.10 * gauss(w, 1475, 60) - 0.05 * gauss(w, 1730, 30) - 0.20 * rise(w, 1880, 35)
    return shape * (1 - 0.14 * gauss(w, 2100, 50) - 0.12 * gauss(w, 2310, 40))


def _open_water(w: Floats) -> Floats:
    return 0.004 + 0.058 * gauss(w, 560, 75) * (1 - 0.3 * gauss(w, 675, 15)) + 0.022 * (1 - rise(w, 640, 35))


def _asphalt(w: Floats) -> Floats:
    shape = 0.085 + 0.075 * (1 - np.exp(-(w - 400) / 800))
    return shape * (1 - 0.04 * gauss(w, 1730, 30) - 0.08 * gauss(w, 2310, 45))


def _tile(w: Floats) -> Floats:
    """Fired clay: iron oxide takes the blue and green, and dips at 870 nm."""
    shape = 0.055 + 0.21 * rise(w, 585, 22) + 0.19 * (1 - np.exp(-np.clip(w - 620, 0, None) / 450))
    return shape * (1 - 0.13 * gauss(w, 870, 75) - 0.05 * gauss(w, 1930, 50) - 0.05 * gauss(w, 2205, 30))


COVERS: dict[int, tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]] = {
    MAIZE: (lambda w: _leaf(w, 0.47, 0.062, 718, 1.00), lambda w: _mineral_soil(w, 0.70, 1.0)),
    GRASS: (lambda w: _leaf(w, 0.44, 0.070, 714, 0.86), _straw),
    STUBBLE: (lambda w: 0.55 * _straw(w) + 0.45 * _mineral_soil(w, 0.85, 0.7), lambda w: _mineral_soil(w, 0.85, 0.7)),
    SOIL: (lambda w: _mineral_soil(w, 0.78, 1.0), lambda w: _mineral_soil(w, 0.45, 2.0)),
    WOOD: (lambda w: 0.80 * _leaf(w, 0.42, 0.034, 721, 1.15), lambda w: 0.25 * _leaf(w, 0.42, 0.03, 721, 1.3)),
    WATER: (_open_water, lambda w: _open_water(w) + 0.03 * _mineral_soil(w, 1.0, 3.0)),
    ASPHALT: (_asphalt, lambda w: 1.7 * _asphalt(w)),
    ROOF: (_tile, lambda w: 0.6 * _tile(w)),
}
"""Per class: its typical spectrum, and the one it shades into (soil between the plants, shade in a wood, silt, …)."""

LOOKALIKES = {MAIZE: GRASS, GRASS: MAIZE, STUBBLE: SOIL, SOIL: STUBBLE}
"""Weeds among the maize, patches of bare soil in the stubble: what a field holds of another class than its own."""
