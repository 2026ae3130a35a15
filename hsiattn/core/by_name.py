"""Blocks and poolings by the names that recipes use."""

from __future__ import annotations

import inspect
from typing import Any

from hsiattn.core.attention import ATTENTION
from hsiattn.core.block import Dimensions, FeatureBlock, Pooling
from hsiattn.core.mixing import MIXING
from hsiattn.core.pooling import POOLING, Offsets, RandomShift

BLOCKS: dict[str, type[FeatureBlock]] = ATTENTION | MIXING
"""Everything that a branch can put where its attention stands."""


def create_block(name: str, channels: int, *, size: int, dimensions: Dimensions = 2, **arguments: Any) -> FeatureBlock:
    """The block of that name for feature maps of `size` positions along each axis.

    Raises
    ------
    ValueError
        Unknown name or argument, no form for so many dimensions, or a value that the block refuses.

    Examples
    --------
    >>> create_block("se", 8, size=9, reduction=4)
    SqueezeExcitation(
      (squeeze): Linear(in_features=8, out_features=2, bias=True)
      (excite): Linear(in_features=2, out_features=8, bias=True)
    )
    """
    if name not in BLOCKS:
        raise ValueError(f"there is no attention {name!r}; choose one of none, {', '.join(sorted(BLOCKS))}")
    kind = BLOCKS[name]
    _check(name, kind, dimensions, arguments)
    if "size" in inspect.signature(kind).parameters:
        arguments = {"size": size, **arguments}
    return kind(channels, dimensions=dimensions, **arguments)


def create_pooling(
    name: str, channels: int, *, dimensions: Dimensions = 2, random_shift: Offsets | None = None, **arguments: Any
) -> Pooling:
    """The pooling of that name; `random_shift` names the offsets by which it is shifted in training, if at all.

    Raises
    ------
    ValueError
        As for `create_block`.

    Examples
    --------
    >>> create_pooling("hybrid", 8, detail_channels=4).outputs
    12
    """
    if name not in POOLING:
        raise ValueError(f"there is no pooling {name!r}; choose one of none, {', '.join(sorted(POOLING))}")
    _check(name, POOLING[name], dimensions, arguments)
    pooling = POOLING[name](channels, dimensions=dimensions, **arguments)
    return pooling if random_shift is None else RandomShift(pooling, offsets=random_shift)


def _check(name: str, kind: type[FeatureBlock] | type[Pooling], dimensions: int, arguments: dict[str, Any]) -> None:
    if dimensions not in kind.forms:
        raise ValueError(f"{name} has no form with {dimensions} dimension{'s' * (dimensions > 1)}")
    parameters = inspect.signature(kind).parameters.values()
    known = [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    known = [argument for argument in known if argument != "dimensions"]  # given by the branch
    unknown = sorted(set(arguments) - set(known))
    if unknown:
        raise ValueError(f"{name} has no argument {', '.join(unknown)}; it takes {', '.join(known)}")
