"""`hsiattn classify`: land-cover maps of scenes."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hsiattn.cli import fitting, options
from hsiattn.cli.failures import Failure, explain, print_line, print_traceback
from hsiattn.cli.progress import mapping_progress
from hsiattn.cli.report_context import author
from hsiattn.cli.scene_arguments import name_of, one_scene
from hsiattn.cli.wished_report import WISHED, WishedReport, not_told, wished_report
from hsiattn.files.outputs import Inputs, make_folder
from hsiattn.files.patterns import is_pattern
from hsiattn.mapping.archive import Order, Summary, make_orders
from hsiattn.mapping.request import BESIDE, MappingRequest, default_map

if TYPE_CHECKING:
    from hsiattn.mapping import MappingRecord
    from hsiattn.models.described_model import DescribedModel
    from hsiattn.models.model_file import TrainedModel
    from hsiattn.models.registry import ModelFinder


@click.command(short_help="Map the land cover of scenes.")
@click.argument("paths", metavar="SCENE [MAP] | SCENE... -o MAP | SCENE... --out-dir DIR", nargs=-1, required=True)
@click.option(
    "-m", "--model", metavar="MODEL",
    help="Model file, ONNX file of `hsiattn export`, name of an installed model, or builtin; default: $HSIATTN_MODEL, "
    "then the one installed model whose bands match the scene's, then builtin: broad land cover for any sensor.",
)  # fmt: skip
@click.option(
    "-o", "--output", metavar="MAP",
    help="All paths are tiles of one scene (files, patterns or a folder), and this is its map.",
)  # fmt: skip
@click.option(
    "--out-dir", metavar="DIR",
    help="Map all SCENEs, which may be patterns, to DIR/<scene>_classes.tif; DIR is made if it is missing.",
)  # fmt: skip
@options.bounds
@click.option(
    "--mask",
    metavar="FILE",
    help="Raster whose pixels that are 0 or nodata stay unclassified; on another grid it is resampled.",
)
@click.option(
    "--confidence", metavar="[FILE]", is_flag=False, flag_value=BESIDE,
    help="Also write the confidence, 0 to 1. It is divided by the distance from the training data where a pixel lies "
    "outside of them. Default path: <map>_confidence.tif.",
)  # fmt: skip
@click.option(
    "--confidence-kind", type=click.Choice(["max", "margin", "entropy"]),
    help="max (default): highest class probability; margin: highest minus second highest; "
    "entropy: 1 - entropy / log(number of classes). 1 is certain in each of them.",
)  # fmt: skip
@click.option(
    "--probabilities", metavar="[FILE]", is_flag=False, flag_value=BESIDE,
    help="Also write the probability of every class, one band each; default path: <map>_probabilities.tif.",
)  # fmt: skip
@click.option(
    "--polygons", metavar="[FILE]", is_flag=False, flag_value=BESIDE,
    help="Also write the map as polygons: .gpkg, .geojson, .fgb or .shp; default path: <map>_polygons.gpkg.",
)  # fmt: skip
@options.mapping_unit
@click.option(
    "--guide", metavar="[FILE]", is_flag=False, flag_value=BESIDE,
    help="Also write places to label next: squares of 3 x 3 pixels where the model is unsure, unlike each other and "
    "spread over the scene. Fill in their column class, then train with --labels FILE --column class. With --labels no "
    "place holds a labelled pixel. Default path: <map>_places.gpkg.",
)  # fmt: skip
@click.option(
    "--places", type=click.IntRange(1, 500), metavar="N",
    help="How many places --guide writes at most; default: 30.",
)  # fmt: skip
@click.option(
    "--smooth", type=click.IntRange(0), default=0, show_default=True, metavar="N",
    help="Smooth class probabilities in N steps between neighbours with similar spectra; each step reaches a pixel "
    "farther, and edges stay. 2 removes single pixels, 0 is off.",
)  # fmt: skip
@click.option(
    "--unknown", is_flag=True,
    help="Give pixels that look like no class of the model a code of their own, named unknown; the model must be "
    "trained with --open-set.",
)  # fmt: skip
@click.option(
    "--accept", type=click.FloatRange(0, 1, min_open=True, max_open=True), metavar="SHARE", callback=options.finite,
    help="Share of the pixels of known classes that keeps its class with --unknown; default: 0.95.",
)  # fmt: skip
@click.option(
    "--classes-from", metavar="FILE",
    help="Names for the classes of the built-in model: a table with columns class and name, perhaps code and color; "
    "classes of one name become one.",
)  # fmt: skip
@options.scale
@options.sensor
@options.wavelengths
@options.resample
@click.option(
    "--force", is_flag=True,
    help="Map a scene even if most of a sample is unlike the training scene, or if some bands hold no data.",
)  # fmt: skip
@options.driver
@options.creation_options
@click.option(
    "--resume", is_flag=True,
    help="Continue interrupted maps, and skip those that this model has finished.",
)  # fmt: skip
@options.overwrite
@options.key
@options.use_flagged
@options.device
@options.precision
@options.threads
@options.ram
@click.option(
    "--window-size", type=click.IntRange(1), metavar="PX",
    help="Side of the windows in which the scene is read, instead of --ram.",
)  # fmt: skip
@options.workers
@options.dask
@options.as_json
@options.common
@click.option(
    "--labels", metavar="LABELS",
    help="Train first, on these labels, and keep the model beside the map as <map>.hsiattn. "
    "The options below belong to this one-step form.",
)  # fmt: skip
@fitting.training_options
@click.option(
    "--report", metavar="FILE",
    help="Write the accuracy on the labels held out to this file, beside the map: text, JSON, CSV, HTML, LaTeX "
    "or Markdown by its suffix.",
)  # fmt: skip
@author
@click.pass_context
def classify(
    ctx: click.Context, /, paths: tuple[str, ...], output: str | None, out_dir: str | None, labels: str | None,
    as_json: bool, **given: Any,
) -> None:  # fmt: skip
    """Map the land cover of SCENE; MAP defaults to <scene>_classes.tif beside it.

    The map has the scene's grid, a palette and class names; 0 is unclassified: missing pixels, and those outside
    --mask. It appears under its name only when it is complete; after an interruption --resume continues.

    Before that a sample of the scene is compared with the training scene. Values that are off by a factor of 10, 100,
    …, a scene unlike the training scene, and bands without any data are refused with status 1, unless --force is
    given.

    Without -m and --labels, and where no installed model fits, the built-in model maps broad land cover; see
    `hsiattn info builtin`. It needs the wavelengths of the bands, and leaves unclassified what it does not know.

    SCENE may be a folder of tiles. With -o all paths are tiles of one scene; where they overlap, the first file given
    that has data at the pixel counts. With --out-dir every path or pattern is a scene of its own. One that cannot be
    mapped does not stop the others; the exit status is then 1.

    \b
        hsiattn classify scene.tif
        hsiattn classify scene.tif -m fields.hsiattn
        hsiattn classify scene.hdr map.tif -m fields.hsiattn --confidence --co compress=zstd
        hsiattn classify scene.tif -m fields.hsiattn --polygons fields.gpkg --min-area 0.5
        hsiattn classify scene.tif -m fields.hsiattn --unknown
        hsiattn classify scene.tif --guide places.gpkg --places 40
        hsiattn classify scene.tif -m fields.onnx
        hsiattn classify tiles/*.tif -o map.tif -m fields.hsiattn
        hsiattn classify 'archive/*.tif' more.hdr --out-dir maps -m fields.hsiattn
        hsiattn classify scene.tif --labels labels.tif --per-class 50 --report report.html
    """
    names = {field.name for field in fields(MappingRequest)}
    request = MappingRequest(**{name: value for name, value in given.items() if name in names})
    training = {name: value for name, value in given.items() if name not in names}
    wished = wished_report(ctx, training)
    check_usage(paths, output, out_dir, labels, request)
    check_effects(ctx, labels, [*training, *WISHED])
    if out_dir is not None:
        summary = classify_archive(make_orders(paths, out_dir, request), out_dir, request, announce=not as_json)
        if as_json:
            options.print_json(summary.to_dict())
        else:
            options.show(str(summary))
        ctx.exit(1 if summary.failed else 0)
    scene = one_scene(paths if output is not None else paths[:1])
    map_path = output or (paths[1] if len(paths) > 1 else default_map(paths[0], request.driver))
    order = Order(name_of(scene), request.targets(map_path), () if isinstance(scene, str) else scene)
    classify_one(order, request, labels, training, as_json, wished)


def check_usage(
    paths: tuple[str, ...], output: str | None, out_dir: str | None, labels: str | None, request: MappingRequest
) -> None:
    """Refuse arguments that contradict each other, rather than let one of them go without effect."""
    if request.workers is not None and request.dask is not None:
        raise click.UsageError("--workers starts a cluster and --dask names one: give one of the two")
    if request.confidence_kind is not None and request.confidence is None:
        raise click.UsageError("--confidence-kind has no effect without --confidence")
    if request.accept is not None and not request.unknown:
        raise click.UsageError("--accept has no effect without --unknown")
    if request.polygons is None and any(value is not None for value in unit_of(request).values()):
        given = next(name for name, value in unit_of(request).items() if value is not None)
        raise click.UsageError(f"{given} has no effect without --polygons")
    if request.places is not None and request.guide is None:
        raise click.UsageError("--places has no effect without --guide")
    if labels is not None and request.model is not None:
        raise click.UsageError("--labels trains a model and -m names one: give one of the two")
    if labels is not None and request.scale is not None:
        raise click.UsageError("--scale is for a scene that a model did not train on: leave it out with --labels")
    if labels is not None and request.resample:
        raise click.UsageError("--resample is for a scene of another sensor than the model's: leave it out here")
    if labels is not None and request.resume:
        raise click.UsageError("--resume goes on with a map, not with --labels: name the trained model with -m")
    if out_dir is not None and output is not None:
        raise click.UsageError("-o is the one map of all paths and --out-dir takes a map of each: give one of the two")
    if out_dir is None:
        if output is None:
            check_scene_and_map(paths)
        return
    if labels is not None:
        raise click.UsageError("--labels is for one scene: train once with hsiattn train, then classify with -m")
    for name in ("confidence", "probabilities", "polygons", "guide"):
        value = getattr(request, name)
        if value not in (None, BESIDE):
            raise click.UsageError(f"with --out-dir --{name} takes no path, and must not stand before a scene: {value}")


def unit_of(request: MappingRequest) -> dict[str, object]:
    """The settings of polygons, by their options."""
    return {"--min-area": request.min_area, "--sieve": request.sieve, "--connectivity": request.connectivity}


def check_scene_and_map(paths: tuple[str, ...]) -> None:
    """Refuse several scenes, of which nobody says whether they are tiles of one."""
    ways = "give -o MAP for one map of the tiles of one scene, or --out-dir DIR for a map of each"
    if len(paths) > 2:
        raise click.UsageError(f"SCENE and MAP are at most two paths: {ways}")
    if is_pattern(paths[0]):
        raise click.UsageError(f"{paths[0]} is a pattern: {ways}")
    if len(paths) == 2 and is_pattern(paths[1]):
        raise click.UsageError(f"{paths[1]} is a pattern and no name of a map: {ways}")
    if len(paths) == 2 and are_scenes(*paths):
        raise click.UsageError(f"{paths[0]} and {paths[1]} are both scenes: {ways}")


def are_scenes(first: str, second: str) -> bool:
    """Whether the paths lead to two scenes with as many bands, more than one: the second is no map to replace."""
    if not os.path.isfile(second):
        return False
    from hsiattn.errors import HsiattnError
    from hsiattn.scenes import open_source

    try:
        scene, other = open_source(first), open_source(second)
    except HsiattnError:
        return False
    apart = not any(os.path.samefile(second, file) for file in scene.files if os.path.isfile(file))
    return apart and len(scene.bands) == len(other.bands) > 1


def check_effects(ctx: click.Context, labels: str | None, training: Sequence[str]) -> None:
    """Refuse options that would go without effect beside the others."""
    if labels is None:
        options.refuse_without_effect(ctx, training, "without --labels: they are for the training of a model")
        for cluster in options.given(ctx, ("workers", "dask")):
            options.refuse_without_effect(ctx, ["threads"], f"with {cluster}: a worker has one thread per window")
    else:
        fitting.check_usage(ctx)
    if len(options.given(ctx, ("ram", "window_size"))) == 2:
        raise click.UsageError("--ram and --window-size both decide the size of windows: give one of the two", ctx)


def classify_one(
    order: Order,
    request: MappingRequest,
    labels: str | None,
    training: dict[str, Any],
    as_json: bool,
    wished: WishedReport | None = None,
) -> None:
    """Map one scene, training first where there are labels, and report."""
    targets, known = order.targets, None
    trained = str(Path(targets.map).with_suffix(".hsiattn")) if labels is not None else None
    for path in targets:
        options.check_suffix(path, "raster")
    what = fitting.Training(
        scene=order.paths,
        labels=labels or "",
        key=request.key,
        device=request.device,
        use_flagged=request.use_flagged,
        sensor=request.sensor,
        wavelengths=request.wavelengths,
        **training,
    )
    inputs = {**request.inputs, **(what.inputs if labels is not None else {"scene": order.scene})}
    if request.resume:
        targets.clean_up()
    else:
        request.check_targets(targets, inputs, trained)
        if wished is not None:
            wished.check(inputs, overwrite=request.overwrite)
    source = request.open_scene(order.paths)
    if trained is not None:
        options.use_threads(request.threads)
        request.open_mask(source)  # what cannot be used is refused before the training
        request.part_of(source)
        request.check_polygons(targets, source)
        check_recipe(request, what)
        known = train(what, trained, request.overwrite)
        request = replace(request, labelled=known.labels.to_numpy() > 0)
        model: DescribedModel = stored_model(trained)
    else:
        model = finder(request).model_for(source)
    if request.resume:
        if request.is_mapped(targets, model, source):
            options.say("this model has made the map already; add --overwrite without --resume to make it anew")
            for note in request.write_missing_polygons(targets, inputs):
                options.say(note)
            for note in request.write_missing_places(model, source, targets, inputs):
                options.say(note)
            report(order, None, as_json)
            return
        request.check_targets(targets, inputs)
    try:
        with mapping_progress("mapping") as progress:
            record = request.map_scene(model, source, targets, inputs, progress)
        if known is not None:
            record.messages = not_told(record.messages, known)
        report(order, record, as_json)
        if wished is not None and known is not None:
            wished.write(known, what, request, source, targets.map, str(trained))
    except KeyboardInterrupt as interrupt:
        if targets.begun_at() is None:
            if request.is_mapped(targets, model, source):  # Ctrl-C came when all was done
                raise Failure(f"interrupted; {targets.map} is whole, a map of this model") from interrupt
            raise
        named = "" if trained is None else f" and -m {trained} in place of --labels"
        raise Failure(f"interrupted; finished windows are kept, go on with --resume{named}") from interrupt


def finder(request: MappingRequest) -> ModelFinder[DescribedModel]:
    """What finds the models of scenes: the one that is named, those that are installed, the built-in one."""
    from hsiattn.models.registry import ModelFinder, read_for_mapping

    return ModelFinder(request.model, read_for_mapping, options.say, fallback=True, classes_from=request.classes_from)


def classify_archive(
    orders: Sequence[Order], folder: str, request: MappingRequest, *, announce: bool = True
) -> Summary:
    """Map scene after scene; one that fails is told on stderr and does not stop the others.

    Parameters
    ----------
    announce
        Print the path of every map as soon as it is there.

    Raises
    ------
    HsiattnError
        The named model or the folder cannot be used.
    Failure
        Interrupted; the line says how far it has come.
    """
    make_folder(Path(folder))
    models = finder(request)
    inputs = {**request.inputs, **{f"scene {order.scene}": order.scene for order in orders}}
    summary, began = Summary(len(orders)), time.monotonic()
    try:
        for number, order in enumerate(orders, start=1):
            title = f"{Path(order.scene).name} ({number}/{len(orders)})"
            summary.add(record := attempt(order, request, models, inputs, title))
            if announce and "error" not in record:
                options.show(f"map: {order.targets.map}")
    except KeyboardInterrupt as interrupt:
        raise Failure(
            f"interrupted: of {len(orders)} scenes {summary.counts()}; give --resume to go on from there"
        ) from interrupt
    summary.seconds = round(time.monotonic() - began, 3)
    return summary


def attempt(
    order: Order, request: MappingRequest, models: ModelFinder[DescribedModel], inputs: Inputs, title: str
) -> dict[str, Any]:
    """Map a scene of an archive, or tell on stderr why that cannot be done; the record for the summary."""
    try:
        record = order.carry_out(request, models, inputs, lambda: mapping_progress(title))
    except click.ClickException:
        raise
    except Exception as error:
        print_traceback(error)
        print_line(f"scene {order.scene}: {explain(error)}")
        return {"scene": order.scene, "error": explain(error)}
    for message in record.messages if record is not None else ():
        options.say(f"scene {order.scene}: {message}")
    return order.describe(record)


def check_recipe(request: MappingRequest, training: fitting.Training) -> None:
    """Refuse, before it is trained, a model whose maps could not be made as wanted.

    Raises
    ------
    HsiattnError
        It could not, or there is no such recipe.
    """
    if not (request.smooth or request.unknown):
        return
    from hsiattn.mapping import smoothing, unknown
    from hsiattn.training import load_recipe

    recipe = load_recipe(training.recipe, training.changes)
    smoothing.check_smoothing(request.smooth, recipe.preprocessing.model_dump())
    if request.unknown and recipe.open_set is None:
        raise unknown.no_detector("the recipe trains none")


def train(request: fitting.Training, path: str, overwrite: bool) -> fitting.Trained:
    """Train, keep the model and say how well it does."""
    trained = fitting.train_model(request)
    trained.classifier.save(path, overwrite=overwrite)
    for line in [f"model     {path}", *fitting.lines_of(trained.classifier)]:
        options.say(line)
    return trained


def stored_model(path: str) -> TrainedModel:
    """The model as it is in the file."""
    from hsiattn.models.model_file import read_model

    return read_model(path)


def report(order: Order, record: MappingRecord | None, as_json: bool) -> None:
    """Say what was mapped: notices to stderr, the result to stdout; without a record the map was there already."""
    for message in record.messages if record is not None else ():
        options.say(message)
    if as_json:
        options.print_json(Summary.of(order.describe(record)).to_dict())
        return
    options.show(f"map: {order.targets.map}")
    if record is None:
        return
    total = max(1, sum(record.counts.values()) + record.unclassified)
    width = max(len(name) for name in (*record.counts, "unclassified"))
    for name, count in (*record.counts.items(), ("unclassified", record.unclassified)):
        options.show(f"  {name:<{width}}  {count:>10}  {options.share(count / total):>8}")
