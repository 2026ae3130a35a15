"""The legend of a map: the classes of its model, and where it is asked for, unknown material.

A pixel whose material no class of the model has gets a value of its own, which no class has, a name and a colour.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hsiattn.classes import MAX_VALUE, ClassTable, Color, LandCoverClass
from hsiattn.errors import LabelError
from hsiattn.labels.sidecars import MAX_LISTED
from hsiattn.palette import PALETTE, palette_color

UNKNOWN = "unknown"
"""Name of unknown material in a legend."""

_TAKEN = ("unknown material", "unknown to the model")
"""Its names where a class of the model has that one."""

_LIMITS = (255, MAX_LISTED, MAX_VALUE)

_COLORS: tuple[Color, ...] = ((255, 0, 255), (0, 0, 0), *(palette_color(place) for place in range(len(PALETTE))))
"""Magenta before black before colours of the palette."""

_CLEAR = 16.0
"""Difference CIEDE2000 that is clear even where fields do not touch: twice what is hard to tell."""


@dataclass(frozen=True, eq=False)
class Legend:
    """What the values of a `WindowResult` stand for.

    Attributes
    ----------
    classes
        Classes of the map, unknown material among them where there is any.
    values
        (K,) value of every class of the model: its place in `classes` + 1.
    code
        Code of unknown material; None where the map has none.

    Examples
    --------
    >>> legend = Legend.of(ClassTable.from_codes([1, 2, 255]), unknown=True)
    >>> legend.code, legend.values.tolist(), legend.unknown
    (254, [1, 2, 4], 3)
    """

    classes: ClassTable
    values: NDArray[np.int64]
    code: int | None = None

    @classmethod
    def of(cls, classes: ClassTable, *, unknown: bool = False) -> Self:
        """The legend of a map by a model with these classes.

        Parameters
        ----------
        unknown
            Whether unknown material has a code of its own.

        Raises
        ------
        LabelError
            The classes take all codes.
        """
        if not unknown:
            return cls(classes, np.arange(1, len(classes) + 1))
        stranger = unknown_class(classes)
        table = ClassTable((*classes, stranger))
        return cls(table, table.to_indices(np.asarray(classes.codes)) + 1, stranger.code)

    @property
    def unknown(self) -> int:
        """Value of unknown material; 0 where the map has none."""
        return 0 if self.code is None else self.classes.codes.index(self.code) + 1

    @property
    def name(self) -> str | None:
        """Name of unknown material; None where the map has none."""
        return None if self.code is None else self.classes.names[self.unknown - 1]


def unknown_class(classes: ClassTable) -> LandCoverClass:
    """Unknown material as a class beside those of a model.

    Its code is the largest that no class has: 255 or less where all codes are at most 255, so that the map stays one of
    bytes; 4095 or less where all are at most that, so that GDAL still lists the names of all values; else 65 535 or
    less. Its colour is magenta, unless that is hard to tell from the colour of a class, to
    colour-blind readers too; then black, or the colour of the palette that is.

    Raises
    ------
    LabelError
        The classes take all codes.

    Examples
    --------
    >>> unknown_class(ClassTable.from_codes([1, 2]))
    LandCoverClass(code=255, name='unknown', color=(0, 0, 0), attributes=())
    >>> unknown_class(ClassTable.from_codes([1, 300])).code
    4095
    """
    taken, names = set(classes.codes), {name.casefold() for name in classes.names}
    limits = [limit for limit in _LIMITS if limit >= min(classes.codes[-1], MAX_VALUE)]
    free = (number for limit in limits for number in range(limit, 0, -1) if number not in taken)
    code = next(free, None)
    if code is None:
        raise LabelError("the classes leave no code for unknown material", "merge classes, or map without unknown=")
    name = next((name for name in (UNKNOWN, *_TAKEN) if name not in names), f"{UNKNOWN} ({code})")
    return LandCoverClass(code, name, unknown_color(classes.colors))


def unknown_color(colors: Iterable[Color]) -> Color:
    """A colour for unknown material that differs from those of the classes, to colour-blind readers too."""
    from hsiattn.figures.color_vision import VISIONS, differences

    beside = [*colors, (255, 255, 255)]
    apart = np.min([differences(_COLORS, beside, vision).min(axis=1) for vision in VISIONS], axis=0)
    clear = np.flatnonzero(apart >= _CLEAR)
    return _COLORS[int(clear[0]) if clear.size and clear[0] < 2 else int(np.argmax(apart))]
