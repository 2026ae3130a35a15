"""`hsiattn robustness`: what disturbances and attacks leave of a model's accuracy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from hsiattn.cli import options
from hsiattn.cli.progress import libraries_silenced, step_progress
from hsiattn.cli.scene_arguments import name_of, one_scene
from hsiattn.files.kinds import FileKind
from hsiattn.files.outputs import check_outputs, wanted, write_bytes

if TYPE_CHECKING:
    from hsiattn.robustness import Robustness

_SUFFIXES = {".json": "json", ".csv": "csv", ".md": "markdown", ".html": "html", ".htm": "html", ".txt": "text"}
FORMATS = ("text", "json", "csv", "html", "markdown")
DISTURBANCES = ("noise", "striping", "dead-bands", "gain-haze", "band-shift", "missing-bands")
ATTACKS = ("fgsm", "pgd", "adaptive")
"""As `hsiattn.simulation` and `hsiattn.robustness` know them, whose libraries take a second to load."""
NONE = "none"


def names(known: tuple[str, ...]) -> Callable[..., tuple[str, ...] | None]:
    """Make the callback of an option with names of a list, or `none`; None where it is not given."""

    def parse(ctx: click.Context, param: click.Parameter, text: str | None) -> tuple[str, ...] | None:
        if text is None:
            return None
        given = tuple(dict.fromkeys(name.strip().lower().replace("_", "-") for name in text.split(",") if name.strip()))
        if given == (NONE,):
            return ()
        unknown = [name for name in given if name not in known]
        if unknown or not given:
            wrong = f"there is no {', '.join(unknown)}" if unknown else "no name is given"
            raise click.BadParameter(f"{wrong}; give some of {', '.join(known)}, or {NONE}", ctx=ctx, param=param)
        return given

    return parse


def numbers(most: float) -> Callable[..., tuple[float, ...]]:
    """Make the callback of an option with numbers from 0 to a largest one, commas between them."""

    def parse(ctx: click.Context, param: click.Parameter, text: str) -> tuple[float, ...]:
        try:
            given = tuple(dict.fromkeys(float(part) for part in text.split(",") if part.strip()))
        except ValueError:
            given = (math.nan,)
        if not given or not all(0 <= number <= most for number in given):
            reason = f"{text!r} is no list of numbers from 0 to {most:g} with commas between them"
            raise click.BadParameter(reason, ctx=ctx, param=param)
        return given

    return parse


@click.command(short_help="Measure what disturbances and attacks leave of a model's accuracy.")
@click.argument("model")
@click.argument("scene", metavar="SCENE...", nargs=-1, required=True)
@click.option("--labels", required=True, metavar="LABELS", help="Labels in the scene, a raster or a vector file.")
@click.option(
    "--split", "split_file", metavar="FILE",
    help="Split raster of `hsiattn train --write-split`: only its test pixels count.",
)  # fmt: skip
@click.option(
    "--groups", metavar="RASTER",
    help="Raster with the polygon id of every pixel, 0 for none, over which intervals and tests are; default: fields "
    "of touching pixels of a class.",
)  # fmt: skip
@click.option(
    "--against", metavar="MODEL",
    help="Another model of the same classes, compared pixel by pixel; default: a model with a prior is compared with "
    "itself without it.",
)  # fmt: skip
@click.option(
    "--disturbances", metavar="NAMES", callback=names(DISTURBANCES),
    help=f"Some of {', '.join(DISTURBANCES)}, or none; default: all that the scene has wavelengths for.",
)  # fmt: skip
@click.option(
    "--strengths", default="1,2", show_default=True, metavar="NUMBERS", callback=numbers(100),
    help="Strengths of disturbances; what each is at 1 stands above.",
)  # fmt: skip
@click.option(
    "--draws", type=click.IntRange(1, 100), default=3, show_default=True, metavar="N",
    help="Times that every disturbance is drawn; figures are means over them.",
)  # fmt: skip
@click.option(
    "--attacks", metavar="NAMES", callback=names(ATTACKS),
    help=f"Some of {', '.join(ATTACKS)}, or none; default: all, adaptive only for a model with a prior.",
)  # fmt: skip
@click.option(
    "--epsilons", default="1,2,4,8", show_default=True, metavar="NUMBERS", callback=numbers(255),
    help="Largest change by an attack, in 255ths of every band's range in the scene.",
)  # fmt: skip
@click.option("--steps", type=click.IntRange(1, 1000), default=10, show_default=True, metavar="N", help="Steps of pgd.")
@click.option(
    "--pixels", type=click.IntRange(1), default=1000, show_default=True, metavar="N",
    help="Most test pixels; of more, so many by chance.",
)  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, metavar="N",
    help="Decides pixels, disturbances and random starts.",
)  # fmt: skip
@options.key
@options.use_flagged
@options.labels_in_scene
@options.scale
@options.resample
@options.device
@options.threads
@click.option(
    "--format", "form", type=click.Choice(FORMATS), help="Form of the table; default: from the suffix of -o, else text."
)
@click.option("-o", "--output", metavar="FILE", help="Write the table to this file instead of printing it.")
@options.overwrite
@options.as_json
@options.common
@click.pass_context
def robustness(ctx: click.Context, /, model: str, scene: tuple[str, ...], **given: Any) -> None:
    """Measure how accurate MODEL is on labelled pixels of SCENE: as it is, disturbed, and under attack.

    \b
    Disturbances are what real scenes bring along. At strength 1:
        noise          white, 2 % of a band's median: a signal-to-noise ratio of 50
        striping       columns with gains off by 3 % and offsets by 1 % of the median
        dead-bands     3 % of the bands, one by one, stuck at zero or saturation
        gain-haze      path radiance of 0.02 at 550 nm, and gains off by a smooth 3 %
        band-shift     all bands 1 nm off
        missing-bands  a run of 10 % of the bands holds zeros

    Attacks know the model and look for the smallest changes that make it err: fgsm takes one step along the gradient,
    pgd many, along the model's and along its bare network's. A memory of spectra has no gradient;
    adaptive attacks a softened one in its place.

    \b
        hsiattn robustness fields.hsiattn scene.tif --labels fields.gpkg
        hsiattn robustness fields.hsiattn scene.tif --labels labels.tif --split split.tif -o table.html
        hsiattn robustness a.hsiattn scene.tif --labels labels.tif --against b.hsiattn --attacks none
        hsiattn robustness fields.hsiattn scene.tif --labels labels.tif --json | jq .conditions[0]
    """
    form = _form(given["form"], given["output"], given["as_json"])
    _check_usage(ctx, given)
    paths = one_scene(scene)
    inputs = {
        "model": model, "scene": name_of(paths), "labels": given["labels"], "class table": given["classes"],
        "split": given["split_file"], "other model": given["against"], "raster of groups": given["groups"],
    }  # fmt: skip
    check_outputs(wanted((given["output"], FileKind.ROBUSTNESS)), overwrite=given["overwrite"], inputs=inputs)
    options.use_threads(given["threads"])
    table = _measured(model, paths, given)
    text = _rendered(table, form)
    if given["output"] is not None:
        write_bytes(given["output"], text.encode())
        options.say(f"robustness: {given['output']}")
    elif form == "text":
        options.show(*text.rstrip("\n").split("\n"))
    else:
        options.print_text(text)


def _check_usage(ctx: click.Context, given: Mapping[str, Any]) -> None:
    """Refuse options that have no effect."""
    if given["disturbances"] == ():
        options.refuse_without_effect(ctx, ["strengths", "draws"], "without disturbances")
    if given["attacks"] == ():
        options.refuse_without_effect(ctx, ["epsilons", "steps"], "without attacks")
    if given["classes"] is None:
        options.refuse_without_effect(ctx, ["classes_level"], "without --classes, whose levels it means")
    if given["output"] is None:
        options.refuse_without_effect(ctx, ["overwrite"], "without -o")


def _form(named: str | None, output: str | None, as_json: bool) -> str:
    """The form of the table: as named, else `--json`, else by the suffix of the output, else text."""
    import os

    from hsiattn.errors import OutputError

    if as_json and named not in (None, "json"):
        raise click.UsageError(f"--json and --format {named} contradict each other")
    if named is not None or as_json or output is None:
        return named or ("json" if as_json else "text")
    suffix = os.path.splitext(output)[1].lower()
    if suffix not in _SUFFIXES:
        raise OutputError(f"the suffix of {output} stands for no form of table", "name one with --format")
    return _SUFFIXES[suffix]


def _measured(model: str, paths: Any, given: dict[str, Any]) -> Robustness:
    """The table that the options ask for."""
    from hsiattn.cli.explain import codes_of_labels
    from hsiattn.labels.group_rasters import read_groups
    from hsiattn.models.registry import ModelFinder, read_trained
    from hsiattn.robustness import robustness as measure
    from hsiattn.scenes import Radiometry, open_source
    from hsiattn.splits import read_split

    source = open_source(paths, given["key"]).using_flagged(given["use_flagged"])
    if given["scale"] is not None:
        source = source.with_radiometry(Radiometry.divided_by(given["scale"], len(source.bands)))
    trained = ModelFinder(model, read_trained).model_for(source)
    if given["resample"]:
        source = trained.resampled(source)
    other = None if given["against"] is None else ModelFinder(given["against"], read_trained).model_for(source)
    codes = codes_of_labels(trained, source, given)
    roles = None if given["split_file"] is None else read_split(given["split_file"], shape=codes.shape)
    groups = None if given["groups"] is None else read_groups(given["groups"], source)
    with libraries_silenced(), step_progress("robustness", "conditions") as progress:
        return measure(
            trained, source, codes, against=other, split=roles, groups=groups, disturbances=given["disturbances"],
            strengths=given["strengths"], draws=given["draws"], attacks=given["attacks"], epsilons=given["epsilons"],
            steps=given["steps"], pixels=given["pixels"], random_state=given["seed"], device=given["device"],
            progress=progress,
        )  # fmt: skip


def _rendered(table: Robustness, form: str) -> str:
    from hsiattn.robustness import forms

    if form == "json":
        return options.json_text(table.to_dict())
    render = {"text": forms.to_text, "csv": forms.to_csv, "html": forms.to_html, "markdown": forms.to_markdown}
    return render[form](table)
