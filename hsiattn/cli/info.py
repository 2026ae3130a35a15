"""`hsiattn info`: what is in a scene, a model or a map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hsiattn.cli import options
from hsiattn.errors import SceneError
from hsiattn.files.inputs import refuse_special

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hsiattn.scenes import Radiometry, SceneSource, SpectralBands

CACHE = 2**27
"""Bytes that GDAL may keep of a raster that is gone through once."""

VALUES, BANDS = 2**24, 32
"""Values of a scene, and bands, that are read at a time."""


@click.command(short_help="Describe a scene, a model or a map.")
@click.argument("file", metavar="FILE")
@options.key
@click.option("--stats", is_flag=True, help="Read the whole scene and count missing pixels and useless bands.")
@options.as_json
@options.common
@click.pass_context
def info(ctx: click.Context, /, file: str, key: str | None, stats: bool, as_json: bool) -> None:
    """Describe FILE: a scene, a model, a map, or labels that name their classes.

    \b
        hsiattn info scene.tif --stats
        hsiattn info fields.hsiattn
        hsiattn info scene_classes.tif --json
    """
    refuse_special(file, SceneError)
    known = describe_model(file) if looks_like_model(file) else describe_map(file)
    if known is not None:
        options.refuse_without_effect(ctx, ("key", "stats"), f"for {file}, which is a {known['kind']} and no scene")
    result = known or describe_scene(file, key, stats)
    if as_json:
        options.print_json(result)
    else:
        options.show(*lines_of(result))


def looks_like_model(path: str) -> bool:
    """True for files named `*.hsiattn`, and for safetensors files of any name."""
    if path.lower().endswith(".hsiattn"):
        return True
    try:
        with open(path, "rb") as file:
            start = file.read(9)  # length of the header, then the header, which is JSON
    except OSError:  # not there, or a path that only GDAL understands: the reader of scenes says which
        return False
    return len(start) == 9 and start[8:] == b"{" and int.from_bytes(start[:8], "little") < 2**27


# -- the three kinds ---------------------------------------------------------------------------------------------------


def describe_model(path: str) -> dict[str, Any]:
    """Everything in a model file's header that tells where the model comes from and what it can do."""
    from hsiattn.models.model_file import read_model

    model = read_model(path)
    return {
        "kind": "model",
        "path": path,
        "created": model.created,
        "bands": model.bands.describe(),
        "wavelength_nm": known_wavelengths(model.bands),
        "spectral_transform": model.preprocessing.transform_name,
        "patch_size": model.patch_size,
        "classes": model.classes.to_records(),
        "network": model.arguments,
        "recipe": model.recipe,
        "training": model.training,
        "temperature": model.temperature,
        "split": model.split,
        "accuracy": model.accuracy,
        "data": model.data,
        "versions": model.versions,
        "sha256": model.digest,
    }


def describe_map(path: str) -> dict[str, Any] | None:
    """Grid, classes and their pixel counts of a map, or of labels that name their classes; None for any other file."""
    from hsiattn.errors import SceneError
    from hsiattn.files.kinds import CLASSES_TAG, TAG_PREFIX, FileKind
    from hsiattn.labels.legends import legend_of
    from hsiattn.scenes.geotiff import open_raster

    try:
        with open_raster(path) as dataset:
            if dataset.dtypes not in (("uint8",), ("uint16",)):
                return None
            legend = legend_of(dataset)
            if not (legend.names or legend.codes or legend.kind in (FileKind.LAND_COVER, FileKind.LABELS)):
                return None
            tags = {name: value for name, value in dataset.tags().items() if name.startswith(TAG_PREFIX)}
            grid = describe_grid(dataset.width, dataset.height, dataset.crs, dataset.transform, dataset.nodata)
            dtype, counts = dataset.dtypes[0], count_values(dataset)
    except SceneError:
        return None
    table = None if legend.lost else legend.class_table()
    values = {code: value for value, code in legend.codes.items()}
    classes = [
        {**record, "pixels": int(counts[value])}
        for record in (table.to_records() if table else ())
        if (value := values.get(record["code"], record["code"])) < len(counts)
    ]
    return {
        "kind": "map" if legend.kind == FileKind.LAND_COVER else "labels",
        "path": path,
        **grid,
        "type": dtype,
        "classes": classes,
        "unclassified": int(counts[0]),
        "tags": {name: value for name, value in tags.items() if name != CLASSES_TAG},
        **(
            {"note": "it came away from its table of codes, without which its values mean nothing"}
            if legend.lost
            else {}
        ),
    }


def count_values(dataset: Any) -> NDArray[np.int64]:
    """Pixels of every value (2⁸ or 2¹⁶) of an open raster of one band."""
    import numpy as np

    from hsiattn.scenes.block_cache import block_cache
    from hsiattn.scenes.block_windows import block_windows

    counts = np.zeros(2 ** (8 * np.dtype(dataset.dtypes[0]).itemsize), dtype=np.int64)
    with block_cache(CACHE):
        for window in block_windows(dataset.height, dataset.width, dataset.block_shapes):
            counts += np.bincount(dataset.read(1, window=window).ravel(), minlength=counts.size)
    return counts


