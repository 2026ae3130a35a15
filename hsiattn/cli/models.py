"""`hsiattn models`: the models that `hsiattn classify` finds by itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hsiattn.cli import options

if TYPE_CHECKING:
    from hsiattn.models.storage import Storage


@click.group(invoke_without_command=True, short_help="List, install and remove models.")
@options.as_json
@options.common
@click.pass_context
def models(ctx: click.Context, as_json: bool) -> None:
    """List the installed models, install one or remove one.

    `hsiattn classify` takes an installed model by its name (-m NAME), or finds the one whose bands match those of the
    scene when no -m is given. $HSIATTN_HOME names the folder that holds models/; default: ~/.local/share/hsiattn.

    \b
        hsiattn models
        hsiattn models install fields.hsiattn
        hsiattn models remove fields
        hsiattn models path
        hsiattn models stac fields -o fields.json
        hsiattn models convert fields -o small.hsiattn --storage fp16
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
    from hsiattn.models.registry import is_name

    if name is not None and not is_name(name):
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
    from hsiattn.models.registry import install_model

    options.show(str(install_model(model, name, overwrite=overwrite)))


@models.command()
@click.argument("name", metavar="NAME", callback=check_name)
@options.as_json
@options.common
def remove(name: str, as_json: bool) -> None:
    """Delete the installed model NAME, without asking.

    \b
        hsiattn models remove fields-2024
    """
    from hsiattn.models.registry import remove_model

    path = remove_model(name)
    if as_json:
        options.print_json({"removed": str(path)})
    else:
        options.show(f"removed: {path}")


@models.command()
@options.common
def path() -> None:
    """Print the folder of the installed models."""
    from hsiattn.models.registry import models_folder

    options.show(str(models_folder()))


@models.command()
@click.argument("model", metavar="MODEL")
@click.option("-o", "--output", metavar="FILE", help="JSON file to write; default: print the item.")
@options.overwrite
@options.common
def stac(model: str, output: str | None, overwrite: bool) -> None:
    """Describe MODEL, a file or an installed model, as an item for a STAC catalogue.

    The item follows STAC 1.1 and its extension for machine learning models (MLM): bands with wavelengths, scaling,
    classes and colours, settings, accuracy, and the model file with its checksum. Its place is that of the training
    scene. FILE refers to the model by its path from there.

    \b
        hsiattn models stac fields.hsiattn
        hsiattn models stac fields.hsiattn -o fields.json
    """
    from hsiattn.files.kinds import FileKind
    from hsiattn.files.outputs import check_outputs, wanted, write_bytes
    from hsiattn.models.model_file import read_model
    from hsiattn.models.registry import named_model
    from hsiattn.models.stac import item_text, stac_item

    path = named_model(model) or Path(model)
    options.check_suffix(output, "report")
    check_outputs(wanted((output, FileKind.STAC_ITEM)), overwrite=overwrite, inputs={"model": path})
    folder = Path(output).resolve().parent if output is not None else Path.cwd()
    text = item_text(stac_item(read_model(path), path, href=_relative(path, folder)))
    if output is None:
        options.print_text(text)
    else:
        write_bytes(output, text.encode())
        options.show(f"item: {output}")


@models.command()
@click.argument("model", metavar="MODEL")
@click.option("-o", "--output", metavar="FILE", required=True, help="Model file to write.")
@click.option(
    "--storage",
    type=click.Choice(["fp32", "fp16", "bf16"]),
    required=True,
    help="Of the weights: fp16 keeps 11 significant bits, bf16 keeps 8 and larger numbers; fp32 is what train writes.",
)
@options.overwrite
@options.as_json
@options.common
def convert(model: str, output: str, storage: Storage, overwrite: bool, as_json: bool) -> None:
    """Write MODEL, a file or an installed model, in half of the bytes.

    Maps are computed as before, in single precision, from weights that are rounded once; see how much that changes with
    hsiattn assess. hsiattn 0.6 and older refuse such files. Converting back to fp32 does not undo the rounding.

    \b
        hsiattn models convert fields.hsiattn -o small.hsiattn --storage fp16
    """
    from hsiattn.files.kinds import FileKind
    from hsiattn.files.outputs import check_output
    from hsiattn.models.model_file import read_model, write_model
    from hsiattn.models.registry import named_model

    path = named_model(model) or Path(model)
    options.check_suffix(output, "model")
    check_output(output, FileKind.MODEL, overwrite=overwrite, inputs={"model": path})
    digest = write_model(read_model(path), output, overwrite=overwrite, storage=storage)
    before, after = path.stat().st_size, Path(output).stat().st_size
    if as_json:
        sizes = {"bytes": after, "bytes_before": before}
        options.print_json({"model": output, "storage": storage, **sizes, "sha256": digest})
    else:
        options.show(f"model: {output}, {storage}, {after / 1e3:.0f} kB of {before / 1e3:.0f} kB")


def _relative(path: Path, folder: Path) -> str:
    """How a file in a folder refers to another one; in full where they lie on different drives."""
    try:
        relative = Path(os.path.relpath(path.resolve(), folder)).as_posix()
    except ValueError:
        return path.resolve().as_uri()
    return relative if relative.startswith("../") else f"./{relative}"


def describe(path: Path) -> dict[str, Any]:
    """One installed model: its path, and a summary of bands and classes or of what is wrong with its header."""
    from hsiattn.errors import ModelFileError
    from hsiattn.models.registry import read_summary

    try:
        model = read_summary(path)
    except ModelFileError as error:
        return {"path": str(path), "summary": f"unusable: {error}", "usable": False}
    return {
        "path": str(path),
        "summary": str(model),
        "usable": True,
        "bands": len(model.bands),
        "classes": list(model.classes.names),
    }
