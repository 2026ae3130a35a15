"""The documentation builds with all of its examples, and its links and those of the repository lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

from hsiattn.version import __version__
from scripts.docs import links
from scripts.docs.examples import QUICK, ExampleError, Examples

REPOSITORY = Path(__file__).parent.parent.parent
PAGES = REPOSITORY / "scripts" / "docs" / "pages"
MARKDOWN = [REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md", *sorted((REPOSITORY / ".github").glob("*.md"))]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built with small examples; its examples alone take half a minute."""
    folder = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(
        [*command, "--config-file", str(REPOSITORY / "scripts" / "docs" / "mkdocs.yml")],
        env={**os.environ, QUICK: "1", "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_every_link_of_the_site_leads_somewhere_and_nothing_is_asked_for_elsewhere(site):
    assert list(links.site_faults(site)) == []


@pytest.mark.slow
def test_examples_are_shown_with_what_they_print_and_draw(site):
    page = re.sub(r"<[^>]+>", "", (site / "first-map.html").read_text(encoding="utf-8"))
    assert re.search(r"overall accuracy \d+\.\d %", page)
    assert (site / "examples" / "map.png").read_bytes().startswith(b"\x89PNG")
    assert "<!DOCTYPE html>" in (site / "examples" / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_no_page_tells_where_it_was_built(site):
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert str(REPOSITORY) not in text
        assert "hsiattn-examples-" not in text


@pytest.mark.slow
def test_every_command_and_every_public_name_is_described(site):
    from hsiattn import __all__ as public
    from hsiattn.cli.main import main

    commands = (site / "reference" / "command-line.html").read_text(encoding="utf-8")
    assert [name for name in main.list_commands(click.Context(main)) if f"hsiattn {name}" not in commands] == []
    names = (site / "reference" / "index.html").read_text(encoding="utf-8")
    assert [name for name in public if not name.startswith("__") and f'id="hsiattn.{name}"' not in names] == []


def test_the_navigation_names_every_page_and_no_other():
    settings = (REPOSITORY / "scripts" / "docs" / "mkdocs.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"(\S+\.md)$", settings, re.MULTILINE))
    pages = {path.relative_to(PAGES).as_posix() for path in PAGES.rglob("*.md")}
    assert named == pages | {"contributing.md", "changelog.md"}  # which the build takes from elsewhere
    assert not re.search(r"^[<=>]{7}", settings, re.MULTILINE)  # what a merge left


def test_every_public_name_is_listed():
    from hsiattn import __all__ as public

    listed = (PAGES / "reference" / "index.md").read_text(encoding="utf-8")
    assert [name for name in public if not name.startswith("__") and not re.search(rf"\b{name}\b", listed)] == []


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: path.name)
def test_relative_links_of_the_repository_lead_somewhere(path):
    assert list(links.markdown_faults(path)) == []


# -- the checker of links ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<a href="missing.html">x</a>', "leads nowhere"),
        ('<a href="other.html#nothing">x</a>', "no such place"),
        ('<a href="#nothing">x</a>', "no such place"),
        ('<img src="https://example.org/a.png">', "asks for"),
        ('<script src="//cdn.example.org/a.js"></script>', "asks for"),
        ('<link rel="preconnect" href="https://fonts.example.org">', "asks for"),
        ('<img srcset="a.png 1x, https://example.org/b.png 2x" src="a.png">', "asks for https"),
        ('<style>@import "https://example.org/a.css";</style>', "asks for"),
        ('<p style="background: url(https://example.org/a.png)">', "asks for"),
        ('<img src="missing.png">', "not there"),
    ],
)
def test_a_wrong_link_and_a_foreign_resource_are_faults(tmp_path, body, fault):
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "other.html").write_text('<h1 id="place">x</h1>')
    (tmp_path / "index.html").write_text(body)
    found = list(links.site_faults(tmp_path))
    assert len(found) == 1
    assert fault in found[0]


