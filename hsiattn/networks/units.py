"""Units that a network can do without: channels, hidden units, inputs; where their weights lie, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Kept = Mapping[str, NDArray[np.int64]]
"""Numbers of the units that stay, ascending, by the name of their set."""


@dataclass(frozen=True)
class Spread:
    """Where the units of a set lie along an axis: unit j takes offset + j · block + 0 … block - 1 for every offset.

    Attributes
    ----------
    axis
        Axis of the array.
    offsets
        A hidden unit of a GRU, for example, has a row in each of three gates. Default: one, at 0.
    block
        Places next to each other that belong to one unit. Default: 1.
    """

    axis: int
    offsets: tuple[int, ...] = (0,)
    block: int = 1

    def indices(self, units: NDArray[np.int64]) -> NDArray[np.int64]:
        """Places of some units along the axis, ascending: (M,) -> (offsets · M · block,).

        >>> Spread(0, (0, 4)).indices(np.array([1, 3])).tolist()
        [1, 3, 5, 7]
        """
        inside = (units[:, None] * self.block + np.arange(self.block)).reshape(-1)
        return np.concatenate([offset + inside for offset in self.offsets])

    @property
    def per_unit(self) -> int:
        """Places that one unit takes."""
        return len(self.offsets) * self.block


@dataclass(frozen=True)
class Shown:
    """Where a network shows what its units compute: an input or the output of one of its modules.

    Attributes
    ----------
    module
        Name of the module.
    side
        `output`, of several the first, or `input`, its first argument.
    spread
        Where the units lie in it.
    numbers
        Which of all inputs the units are, where some are not read; None for all of them. Default: None.
    """

    module: str
    side: Literal["input", "output"]
    spread: Spread
    numbers: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Units:
    """A set of units of one kind, of which any may go, but not all.

    Attributes
    ----------
    name
        What the set is called in one network, such as `hidden` or `width.2`.
    count
        How many there are.
    places
        Names of the weights and buffers that go with a unit, and where in them it lies. Of those that a network lacks,
        such as the bias of a layer without one, nothing is taken.
    shown
        Where their activations are seen.
    features
        Where the units lie in the features (N, F) that a branch hands on; None where it does not.
    """

    name: str
    count: int
    places: tuple[tuple[str, Spread], ...]
    shown: Shown
    features: Spread | None = None

    def inside(self, branch: str, start: int, readers: Sequence[tuple[str, int]]) -> Units:
        """The same seen from a network: in a branch, whose features begin at `start` among those that are read.

        Parameters
        ----------
        readers
            Name and axis of the weights that read the features.
        """
        places = [(f"{branch}.{name}", spread) for name, spread in self.places]
        if self.features is not None:
            offsets = tuple(start + offset for offset in self.features.offsets)
            places += [(name, Spread(axis, offsets, self.features.block)) for name, axis in readers]
        module = f"{branch}.{self.shown.module}".removesuffix(".")
        return replace(self, places=tuple(places), shown=replace(self.shown, module=module))


def in_layers(
    *, outputs: Sequence[str] = (), inputs: Sequence[str] = (), norms: Sequence[str] = ()
) -> tuple[tuple[str, Spread], ...]:
    """Places of units that lie one by one along the outputs of some layers, the inputs of others, and in norms.

    Parameters
    ----------
    outputs
        Names of linear layers and convolutions, of which a unit has a row and a bias; depthwise ones are here alone.
    inputs
        Names of those of which it has a column.
    norms
        Names of layer norms, and of batch norms, whose running statistics go along.

    Examples
    --------
    >>> [name for name, _ in in_layers(outputs=["first"], inputs=["second"])]
    ['first.weight', 'first.bias', 'second.weight']
    """
    along = [*(f"{name}.{part}" for name in outputs for part in ("weight", "bias"))]
    along += [f"{name}.{part}" for name in norms for part in _OF_NORMS]
    return (*((name, Spread(0)) for name in along), *((f"{name}.weight", Spread(1)) for name in inputs))


_OF_NORMS = ("weight", "bias", "scale", "shift", "running_mean", "running_variance")


@dataclass(frozen=True)
class Anatomy:
    """All units of a network, and how often each weight is used for a pixel of a map.

    Attributes
    ----------
    units
        Their sets.
    repeats
        How often a matrix of weights is applied for one pixel, by its name: a number, or the name of a set, whose units
        are that many times; those that are not named are applied once.
    products
        Multiply-adds without weights, as of a weighted sum: a factor, and the sets whose numbers of units multiply it.
    """

    units: tuple[Units, ...]
    repeats: Mapping[str, int | str]
    products: tuple[tuple[int, tuple[str, ...]], ...] = ()

    def everything(self) -> dict[str, NDArray[np.int64]]:
        """All units of all sets."""
        return {each.name: np.arange(each.count) for each in self.units}

    def rest(self, shapes: Mapping[str, Sequence[int]], kept: Kept) -> dict[str, list[tuple[int, NDArray[np.int64]]]]:
        """What stays of every array: axis and ascending indices along it, for the axes that lose some.

        Parameters
        ----------
        shapes
            By name, of all weights and buffers, or of those that are asked about.
        """
        gone: dict[tuple[str, int], NDArray[np.bool_]] = {}
        for each in self.units:
            out = np.setdiff1d(np.arange(each.count), kept[each.name])
            for name, spread in each.places if len(out) else ():
                if name not in shapes:
                    continue
                key = name, spread.axis
                gone.setdefault(key, np.zeros(shapes[name][spread.axis], dtype=bool))[spread.indices(out)] = True
        rest: dict[str, list[tuple[int, NDArray[np.int64]]]] = {}
        for (name, axis), lost in gone.items():
            rest.setdefault(name, []).append((axis, np.flatnonzero(~lost)))
        return rest


class Costs:
    """Number of weights and of multiply-adds per pixel of a map, from the numbers of units that stay.

    They are those that `hsiattn.networks.cost.cost_of` counts, without making the network: on whole tiles a matrix of
    weights counts once for every time that it is applied.

    Parameters
    ----------
    network
        With all its units.
    anatomy
        Its own.
    macs
        Multiply-adds per pixel of the whole network, as counted: those that no unit takes part in then count too, as of
        a branch that is left whole. None where there are none. Default: None.
    """

    def __init__(self, network: nn.Module, anatomy: Anatomy, macs: float | None = None) -> None:
        self.names = [each.name for each in anatomy.units]
        row = {name: number for number, name in enumerate(self.names)}
        self._products = [(factor, [row[name] for name in names]) for factor, names in anatomy.products]
        shapes = {name: tuple(value.shape) for name, value in network.named_parameters()}
        self._terms: list[tuple[list[NDArray[np.float64]], int, NDArray[np.float64] | None, float]] = []
        for name, shape in shapes.items():
            # Along an axis a constant, and so much for every unit of every set that lies along it.
            axes = [np.zeros(len(self.names) + 1) for _ in shape]
            for axis, size in enumerate(shape):
                axes[axis][-1] = size
            for each in anatomy.units:
                for place, spread in each.places:
                    if place == name:
                        axes[spread.axis][row[each.name]] += spread.per_unit
                        axes[spread.axis][-1] -= spread.per_unit * each.count
            times = anatomy.repeats.get(name, 1)
            by_set = np.eye(len(self.names) + 1)[row[times]] if isinstance(times, str) else None
            self._terms.append((axes, len(shape), by_set, 1.0 if isinstance(times, str) else float(times)))
        self._others = 0.0
        if macs is not None:
            self._others = macs - self.of(np.array([each.count for each in anatomy.units]))[1]

    def of(self, counts: NDArray[np.int64]) -> tuple[int, float]:
        """Weights, and multiply-adds per pixel, with so many units of every set (in the order of `names`)."""
        point = np.append(counts.astype(np.float64), 1.0)
        weights = 0.0
        macs = self._others + sum(float(factor * np.prod(counts[rows])) for factor, rows in self._products)
        for axes, dimensions, by_set, times in self._terms:
            size = float(np.prod([axis @ point for axis in axes]))
            weights += size
            if dimensions > 1:
                macs += size * (times if by_set is None else float(by_set @ point))
        return round(weights), macs


def gathered(weights: Mapping[str, Tensor], anatomy: Anatomy, kept: Kept) -> dict[str, Tensor]:
    """Weights of the network that has only those units, by name; gradients reach the given ones."""
    rest = anatomy.rest({name: value.shape for name, value in weights.items()}, kept)
    smaller = dict(weights)
    for name, axes in rest.items():
        for axis, indices in axes:
            where = torch.from_numpy(indices).to(smaller[name].device)
            smaller[name] = smaller[name].index_select(axis, where)
    return smaller


def put_back(weights: Mapping[str, Tensor], smaller: Mapping[str, Tensor], anatomy: Anatomy, kept: Kept) -> None:
    """Write what `gathered` took out where it came from: what other units have stays as it is.

    Parameters
    ----------
    weights
        Of the whole network, by name, written to.
    smaller
        At least those of the same names, of the network that has only those units.
    """
    for name, axes in anatomy.rest({name: value.shape for name, value in weights.items()}, kept).items():
        whole, stays = weights[name], dict(axes)
        each = [stays.get(axis, np.arange(size)) for axis, size in enumerate(whole.shape)]
        places = tuple(torch.from_numpy(indices).to(whole.device) for indices in np.ix_(*each))
        whole.index_put_(places, smaller[name].to(whole.dtype))
