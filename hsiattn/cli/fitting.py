"""Training as `hsiattn train` and the one-step form of `hsiattn classify` share it: options, run, and record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import click

from hsiattn.cli import options
from hsiattn.cli.failures import named
from hsiattn.cli.progress import training_progress
from hsiattn.cli.report_context import command_line
from hsiattn.cli.reports import SHOW_ALL
from hsiattn.cli.scene_arguments import ScenePaths, name_of, one_scene
from hsiattn.cli.scene_list import LabelledScene
from hsiattn.cli.wording import in_options
from hsiattn.errors import RecipeError
from hsiattn.open_set.settings import DetectorName

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from xarray import DataArray

    from hsiattn.assessment import AccuracyReport
    from hsiattn.classifier import SpectralSpatialClassifier
    from hsiattn.models.model_file import TrainedModel
    from hsiattn.scenes import SceneSource
    from hsiattn.splits import PixelSplitter, Split
    from hsiattn.training import Recipe
    from hsiattn.training.settings import MethodSettings

SPLITS = ("blocks", "polygons", "folds", "scenes", "random", "none")
_SETTINGS = {
    "per_class": "per_class",
    "train_share": "share",
    "draw": "draw",
    "polygons_per_class": "polygons_per_class",
    "polygon_size": "size",
    "block_size": "block_size",
    "buffer": "buffer",
    "folds": "folds",
}
"""Options about the split, and what `hsiattn.splits` calls them."""

_FAVOUR = "training.pseudo_labels.favour"
"""The setting that --favour stands for."""
_ENCODER = "training.pseudo_labels.encoder"
"""The setting that --from stands for."""
_DETECTOR = "open_set.detector"
"""The setting that --open-set stands for."""

label_options = options.use(
    options.classes,
    options.classes_level,
    options.label_key,
    click.option(
        "--unlabelled", multiple=True, metavar="VALUE|SCENE",
        help="A whole number: value of pixels without a label, besides nodata; default: 0. With another VALUE, 0 is a "
        "class, and gets the code VALUE (255 for a negative VALUE). Anything else: a further scene without labels, of "
        "any place and grid, for recipes that learn from unlabelled pixels, such as self-training; may be repeated.",
    ),
    options.vectors,
    click.option(
        "--split", type=click.Choice(SPLITS), default="blocks", show_default=True,
        help="How labelled pixels are held out: blocks with a buffer, polygons (fields of touching pixels of a class) "
        "as wholes, folds (every polygon, or block where none are known, is tested once by a model trained without it; "
        "the model written is trained on all labels), whole scenes of several, single random pixels, or none.",
    ),
    click.option("--split-file", metavar="FILE", help="Split raster as --write-split makes it, instead of --split."),
    click.option(
        "--groups", metavar="RASTER",
        help="Raster with the polygon id of every pixel, 0 for none: no choice in training and no "
        "interval divides a polygon, and --split polygons holds out these. Default: the polygons of a vector file.",
    ),
    click.option("--per-class", type=click.IntRange(1), metavar="N", help="Training pixels per class."),
    click.option(
        "--train-share", type=click.FloatRange(0, 1, min_open=True, max_open=True), metavar="SHARE",
        help="Share of the labelled pixels to train on, 0 … 1, in place of --per-class.",
    ),
    click.option(
        "--draw", type=click.Choice(("centres", "squares", "strips")),
        help="With --split polygons: train on small polygons drawn into the labels, test outside a buffer around them.",
    ),
    click.option(
        "--polygons-per-class", type=click.IntRange(1), metavar="N", help="Polygons drawn per class; default: 4."
    ),
    click.option(
        "--polygon-size", type=click.IntRange(1), metavar="PX",
        help="Side of drawn polygons, or length of strips; default: 4, strips 12.",
    ),
    click.option(
        "--block-size", type=click.IntRange(1), metavar="PX",
        help="Side of the blocks; default: chosen from the labels.",
    ),
    click.option(
        "--buffer", type=click.IntRange(0), metavar="PX",
        help="Pixels dropped between training and test; default: half the patch size, which makes the leakage 0.",
    ),
    click.option("--folds", type=click.IntRange(2), metavar="K", help="Number of folds of --split folds; default: 5."),
    click.option(
        "--keep-bad", is_flag=True,
        help="Keep labelled pixels whose spectra have spikes, negative reflectance beyond noise, or reflectance above "
        "2; default: a few such pixels are left out, and told.",
    ),
    options.seed,
)  # fmt: skip
"""Labels, and how they are divided."""

training_options = options.use(
    click.option(
        "--recipe", default="default", show_default=True, metavar="NAME|FILE",
        help="Recipe of network and training: a name (default, ssan-paper, …) or a YAML file.",
    ),
    click.option(
        "--set", "settings", multiple=True, metavar="KEY=VALUE",
        help="Change one value of the recipe, for example --set training.max_epochs=50; may be repeated.",
    ),
    click.option(
        "--favour", type=click.Choice(("overall", "average", "both")),
        help="What recipes with pseudo-labels make largest: overall accuracy, where doubtful pixels go by the class "
        "frequencies of the scene; average accuracy, where all classes cost the same; or both, in between.  "
        "[default: as in the recipe]",
    ),
    click.option(
        "--open-set", is_flag=False, flag_value="default", metavar="[DETECTOR]",
        help="Also learn to tell pixels of materials that no class stands for, for `hsiattn classify --unknown`, by a "
        f"detector: {', '.join(get_args(DetectorName))}. The network stays the same; training takes several times as "
        "long, because it is repeated without some groups of labels, which tell how much may differ.",
    ),
    label_options,
)  # fmt: skip


@dataclass(frozen=True)
class Training:
    """Options of one training, by their names."""

    scene: ScenePaths
    labels: str
    key: str | None
    label_key: str | None
    unlabelled: int | tuple[str, ...] | None
    classes: str | None
    classes_level: int | None
    recipe: str
    settings: tuple[str, ...]
    favour: str | None
    open_set: str | None
    split: str
    split_file: str | None
    groups: str | None
    per_class: int | None
    train_share: float | None
    draw: str | None
    polygons_per_class: int | None
    polygon_size: int | None
    block_size: int | None
    buffer: int | None
    keep_bad: bool
    seed: int
    device: str
    folds: int | None = None
    column: str | None = None
    layer: str | None = None
    all_touched: bool = False
    inner_buffer: float = 0
    radius: float = 0
    use_flagged: tuple[str, ...] = ()
    log: str | None = None
    checkpoints: str | None = None
    resume: bool = False
    scenes: tuple[LabelledScene, ...] = ()
    start: str | None = None
    best_bands: int | None = None
    encoder: str | None = None
    sensor: str | None = None
    wavelengths: str | None = None

    @property
    def value_unlabelled(self) -> int | None:
        """Value of pixels without a label, where one is given."""
        return value_and_scenes(self.unlabelled)[0]

    @property
    def further(self) -> tuple[str, ...]:
        """Further scenes, whose pixels are learned from without labels."""
        return value_and_scenes(self.unlabelled)[1]

    @property
    def scene_name(self) -> str:
        """What the scene is called, or the stack of several."""
        if not self.scenes:
            return name_of(self.scene)
        from hsiattn.scenes.stack import stack_name

        return stack_name([name_of(entry["scene"]) for entry in self.scenes])

    @property
    def labels_name(self) -> str:
        """Path of the labels, or of those of several scenes."""
        return self.labels if not self.scenes else ", ".join(str(entry["labels"]) for entry in self.scenes)

    @property
    def changes(self) -> tuple[str, ...]:
        """Changes of the recipe: the settings, and what stands for one of them."""
        named = [] if self.favour is None else [f"{_FAVOUR}={self.favour}"]
        named += [] if self.encoder is None else [f"{_ENCODER}={self.encoder}"]
        unknown = [] if self.open_set is None else ["open_set={}"]  # first, since settings of it may follow
        if self.open_set not in (None, "default"):
            unknown.append(f"{_DETECTOR}={self.open_set}")
        return (*unknown, *self.settings, *named)

    @property
    def inputs(self) -> dict[str, str | None]:
        """Files that are read, by what they are."""
        read: dict[str, str | None] = {}
        for number, entry in enumerate(self.scenes, start=1):
            read |= {f"scene {number}": name_of(entry["scene"]), f"labels {number}": entry["labels"]}
        return {
            **(read or {"scene": name_of(self.scene), "labels": self.labels}),
            "class table": self.classes,
            "split file": self.split_file,
            "raster of groups": self.groups,
            "recipe": self.recipe if self.start is None else None,
            "model": self.start,
            "table of wavelengths": self.wavelengths,
            **{f"unlabelled scene {number}": path for number, path in enumerate(self.further, start=1)},
        }


class Trained(NamedTuple):
    """A classifier, and what it was trained on."""

    classifier: SpectralSpatialClassifier
    scene: SceneSource
    labels: DataArray


def train_model(request: Training) -> Trained:
    """Open scene and labels, train, and test on what was held out."""
    scene, labels, groups = open_several(request) if request.scenes else open_labelled(request)
    further = open_further(request)
    from hsiattn.classifier import SpectralSpatialClassifier  # brings torch, which files that do not fit need not
    from hsiattn.splits import read_split

    start = None
    if request.start is not None:
        from hsiattn.models.registry import ModelFinder, read_trained

        start = ModelFinder(request.start, read_trained).model_for(scene)
    recipe = load_request(request) if start is None else recipe_of(start, request)
    split: PixelSplitter | NDArray[np.uint8]
    if request.split_file is not None:
        split = read_split(request.split_file, shape=labels.shape)
    elif request.split == "scenes":
        split = make_splitter(request, recipe.patch_size, labels, numbers_of_scenes(scene))
    else:
        split = make_splitter(request, recipe.patch_size, labels, groups)
    classifier = SpectralSpatialClassifier(recipe, split=split, random_state=request.seed, device=request.device)
    with training_progress() as listener:
        classifier.fit(
            scene, labels, listener=listener, log=request.log, checkpoints=request.checkpoints, resume=request.resume,
            groups=groups, unlabelled=further, start=start,
        )  # fmt: skip
    for message in classifier.messages_:
        options.say(message)
    return Trained(classifier, scene, labels)


def report_of(trained: Trained, request: Training, form: str, model: str, author: str | None) -> AccuracyReport:
    """The report of a training, after the model was written, with as much beside its figures as the form shows."""
    from hsiattn import reporting

    own = trained.classifier.report_
    if own is not None and form not in SHOW_ALL and trained.classifier.model_.open_set is None:
        return in_words_of_options(own)
    report = reporting.report_of(
        trained.classifier, trained.scene, trained.labels, reference=request.labels_name, model=model, author=author,
        command=command_line(),
    )  # fmt: skip
    return in_words_of_options(report)


def open_labelled(request: Training) -> tuple[SceneSource, DataArray, NDArray[np.int32] | None]:
    """Open one scene, its labels, and the polygons of these where they are known."""
    from hsiattn.datasets.sensors import with_told_bands
    from hsiattn.labels.group_rasters import GroupRaster, read_groups
    from hsiattn.labels.opening import read_label_file
    from hsiattn.labels.vector_options import VectorOptions
    from hsiattn.scenes import open_source
    from hsiattn.scenes.bad_pixels import without_bad_pixels

    opened = open_source(request.scene, request.key).using_flagged(request.use_flagged)
    scene = with_told_bands(opened, request.sensor, request.wavelengths)
    with named(key="--label-key"):
        labels, notes = read_label_file(
            request.labels, scene, key=request.label_key, table=request.classes, level=request.classes_level,
            unlabelled=request.value_unlabelled,
            options=VectorOptions(
                request.column, request.layer, request.all_touched, request.inner_buffer, request.radius
            ),
        )  # fmt: skip
    if not request.keep_bad:
        labels, of_bad = without_bad_pixels(scene, labels)
        notes = (*notes, *of_bad)
    for note in notes:
        options.say(note)
    groups = labels.coords["group"].to_numpy() if "group" in labels.coords else None
    if request.groups is not None:
        polygons = GroupRaster(request.groups).on_grid_of(labels, "the scene")
        groups = read_groups(polygons)
        for note in polygons.placement_notes:
            options.say(note)
    return scene, labels, groups


def open_further(request: Training) -> list[SceneSource]:
    """Open the scenes that lend unlabelled pixels; --key is for those that are files of the training scene's kind."""
    from pathlib import Path

    from hsiattn.scenes import open_source

    first = request.scene if isinstance(request.scene, str) else ""
    keys = [request.key if Path(path).suffix == Path(first).suffix else None for path in request.further]
    return [
        open_source(one_scene([path]), key).using_flagged(request.use_flagged)
        for path, key in zip(request.further, keys, strict=True)
    ]


