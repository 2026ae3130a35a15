"""`hsiattn datasets`: the public scenes that are known, and the embedded example."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hsiattn.cli import options
from hsiattn.errors import DatasetError


@click.group(invoke_without_command=True, short_help="List the public scenes; write the example.")
@click.option("--check", "root", metavar="FOLDER", help="Check which scenes are complete in FOLDER.")
@options.as_json
@options.common
@click.pass_context
def datasets(ctx: click.Context, root: str | None, as_json: bool) -> None:
    """List the public scenes with their classes, or write the embedded example.

    \b
        hsiattn datasets
        hsiattn datasets --check ~/scenes
        hsiattn datasets show salinas-a
        hsiattn datasets example example/
    """
    if ctx.invoked_subcommand is not None:
        options.refuse_without_effect(ctx, ("root", "as_json"), f"before {ctx.invoked_subcommand}")
        return
    from hsiattn.datasets import dataset_card, dataset_names

    if root is not None and not Path(root).is_dir():
        raise DatasetError(f"there is no folder {root}", "give the folder that the scenes lie in")
    entries = []
    for name in dataset_names():
        card = dataset_card(name)
        entry: dict[str, Any] = {"name": name, "title": card.title, "classes": len(card.classes)}
        if root is not None:
            entry["state"] = state_of(name, root)
        entries.append(entry)
    if as_json:
        options.print_json({"datasets": entries})
        return
    for entry in entries:
        options.show("\t".join(str(value) for value in entry.values()))


def state_of(name: str, root: str) -> str:
    """Either "complete", or what is wrong with the files of a public scene below `root`."""
    from hsiattn.datasets import open_dataset
    from hsiattn.errors import HsiattnError

    try:
        open_dataset(name, root=root)
    except HsiattnError as error:
        return str(error)
    return "complete"


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
        names = " or ".join(file.name for file in raster.files)
        options.show(f"  {what:<7}  {names} (variable {raster.key})")
    options.show(f"  classes  {len(card.classes)}")
    for entry in card.classes:
        attributes = f"  {', '.join(entry.attributes)}" if entry.attributes else ""
        options.show(f"  {entry.code:>5}  {entry.color}  {entry.name}  ({entry.pixels} pixels){attributes}")


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
