"""Text that comes from files of others: read within bounds, and harmless where it is shown or written.

A name may hold anything: escape sequences that recolour or clear a terminal, line breaks that forge a line of a log,
marks that reverse the direction of writing, characters that XML 1.0 forbids, half of a surrogate pair that no file can
hold.
"""

from __future__ import annotations

import os
import unicodedata
from typing import TypeVar

from hsiattn.errors import HsiattnError
from hsiattn.files.inputs import open_regular

_BOMS = {b"\xff\xfe\x00\x00": "UTF-32", b"\x00\x00\xfe\xff": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}

_INVISIBLE = frozenset(["Cc", "Cf", "Cs", "Cn", "Zl", "Zp"])
"""Unicode's categories of characters that are not shown: control, format, surrogate, unassigned, line ends."""

_JOINERS = frozenset("\u200c\u200d\u200e\u200f")
"""Format characters that belong to words of Persian, Hindi, Hebrew and other languages."""


_FORMULA_MARKS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

T = TypeVar("T")


class TextFileError(HsiattnError):
    """A text file cannot be read; the problem follows the file's name in a sentence."""


def read_text(path: str | os.PathLike[str], max_bytes: int) -> str:
    """The content of a text file in UTF-8, with or without a byte order mark.

    Raises
    ------
    TextFileError
        It does not exist, is no regular file (reading from a pipe might wait for ever), is larger than `max_bytes`, or
        is not text in UTF-8.
    """
    try:
        with open_regular(path) as file:
            content = file.read(max_bytes + 1)
    except FileNotFoundError as error:
        raise TextFileError("does not exist", "check the path") from error
    except IsADirectoryError as error:
        raise TextFileError("is a folder", "give a file") from error
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        reason = getattr(error, "strerror", None) or str(error)
        raise TextFileError(f"cannot be read ({reason})", "check the path") from error
    if len(content) > max_bytes:
        raise TextFileError(f"is larger than {max_bytes / 2**20:.3g} MB", "check that it is the right file")
    for mark, encoding in _BOMS.items():
        if content.startswith(mark):
            raise TextFileError(f"is text in {encoding}", "save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TextFileError(
            f"is not text in UTF-8 (line {line}, byte 0x{content[error.start]:02x})", "save it as UTF-8"
        ) from error
    if "\0" in text:
        raise TextFileError("holds zero bytes: it is not text, or not in UTF-8", "save it as UTF-8")
    return text


def printable(text: str, limit: int | None = None) -> str:
    r"""One line that can be shown anywhere: white space runs together, what is not visible becomes `�`.

    Longer texts are cut to `limit` characters, the last of which is `…`.

    >>> printable("oak\tand \x1b[31mash\n")
    'oak and �[31mash'
    """
    line = " ".join(text.split())
    if not line.isprintable():
        shown = (c == " " or c in _JOINERS or unicodedata.category(c) not in _INVISIBLE for c in line)
        line = "".join(c if visible else "\ufffd" for c, visible in zip(line, shown, strict=True))
    return line if limit is None or len(line) <= limit else f"{line[: limit - 1]}…"


def spreadsheet_cell(value: T) -> T | str:
    """A cell of a CSV file; a text that a spreadsheet would take for a formula gets an apostrophe in front.

    >>> spreadsheet_cell("=HYPERLINK(1)"), spreadsheet_cell("oak"), spreadsheet_cell(-1)
    ("'=HYPERLINK(1)", 'oak', -1)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_MARKS) else value