def value_and_scenes(given: int | Sequence[str] | None) -> tuple[int | None, tuple[str, ...]]:
    """What --unlabelled was given: the value of pixels without a label, and further scenes.

    >>> value_and_scenes(["255", "july.tif"])
    (255, ('july.tif',))
    """
    if given is None or isinstance(given, int):
        return given, ()
    values = [text for text in given if _is_whole(text)]
    return int(values[-1]) if values else None, tuple(text for text in given if not _is_whole(text))


def _is_whole(text: str) -> bool:
    return text.strip().lstrip("+-").isdecimal()


def open_several(request: Training) -> tuple[SceneSource, DataArray, NDArray[np.int32] | None]:
    """Open several scenes, each with its labels, as one below the other."""
    from hsiattn.labels.stacking import stack_scenes
    from hsiattn.scenes.stack import GAP

    parts = [open_labelled(replace(request, scenes=(), **entry)) for entry in request.scenes]
    gap = max(GAP, load_request(request).patch_size, request.buffer or 0)
    sources, labels, groups = zip(*parts, strict=True)
    stack, stacked = stack_scenes(sources, labels, gap, groups)
    return stack, stacked, stacked.coords["group"].to_numpy() if "group" in stacked.coords else None


def numbers_of_scenes(scene: SceneSource) -> NDArray[np.int32] | None:
    """The number of the scene of every pixel, where there are several."""
    from hsiattn.scenes.stack import SceneStack

    return scene.scene_numbers() if isinstance(scene, SceneStack) else None


