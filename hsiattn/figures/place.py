"""Where the picture of a raster lies: in map coordinates where rows run along an axis of the map, else in pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hsiattn.figures.style import NORMAL, SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hsiattn.assessment.supplement import Pictures
    from hsiattn.scenes.grid import Grid

_METRES_PER_DEGREE = 111_320.0
"""Of a great circle of the earth, whose mean radius is 6 371 km, as of a degree of longitude at the equator."""
_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


@dataclass(frozen=True)
class Place:
    """Size and georeference of the raster that a picture shows.

    Attributes
    ----------
    width, height
        Columns and rows of the raster, however many the picture has.
    transform
        Six numbers a, b, c, d, e, f (Affine order): x = a · column + b · row + c.
    crs
        Coordinate reference system in words; "" where there is none.
    geographic
        Whether coordinates are degrees.
    metres
        Metres per unit of the coordinates, unless those are degrees; None where that is not known.
    """

    width: int
    height: int
    transform: tuple[float, float, float, float, float, float] = _IDENTITY
    crs: str = ""
    geographic: bool = False
    metres: float | None = None

    @classmethod
    def of_grid(cls, grid: Grid) -> Place:
        """The place of a raster on a grid."""
        a, b, c, d, e, f = (float(number) for number in tuple(grid.transform)[:6])
        crs, transform = grid.crs, (a, b, c, d, e, f)
        if crs is None or grid.control is not None:
            return cls(grid.width, grid.height, transform)
        metres = float(crs.linear_units_factor[1]) if crs.is_projected else None
        code = crs.to_epsg()
        name = f"EPSG:{code}" if code else "CRS without an EPSG code"
        return cls(grid.width, grid.height, transform, name, bool(crs.is_geographic), metres)

    @classmethod
    def of_pictures(cls, pictures: Pictures) -> Place:
        """The place of the pictures of a report; coordinates that are not degrees are taken for metres."""
        metres = 1.0 if pictures.crs and not pictures.geographic else None
        return cls(pictures.width, pictures.height, pictures.transform, pictures.crs, pictures.geographic, metres)

    @property
    def is_upright(self) -> bool:
        """Whether rows run along an axis of the map, whose coordinates mean something."""
        a, b, _, d, e, _ = self.transform
        return bool(self.crs) and b == d == 0 and a != 0 and e != 0

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, bottom and top of the picture; rows and columns where it does not lie upright."""
        if not self.is_upright:
            return 0.0, float(self.width), float(self.height), 0.0
        a, _, c, _, e, f = self.transform
        return c, c + a * self.width, f + e * self.height, f

    @property
    def shape_on_ground(self) -> float:
        """Height of the raster divided by its width, as it is drawn."""
        left, right, bottom, top = self.extent
        aspect = self._aspect()
        return abs(top - bottom) / abs(right - left) * (1.0 if aspect == "equal" else float(aspect))

    @property
    def metres_across(self) -> float | None:
        """Metres per unit of the horizontal axis of the picture; None where not known."""
        a, _, _, d, e, f = self.transform
        if not self.crs:
            return None
        if self.geographic:
            latitude = f + d * self.width / 2 + e * self.height / 2
            east, north = (_METRES_PER_DEGREE * math.cos(math.radians(latitude)), _METRES_PER_DEGREE)
        elif self.metres is None:
            return None
        else:
            east = north = self.metres
        return east if self.is_upright else math.hypot(a * east, d * north)

    def set_up(self, axes: Axes, *, ticks: bool = True) -> None:
        """Give axes the limits, the aspect and the labels of this place."""
        left, right, bottom, top = self.extent
        upright = self.is_upright
        axes.set_xlim(*(sorted((left, right)) if upright else (left, right)))
        axes.set_ylim(*(sorted((bottom, top)) if upright else (bottom, top)))
        axes.set_aspect(self._aspect())
        if not ticks:
            axes.set_xticks([])
            axes.set_yticks([])
            return
        x, y = ("Column", "Row") if not upright else self._names()
        axes.set_xlabel(x, fontsize=NORMAL)
        axes.set_ylabel(y, fontsize=NORMAL)
        axes.ticklabel_format(style="plain", useOffset=False)
        axes.locator_params(nbins=4, min_n_ticks=2)
        axes.tick_params(labelsize=SMALL - 1)
        if upright:
            axes.tick_params(axis="y", labelrotation=90)
            for label in axes.get_yticklabels():
                label.set_verticalalignment("center")

    def _aspect(self) -> Any:
        """Height of a unit of the vertical axis in those of the horizontal one, so that the ground keeps its shape."""
        a, b, _, d, e, f = self.transform
        if not self.geographic or not self.is_upright:
            across, down = math.hypot(a, d), math.hypot(b, e)
            return down / across if not self.is_upright and across and down else "equal"
        latitude = f + e * self.height / 2
        return 1 / max(math.cos(math.radians(latitude)), 0.05)

    def _names(self) -> tuple[str, str]:
        if self.geographic:
            return f"Longitude, ° ({self.crs})", "Latitude, °"
        unit = ", m" if self.metres == 1 else ""
        return f"Easting{unit} ({self.crs})", f"Northing{unit}"
