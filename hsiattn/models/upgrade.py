"""Model files of earlier versions: their headers in the words of this one."""

from __future__ import annotations

from typing import Any

from hsiattn.models.upgrade_networks import network_arguments, recipe_with_network


def upgraded(header: dict[str, Any]) -> dict[str, Any]:
    """The header of a file of format 1 or 2 as this version would have written it; later ones as they are.

    Until format 2 a recipe called its preprocessing "preparation", and most networks began as a linear discriminant
    unless they were told otherwise.

    Raises
    ------
    ModelFileError
        The network began as a linear discriminant.
    """
    if header["format_version"] > 2 or not isinstance(header.get("recipe"), dict):
        return header
    recipe = {_KEYS.get(key, key): value for key, value in header["recipe"].items()}
    header = {**header, "network": network_arguments(header["network"])} if "network" in header else header
    return {**header, "recipe": recipe_with_network(recipe)}


_KEYS = {"preparation": "preprocessing"}
