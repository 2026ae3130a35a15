"""Plans of benchmarks: what they may hold, and every mistake by its key."""

from __future__ import annotations

import pytest

from hsiattn.errors import PlanError
from hsiattn.experiments.plan import file_name, load_plan, plan_names
from hsiattn.experiments.runs import runs_of
from hsiattn.networks import check_arguments

BLOCKS = {"name": "blocks", "split": "blocks"}


@pytest.mark.parametrize("name", plan_names())
def test_a_plan_of_the_package_says_its_name_and_has_all_its_recipes(name, tmp_path):
    plan = load_plan(name)
    assert plan.name == name
    assert {run.recipe_name for run in runs_of(plan, beside=tmp_path)} == set(plan.names["recipes"])


@pytest.mark.parametrize("name", plan_names())
def test_no_two_recipes_of_a_plan_of_the_package_are_the_same_and_all_have_their_networks_arguments(name, tmp_path):
    recipes = {run.recipe_name: run.recipe for run in runs_of(load_plan(name), beside=tmp_path)}
    contents = [recipe.model_dump_json(exclude={"name", "description"}) for recipe in recipes.values()]
    assert len(set(contents)) == len(recipes)
    for recipe in recipes.values():
        check_arguments(recipe.network.name, recipe.network.arguments)


def test_a_plan_takes_what_it_does_not_say_from_the_one_it_extends(plan_file, tmp_path):
    whole = load_plan(plan_file(name="whole"))
    (tmp_path / "part.yaml").write_text("extends: plan.yaml\nname: part\nrecipes: [gsa]\n", encoding="utf-8")
    part = load_plan(tmp_path / "part.yaml")
    assert (part.name, part.names["recipes"]) == ("part", ["gsa"])
    assert (part.scenes, part.protocols, part.seeds) == (whole.scenes, whole.protocols, whole.seeds)
    (tmp_path / "shipped.yaml").write_text("extends: example\nseeds: [7]\n", encoding="utf-8")
    assert load_plan(tmp_path / "shipped.yaml") == load_plan("example").model_copy(update={"seeds": (7,)})


def test_only_whole_plans_are_extended(plan_file, tmp_path):
    plan_file(extends="example")
    (tmp_path / "part.yaml").write_text("extends: plan.yaml\n", encoding="utf-8")
    with pytest.raises(PlanError, match=r"the plan 'plan\.yaml' extends another one itself"):
        load_plan(tmp_path / "part.yaml")


def test_rivals_are_all_others_unless_named(make_plan):
    recipes = ["default", "gsa", "svm"]
    assert make_plan(recipes=recipes, reference="gsa").rival_recipes == ["default", "svm"]
    assert make_plan(recipes=recipes, rivals=["svm"]).rival_recipes == ["svm"]
    assert make_plan(recipes=recipes, rivals=[]).rival_recipes == []


def test_a_plan_says_everything_in_few_words(make_plan):
    plan = make_plan(
        scenes=[{"card": "salinas-a"}],
        protocols=[BLOCKS],
        recipes=["default", "mine/other.yaml", {"name": "small", "recipe": "default", "set": ["patch_size=5"]}],
    )
    assert plan.names == {"scenes": ["salinas-a"], "protocols": ["blocks"], "recipes": ["default", "other", "small"]}
    assert plan.protocols[0].buffer == 4
    assert plan.recipes[2].settings == ("patch_size=5",)
    assert plan.reference_recipe == "default"


def test_a_number_of_seeds_counts_from_0_and_a_list_is_taken_as_it_is(make_plan):
    assert make_plan(seeds=3).seeds == (0, 1, 2)
    assert make_plan(seeds=[7, 3]).seeds == (7, 3)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"colour": "red"}, "colour: there is no such key; the keys there are name, scenes"),
        ({"seeds": 0}, "seeds: "),
        ({"seeds": [1, 1]}, "seeds: give different numbers from 0 on"),
        ({"recipes": []}, "there are no recipes"),
        ({"reference": "svm"}, "the reference 'svm' is none of the recipes"),
        ({"seeds": 10**12}, "seeds: 1000000000000 are more than the 100000 runs that a plan may have"),
        ({"seeds": [0, 10**12]}, "seeds: 1000000000000 is more than 4294967295, the largest seed there is"),
        ({"recipes": [{"name": f"r{i}", "recipe": "lda"} for i in range(300)], "seeds": 50_000}, "runs are more than"),
        ({"border_reach": 10**12}, "border_reach: should be less than or equal to 1000, not 1000000000000"),
        ({"protocols": [{**BLOCKS, "bufer": 4}]}, "did you mean buffer?"),
        ({"rivals": ["svm"]}, "rivals: 'svm' is none of the recipes"),
        ({"rivals": ["default"]}, "rivals: the reference is no rival of itself"),
        ({"recipes": ["default", {"name": "Default", "recipe": "gsa"}]}, "two recipes have the same name, or nearly"),
        ({"recipes": [{"name": "x", "recipe": "gsa", "sets": []}]}, "recipes.1.sets: there is no such key; the keys"),
        ({"scenes": [{"name": "x", "cube": "a.tif"}]}, "scenes.1: give a card, or name, cube and labels"),
        ({"scenes": [{"card": "salinas", "key": "x"}]}, "scenes.1: with a card, key have no meaning"),
        ({"protocols": [{"name": "x", "split": "random"}]}, "protocols.1: give per_class or share, one of them"),
        ({"protocols": [{**BLOCKS, "share": 1.5}]}, "protocols.1.share: "),
        (
            {"protocols": [{"name": "x", "split": "polygons", "draw": "squares", "groups": "ids.tif"}]},
            "protocols.1: groups has no effect with split='polygons' and draw='squares'; correct the plan",
        ),
        ({"protocols": [{"name": "x", "split": "polygons", "buffer": 4}]}, "protocols.1: buffer has no effect"),
        (
            {"protocols": [{**BLOCKS, "roles": "a"}]},
            "protocols.1.roles: has no effect with split: blocks; leave it out, or",
        ),
        ({"protocols": [BLOCKS, {"name": "x", "split": "blocs"}]}, "protocols.2.split: must be one of random, blocks"),
        ({"protocols": [{"name": "x"}]}, "protocols.1.split: must be one of random, blocks"),
        ({"protocols": [{**BLOCKS, "scenes": ["mars"]}]}, "protocol 'blocks' is for a scene that is not there: mars"),
    ],
)
def test_a_mistake_is_told_by_its_key(make_plan, changes, complaint):
    with pytest.raises(PlanError) as caught:
        make_plan(**changes)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_several_mistakes_are_counted(make_plan):
    with pytest.raises(PlanError, match=r"\(and 1 more\)"):
        make_plan(seeds=0, border_reach=0)


def test_a_plan_that_is_not_there_names_those_that_are():
    with pytest.raises(PlanError, match=r"there is no plan 'exampel'; give a YAML file, or one of .*example"):
        load_plan("exampel")


@pytest.mark.parametrize(("text", "complaint"), [("a: [", "is not YAML"), ("just words", "holds no keys")])
def test_a_file_that_is_no_plan_is_refused(tmp_path, text, complaint):
    path = tmp_path / "plan.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PlanError, match=complaint):
        load_plan(path)


@pytest.mark.parametrize("name", ["../up", "a/b", "..", "blocks, 30 px"])
def test_a_name_cannot_lead_out_of_its_folder(name):
    assert "/" not in file_name(name)
    assert not file_name(name).startswith(".")
