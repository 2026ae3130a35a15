"""Feature maps of all patches of a tile at once: what patches share where they overlap is computed once.

Convolution and pooling are both evaluated at stride 1 and dilated, as in the "à trous" algorithm (Holschneider et al.
1989) and fast scanning with convolutional networks (Giusti et al. 2013, arXiv 1302.1700), so that every patch finds the
cells of a pooling that begins at its own edge. Unlike there, a side may be odd, as in 7 -> 4: the last cell then sees
less than the others, and so does all that is computed from it. Positions of such a kind have a map of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise, product
from typing import NamedTuple

from torch import Tensor
from torch.nn import functional

from hsiattn.core.block import Pooled, Pooling
from hsiattn.core.mixing.masked_convolution import MaskedConv2d


class Place(NamedTuple):
    """Place of a position of the patches' feature map along an axis: patch p finds it at p + shift of a map."""

    kind: int
    """Number of the map along the axis: positions of one kind are computed alike, at other places of the tile."""
    shift: int


Group = tuple[Place, ...]
"""The places that a position is computed from."""


class PatchAxis(NamedTuple):
    """Rows or columns of the feature map that each patch has.

    Attributes
    ----------
    places
        Of the feature map's positions, in order.
    patches
        Patches of the tile along the axis.
    """

    places: tuple[Place, ...]
    patches: int

    def length(self, kind: int) -> int:
        """Positions of the maps of a kind along the axis."""
        return self.patches + max(place.shift for place in self.places if place.kind == kind)

    def grouped(self, groups: Iterable[Group]) -> tuple[PatchAxis, list[Group]]:
        """The axis of a feature map whose positions are computed from these groups, and each kind's first group.

        Groups with the same kinds at the same distances make one kind.
        """
        first: dict[Group, Group] = {}
        places = []
        for group in groups:
            key = tuple(Place(place.kind, place.shift - group[0].shift) for place in group)
            start = first.setdefault(key, group)
            places.append(Place(list(first).index(key), group[0].shift - start[0].shift))
        return PatchAxis(tuple(places), self.patches), list(first.values())

    def windows(self, kernel: int, dilation: int) -> list[Group]:
        """Positions that an unpadded convolution looks at."""
        count = len(self.places) - dilation * (kernel - 1)
        return [self.places[first : first + dilation * (kernel - 1) + 1 : dilation] for first in range(count)]

    def cells(self) -> list[Group]:
        """Positions that a pooling looks at; a cell cut off by an odd edge holds its only position twice.

        To the largest value and to the mean of what counts that is the same as once, and a wavelet transform repeats
        the last value of an odd side anyway.
        """
        last = len(self.places) - 1
        return [(self.places[first], self.places[min(first + 1, last)]) for first in range(0, last + 1, 2)]


class Run(NamedTuple):
    """Neighbouring taps of a kernel, first ≤ tap < end, that all look at one kind, a step apart.

    The step is the same for all: any position is twice as far from the next after a pooling as before.
    """

    first: int
    end: int
    kind: int
    step: int

    @property
    def span(self) -> int:
        """Positions from the first tap to the last."""
        return self.step * (self.end - self.first - 1)


