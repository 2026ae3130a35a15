"""Model files of earlier versions: their headers in the words of this one."""

from __future__ import annotations

from typing import Any


def upgraded(header: dict[str, Any]) -> dict[str, Any]:
    """The header of a file of format 1 or 2 as this version would have written it; later ones as they are.

    Until format 2 a recipe called its preprocessing "preparation".
    """
    if header["format_version"] > 2 or not isinstance(header.get("recipe"), dict):
        return header
    recipe = {_KEYS.get(key, key): value for key, value in header["recipe"].items()}
    return {**header, "recipe": recipe}


_KEYS = {"preparation": "preprocessing"}
