"""What mkdocs calls while it builds the site: run the examples, describe the command line, take CHANGELOG.md along."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import matplotlib as mpl
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from scripts.docs.examples import QUICK, ExampleError, Examples

REPOSITORY = Path(__file__).resolve().parents[2]

_COMMANDS = "<!-- commands -->"
_INCLUDED = {
    "changelog.md": "CHANGELOG.md",
    "contributing.md": ".github/CONTRIBUTING.md",
    "CITATION.cff": ".github/CITATION.cff",
}
"""Files of the repository that are pages of the site, or that these link to."""

_pages: dict[str, str] = {}


def on_pre_build(config: MkDocsConfig) -> None:
    """Run the examples of all pages, in the order of the navigation."""
    mpl.use("agg")
    folder = Path(tempfile.mkdtemp(prefix="hsiattn-examples-")).resolve()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ |= {"HSIATTN_HOME": str(folder / "home"), "HSIATTN_DATA": str(folder / "data")}
    os.environ.pop("HSIATTN_MODEL", None)
    examples = Examples(folder, quick=bool(os.environ.get(QUICK)))
    if examples.quick:
        _make_scenes_small()
    _pages.clear()
    for name in _names(config.nav):
        path = Path(config.docs_dir) / name
        if path.is_file():
            try:
                _pages[name] = examples.run_page(name, path.read_text(encoding="utf-8"))
            except ExampleError as error:
                raise PluginError(f"an example failed: {error}") from error
    config.extra["shown"] = examples.shown


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what the examples made, and pages that are files of the repository."""
    for name, content in config.extra["shown"].items():
        files.append(File.generated(config, f"examples/{name}", content=content))
    for name, source in _INCLUDED.items():
        if (REPOSITORY / source).is_file():
            files.append(File.generated(config, name, content=(REPOSITORY / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Give a page with its examples run, and the description of the commands in place of its mark."""
    text = _pages.get(page.file.src_uri, markdown)
    depth = page.file.src_uri.count("/")
    text = text.replace("](examples/", f"]({'../' * depth}examples/")
    return text.replace(_COMMANDS, "\n".join(_described_commands())) if _COMMANDS in text else text


def _names(nav: Any) -> Iterator[str]:
    """Give the pages of the navigation, in order."""
    if isinstance(nav, str):
        yield nav
    else:
        for entry in nav.values() if isinstance(nav, dict) else nav:
            yield from _names(entry)


def _make_scenes_small() -> None:
    """Make the scene of the example smaller, so that a check of the examples takes seconds."""
    from functools import partial

    from hsiattn.simulation import example

    example.simulate_scene = partial(example.simulate_scene, height=112, width=112, bands=24)


def _described_commands() -> Iterator[str]:
    """Give a section with the help of every command."""
    from hsiattn.cli.main import main

    yield from _described(main, click.Context(main, info_name="hsiattn"))


def _described(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## {context.command_path}\n\n```text\n{_plain(command.get_help(context))}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            part = command.get_command(context, name)
            if part is not None and not part.hidden:
                yield from _described(part, click.Context(part, parent=context, info_name=name, max_content_width=96))


def _plain(text: str) -> str:
    """Give text without the codes that colour a terminal."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
