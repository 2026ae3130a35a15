"""Values of parameters of QGIS become command lines of hsiattn."""

from __future__ import annotations

import json

import click
import pytest

from hsiattn.cli.main import main
from hsiattn.qgis.plugin import commands


def parsed(arguments):
    """What the command line makes of arguments; it fails where it does not know one."""
    context = click.Context(main)
    command = main.get_command(context, arguments[0])
    return command.make_context(arguments[0], list(arguments[1:]), parent=context).params


def test_train_names_scene_labels_layer_and_model():
    values = {"SCENE": "s.tif", "LABELS": "f.gpkg|layername=crops", "COLUMN": "crop", "RECIPE": "default", "SEED": 3,
              "MODEL": "m.hsiattn", "EXTRA": "--per-class 40 --set 'training.max_epochs=4'"}  # fmt: skip
    arguments = commands.train_arguments(values)
    assert arguments == [
        "train", "s.tif", "--labels", "f.gpkg", "--layer", "crops", "--column", "crop", "--recipe", "default",
        "--seed", "3", "--per-class", "40", "--set", "training.max_epochs=4", "-o", "m.hsiattn", "--overwrite",
    ]  # fmt: skip
    assert parsed(arguments)["layer"] == "crops"


def test_what_is_left_out_does_not_stand_in_the_command():
    values = {"SCENE": "s.tif", "LABELS": "l.tif", "COLUMN": "", "RECIPE": "", "SEED": 0, "MODEL": "m.hsiattn"}
    expected = ["train", "s.tif", "--labels", "l.tif", "--seed", "0", "-o", "m.hsiattn", "--overwrite"]
    assert commands.train_arguments(values) == expected


def test_classify_names_what_lies_beside_the_map():
    values = {"SCENE": "s.tif", "MODEL": "m.hsiattn", "MAP": "map.tif", "CONFIDENCE": "c.tif", "POLYGONS": "p.gpkg",
              "MIN_AREA": 0.5, "SMOOTH": 2, "EXTRA": ""}  # fmt: skip
    params = parsed(commands.classify_arguments(values))
    assert params["paths"] == ("s.tif", "map.tif")
    assert (params["confidence"], params["polygons"], params["min_area"]) == ("c.tif", "p.gpkg", 0.5)
    assert (params["smooth"], params["overwrite"]) == (2, True)


def test_classify_without_a_model_leaves_the_choice_to_hsiattn_and_may_suggest_places():
    values = {"SCENE": "s.tif", "MODEL": "", "MAP": "map.tif", "PLACES": "places.gpkg"}
    params = parsed(commands.classify_arguments(values))
    assert (params["model"], params["guide"], params["confidence"]) == (None, "places.gpkg", None)


def test_a_smallest_area_counts_only_with_polygons():
    values = {"SCENE": "s.tif", "MODEL": "m.hsiattn", "MAP": "map.tif", "MIN_AREA": 0.5, "SMOOTH": 0}
    assert commands.classify_arguments(values) == ["classify", "s.tif", "map.tif", "-m", "m.hsiattn", "--overwrite"]


def test_polygons_and_assess_are_commands_that_hsiattn_knows():
    polygons = {"MAP": "m.tif", "POLYGONS": "p.gpkg", "MIN_AREA": 1.0, "CONFIDENCE": "c.tif"}
    assert parsed(commands.polygons_arguments(polygons))["confidence"] == "c.tif"
    assess = {
        "MAP": "m.tif",
        "REFERENCE": "r.gpkg|layername=a",
        "COLUMN": "class",
        "SPLIT": "s.tif",
        "REPORT": "r.html",
    }
    params = parsed(commands.assess_arguments(assess))
    assert (params["reference"], params["layer"], params["split_file"]) == ("r.gpkg", "a", "s.tif")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("labels.tif", ("labels.tif", None)),
        ("/a b/f.gpkg|layername=crops|subset=code > 2", ("/a b/f.gpkg", "crops")),
        ("f.shp|layerid=0", ("f.shp", None)),
    ],
)
def test_the_source_of_a_layer_names_path_and_layer(source, expected):
    assert commands.split_source(source) == expected


def test_a_line_of_a_log_tells_how_far_the_work_is():
    assert commands.share_done("2026-03-01 12:00:00 training: 66.7 %, 2 of 3 epochs, 0:30 left") == 66.7
    assert commands.share_done("  maize  1569    20.9 %") is None


def test_the_complaint_is_the_error_of_hsiattn():
    assert commands.complaint(["a note", "hsiattn: error: no such scene; check the path"], 1).startswith(
        "no such scene"
    )
    assert "status 3" in commands.complaint([], 3)


def test_libraries_of_qgis_are_not_handed_on():
    own = {"PATH": "/usr/bin", "PYTHONHOME": "C:/QGIS/python", "PROJ_LIB": "C:/QGIS/proj"}
    assert commands.environment(own) == {"PATH": "/usr/bin"}


@pytest.mark.parametrize("content", [None, "{", '{"command": []}', '{"command": "hsiattn"}'])
def test_without_a_command_the_way_out_is_told(tmp_path, content):
    if content is not None:
        (tmp_path / commands.CONFIGURATION).write_text(content)
    with pytest.raises(commands.ConfigurationError, match="hsiattn qgis install"):
        commands.configured_command(tmp_path)


def test_the_command_is_the_one_that_was_installed(tmp_path):
    (tmp_path / commands.CONFIGURATION).write_text(json.dumps({"command": ["/opt/bin/hsiattn"]}))
    assert commands.configured_command(tmp_path) == ["/opt/bin/hsiattn"]
