"""Labels that a caller holds as arrays, lists, DataArrays or files: codes on the grid of a scene."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsiattn.classes import MAX_CODE, UNLABELLED, ClassTable, LandCoverClass, distinct_color, distinct_names
from hsiattn.errors import ArrayError, GridError, LabelError
from hsiattn.labels.label_source import source_of
from hsiattn.labels.opening import open_labels
from hsiattn.scenes.alignment import check_same_grid
from hsiattn.scenes.arrays import named_dims
from hsiattn.scenes.source import SceneSource

_BLANK = ("", "0", "nan", "None")
"""Texts by which a pixel is unlabelled."""


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels of the pixels of a scene.

    Attributes
    ----------
    codes
        int64 (H, W), 0 = unlabelled.
    classes
        Their table.
    names
        What every code stands for, such as a text, where the labels were no codes; None where they were.
    groups
        int (H, W), the polygon that every pixel lies in, 0 = none; None where the labels do not say.
    attrs
        What else the labels say of themselves, as `open_labels` gives it.
    source
        Record of the vector file that they come from, see `hsiattn.labels.label_source`; None where there is none.
    """

    codes: NDArray[np.int64]
    classes: ClassTable
    names: dict[int, Any] | None = None
    groups: NDArray[Any] | None = None
    attrs: Mapping[Any, Any] = field(default_factory=dict)
    source: dict[str, Any] | None = None


class ClassValues:
    """What a caller calls the classes of a model: their codes, or the texts and other values that labels had.

    Parameters
    ----------
    codes
        (K,) codes of the model, ascending.
    names
        See `Labels`.

    Attributes
    ----------
    classes
        (K,) what the codes stand for, in their order.

    Examples
    --------
    >>> values = ClassValues((1, 2), {1: "crop", 2: "wood"})
    >>> values.of_codes(np.array([2, 0, 1]))
    array(['wood', '', 'crop'], dtype='<U4')
    """

    def __init__(self, codes: Sequence[int], names: Mapping[int, Any] | None = None) -> None:
        self._known = np.asarray(codes, np.int64)
        self.classes = np.asarray([names[code] if names else code for code in codes])
        self._code_of = None if names is None else {names[code]: code for code in codes}

    def with_unknown(self, code: int, name: str) -> ClassValues:
        """The values with one more for pixels of unknown material: its name among texts, else its code.

        >>> ClassValues((1, 2), {1: "crop", 2: "wood"}).with_unknown(255, "unknown").of_codes(np.array([255, 1]))
        array(['unknown', 'crop'], dtype='<U7')
        """
        order = np.argsort([*self._known, code])
        value = name if self.classes.dtype.kind in "OUS" else code
        names = [*self.classes.tolist(), value]
        codes = [*self._known.tolist(), code]
        return ClassValues([codes[place] for place in order], dict(zip(codes, names, strict=True)))

    def of_codes(self, codes: NDArray[Any]) -> NDArray[Any]:
        """Values of codes, any shape; 0, or "" where classes are texts, of the code 0."""
        places = np.searchsorted(self._known, codes)
        blank = codes == UNLABELLED
        if not blank.any():
            return np.asarray(self.classes[places])
        filler = [""] if self.classes.dtype.kind in "OUS" else [0]
        values = np.concatenate([np.asarray(filler, self.classes.dtype), self.classes])
        return np.asarray(values[np.where(blank, 0, places + 1)])

    def codes_of(self, labels: Labels) -> NDArray[np.int64]:
        """Codes of the model for labels; texts that it does not know are a class beyond its own."""
        if labels.names is None or self._code_of is None:
            return labels.codes
        beyond = int(self._known[-1]) + 1
        codes = [UNLABELLED, *(self._code_of.get(text, beyond) for _, text in sorted(labels.names.items()))]
        return np.asarray(codes, np.int64)[labels.codes]


def labels_of(labels: Any, scene: SceneSource) -> Labels:
    """Labels in any form a caller may hold them in.

    Parameters
    ----------
    labels
        Array or list (H, W) of class codes, 0 and NaN = unlabelled, or of text, "" and "0" = unlabelled; masked array,
        whose masked pixels are unlabelled; DataArray with dims in any order, perhaps with a coordinate `group` (y, x)
        of polygon ids; or the path of a file, see `open_labels`.
    scene
        What they label.

    Raises
    ------
    GridError
        Another size or another place than the scene.
    LabelError
        Values that are no codes, or no labelled pixel at all.
    """
    if isinstance(labels, str | os.PathLike):
        labels = open_labels(labels, like=scene)
    elif isinstance(labels, xr.Dataset):
        labels = _land_cover(labels)
    array = labels if isinstance(labels, xr.DataArray) else xr.DataArray(_array(labels, scene), dims=("y", "x"))
    if array.sizes.get("band") == 1 and array.ndim == 3:
        array = array.squeeze("band", drop=True)
    array = named_dims(array, ("y", "x"), "the array of labels")
    check_same_grid(scene, array, ("the scene", "the labels"))
    values = array.to_numpy()
    groups = array.coords["group"].to_numpy() if "group" in array.coords else None
    if values.dtype.kind in "OUS":
        codes, names = encoded_text(values)
        if not names:
            raise _nothing_labelled()
        classes = distinct_names(LandCoverClass(code, name, distinct_color(code - 1)) for code, name in names.items())
        return Labels(codes, classes, names, groups)
    codes = _codes(values, array.attrs.get("_FillValue"))
    if not codes.any():
        raise _nothing_labelled()
    classes = ClassTable.from_attrs(array.attrs) or ClassTable.from_codes(np.unique(codes))
    return Labels(codes, classes, None, groups, array.attrs, source_of(array.attrs))


