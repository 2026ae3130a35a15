"""Plans of experiments: which recipes meet which scenes, under which protocols and seeds, in one YAML file."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from hsiattn.errors import PlanError
from hsiattn.files.text import printable
from hsiattn.resources import resource_folder, resource_names
from hsiattn.settings import Settings, first_mistake, read_values
from hsiattn.splits import BlocksSplit, PolygonsSplit, RandomSplit

_SHIPPED = "configs/experiments"

MAX_RUNS = 100_000
"""Most runs of a plan; one takes seconds at least."""

_MAX_SEED = 2**32 - 1
"""Largest that scikit-learn takes."""
_MAX_ENTRIES = 300


class SceneEntry(Settings):
    """A scene with its labels: a dataset card, or two files with what is needed to read them."""

    name: str = ""
    """Default: that of the card."""
    card: str | None = None
    """Name of a public scene, see `hsiattn.datasets`."""
    cube: str | None = None
    labels: str | None = None
    classes: str | None = None
    """Class table; default: the label raster's own names."""
    key: str | None = None
    """Variable of the cube in a MATLAB file."""
    label_key: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _named_after_the_card(cls, values: Any) -> Any:
        if isinstance(values, dict) and "card" in values:
            return {"name": values["card"], **values}
        return values

    @model_validator(mode="after")
    def _one_of_both(self) -> SceneEntry:
        files = {"cube", "labels", "classes", "key", "label_key"} & self.model_fields_set
        if self.card is not None and files:
            raise ValueError(f"with a card, {', '.join(sorted(files))} have no meaning")
        if self.card is None and not (self.name and self.cube and self.labels):
            raise ValueError("give a card, or name, cube and labels")
        return self


class ProtocolEntry(Settings):
    """How labelled pixels are divided; what all protocols share."""

    name: str
    scenes: tuple[str, ...] | None = None
    """Names of the scenes it is for; None for all."""
    leave_out: tuple[int, ...] = ()
    """Codes of classes that the model does not get to know, and whose pixels it should be less sure of."""
    draw_out: int = Field(default=0, ge=0, le=1000)
    """Number of further classes that it does not get to know, drawn anew with every seed."""


class RandomProtocol(RandomSplit, ProtocolEntry):
    """Single pixels at random."""

    @model_validator(mode="after")
    def _one_is_given(self) -> RandomProtocol:
        if self.per_class is None and self.share is None:
            raise ValueError("give per_class or share, one of them")
        return self


class BlocksProtocol(BlocksSplit, ProtocolEntry):
    """Blocks of the scene with a buffer between training and test, the same whatever the patch of a recipe."""

    buffer: int = Field(default=4, ge=0, le=10**9)


class PolygonsProtocol(PolygonsSplit, ProtocolEntry):
    """Whole polygons: fields of the label raster, the ids in a raster of their own, or drawn into the label raster."""

    groups: str | None = None
    """Raster of ids, 0 = none; `{scene}` stands for the scene's name. None: connected fields of one class."""


class FileProtocol(ProtocolEntry):
    """A split that somebody made before, as `hsiattn train --write-split` writes it."""

    split: Literal["file"]
    roles: str
    """Raster of roles; `{scene}` and `{seed}` stand for name and number."""
    groups: str | None = None
    """Raster of the ids of the polygons that the pixels were drawn from, as in `PolygonsProtocol`; None: not known."""


class TilesProtocol(ProtocolEntry):
    """Training, validation and test tiles: CSV files that list georeferenced tiles of the scene."""

    split: Literal["tiles"]
    training: str
    validation: str | None = None
    test: str
    folder: str | None = None
    """Folder that paths in the CSV files are relative to; None: that of each of them."""


class ShippedProtocol(ProtocolEntry):
    """A split of a public scene that comes with the package, see `hsiattn.splits.shipped_split`."""

    split: Literal["shipped"]
    protocol: str
    """Name of its protocol, for example `blocks-30`."""


Protocol = Annotated[
    RandomProtocol | BlocksProtocol | PolygonsProtocol | FileProtocol | TilesProtocol | ShippedProtocol,
    Field(discriminator="split"),
]


class RecipeEntry(Settings):
    """A recipe with changes, under a name of its own."""

    name: str
    recipe: str
    """Name of a recipe of the package, or a recipe file beside the plan."""
    settings: tuple[str, ...] = Field(default=(), alias="set")
    """Changes such as `training.max_epochs=50`."""

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, values: Any) -> Any:
        if isinstance(values, str):
            return {"name": Path(values).stem, "recipe": values}
        if isinstance(values, dict) and "name" in values:
            return {"recipe": values["name"], **values}
        return values


