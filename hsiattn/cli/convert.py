"""`hsiattn convert`: a scene in another format."""

from __future__ import annotations

from pathlib import Path

import click

from hsiattn.cli import options
from hsiattn.cli.progress import mapping_progress

ENVI_SUFFIXES = (".img", ".bsq", ".bil", ".bip", ".dat")


@click.command(short_help="Write a scene in another format, with its metadata.")
@click.argument("scene", metavar="IN")
@click.argument("output", metavar="OUT")
@options.key
@options.bounds
@click.option(
    "--reflectance", is_flag=True,
    help="Write reflectance as float32, NaN where a value is missing, instead of the stored values.",
)  # fmt: skip
@options.scale
@click.option(
    "-f", "--driver", metavar="NAME",
    help="Format: GTiff, COG or ENVI; default: ENVI for names that end in .img, .bsq, .bil, .bip or .dat, else GTiff.",
)  # fmt: skip
@options.creation_options
@options.overwrite
@options.as_json
@options.common
def convert(
    scene: str,
    output: str,
    key: str | None,
    bounds: tuple[float, float, float, float] | None,
    reflectance: bool,
    scale: float | None,
    driver: str | None,
    creation_options: dict[str, str],
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write the scene IN, of any format that hsiattn reads, to OUT as GeoTIFF, COG or ENVI.

    Values stay as they are stored, and wavelengths, FWHM, bad bands, scale and offset, nodata, mask and grid go along.
    OUT appears under its name when it is complete.

    \b
        hsiattn convert scene.hdr scene.tif
        hsiattn convert scene.mat scene.img --key cube
        hsiattn convert scene.tif part.tif --bounds 380000 5810000 381000 5811000 --reflectance
    """
    options.check_suffix(output, "raster")
    if driver is None:
        driver = "ENVI" if Path(output).suffix.lower() in ENVI_SUFFIXES else "GTiff"
    from hsiattn.scenes import Radiometry, open_source
    from hsiattn.scenes.writing import convert_scene

    source = open_source(scene, key)
    if scale is not None:
        source = source.with_radiometry(Radiometry.divided_by(scale, len(source.bands)))
    part = None if bounds is None else source.grid.window_touching(*bounds)
    with mapping_progress("converting") as progress:
        notes = convert_scene(
            source, output, driver=driver, part=part, reflectance=reflectance, creation_options=creation_options,
            overwrite=overwrite, progress=progress,
        )  # fmt: skip
    for note in (*source.notes, *notes):
        options.say(note)
    if as_json:
        described = {"scene": scene, "output": output, "driver": driver, "notes": [*source.notes, *notes]}
        size = {
            "height": int(part.height if part else source.height),
            "width": int(part.width if part else source.width),
        }
        options.print_json({**described, "bands": len(source.bands), **size})
    else:
        options.show(f"scene: {output}")
