"""How labels are read from a vector file: which layer and column, and which pixels a polygon or a point labels."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from hsiattn.errors import LabelError


@dataclass(frozen=True)
class VectorOptions:
    """Options of labels from vector files; rasters have none of them.

    Attributes
    ----------
    column
        Column with the class of every polygon or point; None where only one can be meant.
    layer
        Layer of the file; None where there is one.
    all_touched
        Whether a polygon labels every pixel that it touches, rather than those whose centre it holds.
    inner_buffer
        Metres by which polygons shrink, so that no pixel across their edge is labelled; units of the map where the
        scene has no CRS.
    radius
        Distance from a point, in the same units, up to which pixel centres are labelled; 0 for the pixel that holds it.

    Raises
    ------
    LabelError
        A distance is negative or not finite.

    Examples
    --------
    >>> VectorOptions(column="crop", inner_buffer=5).given()
    {'column': 'crop', 'inner_buffer': 5}
    """

    column: str | None = None
    layer: str | None = None
    all_touched: bool = False
    inner_buffer: float = 0
    radius: float = 0

    def __post_init__(self) -> None:
        for name in ("inner_buffer", "radius"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise LabelError(f"the {name.replace('_', ' ')} is {value:g}", f"give {name}= 0 or a length above")

    def given(self) -> dict[str, Any]:
        """Options that are not as they are by default, by their names."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
