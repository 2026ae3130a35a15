"""Model files of earlier versions, in the words of this one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from hsiattn.models.upgrade_networks import with_plain_networks
from hsiattn.models.upgrade_training import with_stacked_pseudo_labels, with_training_method

_Tensor = TypeVar("_Tensor")
_OLD, _NEW = "preparation", "preprocessing"


def upgraded(header: dict[str, Any], tensors: Mapping[str, _Tensor]) -> tuple[dict[str, Any], dict[str, _Tensor]]:
    """Header and tensors of a file of format 1 to 3 as this version would have written them; later ones as they are.

    Until format 2 preprocessing was called "preparation", in the recipe and in the names of tensors. See also
    `with_plain_networks` and `with_training_method`; for format 3 too, `with_stacked_pseudo_labels`.

    Raises
    ------
    ModelFileError
        See `with_plain_networks`.
    """
    version = header["format_version"]
    if version > 3:
        return header, dict(tensors)
    if version == 3:
        return with_stacked_pseudo_labels(header), dict(tensors)
    header = with_plain_networks(header)
    if isinstance(recipe := header.get("recipe"), dict):
        header = {**header, "recipe": {_NEW if key == _OLD else key: value for key, value in recipe.items()}}
    header = with_stacked_pseudo_labels(with_training_method(header))
    prefix = f"{_OLD}."
    return header, {
        f"{_NEW}.{name.removeprefix(prefix)}" if name.startswith(prefix) else name: tensor
        for name, tensor in tensors.items()
    }
