"""The simulated valley: parcels, a river, woods, roads and a village, on a grid finer than the pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hsiattn.simulation.covers import ASPHALT, GRASS, MAIZE, ROOF, SOIL, STUBBLE, WATER, WOOD, Floats

CELLS = 4
"""Cells of the fine grid per pixel side."""


@dataclass(frozen=True)
class Land:
    """Regions on the fine grid: a field, the river, one wood, one roof, … each with one cover.

    Attributes
    ----------
    region
        Number of the region of every cell, (height × 4, width × 4).
    cover
        Class index of every region.
    surveyed
        True for regions whose pixels may be labelled.
    """

    region: NDArray[np.int32]
    cover: NDArray[np.int64]
    surveyed: NDArray[np.bool_]


class _Map:
    """Regions painted one over the other; distances are in pixels."""

    def __init__(self, height: int, width: int) -> None:
        centre = (np.arange(height * CELLS) + 0.5) / CELLS, (np.arange(width * CELLS) + 0.5) / CELLS
        self.y, self.x = centre[0][:, None], centre[1][None, :]
        self.region = np.zeros((height * CELLS, width * CELLS), dtype=np.int32)
        self.cover: list[int] = []
        self.surveyed: list[bool] = []

    def paint(self, where: NDArray[np.bool_], cover: int, surveyed: bool) -> None:
        """A new region of one cover."""
        self.region[where] = len(self.cover)
        self.cover.append(cover)
        self.surveyed.append(surveyed)

    def turned(self, degrees: float) -> tuple[Floats, Floats]:
        """Coordinates along axes that are turned against the rows."""
        angle = np.deg2rad(degrees)
        return self.x * np.cos(angle) + self.y * np.sin(angle), self.y * np.cos(angle) - self.x * np.sin(angle)


def lay_out(height: int, width: int, rng: np.random.Generator) -> Land:
    """Fields on both sides of a road, a river with wooded banks, a wood, and a village at the crossroads."""
    land = _Map(height, width)
    along, across = land.turned(14.0)
    road = 0.62 * height + 0.02 * width
    for side, degrees in ((across < road, 14.0), (across >= road, 31.0)):
        _paint_fields(land, side, degrees, rng)

    rough = smooth_noise(rng, land.region.shape, 14 * CELLS) + 0.3 * smooth_noise(rng, land.region.shape, 4 * CELLS)
    wood = np.hypot((land.x - 0.83 * width) / (0.2 * width), (land.y - 0.17 * height) / (0.2 * height))
    land.paint(wood + 0.12 * rough < 1, WOOD, True)

    u, v = land.turned(-38.0)
    bed = 0.22 * height + 0.035 * height * np.sin(u / (0.11 * width)) + 0.02 * height * np.sin(u / (0.047 * width) + 1)
    bank = np.abs(v - bed)
    land.paint(bank < 0.036 * height + 2.2 * rough, WOOD, True)
    land.paint(bank < 0.021 * height, WATER, True)
    pond = np.hypot((land.x - 0.2 * width) / (0.075 * width), (land.y - 0.83 * height) / (0.05 * height))
    land.paint(pond + 0.1 * rough < 1, WATER, True)

    _paint_village(land, along, across, (0.53 * width, 0.83 * width, road - 0.24 * height, road), rng)
    _paint_village(land, along, across, (0.82 * width, 1.03 * width, road, road + 0.19 * height), rng)
    land.paint(np.abs(across - road) < 1.6, ASPHALT, True)
    land.paint((np.abs(along - 0.52 * width) < 1.5) & (across < road), ASPHALT, True)
    return Land(land.region, np.array(land.cover), np.array(land.surveyed))


def _paint_fields(land: _Map, side: NDArray[np.bool_], degrees: float, rng: np.random.Generator) -> None:
    """Parcels with straight edges: a rectangle that is cut in two until the parts are of field size."""
    u, v = land.turned(degrees)
    covers = (MAIZE, GRASS, STUBBLE, SOIL)
    bag: list[int] = []
    for u0, u1, v0, v1 in _cut((u[side].min(), u[side].max(), v[side].min(), v[side].max()), rng):
        inside = side & (u >= u0) & (u < u1) & (v >= v0) & (v < v1)
        if not inside.any():
            continue
        bag = bag or rng.permutation(covers).tolist()  # every crop comes as often as the others
        margin = 0.45  # of grass, narrower than a pixel: it is seen as mixed pixels only
        field = inside & (u >= u0 + margin) & (u < u1 - margin) & (v >= v0 + margin) & (v < v1 - margin)
        land.paint(inside, GRASS, False)
        land.paint(field, bag.pop(), bool(rng.random() < 0.75))


Rectangle = tuple[float, float, float, float]


def _cut(rectangle: Rectangle, rng: np.random.Generator, largest: float = 900.0) -> Iterator[Rectangle]:
    """Parts of a rectangle (u0, u1, v0, v1), none larger than so many square pixels."""
    u0, u1, v0, v1 = rectangle
    if (u1 - u0) * (v1 - v0) <= largest * rng.uniform(0.7, 1.6):
        yield rectangle
        return
    share = rng.uniform(0.36, 0.64)
    if (u1 - u0) > 1.25 * (v1 - v0):
        middle = u0 + share * (u1 - u0)
        parts = (u0, middle, v0, v1), (middle, u1, v0, v1)
    else:
        middle = v0 + share * (v1 - v0)
        parts = (u0, u1, v0, middle), (u0, u1, middle, v1)
    for part in parts:
        yield from _cut(part, rng, largest)


def _paint_village(land: _Map, along: Floats, across: Floats, limits: Rectangle, rng: np.random.Generator) -> None:
    """Gardens with houses in rows along side streets that run as the road does."""
    left, right, top, bottom = limits
    inside = (along > left) & (along < right) & (across > top) & (across < bottom)
    land.paint(inside, GRASS, False)
    spacing = 15.0
    for street in np.arange(bottom - spacing, top, -spacing):
        land.paint(inside & (np.abs(across - street) < 1.2), ASPHALT, True)
    for row in np.arange(bottom - spacing / 2, top, -spacing):
        for place in np.arange(left + 5.0, right - 4.0, 9.5):
            if rng.random() < 0.15:
                continue  # a garden without a house
            half_length, half_depth = rng.uniform(2.3, 3.6), rng.uniform(2.0, 3.0)
            house = np.abs(along - place - rng.uniform(-0.8, 0.8)) < half_length
            house &= np.abs(across - row - rng.uniform(-1.0, 1.0)) < half_depth
            cover = ROOF if rng.random() < 0.85 else ASPHALT  # some roofs are flat and sealed with bitumen
            land.paint(inside & house, cover, cover == ROOF)
            tree = np.hypot(along - place - 4.6, across - row - rng.uniform(-3, 3)) < rng.uniform(0.7, 1.5)
            land.paint(inside & tree, WOOD, False)


def pure_pixels(land: Land, rng: np.random.Generator) -> NDArray[np.int64]:
    """Class index of the pixels that lie in one surveyed region, with their neighbours in large ones; else -1."""
    height, width = (size // CELLS for size in land.region.shape)
    cells = land.region.reshape(height, CELLS, width, CELLS).transpose(0, 2, 1, 3).reshape(height, width, -1)
    region = cells[..., 0]
    pure = (cells == region[..., None]).all(axis=-1) & land.surveyed[region]
    core = pure.copy()
    for axis in (0, 1):
        for step in (-1, 1):
            core &= pure & (np.roll(region, step, axis) == region)
    narrow = np.isin(land.cover, (ASPHALT, ROOF))[region]
    kept = np.where(narrow, pure & (rng.random(pure.shape) < 0.8), core)
    return np.where(kept, land.cover[region], -1)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> Floats:
    """Gaussian noise of unit variance, correlated over about `scale` cells."""
    y, x = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :]
    low_pass = np.exp(-2 * (np.pi * scale / 2) ** 2 * (y**2 + x**2))
    smooth = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(shape)) * low_pass, s=shape)
    return np.asarray((smooth - smooth.mean()) / smooth.std())
