"""Land on a fine grid: streets with houses and gardens, halls in yards, fields, woods, lakes, roads and trees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hsiattn.simulation.landscape import smooth_noise

Grid = NDArray[np.int32]
Rectangle = tuple[int, int, int, int]
"""Top, bottom, left and right in cells."""

USES = ("field", "wood", "tree", "garden", "square", "road", "roof", "lake")


@dataclass(frozen=True)
class LayoutSettings:
    """What land is like.

    Attributes
    ----------
    town, wood, lake
        Shares of the land; woods give way to the town, and both to lakes.
    field_size, field_spread
        Typical size in cells of fields and woods, and the deviation of its logarithm.
    industry
        Share of blocks of the town with one large roof in a yard.
    park
        Share of blocks without houses.
    trees
        Trees per cell of the land, but for the lakes.
    roads
        Number of roads that cross the land.
    bend
        Deviation in cells from straight streets and borders.
    """

    town: float
    wood: float
    lake: float
    field_size: float
    field_spread: float
    industry: float
    park: float
    trees: float
    roads: int
    bend: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Land anywhere between a city and the open country."""
        return cls(
            town=0.05 + 0.8 * rng.beta(0.7, 1.3),
            wood=rng.uniform(0.05, 0.3),
            lake=rng.uniform(0.02, 0.1),
            field_size=float(np.exp(rng.uniform(np.log(200), np.log(50_000)))),
            field_spread=rng.uniform(0.6, 1.4),
            industry=rng.uniform(0.05, 0.35),
            park=rng.uniform(0.05, 0.2),
            trees=float(np.exp(rng.uniform(np.log(0.0001), np.log(0.006)))),
            roads=int(rng.integers(2, 9)),
            bend=rng.uniform(0, 12),
        )


@dataclass(eq=False)
class Layout:
    """Fields on the fine grid, each of one use; a house, a street and a tree are fields too.

    Attributes
    ----------
    region
        Number of the field of every cell (side, side).
    uses
        Use of every field, one of `USES`.
    """

    region: Grid
    uses: list[str] = field(default_factory=list)

    def add(self, use: str) -> int:
        """Number of a new field."""
        self.uses.append(use)
        return len(self.uses) - 1


def lay_out_town(side: int, settings: LayoutSettings, rng: np.random.Generator) -> Layout:
    """Land of so many cells along each side."""
    land = Layout(np.zeros((side, side), dtype=np.int32))
    drawn = int(1.5 * side) + 40  # larger than the land, since it is turned
    land.region[:] = _turned(_fields(drawn, "field", settings, land, rng), side, settings.bend, rng)
    woods = _turned(_fields(drawn, "wood", settings, land, rng), side, settings.bend, rng)
    area = _blobs(side, settings.wood, side / 4, rng)
    land.region[area] = woods[area]
    _lay_roads(land, settings.roads, rng)

    town = _blobs(side, settings.town, side / 2, rng)
    districts = smooth_noise(rng, (side, side), side / 3) > 0
    for district in (town & districts, town & ~districts):
        streets = _turned(_streets(drawn, settings, land, rng), side, settings.bend, rng)
        land.region[district] = streets[district]

    _plant_trees(land, settings.trees, rng)
    lakes, count = ndimage.label(_blobs(side, settings.lake, side / 5, rng))
    numbers = np.array([0, *(land.add("lake") for _ in range(count))])
    land.region[lakes > 0] = numbers[lakes[lakes > 0]]
    return land


