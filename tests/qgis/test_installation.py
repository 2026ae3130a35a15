"""`hsiattn qgis install` puts the plug-in into a profile, whole, and takes it out again."""

from __future__ import annotations

import configparser
import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from hsiattn.cli.main import main
from hsiattn.version import __version__

if os.name == "nt":
    pytest.skip("the places of profiles are those of Linux", allow_module_level=True)


@pytest.fixture
def hsiattn():
    return lambda *arguments: CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def profile(tmp_path, monkeypatch):
    """The default profile of QGIS of somebody who has started it once."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    folder = tmp_path / "QGIS" / "QGIS3" / "profiles" / "default"
    folder.mkdir(parents=True)
    return folder


def test_the_default_profile_is_found(hsiattn, profile):
    result = hsiattn("qgis", "install")
    folder = profile / "python" / "plugins" / "hsiattn_processing"
    assert (result.exit_code, result.stdout) == (0, f"plug-in: {folder}\n")
    assert "qgis_process plugins enable hsiattn_processing" in result.stderr
    metadata = configparser.ConfigParser()
    metadata.read(folder / "metadata.txt")
    assert metadata["general"]["version"] == __version__
    assert metadata["general"]["hasProcessingProvider"] == "yes"
    (command, *_) = json.loads((folder / "command.json").read_text())["command"]
    assert Path(command).is_absolute()
    assert sorted(path.name for path in folder.parent.iterdir()) == ["hsiattn_processing"]


def test_it_is_replaced_only_when_asked_to_and_removed_whole(hsiattn, profile):
    assert hsiattn("qgis", "install", "--profile", profile).exit_code == 0
    again = hsiattn("qgis", "install", "--profile", profile)
    assert (again.exit_code, "give --overwrite" in again.stderr) == (1, True)
    assert hsiattn("qgis", "install", "--profile", profile, "--overwrite").exit_code == 0
    assert hsiattn("qgis", "uninstall", "--profile", profile).exit_code == 0
    assert list((profile / "python" / "plugins").iterdir()) == []
    assert hsiattn("qgis", "uninstall", "--profile", profile).exit_code == 1


def test_the_plug_in_of_somebody_else_stays(hsiattn, profile):
    other = profile / "python" / "plugins" / "hsiattn_processing"
    other.mkdir(parents=True)
    (other / "metadata.txt").write_text("[general]\nname=other\n")
    result = hsiattn("qgis", "install", "--overwrite")
    assert result.exit_code == 1
    assert "move it away" in result.stderr
    assert [path.name for path in other.iterdir()] == ["metadata.txt"]


def test_without_qgis_the_way_out_is_told(hsiattn, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    result = hsiattn("qgis", "install")
    assert result.exit_code == 1
    assert "--profile" in result.stderr
    assert hsiattn("qgis", "install", "--profile", tmp_path / "nowhere").exit_code == 1
