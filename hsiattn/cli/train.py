"""`hsiattn train`: a model from a scene and labels."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hsiattn.cli import fitting, options, outputs
from hsiattn.errors import TrainingError

if TYPE_CHECKING:
    from hsiattn.classifier import SpectralSpatialClassifier


@click.command(short_help="Train a model on a scene and its labels.")
@options.scene_argument
@click.option("--labels", required=True, metavar="LABELS", help="Label raster on the scene's grid; 0 is unlabelled.")
@click.option("-o", "--output", required=True, metavar="MODEL", help="Model file to write, by custom *.hsiattn.")
@fitting.training_options
@options.key
@options.device
@options.threads
@click.option("--resume", is_flag=True, help="Go on with a training of the same MODEL that was interrupted.")
@click.option("--log", metavar="CSV", help="Write loss and accuracy of every epoch there.")
@click.option("--write-split", metavar="FILE", help="Write the split as a raster for `hsiattn assess --split`.")
@options.overwrite
@options.as_json
@options.common
@click.pass_context
def train(
    ctx: click.Context,
    /,
    scene: str,
    labels: str,
    output: str,
    key: str | None,
    device: str,
    threads: int | None,
    resume: bool,
    log: str | None,
    write_split: str | None,
    overwrite: bool,
    as_json: bool,
    **training: Any,
) -> None:
    """Train a model on SCENE and its labels, and test it on labelled pixels that it has not seen.

    By default whole blocks of the scene are held out, with a buffer around them so that no test window holds a
    training pixel. --split random is what most papers do; its accuracy is optimistic, as the leakage figure tells.

    \b
        hsiattn train scene.tif --labels labels.tif -o fields.hsiattn
        hsiattn train scene.mat --key cube --labels gt.mat -o m.hsiattn --split random --per-class 50
        hsiattn train scene.hdr --labels labels.tif --classes legend.csv -o m.hsiattn --set training.max_epochs=200
    """
    fitting.check_usage(ctx)
    outputs.refuse_existing([output, None if resume else log, write_split], overwrite)
    for path, kind in ((output, "model"), (log, "table"), (write_split, "raster")):
        options.check_suffix(path, kind)
    options.use_threads(threads)
    checkpoints = Path(f"{output}.training")
    request = fitting.Training(
        scene=scene,
        labels=labels,
        key=key,
        device=device,
        log=log,
        checkpoints=str(checkpoints),
        resume=resume,
        **training,
    )
    classifier = fit(request, checkpoints)
    classifier.save(output, overwrite=overwrite)
    shutil.rmtree(checkpoints, ignore_errors=True)
    if write_split is not None:
        fitting.save_split(classifier.split_, request, write_split, overwrite)
    if as_json:
        options.print_json({"model": output, **fitting.describe(classifier)})
    else:
        options.show(f"model     {output}", *fitting.lines_of(classifier))


def fit(request: fitting.Training, checkpoints: Path) -> SpectralSpatialClassifier:
    """Train; an interruption says whether there is something to go on from, and leaves nothing otherwise."""
    try:
        return fitting.train_model(request)
    except KeyboardInterrupt as interrupt:
        if any(checkpoints.rglob("last.ckpt")):  # an ensemble keeps one for every member
            raise TrainingError("interrupted", f"go on with --resume; the state is in {checkpoints}") from interrupt
        shutil.rmtree(checkpoints, ignore_errors=True)
        raise
