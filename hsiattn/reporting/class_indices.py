"""Rasters of class codes read as places in the class table of a report, whatever codes and names they have."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.assessment.code_rasters import Codes
from hsiattn.assessment.matched_names import is_made_up
from hsiattn.classes import UNLABELLED, ClassTable
from hsiattn.errors import LabelError
from hsiattn.labels.feature_classes import normal_name

NONE = -1
"""Place of pixels without a class of the report."""

_LISTED = 2**16
"""Codes below this are looked up in an array, others one by one."""
_NEW = -2


class ClassIndices:
    """The classes of a map or of a reference, numbered as in a report.

    A class is that of the report with its name where both have names, else that with its code, as in the comparison
    that the report is of. Classes that the report does not list are none.

    Parameters
    ----------
    raster
        Map or reference.
    classes
        Of the report.
    """

    def __init__(self, raster: Codes, classes: ClassTable) -> None:
        self.raster, self.grid, self.block = raster, raster.grid, raster.block
        self._by_code = {item.code: place for place, item in enumerate(classes)}
        self._by_name = {normal_name(item.name): place for place, item in enumerate(classes) if not is_made_up(item)}
        self._places = np.full(_LISTED, _NEW, np.int16)
        self._places[UNLABELLED] = NONE
        self._large: dict[int, int] = {}

    def read(self, window: Window) -> NDArray[np.int16]:
        """Places (h, w) in the class table, `NONE` where there is no class."""
        codes = self.raster.read(window)
        small = codes if codes.dtype.itemsize <= 2 else np.minimum(codes, _LISTED - 1)
        places = self._places[small]
        new = places == _NEW
        large = np.asarray(codes >= _LISTED - 1) & (codes.dtype.itemsize > 2)
        for code in np.unique(codes[new & ~large]).tolist():
            self._places[code] = self._place(code)
        if new.any():
            places = self._places[small]
        if large.any():
            found, which = np.unique(codes[large], return_inverse=True)
            places[large] = np.array([self._place(code) for code in found.tolist()], np.int16)[which.reshape(-1)]
        return places

    def _place(self, code: int) -> int:
        if code not in self._large:
            self._large[code] = self._find(code)
        return self._large[code]

    def _find(self, code: int) -> int:
        try:
            table = self.raster.class_table([code])
        except LabelError:  # a code that its own table does not list
            return NONE
        for item in table or ():
            if item.code == code and not is_made_up(item):
                return self._by_name.get(normal_name(item.name), self._by_code.get(code, NONE))
        return self._by_code.get(code, NONE)
