"""`hsiattn models`: the models that `hsiattn classify` finds by itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from hsiattn.cli import options, outputs
from hsiattn.files.kinds import FileKind
from hsiattn.files.outputs import check_outputs


@click.group(invoke_without_command=True, short_help="List the installed models; install one.")
@options.as_json
@options.common
@click.pass_context
def models(ctx: click.Context, as_json: bool) -> None:
    """List the installed models, or install one.

    An installed model is found by `hsiattn classify` when its bands match those of the scene and no -m is given.
    $HSIATTN_HOME names the folder that holds models/; default: ~/.local/share/hsiattn.

    \b
        hsiattn models
        hsiattn models install fields.hsiattn
        hsiattn models path
    """
    if ctx.invoked_subcommand is not None:
        options.refuse_without_effect(ctx, ["as_json"], f"before {ctx.invoked_subcommand}")
        return
    from hsiattn.models.registry import installed_models

    entries = [describe(path) for path in installed_models()]
    if as_json:
        options.print_json({"models": entries})
        return
    if not entries:
        options.say("no model is installed; train one with `hsiattn train`, then `hsiattn models install MODEL`")
    for entry in entries:
        options.show(f"{entry['path']}\t{entry['summary']}")


def check_name(ctx: click.Context, param: click.Parameter, name: str | None) -> str | None:
    """Refuse a name that leads out of the folder of models, or that hides the file."""
    if name is not None and (name != os.path.basename(name) or name.startswith(".")):
        raise click.BadParameter("give a name without folder that does not begin with a dot", ctx=ctx, param=param)
    return name


@models.command()
@click.argument("model", metavar="MODEL")
@click.option(
    "--name", metavar="NAME", callback=check_name, help="Name to install it under; default: that of the file."
)
@options.overwrite
@options.common
def install(model: str, name: str | None, overwrite: bool) -> None:
    """Check MODEL and copy it to the installed ones.

    \b
        hsiattn models install fields.hsiattn --name fields-2024
    """
    from hsiattn.models.model_file import read_model
    from hsiattn.models.registry import models_folder

    read_model(model)  # a damaged model is not installed
    folder = models_folder()
    target = folder / f"{Path(model).stem if name is None else name.removesuffix('.hsiattn')}.hsiattn"
    outputs.make_folder(folder)
    check_outputs(outputs.wanted((target, FileKind.MODEL)), overwrite=overwrite, inputs={"model": model})
    outputs.write_bytes(target, Path(model).read_bytes())
    options.show(str(target))


@models.command()
@options.common
def path() -> None:
    """Print the folder of the installed models."""
    from hsiattn.models.registry import models_folder

    options.show(str(models_folder()))


def describe(path: Path) -> dict[str, Any]:
    """One installed model: its path, and a summary of bands and classes or of what is wrong with it."""
    from hsiattn.errors import ModelFileError
    from hsiattn.models.model_file import read_model

    try:
        model = read_model(path)
    except ModelFileError as error:
        return {"path": str(path), "summary": f"unusable: {error}", "usable": False}
    return {
        "path": str(path),
        "summary": f"{len(model.bands)} bands, {len(model.classes)} classes: {', '.join(model.classes.names)}",
        "usable": True,
        "bands": len(model.bands),
        "classes": list(model.classes.names),
    }
