"""Every Python block of README.md runs, in order, on an example scene, so that the README stays true."""

import ast
import re
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from hsiattn.simulation import example

README = Path(__file__).parent.parent / "README.md"

_BLOCK = re.compile(r"^(?:<!-- (?P<mark>.*?) -->\n)?```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)

NOT_RUN = "not run"
"""A comment `<!-- not run: why -->` in the line before a block: it needs hours, or files of the reader's own."""


def blocks(text):
    """Mark and code of every Python block."""
    return [(found["mark"] or "", found["code"]) for found in _BLOCK.finditer(text)]


def quick(code):
    """The code with the default recipe, which takes a minute, replaced by one that takes a second."""
    return code.replace('recipe="default"', 'recipe="lda"')


def test_blocks_and_their_marks_are_found():
    text = "a\n```python\nx = 1\n```\n<!-- not run: hours -->\n```python\ny\n```\n```sh\nls\n```\n"
    assert blocks(text) == [("", "x = 1\n"), ("not run: hours", "y\n")]


def test_there_are_blocks_and_those_not_run_say_why():
    found = blocks(README.read_text(encoding="utf-8"))
    assert found
    assert len(found) == README.read_text(encoding="utf-8").count("```python\n")
    for mark, code in found:
        ast.parse(code)
        assert not mark.startswith(NOT_RUN) or re.match(r"not run: \w", mark)


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # of rioxarray's own
def test_the_python_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    plt.switch_backend("agg")
    monkeypatch.chdir(tmp_path)
    small = partial(example.simulate_scene, height=96, width=96, bands=24)
    monkeypatch.setattr(example, "simulate_scene", small)  # of the example's, so that the test takes seconds
    example.write_example(tmp_path, seed=1)
    names = {"__name__": "readme"}
    for number, (mark, code) in enumerate(blocks(README.read_text(encoding="utf-8")), start=1):
        if not mark.startswith(NOT_RUN):
            exec(compile(quick(code), f"block {number} of README.md", "exec"), names)
    capsys.readouterr()
    plt.close("all")
