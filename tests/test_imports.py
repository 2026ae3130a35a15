"""The modules of the package import each other in one direction."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def modules_below(folder: Path) -> dict[str, Path]:
    """The files of a package by the names of their modules."""
    files = [file for file in folder.rglob("*.py") if "plugin" not in file.parts]  # QGIS loads it under another name
    names = {file: file.relative_to(folder.parent).with_suffix("").parts for file in files}
    return {".".join(parts[:-1] if parts[-1] == "__init__" else parts): file for file, parts in names.items()}


def imports_of(file: Path, known: dict[str, Path]) -> set[str]:
    """The known modules that a file imports anywhere: at its top, inside functions, and for type checks alone."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relative to itself"
            full_names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in known else str(node.module) for name in full_names}
    return found & set(known)


def test_no_modules_import_each_other_in_a_circle():
    known = modules_below(ROOT / "hsiattn")
    graph = {name: imports_of(file, known) - {name} for name, file in known.items()}
    assert graph["hsiattn.assessment.report"] >= {"hsiattn.assessment.text", "hsiattn.classes"}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names a circle


def test_a_circle_is_found_wherever_its_imports_stand(tmp_path):
    package = tmp_path / "shop"
    package.mkdir()
    texts = {
        "__init__": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from shop.till import Till",
        "till": "from shop import goods",
        "goods": "def price():\n    from shop import VALUE",
    }
    for name, text in texts.items():
        (package / f"{name}.py").write_text(text)
    known = modules_below(package)
    graph = {name: imports_of(file, known) for name, file in known.items()}
    assert graph == {"shop": {"shop.till"}, "shop.till": {"shop.goods"}, "shop.goods": {"shop"}}
