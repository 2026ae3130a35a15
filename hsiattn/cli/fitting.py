"""Training as `hsiattn train` and the one-step form of `hsiattn classify` share it: options, run, and record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from hsiattn.cli import options
from hsiattn.cli.failures import named
from hsiattn.cli.progress import training_progress
from hsiattn.cli.wording import in_options
from hsiattn.errors import GridError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from xarray import DataArray

    from hsiattn.assessment import AccuracyReport
    from hsiattn.classifier import SpectralSpatialClassifier
    from hsiattn.splits import PixelSplitter, Split

SPLITS = ("blocks", "polygons", "random", "none")

training_options = options.use(
    click.option(
        "--recipe", default="default", show_default=True, metavar="NAME|FILE",
        help="Recipe of network and training: a name (default, ssan-paper, …) or a YAML file.",
    ),
    click.option(
        "--set", "settings", multiple=True, metavar="KEY=VALUE",
        help="Change one value of the recipe, for example --set training.max_epochs=50; may be repeated.",
    ),
    options.classes,
    options.label_key,
    options.unlabelled,
    click.option(
        "--split", type=click.Choice(SPLITS), default="blocks", show_default=True,
        help="How labelled pixels are held out: blocks with a buffer, polygons (fields of touching pixels of a class) "
        "as wholes, single random pixels, or none.",
    ),
    click.option("--split-file", metavar="FILE", help="Split raster as --write-split makes it, instead of --split."),
    click.option("--per-class", type=click.IntRange(1), metavar="N", help="Training pixels per class."),
    click.option(
        "--train-share", type=click.FloatRange(0, 1, min_open=True, max_open=True), metavar="SHARE",
        help="Share of the labelled pixels to train on, 0 … 1, in place of --per-class.",
    ),
    click.option("--block-size", type=click.IntRange(1), metavar="PX", help="Side of the blocks; default: chosen."),
    click.option(
        "--buffer", type=click.IntRange(0), metavar="PX",
        help="Pixels dropped between training and test; default: half the patch size, which makes the leakage 0.",
    ),
    options.seed,
)  # fmt: skip


@dataclass(frozen=True)
class Training:
    """Everything the command line says about one training; names as in the options."""

    scene: str
    labels: str
    key: str | None
    label_key: str | None
    unlabelled: int | None
    classes: str | None
    recipe: str
    settings: tuple[str, ...]
    split: str
    split_file: str | None
    per_class: int | None
    train_share: float | None
    block_size: int | None
    buffer: int | None
    seed: int
    device: str
    log: str | None = None
    checkpoints: str | None = None
    resume: bool = False

    @property
    def inputs(self) -> dict[str, str | None]:
        """The files that are read, by what they are."""
        return {
            "scene": self.scene,
            "labels": self.labels,
            "class table": self.classes,
            "split file": self.split_file,
            "recipe": self.recipe,
        }


def train_model(request: Training) -> SpectralSpatialClassifier:
    """Open scene and labels, train, and test on what was held out."""
    from hsiattn.labels.rasters import LabelRaster, read_labels
    from hsiattn.scenes import open_scene

    scene = open_scene(request.scene, request.key)
    with named(key="--label-key"):
        raster = LabelRaster(
            request.labels, key=request.label_key, table=request.classes, unlabelled=request.unlabelled
        )
        labels, notes = read_labels(raster, like=scene)
    for note in notes:
        options.say(note)
    from hsiattn.classifier import SpectralSpatialClassifier  # brings torch, which files that do not fit need not
    from hsiattn.training import load_recipe

    recipe = load_recipe(request.recipe, request.settings)
    split: PixelSplitter | NDArray[np.uint8]
    if request.split_file is not None:
        split = read_roles(request.split_file, labels)
    else:
        split = make_splitter(request, recipe.patch_size, labels)
    classifier = SpectralSpatialClassifier(recipe, split=split, random_state=request.seed, device=request.device)
    with training_progress() as listener:
        classifier.fit(
            scene, labels, listener=listener, log=request.log, checkpoints=request.checkpoints, resume=request.resume
        )
    for message in classifier.messages_:
        options.say(message)
    return classifier


def check_usage(ctx: click.Context) -> None:
    """Refuse training options that contradict each other, rather than let one of them go without effect.

    Raises
    ------
    click.UsageError
        Some do.
    """
    held_out = ("per_class", "train_share", "block_size", "buffer")
    if ctx.params["split_file"] is not None:
        options.refuse_without_effect(ctx, ("split", *held_out), "with --split-file, which says it all")
        return
    split = ctx.params["split"]
    useless = {
        "blocks": (),
        "polygons": ("block_size", "buffer"),
        "random": ("block_size", "buffer"),
        "none": ("train_share", "block_size", "buffer"),
    }
    options.refuse_without_effect(ctx, useless[split], f"with --split {split}")
    if ctx.params["per_class"] is not None and ctx.params["train_share"] is not None:
        raise click.UsageError("--per-class and --train-share both say how many pixels train: give one of the two", ctx)


def read_roles(path: str, labels: DataArray) -> NDArray[np.uint8]:
    """The roles in a split raster, which must have the size of the labels."""
    from hsiattn.splits import read_split

    roles = read_split(path)
    if roles.shape != labels.shape:
        given, wanted = (" × ".join(str(size) for size in shape) for shape in (roles.shape, labels.shape))
        raise GridError(f"the split {path} has {given} pixels, the labels {wanted}", "give the split of this scene")
    return roles


def make_splitter(request: Training, patch_size: int, labels: DataArray) -> PixelSplitter:
    """The splitter that the options describe; the buffer defaults to half a patch, so that no test window leaks."""
    from hsiattn.splits import AllPixels, GroupedPixels, RandomPixels, SpatialBlocks, connected_fields

    if request.split == "none":
        return AllPixels(train_size=request.per_class, random_state=request.seed)
    if request.split == "random":
        size = request.per_class or request.train_share or 10
        return RandomPixels(train_size=size, random_state=request.seed)
    if request.split == "polygons":
        return GroupedPixels(
            groups=connected_fields(labels.to_numpy()),
            train_share=request.train_share or 0.5,
            train_size=request.per_class,
            random_state=request.seed,
        )
    return SpatialBlocks(
        block_size=request.block_size,
        buffer=patch_size // 2 if request.buffer is None else request.buffer,
        train_share=request.train_share or 0.5,
        train_size=request.per_class,
        random_state=request.seed,
    )


def save_split(split: Split, request: Training, path: str, overwrite: bool) -> None:
    """Write who trained, validated and tested, on the grid of the scene."""
    from hsiattn.scenes import open_source
    from hsiattn.splits import write_split

    grid = open_source(request.scene, request.key).grid
    write_split(path, split.roles, crs=grid.crs, transform=grid.transform, overwrite=overwrite)


def describe(classifier: SpectralSpatialClassifier) -> dict[str, Any]:
    """What was sampled, how training went, how well the held-out pixels were classified; JSON-ready."""
    report = classifier.report_
    return {
        "split": classifier.split_.record,
        "training": classifier.model_.training,
        "temperature": classifier.model_.temperature,
        "messages": [in_options(message) for message in classifier.messages_],
        "accuracy": in_words_of_options(report).to_dict() if report is not None else None,
    }


def in_words_of_options(report: AccuracyReport) -> AccuracyReport:
    """A report whose advice and notes name options."""
    return replace(report, advice=tuple(map(in_options, report.advice)), notes=tuple(map(in_options, report.notes)))


def lines_of(classifier: SpectralSpatialClassifier) -> list[str]:
    """The same for people."""
    from hsiattn.assessment import formatting

    record, training, report = classifier.split_.record, classifier.model_.training, classifier.report_
    pixels = ", ".join(f"{role} {count}" for role, count in record["pixels"].items())
    lines = [f"pixels    {pixels}", f"training  {_course(training)}"]
    if report is None:
        return [*lines, "accuracy  not known: no pixels were held out"]
    figures = report.to_dict()
    overall, average = (formatting.format_percent(figures[f"{kind}_accuracy"], " %") for kind in ("overall", "average"))
    kappa = formatting.format_kappa(figures["kappa"])
    lines += [
        f"leakage   {formatting.format_leakage(report.leakage, report.window)}",
        f"accuracy  overall accuracy {overall}, average accuracy {average}, kappa {kappa}",
    ]
    if report.calibration is not None:
        lines.append(f"          {formatting.format_calibration(figures['calibration'])}")
    return lines


def _course(training: Mapping[str, Any]) -> str:
    """How training went, in words."""
    epochs, seconds, best = training["epochs"], training["seconds"], training["best_epoch"]
    if not epochs:
        return f"in closed form, in {seconds:.1f} s"
    return f"{epochs} epochs in {seconds:.0f} s" + (f", the best was {best}" if best < epochs else "")
