"""`hsiattn polygons`: a land-cover map as polygons."""

from __future__ import annotations

import click

from hsiattn.cli import options
from hsiattn.cli.progress import mapping_progress


@click.command(short_help="Write a land-cover map as polygons.")
@click.argument("land_cover_map", metavar="MAP")
@click.option(
    "-o", "--output", metavar="FILE", required=True,
    help="GeoPackage (.gpkg), GeoJSON (.geojson), FlatGeobuf (.fgb) or shapefile (.shp).",
)  # fmt: skip
@options.mapping_unit
@click.option(
    "--confidence", metavar="FILE", help="Raster of confidence of the map; polygons get their mean as a column."
)
@options.overwrite
@options.as_json
@options.common
def polygons(
    land_cover_map: str,
    output: str,
    min_area: float | None,
    sieve: int | None,
    connectivity: str | None,
    confidence: str | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write the land-cover map MAP as polygons, one for every connected field of a class.

    Columns: code and name of the class, number of pixels, area in hectares. Names and colours go along as a style of
    QGIS, inside the GeoPackage or beside the file. Unclassified pixels lie in no polygon. Polygons follow the edges of
    the pixels: burned back they are the map again, or the map with its small fields merged.

    \b
        hsiattn polygons scene_classes.tif -o fields.gpkg
        hsiattn polygons scene_classes.tif -o fields.gpkg --min-area 0.5
        hsiattn polygons scene_classes.tif -o fields.geojson --sieve 10 --confidence scene_classes_confidence.tif
    """
    from hsiattn.mapping.polygons import MappingUnit, write_polygons

    unit = MappingUnit(min_area, sieve or 0, int(connectivity or 4))
    with mapping_progress("polygons") as progress:
        record = write_polygons(
            land_cover_map, output, unit=unit, confidence=confidence, overwrite=overwrite, progress=progress
        )
    for note in record.notes:
        options.say(note)
    if as_json:
        options.print_json({"map": land_cover_map, "output": output, **record.to_dict()})
        return
    options.show(f"polygons: {output}", f"  {record.polygons} polygons")
    if record.min_pixels > 1:
        options.show(f"  smallest unit {record.min_pixels} pixels; {record.merged} pixels went to a neighbour's class")