def describe_scene(path: str, key: str | None, stats: bool) -> dict[str, Any]:
    """Grid and bands of a scene; with `stats` also how many pixels are missing and which bands carry nothing."""
    from hsiattn.scenes import open_source

    source = open_source(path, key)
    nodata = source.nodata if source.nodata_by_band is None else list(source.nodata_by_band)
    result = {
        "kind": "scene",
        "path": path,
        **describe_grid(source.width, source.height, source.crs, source.transform, nodata),
        "type": str(source.dtype),
        "bands": source.bands.describe(),
        "wavelength_nm": known_wavelengths(source.bands),
        **describe_radiometry(source.radiometry),
        **({"ground_control": source.control.describe()} if source.control is not None else {}),
        **({"mask": True} if source.has_mask else {}),
        **({"notes": list(source.notes)} if source.notes else {}),
    }
    if stats:
        result |= count_missing(source)
    return result


def describe_radiometry(radiometry: Radiometry) -> dict[str, Any]:
    """The divisor that gives reflectance where one serves all bands, else gain and offset in words and numbers."""
    scale = radiometry.scale
    if scale is not None:
        return {"reflectance_scale": scale}
    return {"reflectance": radiometry.describe(), "gain": radiometry.gain, "offset": radiometry.offset}


def known_wavelengths(bands: SpectralBands) -> list[float] | None:
    """Band centres in nm, None where none is known."""
    import numpy as np

    return bands.wavelength.tolist() if np.isfinite(bands.wavelength).any() else None


def describe_grid(width: int, height: int, crs: Any, transform: Any, nodata: Any) -> dict[str, Any]:
    """The grid of a raster in JSON's words."""
    return {
        "width": width,
        "height": height,
        "crs": crs.to_string() if crs else None,
        "transform": [value + 0.0 for value in list(transform)[:6]],  # + 0.0: no negative zeros
        "nodata": nodata,
    }


def count_missing(source: SceneSource) -> dict[str, Any]:
    """Pixels that a map leaves out, and bands that carry nothing, of a whole scene, read once in windows of its blocks.

    As in training, the bands that count are those that are good and hold data; a pixel that misses one of them is left
    out of every map.

    Returns
    -------
    dict
        `missing_pixels` miss some of these bands, `empty_pixels` all of them; `useless_bands` hold nothing, or the same
        value everywhere.
    """
    import numpy as np

    from hsiattn.scenes.block_cache import block_cache
    from hsiattn.scenes.block_windows import PIXELS_AT_ONCE, block_windows

    bands, good = len(source.bands), source.bands.good
    lowest, highest = np.full(bands, np.inf), np.full(bands, -np.inf)
    gaps = np.zeros(bands + 1, dtype=np.int64)  # pixels by the number of good bands that they miss
    with block_cache(CACHE), source.kept_open():
        for window in block_windows(
            source.height, source.width, [source.block], min(VALUES // min(bands, BANDS), PIXELS_AT_ONCE)
        ):
            missed = np.zeros((int(window.height), int(window.width)), dtype=np.uint32)
            masked = source.masked(window)
            for first in range(0, bands, BANDS):
                numbers = range(first, min(first + BANDS, bands))
                for band, values in zip(numbers, source.read_bands(window, numbers), strict=True):
                    valid = source.complete(values[None], masked, [band])
                    if good[band]:
                        missed += ~valid
                    found = values if valid.all() else values[valid]
                    if found.size:
                        lowest[band] = min(lowest[band], found.min())
                        highest[band] = max(highest[band], found.max())
            gaps += np.bincount(missed.ravel(), minlength=gaps.size)
    counted = int(np.count_nonzero(good))
    empty = int(np.count_nonzero(good & (lowest > highest)))  # missed at every pixel, and so no reason to leave it out
    return {
        "missing_pixels": int(gaps[min(empty + 1, counted) :].sum()),
        "empty_pixels": int(gaps[counted]),
        "useless_bands": [source.bands.names[band] for band in np.flatnonzero(lowest >= highest)],
    }


# -- for people --------------------------------------------------------------------------------------------------------


def lines_of(result: dict[str, Any]) -> list[str]:
    """The description as aligned lines; long lists are shortened, dictionaries indented."""
    width = max(len(name) for name in result)
    lines = []
    for name, value in result.items():
        label = f"{name.replace('_', ' '):<{width}}  "
        if name == "classes":
            lines.append(f"{label}{len(value)}")
            lines += [
                f"  {record['code']:>5}  {record['color']}  {record['name']}"
                + (f"  ({record['pixels']} pixels)" if "pixels" in record else "")
                + (f"  {', '.join(record['attributes'])}" if "attributes" in record else "")
                for record in value
            ]
        elif name == "notes":
            lines += [f"{label}{note}" for note in value]
        elif isinstance(value, dict):
            lines.append(label.rstrip())
            lines += [f"  {key}: {shorten(entry)}" for key, entry in value.items()]
        else:
            lines.append(f"{label}{shorten(value)}")
    return lines


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
