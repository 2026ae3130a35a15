"""Many scenes in one call of `hsiattn classify`: a map of each in one folder, and a summary."""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hsiattn.cli import options
from hsiattn.cli.failures import Failure, explain, print_line, print_traceback
from hsiattn.cli.mapping import (
    Request,
    Targets,
    check_targets,
    clean_up,
    describe,
    is_mapped,
    is_remote,
    map_name,
    map_scene,
    open_scene,
)
from hsiattn.errors import OutputError, SceneError
from hsiattn.files.outputs import Inputs, make_folder

if TYPE_CHECKING:
    from hsiattn.models.registry import ModelFinder


@dataclass(frozen=True)
class Order:
    """One scene of an archive, and the rasters to write for it."""

    scene: str
    targets: Targets


@dataclass
class Summary:
    """What has become of the scenes.

    Attributes
    ----------
    scenes
        How many there are.
    maps
        One record for every scene that had its turn: `scene`, `map` and either the figures of the mapping, or
        `left_alone`, or instead of all that `error`.
    mapped, failed, left_alone
        How many scenes met with which end.
    pixels
        Pixels mapped.
    seconds
        From the first scene to the end of the last.
    """

    scenes: int
    maps: list[dict[str, Any]] = field(default_factory=list)
    mapped: int = 0
    failed: int = 0
    left_alone: int = 0
    pixels: int = 0
    seconds: float = 0.0

    @classmethod
    def of(cls, record: dict[str, Any]) -> Summary:
        """The summary of a single scene."""
        summary = cls(1, seconds=record.get("seconds", 0.0))
        summary.add(record)
        return summary

    def to_dict(self) -> dict[str, Any]:
        """The records, then the counts; JSON-ready."""
        names = ("maps", "scenes", "mapped", "failed", "left_alone", "pixels", "seconds")
        return {name: getattr(self, name) for name in names}

    def add(self, record: dict[str, Any]) -> None:
        """Take in what has become of one more scene."""
        self.maps.append(record)
        self.failed += "error" in record
        self.left_alone += "left_alone" in record
        self.mapped += "pixels" in record
        self.pixels += record.get("pixels", 0)

    def counts(self) -> str:
        """The counts in words."""
        return f"{self.mapped} mapped, {self.failed} failed, {self.left_alone} left alone"

    def __str__(self) -> str:
        speed = f" ({self.pixels / self.seconds:.0f} pixels/s)" if self.pixels and self.seconds else ""
        return f"{self.scenes} scenes: {self.counts()}; {self.pixels} pixels in {self.seconds:.1f} s{speed}"


def is_pattern(text: str) -> bool:
    """Whether an argument that the shell left alone is meant as a pattern: there is no file of that very name."""
    return glob.has_magic(text) and not is_remote(text) and not os.path.exists(text)


def make_orders(arguments: Sequence[str], folder: str, request: Request) -> list[Order]:
    """The scenes that paths and patterns name, each once, and where their maps go.

    What a pattern matches of the maps themselves, because they lie beside the scenes, is no scene.

    Raises
    ------
    SceneError
        A pattern matches no file.
    OutputError
        Two scenes would have the same map, or a scene lies where another one's map goes.
    """
    scenes: dict[str, str] = {}
    named = {os.path.abspath(text) for text in arguments if not is_pattern(text)}
    for text in arguments:
        for path in expand(text) if is_pattern(text) else [text]:
            scenes.setdefault(os.path.abspath(path), path)
    orders = {place: make_order(scene, folder, request) for place, scene in scenes.items()}
    written = {os.path.abspath(path): order for order in orders.values() for path in order.targets}
    for place in [place for place in orders if place in written]:
        if place in named:
            raise OutputError(
                f"{scenes[place]} is given as a scene, and the map of {written[place].scene} would replace it",
                "choose another --out-dir",
            )
        del orders[place]
    refuse_equal_maps(list(orders.values()))
    return list(orders.values())


def make_order(scene: str, folder: str, request: Request) -> Order:
    """A scene with its outputs, which are named after it."""
    return Order(scene, Targets.of(str(Path(folder) / map_name(scene, request.driver)), request))


def expand(pattern: str) -> list[str]:
    """The files that a pattern matches, sorted."""
    files = [path for path in sorted(glob.glob(pattern, recursive=True)) if os.path.isfile(path)]
    if not files:
        raise SceneError(f"no file matches {pattern}", "check the pattern and the folder")
    return files


def refuse_equal_maps(orders: Sequence[Order]) -> None:
    """Refuse scenes of the same name, before the map of one replaces that of the other."""
    first: dict[str, str] = {}
    for order in orders:
        other = first.setdefault(order.targets.map, order.scene)
        if other != order.scene:
            raise OutputError(
                f"the maps of {other} and {order.scene} would both be {order.targets.map}",
                "map them in two calls with another --out-dir each",
            )


def classify_archive(orders: Sequence[Order], folder: str, request: Request, *, announce: bool = True) -> Summary:
    """Map scene after scene; one that fails is told on stderr and does not stop the others.

    Parameters
    ----------
    announce
        Print the path of every map as soon as it is there.

    Raises
    ------
    HsiattnError
        The named model or the folder cannot be used.
    Failure
        Interrupted; the line says how far it has come.
    """
    from hsiattn.models.registry import ModelFinder

    make_folder(Path(folder))
    models = ModelFinder(request.model, options.say)
    scenes = {f"scene {order.scene}": order.scene for order in orders}
    inputs = {**request.inputs, **scenes}
    summary, began = Summary(len(orders)), time.monotonic()
    try:
        for number, order in enumerate(orders, start=1):
            title = f"{Path(order.scene).name} ({number}/{len(orders)})"
            summary.add(record := attempt(order, models, request, inputs, title))
            if announce and "error" not in record:
                options.show(f"map: {order.targets.map}")
    except KeyboardInterrupt as interrupt:
        raise Failure(
            f"interrupted: of {len(orders)} scenes {summary.counts()}; give --resume to go on from there"
        ) from interrupt
    summary.seconds = round(time.monotonic() - began, 3)
    return summary


def attempt(order: Order, models: ModelFinder, request: Request, inputs: Inputs, title: str) -> dict[str, Any]:
    """Map a scene, or tell on stderr why that cannot be done; the record for the summary."""
    try:
        return classify_one(order, models, request, inputs, title)
    except click.ClickException:
        raise
    except Exception as error:
        print_traceback(error)
        print_line(f"scene {order.scene}: {explain(error)}")
        return {"scene": order.scene, "error": explain(error)}


def classify_one(order: Order, models: ModelFinder, request: Request, inputs: Inputs, title: str) -> dict[str, Any]:
    """Map a scene, unless its map is there and `--resume` is given."""
    clean_up(order.targets)
    source = open_scene(order.scene, request)
    model = models.model_for(source)
    if request.resume and is_mapped(order.targets, model, request.smooth):
        return left_alone(order.scene, order.targets)
    check_targets(order.targets, request, inputs)
    record = map_scene(model, source, order.targets, request, inputs, title)
    for message in record.messages:
        options.say(f"scene {order.scene}: {message}")
    return describe(order.scene, order.targets, record)


def left_alone(scene: str, targets: Targets) -> dict[str, Any]:
    """The record of a scene whose map was there already."""
    return {"scene": scene, "map": targets.map, "left_alone": True}