class Plan(Settings):
    """Everything that `hsiattn benchmark` is about to do."""

    name: str
    scenes: tuple[SceneEntry, ...] = Field(max_length=_MAX_ENTRIES)
    protocols: tuple[Protocol, ...] = Field(max_length=_MAX_ENTRIES)
    recipes: tuple[RecipeEntry, ...] = Field(max_length=_MAX_ENTRIES)
    seeds: tuple[int, ...] = Field(default=(0, 1, 2, 3, 4), min_length=1, max_length=MAX_RUNS)
    """Each decides split, initial weights and order of one run; a number N in the file stands for 0 … N-1."""
    reference: str = ""
    """Recipe that all others are compared with; default: the first."""
    rivals: tuple[str, ...] | None = None
    """Recipes of which the best is sought on every scene under every protocol; None for all but the reference."""
    border_reach: int = Field(default=4, ge=1, le=1000)
    """Rows and columns within which another class makes a border pixel."""

    @field_validator("seeds", mode="before")
    @classmethod
    def _count_of_seeds(cls, value: Any) -> Any:
        if not isinstance(value, int) or isinstance(value, bool):
            return value
        if value > MAX_RUNS:
            raise ValueError(f"{value} are more than the {MAX_RUNS} runs that a plan may have")
        return tuple(range(value))

    @field_validator("seeds")
    @classmethod
    def _different_seeds(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) < len(value) or min(value) < 0:
            raise ValueError("give different numbers from 0 on")
        if max(value) > _MAX_SEED:
            raise ValueError(f"{max(value)} is more than {_MAX_SEED}, the largest seed there is")
        return value

    @model_validator(mode="after")
    def _names_fit(self) -> Plan:
        if self.runs(len(self.seeds)) > MAX_RUNS:
            raise ValueError(f"{self.runs(len(self.seeds))} runs are more than the {MAX_RUNS} that a plan may have")
        for kind, names in self.names.items():
            if not names:
                raise ValueError(f"there are no {kind}")
            twice = _taken_twice(names)
            if twice:
                raise ValueError(f"two {kind} have the same name, or nearly: {' and '.join(twice)}")
        for protocol in self.protocols:
            unknown = set(protocol.scenes or ()) - set(self.names["scenes"])
            if unknown:
                raise ValueError(f"protocol {protocol.name!r} is for a scene that is not there: {min(unknown)}")
        if self.reference and self.reference not in self.names["recipes"]:
            raise ValueError(f"the reference {self.reference!r} is none of the recipes")
        strangers = [name for name in self.rivals or () if name not in self.names["recipes"]]
        if strangers or self.reference_recipe in (self.rivals or ()):
            who = f"{strangers[0]!r} is none of the recipes" if strangers else "the reference is no rival of itself"
            raise ValueError(f"rivals: {who}")
        return self

    def runs(self, seeds: int) -> int:
        """How many runs there are with so many seeds, at most: protocols may be for some of the scenes alone."""
        return len(self.scenes) * len(self.protocols) * len(self.recipes) * seeds

    @property
    def names(self) -> dict[str, list[str]]:
        """Names of the scenes, protocols and recipes."""
        return {kind: [entry.name for entry in getattr(self, kind)] for kind in ("scenes", "protocols", "recipes")}

    @property
    def reference_recipe(self) -> str:
        """Name of the recipe that all others are compared with."""
        return self.reference or self.recipes[0].name

    @property
    def rival_recipes(self) -> list[str]:
        """Names of the recipes of which the best is sought."""
        others = [name for name in self.names["recipes"] if name != self.reference_recipe]
        return others if self.rivals is None else list(self.rivals)


def plan_names() -> list[str]:
    """Names of the plans that travel with the package.

    >>> "example" in plan_names()
    True
    """
    return resource_names(_SHIPPED)


def plan_path(name_or_path: str | Path) -> Path:
    """The file of a plan: one of the package by its name, or a YAML file.

    Raises
    ------
    PlanError
        There is none.
    """
    text = str(name_or_path)
    if text in plan_names():
        return resource_folder(_SHIPPED) / f"{text}.yaml"
    if not os.path.isfile(text):
        remedy = f"give a YAML file, or one of {', '.join(plan_names())}"
        raise PlanError(f"there is no plan {printable(repr(text), 200)}", remedy)
    return Path(text)


def load_plan(name_or_path: str | Path) -> Plan:
    """A plan by its name or from a YAML file.

    With `extends: NAME`, a file takes every section that it does not hold itself from that plan, one of the package or
    a file beside it, which must be whole.

    Raises
    ------
    PlanError
        Unknown name, unreadable file, unknown key or a value out of range; names the key.
    """
    path = plan_path(name_or_path)
    values = _read(path)
    if "extends" in values:
        name = str(values.pop("extends"))
        whole = _read(plan_path(name if name in plan_names() else path.parent / name))
        if "extends" in whole:
            raise PlanError(f"the plan {name!r} extends another one itself", "extend the one that stands at the end")
        values = {**whole, **values}
    try:
        return Plan.model_validate(values)
    except ValidationError as error:
        problem, remedy = first_mistake(error, Plan, "correct the plan")
        raise PlanError(f"plan {path}: {problem}", remedy) from error


def _read(path: Path) -> dict[str, Any]:
    return read_values(path, "plan", PlanError, f"{_SHIPPED}/example.yaml")


def file_name(name: str) -> str:
    """A name as it stands in paths.

    >>> file_name("random 10/class"), file_name("random 5 %")
    ('random_10_class', 'random_5')
    """
    return re.sub(r"[^A-Za-z0-9.+-]+", "_", name).strip("_.")


def _taken_twice(names: Sequence[str]) -> list[str]:
    """The first two names that would share their files."""
    taken: dict[str, str] = {}
    for name in names:
        path = file_name(name).lower()
        if path in taken:
            return [taken[path], name]
        taken[path] = name
    return []
