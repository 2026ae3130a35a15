"""What a journal is of, and how that differs from what is to be mapped now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_SHOWN = 28
"""Most characters of a value in a message."""


def header_changes(stored: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Entries of the given header that the stored one does not have or has otherwise, in words.

    Parameters
    ----------
    stored, given
        Headers as JSON gives them; entries may be mappings. Entries that only the stored header has are left out.

    Returns
    -------
    dict
        Both values of each change by its name (`scene: size`), shortened to the part that differs.
    """
    then, now = _leaves({name: stored[name] for name in given if name in stored}), _leaves(given)
    names = sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))
    return {": ".join(name).replace("_", " "): _shown(then.get(name), now.get(name)) for name in names}


def _leaves(tree: Mapping[str, Any], above: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    leaves: dict[tuple[str, ...], Any] = {}
    for name, value in tree.items():
        inner = isinstance(value, Mapping) and value
        leaves |= _leaves(value, (*above, name)) if inner else {(*above, name): value}
    return leaves


def _shown(then: Any, now: Any) -> tuple[str, str]:
    one, other = (" ".join(_text(value).split()) for value in (then, now))
    pairs = zip(one, other, strict=False)
    alike = next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
    skipped = max(0, alike - 4) if max(len(one), len(other)) > _SHOWN else 0
    return _shortened(one, skipped), _shortened(other, skipped)


def _shortened(text: str, skipped: int) -> str:
    rest = f"…{text[skipped:]}" if skipped else text
    return rest if len(rest) <= _SHOWN else f"{rest[: _SHOWN - 1]}…"


def _text(value: Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
