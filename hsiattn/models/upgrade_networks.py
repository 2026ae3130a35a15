"""Arguments of networks in model files of earlier versions, as this one has them."""

from __future__ import annotations

from typing import Any

from hsiattn.errors import ModelFileError

_TWO_BRANCHES = ("grouped-ssan", "gsa", "smlp", "attendnet", "hierarchical")
"""Networks that were a linear discriminant refined by two branches, unless `discriminant` was False."""
_MEMBER = "grouped-ssan"
"""The member of networks that are made of others, where none is named."""


def with_plain_networks(header: dict[str, Any]) -> dict[str, Any]:
    """The header of a file of format 1 or 2, network and recipe without arguments that networks no longer have.

    Raises
    ------
    ModelFileError
        The network starts as a linear discriminant.
    """
    arguments, recipe = header.get("network"), header.get("recipe")
    if isinstance(arguments, dict) and isinstance(arguments.get("name"), str):
        header = {**header, "network": _checked(arguments["name"], arguments)}
    if isinstance(recipe, dict) and isinstance(network := recipe.get("network"), dict):
        if isinstance(network.get("arguments"), dict):
            network = {**network, "arguments": _without(network["arguments"])}
        header = {**header, "recipe": {**recipe, "network": network}}
    return header


def _checked(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    if name in _TWO_BRANCHES:
        if arguments.get("discriminant", True):
            raise ModelFileError(
                f"its network {name} starts as a linear discriminant, which this version does not have",
                "train again, or use hsiattn 0.1",
            )
        return _without(arguments)
    if name in ("ensemble", "test-time-augmentation"):
        member, inner = arguments.get("member", _MEMBER), arguments.get("member_arguments") or {}
        if isinstance(member, str) and isinstance(inner, dict):
            return {**arguments, "member_arguments": _checked(member, inner)}
    return arguments


def _without(arguments: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in arguments.items() if key not in ("discriminant", "range_scale")}
