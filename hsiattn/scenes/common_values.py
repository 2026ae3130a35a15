"""One type, one nodata value and one radiometry for the values of several scenes that are read as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.errors import SceneError
from hsiattn.scenes.radiometry import Radiometry
from hsiattn.scenes.source import SceneSource


@dataclass(frozen=True, eq=False)
class CommonValues:
    """How the values of several scenes of the same bands become values of one.

    Where all scenes store the same type, nodata and radiometry, values stay as they are. Where type or nodata differ,
    they become floating-point numbers, in which what is missing is NaN. Where the radiometry differs, they become
    reflectance.

    Attributes
    ----------
    dtype
        Type of the common values.
    nodata
        Nodata of every band; None where there is none, or it is NaN.
    radiometry
        Gain and offset of the common values.
    as_stored
        Whether values stay as they are.
    as_reflectance
        Whether they become reflectance.
    """

    dtype: np.dtype[Any]
    nodata: tuple[float | None, ...]
    radiometry: Radiometry
    as_stored: bool = True
    as_reflectance: bool = False

    @classmethod
    def of(cls, scenes: Sequence[SceneSource]) -> CommonValues:
        """The common values of scenes that have the same bands in the same order.

        Raises
        ------
        SceneError
            Some say how values become reflectance, and others do not.
        """
        first = scenes[0]
        nodata = tuple(first.nodata_of())
        other = next((scene for scene in scenes if scene.radiometry.stated != first.radiometry.stated), None)
        if other is not None:
            silent, speaking = (other, first) if first.radiometry.stated else (first, other)
            raise SceneError(
                f"{speaking.name} says how its values become reflectance ({speaking.radiometry.describe()}), "
                f"{silent.name} does not",
                "write scale and offset into all files, or into none",
            )
        if any(not same_radiometry(scene.radiometry, first.radiometry) for scene in scenes):
            of_all = Radiometry.divided_by(1.0, len(first.bands))
            return cls(np.dtype(np.float32), (None,) * len(nodata), of_all, as_stored=False, as_reflectance=True)
        if all(scene.dtype == first.dtype and tuple(scene.nodata_of()) == nodata for scene in scenes):
            return cls(first.dtype, nodata, first.radiometry)
        dtype = np.result_type(np.float32, *(scene.dtype for scene in scenes))
        return cls(dtype, (None,) * len(nodata), first.radiometry, as_stored=False)

    def take(self, scene: SceneSource, values: NDArray[Any], indices: Sequence[int]) -> NDArray[Any]:
        """Common values of some bands (0-based) of one of the scenes, from its stored ones; (B, …) both."""
        if self.as_stored:
            return values
        taken = values.astype(self.dtype)
        if self.as_reflectance:
            radiometry = scene.radiometry.subset(indices)
            spectra = radiometry.reflectance(np.moveaxis(values, 0, -1).astype(np.float64))
            taken = np.moveaxis(spectra, -1, 0).astype(self.dtype)
        taken[scene.missing(values, indices)] = np.nan
        return taken

    @property
    def describes_gaps(self) -> bool:
        """Whether a pixel without data can be told from its values in every band."""
        return self.dtype.kind == "f" or all(value is not None for value in self.nodata)

    def gaps(self, indices: Sequence[int], height: int, width: int) -> NDArray[Any]:
        """Values (len(indices), height, width) of pixels without data; 0 where no value says so."""
        empty = np.nan if self.dtype.kind == "f" else 0
        fills = [empty if self.nodata[i] is None else self.nodata[i] for i in indices]
        column = np.array([self.dtype.type(fill) for fill in fills], dtype=self.dtype)
        return np.broadcast_to(column[:, None, None], (len(fills), height, width)).copy()

    def note(self, what: str) -> str:
        """What a user should know of them, "" where values stay as they are; `what` names the scenes."""
        if self.as_reflectance:
            return f"{what} differ in scale or offset: their values are read as reflectance"
        return "" if self.as_stored else f"{what} differ in data type or nodata: their values are read as {self.dtype}"


def same_radiometry(first: Radiometry, second: Radiometry) -> bool:
    """Whether two scenes mean the same by their values, but for the rounding of single precision."""
    return bool(
        np.allclose(first.gain, second.gain, rtol=1e-6, atol=0)
        and np.allclose(first.offset, second.offset, rtol=1e-6, atol=1e-12)
    )