def load_request(request: Training) -> Recipe:
    """Load the recipe with all its changes.

    Raises
    ------
    RecipeError
        It cannot be used, or --favour or --from is given and its method makes no pseudo-labels.
    """
    from hsiattn.training import load_recipe
    from hsiattn.training.pseudo_labels import PseudoLabelTraining

    for option, given, what in (
        ("--favour", request.favour, "favour one accuracy"),
        ("--from", request.encoder, "start from another model"),
    ):
        if given is None:
            continue
        training = load_recipe(request.recipe, request.settings).training
        if not isinstance(training, PseudoLabelTraining) and not (option == "--from" and _starts_so(training)):
            raise RecipeError(
                f"the recipe {request.recipe} trains by {training.method}, which cannot {what}",
                f"leave {option} out, or take a recipe with pseudo-labels such as --recipe default",
            )
    return load_recipe(request.recipe, request.changes)


def _starts_so(training: MethodSettings) -> bool:
    """Whether a method that could start from labels alone is told to start from pseudo-labels."""
    return getattr(training, "start", None) == "pseudo-labels"


def recipe_of(model: TrainedModel, request: Training) -> Recipe:
    """The recipe that a model was trained by, with the changes that are asked for, and for its best bands alone.

    Raises
    ------
    RecipeError
        It is none of this version, or does not take these changes.
    BandError
        The model reads no more bands than are wanted.
    """
    from hsiattn.training.recipes import changed_recipe

    changes = list(request.changes)
    if request.best_bands is not None:
        from hsiattn.explanations.band_ranking import rank_bands

        changes.append(f"preprocessing.only_bands={rank_bands(model).best(request.best_bands)}")
    return changed_recipe(model.recipe, changes)


