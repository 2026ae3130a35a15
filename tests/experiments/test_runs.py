"""The runs of a plan, their filters, and what makes two of them the same."""

from __future__ import annotations

import re

import pytest

from hsiattn.errors import PlanError, RecipeError
from hsiattn.experiments import runs
from hsiattn.experiments.runs import only, runs_of, without
from hsiattn.resources import resource_folder
from hsiattn.training import load_recipe

SCENES = [{"name": name, "cube": "a.tif", "labels": "b.tif"} for name in ("north", "south")]
PROTOCOLS = [
    {"name": "random", "split": "random", "per_class": 10},
    {"name": "blocks", "split": "blocks", "scenes": ["south"]},
]


@pytest.fixture
def plan(make_plan):
    return make_plan(scenes=SCENES, protocols=PROTOCOLS)


def test_every_recipe_meets_every_scene_under_every_protocol_that_is_for_it(plan, tmp_path):
    runs = runs_of(plan, beside=tmp_path)
    cells = {(run.scene.name, run.protocol.name) for run in runs}
    assert cells == {("north", "random"), ("south", "random"), ("south", "blocks")}
    assert len(runs) == 3 * 2 * 2
    assert len({(run.folder, run.seed) for run in runs}) == len(runs)


def test_the_first_seed_is_done_before_the_second_begins(plan, tmp_path):
    assert [run.seed for run in runs_of(plan, beside=tmp_path)] == [0] * 6 + [1] * 6
    assert {run.seed for run in runs_of(plan, beside=tmp_path, seeds=[5])} == {5}


def test_filters_of_one_kind_add_up_and_kinds_narrow_each_other(plan, tmp_path):
    runs = runs_of(plan, beside=tmp_path)
    chosen = only(plan, runs, ["scene=south", "recipe=gsa", "recipe=default", "protocol=blocks"])
    assert {(run.scene.name, run.protocol.name) for run in chosen} == {("south", "blocks")}
    assert {run.recipe_name for run in chosen} == {"gsa", "default"}
    assert only(plan, runs, []) == runs


def test_a_star_in_a_filter_stands_for_anything(plan, tmp_path):
    runs = runs_of(plan, beside=tmp_path)
    assert only(plan, runs, ["scene=*", "recipe=*s*"]) == only(plan, runs, ["recipe=gsa"])
    assert only(plan, runs, ["protocol=[rb]*"]) == runs


def test_runs_that_any_filter_names_may_be_left_out(plan, tmp_path):
    runs = runs_of(plan, beside=tmp_path)
    left = without(plan, runs, ["recipe=gsa", "scene=north"])
    assert {(run.scene.name, run.recipe_name) for run in left} == {("south", "default")}
    assert without(plan, runs, []) == runs
    with pytest.raises(PlanError, match="the plan has no recipe 'gsb'"):
        without(plan, runs, ["recipe=gsb"])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("scene=sout", "the plan has no scene 'sout'; did you mean south"),
        ("seed=1", "'seed=1' is no filter; write scene, protocol or recipe"),
        ("recipe=svm*", "the plan has no recipe 'svm*'; the plan has default, gsa"),
        ("recipe=xyz", "the plan has no recipe 'xyz'; the plan has default, gsa"),
    ],
)
def test_a_filter_that_means_nothing_is_refused(plan, tmp_path, text, complaint):
    with pytest.raises(PlanError, match=re.escape(complaint)):
        only(plan, runs_of(plan, beside=tmp_path), [text])


def test_recipe_files_stand_beside_the_plan(make_plan, tmp_path):
    (tmp_path / "mine.yaml").write_text("extends: default\nname: mine\npatch_size: 3\n", encoding="utf-8")
    (run, *_) = runs_of(make_plan(recipes=["mine.yaml"]), beside=tmp_path)
    assert run.recipe_name == "mine"
    assert run.recipe.patch_size == 3


def test_a_recipe_that_is_not_there_is_told(make_plan, tmp_path):
    with pytest.raises(RecipeError, match="there is no recipe 'defalt'; did you mean default"):
        runs_of(make_plan(recipes=["defalt"]), beside=tmp_path)


def changed(make_plan, tmp_path, **changes):
    return runs_of(make_plan(**changes), beside=tmp_path)[0].configuration_sha256


@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": [1]},
        {"border_reach": 1},
        {"protocols": [{"name": "random 10/class", "split": "random", "per_class": 11}]},
        {"recipes": [{"name": "default", "recipe": "default", "set": ["training.weight_decay=0.5"]}]},
    ],
)
def test_what_decides_the_figures_changes_the_hash(make_plan, tmp_path, changes):
    assert changed(make_plan, tmp_path, **changes) != changed(make_plan, tmp_path)


def test_values_that_a_recipe_leaves_as_they_are_by_default_count_too(make_plan, tmp_path, monkeypatch):
    hashed = []
    monkeypatch.setattr(runs, "_sha256", lambda **parts: hashed.append(parts) or "")
    changed(make_plan, tmp_path)
    [recipe] = [parts["recipe"] for parts in hashed if "recipe" in parts]
    assert "ensemble" not in (resource_folder("configs") / "default.yaml").read_text(encoding="utf-8")
    assert recipe["training"]["ensemble"] == load_recipe("default").training.ensemble


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "another"},
        {"protocols": [{"name": "ten of each", "split": "random", "per_class": 10, "scenes": ["tiny"]}]},
        {"recipes": [{"name": "other words", "recipe": "default", "set": ["description=other words"]}]},
    ],
)
def test_names_and_descriptions_do_not(make_plan, tmp_path, changes):
    assert changed(make_plan, tmp_path, **changes) == changed(make_plan, tmp_path)


def test_splits_that_only_differ_in_their_kind_differ_in_their_hash(make_plan, tmp_path):
    protocols = [{"name": split, "split": split, "per_class": 10} for split in ("random", "blocks", "polygons")]
    runs = runs_of(make_plan(protocols=protocols, recipes=["default"], seeds=1), beside=tmp_path)
    assert len({run.split_sha256 for run in runs}) == 3
