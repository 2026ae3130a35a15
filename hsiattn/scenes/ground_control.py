"""Ground control points and rational polynomials, which say where a raster lies if no transform does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.rpc import RPC
from rasterio.warp import transform


@dataclass(frozen=True)
class ControlPoint:
    """A place in a raster, `row` and `col` of a pixel corner, and where it lies on the ground."""

    row: float
    col: float
    x: float
    y: float
    z: float = 0.0


@dataclass(frozen=True)
class GroundControl:
    """What leads from rows and columns to the ground in a raster that is not rectified.

    Attributes
    ----------
    points
        Ground control points (GCPs), none where there are only RPCs.
    crs
        That of the points.
    rpcs
        Rational polynomial coefficients, None where there are only GCPs.
    """

    points: tuple[ControlPoint, ...] = ()
    crs: CRS | None = None
    rpcs: RPC | None = None

    @classmethod
    def of(cls, dataset: Any) -> GroundControl | None:
        """Control of an open rasterio dataset, without points where it has a transform; None where it has none."""
        points, crs = dataset.gcps if dataset.transform == Affine.identity() else ([], None)
        return cls.from_rasterio(points, crs, dataset.rpcs)

    @classmethod
    def from_rasterio(
        cls, points: Sequence[GroundControlPoint], crs: CRS | None, rpcs: RPC | None
    ) -> GroundControl | None:
        """Build the control from rasterio's points and RPCs; None where there are neither."""
        own = tuple(ControlPoint(p.row, p.col, p.x, p.y, p.z or 0.0) for p in points)
        return cls(own, crs, rpcs) if own or rpcs is not None else None

    def moved(self, to_whole: Affine) -> GroundControl:
        """Control of a part, given the affine map from (column, row) in the part to (column, row) in the whole."""
        to_part = ~to_whole
        points = []
        for point in self.points:
            col, row = to_part @ (point.col, point.row)
            points.append(replace(point, row=row, col=col))
        return replace(self, points=tuple(points), rpcs=_moved(self.rpcs, to_part) if self.rpcs is not None else None)

    def in_degrees(self) -> GroundControl:
        """Transform the points to longitude and latitude of WGS 84, as the `geo points` of ENVI headers have to be."""
        geographic = CRS.from_epsg(4326)
        if not self.points or self.crs is None or self.crs == geographic:
            return self
        xs, ys = transform(self.crs, geographic, [p.x for p in self.points], [p.y for p in self.points])[:2]
        points = tuple(replace(point, x=x, y=y) for point, x, y in zip(self.points, xs, ys, strict=True))
        return replace(self, points=points, crs=geographic)

    def write(self, dataset: Any) -> None:
        """Give it to a rasterio dataset that is open for writing."""
        if self.points:
            dataset.gcps = (self.as_rasterio(), self.crs or CRS())
        if self.rpcs is not None:
            dataset.rpcs = self.rpcs

    def as_rasterio(self) -> list[GroundControlPoint]:
        """The points as rasterio has them."""
        return [
            GroundControlPoint(row=p.row, col=p.col, x=p.x, y=p.y, z=p.z, id=str(number))
            for number, p in enumerate(self.points, start=1)
        ]

    def describe(self) -> str:
        """What there is, in a few words.

        >>> GroundControl((ControlPoint(0, 0, 10.0, 50.0),), CRS.from_epsg(4326)).describe()
        '1 ground control points in EPSG:4326'
        """
        crs = f" in {self.crs.to_string()}" if self.crs else ""
        parts = [f"{len(self.points)} ground control points{crs}"] if self.points else []
        return " and ".join(parts + (["rational polynomial coefficients"] if self.rpcs is not None else []))


def _moved(rpcs: RPC, to_part: Affine) -> RPC:
    """Coefficients of a part; rows and columns of RPCs count from the centre of the first pixel."""
    given = rpcs.to_dict()
    column, row = to_part @ (given["samp_off"] + 0.5, given["line_off"] + 0.5)
    given |= {"samp_off": column - 0.5, "line_off": row - 0.5}
    given |= {"samp_scale": given["samp_scale"] * to_part.a, "line_scale": given["line_scale"] * to_part.e}
    return RPC(**given)


def rpcs_to_text(rpcs: RPC) -> str:
    """RPCs as the attribute of an array can hold them."""
    return json.dumps(rpcs.to_gdal())


def rpcs_from_text(text: str) -> RPC | None:
    """The inverse of `rpcs_to_text`; None where the text is none."""
    try:
        return RPC.from_gdal(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
