"""`hsiattn adapt`: a model made fit for another scene, date or sensor, or kept where that is no gain."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hsiattn.cli import options
from hsiattn.cli.failures import named
from hsiattn.cli.progress import training_progress
from hsiattn.cli.resuming import resumable
from hsiattn.cli.scene_arguments import ScenePaths, name_of, one_scene
from hsiattn.cli.wording import in_options
from hsiattn.files.kinds import FileKind
from hsiattn.files.outputs import check_outputs, wanted
from hsiattn.files.training_state import check_state_folder, is_begun, remove_state_folder

if TYPE_CHECKING:
    from xarray import DataArray

    from hsiattn.adaptation import AdaptationResult, FewLabels, LabelledSource
    from hsiattn.models.model_file import TrainedModel
    from hsiattn.scenes import SceneSource

METHODS = ("radiometric", "moments", "coral", "norm-statistics", "self-training", "translation")
TRAINING = ("self-training", "translation")
_OF_LABELS = (
    "label_key", "classes", "classes_level", "unlabelled", "column", "layer", "all_touched", "inner_buffer", "radius",
)  # fmt: skip


@click.command(short_help="Adapt a model to another scene, date or sensor.")
@click.argument("model")
@click.option(
    "--to", "scenes", multiple=True, required=True, metavar="SCENE",
    help="Scene that the model is to map; give the option again, or a pattern or a folder, for tiles of one scene.",
)  # fmt: skip
@click.option("-o", "--output", required=True, metavar="ADAPTED", help="Model file to write, usually *.hsiattn.")
@click.option(
    "--few-labels", metavar="LABELS",
    help="A few labels in that scene, a raster or a vector file: they help to choose and to learn.",
)  # fmt: skip
@click.option(
    "--method", type=click.Choice(METHODS),
    help="Try this method alone; default: all that leave the network alone, and with --few-labels those that train.",
)  # fmt: skip
@click.option(
    "--source", metavar="SCENE", help="The scene that MODEL was trained on, which some methods need, with --labels."
)
@click.option("--labels", metavar="LABELS", help="The labels that MODEL was trained on, with --source.")
@click.option("--force", is_flag=True, help="With --method: write what it makes, whether it is a gain or not.")
@click.option(
    "--write-translation", metavar="FILE",
    help="With --method translation: write the training scene as it would look in the other scene, a GeoTIFF.",
)  # fmt: skip
@options.key
@options.use_flagged
@options.labels_in_scene
@options.scale
@options.resample
@options.seed
@options.device
@options.threads
@options.overwrite
@click.option("--resume", is_flag=True, help="Continue an interrupted adaptation that trains, to the same ADAPTED.")
@options.as_json
@options.common
@click.pass_context
def adapt(ctx: click.Context, /, model: str, scenes: tuple[str, ...], output: str, as_json: bool, **given: Any) -> None:
    """Adapt MODEL to another scene, and write a model that maps it: other light, air, season or sensor.

    Several methods are tried, and none is used that brings no gain: MODEL is then written as it is, with a record of
    what was tried. No labels are needed. Where a few pixels of the new scene are labelled, they decide.

    \b
        hsiattn adapt fields.hsiattn --to july.tif -o july.hsiattn
        hsiattn adapt fields.hsiattn --to july.tif --few-labels plots.gpkg -o july.hsiattn
        hsiattn adapt fields.hsiattn --to enmap.tif --resample -o enmap.hsiattn
        hsiattn adapt fields.hsiattn --to july.tif --method moments -o july.hsiattn
        hsiattn adapt fields.hsiattn --to july.tif --source june.tif --labels plots.gpkg --method translation \
            -o july.hsiattn
        hsiattn classify july.tif -m july.hsiattn -o july_classes.tif
    """
    check_usage(ctx, given)
    options.check_suffix(output, "model")
    paths = one_scene(scenes)
    inputs = {
        "scene": name_of(paths), "few labels": given["few_labels"], "training scene": given["source"],
        "labels": given["labels"], "class table": given["classes"],
    }  # fmt: skip

    from hsiattn.models.registry import ModelFinder, named_model, read_trained

    inputs["model"] = named_model(model)
    files = wanted((output, FileKind.MODEL), (given["write_translation"], FileKind.SCENE))
    state = Path(f"{output}.training")
    check_state_folder(state)
    given["overwrite"] = given["overwrite"] or (given["resume"] and is_begun(state))
    check_outputs(files, overwrite=given["overwrite"], inputs=inputs)

    from hsiattn.models.model_file import write_model

    options.use_threads(given["threads"])
    target = open_target(paths, given)
    origin = ModelFinder(model, read_trained).model_for(target)
    trains = given["method"] in TRAINING or (given["method"] is None and given["few_labels"] is not None)
    result = adapted(origin, target, given, state if trains else None)
    digest = write_model(result.model, output, overwrite=given["overwrite"])
    if trains:
        remove_state_folder(state)
    if as_json:
        options.print_json({"model": output, "kept": result.kept, "sha256": digest, **result.record})
    else:
        options.show(*lines_of(result, origin, model, output))
    if result.kept:
        options.say(f"no adaptation: {output} is {model} as it was, with a record of what was tried")


def check_usage(ctx: click.Context, given: Mapping[str, Any]) -> None:
    """Refuse options that contradict each other or would have no effect.

    Raises
    ------
    click.UsageError
        Some do.
    """
    if (given["source"] is None) != (given["labels"] is None):
        raise click.UsageError("--source and --labels belong together: give both or none", ctx)
    if given["few_labels"] is None and given["labels"] is None:
        options.refuse_without_effect(ctx, _OF_LABELS, "without --few-labels or --labels")
    elif given["classes"] is None:
        options.refuse_without_effect(ctx, ["classes_level"], "without --classes, whose levels it means")
    if given["method"] != "translation":
        options.refuse_without_effect(ctx, ["write_translation"], "without --method translation, which makes it")
    if given["method"] is None:
        options.refuse_without_effect(ctx, ["force"], "without --method, which says what is forced")


def open_target(paths: ScenePaths, given: Mapping[str, Any]) -> SceneSource:
    """The scene that the model is adapted to, with the scale and the flagged pixels that are asked for."""
    from hsiattn.scenes import Radiometry, open_source

    source = open_source(paths, given["key"]).using_flagged(given["use_flagged"])
    if given["scale"] is not None:
        source = source.with_radiometry(Radiometry.divided_by(given["scale"], len(source.bands)))
    return source


def adapted(
    origin: TrainedModel, target: SceneSource, given: Mapping[str, Any], state: Path | None
) -> AdaptationResult:
    """The adaptation that the options ask for; what trains keeps its state in a folder, None where nothing does."""
    from hsiattn.adaptation import adapt as adapt_model

    scene = origin.resampled(target) if given["resample"] else target
    few = few_labels(origin, scene, given) if given["few_labels"] is not None else None
    source = labelled_source(origin, given) if given["source"] is not None else None
    if state is None and given["resume"]:
        options.say("--resume has nothing to go on with: no method that is tried trains")
    with resumable(state) if state else nullcontext(), training_progress() if state else nullcontext() as listener:
        return adapt_model(
            origin, scene, method=given["method"], source=source, few=few, force=given["force"], seed=given["seed"],
            device=given["device"], listener=listener, told=_tell, write_translation=given["write_translation"],
            overwrite=given["overwrite"], checkpoints=state, resume=given["resume"],
        )  # fmt: skip


def few_labels(origin: TrainedModel, target: SceneSource, given: Mapping[str, Any]) -> FewLabels:
    """The few labelled pixels of the target, with the class indices of the model.

    Raises
    ------
    LabelError
        None of them is of a class of the model, or holds data.
    """
    from hsiattn.adaptation.labelled_pixels import few_labels_of

    labels = read_labels(given["few_labels"], target, given)
    groups = labels.coords["group"].to_numpy() if "group" in labels.coords else None
    few, notes = few_labels_of(origin, target, labels, groups, name=given["few_labels"])
    for note in notes:
        options.say(note)
    return few


def labelled_source(origin: TrainedModel, given: Mapping[str, Any]) -> LabelledSource:
    """The training scene with its labels."""
    from hsiattn.adaptation.labelled_pixels import labelled_source_of
    from hsiattn.scenes import open_source

    scene = open_source(given["source"], given["key"]).using_flagged(given["use_flagged"])
    labels = read_labels(given["labels"], scene, given)
    return labelled_source_of(origin, scene, labels, name=given["labels"])


def read_labels(path: str, scene: SceneSource, given: Mapping[str, Any]) -> DataArray:
    """Labels on the grid of a scene, as the options read them."""
    from hsiattn.labels.opening import read_label_file
    from hsiattn.labels.vector_options import VectorOptions

    chosen = VectorOptions(*(given[name] for name in ("column", "layer", "all_touched", "inner_buffer", "radius")))
    with named(key="--label-key"):
        labels, notes = read_label_file(
            path, scene, key=given["label_key"], table=given["classes"], level=given["classes_level"],
            unlabelled=given["unlabelled"], options=chosen,
        )  # fmt: skip
    for note in notes:
        options.say(note)
    return labels


def lines_of(result: AdaptationResult, origin: TrainedModel, path: str, output: str) -> list[str]:
    """The result for people."""
    decision = result.decision
    lines = [
        f"model     {output}",
        f"origin    {path}, trained on {origin.data.get('scene', 'an unknown scene')}",
        f"target    {result.record['target']['scene']}, {result.record['target']['pixels']} pixels looked at",
        f"method    {'none: the model is kept as it was' if result.kept else decision.chosen}",
        f"why       {in_options(decision.reason)}",
        "",
    ]
    rows: list[tuple[str, ...]] = [("", "distance", "agreement", "confidence", "accuracy")]
    for name, own in result.evidence.items():
        shares = (own.agreement, own.confidence, own.accuracy)
        distance = "–" if own.distance is None else f"{own.distance:.2f}"
        rows.append((name, distance, *("–" if share is None else f"{100 * share:.1f} %" for share in shares)))
    kept = [n for n in range(len(rows[0])) if n == 0 or any(row[n] != "–" for row in rows[1:])]
    widths = {n: max(len(row[n]) for row in rows) for n in kept}
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(row[n].rjust(widths[n]) for n in kept[1:])]
        lines.append("  ".join(cells).rstrip())
    return [*lines, *(f"{name}: {in_options(reason)}" for name, reason in result.failed.items())]


def _tell(method: str) -> None:
    if options.on_terminal():
        options.say(f"trying {method}")