def encoded_text(values: NDArray[Any]) -> tuple[NDArray[np.int64], dict[int, str]]:
    """Codes 1 … K of texts in alphabetical order, 0 where there is none, and the text of every code.

    Examples
    --------
    >>> encoded_text(np.array([["wood", ""], ["crop", None]], dtype=object))
    (array([[2, 0],
           [1, 0]]), {1: 'crop', 2: 'wood'})
    """
    flat = values.ravel()
    strange = next((value for value in flat if not (_is_text(value) or _is_missing(value))), None)
    if strange is not None:
        raise LabelError(
            f"the labels hold the {type(strange).__name__} {strange!r} among texts", "give class codes or text alone"
        )
    texts = np.array([_text(value) for value in flat])
    blank = np.isin(texts, _BLANK)
    known, places = np.unique(texts[~blank], return_inverse=True)
    codes = np.full(texts.shape, UNLABELLED, np.int64)
    codes[~blank] = places + 1
    return codes.reshape(values.shape), {code: str(name) for code, name in enumerate(known.tolist(), start=1)}


def _is_text(value: Any) -> bool:
    return isinstance(value, str | bytes)


def _is_missing(value: Any) -> bool:
    return value is None or value is np.ma.masked or (isinstance(value, float) and np.isnan(value))


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip()
    return str(value).strip() if isinstance(value, str) else ""


def _nothing_labelled() -> LabelError:
    return LabelError("no pixel is labelled", "draw labels inside the scene; 0 means unlabelled")


def _land_cover(dataset: xr.Dataset) -> xr.DataArray:
    if "land_cover" in dataset:
        return dataset["land_cover"]
    flat = [name for name, variable in dataset.data_vars.items() if variable.ndim == 2]
    if len(flat) != 1:
        raise ArrayError(f"the Dataset has {len(flat)} variables with two dims", "give the one that holds the labels")
    return dataset[flat[0]]


def _array(labels: Any, scene: SceneSource) -> NDArray[Any]:
    """Labels (H, W) as a plain array; the message on another shape says what may have happened."""
    try:
        values: NDArray[Any] = np.asanyarray(labels)
    except ValueError as error:
        raise ArrayError("the labels have rows of different lengths", "give an array (H, W)") from error
    if isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values, "" if values.dtype.kind in "OUS" else UNLABELLED)
    if values.ndim == 3 and 1 in (values.shape[0], values.shape[-1]):
        values = values.squeeze(0 if values.shape[0] == 1 else -1)
    height, width = scene.height, scene.width
    if values.shape == (height, width):
        return values
    problem = (
        f"the scene has {height} × {width} pixels and {len(scene.bands)} bands, the labels have the shape "
        f"{' × '.join(map(str, values.shape)) or '()'}"
    )
    if values.shape == (width, len(scene.bands)):
        raise GridError(problem, "put the bands last, as in np.moveaxis(cube, 0, -1)")
    if values.shape == (width, height):
        raise GridError(problem, "transpose the labels, or the scene")
    if values.shape == (height * width,):
        raise GridError(problem, f"reshape the labels, as in labels.reshape({height}, {width})")
    raise GridError(problem, "give one label per pixel")


def _codes(values: NDArray[Any], fill: Any) -> NDArray[np.int64]:
    """Class codes (H, W), 0 where a value is NaN or the fill value."""
    if values.dtype.kind not in "biuf":
        raise LabelError(f"the labels hold values of type {values.dtype}", "give class codes or text")
    blank = np.zeros(values.shape, bool) if fill is None else values == fill
    if values.dtype.kind == "f":
        blank |= np.isnan(values)
        broken = ~blank & ~(values == np.rint(values))
        if broken.any():
            raise LabelError(f"the labels hold the value {values[broken][0]:g}, which is no code", "give whole numbers")
    codes = np.where(blank, UNLABELLED, values)
    strange = (codes < 0) | (codes > MAX_CODE)
    if strange.any():
        raise LabelError(
            f"the labels hold the code {codes[strange][0]}", "number the classes from 1, and let 0 mean unlabelled"
        )
    return np.asarray(codes, np.int64)
