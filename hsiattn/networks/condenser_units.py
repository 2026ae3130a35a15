"""What networks of condensers and PEPE blocks can do without: channels between the blocks, and channels inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from hsiattn.networks.units import Kept, Shown, Spread, Units, in_layers

InnerWidths = Sequence[Sequence[int]] | None
"""`widths` of a condenser, a PEPE block, a condenser, …, one after the other; None for what their reduction says."""

_CONDENSER = (("condensed", ("reduce", "depthwise"), "pointwise"), ("embedded", ("pointwise",), "expand"))
_PEPE = (
    ("projected", ("project",), "expand"),
    ("expanded", ("expand", "depthwise"), "project_again"),
    ("projected_again", ("project_again",), "extend"),
)
"""What the channels inside a block are called, the layers that make them, the last one being depthwise or the only one,
and the layer that reads them: the same names in padded and in unpadded blocks."""


def check_inner_widths(name: str, widths: InnerWidths, blocks: int) -> None:
    """Refuse channels inside more or fewer than so many blocks.

    Raises
    ------
    ValueError
        They are of others.
    """
    if widths is not None and len(widths) != blocks:
        raise ValueError(f"{name} must say the widths of each of {blocks} blocks, not of {len(widths)}")


def widths_inside(widths: InnerWidths, block: int) -> Sequence[int] | None:
    """Channels inside the block of that number, from 0; None for the default."""
    return None if widths is None else widths[block]


def inner_units(label: str, name: str, block: nn.Module) -> tuple[Units, ...]:
    """Channels inside a block of that name; their sets begin with the label."""
    units = []
    for what, makers, reader in _chain(block):
        there = [each for each in makers if isinstance(getattr(block, each), nn.Module)]
        places = in_layers(outputs=[f"{name}.{each}" for each in there], inputs=[f"{name}.{reader}"])
        count = block.get_parameter(f"{there[-1]}.bias").shape[0]
        units.append(Units(f"{label}.{what}", count, places, Shown(f"{name}.{there[-1]}", "output", Spread(1))))
    return tuple(units)


def shared_width(
    label: str,
    count: int,
    blocks: Mapping[str, nn.Module],
    norms: Sequence[str],
    stem: tuple[tuple[str, Spread], ...],
    features: Spread,
) -> Units:
    """Channels of the stem that every block adds to, in the set `{label}.width`.

    Parameters
    ----------
    blocks
        By their names.
    norms
        Names of the norms behind the blocks; the channels are seen behind the last one.
    stem
        Places of the channels in the stem.
    features
        Where they lie in the features of the branch.
    """
    chains = {name: _chain(block) for name, block in blocks.items()}
    outputs = [f"{name}.{chain[-1][2]}" for name, chain in chains.items()]
    inputs = [f"{name}.{chain[0][1][0]}" for name, chain in chains.items()]
    places = (*stem, *in_layers(outputs=outputs, inputs=inputs, norms=norms))
    return Units(f"{label}.width", count, places, Shown(norms[-1], "output", Spread(1)), features)


def repeats_of(name: str, block: nn.Module, positions: int, cells: int, *, depthwise: bool = True) -> dict[str, int]:
    """How often the matrices of a padded block are applied, at so many positions in so many cells.

    Without `depthwise` its depthwise convolution is no product that is counted.
    """
    condenser = _chain(block) is _CONDENSER
    times = {
        layer: cells if condenser and layer != "reduce" else positions
        for _, makers, reader in _chain(block)
        for layer in (*makers, reader)
    }
    times["depthwise"] *= depthwise
    return {f"{name}.{layer}.weight": count for layer, count in times.items()}


def slimmed_widths(label: str, blocks: Sequence[nn.Module], kept: Kept) -> list[list[int]]:
    """`InnerWidths` of the blocks with only those units, where the n-th one has the label `{label}.n`."""
    return [
        [len(kept[f"{label}.{number}.{what}"]) for what, *_ in _chain(block)] for number, block in enumerate(blocks)
    ]


def _chain(block: nn.Module) -> tuple[tuple[str, tuple[str, ...], str], ...]:
    return _CONDENSER if hasattr(block, "reduce") else _PEPE