def _blobs(side: int, share: float, scale: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Areas of about `scale` cells across that make up a share of the land, with rough edges."""
    rough = smooth_noise(rng, (side, side), scale) + 0.15 * smooth_noise(rng, (side, side), scale / 5)
    return np.asarray(rough > np.quantile(rough, 1 - share))


def _turned(grid: Grid, side: int, bend: float, rng: np.random.Generator) -> Grid:
    """The middle of a grid, turned by any angle and bent."""
    y, x = np.mgrid[:side, :side] - side / 2
    y, x = (axis + bend * smooth_noise(rng, (side, side), side / 4) for axis in (y, x))
    angle = rng.uniform(0, np.pi)
    turned = (x * np.sin(angle) + y * np.cos(angle), x * np.cos(angle) - y * np.sin(angle))
    row, column = (np.clip(np.rint(axis + len(grid) / 2).astype(int), 0, len(grid) - 1) for axis in turned)
    return np.asarray(grid[row, column])


# ------------------------------------------------------------------------------------------------------- the country


def _fields(side: int, use: str, settings: LayoutSettings, land: Layout, rng: np.random.Generator) -> Grid:
    """Rectangles, of which some fields have a lane or a hedge along two sides."""
    grid = np.zeros((side, side), dtype=np.int32)
    for top, bottom, left, right in _rectangles(side, settings.field_size, settings.field_spread, rng):
        if use == "field" and rng.random() < 0.3:
            grid[top:bottom, left:right] = land.add("road" if rng.random() < 0.4 else "tree")
            top, left = top + 1, left + 1
        grid[top:bottom, left:right] = land.add(use)
    return grid


def _rectangles(side: int, size: float, spread: float, rng: np.random.Generator) -> Iterator[Rectangle]:
    """Parts of a square that is cut in two until each is as small as was drawn for it."""
    waiting = [(0, side, 0, side)]
    while waiting:
        top, bottom, left, right = waiting.pop()
        height, width = bottom - top, right - left
        if height * width <= size * np.exp(spread * rng.standard_normal()) or max(height, width) < 8:
            yield top, bottom, left, right
            continue
        share = rng.uniform(0.3, 0.7)
        if height * rng.uniform(0.7, 1.4) > width:
            middle = top + max(round(share * height), 1)
            waiting += [(top, middle, left, right), (middle, bottom, left, right)]
        else:
            middle = left + max(round(share * width), 1)
            waiting += [(top, bottom, left, middle), (top, bottom, middle, right)]


def _lay_roads(land: Layout, count: int, rng: np.random.Generator) -> None:
    """Winding lines of one to four cells across the land."""
    side = len(land.region)
    y, x = np.mgrid[:side, :side] - side / 2
    for _ in range(count):
        angle, offset = rng.uniform(0, np.pi), rng.uniform(-0.4, 0.4) * side
        along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle) - offset
        across += 0.05 * side * np.sin(along / (side * rng.uniform(0.08, 0.3)))
        land.region[np.abs(across) < rng.uniform(0.5, 2.0)] = land.add("road")


def _plant_trees(land: Layout, often: float, rng: np.random.Generator) -> None:
    """Round crowns, denser in some places than in others."""
    shape = land.region.shape
    stems = rng.random(shape) < often * np.exp(smooth_noise(rng, (shape[0], shape[1]), len(land.region) / 8))
    if not stems.any():
        return
    number = np.zeros(shape, dtype=np.int32)
    number[stems] = [land.add("tree") for _ in range(np.count_nonzero(stems))]
    distance, (row, column) = ndimage.distance_transform_edt(~stems, return_indices=True)
    crown = distance < rng.uniform(1.2, 3.5)
    land.region[crown] = number[row, column][crown]


# ---------------------------------------------------------------------------------------------------------- the town


def _streets(side: int, settings: LayoutSettings, land: Layout, rng: np.random.Generator) -> Grid:
    """Blocks in rows, with streets of one to three cells between them."""
    grid = np.full((side, side), land.add("road"), dtype=np.int32)
    top = 0
    while top < side:
        bottom = min(top + int(rng.integers(14, 30)), side)
        left = 0
        while left < side:
            right = min(left + int(rng.integers(25, 80)), side)
            kind = rng.random()
            if kind < settings.park:
                grid[top:bottom, left:right] = land.add("garden" if rng.random() < 0.75 else "square")
            elif kind < settings.park + settings.industry:
                _build_hall(grid, (top, bottom, left, right), land, rng)
            else:
                middle = (top + bottom) // 2
                for row in ((top, middle), (middle, bottom)):
                    _build_houses(grid, (*row, left, right), land, rng)
            left = right + int(rng.integers(1, 4))
        top = bottom + int(rng.integers(1, 4))
    return grid


def _build_hall(grid: Grid, place: Rectangle, land: Layout, rng: np.random.Generator) -> None:
    """One large roof in a yard."""
    top, bottom, left, right = place
    grid[top:bottom, left:right] = land.add("square")
    margin, times = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    grid[top + margin : bottom - margin, left + margin : right - margin * times] = land.add("roof")


def _build_houses(grid: Grid, place: Rectangle, land: Layout, rng: np.random.Generator) -> None:
    """A row of gardens, in each a roof of two to ten cells along either side where it fits."""
    top, bottom, left, right = place
    while left < right:
        end = min(left + int(rng.integers(6, 15)), right)
        grid[top:bottom, left:end] = land.add("garden")
        height, width = (int(size) for size in rng.integers(2, 11, size=2))
        row = top + int(rng.integers(max(bottom - top - height, 0) + 1))
        column = left + int(rng.integers(max(end - left - width, 0) + 1))
        grid[row : min(row + height, bottom), column : min(column + width, end)] = land.add("roof")
        left = end
