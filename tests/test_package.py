"""The package as a stranger meets it: its names, its dependencies, its wheel."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import hsiattn

REPOSITORY = Path(__file__).parent.parent
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


def run_python(code: str, *, folder: Path, path: Path) -> str:
    """Stdout of Python code run in another folder with `path` in front of everything that is installed."""
    environment = {**os.environ, "PYTHONPATH": str(path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_public_name_is_there():
    for name in hsiattn.__all__:
        assert getattr(hsiattn, name) is not None
        assert name == "__version__" or getattr(hsiattn, name).__doc__
    assert set(hsiattn.__all__) <= set(dir(hsiattn))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'clasify'"):
        _ = hsiattn.clasify


def test_importing_the_package_loads_nothing_heavy():
    loaded = run_python("import hsiattn, sys; print(*sys.modules)", folder=REPOSITORY, path=REPOSITORY).split()
    assert not {"torch", "numpy", "rasterio", "xarray", "lightning"} & set(loaded)


def test_the_installation_without_torch_has_the_bounds_of_the_package():
    lines = (REPOSITORY / "scripts" / "requirements-onnx.txt").read_text().splitlines()
    wanted = [line for line in lines if not line.startswith("#")]
    assert set(wanted) <= {*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["onnx"]}
    assert not any(line.startswith(("torch", "lightning", "scipy", "scikit-learn")) for line in wanted)


def imported_distributions() -> set[str]:
    """Distributions that the package's own files import, normalised names; the plug-in runs in QGIS's own Python."""
    by_module = packages_distributions()
    found = set()
    plugin = REPOSITORY / "hsiattn" / "qgis" / "plugin"
    for file in (REPOSITORY / "hsiattn").rglob("*.py"):
        if file.is_relative_to(plugin):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                modules = [node.module]
            else:
                continue
            roots = {module.partition(".")[0] for module in modules} - set(sys.stdlib_module_names) - {"hsiattn"}
            found |= {by_module[root][0].lower().replace("_", "-") for root in roots}
    return found


def test_what_is_imported_is_declared_and_what_is_declared_is_imported():
    extras = PROJECT["optional-dependencies"]
    lines = [*PROJECT["dependencies"], *extras["dask"], *extras["explain"], *extras["onnx"]]
    declared = {re.split(r"[<>=!~;\[ ]", line)[0].lower() for line in lines}
    assert imported_distributions() == declared - {"onnxscript"}  # which torch imports for the export


def test_every_declared_dependency_is_locked():
    locked = {
        line.partition("==")[0].lower() for line in (REPOSITORY / "scripts/constraints.txt").read_text().splitlines()
    }
    declared = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
    assert {re.split(r"[<>=!~;\[ ]", line)[0].lower() for line in declared} <= locked


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Wheel (made from the sdist, as a stranger would) and sdist."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(REPOSITORY)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {"wheel": next(folder.glob("*.whl")), "sdist": next(folder.glob("*.tar.gz"))}


@pytest.fixture(scope="module")
def installed(distributions: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the unpacked wheel, which is all that installing a pure Python wheel does."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(distributions["wheel"]) as wheel:
        wheel.extractall(folder)
    return folder


def test_the_wheel_carries_cards_recipes_and_types_but_no_tests(distributions):
    with zipfile.ZipFile(distributions["wheel"]) as wheel:
        names = wheel.namelist()
    assert "hsiattn/py.typed" in names
    for folder in ("configs", "datasets"):
        expected = {f"hsiattn/_resources/{folder}/{file.name}" for file in (REPOSITORY / folder).glob("*.yaml")}
        assert expected
        assert expected <= set(names)
    assert not [name for name in names if name.startswith(("tests/", "scripts/", "configs/", "datasets/"))]


def test_the_installed_wheel_finds_its_cards_and_recipes_away_from_the_checkout(installed, tmp_path):
    code = (
        "import hsiattn; from hsiattn.resources import resource_names;"
        "print(hsiattn.__file__, *resource_names('configs'), *resource_names('datasets'))"
    )
    where, *names = run_python(code, folder=tmp_path, path=installed).split()
    assert Path(where).is_relative_to(installed)
    assert {"default", "ssan-paper", "salinas-a"} <= set(names)


def test_the_installed_wheel_runs_the_quick_starts_commands_away_from_the_checkout(installed, tmp_path):
    def hsiattn(*arguments: str) -> str:
        code = f"import hsiattn.cli.main as cli; assert {str(installed)!r} in cli.__file__; cli.main({[*arguments]!r})"
        return run_python(code, folder=tmp_path, path=installed)

    assert "salinas-a" in hsiattn("datasets")
    hsiattn("datasets", "example", ".")
    quick = ("training.max_epochs=1", "training.pseudo_labels.area=4096", "training.pseudo_labels.pixels=500")
    few = ("--per-class", "20", "--write-split", "split.tif", *(part for key in quick for part in ("--set", key)))
    hsiattn("train", "scene.tif", "--labels", "labels.tif", "-o", "m.hsiattn", *few)
    hsiattn("classify", "scene.tif", "-m", "m.hsiattn")
    hsiattn("assess", "scene_classes.tif", "--reference", "labels.tif", "--split", "split.tif", "-o", "report.html")
    assert (tmp_path / "report.html").stat().st_size > 1000