def check_usage(ctx: click.Context) -> None:
    """Refuse training options that contradict each other, rather than let one of them go without effect.

    Raises
    ------
    click.UsageError
        Some do.
    """
    for option, name, setting in (("--favour", "favour", _FAVOUR), ("--from", "encoder", _ENCODER)):
        if ctx.params.get(name) is not None and any(
            given.partition("=")[0].strip() == setting for given in ctx.params["settings"]
        ):
            raise click.UsageError(f"{option} stands for --set {setting}: give one of the two", ctx)
    if sum(map(_is_whole, ctx.params["unlabelled"])) > 1:
        raise click.UsageError("--unlabelled names several values of pixels without a label: give one", ctx)
    if ctx.params.get("open_set") not in (None, "default") and any(
        setting.partition("=")[0].strip() == _DETECTOR for setting in ctx.params["settings"]
    ):
        raise click.UsageError(f"--open-set NAME stands for --set {_DETECTOR}: give one of the two", ctx)
    if ctx.params["classes"] is None:
        options.refuse_without_effect(ctx, ["classes_level"], "without --classes, whose levels it means")
    if ctx.params["split_file"] is not None:
        options.refuse_without_effect(ctx, ("split", *_SETTINGS), "with --split-file, which says it all")
        return
    from hsiattn import splits

    split = ctx.params["split"]
    idle = [option for option, setting in _SETTINGS.items() if setting not in splits.SPLITS[split].model_fields]
    options.refuse_without_effect(ctx, idle, f"with --split {split}")
    if split == "folds":
        options.refuse_without_effect(ctx, ["per_class"], "with --split folds, which trains on all labels")
    if split == "polygons":
        draw = ctx.params["draw"]
        unused = splits.PolygonsSplit.without_effect(drawn=draw is not None)
        idle = [option for option, setting in _SETTINGS.items() if setting in unused]
        options.refuse_without_effect(ctx, idle, f"with --draw {draw}" if draw else "without --draw")
    if ctx.params["per_class"] is not None and ctx.params["train_share"] is not None:
        raise click.UsageError("--per-class and --train-share both say how many pixels train: give one of the two", ctx)


