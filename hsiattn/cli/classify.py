"""`hsiattn classify`: a land-cover map of a scene."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hsiattn.cli import fitting, options, outputs
from hsiattn.cli.progress import progress_bar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hsiattn.bundle import Bundle
    from hsiattn.mapping import MappingRecord
    from hsiattn.scenes import SceneSource

BESIDE = "beside the map"
"""Value of --confidence and --probabilities when they are given without a path."""


@click.command(short_help="Map the land cover of a scene.")
@options.scene_argument
@click.argument("land_cover_map", metavar="[MAP]", required=False)
@click.option(
    "-m", "--model", metavar="MODEL",
    help="Model file; default: $HSIATTN_MODEL, then the one installed model whose bands match the scene's.",
)  # fmt: skip
@click.option(
    "--mask", metavar="FILE", help="Raster on the scene's grid: pixels that are 0 or nodata there stay unclassified."
)
@click.option(
    "--confidence", metavar="[FILE]", is_flag=False, flag_value=BESIDE,
    help="Also write the highest class probability; default path: <map>_confidence.tif.",
)  # fmt: skip
@click.option(
    "--probabilities", metavar="[FILE]", is_flag=False, flag_value=BESIDE,
    help="Also write the probability of every class, one band each; default path: <map>_probabilities.tif.",
)  # fmt: skip
@options.driver
@options.creation_options
@click.option("--window-size", type=click.IntRange(1), metavar="PX", help="Side of the windows the scene is read in.")
@options.key
@options.device
@options.threads
@options.overwrite
@options.as_json
@options.common
@click.option(
    "--labels", metavar="LABELS",
    help="Train first, on these labels, and keep the model beside the map as <map>.hsiattn. "
    "The options below belong to this one-step form.",
)  # fmt: skip
@fitting.training_options
def classify(
    scene: str,
    land_cover_map: str | None,
    model: str | None,
    mask: str | None,
    confidence: str | None,
    probabilities: str | None,
    driver: str,
    creation_options: dict[str, str],
    window_size: int | None,
    key: str | None,
    device: str,
    threads: int | None,
    overwrite: bool,
    as_json: bool,
    labels: str | None,
    **training: Any,
) -> None:
    """Map the land cover of SCENE; MAP defaults to <scene>_classes.tif beside it.

    The map has the scene's grid, a palette and class names; 0 is unclassified: missing pixels, and those outside
    --mask. It appears under its name when it is whole.

    \b
        hsiattn classify scene.tif -m fields.hsiattn
        hsiattn classify scene.hdr map.tif -m fields.hsiattn --confidence --co compress=zstd
        hsiattn classify scene.tif --labels labels.tif --per-class 50
    """
    if labels is not None and model is not None:
        raise click.UsageError("--labels trains a model and -m names one: give one of the two")
    map_path = land_cover_map or default_map(scene)
    confidence = beside(map_path, "confidence", confidence)
    probabilities = beside(map_path, "probabilities", probabilities)
    trained = str(Path(map_path).with_suffix(".hsiattn")) if labels is not None else None
    outputs.refuse_existing([map_path, confidence, probabilities, trained], overwrite)

    options.use_threads(threads)
    from hsiattn.mapping import classify_scene
    from hsiattn.scenes import open_source

    source = open_source(scene, key)
    allowed = read_mask(mask, source)
    if labels is not None and trained is not None:
        request = fitting.Training(scene=scene, labels=labels, key=key, device=device, **training)
        classifier = fitting.train_model(request)
        classifier.save(trained, overwrite=overwrite)
        for line in [f"model     {trained}", *fitting.lines_of(classifier)]:
            options.say(line)
        bundle = classifier.bundle_
    else:
        bundle = find_bundle(model, source)
    with outputs.libraries_silenced(), progress_bar("mapping") as progress:
        record = classify_scene(
            bundle, source, map_path, mask=allowed, confidence=confidence, probabilities=probabilities,
            overwrite=overwrite, driver=driver, creation_options=creation_options, window_size=window_size,
            device=device, progress=progress,
        )  # fmt: skip
    report(record, map_path, as_json)


def default_map(scene: str) -> str:
    """`<scene>_classes.tif` beside the scene; for paths inside GDAL's virtual file systems, in the working directory.

    >>> default_map("flights/strip_7.bsq")
    'flights/strip_7_classes.tif'
    >>> default_map("/vsizip/flights.zip/strip_7.tif")
    'strip_7_classes.tif'
    """
    path = Path(scene)
    name = f"{path.stem}_classes.tif"
    return name if scene.startswith("/vsi") or "://" in scene else str(path.with_name(name))


def beside(map_path: str, what: str, given: str | None) -> str | None:
    """The path of a further raster: as given, or named after the map where the option came without a path."""
    if given != BESIDE:
        return given
    path = Path(map_path)
    return str(path.with_name(f"{path.stem}_{what}.tif"))


def read_mask(path: str | None, source: SceneSource) -> NDArray[np.bool_] | None:
    """True where the mask allows a class, bool (H, W); None without a mask."""
    if path is None:
        return None
    from hsiattn.labels import open_labels

    allowed: NDArray[np.bool_] = open_labels(path, like=source).values != 0
    return allowed


def find_bundle(model: str | None, source: SceneSource) -> Bundle:
    """The model that is named, else the one that fits the scene."""
    from hsiattn.bundle import find_model, read_bundle

    if model is not None:
        return read_bundle(model)
    found = find_model(source)
    options.say(f"model: {found}")
    return read_bundle(found)


def report(record: MappingRecord, map_path: str, as_json: bool) -> None:
    """Say what was mapped: notices to stderr, the result to stdout."""
    for message in record.messages:
        options.say(message)
    if as_json:
        options.print_json({"map": map_path, **record.to_dict()})
        return
    click.echo(f"map: {map_path}")
    total = max(1, sum(record.counts.values()) + record.unclassified)
    width = max(len(name) for name in (*record.counts, "unclassified"))
    for name, count in (*record.counts.items(), ("unclassified", record.unclassified)):
        click.echo(f"  {name:<{width}}  {count:>10}  {options.share(count / total):>8}")