class OverlappingPatches:
    """A feature map of every patch of a tile.

    Parameters
    ----------
    rows, columns
        Positions of the feature map.
    maps
        Values (N, C, rows, columns), mask and details (of poolings) for every kind along rows and along columns; their
        sides are the axes' `length`.
    """

    def __init__(self, rows: PatchAxis, columns: PatchAxis, maps: dict[tuple[int, int], Pooled]) -> None:
        self.rows = rows
        self.columns = columns
        self.maps = maps

    @classmethod
    def of_tile(cls, x: Tensor, mask: Tensor | None, size: int) -> OverlappingPatches:
        """All size × size patches of a tile x (N, C, H, W), mask (N, 1, H, W) or None where everything counts.

        Raises
        ------
        ValueError
            The tile is smaller than a patch.
        """
        if min(x.shape[2:]) < size:
            raise ValueError(f"a tile of {x.shape[2]} × {x.shape[3]} pixels has no patch of {size} × {size}")
        places = tuple(Place(0, shift) for shift in range(size))
        rows, columns = (PatchAxis(places, side - size + 1) for side in x.shape[2:])
        return cls(rows, columns, {(0, 0): Pooled(x, mask, None)})

    def apply(self, function: Callable[[Tensor, Tensor | None], Tensor]) -> OverlappingPatches:
        """Every value replaced by a function of it alone, called with the maps' values and masks."""
        maps = {kinds: each._replace(values=function(each.values, each.mask)) for kinds, each in self.maps.items()}
        return OverlappingPatches(self.rows, self.columns, maps)

    def convolve(self, layer: MaskedConv2d) -> OverlappingPatches:
        """The feature maps after an unpadded convolution; details lose the same margin."""
        kernel = layer.weight.shape[-1]
        rows, down = self.rows.grouped(self.rows.windows(kernel, layer.dilation))
        columns, across = self.columns.grouped(self.columns.windows(kernel, layer.dilation))
        row_runs, column_runs = _runs(down), _runs(across)

        def summed(maps: dict[tuple[int, int], Tensor], weight: Tensor, groups: int) -> dict[tuple[int, int], Tensor]:
            return _summed(maps, weight, groups, (rows, row_runs), (columns, column_runs))

        values, present = {}, {}
        for kinds, each in self.maps.items():
            if each.mask is not None:
                present[kinds] = each.mask.to(each.values.dtype)
            values[kinds] = each.values if each.mask is None else each.values * present[kinds]
        totals = summed(values, layer.weight, layer.groups)
        counts = summed(present, layer.weight.new_ones(1, 1, kernel, kernel), 1) if present else {}
        maps = {}
        for kinds in list(totals):
            convolved, exists = layer.scaled(totals.pop(kinds), counts.get(kinds))
            middle = down[kinds[0]][kernel // 2], across[kinds[1]][kernel // 2]
            maps[kinds] = Pooled(convolved, exists, self._cut(*middle, convolved.shape[2:]).details)
        return OverlappingPatches(rows, columns, maps)

    def pool(self, pooling: Pooling) -> OverlappingPatches:
        """The feature maps after a pooling, which sees the cells of all patches side by side, in one map of each kind.

        Raises
        ------
        ValueError
            The pooling looks beyond its cells.
        """
        if not pooling.cellwise:
            raise ValueError(f"{type(pooling).__name__} looks beyond its cells, so patches must be pooled one by one")
        rows, down = self.rows.grouped(self.rows.cells())
        columns, across = self.columns.grouped(self.columns.cells())
        maps = {}
        for i, upper in enumerate(down):
            for j, left in enumerate(across):
                sides = rows.length(i), columns.length(j)
                cells = [[self._cut(row, column, sides) for column in left] for row in upper]
                maps[i, j] = pooling(*(_interleaved(cells, part) for part in ("values", "mask", "details")))
        return OverlappingPatches(rows, columns, maps)

    def last(self) -> Pooled:
        """The only position left of every patch's feature map: (N, F, H - w + 1, W - w + 1).

        Raises
        ------
        ValueError
            More than one is left.
        """
        if len(self.rows.places) != 1 or len(self.columns.places) != 1:
            raise ValueError(f"{len(self.rows.places)} × {len(self.columns.places)} positions of each patch are left")
        return self.maps[0, 0]

    def _cut(self, row: Place, column: Place, sides: Sequence[int]) -> Pooled:
        """Views of these sides, from the places on."""

        def cut(x: Tensor) -> Tensor:
            return x.narrow(2, row.shift, sides[0]).narrow(3, column.shift, sides[1])

        values, mask, details = self.maps[row.kind, column.kind]
        return Pooled(cut(values), None if mask is None else cut(mask), None if details is None else cut(details))


def _interleaved(cells: Sequence[Sequence[Pooled]], part: str) -> Tensor | None:
    """That part of the taps of 2 × 2 cells, side by side in one map: 2 × 2 of (N, C, H, W) -> (N, C, 2H, 2W)."""
    taps: list[list[Tensor | None]] = [[getattr(tap, part) for tap in line] for line in cells]
    corner = taps[0][0]
    if corner is None:
        return None
    samples, channels, height, width = corner.shape
    # channels last, since runs of them are copied and pooled faster than every second position
    result = corner.new_empty(samples, height, 2, width, 2, channels)
    for i, line in enumerate(taps):
        for j, tap in enumerate(line):
            assert tap is not None  # masks and details are there for all maps or for none
            result[:, :, i, :, j] = tap.movedim(1, 3)
    return result.view(samples, 2 * height, 2 * width, channels).movedim(3, 1)


Uses = dict[Run, list[tuple[int, int]]]
"""Kinds that each run along an axis contributes to, with the shift of its first tap there."""


def _runs(groups: Sequence[Group]) -> Uses:
    """The runs that make up the windows of every kind, as long as may be without being different for each of them.

    What full and cut-off cells both contribute to is so computed once: F F F and F F T are (F F) F and (F F) T.
    """
    kernel = len(groups[0])
    starts = [tap for tap in range(1, kernel) if any(group[tap - 1].kind != group[tap].kind for group in groups)]
    uses: Uses = {}
    for number, group in enumerate(groups):
        for first, end in pairwise([0, *starts, kernel]):
            step = group[first + 1].shift - group[first].shift if end - first > 1 else 1
            uses.setdefault(Run(first, end, group[first].kind, step), []).append((number, group[first].shift))
    return uses


def _summed(
    maps: dict[tuple[int, int], Tensor],
    weight: Tensor,
    groups: int,
    rows: tuple[PatchAxis, Uses],
    columns: tuple[PatchAxis, Uses],
) -> dict[tuple[int, int], Tensor]:
    """Weighted sums over the windows, as sums over their runs, of which each is one dilated convolution."""
    totals: dict[tuple[int, int], Tensor] = {}
    for down, row_uses in rows[1].items():
        top, height = _extent(rows[0], row_uses)
        for across, column_uses in columns[1].items():
            left, width = _extent(columns[0], column_uses)
            source = maps[down.kind, across.kind].narrow(2, top, height + down.span)
            part = functional.conv2d(
                source.narrow(3, left, width + across.span),
                weight[:, :, down.first : down.end, across.first : across.end],
                dilation=(down.step, across.step),
                groups=groups,
            )
            for (i, row), (j, column) in product(row_uses, column_uses):
                piece = part.narrow(2, row - top, rows[0].length(i)).narrow(3, column - left, columns[0].length(j))
                totals[i, j] = totals[i, j] + piece if (i, j) in totals else piece
    return totals


def _extent(axis: PatchAxis, uses: list[tuple[int, int]]) -> tuple[int, int]:
    """Begin of a run's convolution along the axis, and how many positions serve all its uses."""
    first = min(shift for _, shift in uses)
    return first, max(shift + axis.length(kind) for kind, shift in uses) - first