def test_right_links_are_none(tmp_path):
    (tmp_path / "a.css").write_text("p { background: url(a.png) } q { fill: url(#gradient) }")
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "index.html").write_text('<a href="../index.html#pl%C3%A4tze">x</a>')
    (tmp_path / "index.html").write_text(
        '<h1 id="plätze">x</h1><a href="folder/">x</a><a href="#pl%C3%A4tze">x</a><a href="https://example.org">x</a>'
        '<a href="mailto:a@example.org">x</a><img src="data:image/png;base64,AA"><link rel="stylesheet" href="a.css">'
    )
    assert list(links.site_faults(tmp_path)) == []


def test_markdown_links_are_checked_but_not_inside_code(tmp_path):
    path = tmp_path / "a.md"
    path.write_text(
        "# A `b` c\n[x](#a-b-c) [y](#none) [z](b.md) `[q](c.md)`\n```\n[r](d.md)\n```\n[s](https://a.org)\n"
    )
    assert list(links.markdown_faults(path)) == [f"{path}: #none: no such heading", f"{path}: b.md leads nowhere"]


# -- the examples ------------------------------------------------------------------------------------------------------


def test_blocks_are_run_in_one_namespace_and_shown_with_what_they_print(tmp_path):
    page = "```python run\nx = 2\n```\ntext\n```python run\nprint(x + 1)\n```\n```python\nnot run\n```\n"
    shown = Examples(tmp_path).run_page("page.md", page)
    assert (
        shown
        == "```python\nx = 2\n```\ntext\n```python\nprint(x + 1)\n```\n\n```text\n3\n```\n```python\nnot run\n```\n"
    )


def test_commands_are_shown_in_order_and_without_the_folder(tmp_path):
    page = "```console run\n$ echo one > a.txt\n$ readlink -f a.txt\n```\n"
    page += '```console run lines="1"\n$ printf "1\\n2\\n"\n```\n'
    shown = Examples(tmp_path.resolve()).run_page("page.md", page)
    assert "$ echo one > a.txt\n$ readlink -f a.txt\na.txt\n" in shown
    assert '$ printf "1\\n2\\n"\n1\n…\n' in shown


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ("```python run\n1 / 0\n```\n", "ZeroDivisionError"),
        ("```console run\n$ false\n```\n", "status 1"),
        ("```console run fails\n$ true\n```\n", "status 0"),
        ("```console run\n$ hsiattn info nowhere.tif\n```\n", "does not exist"),
        ("```ruby run\nputs 1\n```\n", "cannot be run"),
    ],
)
def test_an_example_that_ends_otherwise_than_it_should_fails_the_build_and_is_named(tmp_path, block, problem):
    with pytest.raises(ExampleError, match=problem) as caught:
        Examples(tmp_path).run_page("page.md", f"text\n{block}")
    assert str(caught.value).startswith("page.md, line 2: ")


def test_a_picture_that_is_shown_is_kept(tmp_path):
    code = 'from pathlib import Path; Path("a.svg").write_text("<svg/>")'
    page = f'```python run hidden shows="a.svg" alt="A line"\n{code}\n```\n'
    examples = Examples(tmp_path)
    assert examples.run_page("page.md", page) == "![A line](examples/a.svg)\n"
    assert examples.shown == {"a.svg": b"<svg/>"}


def test_the_examples_that_pages_mean_to_run_are_run():
    for path in PAGES.rglob("*.md"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if re.match(r"```\w+ +\w", line):
                assert re.match(r"```(python|console|file) run\b", line), f"{path.name}: {line}"


# -- the citation ------------------------------------------------------------------------------------------------------


def test_the_citation_is_of_this_version_and_has_what_the_format_asks_for():
    citation = yaml.safe_load((REPOSITORY / ".github" / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()  # required by version 1.2.0
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == __version__
    assert citation["license"] == "MIT"
    assert citation["type"] in {"software", "dataset"}
    assert all({"name"} == author.keys() or {"family-names"} <= author.keys() for author in citation["authors"])
    for reference in citation["references"]:
        assert {"type", "title", "authors"} <= reference.keys()
