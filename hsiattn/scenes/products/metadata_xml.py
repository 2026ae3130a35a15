"""Metadata of products in XML, read within bounds and without a look at namespaces."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

from hsiattn.errors import SceneError
from hsiattn.files.inputs import open_regular
from hsiattn.scenes.spectral import parse_number

MOST_BYTES = 2**26
"""Bound of a file; one of 235 bands with their spectral response takes some 4 MB."""


def read_start(path: Path, size: int) -> bytes:
    """The first bytes of a file; none where it cannot be read, which whoever opens it next will tell."""
    try:
        with open_regular(path) as stream:
            return stream.read(size)
    except (OSError, ValueError):
        return b""


def parse(content: bytes, path: Path) -> ElementTree.Element:
    """The root of an XML document, tags without their namespaces.

    Raises
    ------
    SceneError
        It is cut short, damaged or too large, or it declares entities, which no product needs.
    """
    if len(content) > MOST_BYTES:
        raise SceneError(f"{path} is larger than {MOST_BYTES >> 20} MB", "give the metadata of one product")
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise SceneError(f"{path} declares a document type, as no product's metadata do", "get the product again")
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise SceneError(
            f"{path} is cut short or damaged ({str(error).splitlines()[0]})", "copy or download the product again"
        ) from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def numbers(elements: Iterable[ElementTree.Element], name: str) -> list[float]:
    """The number in the child of that name of every element; NaN where it is absent, no number or infinite."""
    found = [parse_number(element.findtext(name)) for element in elements]
    return [value if math.isfinite(value) else math.nan for value in found]


def integers(text: str | None) -> set[int]:
    """The whole numbers of a list with commas.

    >>> sorted(integers("1, 2,x,5"))
    [1, 2, 5]
    """
    return {int(item) for item in (text or "").split(",") if item.strip().isdecimal() and len(item) < 10}
