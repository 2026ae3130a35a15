"""Figures as SVG: as a file of its own, and as a part of an HTML page."""

from __future__ import annotations

import hashlib
import io
import re
from html import escape
from typing import Literal

import matplotlib
from matplotlib.figure import Figure

from hsiattn.figures.style import settle
from hsiattn.files.kinds import GENERATOR

_ID = re.compile(r'\bid="([^"]*)"')
_REFERENCE = re.compile(r'((?:xlink:)?href="#|url\(#)([^")]*)')
_PATH = re.compile(r'\bd="[^"]*"')
_DECIMALS = re.compile(r"(\d\.\d\d)\d+")
"""Digits beyond hundredths of a point, which nobody sees."""
_ROOT = re.compile(r'<svg\b[^>]*?viewBox="(?P<box>[^"]*)"[^>]*>')
_STYLE = re.compile(r"\s*<style\b.*?</style>", re.DOTALL)
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)


def to_svg(figure: Figure) -> bytes:
    """Write a figure as SVG; the same figure gives the same bytes. Letters are shapes, so that no font is needed."""
    return _save(figure, "path")


def inline_svg(figure: Figure, *, title: str, description: str = "") -> str:
    """Write a figure as an `<svg>` element for an HTML page.

    It is as wide as what it stands in. Its ids are its own, whatever else the page holds; text stays text; screen
    readers are told its title and description.

    Parameters
    ----------
    figure
        The figure.
    title
        What it is, in a few words.
    description
        What it shows, in one or two sentences; "" for none.
    """
    text = _save(figure, "none").decode()
    text = _METADATA.sub("", _STYLE.sub("", text[text.index("<svg") :], count=1), count=1)
    digest = hashlib.sha256("\0".join((text, title, description)).encode()).hexdigest()
    prefix = f"f{digest[:10]}-"
    text = _ID.sub(rf'id="{prefix}\1"', text)
    text = _PATH.sub(lambda found: _DECIMALS.sub(r"\1", found[0]), text)
    text = _REFERENCE.sub(rf"\1{prefix}\2", text)
    names = [(f"{prefix}{kind}", kind, words) for kind, words in (("title", title), ("desc", description)) if words]
    root = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{box}" '
        f'role="img" aria-labelledby="{" ".join(name for name, _, _ in names)}" '
        'style="stroke-linejoin: round; stroke-linecap: butt">'
    )
    told = "".join(f'<{kind} id="{name}">{escape(words)}</{kind}>' for name, kind, words in names)
    return _ROOT.sub(lambda found: root.format(box=found["box"]) + told, text, count=1).strip()


def _save(figure: Figure, letters: Literal["path", "none"]) -> bytes:
    settle(figure)
    text = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "hsiattn", "svg.fonttype": letters}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": GENERATOR})
    return text.getvalue()
