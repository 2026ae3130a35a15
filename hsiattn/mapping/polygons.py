"""Land-cover maps as polygons: one for every connected field of a class, with its area, small ones merged if wanted."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsiattn.assessment.code_rasters import Codes, codes_of
from hsiattn.errors import GridError
from hsiattn.files.kinds import TAG_PREFIX
from hsiattn.files.outputs import Inputs, check_outputs
from hsiattn.files.paths import StrPath
from hsiattn.labels.rasters import LabelRaster
from hsiattn.mapping.fields import Fields, connected_fields, copy_indices, count_classes, mean_over, merge_small
from hsiattn.mapping.polygon_files import PolygonFile, outputs_of
from hsiattn.mapping.provenance import Provenance
from hsiattn.scenes import SceneSource, open_source
from hsiattn.scenes.alignment import check_same_grid
from hsiattn.scenes.block_cache import ONCE_THROUGH, block_cache
from hsiattn.scenes.grid import Grid
from hsiattn.scenes.pixel_areas import pixel_areas

if TYPE_CHECKING:
    from hsiattn.assessment.code_rasters import Raster

Progress = Callable[[int, int], None]
"""Called with the pixels of the polygons that are written and of all polygons."""


@dataclass(frozen=True)
class MappingUnit:
    """The smallest field that a map of polygons shows, and what counts as one field.

    Attributes
    ----------
    min_area
        Hectares; smaller fields are merged into their largest neighbour. None for no such limit.
    min_pixels
        The same in pixels; the larger of both limits counts.
    connectivity
        4 where pixels that share a side are connected, 8 where those that share a corner are, too.
    """

    min_area: float | None = None
    min_pixels: int = 0
    connectivity: int = 4

    def pixels_on(self, grid: Grid) -> int:
        """Fewest pixels of a field on a grid; 0 or 1 where nothing is merged.

        Raises
        ------
        GridError
            A limit in hectares is given, and the grid does not say how large its pixels are on the ground.
        """
        if self.min_area is None:
            return self.min_pixels
        areas = pixel_areas(grid)
        if areas is None or not areas.is_constant:
            why = "pixels have no known area" if areas is None else "pixels differ in their area"
            raise GridError(
                f"hectares stand for no number of pixels here: {why}", "give min_pixels= instead of min_area="
            )
        return max(self.min_pixels, math.ceil(self.min_area / float(areas.hectares) * (1 - 1e-9)))


@dataclass
class PolygonRecord:
    """Record of a file of polygons.

    Attributes
    ----------
    polygons
        Number of them.
    min_pixels
        Fewest pixels that a field was to have; 0 where nothing was merged.
    merged
        Pixels that have another class in the polygons than in the map.
    small
        Polygons that are smaller all the same, since no field of that size touches them.
    notes
        Notices for the user.
    """

    polygons: int = 0
    min_pixels: int = 0
    merged: int = 0
    small: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def tags(self) -> dict[str, str]:
        """What the file says of itself, beside the provenance of the map."""
        return {f"{TAG_PREFIX}MIN_PIXELS": str(self.min_pixels)} if self.min_pixels > 1 else {}

    def count(self, fields: Fields) -> None:
        """Count polygons that are written."""
        self.polygons += len(fields.pixels)
        self.small += int(np.count_nonzero(fields.pixels < self.min_pixels))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {name: getattr(self, name) for name in ("polygons", "min_pixels", "merged", "small")}


def write_polygons(
    land_cover: Raster,
    path: StrPath,
    *,
    unit: MappingUnit | None = None,
    confidence: StrPath | None = None,
    overwrite: bool = False,
    inputs: Inputs | None = None,
    progress: Progress | None = None,
) -> PolygonRecord:
    """Write a land-cover map as polygons in a vector file, whole or not at all.

    Every polygon is a set of whole pixels of one class that are connected: burned back at pixel centres, all of them
    together are the map again, or the merged map where there is a smallest mapping unit. Its columns are `code` and
    `name` of the class, `pixels`, `area_ha` and, if wanted, `confidence`, the mean over its pixels. Unclassified pixels
    lie in no polygon and are never filled. QGIS shows the names and colours of the map.

    Areas are those of `hsiattn.scenes.pixel_areas`; a map without CRS has none.

    Memory grows with the number of polygons, some 2 kB for each, and not with the size of the map unless fields are
    merged, which takes a byte or two per pixel more. Fields are merged by GDAL's sieve filter, again until nothing
    changes.

    Parameters
    ----------
    land_cover
        The map: a file, or codes in memory.
    path
        GeoPackage (.gpkg), GeoJSON (.geojson, in WGS 84 as RFC 7946 has it), FlatGeobuf (.fgb) or shapefile (.shp).
    unit
        Smallest mapping unit; None to keep every field.
    confidence
        Raster of confidence on the grid of the map.
    inputs
        What else is read, by what it is; never replaced.

    Raises
    ------
    GridError
        The confidence lies on another grid, the smallest unit is given in hectares for a map without projected CRS, or
        GeoJSON is wanted of one without CRS.
    LabelError
        The map has no class, or is not one.
    OutputError
        The file exists already or cannot be written; or another format is wanted.
    """
    unit = unit or MappingUnit()
    codes = codes_of(land_cover, "the map")
    read: dict[str, StrPath | None] = {**(inputs or {}), "confidence": confidence}
    if isinstance(codes, LabelRaster):
        read["map"] = codes.name
    target = PolygonFile(path, codes.grid, has_confidence=confidence is not None)
    target.check_place()
    check_outputs(outputs_of(path), overwrite=overwrite, inputs=read)
    record = PolygonRecord(min_pixels=unit.pixels_on(codes.grid), notes=target.notes)
    measured = _open_confidence(confidence, codes)
    classes, total = count_classes(codes)
    tags = Provenance.of(land_cover).to_tags() | record.tags
    with tempfile.TemporaryDirectory(prefix="hsiattn-") as folder, block_cache(ONCE_THROUGH):
        copy, done = Path(folder) / "classes.tif", 0
        copy_indices(codes, classes, copy)
        if record.min_pixels > 1:
            record.merged = merge_small(copy, record.min_pixels, unit.connectivity)
        with target.opened(classes, tags) as write:
            for fields in connected_fields(copy, unit.connectivity):
                write(fields, None if measured is None else mean_over(measured, fields))
                record.count(fields)
                done += int(fields.pixels.sum())
                if progress is not None:
                    progress(done, total)
    if record.small:
        record.notes.append(
            f"{record.small} polygons have fewer than {record.min_pixels} pixels: no field of that size touches them"
        )
    return record


def _open_confidence(path: StrPath | None, codes: Codes) -> SceneSource | None:
    if path is None:
        return None
    source = open_source(os.fspath(path))
    if len(source.bands) != 1:
        raise GridError(f"{path} has {len(source.bands)} bands", "give the raster of confidence, which has one")
    check_same_grid(codes.grid, source.grid, (codes.name, os.fspath(path)))
    return source
