"""`hsiattn info`: what is in a scene, a model, a map or labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hsiattn.cli import options
from hsiattn.cli.scene_info import SceneQuestion
from hsiattn.cli.wording import in_options
from hsiattn.errors import SceneError
from hsiattn.files.inputs import refuse_special
from hsiattn.files.kinds import looks_like_model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hsiattn.models.model_file import TrainedModel

_OF_SCENES = ("key", "use_flagged", "stats", "quicklook", "labels", "spectra")
_OF_LABELS = ("label_key", "classes", "unlabelled", "column", "layer", "all_touched", "inner_buffer", "radius")
_SENTENCES = ("choice", "unlabelled", "prior", "started_from", "pruned", "for_int8", "reads")
"""Entries that are not cut."""
_VECTORS = ("column", "layer", "all_touched", "inner_buffer", "radius")


@click.command(short_help="Describe a scene, a model, a map or labels.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@options.key
@options.use_flagged
@click.option(
    "--stats", is_flag=True, help="Read the whole scene, count missing pixels by reason, and find useless bands."
)
@click.option(
    "--quicklook",
    metavar="PNG",
    help="Draw the scene: true colour where its wavelengths allow that, else false colour or principal components. "
    "Missing pixels are transparent.",
)
@click.option("--labels", metavar="LABELS", help="Labels in the scene, a raster or a vector file: spectra by class.")
@click.option(
    "--spectra", metavar="PNG", help="With --labels: draw the mean spectrum of every class, ± 1 standard deviation."
)
@options.label_key
@options.classes
@options.unlabelled
@options.vectors
@options.overwrite
@options.as_json
@options.common
@click.pass_context
def info(ctx: click.Context, /, files: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Describe FILE: a scene, a model, a map, or labels. A folder, or several FILEs, are tiles of one scene.

    FILE may be `builtin`, the built-in land-cover model.

    \b
        hsiattn info scene.tif --stats
        hsiattn info tiles/*.tif --quicklook scene.png
        hsiattn info scene.tif --labels fields.gpkg --spectra spectra.png
        hsiattn info fields.gpkg
        hsiattn info fields.hsiattn
        hsiattn info builtin
        hsiattn info scene_classes.tif --json
    """  # fmt: skip
    for file in files:
        refuse_special(file, SceneError)
    known = None if len(files) > 1 else describe_other(ctx, files[0])
    if known is None:
        if given["labels"] is None:
            options.refuse_without_effect(ctx, ("spectra", *_OF_LABELS), "without --labels")
        if given["quicklook"] is None and given["spectra"] is None:
            options.refuse_without_effect(ctx, ("overwrite",), "without --quicklook or --spectra")
        vectors = {name: given.pop(name) for name in _VECTORS}
        known = SceneQuestion(files, vectors=vectors, **given).answer()
    if as_json:
        options.print_json(known)
    else:
        options.show(*lines_of(known))


def describe_other(ctx: click.Context, file: str) -> dict[str, Any] | None:
    """A model, a map or labels; None where the file is a scene, or nothing that can be told from one."""
    from hsiattn.labels.vector_files import is_vector_file
    from hsiattn.mapping.description import describe_map
    from hsiattn.models.registry import is_builtin

    of_vectors = ("layer", "column")
    if looks_like_model(file) or is_builtin(Path(file)):
        known = describe_model(file)
    elif is_vector_file(file):
        from hsiattn.labels.vector_description import describe_vectors

        known = describe_vectors(file, **{name: ctx.params[name] for name in of_vectors})
        if "note" in known:
            known["note"] = in_options(known["note"])
    else:
        found = describe_map(file)
        if found is None:
            return None
        known = found
    idle = set(_OF_LABELS) - set(of_vectors if known["kind"] == "vector labels" else ())
    where = f"for {file}, which is a {known['kind']} and no scene".replace("a vector labels", "a file of vector labels")
    options.refuse_without_effect(ctx, (*_OF_SCENES, *sorted(idle), "overwrite"), where)
    return known


def describe_model(path: str) -> dict[str, Any]:
    """A model: where it comes from and what it can do."""
    from hsiattn.models.builtin import read_builtin
    from hsiattn.models.builtin.trust import in_words
    from hsiattn.models.model_file import read_model
    from hsiattn.models.registry import is_builtin

    model = read_builtin() if is_builtin(Path(path)) else read_model(path)
    described = model.describe()
    training = dict(described["training"])
    warnings = [in_options(warning) for warning in training.pop("warnings", [])]
    choice, adapted = training.pop("choice", None), training.pop("adapted", None)
    learned = training.get("unlabelled", {}).get("in_words")
    remembered = training.get("prior", {}).get("in_words")
    encoder = training.get("pseudo_labels", {}).get("encoder")
    card, trials = training.pop("card", None), training.pop("trials", None)
    pruned = _pruned(model) if "pruning" in training else None
    for_int8 = training.get("quantisation_aware", {}).get("in_words")
    return {
        "warnings": warnings,
        "kind": "model",
        "path": path,
        **({"card": card} if card else {}),
        **({"trials": [in_words(trial) for trial in trials]} if trials else {}),
        **({"choice": choice} if choice else {}),
        **({"adapted": adapted} if adapted else {}),
        **({"unlabelled": learned} if learned else {}),
        **({"prior": remembered} if remembered else {}),
        **(
            {"started_from": f"{encoder['name']}, SHA-256 {encoder['sha256']}: {encoder['in_words']}"}
            if encoder
            else {}
        ),
        **({"pruned": pruned} if pruned else {}),
        **({"for_int8": for_int8} if for_int8 else {}),
        **({"reads": bands_in_words(model)} if model.only_bands is not None else {}),
        **described,
        "training": training,
    }


