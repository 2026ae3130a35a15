"""Check links: those of the built site, and those of the repository's Markdown files.

    python -m scripts.docs.links SITE [FILE.md ...]

prints one line for every fault and ends with status 1 where there is one. Pages must work without a network: scripts,
styles, fonts and pictures lie in the site itself; links that a reader follows may lead to the web, and are not tried.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADED = {
    "script": "src",
    "img": "src",
    "source": "src",
    "iframe": "src",
    "video": "src",
    "audio": "src",
    "embed": "src",
}
"""Attributes whose address a browser asks for by itself."""

_LOADED_RELATIONS = {
    "stylesheet",
    "icon",
    "preload",
    "prefetch",
    "modulepreload",
    "manifest",
    "preconnect",
    "dns-prefetch",
}

_IN_CSS = re.compile(r"""url\(\s*['"]?([^'")]+)|@import\s+['"]([^'"]+)""")
_MARKDOWN_LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
_MARKDOWN_CODE = re.compile(r"^(```|~~~).*?^\1|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_MARKDOWN_HEADING = re.compile(r"^#{1,6} +(.*?) *#*$", re.MULTILINE)


@dataclass
class Document(HTMLParser):
    """What an HTML page links to, asks for and can be pointed at.

    Attributes
    ----------
    links
        Addresses that a reader may follow.
    loaded
        Addresses that a browser asks for by itself.
    anchors
        Names of the places in the page.
    """

    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    _in_style: bool = False

    def __post_init__(self) -> None:
        super().__init__()

    @classmethod
    def of(cls, text: str) -> Document:
        """Read a page."""
        document = cls()
        document.feed(text)
        document.close()
        return document

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element links to, asks for or is called."""
        known = {name: value or "" for name, value in attrs}
        self._in_style = tag == "style"
        self.anchors |= {known[name] for name in ("id", "name") if known.get(name)}
        if tag in {"a", "area"} and "href" in known:
            self.links.append(known["href"])
        if tag == "link" and "href" in known:
            asked = set(known.get("rel", "").lower().split()) & _LOADED_RELATIONS
            (self.loaded if asked else self.links).append(known["href"])
        if known.get(_LOADED.get(tag, "")):
            self.loaded.append(known[_LOADED[tag]])
        for name in ("srcset", "imagesrcset"):
            self.loaded += [part.split()[0] for part in known.get(name, "").split(",") if part.strip()]
        self.loaded += _in_css(known.get("style", ""))

    def handle_endtag(self, tag: str) -> None:
        """Leave a style sheet."""
        self._in_style = self._in_style and tag != "style"

    def handle_data(self, data: str) -> None:
        """Note what a style sheet in the page asks for."""
        if self._in_style:
            self.loaded += _in_css(data)


def site_faults(site: Path) -> Iterator[str]:
    """Give a line for every link of a site that leads nowhere, and everything that it asks for elsewhere."""
    # A server shows 404.html at any address, so its links begin at the root of the site.
    paths = [path for path in sorted(site.rglob("*.html")) if path.name != "404.html"]
    documents = {path.resolve(): Document.of(path.read_text(encoding="utf-8")) for path in paths}
    if not documents:
        yield f"{site}: no pages"
    for path, document in documents.items():
        name = path.relative_to(site.resolve())
        for address in dict.fromkeys(document.loaded):
            yield from _loaded_faults(str(name), path, address)
        for address in dict.fromkeys(document.links):
            if _is_foreign(address):
                continue
            target, anchor = _target(path, address)
            if not target.is_file():
                yield f"{name}: {address} leads nowhere"
            elif anchor and target in documents and unquote(anchor) not in documents[target].anchors:
                yield f"{name}: {address}: no such place in the page"
    for path in sorted(site.rglob("*.css")):
        for address in dict.fromkeys(_in_css(path.read_text(encoding="utf-8"))):
            yield from _loaded_faults(str(path.relative_to(site)), path, address)


def markdown_faults(path: Path) -> Iterator[str]:
    """Give a line for every relative link of a Markdown file that leads nowhere."""
    for address in dict.fromkeys(_markdown_links(path.read_text(encoding="utf-8"))):
        if _is_foreign(address):
            continue
        parts = urlsplit(address)
        target = path.parent / unquote(parts.path) if parts.path else path
        if not target.exists():
            yield f"{path}: {address} leads nowhere"
        elif parts.fragment and target.suffix == ".md" and parts.fragment not in _markdown_anchors(target):
            yield f"{path}: {address}: no such heading"


def _is_foreign(address: str) -> bool:
    """Whether an address leads out of the site."""
    return bool(urlsplit(address).scheme) or address.startswith("//")


def _loaded_faults(name: str, path: Path, address: str) -> Iterator[str]:
    if address.startswith("data:") or (address.startswith("#") and len(address) > 1):
        return
    if _is_foreign(address):
        yield f"{name}: asks for {address}"
    elif not (path.parent / unquote(urlsplit(address).path)).is_file():
        yield f"{name}: asks for {address}, which is not there"


def _target(path: Path, address: str) -> tuple[Path, str]:
    """Give the file that a link of a page leads to, and the place in it."""
    parts = urlsplit(address)
    target = (path.parent / unquote(parts.path) if parts.path else path).resolve()
    return (target / "index.html" if target.is_dir() else target), parts.fragment


def _in_css(text: str) -> list[str]:
    return [first or second for first, second in _IN_CSS.findall(text)]


def _markdown_links(text: str) -> list[str]:
    return [first or second for first, second in _MARKDOWN_LINK.findall(_MARKDOWN_CODE.sub("", text))]


def _markdown_anchors(path: Path) -> set[str]:
    """Give the anchors that GitHub gives the headings of a file."""
    text = _MARKDOWN_CODE.sub(lambda found: "" if found[1] else found[0].strip("`"), path.read_text(encoding="utf-8"))
    headings = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _MARKDOWN_HEADING.findall(text))
    return {heading.replace(" ", "-") for heading in headings}


def main(arguments: list[str]) -> int:
    """Print the faults of a site and of Markdown files; status 1 where there is one."""
    if not arguments:
        print("usage: python -m scripts.docs.links SITE [FILE.md ...]", file=sys.stderr)
        return 2
    faults = [*site_faults(Path(arguments[0]))]
    faults += [fault for name in arguments[1:] for fault in markdown_faults(Path(name))]
    print("".join(f"{fault}\n" for fault in faults), end="", file=sys.stderr)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
