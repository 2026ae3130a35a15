"""The registry of models: headers list them and find the one that fits; only that one is read whole."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from hsiattn.errors import ModelFileError, OutputError
from hsiattn.models import model_file, registry
from hsiattn.models.registry import (
    ModelFinder,
    find_model,
    install_model,
    installed_models,
    models_folder,
    named_model,
    read_summary,
    read_trained,
    remove_model,
)


@pytest.fixture
def read_whole(monkeypatch):
    """Paths of the models that are read whole, in order."""
    paths, read = [], model_file.read_model
    monkeypatch.setattr(model_file, "read_model", lambda path: paths.append(Path(path)) or read(path))
    return paths


def test_without_any_installed_model_the_way_to_one_is_told(install, source):
    assert installed_models() == []
    with pytest.raises(ModelFileError, match="none of 0 installed") as caught:
        find_model(source)
    assert "hsiattn train" in caught.value.remedy


def test_the_one_installed_model_that_fits_is_found_among_others(install, source):
    install("other", fits=False)
    with pytest.raises(ModelFileError, match="none of 1 installed"):
        find_model(source)
    wanted = install("fields")
    (models_folder() / "broken.hsiattn").write_text("broken")
    assert find_model(source) == wanted


def test_of_two_models_that_fit_none_is_guessed(install, source):
    install("b"), install("a")
    with pytest.raises(ModelFileError, match=r"2 installed models fit .*: a, b; name one by model="):
        find_model(source)


def test_the_model_named_in_the_environment_comes_first(install, source, monkeypatch, tmp_path):
    install("fields")
    monkeypatch.setenv("HSIATTN_MODEL", str(tmp_path / "mine.hsiattn"))
    assert find_model(source) == tmp_path / "mine.hsiattn"


def test_models_lie_in_the_users_data_folder_unless_told_otherwise(monkeypatch, tmp_path):
    monkeypatch.delenv("HSIATTN_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert models_folder() == tmp_path / "hsiattn" / "models"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    assert models_folder() == tmp_path / "user" / ".local" / "share" / "hsiattn" / "models"


# -- headers -----------------------------------------------------------------------------------------------------------


def test_a_summary_says_what_the_whole_model_says(model, model_path, source):
    summary = read_summary(model_path)
    assert summary.bands.to_dict() == model.bands.to_dict()
    np.testing.assert_array_equal(summary.used, model.preprocessing.bands)
    assert summary.classes == model.classes
    assert summary.fits(source)
    assert str(summary) == "24 bands, 3 classes: class 1, class 4, class 7"


def test_a_header_is_parsed_once_until_the_file_changes(model, model_path, monkeypatch):
    opened, open_container = [], registry.open_container
    monkeypatch.setattr(registry, "open_container", lambda *given: opened.append(given) or open_container(*given))
    for _ in range(3):
        read_summary(model_path)
    assert len(opened) == 1
    os.utime(model_path, ns=(1, 1))
    read_summary(model_path)
    assert len(opened) == 2
    model_path.write_bytes(b"damaged")
    for _ in range(2):
        with pytest.raises(ModelFileError, match="not a model file, or is truncated"):
            read_summary(model_path)


def test_no_model_is_read_whole_to_find_the_one_that_fits_and_that_one_is_read_once(install, source, read_whole):
    wanted = install("fields")
    install("other", fits=False)
    told = []
    finder = ModelFinder(None, read_trained, told.append)
    assert find_model(source) == wanted
    assert read_whole == []
    first = finder.model_for(source)
    assert finder.model_for(source) is first
    assert read_whole == [wanted]
    assert told == [f"model: {wanted}"]


def test_a_damaged_model_is_not_used_whatever_its_header_says(install, source):
    path = install("fields")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match="damaged or was altered"):
        ModelFinder(None, read_trained).model_for(source)
    wanted = install("sound")
    assert find_model(source) == wanted


# -- names -------------------------------------------------------------------------------------------------------------


def test_a_name_is_that_of_a_file_then_of_an_installed_model_then_the_environments(
    install, model_path, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    installed, other = install("fields"), install("other")
    assert named_model("fields") == named_model(installed) == installed
    assert named_model("fields.hsiattn") == Path("fields.hsiattn")  # the file in the working directory
    assert named_model("other.hsiattn") == other
    assert named_model("folder/other") == Path("folder/other")
    assert named_model("unknown") == Path("unknown")
    assert named_model(None) is None
    monkeypatch.setenv("HSIATTN_MODEL", "other")
    assert named_model(None) == other
    assert named_model("fields") == installed


def test_a_named_model_is_read_at_once_and_used_for_every_scene(install, source, read_whole):
    installed = install("fields")
    finder = ModelFinder("fields", read_trained)
    assert read_whole == [installed]
    assert finder.model_for(source) is finder.model_for(source)
    assert len(read_whole) == 1
    with pytest.raises(ModelFileError, match="there is no model file unknown"):
        ModelFinder("unknown", read_trained)


# -- installing and removing -------------------------------------------------------------------------------------------


def test_only_whole_models_are_installed(model_path, monkeypatch, tmp_path):
    monkeypatch.setenv("HSIATTN_HOME", str(tmp_path / "home"))
    assert install_model(model_path, "mine") == models_folder() / "mine.hsiattn"
    with pytest.raises(OutputError, match="exists already"):
        install_model(model_path, "mine.hsiattn")
    data = bytearray(model_path.read_bytes())
    data[-1] ^= 1
    model_path.write_bytes(data)
    with pytest.raises(ModelFileError, match="damaged"):
        install_model(model_path, "other")
    assert [path.stem for path in installed_models()] == ["mine"]


def test_a_model_that_is_removed_is_gone_and_the_others_stay(install):
    path, other = install("fields"), install("other")
    assert remove_model("fields") == path
    assert remove_model("other.hsiattn") == other
    assert installed_models() == []


@pytest.mark.parametrize("name", ["unknown", "../fields", "models/fields", ".hidden"])
def test_what_is_not_installed_cannot_be_removed(install, name):
    path = install("fields")
    (models_folder().parent / "fields.hsiattn").write_bytes(path.read_bytes())
    with pytest.raises(ModelFileError, match=r"no model .* is installed; give one of the installed ones: fields"):
        remove_model(name)
    assert (models_folder().parent / "fields.hsiattn").exists()


def test_what_is_no_model_of_ours_is_not_removed(install, tmp_path):
    path = install("fields")
    (models_folder() / "text.hsiattn").write_text("mine")
    (models_folder() / "link.hsiattn").symlink_to(path)
    (models_folder() / "folder.hsiattn").mkdir()
    for name in ("text", "link", "folder"):
        with pytest.raises(ModelFileError, match="not a model file that hsiattn wrote; delete it by hand"):
            remove_model(name)
    assert len(installed_models()) == 4
