"""`hsiattn robustness` prints its table in every form, and refuses in one line what it cannot measure."""

import csv
import json

import pytest

FEW = ("--pixels", 20, "--draws", 1, "--strengths", 1, "--epsilons", 2, "--steps", 2)
FEWEST = (*FEW, "--disturbances", "noise", "--attacks", "fgsm")


def test_the_table_has_a_row_for_every_condition(desk, model, hsiattn):
    result = hsiattn("robustness", model, "scene.tif", "--labels", "labels.tif", *FEW)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "Robustness"
    started = [line for line in lines if line.startswith(("clean ", "noise × 1 ", "missing-bands × 1 ", "pgd 2/255 "))]
    assert len(started) == 4
    assert "20 pixels of" in result.stdout
    assert "Without a split, pixels that trained the model count too" in result.stdout


def test_only_test_pixels_of_a_split_count(desk, model, hsiattn):
    result = hsiattn(
        "robustness", model, "scene.tif", "--labels", "labels.tif", "--split", model.parent / "split.tif", *FEWEST,
        "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)
    assert record["robustness"]["test_pixels_only"]
    assert [row["name"] for row in record["conditions"]] == ["clean", "noise", "fgsm"]
    assert record["notes"] == [note for note in record["notes"] if "split" not in note]


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("table.json", '{\n  "schema"'),
        ("table.csv", "kind,condition,strength,model,measure,value,lower,upper\nclean,clean,0,model,overall_accuracy,"),
        ("table.md", "# Robustness\n"),
        ("table.html", "<!DOCTYPE html>"),
        ("table.txt", "Robustness\n==========\n"),
    ],
)
def test_files_of_every_form_are_written_and_replaced_only_when_told(name, start, desk, model, hsiattn):
    arguments = ("robustness", model, "scene.tif", "--labels", "labels.tif", *FEWEST, "-o", name)
    first = hsiattn(*arguments)
    assert first.exit_code == 0, first.stderr
    assert first.stdout == ""
    assert (desk / name).read_text().startswith(start)
    again = hsiattn(*arguments)
    assert again.exit_code == 1
    assert "exists already; choose another name or give --overwrite" in again.stderr
    assert hsiattn(*arguments, "--overwrite").exit_code == 0


def test_another_model_is_compared_pixel_by_pixel(desk, model, hsiattn):
    result = hsiattn(
        "robustness", model, "scene.tif", "--labels", "labels.tif", "--against", model, *FEWEST, "--format", "csv"
    )
    assert result.exit_code == 0, result.stderr
    rows = list(csv.DictReader(result.stdout.splitlines()))
    assert {row["model"] for row in rows} == {"model", "other model", ""}
    assert {float(row["value"]) for row in rows if row["measure"] == "gain"} == {0.0}


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--labels", "absent.tif"), 1, "absent.tif"),
        (("--split", "absent.tif"), 1, "absent.tif"),
        (("--against", "absent.hsiattn"), 1, "absent.hsiattn"),
        (("--against", "scene.tif"), 1, "scene.tif"),
        (("--groups", "absent.tif"), 1, "absent.tif"),
        (("--disturbances", "fog"), 2, "there is no fog; give some of noise"),
        (("--attacks", ","), 2, "no name is given"),
        (("--epsilons", "1,x"), 2, "'1,x' is no list of numbers"),
        (("--epsilons", "256"), 2, "from 0 to 255"),
        (("--strengths", "-1"), 2, "from 0 to 100"),
        (("--disturbances", "none", "--draws", "2"), 2, "--draws has no effect without disturbances"),
        (("--attacks", "none", "--steps", "2"), 2, "--steps has no effect without attacks"),
        (("--json", "--format", "csv"), 2, "contradict"),
        (("--overwrite",), 2, "--overwrite has no effect without -o"),
        (("-o", "table.xlsx"), 1, "stands for no form of table; name one with --format"),
        (("-o", "labels.tif"), 1, "stands for no form of table"),
        (("-o", "scene.tif", "--format", "json", "--overwrite"), 1, "scene.tif"),
    ],
)
def test_what_cannot_be_measured_is_one_line(arguments, status, words, desk, model, hsiattn):
    result = hsiattn("robustness", model, "scene.tif", "--labels", "labels.tif", *arguments)
    assert result.exit_code == status, result.output
    assert words in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
