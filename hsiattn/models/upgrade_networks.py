"""Arguments of networks in model files of earlier versions, as this one has them."""

from __future__ import annotations

from typing import Any

from hsiattn.errors import ModelFileError

_TWO_BRANCHES = ("grouped-ssan", "gsa", "smlp", "attendnet", "hierarchical")
"""Networks that were a linear discriminant refined by two branches, unless `discriminant` was False."""
_MEMBER = "grouped-ssan"
"""Of networks that are made of others, where no member is named."""


def network_arguments(arguments: Any) -> Any:
    """What `create_network` was called with, without arguments that the network has no longer.

    Raises
    ------
    ModelFileError
        The network began as a linear discriminant.
    """
    if not isinstance(arguments, dict):
        return arguments  # which is left to the check of the header
    name = arguments.get("name")
    return _without_discriminant(name, arguments) if isinstance(name, str) else arguments


def recipe_with_network(recipe: dict[str, Any]) -> dict[str, Any]:
    """A recipe without arguments that its network has no longer."""
    network = recipe.get("network")
    if not isinstance(network, dict) or not isinstance(network.get("arguments"), dict):
        return recipe
    kept = {key: value for key, value in network["arguments"].items() if key not in ("discriminant", "range_scale")}
    return {**recipe, "network": {**network, "arguments": kept}}


def _without_discriminant(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    if name in _TWO_BRANCHES:
        if arguments.get("discriminant", True):
            raise ModelFileError(
                f"its network {name} starts as a linear discriminant, which this version does not have",
                "train again, or use hsiattn 0.1",
            )
        return {key: value for key, value in arguments.items() if key not in ("discriminant", "range_scale")}
    if name in ("ensemble", "test-time-augmentation"):
        member, inner = arguments.get("member", _MEMBER), arguments.get("member_arguments") or {}
        if isinstance(member, str) and isinstance(inner, dict):
            return {**arguments, "member_arguments": _without_discriminant(member, inner)}
    return arguments
