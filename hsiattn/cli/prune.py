"""`hsiattn prune`: a smaller and faster model from a model, its scene and its labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hsiattn.cli import fitting, options
from hsiattn.cli.info import bands_in_words
from hsiattn.cli.report_context import author
from hsiattn.cli.reports import choose_format, render
from hsiattn.cli.resuming import resumable
from hsiattn.cli.scene_arguments import one_scene
from hsiattn.files.kinds import FileKind
from hsiattn.files.outputs import check_outputs, wanted, write_bytes
from hsiattn.files.training_state import check_state_folder, is_begun, remove_state_folder

_TARGETS = {"target_flops": "flops", "target_params": "parameters", "target_latency": "latency"}
"""Options of the target, and what `hsiattn.training.pruning` calls them."""
_SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)


@click.command(short_help="Make a model smaller and faster.")
@click.argument("model")
@options.scene_argument
@click.option("--labels", required=True, metavar="LABELS", help="The labels that MODEL was trained on.")
@click.option("-o", "--output", required=True, metavar="PRUNED", help="Model file to write, usually *.hsiattn.")
@click.option(
    "--target-flops", type=_SHARE, metavar="SHARE",
    help="Share of the multiply-adds per pixel that may stay, 0 … 1.  [default: 0.25, without --bands]",
)  # fmt: skip
@click.option("--target-params", type=_SHARE, metavar="SHARE", help="Share of the weights that may stay, 0 … 1.")
@click.option(
    "--target-latency", type=_SHARE, metavar="SHARE",
    help="Share of the time per pixel, as measured on this machine, that may stay, 0 … 1.",
)  # fmt: skip
@click.option(
    "--bands", type=click.IntRange(1), metavar="N",
    help="Read only the N bands that matter most to MODEL, as `hsiattn bands` ranks them; the network is trained anew "
    "on these, and components are made of them alone.",
)  # fmt: skip
@click.option(
    "--criterion", type=click.Choice(("taylor", "propagation", "magnitude", "random")), default="taylor",
    show_default=True,
    help="What units are ranked by: the change of the loss that they stand for, over the cost that they take away; the "
    "same without the cost, as published; the size of their weights; or chance. The last two are yardsticks.",
)  # fmt: skip
@fitting.label_options
@options.sensor
@options.wavelengths
@options.key
@options.use_flagged
@options.device
@options.threads
@click.option("--resume", is_flag=True, help="Continue an interrupted pruning to the same PRUNED.")
@click.option("--log", metavar="CSV", help="Write loss and accuracy of every epoch to this file.")
@click.option(
    "--report", metavar="FILE", help="Write the accuracy on the labels held out to this file, as `hsiattn train` does."
)
@author
@options.overwrite
@options.as_json
@options.common
@click.pass_context
def prune(
    ctx: click.Context,
    /,
    model: str,
    scene: tuple[str, ...],
    labels: str,
    output: str,
    criterion: str,
    report: str | None,
    author: str | None,
    overwrite: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Train MODEL further on SCENE and its labels, and take out what matters least, until a target is met.

    Channels, hidden units, groups of bands and components go; what stays is a smaller network in a normal model file.
    Give the scene, the labels, the split and the seed that MODEL was trained with: the accuracy then is that of pixels
    which neither has seen. With another split the network starts from the beginning.

    With --bands whole bands go, and scenes to be mapped need no others; a target besides is one for the network of the
    bands that stay.

    \b
        hsiattn prune fields.hsiattn scene.tif --labels polygons.gpkg --target-flops 0.25 -o small.hsiattn
        hsiattn prune fields.hsiattn scene.tif --labels polygons.gpkg --target-params 0.1 -o drone.hsiattn
        hsiattn prune fields.hsiattn scene.tif --labels polygons.gpkg --target-latency 0.5 -o quick.hsiattn
        hsiattn prune fields.hsiattn scene.tif --labels polygons.gpkg --bands 20 -o few.hsiattn
        hsiattn info small.hsiattn
    """
    if not scene:
        raise click.UsageError("Missing argument 'SCENE...': give the scene that MODEL was trained on", ctx)
    best_bands = given.pop("bands")
    change = target_of(ctx, given, default=best_bands is None)
    if not change:
        options.refuse_without_effect(ctx, ["criterion"], "with --bands alone, which takes no units out")
    fitting.check_usage(ctx)
    if given["split"] == "folds":
        raise click.UsageError("--split folds trains models of its own: give another split", ctx)
    form = choose_format(None, report, as_json=False) if report is not None else ""
    if report is not None and given["split"] == "none" and given["split_file"] is None:
        raise click.UsageError("--report has no effect with --split none, which holds no label out", ctx)
    if report is None:
        options.refuse_without_effect(ctx, ["author"], "without --report, whose author it names")
    for path, kind in ((output, "model"), (given["log"], "table")):
        options.check_suffix(path, kind)
    from hsiattn.models.registry import named_model

    state, threads = Path(f"{output}.training"), given.pop("threads")
    criterion_and_precision = f"training.pruning.criterion={criterion}", "training.quantisation_aware=null"
    request = fitting.Training(
        scene=one_scene(scene), labels=labels, start=str(named_model(model)), recipe=model, favour=None, open_set=None,
        settings=("training.pruning={}", *change, *criterion_and_precision) if change else (),
        checkpoints=str(state), best_bands=best_bands, **given,
    )  # fmt: skip
    check_state_folder(state)
    overwrite = overwrite or (given["resume"] and is_begun(state))
    files = wanted((output, FileKind.MODEL), (given["log"], FileKind.LOG), (report, FileKind.REPORT))
    check_outputs(files, overwrite=overwrite, inputs=request.inputs)
    options.use_threads(threads)
    with resumable(state):
        trained = fitting.train_model(request)
    trained.classifier.save(output, overwrite=overwrite)
    if report is not None:
        write_bytes(report, render(fitting.report_of(trained, request, form, output, author), form).encode())
    remove_state_folder(state)
    made = trained.classifier.model_
    pruning = made.training.get("pruning")
    if as_json:
        figures = {"pruning": pruning, **({"only_bands": list(made.only_bands)} if made.only_bands else {})}
        options.print_json({"model": output, **figures, **fitting.describe(trained.classifier)})
        return
    lines = [] if pruning is None else lines_of(pruning)
    if made.only_bands is not None:
        lines.append(f"bands     {bands_in_words(made)}")
    options.show(f"model     {output}", *lines, *fitting.lines_of(trained.classifier))


def target_of(ctx: click.Context, given: dict[str, Any], *, default: bool) -> list[str]:
    """Take the target out of the options, as a change of the recipe; none without one and without the default.

    Raises
    ------
    click.UsageError
        There are several.
    """
    shares = {setting: share for name, setting in _TARGETS.items() if (share := given.pop(name)) is not None}
    if len(shares) > 1:
        raise click.UsageError("--target-flops, --target-params and --target-latency: give one of them", ctx)
    if default and not shares:
        shares = {"flops": 0.25}
    return [f"training.pruning.{setting}={share}" for setting, share in shares.items()]


def lines_of(pruning: dict[str, Any]) -> list[str]:
    """What was taken out, for people."""
    lines = []
    for name, key in (("macs", "macs_per_pixel"), ("weights", "parameters")):
        before, after = pruning[key]
        what = "multiply-adds per pixel" if name == "macs" else "weights"
        lines.append(f"{name:<8}  {after} of {before} {what}, {100 * after / before:.1f} %")
    units = ", ".join(f"{name} {after} of {before}" for name, (before, after) in pruning["units"].items())
    return [*lines, f"units     {units}"]
