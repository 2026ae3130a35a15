"""Splits that draw training polygons into a full label map, as analysts draw them: patch centres, squares, strips."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsiattn.errors import SplitError
from hsiattn.splits.leakage import near
from hsiattn.splits.splitters import Indices, PixelSplitter, draw_per_class

DEFAULT_POLYGONS = 4
"""Most polygons of a class, where no number is given."""
DEFAULT_SIZE = {"centres": 4, "squares": 4, "strips": 12}
"""Size of the polygons by the way they are drawn, where none is given."""
LARGEST_PATCHES = 30
"""Patches of a class, the largest, in whose centres polygons may lie."""

_SMALLEST_TEST = 0.1
"""Share of each class that is left for the test."""
_SMALLEST_POLYGON = 3 / 8
"""Share of the full size that a clipped polygon has, unless the class offers no such place: 6 pixels of 4 × 4."""
_ATTEMPTS = 8
_CANDIDATES = 64
_TOUCHING = np.ones((3, 3), dtype=bool)


@dataclass(eq=False, repr=False)
class DrawnPolygons(PixelSplitter):
    """Draws small training polygons into fields that are labelled as wholes; the test is outside a buffer around them.

    Every class has at least one polygon, and at least a tenth of its pixels are test pixels; where its size allows, it
    has as many polygons as are asked for. Polygons of one class are more than `buffer` pixels apart where there is
    room, and never touch, so the connected fields of the training labels (`connected_fields`) are the polygons. Where
    no polygon of the full size leaves enough for the test, a class gets a smaller one.

    Parameters
    ----------
    n_splits, random_state : int
        See `PixelSplitter`.
    draw : {"centres", "squares", "strips"}, default "squares"
        How polygons are drawn. "centres": a compact blob around the innermost pixel of a patch, drawn from the 30
        largest patches of a class; it keeps off the border of the patch where this is wide enough. "squares": squares
        anywhere in a class, at borders too. "strips": strips one pixel wide along a row or a column. Squares and
        strips are clipped to the field that they are drawn in.
    polygons_per_class : int, default 4
        Most polygons of a class.
    size : int or None, default None
        Side of the squares, length of the strips, or side of a square with as many pixels as a blob has at most; None
        for 4, and 12 for strips.
    buffer : int, default 4
        Rows and columns that test pixels keep from every polygon.
    train_size : int, float or None, default None
        Most training pixels per class, drawn from its polygons; None for all of them, a share when below 1. The test
        does not depend on it: no pixel in or near a polygon is tested.

    Examples
    --------
    >>> from hsiattn.splits import connected_fields
    >>> codes = np.kron([[1, 2], [2, 1]], np.ones((20, 20), int))
    >>> positions = np.argwhere(codes)
    >>> training, test = next(DrawnPolygons(polygons_per_class=2).split(positions, codes.ravel()))
    >>> labels = np.zeros_like(codes)
    >>> labels[tuple(positions[training].T)] = codes.ravel()[training]
    >>> int(connected_fields(labels).max())
    4
    >>> from scipy.spatial.distance import cdist
    >>> int(cdist(positions[training], positions[test], "chebyshev").min())
    5
    """

    _: KW_ONLY
    draw: Literal["centres", "squares", "strips"] = "squares"
    polygons_per_class: int = DEFAULT_POLYGONS
    size: int | None = None
    buffer: int = 4
    train_size: float | None = None

    def __post_init__(self) -> None:
        if self.draw not in DEFAULT_SIZE:
            raise SplitError(f"polygons cannot be drawn as {self.draw!r}", f"give draw= {', '.join(DEFAULT_SIZE)}")
        for name, least in (("polygons_per_class", 1), ("size", 1), ("buffer", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise SplitError(f"{name} of drawn polygons is {value}", f"give {least} or more")

    @property
    def in_words(self) -> str:
        """How the test pixels came about, for the reader of a report."""
        return f"more than {self.buffer} pixels from any of the training polygons, which were drawn into the label map"

    def _draw(
        self, positions: NDArray[Any], codes: NDArray[Any], groups: Any, rng: np.random.Generator
    ) -> tuple[Indices, Indices]:
        places = tuple((positions - positions.min(axis=0)).T)
        classes, members = np.unique(codes, return_inverse=True)
        land = np.zeros([side.max() + 1 for side in places], dtype=np.min_scalar_type(len(classes)))
        land[places] = members + 1
        polygons_of = _WAYS[self.draw](land).candidates
        size = self.size or DEFAULT_SIZE[self.draw]
        lacking: list[int] = list(range(1, len(classes) + 1))
        for _ in range(_ATTEMPTS):
            drawing = _Drawing(land, self.buffer)
            missed = _draw_all(drawing, polygons_of, self.polygons_per_class, size, rng)
            if not missed:
                training = np.flatnonzero(drawing.polygons[places])
                return (
                    draw_per_class(training, members, self.train_size, rng),
                    np.flatnonzero(~drawing.blocked[places]),
                )
            lacking = min(lacking, missed, key=len)
        raise SplitError(
            f"cannot have both a training polygon and enough test pixels more than {self.buffer} pixels from any",
            "label it in more places, give a smaller buffer=, or leave the class out",
            classes=classes[np.sort(lacking) - 1],
        )


class _Polygon(NamedTuple):
    """Pixels of a class that are drawn together."""

    number: int
    """Of the class, counted from 1."""
    rows: Indices
    columns: Indices
    full: int
    """Pixels that it would have without clipping."""

    @property
    def clipped_away(self) -> bool:
        return len(self.rows) < _SMALLEST_POLYGON * self.full


_Candidates = Callable[[int, int, np.random.Generator], Iterator[_Polygon]]
"""Polygons that may be drawn into a class, by its number, the size and a generator, in the order of preference."""


class _Drawing:
    """Polygons drawn so far, and what they leave for the test.

    Attributes
    ----------
    polygons
        (H, W) number of the class where a polygon lies, 0 elsewhere.
    blocked
        (H, W) True within the buffer of a polygon.
    """

    def __init__(self, land: NDArray[Any], buffer: int) -> None:
        self.land, self.buffer = land, buffer
        self.polygons = np.zeros_like(land)
        self.blocked = np.zeros(land.shape, dtype=bool)
        self.left = np.bincount(land.ravel())
        self.sizes = self.left.copy()
        self._fewest = np.maximum(1, np.ceil(_SMALLEST_TEST * self.sizes))

    def fits(self, polygon: _Polygon, gap: int) -> bool:
        """Whether it is more than `gap` pixels from all others of its class, and every class keeps its test pixels."""
        window, mask = self._around(polygon, max(self.buffer, gap))
        if (self.polygons[window][near(mask, gap)] == polygon.number).any():
            return False
        return bool((self.left - self._lost(window, mask) >= self._fewest)[1:].all())

    def add(self, polygon: _Polygon) -> None:
        window, mask = self._around(polygon, self.buffer)
        self.left -= self._lost(window, mask)
        self.blocked[window] |= near(mask, self.buffer)
        self.polygons[polygon.rows, polygon.columns] = polygon.number

    def _lost(self, window: tuple[slice, slice], mask: NDArray[np.bool_]) -> Indices:
        """Test pixels of each class (number) that the buffer around a mask takes away."""
        newly = near(mask, self.buffer) & ~self.blocked[window]
        return np.bincount(self.land[window][newly], minlength=len(self.left))

    def _around(self, polygon: _Polygon, reach: int) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
        """The window that reaches so far around a polygon, and its mask therein."""
        starts = [max(0, int(along.min()) - reach) for along in (polygon.rows, polygon.columns)]
        stops = [int(along.max()) + reach + 1 for along in (polygon.rows, polygon.columns)]
        window = (slice(starts[0], stops[0]), slice(starts[1], stops[1]))
        mask = np.zeros(self.land[window].shape, dtype=bool)
        mask[polygon.rows - starts[0], polygon.columns - starts[1]] = True
        return window, mask


def _draw_all(
    drawing: _Drawing, polygons_of: _Candidates, per_class: int, size: int, rng: np.random.Generator
) -> list[int]:
    """Draw the polygons of all classes by turns, the smallest first; gives the classes that no polygon fits in."""
    numbers = (np.argsort(drawing.sizes[1:], kind="stable") + 1).tolist()
    missed = []
    for number in numbers:
        # the largest polygon that leaves enough for the test
        sizes = [size >> halvings for halvings in range(size.bit_length())]
        chosen = (_best(drawing, polygons_of(number, smaller, rng), gap=1) for smaller in sizes)
        first = next((polygon for polygon in chosen if polygon is not None), None)
        if first is None:
            missed.append(number)
        else:
            drawing.add(first)
    if missed:
        return missed
    # where there is no room at a distance, polygons of a class stay fields of their own all the same
    gaps = dict.fromkeys((max(1, drawing.buffer), 1))
    for _ in range(1, per_class):
        room = False
        for number in numbers:
            chosen = (_best(drawing, polygons_of(number, size, rng), gap) for gap in gaps)
            further = next((polygon for polygon in chosen if polygon is not None), None)
            if further is not None:
                drawing.add(further)
                room = True
        if not room:
            break
    return []


def _best(drawing: _Drawing, candidates: Iterable[_Polygon], gap: int) -> _Polygon | None:
    """The first candidate that fits and is not clipped to less than there should be; else the largest that fits."""
    best: _Polygon | None = None
    for polygon in candidates:
        if best is not None and len(polygon.rows) <= len(best.rows):
            continue
        if drawing.fits(polygon, gap):
            best = polygon
            if not polygon.clipped_away:
                break
    return best


class _Rectangles(ABC):
    """Rectangles around random pixels of a class, clipped to the field that the pixel lies in."""

    def __init__(self, land: NDArray[Any]) -> None:
        self.land = land

    @abstractmethod
    def sides(self, size: int, rng: np.random.Generator) -> tuple[int, int]:
        """Rows and columns of a rectangle."""

    def candidates(self, number: int, size: int, rng: np.random.Generator) -> Iterator[_Polygon]:
        from scipy import ndimage

        pixels = np.argwhere(self.land == number)
        for chosen in rng.choice(len(pixels), min(_CANDIDATES, len(pixels)), replace=False):
            sides, pixel = self.sides(size, rng), pixels[chosen]
            start = pixel - rng.integers(sides)
            window = tuple(slice(max(0, low), low + side) for low, side in zip(start.tolist(), sides, strict=True))
            parts, _ = ndimage.label(self.land[window] == number, _TOUCHING)
            origin = np.maximum(start, 0)
            rows, columns = np.nonzero(parts == parts[tuple(pixel - origin)])
            yield _Polygon(number, rows + origin[0], columns + origin[1], sides[0] * sides[1])


class _Squares(_Rectangles):
    def sides(self, size: int, rng: np.random.Generator) -> tuple[int, int]:
        """Give both the size."""
        return size, size


class _Strips(_Rectangles):
    def sides(self, size: int, rng: np.random.Generator) -> tuple[int, int]:
        """Give one of them the size, by chance."""
        return (size, 1) if rng.random() < 0.5 else (1, size)


class _Centres:
    """Blobs in the centres of the largest patches of a class, one for each, in random order."""

    def __init__(self, land: NDArray[Any]) -> None:
        self.land = land
        self._patches: dict[int, list[tuple[Indices, NDArray[np.bool_], NDArray[np.float64]]]] = {}

    def candidates(self, number: int, size: int, rng: np.random.Generator) -> Iterator[_Polygon]:
        if number not in self._patches:
            self._patches[number] = self._largest(number)
        patches = self._patches[number]
        for chosen in rng.permutation(len(patches)):
            origin, patch, depth = patches[chosen]
            rows, columns = _blob(patch, depth, size * size)
            yield _Polygon(number, rows + origin[0], columns + origin[1], size * size)

    def _largest(self, number: int) -> list[tuple[Indices, NDArray[np.bool_], NDArray[np.float64]]]:
        """Corner, mask and distance of each pixel from the outside, of the largest patches of a class."""
        from scipy import ndimage

        labels, count = ndimage.label(self.land == number, _TOUCHING)
        sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
        found = ndimage.find_objects(labels)
        patches = []
        for patch in np.argsort(-sizes, kind="stable")[:LARGEST_PATCHES].tolist():
            mask = labels[found[patch]] == patch + 1
            depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
            patches.append((np.array([side.start for side in found[patch]]), mask, depth))
        return patches


def _blob(patch: NDArray[np.bool_], depth: NDArray[np.float64], most: int) -> tuple[Indices, Indices]:
    """Rows and columns of the pixels of a patch that are nearest to its innermost one, off its border if possible."""
    from scipy import ndimage

    deepest = np.argwhere(depth == depth.max())
    middle = np.argwhere(patch).mean(axis=0)
    centre = tuple(deepest[np.argmin(((deepest - middle) ** 2).sum(axis=1))])
    rows = columns = np.empty(0, dtype=np.int64)
    for inside in (depth >= 2, patch):  # pixels whose neighbours all belong to the patch, and all of them
        if len(rows) >= _SMALLEST_POLYGON * most or not inside[centre]:
            continue
        rows, columns = np.nonzero(inside)
        squared = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2
        nearest = np.argsort(squared, kind="stable")[:most]
        near_centre = np.zeros_like(patch)
        near_centre[rows[nearest], columns[nearest]] = True
        parts, _ = ndimage.label(near_centre, _TOUCHING)
        rows, columns = np.nonzero(parts == parts[centre])
    return rows, columns


_WAYS: dict[str, type[_Centres | _Squares | _Strips]] = {
    "centres": _Centres,
    "squares": _Squares,
    "strips": _Strips,
}
