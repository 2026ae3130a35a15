"""A folder to work in, the command line as a function, and one small model for all tests."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hsiattn.cli import progress
from hsiattn.cli.main import main

QUICK = (
    "--set",
    "patch_size=5",
    "--set",
    "training.max_epochs=4",
    "--set",
    "training.pseudo_labels.pixels=200",
    "--set",
    "training.max_per_class=40",
    "--device",
    "cpu",
)
"""Settings with which training the tiny scene takes a second."""

Hsiattn = Callable[..., Result]


def _hsiattn(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="session", autouse=True)
def _no_log_lines() -> Iterator[None]:
    """However busy the machine is, no command writes how far it has come."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress, "FIRST_LINE", math.inf)
        yield


@pytest.fixture(scope="session")
def hsiattn() -> Hsiattn:
    """The command line, run in this process: `hsiattn("info", path)`."""
    return _hsiattn


@pytest.fixture(scope="session")
def quick() -> tuple[str, ...]:
    """Options that make training quick."""
    return QUICK


@pytest.fixture(scope="session")
def model(tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the tiny scene; `split.tif` and `log.csv` of its training lie beside it."""
    folder = tmp_path_factory.mktemp("model")
    path = folder / "tiny.hsiattn"
    result = _hsiattn(
        "train", tiny.scene, "--labels", tiny.labels, "-o", path, "--per-class", 40, *QUICK,
        "--write-split", folder / "split.tif", "--log", folder / "log.csv",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    return path


@pytest.fixture
def desk(tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of a test: a folder with `scene.tif` and `labels.tif`."""
    shutil.copy(tiny.scene, tmp_path / "scene.tif")
    shutil.copy(tiny.labels, tmp_path / "labels.tif")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def refused(hsiattn: Hsiattn) -> Callable[..., str]:
    """Runs a command that must fail with status 1 and one line, writing nothing; returns the line."""

    def run(*arguments: object) -> str:
        before = {path: path.stat().st_mtime_ns for path in Path.cwd().rglob("*")}
        result = hsiattn(*arguments)
        assert result.exit_code == 1, result.output
        assert result.stdout == ""
        (line,) = result.stderr.splitlines()
        assert line.startswith("hsiattn: error: ")
        assert "unexpected" not in line
        problem, _, remedy = line.partition("; ")
        assert problem
        assert remedy
        assert {path: path.stat().st_mtime_ns for path in Path.cwd().rglob("*")} == before
        return line

    return run
