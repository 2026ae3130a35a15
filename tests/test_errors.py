from __future__ import annotations

import ast
import pickle
import re
from pathlib import Path

import pytest

import hsiattn
from hsiattn import errors
from hsiattn.errors import HsiattnError, SplitError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, HsiattnError)]
PRIVATE = {"TextFileError"}
"""Caught by whoever knows which file it is about."""


def test_the_table_says_of_every_kind_when_it_is_raised_and_how_the_command_line_ends():
    rows = re.findall(r"^`(\w+)` +(\S.*?) +(\d)$", errors.__doc__, re.M)
    assert [name for name, _, _ in rows] == [kind.__name__ for kind in KINDS if kind is not HsiattnError]
    assert {code for _, _, code in rows} == {"1"}


def test_every_error_that_users_see_is_defined_in_one_module():
    bases = {kind.__name__ for kind in KINDS}
    elsewhere = {
        node.name
        for path in Path(hsiattn.__file__).parent.rglob("*.py")
        if path.name != "errors.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and bases & {ast.unparse(base).split(".")[-1] for base in node.bases}
    }
    assert elsewhere == PRIVATE


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_is_one_line_of_problem_and_remedy_in_other_processes_too(kind):
    error = pickle.loads(pickle.dumps(kind("it is wrong", "mend it")))
    assert (type(error), str(error)) == (kind, "it is wrong; mend it")
    assert (error.problem, error.remedy) == ("it is wrong", "mend it")


def test_a_split_error_knows_its_classes_and_takes_their_names():
    error = pickle.loads(pickle.dumps(SplitError("has no place", "make room", classes=[3, 11])))
    assert error.classes == (3, 11)
    assert str(error) == "class 3, 11 has no place; make room"
    named = error.named({11: "rye (code 11)"})
    assert (named.problem, named.classes) == ("class 3, rye (code 11) has no place", (3, 11))
    assert SplitError("it is damaged", "mend it").named({3: "oats"}).problem == "it is damaged"
