"""Archive of scenes: the maps that are to be made, and the outcome of each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsiattn.errors import OutputError, SceneError
from hsiattn.files.outputs import Inputs
from hsiattn.files.patterns import files_matching, is_pattern
from hsiattn.mapping.request import MappingRequest, Targets, map_name

if TYPE_CHECKING:
    from hsiattn.mapping import MappingRecord
    from hsiattn.mapping.classification import Progress
    from hsiattn.models.described_model import DescribedModel
    from hsiattn.models.registry import ModelFinder


@dataclass(frozen=True)
class Order:
    """One scene of an archive, and the rasters to write for it.

    Attributes
    ----------
    scene
        Its path, or what messages call it where it has several.
    tiles
        The paths of its tiles; none where it has one path.
    """

    scene: str
    targets: Targets
    tiles: tuple[str, ...] = ()

    @property
    def paths(self) -> str | tuple[str, ...]:
        """What is opened."""
        return self.tiles or self.scene

    def carry_out(
        self,
        request: MappingRequest,
        models: ModelFinder[DescribedModel],
        inputs: Inputs,
        progress: Callable[[], AbstractContextManager[Progress | None]],
    ) -> MappingRecord | None:
        """Map the scene; None where its map is there and `resume` is asked for.

        Parameters
        ----------
        inputs
            All files that are read for the archive, by what they are.
        progress
            Makes what is entered while the scene is mapped, and gives the listener.

        Raises
        ------
        HsiattnError
            The scene cannot be mapped.
        """
        self.targets.clean_up()
        source = request.open_scene(self.paths)
        model = models.model_for(source)
        if request.resume and request.is_mapped(self.targets, model, source):
            request.write_missing_polygons(self.targets, inputs)
            request.write_missing_places(model, source, self.targets, inputs)
            return None
        request.check_targets(self.targets, inputs)
        with progress() as listener:
            return request.map_scene(model, source, self.targets, inputs, listener)

    def describe(self, record: MappingRecord | None) -> dict[str, Any]:
        """Outcome of the order, JSON-ready; without a record its map was there already."""
        what: dict[str, Any] = {"left_alone": True} if record is None else record.to_dict()
        tiles = {"tiles": list(self.tiles)} if self.tiles else {}
        return {"scene": self.scene, **tiles, "map": self.targets.map, **what}


@dataclass
class Summary:
    """Outcome of the scenes of an archive.

    Attributes
    ----------
    scenes
        Number of scenes.
    maps
        One record for every scene that had its turn: `scene`, `map` and either the figures of the mapping, or
        `left_alone`, or instead of all that `error`.
    mapped, failed, left_alone
        Numbers of scenes by outcome.
    pixels
        Pixels mapped.
    seconds
        Time from the first scene to the end of the last.
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
        """Count the outcome of one more scene."""
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


def make_orders(arguments: Sequence[str], out_dir: str, request: MappingRequest) -> list[Order]:
    """The scenes that paths and patterns name, each once, and where their maps go.

    Maps that a pattern matches because they lie beside the scenes are left out.

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
        for path in files_matching(text, SceneError) if is_pattern(text) else [text]:
            scenes.setdefault(os.path.abspath(path), path)
    orders = {
        place: Order(scene, request.targets(str(Path(out_dir) / map_name(scene, request.driver))))
        for place, scene in scenes.items()
    }
    written = {os.path.abspath(path): order for order in orders.values() for path in order.targets}
    for place in [place for place in orders if place in written]:
        if place in named:
            raise OutputError(
                f"{scenes[place]} is given as a scene, and the map of {written[place].scene} would replace it",
                "choose another out_dir=",
            )
        del orders[place]
    _refuse_equal_maps(orders.values())
    return list(orders.values())


def _refuse_equal_maps(orders: Iterable[Order]) -> None:
    """Refuse scenes of the same name, before the map of one replaces that of the other."""
    first: dict[str, str] = {}
    for order in orders:
        other = first.setdefault(order.targets.map, order.scene)
        if other != order.scene:
            raise OutputError(
                f"the maps of {other} and {order.scene} would both be {order.targets.map}",
                "map them in two calls with another out_dir= each",
            )
