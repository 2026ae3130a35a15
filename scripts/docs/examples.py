"""The examples of the pages: run while the site is built, and shown with what they print.

A fenced block whose first line says `run` after the language is run, all of one site in one folder and in the order of
the navigation, so that a page may use the files that earlier pages made::

    ```console run shows="map.png" alt="The map"
    $ hsiattn classify scene.tif map.tif -m fields.hsiattn
    ```

Blocks are `console` (lines that begin with `$ ` are commands, the others are replaced by what these print), `python`
(one namespace for each page) and `file` (written under the name in `name="…"`). Further words after `run`:

`hidden`
    Only what `shows` names appears, neither the block nor what it prints.
`fails`
    The commands must end with another status than 0.
`lines="5"`
    Show the first lines of what is printed.
`shows="map.png"`
    A file that appears below, a picture as one and another file as a link; `alt="…"` says what is in it.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_BLOCK = re.compile(r"^```(?P<language>\w+) run(?P<words>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_PICTURES = {".png", ".svg"}
_PROGRESS = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d .*\n", re.MULTILINE)
"""Lines that say how far long work has come, which a terminal shows as a bar."""

QUICK = "HSIATTN_DOCS_QUICK"
"""Environment variable that makes the examples small: a check that they work, not a site to publish."""

_QUICK_TRAINING = (
    "training.max_steps=20", "training.pseudo_labels.area=3000", "training.pseudo_labels.pixels=300",
    "network.arguments.hidden=8", "network.arguments.width=8",
)  # fmt: skip


class ExampleError(Exception):
    """An example ended otherwise than it should; the text says which, and what it printed."""


@dataclass
class Examples:
    """The examples of a site, and the files that pages show.

    Attributes
    ----------
    folder
        Where they are run.
    shown
        Content of the files that pages show, by name.
    quick
        Whether training is cut short.
    """

    folder: Path
    quick: bool = False
    shown: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Let examples import modules that examples write."""
        sys.path.insert(0, str(self.folder))

    def run_page(self, name: str, markdown: str) -> str:
        """Run the examples of a page and give its Markdown with what they printed.

        Raises
        ------
        ExampleError
            One of them fails.
        """
        namespace: dict[str, Any] = {"__name__": f"examples of {name}"}

        def replace(found: re.Match[str]) -> str:
            words = shlex.split(found["words"])
            line = markdown.count("\n", 0, found.start()) + 1
            try:
                with contextlib.chdir(self.folder):
                    return self._run(found["language"], words, found["body"], namespace)
            except ExampleError as error:
                raise ExampleError(f"{name}, line {line}: {error}") from error.__cause__

        return _BLOCK.sub(replace, markdown)

    def _run(self, language: str, words: list[str], body: str, namespace: dict[str, Any]) -> str:
        options = dict(word.split("=", 1) for word in words if "=" in word)
        if language == "file":
            Path(options["name"]).write_text(body, encoding="utf-8")
            shown = _fenced(Path(options["name"]).suffix.lstrip("."), body, title=options["name"])
        elif language == "console":
            shown = _fenced("console", self._run_commands(body, fails="fails" in words, options=options))
        elif language == "python":
            printed = _first_lines(_run_python(body, namespace), options)
            shown = _fenced("python", body) + (f"\n\n{_fenced('text', printed)}" if printed else "")
        else:
            raise ExampleError(f"blocks of {language} cannot be run")
        pictures = [self._show(options["shows"], options.get("alt", ""))] if "shows" in options else []
        return "\n\n".join(pictures if "hidden" in words else [shown, *pictures])

    def _run_commands(self, body: str, *, fails: bool, options: dict[str, str]) -> str:
        shown = []
        for command in re.findall(r"^\$ (.*(?:\\\n.*)*)", body, re.MULTILINE):
            status, printed = _run_command(command, self._quick_options(command))
            if (status != 0) != fails:
                raise ExampleError(f"status {status} of: {command}\n{printed}")
            printed = printed.replace(f"{self.folder}/", "").replace(str(self.folder), ".")
            printed = _PROGRESS.sub("", printed)
            shown.append(f"$ {command}\n{_first_lines(printed, options)}")
        return "".join(shown)

    def _quick_options(self, command: str) -> list[str]:
        """Give further options that cut long work short."""
        if self.quick and command.startswith("hsiattn train") and "--recipe" not in command:
            return ["--per-class", "20", *(word for change in _QUICK_TRAINING for word in ("--set", change))]
        return ["--seeds", "1", "--jobs", "1"] if self.quick and " benchmark " in command else []

    def _show(self, name: str, description: str) -> str:
        self.shown[name] = Path(name).read_bytes()
        link = f"[{description or name}](examples/{name})"
        return f"!{link}" if Path(name).suffix in _PICTURES else link


def _fenced(language: str, body: str, title: str = "") -> str:
    head = f"```{language}" + (f' title="{title}"' if title else "")
    return f"{head}\n{body.rstrip()}\n```"


def _first_lines(printed: str, options: dict[str, str]) -> str:
    """Give what was printed, or as many lines of it as the block wants."""
    lines = printed.splitlines()
    most = int(options.get("lines", len(lines)))
    kept = lines if len(lines) <= most else [*lines[:most], "…"]
    return "".join(f"{line.rstrip()}\n" for line in kept)


def _run_command(command: str, further: list[str]) -> tuple[int, str]:
    """Run a command, `hsiattn` in this process, which is quicker; its status, and what it prints on both streams."""
    words = shlex.split(command.replace("\\\n", " "), comments=True)
    if words[0] == "export":
        os.environ |= _variables(words[1:])
        return 0, ""
    variables = _variables(itertools.takewhile(lambda word: re.fullmatch(r"\w+=.*", word), words))
    if words[len(variables)] == "hsiattn" and not {"|", ">", "&&"} & set(words):
        from click.testing import CliRunner

        from hsiattn.cli.main import main

        arguments = [*_expanded(words[len(variables) + 1 :]), *further]
        result = CliRunner().invoke(main, arguments, prog_name="hsiattn", env=variables)
        return result.exit_code, result.output
    done = subprocess.run(
        ["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.returncode, done.stdout


def _variables(words: Iterable[str]) -> dict[str, str]:
    """Give the variables that words such as `NAME=value` set."""
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def _expanded(words: list[str]) -> Iterator[str]:
    """Give the words of a command as a shell would, patterns replaced by the files that they match."""
    for word in words:
        found = sorted(str(path) for path in Path().glob(word)) if "*" in word else []
        yield from found or [word]


def _run_python(code: str, namespace: dict[str, Any]) -> str:
    """Run code and give what it prints."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(code, namespace["__name__"], "exec"), namespace)
    except Exception as error:
        raise ExampleError(f"{type(error).__name__}: {error}\n{code}") from error
    return printed.getvalue()
