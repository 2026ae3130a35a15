"""`hsiattn assess`: compare a map with reference data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hsiattn.cli import fitting, options
from hsiattn.cli import sample as sampling
from hsiattn.cli.failures import named
from hsiattn.cli.report_context import context_options, files_read, take_context
from hsiattn.cli.reports import FORMATS, choose_format, render
from hsiattn.files.kinds import FileKind
from hsiattn.files.outputs import check_outputs, wanted, write_bytes

if TYPE_CHECKING:
    from hsiattn.labels.rasters import LabelRaster
    from hsiattn.labels.schemes import ClassScheme
    from hsiattn.labels.vector_options import VectorOptions
    from hsiattn.labels.vectors import VectorLabels


_NOT_OF_SAMPLES = (
    "unlabelled", "split_file", "window", "groups", "against", "confidence", "classes", "classes_level",
    "label_key", "all_touched", "inner_buffer", "radius",
)  # fmt: skip
"""Parameters that do nothing where reference pixels are taken one by one."""


@click.command(short_help="Compare a map with reference data.")
@click.argument("land_cover_map", metavar="MAP")
@click.option(
    "--reference", metavar="LABELS",
    help="Polygons or points (GeoPackage, GeoJSON, shapefile, FlatGeobuf, CSV), or a reference raster; on another grid "
    "it is resampled onto the map's. 0 is unlabelled, unless --unlabelled says otherwise. Or a sample of `hsiattn "
    "sample` that has been filled in.",
)  # fmt: skip
@click.option(
    "--strata", metavar="RASTER",
    help="Map by whose classes the points of the reference were drawn as a stratified random sample: figures are then "
    "estimates for the area. A sample of `hsiattn sample` knows its own.",
)  # fmt: skip
@click.option(
    "--plan", is_flag=True, help="Without reference: how many reference pixels the map needs, see `hsiattn sample`."
)
@sampling.planning
@options.unlabelled
@click.option(
    "--split", "split_file", metavar="FILE",
    help="Split raster of `hsiattn train --write-split`: only its test pixels are compared, and leakage is stated.",
)  # fmt: skip
@click.option(
    "--window", type=click.IntRange(1), metavar="PX",
    help="Window of a pixel for the leakage; default: from the map's tags, patch size and reach of the smoothing.",
)  # fmt: skip
@click.option(
    "--groups", metavar="fields|RASTER",
    help="Give intervals over polygons instead of over pixels: over the reference's fields of touching pixels of a "
    "class, where it was drawn as polygons, or over those of a raster with the polygon id of every pixel, 0 for none. "
    "Default: over the polygons of a vector file, else over pixels.",
)  # fmt: skip
@click.option(
    "--against", metavar="MAP",
    help="Another map of the area, to compare this one with: on the same test pixels, and on the whole area.",
)  # fmt: skip
@options.classes
@options.classes_level
@options.label_key
@options.vectors
@context_options
@click.option(
    "--format",
    "report_format",
    type=click.Choice(FORMATS),
    help="Format of the report; default: from the suffix of -o, else text.",
)
@click.option("-o", "--output", metavar="FILE", help="Write the report to this file instead of printing it.")
@options.as_json
@options.overwrite
@options.common
@click.pass_context
def assess(
    ctx: click.Context,
    /,
    land_cover_map: str,
    reference: str | None,
    strata: str | None,
    plan: bool,
    target_error: float,
    expected: dict[str | None, float],
    size: int | None,
    min_per_class: int,
    unlabelled: int | None,
    split_file: str | None,
    window: int | None,
    groups: str | None,
    against: str | None,
    classes: str | None,
    classes_level: int | None,
    label_key: str | None,
    column: str | None,
    layer: str | None,
    all_touched: bool,
    inner_buffer: float,
    radius: float,
    report_format: str | None,
    output: str | None,
    as_json: bool,
    overwrite: bool,
    **context: Any,
) -> None:
    """Compare MAP with reference data: a confusion matrix and the accuracies with their intervals.

    Rows of the matrix are the reference, columns the map. Overall accuracy, average accuracy and kappa; per class
    producer's and user's accuracy, F1, IoU and support. Where <map>_confidence.tif is there, its calibration. Pixels
    that the map leaves unclassified count as errors.

    \b
        hsiattn assess scene_classes.tif --reference labels.tif
        hsiattn assess scene_classes.tif --reference labels.tif --split split.tif -o report.html
        hsiattn assess scene_classes.tif --reference labels.tif --scene scene.tif -m fields.hsiattn -o report.html
        hsiattn assess scene_classes.tif --reference polygons.gpkg --column class
        hsiattn assess scene_classes.tif --reference polygons.gpkg --against scene_svm.tif
        hsiattn assess scene_classes.tif --reference polygons.tif --groups fields
        hsiattn assess scene_classes.tif --plan --expect 0.9
        hsiattn assess scene_classes.tif --reference sample.gpkg
        hsiattn assess scene_classes.tif --reference labels.tif --json | jq .overall_accuracy.value
    """
    if plan:
        others = [p.name for p in ctx.command.params if p.name not in (*sampling.PLANNING, "land_cover_map", "plan")]
        options.refuse_without_effect(ctx, [str(name) for name in others if name != "as_json"], "with --plan")
        sampling.show_plan(land_cover_map, target_error, expected, size, min_per_class, as_json)
        return
    options.refuse_without_effect(ctx, sampling.PLANNING, "without --plan")
    if reference is None:
        raise click.UsageError("name the reference data with --reference, or plan them with --plan", ctx)
    if split_file is None:
        options.refuse_without_effect(ctx, ["window"], "without --split, whose leakage it is for")
    if classes is None:
        options.refuse_without_effect(ctx, ["classes_level"], "without --classes, whose levels it means")
    if not context["scene"]:
        options.refuse_without_effect(ctx, ["key"], "without --scene, whose variable it names")
    if output is not None:
        read = {"map": land_cover_map, "reference": reference, "split": split_file, "class table": classes}
        read["other map"] = against
        read["strata"] = strata
        read["raster of groups"] = None if groups == "fields" else groups
        read |= files_read(context)
        check_outputs(wanted((output, FileKind.REPORT)), overwrite=overwrite, inputs=read)
    form = choose_format(report_format, output, as_json)

    from hsiattn import reporting
    from hsiattn.assessment.sample_files import is_sample
    from hsiattn.labels.rasters import LabelRaster
    from hsiattn.labels.vector_options import VectorOptions
    from hsiattn.mapping.provenance import Provenance

    chosen = VectorOptions(column, layer, all_touched, inner_buffer, radius)
    if strata is not None or is_sample(reference):
        without = [*_NOT_OF_SAMPLES, *([] if strata is not None else ["column", "layer"])]
        options.refuse_without_effect(ctx, without, "with a sample that has strata")
        mapped: LabelRaster = LabelRaster(land_cover_map)
        report = reporting.assess(mapped, reference, strata=strata, column=column, layer=layer, **take_context(context))
    else:
        with named(key="--label-key"):
            mapped, truth = open_both(land_cover_map, reference, label_key, classes, classes_level, unlabelled, chosen)
        other = None if against is None else open_map(against, unlabelled, truth.scheme)
        report = reporting.assess(
            mapped, truth, split=split_file, window=window, groups=groups, against=other, **take_context(context)
        )
    own = Provenance.of(mapped).notes
    for note in report.notes:
        if note not in own:  # those stand in every report, and are no news of this call
            options.say(note)
    text = render(fitting.in_words_of_options(report), form)
    if output is None and form == "text":
        options.show(*text.rstrip("\n").split("\n"))
    elif output is None:
        options.print_text(text)
    else:
        write_bytes(output, text.encode())
        options.say(f"report: {output}")


def open_both(
    land_cover_map: str,
    path: str,
    key: str | None,
    classes: str | None,
    level: int | None,
    unlabelled: int | None,
    chosen: VectorOptions,
) -> tuple[LabelRaster, LabelRaster | VectorLabels]:
    """The map, and the reference: polygons or points on the grid of the map, or a raster."""
    from hsiattn import reporting
    from hsiattn.errors import LabelError
    from hsiattn.labels.opening import check_raster_options
    from hsiattn.labels.rasters import LabelRaster
    from hsiattn.labels.tables import as_scheme
    from hsiattn.labels.vector_files import is_vector_file

    if not is_vector_file(path):
        check_raster_options(path, chosen)
        truth = LabelRaster(path, key=key, table=classes, level=level, unlabelled=unlabelled)
        return open_map(land_cover_map, unlabelled, truth.scheme), truth
    if key is not None:
        raise LabelError(f"{path} has no named variables, so there is no {key!r} in it", "leave out key=")
    mapped = open_map(land_cover_map, unlabelled, as_scheme(classes, level))
    return mapped, reporting.open_vector_reference(
        path, mapped, options=chosen, table=classes, level=level, unlabelled=unlabelled
    )


def open_map(path: str, unlabelled: int | None, scheme: ClassScheme | None) -> LabelRaster:
    """The map; where it is none of hsiattn's, its unlabelled pixels are those that the labels would have.

    A class table that merges, ignores or has a level is for the map too; one that but names classes is not.
    """
    from hsiattn.labels.rasters import LabelRaster

    table = None if scheme is None or scheme.is_plain else scheme
    own = LabelRaster(path).kind is not None
    return LabelRaster(path, table=table, unlabelled=None if own else unlabelled)
