"""`hsiattn models` keeps the models that `hsiattn classify` finds by itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HSIATTN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_without_models_the_list_is_empty_and_says_how_to_get_one(hsiattn):
    result = hsiattn("models")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "hsiattn train" in result.stderr


def test_an_installed_model_is_listed_with_its_classes(hsiattn, model, home):
    installed = hsiattn("models", "install", model, "--name", "fields")
    assert installed.exit_code == 0, installed.stderr
    assert Path(installed.stdout.strip()) == home / "models" / "fields.hsiattn"
    assert Path(installed.stdout.strip()).read_bytes() == model.read_bytes()
    (entry,) = json.loads(hsiattn("models", "--json").stdout)["models"]
    assert entry["classes"] == ["class 1", "class 4", "class 7"]
    assert "24 bands" in hsiattn("models").stdout


def test_an_installed_model_is_replaced_only_when_asked_to(hsiattn, model):
    assert hsiattn("models", "install", model).exit_code == 0
    assert hsiattn("models", "install", model).exit_code == 1
    assert hsiattn("models", "install", model, "--overwrite").exit_code == 0


def test_a_damaged_installed_model_is_listed_as_unusable(hsiattn, model, home):
    hsiattn("models", "install", model)
    (path,) = (home / "models").iterdir()
    path.write_bytes(b"damaged")
    result = hsiattn("models")
    assert result.exit_code == 0
    assert "unusable" in result.stdout


def test_the_path_is_the_folder_below_the_home(hsiattn, home):
    assert hsiattn("models", "path").stdout.strip() == str(home / "models")


def test_an_installed_model_is_used_by_its_name_and_removed_by_it(hsiattn, model, home, desk):
    hsiattn("models", "install", model, "--name", "fields")
    path = home / "models" / "fields.hsiattn"
    assert hsiattn("classify", "scene.tif", "-m", "fields", "--device", "cpu").exit_code == 0
    result = hsiattn("models", "remove", "fields")
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"removed: {path}\n", "")
    assert not path.exists()
    hsiattn("models", "install", model, "--name", "fields")
    assert json.loads(hsiattn("models", "remove", "fields", "--json").stdout)["removed"] == str(path)
    assert not path.exists()


def test_a_model_that_is_not_installed_is_not_removed(refused, hsiattn, model, desk):
    assert "no model fields is installed" in refused("models", "remove", "fields")
    result = hsiattn("models", "remove", "../fields")
    assert result.exit_code == 2
    assert "give a name without folder" in result.stderr


def test_models_are_listed_without_torch(hsiattn, model, home):
    hsiattn("models", "install", model)
    code = "import sys; from hsiattn.cli.main import main; main(['models'], standalone_mode=False)"
    listed = subprocess.run(
        [sys.executable, "-c", f"{code}; assert 'torch' not in sys.modules"], check=True, capture_output=True, text=True
    ).stdout
    assert "24 bands" in listed


def test_a_model_is_described_as_an_item_of_a_catalogue(hsiattn, model, desk):
    item = json.loads(hsiattn("models", "stac", model).stdout)
    assert item["properties"]["mlm:framework"] == "PyTorch"
    Path("catalogue").mkdir()
    written = hsiattn("models", "stac", model, "-o", "catalogue/tiny.json")
    assert (written.exit_code, written.stdout) == (0, "item: catalogue/tiny.json\n")
    there = json.loads(Path("catalogue/tiny.json").read_text())
    assert (Path("catalogue") / there["assets"]["model"]["href"]).resolve() == model.resolve()
    assert there["id"] == item["id"]


def test_an_item_is_replaced_only_when_asked_to(hsiattn, model, desk, refused):
    arguments = ("models", "stac", model, "-o", "tiny.json")
    assert hsiattn(*arguments).exit_code == 0
    assert "give --overwrite" in refused(*arguments)
    assert hsiattn(*arguments, "--overwrite").exit_code == 0
    Path("mine.json").write_text('{"type": "Feature", "properties": {}}')
    assert "not a STAC item that hsiattn wrote" in refused("models", "stac", model, "-o", "mine.json", "--overwrite")


def test_what_is_no_model_has_no_item(desk, refused):
    assert "nowhere.hsiattn" in refused("models", "stac", "nowhere.hsiattn")
    assert "is not a model file" in refused("models", "stac", "scene.tif")


def test_a_model_is_written_with_weights_of_half_the_bytes(refused, hsiattn, model, desk):
    result = hsiattn("models", "convert", model, "-o", "small.hsiattn", "--storage", "bf16", "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["bytes"] == Path("small.hsiattn").stat().st_size < told["bytes_before"] == model.stat().st_size
    described = json.loads(hsiattn("info", "small.hsiattn", "--json").stdout)
    assert (described["storage"], described["sha256"]) == ("bf16", told["sha256"])
    assert "storage" in hsiattn("info", model).stdout
    assert hsiattn("classify", "scene.tif", "-m", "small.hsiattn", "--device", "cpu").exit_code == 0
    assert "exists" in refused("models", "convert", model, "-o", "small.hsiattn", "--storage", "fp16")
    shown = hsiattn("models", "convert", model, "-o", "small.hsiattn", "--storage", "fp16", "--overwrite").stdout
    assert shown.startswith("model: small.hsiattn, fp16, ")
