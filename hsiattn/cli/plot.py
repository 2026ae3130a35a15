"""`hsiattn plot`: figures for papers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import click

from hsiattn.cli import options
from hsiattn.cli.failures import named
from hsiattn.cli.plot_sources import (
    attention_record,
    counts_of,
    learning_of,
    looks_like_report,
    part_of_report,
    quicklook_of,
    readable_report,
)
from hsiattn.cli.scene_arguments import one_scene
from hsiattn.errors import LabelError, SceneError
from hsiattn.files.inputs import refuse_special
from hsiattn.files.kinds import FileKind

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from hsiattn.figures.composed import Sheet
    from hsiattn.scenes import SceneSource

_CENTIMETRES = 2.54
_VECTORS = ("column", "layer", "all_touched", "inner_buffer", "radius")
_OF_LABELS = ("label_key", "classes", "unlabelled", *_VECTORS)
_OF_SCENE = ("key",)

_size = click.FloatRange(2, 200)
figure_options = options.use(
    click.option(
        "-o", "--output", required=True, metavar="FILE", help="Figure to write: PNG, SVG or PDF by its suffix."
    ),
    click.option("--title", metavar="TEXT", help="Title of the figure; default: none."),
    click.option("--width", type=_size, metavar="CM", help="Width in centimetres; default: what suits the content."),
    click.option("--height", type=_size, metavar="CM", help="Height in centimetres; default: what suits the content."),
    click.option("--dpi", type=click.IntRange(30, 1200), metavar="N", help="Pixels per inch of a PNG; default: 200."),
    options.overwrite,
    options.common,
)
scene_beside = click.option(
    "--scene", metavar="SCENE", help="The scene on the same grid, whose quick-look is drawn as well."
)
labels_option = options.use(
    click.option("--labels", metavar="LABELS", help="Labels in the scene, a raster or a vector file."),
    options.label_key,
    options.classes,
    options.unlabelled,
    options.vectors,
)


@click.group(short_help="Draw figures for papers.")
@options.common
def plot() -> None:
    """Draw a figure as PNG, SVG or PDF: a map, spectra, a confusion matrix, attention, a learning curve or a split.

    The same functions draw on axes of your own in Python, see `hsiattn.figures`.

    \b
        hsiattn plot map land_cover.tif -o map.pdf --scene scene.tif
        hsiattn plot spectra scene.tif --labels fields.gpkg -o spectra.svg
        hsiattn plot confusion report.json -o confusion.pdf --shares rows
        hsiattn plot attention fields.hsiattn scene.tif --labels fields.gpkg -o attention.pdf
        hsiattn plot curve fields.hsiattn -o curve.pdf
        hsiattn plot split split.tif -o split.pdf --scene scene.tif
    """


@plot.command("map", short_help="Draw a map with scale bar, legend and north arrow.")
@click.argument("land_cover_map", metavar="MAP")
@scene_beside
@options.key
@options.label_key
@options.classes
@options.unlabelled
@figure_options
@click.pass_context
def plot_map(
    ctx: click.Context,
    /,
    land_cover_map: str,
    scene: str | None,
    key: str | None,
    label_key: str | None,
    classes: str | None,
    unlabelled: int | None,
    **given: Any,
) -> None:
    """Draw MAP, a land-cover map or a raster of labels, in the colours of its classes.

    Scale bar and coordinates stand where the map has a CRS; the arrow where north is at the top, which it is not on a
    rotated grid. Large maps are thinned.
    """
    if scene is None:
        options.refuse_without_effect(ctx, _OF_SCENE, "without --scene")
    read = {"map": land_cover_map, "scene": scene, "class table": classes}
    draw = _checked(ctx, given, read)
    from hsiattn.classes import ClassTable
    from hsiattn.figures.color_vision import pairs_in_words
    from hsiattn.figures.composed import map_figure
    from hsiattn.figures.place import Place
    from hsiattn.figures.thinning import thinned_codes
    from hsiattn.labels.rasters import LabelRaster
    from hsiattn.labels.vector_files import is_vector_file

    if is_vector_file(land_cover_map):
        raise LabelError(f"{land_cover_map} is a vector file, not a map", "give a raster of classes")
    with named(key="--label-key"):
        raster = LabelRaster(land_cover_map, key=label_key, table=classes, unlabelled=unlabelled)
    beside = None if scene is None else quicklook_of(_open(scene, key), raster.grid, raster.name)
    codes = thinned_codes(raster)
    present = sorted({*codes[codes != 0].tolist()})
    if not present:
        raise LabelError(f"{land_cover_map} has no pixel with a class to draw", "give a map that holds some")
    table = raster.class_table(present) or ClassTable.from_codes(present)
    pixels, shows = (None, "") if beside is None else beside
    for note in pairs_in_words([item for item in table if item.code in present]):
        options.say(note)
    place = Place.of_grid(raster.grid)
    draw(
        lambda sheet: map_figure(
            table.to_indices(codes) + 1,
            table.to_records(),
            place,
            quicklook=pixels,
            shows=shows,
            unclassified="Unclassified" if raster.kind == FileKind.LAND_COVER else "No class",
            sheet=sheet,
        )
    )


@plot.command("spectra", short_help="Draw mean spectra of classes.")
@click.argument("scene", metavar="SCENE...", nargs=-1, required=True)
@options.key
@options.use_flagged
@labels_option
@figure_options
@click.pass_context
def plot_spectra(
    ctx: click.Context, /, scene: tuple[str, ...], key: str | None, use_flagged: tuple[str, ...], **given: Any
) -> None:
    """Draw the mean spectrum of every class in SCENE, ± 1 standard deviation, at the pixels of --labels.

    Lines have gaps at bad bands and where bands are missing. SCENE may be a report as JSON that holds spectra.
    """
    from_report = len(scene) == 1 and looks_like_report(scene[0])
    labels = {name: given.pop(name) for name in ("labels", *_OF_LABELS)}
    draw = _checked(ctx, given, _read_of(scene, labels))
    from hsiattn.figures.composed import spectra_figure

    if from_report:
        where = f"for {scene[0]}, which is a report"
        options.refuse_without_effect(ctx, ("labels", *_OF_LABELS, *_OF_SCENE, "use_flagged"), where)
        record = part_of_report(scene[0], "spectra", "spectra")
        with readable_report(scene[0]):
            return draw(lambda sheet: spectra_figure(record, sheet))
    if labels["labels"] is None:
        raise click.UsageError("--labels is missing: which pixels of the scene are of which class?", ctx)
    from hsiattn.figures.spectra import spectra_record
    from hsiattn.scenes.class_spectra import class_spectra

    source = _open(scene, key).using_flagged(use_flagged)
    found = spectra_record(class_spectra(source, _open_labels(source, labels)))
    return draw(lambda sheet: spectra_figure(found, sheet))


@plot.command("confusion", short_help="Draw a confusion matrix.")
@click.argument("report", metavar="REPORT|MODEL")
@click.option(
    "--shares", type=click.Choice(["rows", "columns"]),
    help="Per cent instead of counts: of the pixels of a class of the reference (rows), or of the map (columns).",
)  # fmt: skip
@figure_options
@click.pass_context
def plot_confusion(ctx: click.Context, /, report: str, shares: Literal["rows", "columns"] | None, **given: Any) -> None:
    """Draw the confusion matrix of REPORT, the JSON of `hsiattn assess`, or of the test pixels of MODEL.

    Rows are the reference, columns the map. Cells are shaded by their share of the row.
    """
    draw = _checked(ctx, given, {"report": report})
    from hsiattn.figures.composed import confusion_figure

    matrix, names, unclassified = counts_of(report)
    draw(lambda sheet: confusion_figure(matrix, names, shares=shares, unclassified=unclassified, sheet=sheet))


@plot.command("attention", short_help="Draw which bands a model attends to.")
@click.argument("model", metavar="MODEL|REPORT")
@click.argument("scene", metavar="[SCENE]...", nargs=-1)
@options.key
@options.use_flagged
@labels_option
@figure_options
@click.pass_context
def plot_attention(
    ctx: click.Context, /, model: str, scene: tuple[str, ...], key: str | None, use_flagged: tuple[str, ...],
    **given: Any,
) -> None:  # fmt: skip
    """Draw the weights that MODEL gives to the bands of SCENE, at the pixels of every class of --labels.

    Without --labels, at pixels of the whole scene. In place of both, a report as JSON that holds attention.
    """
    labels = {name: given.pop(name) for name in ("labels", *_OF_LABELS)}
    draw = _checked(ctx, given, {"model": model, **_read_of(scene, labels)})
    from hsiattn.figures.composed import attention_figure

    if looks_like_report(model):
        where = f"for {model}, which is a report"
        options.refuse_without_effect(ctx, ("scene", "labels", *_OF_LABELS, *_OF_SCENE, "use_flagged"), where)
        record = part_of_report(model, "attention", "attention")
        with readable_report(model):
            return draw(lambda sheet: attention_figure(record, sheet))
    if not scene:
        raise click.UsageError("SCENE is missing: which pixels is the model to look at?", ctx)
    if labels["labels"] is None:
        options.refuse_without_effect(ctx, _OF_LABELS, "without --labels")
    source = _open(scene, key).using_flagged(use_flagged)
    known = None if labels["labels"] is None else _open_labels(source, labels)
    found = attention_record(model, source, known)
    return draw(lambda sheet: attention_figure(found, sheet))


@plot.command("curve", short_help="Draw the learning curve of a training.")
@click.argument("training", metavar="MODEL|LOG|REPORT")
@figure_options
@click.pass_context
def plot_curve(ctx: click.Context, /, training: str, **given: Any) -> None:
    """Draw accuracy and loss by epoch, from MODEL, the CSV file of `hsiattn train --log`, or a report as JSON."""
    draw = _checked(ctx, given, {"training": training})
    from hsiattn.figures.composed import learning_figure

    record = learning_of(training)
    with readable_report(training):
        draw(lambda sheet: learning_figure(record, sheet))


@plot.command("split", short_help="Draw which pixels train and test.")
@click.argument("split", metavar="SPLIT")
@scene_beside
@options.key
@figure_options
@click.pass_context
def plot_split(ctx: click.Context, /, split: str, scene: str | None, key: str | None, **given: Any) -> None:
    """Draw SPLIT, a raster of `hsiattn train --write-split`: training, validation, test and buffer pixels."""
    if scene is None:
        options.refuse_without_effect(ctx, _OF_SCENE, "without --scene")
    draw = _checked(ctx, given, {"split": split, "scene": scene})
    from hsiattn.figures.composed import split_figure
    from hsiattn.figures.place import Place
    from hsiattn.figures.thinning import thinned_roles
    from hsiattn.splits.split_files import SplitRaster

    raster = SplitRaster(split)
    pixels = None if scene is None else quicklook_of(_open(scene, key), raster.grid, raster.name)[0]
    roles, counts = thinned_roles(raster)
    place = Place.of_grid(raster.grid)
    draw(lambda sheet: split_figure(roles, counts, place, quicklook=pixels, sheet=sheet))


# ---------------------------------------------------------------------------------------------------------------------


def _checked(
    ctx: click.Context, given: dict[str, Any], inputs: dict[str, str | None]
) -> Callable[[Callable[[Sheet], Figure]], None]:
    """Check the output before any work; returns what makes the figure with its sheet, and writes it."""
    from hsiattn.figures.files import DPI, KINDS, kind_of_figure, write_figure
    from hsiattn.files.outputs import check_output

    output, overwrite = given["output"], given["overwrite"]
    kind = kind_of_figure(output)
    if kind is not FileKind.PICTURE:
        forms = " and ".join(suffix[1:].upper() for suffix, of in KINDS.items() if of is not FileKind.PICTURE)
        options.refuse_without_effect(ctx, ("dpi",), f"on {forms}, which have no pixels")
    for name in inputs.values():
        if name is not None:
            refuse_special(name, SceneError)
    check_output(output, kind, overwrite=overwrite, inputs=inputs)

    def draw(make: Callable[[Sheet], Figure]) -> None:
        from hsiattn.figures.composed import Sheet

        sides = (None if side is None else side / _CENTIMETRES for side in (given["width"], given["height"]))
        figure = make(Sheet(given["title"], *sides))
        write_figure(output, figure, dpi=given["dpi"] or DPI, overwrite=overwrite, inputs=inputs)
        options.say(f"figure: {output}")

    return draw


def _read_of(scene: tuple[str, ...], labels: dict[str, Any]) -> dict[str, str | None]:
    scenes: dict[str, str | None] = {f"scene {file}" if len(scene) > 1 else "scene": file for file in scene}
    return {**scenes, "labels": labels["labels"], "class table": labels["classes"]}


def _open(scene: str | tuple[str, ...], key: str | None) -> SceneSource:
    from hsiattn.scenes import open_source

    return open_source(one_scene([scene] if isinstance(scene, str) else scene), key)


def _open_labels(source: SceneSource, given: dict[str, Any]) -> xr.DataArray:
    from hsiattn.labels.opening import read_label_file
    from hsiattn.labels.vector_options import VectorOptions

    with named(key="--label-key"):
        labels, notes = read_label_file(
            given["labels"], source, key=given["label_key"], table=given["classes"], unlabelled=given["unlabelled"],
            options=VectorOptions(**{name: given[name] for name in _VECTORS}),
        )  # fmt: skip
    for note in notes:
        options.say(note)
    return labels