def _pruned(model: TrainedModel) -> str:
    """What pruning left of a model, and which bands it still reads in a pixel's spectrum."""
    record, read = model.training["pruning"], model.in_spectrum
    shares = [f"{100 * after / before:.1f} %" for before, after in (record["macs_per_pixel"], record["parameters"])]
    text = f"to {shares[0]} of the multiply-adds and {shares[1]} of the weights"
    if read.all():
        return text if model.only_bands is not None else f"{text}; all bands are read"
    return f"{text}; a pixel's spectrum is read at bands {_places(model, read)}"


def bands_in_words(model: TrainedModel) -> str:
    """How many bands a model reads, and which ones."""
    read = model.preprocessing.bands >= 0
    return f"{len(read)} of {len(model.bands)} bands, a scene needs no others: {_places(model, read)}"


def _places(model: TrainedModel, read: NDArray[np.bool_]) -> str:
    """Numbers of some of the used bands (B,), and their wavelengths where known."""
    import numpy as np

    from hsiattn.scenes.spectral import ranges

    numbers, nm = model.preprocessing.bands[read] + 1, model.used_bands.wavelength[read]
    if not np.isfinite(model.used_bands.wavelength).all():
        return ranges(numbers)
    runs = np.split(nm, np.flatnonzero(np.diff(numbers) > 1) + 1)
    places = ", ".join(f"{run[0]:.0f}" if len(run) == 1 else f"{run[0]:.0f}-{run[-1]:.0f}" for run in runs)
    return f"{ranges(numbers)} ({places} nm)"


def lines_of(result: dict[str, Any]) -> list[str]:
    """The description as aligned lines; long lists are shortened, dictionaries indented."""
    width = max(len(name) for name in result)
    lines = []
    for name, value in result.items():
        label = f"{name.replace('_', ' '):<{width}}  "
        if name == "classes":
            lines += [f"{label}{len(value)}", *map(_class_line, value)]
        elif name == "labels":
            lines += [f"{label}{value['path']}", *map(_class_line, value["classes"])]
            lines += [f"  drawn in {value['spectra']}"] if "spectra" in value else []
        elif name == "left_out":
            lines += [label.rstrip(), *_left_out_lines(value)]
        elif name in ("warnings", "notes", "trials"):
            lines += [f"{label}{sentence}" for sentence in value]
        elif name == "card":
            lines += [label.rstrip(), *_card_lines(value)]
        elif name in _SENTENCES:
            lines.append(f"{label}{value}")
        elif isinstance(value, dict):
            lines.append(label.rstrip())
            lines += [f"  {key}: {shorten(entry)}" for key, entry in value.items()]
        else:
            lines.append(f"{label}{shorten(value)}")
    return lines


def _card_lines(card: dict[str, Any]) -> list[str]:
    """What a model says of itself, a line per entry, nothing cut."""
    lines = []
    for key, entry in card.items():
        words = key.replace("_", " ")
        if isinstance(entry, dict):
            lines.append(f"  {words}: {', '.join(f'{name} {value}' for name, value in entry.items())}")
        elif isinstance(entry, list):
            lines += [f"  {words}:", *(f"    {item}" for item in entry)]
        else:
            lines.append(f"  {words}: {entry}")
    return lines


def _left_out_lines(left_out: dict[str, dict[str, Any]]) -> list[str]:
    """Pixels and bands by reason, those reasons alone that there are; band numbers as ranges."""
    import numpy as np

    from hsiattn.scenes.spectral import ranges

    rows = [("pixels " + reason, str(count)) for reason, count in left_out["pixels"].items() if count]
    rows += [
        ("bands " + reason, f"{len(numbers)}: {ranges(np.array(numbers))}")
        for reason, numbers in left_out["bands"].items()
        if numbers
    ]
    width = max((len(reason) for reason, _ in rows), default=0)
    return [f"  {reason:<{width}}  {what}" for reason, what in rows] or ["  nothing"]


def _class_line(record: dict[str, Any]) -> str:
    lacking = record["pixels"] - record["with_data"] if "with_data" in record else 0
    return (
        f"  {record['code']:>5}  {record['color']}  {record['name']}"
        + (f"  ({record['pixels']} pixels" if "pixels" in record else "")
        + (f", {lacking} without data" if lacking else "")
        + (")" if "pixels" in record else "")
        + (f"  {', '.join(record['attributes'])}" if "attributes" in record else "")
    )


def shorten(value: Any, limit: int = 100) -> str:
    """A value on one line, cut where it would run on.

    >>> shorten([400.0, 410.0])
    '400, 410'
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if value is None or value == []:
        return "none"
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, (list, tuple)):
        parts = [shorten(entry) for entry in value]
        text = ", ".join(parts if len(parts) <= 8 else [*parts[:4], "…", *parts[-2:]])
    elif isinstance(value, dict):
        text = ", ".join(f"{key}={shorten(entry)}" for key, entry in value.items())
    else:
        text = str(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
