"""A model, its file and its scene, and a folder to install models in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hsiattn.models.model_file import write_model
from hsiattn.models.registry import models_folder
from hsiattn.scenes import open_source


@pytest.fixture(scope="session")
def model(fitted):
    return fitted.model_


@pytest.fixture
def model_path(model, tmp_path):
    write_model(model, tmp_path / "fields.hsiattn")
    return tmp_path / "fields.hsiattn"


@pytest.fixture
def source(tiny):
    return open_source(tiny.scene)


@pytest.fixture
def install(model, tmp_path, monkeypatch):
    """A function that installs the model_path, or one with other bands, under a name."""
    monkeypatch.setenv("HSIATTN_HOME", str(tmp_path / "home"))

    def install(name, fits=True):
        models_folder().mkdir(parents=True, exist_ok=True)
        shifted = replace(model.bands, wavelength=model.bands.wavelength + 5000)
        write_model(model if fits else replace(model, bands=shifted), models_folder() / f"{name}.hsiattn")
        return models_folder() / f"{name}.hsiattn"

    return install