def make_splitter(
    request: Training, patch_size: int, labels: DataArray, groups: NDArray[np.int32] | None
) -> PixelSplitter:
    """Make the splitter that the options describe."""
    from hsiattn import splits

    given = {setting: getattr(request, option) for option, setting in _SETTINGS.items()}
    given = {setting: value for setting, value in given.items() if value is not None}
    given["groups"] = groups if request.split in ("polygons", "folds", "scenes") else None
    codes = labels.to_numpy()
    return splits.make_splitter(request.split, codes, patch_size=patch_size, random_state=request.seed, **given)


def save_split(split: Split, request: Training, path: str, overwrite: bool) -> None:
    """Write who trained, validated and tested, on the grid of the scene, or of the stack of several."""
    from affine import Affine

    from hsiattn.scenes import Grid, open_source
    from hsiattn.splits import write_split

    height, width = split.roles.shape
    grid = Grid(height, width, None, Affine.identity())
    if not request.scenes:
        grid = open_source(request.scene, request.key).grid
    write_split(path, split.roles, crs=grid.crs, transform=grid.transform, overwrite=overwrite)


def describe(classifier: SpectralSpatialClassifier) -> dict[str, Any]:
    """Record of the split, the training and the accuracy on the held-out pixels; JSON-ready."""
    report = classifier.report_
    return {
        "warnings": [in_options(warning) for warning in classifier.model_.training.get("warnings", [])],
        "split": classifier.split_.record,
        "training": classifier.model_.training,
        "temperature": classifier.model_.temperature,
        "messages": [in_options(message) for message in classifier.messages_],
        "accuracy": in_words_of_options(report).to_dict() if report is not None else None,
    }


def in_words_of_options(report: AccuracyReport) -> AccuracyReport:
    """Report whose sentences name options."""
    supplement = report.supplement
    if supplement is not None:
        record = supplement.record.copy()
        for part in ("messages", "absent"):
            if part in record:
                record[part] = list(map(in_options, record[part]))
        supplement = replace(supplement, record=record)
    return replace(
        report, advice=tuple(map(in_options, report.advice)), notes=tuple(map(in_options, report.notes)),
        supplement=supplement,
    )  # fmt: skip


def lines_of(classifier: SpectralSpatialClassifier) -> list[str]:
    """Format the same for people."""
    from hsiattn.assessment import formatting

    record, training, report = classifier.split_.record, classifier.model_.training, classifier.report_
    pixels = ", ".join(f"{role} {count}" for role, count in record["pixels"].items())
    lines = [f"pixels    {pixels}", f"training  {_course(training)}"]
    if "folds" in record:
        lines.append(f"test      by {record['folds']['number']} folds; the model itself is trained on all labels")
    if report is None:
        return [*lines, "accuracy  not known: no pixels were held out"]
    figures = report.to_dict()
    overall, average = (formatting.format_percent(figures[f"{kind}_accuracy"], " %") for kind in ("overall", "average"))
    kappa = formatting.format_kappa(figures["kappa"])
    lines += [
        f"leakage   {formatting.format_leakage(report.leakage, report.window)}",
        f"accuracy  overall accuracy {overall}, average accuracy {average}, kappa {kappa}",
    ]
    if figures["groups"] is not None:
        lines.append(f"          intervals {formatting.format_intervals(figures)}")
    if report.calibration is not None:
        lines.append(f"          {formatting.format_calibration(figures['calibration'])}")
    return lines


def _course(training: Mapping[str, Any]) -> str:
    """Epochs and time of the training, in words."""
    epochs, seconds, best = training["epochs"], training["seconds"], training["best_epoch"]
    if not epochs:
        return f"in closed form, in {seconds:.1f} s"
    return f"{epochs} epochs in {seconds:.0f} s" + (f", the best was {best}" if best < epochs else "")
