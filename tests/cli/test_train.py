"""`hsiattn train` makes a model and says what it was made from."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import rasterio

from hsiattn import classifier
from hsiattn.cli import fitting
from hsiattn.models.model_file import read_model
from hsiattn.splits import ROLES, connected_fields, write_split
from hsiattn.training import load_recipe


@pytest.fixture
def train(desk, hsiattn):
    """Trains in closed form on the tiny scene in the working directory: most options are not about networks."""

    def run(*options: object):
        quick = ("--recipe", "lda", "--set", "patch_size=5", "--device", "cpu")
        return hsiattn("train", "scene.tif", "--labels", "labels.tif", "-o", "m.hsiattn", *quick, *options)

    return run


@pytest.fixture
def train_network(desk, hsiattn, quick):
    """Trains a network there."""

    def run(*options: object):
        return hsiattn("train", "scene.tif", "--labels", "labels.tif", "-o", "m.hsiattn", *quick, *options)

    return run


def test_the_result_names_model_split_leakage_and_accuracy(train_network, desk):
    result = train_network("--per-class", 30, "--json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["model"] == "m.hsiattn"
    assert (desk / "m.hsiattn").is_file()
    assert report["split"]["leakage"] == 0
    assert report["split"]["pixels"]["training"] + report["split"]["pixels"]["validation"] == 90
    assert report["accuracy"]["overall_accuracy"]["value"] > 0.8


def test_the_text_tells_people_the_same(train):
    result = train("--per-class", 30)
    assert result.exit_code == 0, result.stderr
    for word in ("m.hsiattn", "training", "test", "leakage", "overall accuracy", "kappa"):
        assert word in result.stdout.lower()


def test_confidence_is_judged_on_the_test_pixels(desk, hsiattn):
    arguments = ("train", "scene.tif", "--labels", "labels.tif", "-o", "m.hsiattn", "--recipe", "lda", "--overwrite")
    report = json.loads(hsiattn(*arguments, "--json").stdout)
    assert report["temperature"] == report["accuracy"]["calibration"]["temperature"] != 1
    described = json.loads(hsiattn("info", "m.hsiattn", "--json").stdout)
    assert described["temperature"] == report["temperature"]
    assert "\n          expected calibration error " in hsiattn(*arguments).stdout


def test_a_model_no_better_than_chance_says_so_first_wherever_it_is_spoken_of(desk, hsiattn, tiny, write_labels):
    """Labels in no relation to the spectra."""
    codes = tiny.codes.copy()
    codes[codes > 0] = np.random.default_rng(0).permutation(codes[codes > 0])
    write_labels(desk / "wrong.tif", codes, crs=tiny.crs, transform=tiny.transform)
    result = hsiattn(
        "train", "scene.tif", "--labels", "wrong.tif", "-o", "m.hsiattn", "--recipe", "lda", "--split", "random",
        "--per-class", 30, "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    first = told["warnings"][0]
    assert first.startswith("nothing here is clearly better than calling every pixel by the most frequent class")
    assert told["messages"][0] == told["accuracy"]["advice"][0] == first
    assert result.stderr.splitlines()[0] == first
    assert hsiattn("info", "m.hsiattn").stdout.splitlines()[0] == f"warnings            {first}"
    assert json.loads(hsiattn("info", "m.hsiattn", "--json").stdout)["warnings"] == told["warnings"]
    mapped = hsiattn("classify", "scene.tif", "map.tif", "-m", "m.hsiattn")
    assert f"the model's training warns: {first}" in mapped.stderr


def test_a_model_that_labels_bear_out_warns_of_nothing(train, hsiattn):
    told = json.loads(train("--per-class", 30, "--split", "random", "--recipe", "lda", "--json").stdout)
    assert told["warnings"] == []
    assert json.loads(hsiattn("info", "m.hsiattn", "--json").stdout)["warnings"] == []
    assert hsiattn("info", "m.hsiattn").stdout.startswith("kind ")


def test_favour_is_short_for_the_setting_of_the_recipe(desk, hsiattn):
    few = ("--set", "training.max_epochs=1", "--set", "training.pseudo_labels.pixels=200")
    told = hsiattn(
        "train", "scene.tif", "--labels", "labels.tif", "-o", "m.hsiattn", "--split", "none", "--favour", "average",
        *few, "--json",
    )  # fmt: skip
    assert told.exit_code == 0, told.stderr
    recipe = json.loads(hsiattn("info", "m.hsiattn", "--json").stdout)["recipe"]
    assert recipe == load_recipe("default", [*few[1::2], "training.pseudo_labels.favour=average"]).model_dump(
        mode="json"
    )
    choice = json.loads(told.stdout)["training"]["choice"]
    assert "mixture of default" in choice or "followed alone" in choice
    assert choice in told.stderr


def test_favour_is_refused_where_it_would_have_no_effect(desk, hsiattn):
    arguments = ("train", "scene.tif", "--labels", "labels.tif", "-o", "m.hsiattn", "--favour", "average")
    result = hsiattn(*arguments, "--recipe", "lda")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert "lda trains by closed-form, which cannot favour one accuracy; leave --favour out" in line
    assert hsiattn(*arguments, "--set", "training.pseudo_labels.favour=both").exit_code == 2
    assert hsiattn("classify", "scene.tif", "map.tif", "-m", "m.hsiattn", "--favour", "average").exit_code == 2


def test_advice_follows_the_other_messages(train):
    """Random pixels leak; without a test, cross-validation is all that is known."""
    result = train("--split", "random", "--per-class", 30)
    assert result.exit_code == 0, result.stderr
    assert "accuracy is optimistic:" in result.stderr
    assert "accuracy is optimistic" not in result.stdout
    result = train("--split", "none", "--overwrite", "--json")
    messages = json.loads(result.stdout)["messages"]
    assert messages[-1].startswith("accuracy is not known without test pixels")
    assert messages[-1] in result.stderr
    assert not any("is optimistic:" in message for message in messages)
    silent = train("--per-class", 30, "--overwrite", "--quiet")
    assert silent.exit_code == 0
    assert silent.stderr == ""


def test_the_written_split_is_the_one_that_was_used(train, tiny):
    result = train("--write-split", "split.tif", "--json")
    assert result.exit_code == 0, result.stderr
    pixels = json.loads(result.stdout)["split"]["pixels"]
    with rasterio.open("split.tif") as dataset:
        roles = dataset.read(1)
        assert (dataset.crs.to_string(), dataset.transform) == (tiny.crs, tiny.transform)
    assert {name: np.sum(roles == ROLES[name]) for name in pixels} == pixels
    again = train("--split-file", "split.tif", "--overwrite", "--json")
    assert again.exit_code == 0, again.stderr
    used = json.loads(again.stdout)["split"]["pixels"]
    assert all(used[name] == pixels[name] for name in ("training", "validation", "test"))


def test_the_report_on_the_labels_held_out_is_written(train, desk):
    told = json.loads(train("--per-class", 30, "--report", "report.json", "--json").stdout)
    written = json.loads((desk / "report.json").read_text())
    beside = written.pop("supplement")
    assert {"schema": told["schema"], **told["accuracy"], "supplement": None} == {**written, "supplement": None}
    assert {"identity", "spectra", "split"} <= set(beside)  # a network in closed form has no course of training
    assert beside["identity"]["model_sha256"] == read_model(beside["identity"]["model"]).digest
    assert train("--per-class", 30, "--report", "report.html", "--overwrite").exit_code == 0
    assert "Accuracy assessment" in (desk / "report.html").read_text()
    (desk / "report.html").write_text("notes of mine")
    again = train("--per-class", 30, "--report", "report.html", "--overwrite")
    assert again.exit_code == 1
    assert (desk / "report.html").read_text() == "notes of mine"
    for wrong in (("report.json", "--split", "none"), ("report.xyz",)):
        assert train("--report", *wrong, "--overwrite").exit_code in (1, 2)


def test_random_pixels_leak_and_no_split_has_no_accuracy(train):
    random = json.loads(train("--split", "random", "--per-class", 30, "--json").stdout)
    assert random["split"]["leakage"] > 0.1
    everything = json.loads(train("--split", "none", "--overwrite", "--json").stdout)
    assert everything["accuracy"] is None


def test_polygons_are_held_out_as_wholes(train, tiny):
    result = train("--split", "polygons", "--per-class", 30, "--seed", 2, "--write-split", "split.tif", "--json")
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)["split"]
    assert (record["method"], record["train_size"], record["random_state"]) == ("GroupedPixels", 30, 2)
    assert "polygons" in record["in_words"]
    with rasterio.open("split.tif") as dataset:
        roles = dataset.read(1)
    fields = connected_fields(tiny.codes)
    assert record["groups"]["number"] == fields.max()
    fitted = np.isin(roles, (ROLES["training"], ROLES["validation"]))
    assert not set(fields[fitted]) & set(fields[roles == ROLES["test"]])
    for code in (1, 4, 7):
        assert (fitted & (tiny.codes == code)).sum() == 30
        assert ((roles == ROLES["test"]) & (tiny.codes == code)).sum() > 0


def test_polygons_of_a_raster_are_held_out_as_wholes(train, desk, tiny, write_labels):
    strips = (np.arange(tiny.codes.size).reshape(tiny.codes.shape) // 96 + 1).astype(np.uint8)  # pairs of rows
    write_labels(desk / "ids.tif", strips, crs=tiny.crs, transform=tiny.transform)
    result = train("--split", "polygons", "--groups", "ids.tif", "--write-split", "split.tif", "--json")
    assert result.exit_code == 0, result.stderr
    with rasterio.open("split.tif") as dataset:
        roles = dataset.read(1)
    assert not set(strips[roles == ROLES["training"]]) & set(strips[roles == ROLES["test"]])
    assert json.loads(result.stdout)["split"]["groups"]["number"] == strips.max()


def test_intervals_are_over_the_polygons_that_test_pixels_lie_in(train, desk, tiny, hsiattn):
    result = train("--split", "polygons", "--write-split", "split.tif", "--json")
    report = json.loads(result.stdout)["accuracy"]
    with rasterio.open("split.tif") as dataset:
        test = dataset.read(1) == ROLES["test"]
    number = len(np.unique(connected_fields(tiny.codes)[test]))
    assert report["groups"] == {"polygons": number, "single_pixels": 0}
    text = train("--split", "polygons", "--overwrite").stdout
    assert f"\n          intervals 95 %, over {number} polygons instead of over pixels" in text
    assert "intervals" not in train("--split", "blocks", "--overwrite").stdout
    described = json.loads(hsiattn("info", "m.hsiattn", "--json").stdout)
    assert described["accuracy"]["groups"] is None


def test_polygons_are_known_to_training_whatever_the_split(train, desk, tiny, write_labels, monkeypatch):
    halves = np.where(np.arange(48) < 24, 3, 5).astype(np.uint8) * np.ones_like(tiny.codes)
    write_labels(desk / "ids.tif", halves, crs=tiny.crs, transform=tiny.transform)
    seen = []
    fit_model = classifier.fit_model

    def spy(*arguments, groups, **options):
        seen.append(groups)
        return fit_model(*arguments, groups=groups, **options)

    monkeypatch.setattr(classifier, "fit_model", spy)
    for options in (("--split", "random"), ("--split", "none", "--overwrite")):
        assert train("--groups", "ids.tif", *options).exit_code == 0
    for groups in seen:
        np.testing.assert_array_equal(groups, halves)
    assert len(seen) == 2


def test_the_share_of_polygons_that_train_can_be_chosen(train):
    shares = []
    for share in (0.2, 0.8):
        result = train("--split", "polygons", "--train-share", share, "--overwrite", "--json")
        pixels = json.loads(result.stdout)["split"]["pixels"]
        shares.append(1 - pixels["test"] / sum(pixels.values()))
    assert shares == pytest.approx([0.2, 0.8], abs=0.1)


def test_polygons_can_be_drawn_into_the_labels(train, tiny):
    options = (
        "--draw",
        "squares",
        "--polygons-per-class",
        2,
        "--polygon-size",
        3,
        "--buffer",
        5,
        "--write-split",
        "split.tif",
    )
    result = train("--split", "polygons", *options, "--json")
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)["split"]
    assert (record["method"], record["draw"], record["polygons_per_class"]) == ("DrawnPolygons", "squares", 2)
    with rasterio.open("split.tif") as dataset:
        roles = dataset.read(1)
    fitted = np.isin(roles, (ROLES["training"], ROLES["validation"]))
    near = np.abs(np.argwhere(roles == ROLES["test"])[:, None] - np.argwhere(fitted)).max(axis=2)
    assert near.min() == 6
    assert all(0 < (fitted & (tiny.codes == code)).sum() <= 18 for code in (1, 4, 7))


def test_a_class_in_a_single_polygon_is_named(desk, tiny, refused, quick, write_labels):
    codes = np.where(tiny.codes == 7, 0, tiny.codes)
    codes[20:24, 20:24] = 7
    write_labels(desk / "labels.tif", codes, crs=tiny.crs, transform=tiny.transform)
    arguments = ("--labels", "labels.tif", "-o", "m.hsiattn", "--split", "polygons", *quick)
    assert "class 7 lies in a single polygon" in refused("train", "scene.tif", *arguments)


def test_the_same_seed_gives_the_same_model_and_another_seed_another_split(train_network, desk):
    def digest(seed: int) -> tuple[str, dict]:
        assert train_network("--seed", seed, "--overwrite", "--threads", 1).exit_code == 0
        from hsiattn.models.model_file import read_model

        model = read_model("m.hsiattn")
        return {name: tensor.tolist() for name, tensor in model.network.state_dict().items()}, model.split

    (first, split), (second, _), (_, other) = digest(3), digest(3), digest(4)
    assert first == second
    assert split != other


def test_the_log_holds_loss_and_accuracy_of_every_epoch(model):
    with (model.parent / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3, 4]
    assert all(float(row["training_loss"]) >= 0 and 0 <= float(row["training_accuracy"]) <= 1 for row in rows)


@pytest.mark.parametrize(
    "options",
    [
        ("--split", "random", "--buffer", "3"),
        ("--split", "polygons", "--buffer", "3"),
        ("--split", "polygons", "--block-size", "8"),
        ("--split", "polygons", "--polygons-per-class", "8"),
        ("--split", "polygons", "--draw", "squares", "--train-share", "0.5"),
        ("--split", "blocks", "--draw", "squares"),
        ("--split", "random", "--per-class", "3", "--train-share", "0.5"),
        ("--split", "none", "--train-share", "0.5"),
        ("--split-file", "split.tif", "--per-class", "3"),
        ("--train-share", "1.5"),
    ],
)
def test_options_without_meaning_are_usage_errors(train, options):
    result = train(*options)
    assert result.exit_code == 2
    assert "Error: " in result.stderr


def test_a_class_table_names_the_classes(train, desk):
    (desk / "legend.csv").write_text("code,name,color\n1,water,#3060c0\n4,soil,#806040\n7,grass,#40a040\n")
    result = train("--classes", "legend.csv", "--json")
    assert result.exit_code == 0, result.stderr
    assert set(json.loads(result.stdout)["split"]["per_class"]) == {"water", "soil", "grass"}


def test_an_interrupted_training_says_how_to_go_on(desk, refused, quick, monkeypatch):
    def interrupted(request):
        raise KeyboardInterrupt

    monkeypatch.setattr(fitting, "train_model", interrupted)
    arguments = ("train", "scene.tif", "--labels", "labels.tif", "-o", "m.hsiattn", *quick)
    assert "--resume" not in refused(*arguments)
    (desk / "m.hsiattn.training").mkdir()
    (desk / "m.hsiattn.training" / "run.json").write_text('{"hsiattn": "training state"}')
    (desk / "m.hsiattn.training" / "last.ckpt").touch()
    assert "--resume" in refused(*arguments)


def test_a_finished_training_leaves_no_checkpoints(train_network, desk):
    assert train_network("--per-class", 30, "--resume").exit_code == 0
    assert {path.name for path in desk.iterdir()} == {"scene.tif", "labels.tif", "m.hsiattn"}


def test_a_split_file_of_another_size_is_refused(desk, tiny, refused, quick):
    roles = np.full((10, 12), ROLES["training"], dtype=np.uint8)
    write_split("split.tif", roles, crs=tiny.crs, transform=tiny.transform)
    arguments = ("--labels", "labels.tif", "-o", "m.hsiattn", "--split-file", "split.tif", *quick)
    assert "10 × 12" in refused("train", "scene.tif", *arguments)


@pytest.fixture
def lda(desk, hsiattn):
    """Trains in closed form, with all files that a training can write."""

    def run(*options: object):
        return hsiattn(
            "train", "scene.tif", "--labels", "labels.tif", "-o", "m.hsiattn", "--recipe", "lda", "--device", "cpu",
            "--log", "log.csv", "--write-split", "split.tif", *options,
        )  # fmt: skip

    return run


def test_resume_leaves_a_finished_training_alone(lda, desk):
    assert lda().exit_code == 0
    before = {path: path.read_bytes() for path in desk.iterdir()}
    again = lda("--resume")
    assert again.exit_code == 0
    assert "finished already" in again.stderr
    assert {path: path.read_bytes() for path in desk.iterdir()} == before
    other = lda("--resume", "--seed", 5)
    assert other.exit_code == 1
    assert "m.hsiattn exists already" in other.stderr


def test_resume_replaces_what_the_interrupted_training_has_written(lda, desk):
    assert lda().exit_code == 0
    (desk / "m.hsiattn").unlink()
    (desk / "m.hsiattn.training").mkdir()
    assert lda("--resume").exit_code == 0
    assert not (desk / "m.hsiattn.training").exists()


def test_a_training_that_fails_leaves_nothing(lda, desk):
    before = sorted(desk.iterdir())
    assert lda("--set", "preprocessing.components=100000").exit_code == 1
    assert sorted(desk.iterdir()) == before


def test_split_folds_tests_all_labels_and_trains_on_all(train, desk):
    result = train("--split", "folds", "--folds", 3, "--report", "r.json")
    assert result.exit_code == 0, result.stderr
    assert "test      by 3 folds; the model itself is trained on all labels" in result.stdout
    report = json.loads((desk / "r.json").read_text())
    assert report["folds"]["folds"] == len(report["folds"]["each"]) == 3
    assert f"training {report['test_pixels']}," in result.stdout
    for options, problem in ((("--per-class", 5), "--per-class"), (("--draw", "squares"), "--draw")):
        refused = train("--split", "folds", "--overwrite", *options)
        assert refused.exit_code == 2
        assert f"{problem} has no effect with --split folds" in refused.stderr
