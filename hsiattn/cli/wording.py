"""Text on its way to the terminal: settings of the library as options, control characters as escapes, any encoding.

The library names its settings as Python writes them (`overwrite=True`); whoever types a command reads `--overwrite`.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Mapping

OPTIONS: Mapping[str, str] = {
    "accept": "--accept",
    "against": "--against",
    "all_touched": "--all-touched",
    "attacks": "--attacks",
    "band_groups": "--band-groups",
    "block_size": "--block-size",
    "buffer": "--buffer",
    "classes_from": "--classes-from",
    "column": "--column",
    "confidence": "--confidence",
    "device": "--device",
    "draw": "--draw",
    "driver": "-f",
    "expected": "--expect",
    "few_labels": "--few-labels",
    "fixed": "--fixed",
    "folds": "--folds",
    "force": "--force",
    "groups": "--groups",
    "inner_buffer": "--inner-buffer",
    "int8": "--int8",
    "jobs": "--jobs",
    "keep_bad": "--keep-bad",
    "key": "--key",
    "labels": "--labels",
    "layer": "--layer",
    "level": "--classes-level",
    "method": "--method",
    "min_area": "--min-area",
    "min_pixels": "--sieve",
    "model": "-m",
    "open_set": "--open-set",
    "out_dir": "--out-dir",
    "overwrite": "--overwrite",
    "pixel": "--pixel",
    "precision": "--precision",
    "profile": "--profile",
    "radius": "--radius",
    "ram": "--ram",
    "random_state": "--seed",
    "recipe": "--recipe",
    "resample": "--resample",
    "resume": "--resume",
    "root": "--data",
    "scale": "--scale",
    "scene": "--scene",
    "scenes": "--scenes",
    "sensor": "--sensor",
    "size": "--size",
    "smoothing": "--smooth",
    "source": "--source",
    "split": "--split",
    "strata": "--strata",
    "table": "--classes",
    "tile": "--tile",
    "to": "--to",
    "train_share": "--train-share",
    "train_size": "--per-class",
    "unknown": "--unknown",
    "unlabelled": "--unlabelled",
    "use_flagged": "--use-flagged",
    "wavelengths": "--wavelengths",
    "window": "--window",
    "window_size": "--window-size",
}
"""The options that stand for arguments of the library."""

FUNCTIONS: Mapping[str, str] = {"write_split()": "--write-split", "read_split()": "--split-file"}
"""The options that stand for functions of the library."""

# A name, "=" and perhaps a value; not within a path, such as year=2024/scene.tif.
_SETTING = re.compile(
    r"""(?<![\w./\\=-])(?P<name>[a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)*)=(?P<value>"[\w-]+"|[\w-]+(?:\.\w+)*)?(?![\w/\\])"""
)
_SECTIONS = ("training.", "network.", "preprocessing.", "open_set.", "patch_size")

_DIRECTION = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_PLAIN = str.maketrans({"×": "x", "–": "-", "−": "-", "…": "...", "µ": "u", "·": ".", "→": "->", "≥": ">=", "≤": "<="})


def in_options(text: str, options: Mapping[str, str] | None = None) -> str:
    """A sentence of the library in the words of the command line.

    Parameters
    ----------
    text
        Names settings as `name=` or `name=value`, keys of a recipe as `section.key=value`.
    options
        Options that stand for other arguments than in `OPTIONS`.

    Examples
    --------
    >>> in_options("choose another name or give overwrite=True")
    'choose another name or give --overwrite'
    >>> in_options('take split="blocks" with buffer=4, or set training.max_epochs=0')
    'take --split blocks with --buffer 4, or set --set training.max_epochs=0'
    """
    names = {**OPTIONS, **(options or {})}

    def option(found: re.Match[str]) -> str:
        name, value = found["name"], (found["value"] or "").strip('"')
        if name.startswith(_SECTIONS):
            return f"--set {found[0]}"
        if name not in names:
            return found[0]
        return names[name] if value in ("", "True", "False") else f"{names[name]} {value}"

    text = _SETTING.sub(option, text)
    for function, name in FUNCTIONS.items():
        text = text.replace(function, name)
    return text


def one_line(text: str) -> str:
    r"""Text without line breaks and with everything escaped that could steer a terminal.

    >>> one_line("a.tif is\n  truncated \x1b[31m")
    'a.tif is truncated \\x1b[31m'
    """
    return escaped(re.sub(r"\s*[\r\n]+\s*", " ", text).strip())


def escaped(text: str) -> str:
    r"""Text with control characters, line breaks among them, and marks of writing direction as escapes; tabs stay.

    Bytes of a file name that are not in the encoding of the file system count as control characters.

    >>> escaped("a\nb\u202e")
    'a\\nb\\u202e'
    """
    return text if text.isprintable() else "".join(_escape(letter) if _steers(letter) else letter for letter in text)


def _steers(letter: str) -> bool:
    if letter in _DIRECTION:
        return True
    return letter != "\t" and unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")


def _escape(letter: str) -> str:
    byte = ord(letter) - 0xDC00  # how Python keeps a byte that it could not decode
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else letter.encode("unicode_escape").decode("ascii")


# -- encodings ---------------------------------------------------------------------------------------------------------


def _legible(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_PLAIN)
    return text.encode("ascii", "backslashreplace").decode("ascii"), error.end


LEGIBLE = "hsiattn.legible"
"""Name of the error handler of streams: what their encoding lacks becomes a likeness in ASCII, else an escape."""
codecs.register_error(LEGIBLE, _legible)
