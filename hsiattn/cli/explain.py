"""`hsiattn explain`: what a network decides by, and how far its attention may be trusted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from hsiattn.cli import options
from hsiattn.cli.failures import named
from hsiattn.cli.scene_arguments import name_of, one_scene
from hsiattn.cli.wording import in_options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hsiattn.explanations.explanation import Explanation
    from hsiattn.models.model_file import TrainedModel
    from hsiattn.scenes import SceneSource

_OF_LABELS = (
    "label_key", "classes", "classes_level", "unlabelled", "column", "layer", "all_touched", "inner_buffer", "radius",
)  # fmt: skip


def pairs(kind: type[int] | type[float], name: str) -> Callable[..., list[tuple[Any, Any]]]:
    """Make the callback of an option whose values are two numbers with a comma between them."""

    def parse(ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]) -> list[tuple[Any, Any]]:
        found = []
        for text in texts:
            try:
                first, second = (kind(part) for part in text.split(","))
            except ValueError:
                first = second = math.nan
            if not (math.isfinite(first) and math.isfinite(second)):
                reason = f"{text!r} is not {name}, two numbers with a comma between them"
                raise click.BadParameter(reason, ctx=ctx, param=param)
            found.append((first, second))
        return found

    return parse


@click.command(short_help="Show what a model decides by, and how far to trust that.")
@click.argument("model")
@click.argument("scene", metavar="SCENE...", nargs=-1, required=True)
@click.option(
    "-o", "--output", metavar="DIR",
    help="Folder for explanation.html, figures (PNG, SVG), explanation.nc and explanation.json; made if it is missing.",
)  # fmt: skip
@click.option(
    "--at", "places", multiple=True, metavar="X,Y", callback=pairs(float, "X,Y"),
    help="Explain the pixel at these map coordinates, in the scene's CRS; may be repeated.",
)  # fmt: skip
@click.option(
    "--pixel", "pixels", multiple=True, metavar="ROW,COLUMN", callback=pairs(int, "ROW,COLUMN"),
    help="Explain this pixel, counted from 0; may be repeated.",
)  # fmt: skip
@click.option(
    "--per-class", is_flag=True,
    help="Explain some pixels of every class, which is the default: of the labels, or as the model predicts.",
)  # fmt: skip
@click.option(
    "--labels", metavar="LABELS", help="Labels in the scene, a raster or a vector file: pixels of each class."
)
@click.option(
    "--samples", type=click.IntRange(1), default=10, show_default=True, metavar="N", help="Pixels of every class."
)
@click.option(
    "--band-groups", type=click.IntRange(1), metavar="N",
    help="Occlude N groups of bands of equal size; default: visible, red edge, NIR, SWIR 1 and 2 where wavelengths are "
    "known.",
)  # fmt: skip
@click.option(
    "--models", "others", multiple=True, metavar="MODEL",
    help="Another model of the same scene and labels, trained with another seed: explanations are compared; may be "
    "repeated. The members of an ensemble are compared with each other.",
)  # fmt: skip
@click.option(
    "--draws", type=click.IntRange(19), default=39, show_default=True, metavar="N",
    help="Random orders with which attention is compared.",
)  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, metavar="N",
    help="Decides which pixels of a class are drawn, and the random orders.",
)  # fmt: skip
@options.key
@options.use_flagged
@options.labels_in_scene
@options.scale
@click.option("--force", is_flag=True, help="Explain decisions even in a scene that is unlike the training scene.")
@options.device
@options.threads
@options.overwrite
@options.as_json
@options.common
@click.pass_context
def explain(
    ctx: click.Context, /, model: str, scene: tuple[str, ...], output: str | None, as_json: bool, **given: Any
) -> None:
    """Explain what MODEL decides by in SCENE: attention, integrated gradients, occlusion, and a deletion test.

    Attention is what the network itself weighs by. The deletion test tells whether it may be trusted: bands are taken
    away in the order of attention, and the probability of the chosen class should fall sooner than in random orders.

    \b
        hsiattn explain fields.hsiattn scene.tif -o explained
        hsiattn explain fields.hsiattn scene.tif --labels fields.gpkg --samples 20 -o explained
        hsiattn explain fields.hsiattn scene.tif --at 388120,5811340 --at 388400,5811200
        hsiattn explain seed0.hsiattn scene.tif --models seed1.hsiattn --models seed2.hsiattn
        hsiattn explain fields.hsiattn scene.tif --json | jq .deletion.bands.verdict
    """
    check_usage(ctx, given)
    paths = one_scene(scene)
    inputs = {"model": model, "scene": name_of(paths), "labels": given["labels"], "class table": given["classes"]}
    inputs |= {f"model {number}": other for number, other in enumerate(given["others"], start=2)}

    from hsiattn.explanations.attribution import load_captum
    from hsiattn.models.registry import ModelFinder, read_trained
    from hsiattn.scenes import Radiometry, open_source

    load_captum()
    if output is not None:
        from hsiattn.explanations.documents import check_folder

        check_folder(output, overwrite=given["overwrite"], inputs=inputs)
    options.use_threads(given["threads"])
    source = open_source(paths, given["key"]).using_flagged(given["use_flagged"])
    if given["scale"] is not None:
        source = source.with_radiometry(Radiometry.divided_by(given["scale"], len(source.bands)))
    networks = [ModelFinder(name, read_trained).model_for(source) for name in (model, *given["others"])]
    explanation = explained(networks, source, given)
    for note in explanation.notes:
        options.say(note)
    if as_json:
        options.print_json(explanation.to_dict())
    else:
        options.show(*lines_of(explanation))
    if output is not None:
        from hsiattn.explanations.documents import write_explanation

        write_explanation(explanation, output, overwrite=given["overwrite"], inputs=inputs)
        options.say(f"explanation: {output}/explanation.html")


def check_usage(ctx: click.Context, given: dict[str, Any]) -> None:
    """Refuse options that contradict each other or would have no effect."""
    if given["places"] or given["pixels"]:
        options.refuse_without_effect(ctx, ["per_class", "samples"], "with --at or --pixel, which name the pixels")
    if given["labels"] is None:
        options.refuse_without_effect(ctx, _OF_LABELS, "without --labels")
    elif given["classes"] is None:
        options.refuse_without_effect(ctx, ["classes_level"], "without --classes, whose levels it means")
    if ctx.params["output"] is None:
        options.refuse_without_effect(ctx, ["overwrite"], "without -o")


def explained(networks: Sequence[TrainedModel], source: SceneSource, given: dict[str, Any]) -> Explanation:
    """The explanation that the options ask for."""
    import numpy as np

    from hsiattn.explanations.explanation import explain as explanation_of
    from hsiattn.explanations.pixels import pixels_at

    pixels: NDArray[np.int64] | None = None
    if given["places"] or given["pixels"]:
        named_by_row = np.array(given["pixels"], dtype=np.int64).reshape(-1, 2)
        pixels = np.concatenate([pixels_at(source, given["places"]), named_by_row]) if given["places"] else named_by_row
    labels = None if given["labels"] is None else codes_of_labels(networks[0], source, given)
    return explanation_of(
        networks[0], source, pixels, labels=labels, samples=given["samples"], groups=given["band_groups"],
        others=networks[1:], draws=given["draws"], random_state=given["seed"], device=given["device"],
        force=given["force"],
    )  # fmt: skip


def codes_of_labels(model: TrainedModel, source: SceneSource, given: dict[str, Any]) -> NDArray[np.int64]:
    """Codes (H, W) that the model has for the classes of the labels, matched by name where both have names."""
    import numpy as np

    from hsiattn.assessment.matched_names import codes_by_name
    from hsiattn.classes import ClassTable
    from hsiattn.labels.opening import read_label_file
    from hsiattn.labels.vector_options import VectorOptions

    chosen = VectorOptions(*(given[name] for name in ("column", "layer", "all_touched", "inner_buffer", "radius")))
    with named(key="--label-key"):
        labels, notes = read_label_file(
            given["labels"], source, key=given["label_key"], table=given["classes"], level=given["classes_level"],
            unlabelled=given["unlabelled"], options=chosen,
        )  # fmt: skip
    for note in notes:
        options.say(note)
    codes = labels.to_numpy().astype(np.int64)
    table = ClassTable.from_attrs(labels.attrs)
    present = [int(code) for code in np.unique(codes) if code]
    renamed = {} if table is None else codes_by_name(list(model.classes), list(table), present)
    result = codes.copy()
    for code, other in renamed.items():
        result[codes == code] = other
    return result


def lines_of(explanation: Explanation) -> list[str]:
    """The summary for people."""
    record = explanation.to_dict()
    about = record["explanation"]
    lines = [
        f"scene     {about['scene']}",
        f"network   {about['network']}, {about['bands']} bands, window {about['window']} × {about['window']}",
        f"pixels    {about['pixels']}, counted by {about['counted_by']}",
        "",
    ]
    width = max(len(row["name"]) for row in record["classes"])
    lines += [_line_of_class(row, width) for row in record["classes"]]
    sentences = [subject["in_words"] for subject in record["deletion"].values()]
    sentences += [explanation.stability.in_words] if explanation.stability is not None else []
    return [*lines, "", *map(in_options, sentences)]


def _line_of_class(row: dict[str, Any], width: int) -> str:
    parts = [f"{row['name']:<{width}}  {row['pixels']:>4} px"]
    for kind in ("attention", "gradients"):
        place = row[f"{kind}_most_at"]
        parts += [] if place is None else [f"{kind} most at {_place(place)}"]
    group = max(row["occlusion"], key=lambda name: row["occlusion"][name])
    return "  ".join([*parts, f"without {group} {-row['occlusion'][group]:+.2f}"])


def _place(place: dict[str, Any]) -> str:
    return str(place["band"]) if place["wavelength"] is None else f"{place['wavelength']:.0f} nm"
