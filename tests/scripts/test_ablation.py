"""The rows of the ablation of blocks, poolings and backbones."""

from __future__ import annotations

import pytest
import torch
import yaml

from hsiattn.experiments.plan import load_plan
from hsiattn.experiments.runs import runs_of
from hsiattn.networks import create_network
from scripts.benchmarks.accuracy.ablation import ROWS, plan_of


@pytest.fixture(scope="module")
def recipes(tmp_path_factory):
    """The recipe of every row."""
    path = tmp_path_factory.mktemp("plan") / "plan.yaml"
    path.write_text(yaml.safe_dump(plan_of("default", 10, ["training.max_steps=7"])))
    return {run.recipe_name: run.recipe for run in runs_of(load_plan(path), beside=path.parent, seeds=[0])}


@pytest.mark.parametrize("row", ROWS)
def test_every_row_is_a_network_of_its_own_that_classifies(recipes, row):
    recipe = recipes[row]
    sizes = {"bands": 24, "channels": 6, "classes": 3, "patch_size": recipe.patch_size}
    network = create_network(recipe.network.name, **sizes, **recipe.network.arguments).eval()
    assert network(torch.zeros(2, 24), torch.zeros(2, 6, recipe.patch_size, recipe.patch_size)).shape == (2, 3)
    assert [other for other in recipes if recipes[other].network == recipe.network] == [row]


def test_settings_for_all_rows_come_beside_those_of_each(recipes):
    assert {recipe.training.max_steps for recipe in recipes.values()} == {7}
