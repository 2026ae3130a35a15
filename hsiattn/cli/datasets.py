"""`hsiattn datasets`: the public scenes, their files, and the embedded example."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hsiattn.cli import options
from hsiattn.cli.failures import explain
from hsiattn.errors import DatasetError

_data = click.option(
    "--data", "root", metavar="FOLDER",
    help="Folder of the scenes, each in a folder of its own; default: $HSIATTN_DATA, else the platform's cache folder.",
)  # fmt: skip


@click.group(invoke_without_command=True, short_help="List, download and check the public scenes; write the example.")
@click.option("--check", "root", metavar="FOLDER", help="Check which scenes are complete in FOLDER.")
@options.as_json
@options.common
@click.pass_context
def datasets(ctx: click.Context, root: str | None, as_json: bool) -> None:
    """List, download, check and describe the public scenes, or write the embedded example.

    \b
        hsiattn datasets list
        hsiattn datasets download indian-pines
        hsiattn datasets path indian-pines
        hsiattn datasets check --data ~/scenes
        hsiattn datasets show salinas-a
        hsiattn datasets example example/
    """
    if ctx.invoked_subcommand is not None:
        options.refuse_without_effect(ctx, ("root", "as_json"), f"before {ctx.invoked_subcommand}")
        return
    _list(root, as_json)


@datasets.command("list")
@options.as_json
@options.common
def list_scenes(as_json: bool) -> None:
    """List the public scenes: name, title, number of classes.

    \b
        hsiattn datasets list
    """
    _list(None, as_json)


def _list(root: str | None, as_json: bool) -> None:
    from hsiattn.datasets import dataset_card, dataset_names

    if root is not None and not Path(root).is_dir():
        raise DatasetError(f"there is no folder {root}", "give the folder that the scenes lie in")
    entries = []
    for name in dataset_names():
        card = dataset_card(name)
        entry: dict[str, Any] = {"name": name, "title": card.title, "classes": len(card.classes)}
        if root is not None:
            entry["state"] = state_of(name, root)
        elif as_json:
            entry["download"] = card.can_be_downloaded
        entries.append(entry)
    if as_json:
        options.print_json({"datasets": entries})
        return
    for entry in entries:
        options.show("\t".join(str(value) for value in entry.values()))


def state_of(name: str, root: str | None) -> str:
    """Either "complete", or what is wrong with the files of a public scene below `root`."""
    from hsiattn.datasets import open_dataset
    from hsiattn.errors import HsiattnError

    try:
        open_dataset(name, root=root)
    except HsiattnError as error:
        return explain(error)
    return "complete"


@datasets.command()
@click.argument("names", metavar="NAME…", nargs=-1, required=True)
@_data
@options.as_json
@options.common
def download(names: tuple[str, ...], root: str | None, as_json: bool) -> None:
    """Download the public scenes NAME…, and print the folders that their files are in.

    What is there already is left alone, and a download that was interrupted is gone on with. Checksums are compared
    where they are known, and no file appears under its name before it is whole.

    \b
        hsiattn datasets download indian-pines
        hsiattn datasets download salinas ksc --data ~/scenes
    """
    from hsiattn.cli.progress import download_progress
    from hsiattn.datasets import dataset_card, download_dataset

    for name in names:
        dataset_card(name)  # a mistake in the last name shows before the first download
    entries = []
    for name in names:
        with download_progress() as told:
            folder = download_dataset(name, root, told=told, say=options.say)
        entries.append({"name": dataset_card(name).name, "folder": str(folder)})
        if not as_json:
            options.show(str(folder))
    if as_json:
        options.print_json({"datasets": entries})


@datasets.command()
@click.argument("name", metavar="[NAME]", required=False)
@_data
@options.common
def path(name: str | None, root: str | None) -> None:
    """Print the folder of the public scenes, or that of the scene NAME; it may not be there yet.

    \b
        hsiattn datasets path
        hsiattn datasets path indian-pines
    """
    from hsiattn.datasets import dataset_card, dataset_root

    folder = dataset_root(root)
    options.show(str(folder if name is None else folder / dataset_card(name).name))


@datasets.command()
@click.argument("names", metavar="[NAME]…", nargs=-1)
@_data
@options.as_json
@options.common
@click.pass_context
def check(ctx: click.Context, names: tuple[str, ...], root: str | None, as_json: bool) -> None:
    """Check which public scenes are there and as released; with NAME…, end with status 1 unless all of them are.

    \b
        hsiattn datasets check
        hsiattn datasets check indian-pines salinas --data ~/scenes
    """
    from hsiattn.datasets import dataset_card, dataset_names

    chosen = [dataset_card(name).name for name in names] or dataset_names()
    entries = [{"name": name, "state": state_of(name, root)} for name in chosen]
    if as_json:
        options.print_json({"datasets": entries})
    else:
        for entry in entries:
            options.show("\t".join(entry.values()))
    if names and any(entry["state"] != "complete" for entry in entries):
        ctx.exit(1)


@datasets.command()
@click.argument("name", metavar="NAME")
@options.as_json
@options.common
def show(name: str, as_json: bool) -> None:
    """Show the card of the public scene NAME: files, source, licence, classes.

    \b
        hsiattn datasets show indian-pines
    """
    from hsiattn.datasets import dataset_card

    card = dataset_card(name)
    if as_json:
        options.print_json(card.model_dump(mode="json"))
        return
    options.show(f"{card.title} ({card.name})")
    options.show(f"  sensor   {card.sensor}")
    options.show(f"  scene    {card.width}×{card.height} pixels of {card.pixel_size:g} m, {len(card.kept_bands)} bands")
    options.show(f"  source   {card.source.provider}, {card.source.page}")
    options.show(f"  licence  {card.licence}")
    for what, raster in (("cube", card.cube), ("labels", card.labels)):
        names = " or ".join(" with ".join(part.name for part in (file, *file.with_files)) for file in raster.files)
        options.show(f"  {what:<7}  {names}" + (f" (variable {raster.key})" if raster.key else ""))
    how = card.by_hand or f"hsiattn datasets download {card.name}"
    options.show(f"  get      {how}")
    options.show(f"  classes  {len(card.classes)}")
    for entry in card.classes:
        attributes = f"  {', '.join(entry.attributes)}" if entry.attributes else ""
        options.show(f"  {entry.code:>5}  {entry.color}  {entry.name}  ({entry.pixels} pixels){attributes}")
    for number, trap in enumerate(card.traps):
        options.show(f"  {'traps' if number == 0 else '':<7}  {trap}")


@datasets.command()
@click.argument("folder", metavar="[FOLDER]", default="example")
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, metavar="N",
    help="Decides the landscape and the noise.",
)  # fmt: skip
@options.overwrite
@options.common
def example(folder: str, seed: int, overwrite: bool) -> None:
    """Write the embedded example, a simulated airborne scene and its labels, to FOLDER.

    The scene has fields with mixed border pixels, sensor noise, an illumination gradient and missing pixels; it is
    meant for trying things out, and its accuracies say nothing about real scenes.

    \b
        hsiattn datasets example example/
    """
    from hsiattn.simulation import write_example

    for path in write_example(folder, overwrite=overwrite, seed=seed):
        options.show(str(path))
