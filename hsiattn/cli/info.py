"""`hsiattn info`: what is in a scene, a model or a map."""

from __future__ import annotations

from typing import Any

import click

from hsiattn.cli import options
from hsiattn.cli.wording import in_options
from hsiattn.errors import SceneError
from hsiattn.files.inputs import refuse_special
from hsiattn.files.kinds import looks_like_model


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
    from hsiattn.mapping.description import describe_map

    known = describe_model(file) if looks_like_model(file) else describe_map(file)
    if known is not None:
        options.refuse_without_effect(ctx, ("key", "stats"), f"for {file}, which is a {known['kind']} and no scene")
    result = known or describe_scene(file, key, stats)
    if as_json:
        options.print_json(result)
    else:
        options.show(*lines_of(result))


def describe_model(path: str) -> dict[str, Any]:
    """A model: where it comes from and what it can do."""
    from hsiattn.models.model_file import read_model

    described = read_model(path).describe()
    training = dict(described["training"])
    warnings = [in_options(warning) for warning in training.pop("warnings", [])]
    choice = training.pop("choice", None)
    return {
        "warnings": warnings,
        "kind": "model",
        "path": path,
        **({"choice": choice} if choice else {}),
        **described,
        "training": training,
    }


def describe_scene(path: str, key: str | None, stats: bool) -> dict[str, Any]:
    """A scene: grid and bands; with `stats` also how many pixels are missing and which bands carry nothing."""
    from hsiattn.scenes import description, open_source

    source = open_source(path, key)
    missing = description.count_missing(source) if stats else {}
    return {"kind": "scene", "path": path, **description.describe_scene(source), **missing}


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
        elif name in ("warnings", "notes"):
            lines += [f"{label}{sentence}" for sentence in value]
        elif name == "choice":  # a sentence that is not cut
            lines.append(f"{label}{value}")
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
