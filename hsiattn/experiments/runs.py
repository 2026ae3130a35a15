"""The runs of a plan: every recipe on every scene, under every protocol, with every seed."""

from __future__ import annotations

import difflib
import fnmatch
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hsiattn.errors import PlanError
from hsiattn.experiments.plan import MAX_RUNS, Plan, Protocol, RecipeEntry, SceneEntry, file_name
from hsiattn.training.recipes import Recipe, load_recipe, recipe_names


@dataclass(frozen=True)
class Run:
    """One training and the map made with it: a recipe on a scene under a protocol with a seed."""

    scene: SceneEntry
    protocol: Protocol
    recipe_name: str
    recipe: Recipe
    seed: int
    border_reach: int = 4

    @property
    def folder(self) -> Path:
        """Folder of its files, relative to that of the experiments."""
        return Path(file_name(self.scene.name)) / file_name(self.protocol.name) / file_name(self.recipe_name)

    @cached_property
    def configuration_sha256(self) -> str:
        """SHA-256 of everything in the plan that decides the figures; names and descriptions do not.

        Values that a recipe leaves as they are by default count too: a later version may have others.
        """
        recipe = self.recipe.model_dump(mode="json", exclude={"name", "description"})
        return _sha256(split=self.split_sha256, recipe=recipe, border_reach=self.border_reach)

    @cached_property
    def split_sha256(self) -> str:
        """SHA-256 of everything in the plan that decides the split."""
        protocol = self.protocol.model_dump(mode="json", exclude_defaults=True, exclude={"name", "scenes"})
        return _sha256(protocol=protocol | {"split": self.protocol.split}, seed=self.seed)

    def __str__(self) -> str:
        return f"{self.scene.name}, {self.protocol.name}, {self.recipe_name}, seed {self.seed}"


def runs_of(plan: Plan, *, beside: Path, seeds: Sequence[int] | None = None) -> list[Run]:
    """All runs of a plan: seed after seed, so that experiments that are stopped early have compared every recipe.

    Parameters
    ----------
    beside
        Folder of the plan; recipe files are sought there.
    seeds
        Instead of the plan's own.

    Raises
    ------
    PlanError
        There are more runs than a plan may have.
    RecipeError
        A recipe does not exist, or is not well formed.
    """
    seeds = plan.seeds if seeds is None else seeds
    if len(seeds) > MAX_RUNS or plan.runs(len(seeds)) > MAX_RUNS:
        raise PlanError(
            f"{len(seeds)} seeds make more than the {MAX_RUNS} runs that a plan may have", "take fewer seeds"
        )
    recipes = {entry.name: _recipe(entry, beside) for entry in plan.recipes}
    return [
        Run(scene, protocol, name, recipe, seed, plan.border_reach)
        for seed in seeds
        for scene in plan.scenes
        for protocol in plan.protocols
        if protocol.scenes is None or scene.name in protocol.scenes
        for name, recipe in recipes.items()
    ]


def only(plan: Plan, runs: Sequence[Run], filters: Sequence[str]) -> list[Run]:
    """The runs that filters such as `scene=salinas-a` or `recipe=svm*` let through; those of one kind add up.

    Raises
    ------
    PlanError
        A filter of another kind, or a name or pattern that nothing in the plan has.
    """
    wanted = _names_meant(plan, filters)
    return [run for run in runs if all(_name_of(run, kind) in names for kind, names in wanted.items())]


def without(plan: Plan, runs: Sequence[Run], filters: Sequence[str]) -> list[Run]:
    """The runs that no filter names; raises as `only` does."""
    unwanted = _names_meant(plan, filters)
    return [run for run in runs if not any(_name_of(run, kind) in names for kind, names in unwanted.items())]


def _names_meant(plan: Plan, filters: Sequence[str]) -> dict[str, set[str]]:
    """Names in the plan that filters name, or that fit their patterns, by kind."""
    meant: dict[str, set[str]] = {}
    for text in filters:
        kind, sign, name = text.partition("=")
        if kind not in ("scene", "protocol", "recipe") or not sign:
            raise PlanError(f"{text!r} is no filter", 'write scene, protocol or recipe, "=" and a name')
        known = plan.names[f"{kind}s"]
        found = [name] if name in known else fnmatch.filter(known, name)
        if not found:
            near = difflib.get_close_matches(name, known, n=1)
            remedy = f"did you mean {near[0]}?" if near else f"the plan has {', '.join(known)}"
            raise PlanError(f"the plan has no {kind} {name!r}", remedy)
        meant.setdefault(kind, set()).update(found)
    return meant


def _sha256(**decisive: Any) -> str:
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def _name_of(run: Run, kind: str) -> str:
    return {"scene": run.scene.name, "protocol": run.protocol.name, "recipe": run.recipe_name}[kind]


def _recipe(entry: RecipeEntry, beside: Path) -> Recipe:
    path = beside / entry.recipe
    own = entry.recipe not in recipe_names() and os.path.isfile(path)
    return load_recipe(path if own else entry.recipe, entry.settings)
