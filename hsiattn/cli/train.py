"""`hsiattn train`: a model from a scene and labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from hsiattn.cli import fitting, options
from hsiattn.cli.report_context import author
from hsiattn.cli.reports import choose_format, render
from hsiattn.cli.resuming import resumable
from hsiattn.cli.scene_arguments import one_scene
from hsiattn.cli.scene_list import LabelledScene, read_scene_list, split_pair
from hsiattn.errors import SceneError
from hsiattn.files.kinds import FileKind
from hsiattn.files.outputs import check_outputs, wanted, write_bytes
from hsiattn.files.training_state import check_state_folder, is_begun, remove_state_folder


@click.command(short_help="Train a model on a scene and its labels.")
@options.scene_argument
@click.option(
    "--labels", metavar="LABELS",
    help="Polygons or points (GeoPackage, GeoJSON, shapefile, FlatGeobuf, CSV), or a label raster; 0 is unlabelled.",
)  # fmt: skip
@click.option(
    "--scene", "pairs", multiple=True, metavar="SCENE:LABELS",
    help="A scene and its labels, one of several of the same sensor that train together, in place of SCENE and "
    "--labels; give it for each.",
)  # fmt: skip
@click.option(
    "--scenes", metavar="FILE",
    help="The same as a list (YAML), whose entries have scene, labels and perhaps options of their own such as key or "
    "groups; paths are relative to the file.",
)  # fmt: skip
@click.option("-o", "--output", required=True, metavar="MODEL", help="Model file to write, usually *.hsiattn.")
@fitting.training_options
@click.option(
    "--from", "encoder", type=click.Choice(["builtin"]),
    help="Start from what the built-in land-cover model knows of spectra: for recipes with pseudo-labels, such as "
    "default, and for few labels. The wavelengths of the scene must be known. It gains most where the scene is "
    "reflectance and classes are broad ones.",
)  # fmt: skip
@options.sensor
@options.wavelengths
@options.key
@options.use_flagged
@options.device
@options.threads
@click.option("--resume", is_flag=True, help="Continue an interrupted training of the same MODEL.")
@click.option("--log", metavar="CSV", help="Write loss and accuracy of every epoch to this file.")
@click.option(
    "--report", metavar="FILE",
    help="Write the accuracy on the labels held out to this file: text, JSON, CSV, HTML, LaTeX or Markdown "
    "by its suffix. A page also shows the scene, which is mapped for it where it has no more than 4 million pixels.",
)  # fmt: skip
@author
@click.option("--write-split", metavar="FILE", help="Write the split as a raster for `hsiattn assess --split`.")
@options.overwrite
@options.as_json
@options.common
@click.pass_context
def train(
    ctx: click.Context,
    /,
    scene: tuple[str, ...],
    labels: str | None,
    pairs: tuple[str, ...],
    scenes: str | None,
    output: str,
    key: str | None,
    use_flagged: tuple[str, ...],
    device: str,
    threads: int | None,
    resume: bool,
    log: str | None,
    report: str | None,
    author: str | None,
    write_split: str | None,
    overwrite: bool,
    as_json: bool,
    **training: Any,
) -> None:
    """Train a model on SCENE and its labels, and test it on labelled pixels that it has not seen.

    Several SCENEs, a pattern or a folder are tiles of one scene; where they overlap, the first file given that has data
    at the pixel counts.

    By default whole blocks of the scene are held out, with a buffer around them so that no test window holds a
    training pixel. --split random is what most papers do; its accuracy is optimistic: see the leakage in the report.

    \b
        hsiattn train scene.tif --labels polygons.gpkg --column class -o fields.hsiattn
        hsiattn train tiles/*.tif --labels training.gpkg -o fields.hsiattn
        hsiattn train --scene may.tif:may.gpkg --scene july.tif:july.gpkg -o m.hsiattn --split scenes
        hsiattn train scene.mat --key cube --labels gt.mat -o m.hsiattn --split random --per-class 50
        hsiattn train scene.tif --labels few.gpkg -o fields.hsiattn --from builtin
        hsiattn train may.tif --labels may.gpkg --unlabelled july.tif --recipe self-training -o m.hsiattn
        hsiattn train scene.hdr --labels labels.tif --classes legend.csv -o m.hsiattn --set training.max_epochs=200
    """
    check_scenes(ctx)
    fitting.check_usage(ctx)
    if report is not None:
        form = choose_format(None, report, as_json=False)
        if ctx.params["split"] == "none" and ctx.params["split_file"] is None:
            raise click.UsageError("--report has no effect with --split none, which holds no label out", ctx)
    else:
        options.refuse_without_effect(ctx, ["author"], "without --report, whose author it names")
    for path, kind in ((output, "model"), (log, "table"), (write_split, "raster")):
        options.check_suffix(path, kind)
    checkpoints = Path(f"{output}.training")
    several = scenes_of(pairs, scenes)
    request = fitting.Training(
        scene=one_scene(scene) if scene else "",
        labels=labels or "",
        scenes=several,
        key=key,
        use_flagged=use_flagged,
        device=device,
        log=log,
        checkpoints=str(checkpoints),
        resume=resume,
        **training,
    )
    if resume and is_finished(request, output, (log, report, write_split)):
        options.say("this training has been finished already; add --overwrite without --resume to do it anew")
        click.echo(f"model     {output}")
        return
    overwrite = check_files(request, output, write_split, report, overwrite)
    options.use_threads(threads)
    with resumable(checkpoints):
        trained = fitting.train_model(request)
    classifier = trained.classifier
    if write_split is not None:
        fitting.save_split(classifier.split_, request, write_split, overwrite)
    classifier.save(output, overwrite=overwrite)
    if report is not None and classifier.report_ is not None:
        write_bytes(report, render(fitting.report_of(trained, request, form, output, author), form).encode())
    remove_state_folder(checkpoints)
    if as_json:
        options.print_json({"model": output, **fitting.describe(classifier)})
    else:
        options.show(f"model     {output}", *fitting.lines_of(classifier))


def check_scenes(ctx: click.Context) -> None:
    """Refuse scenes that are given in two ways or in none.

    Raises
    ------
    click.UsageError
        They are, or labels are missing.
    """
    given = [name for name in ("scene", "pairs", "scenes") if ctx.params[name]]
    if not given:
        raise click.UsageError("Missing argument 'SCENE...': give it with --labels, or --scene SCENE:LABELS", ctx)
    if len(given) > 1:
        raise click.UsageError("SCENE, --scene and --scenes all say what is trained on: give one of them", ctx)
    if given == ["scene"]:
        if ctx.params["labels"] is None:
            raise click.UsageError("Missing option '--labels'", ctx)
        if ctx.params["split"] == "scenes":
            raise click.UsageError("--split scenes is for several: give each as --scene SCENE:LABELS", ctx)
        return
    where = "with --scene or --scenes, which name them for each scene"
    options.refuse_without_effect(ctx, ["labels"], where)
    options.refuse_without_effect(ctx, ["groups"], "with several scenes: name them in the list that --scenes takes")


def scenes_of(pairs: Sequence[str], path: str | None) -> tuple[LabelledScene, ...]:
    """Scenes with their labels, from the command line or a list; patterns are the tiles that they match.

    Raises
    ------
    SceneError
        A text is no pair, the list cannot be used, or fewer than two scenes are given.
    """
    if path is not None:
        known = {field.name for field in fields(fitting.Training)}
        found = read_scene_list(path, known)
    else:
        found = tuple({"scene": scene, "labels": labels} for scene, labels in map(split_pair, pairs))
    if len(found) == 1:
        scene, labels = found[0]["scene"], found[0]["labels"]
        raise SceneError(f"{scene} with {labels} is the only scene", "give several, or SCENE with --labels")
    return tuple({**e, "scene": one_scene([e["scene"]] if isinstance(e["scene"], str) else e["scene"])} for e in found)


def check_files(
    request: fitting.Training, output: str, write_split: str | None, report: str | None, overwrite: bool
) -> bool:
    """Refuse outputs that may not be replaced; whether those that are there may.

    A training that is gone on with may replace what it has written so far.

    Raises
    ------
    OutputError
        One of them may not, or cannot be written.
    """
    checkpoints = Path(f"{output}.training")
    check_state_folder(checkpoints)
    allowed = overwrite or (request.resume and is_begun(checkpoints))
    model, log, split = (output, FileKind.MODEL), (request.log, FileKind.LOG), (write_split, FileKind.SPLIT)
    check_outputs(wanted(model, log, split, (report, FileKind.REPORT)), overwrite=allowed, inputs=request.inputs)
    return allowed


def is_finished(request: fitting.Training, output: str, others: Sequence[str | None]) -> bool:
    """Whether this training has left its model and all else, and nothing of it waits to be gone on with."""
    files = [output, *(path for path in others if path is not None)]
    if not all(map(os.path.isfile, files)) or os.path.lexists(f"{output}.training"):
        return False
    from hsiattn.training.finished import made_by

    return made_by(output, request.recipe, request.changes, request.seed, request.scene_name, request.further)
