"""Tables of pixels (N, B), one spectrum in a row, laid out as a scene for recipes that look at single pixels."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsiattn.classes import MAX_CODE, LandCoverClass, distinct_color, distinct_names
from hsiattn.errors import ArrayError, RecipeError, SplitError
from hsiattn.labels.arrays import Labels
from hsiattn.labels.group_rasters import group_ids
from hsiattn.scenes import SceneSource, as_scene, as_source
from hsiattn.scenes.arrays import plain_array
from hsiattn.splits import (
    AllPixels,
    PixelSplitter,
    PolygonsSplit,
    RandomPixels,
    RandomSplit,
    SplitSettings,
    make_splitter,
)
from hsiattn.training.modelling import TrainingResult, fit_model
from hsiattn.training.recipes import Recipe, load_recipe, recipe_names

_WIDTH = 1024


@dataclass(frozen=True, eq=False)
class PixelTable:
    """N pixels of a table as a raster of some height and width; which pixels touch means nothing.

    Attributes
    ----------
    source
        The spectra; the last pixels of the raster, which no row fills, are missing.
    rows
        N.
    """

    source: SceneSource
    rows: int

    @classmethod
    def of(cls, spectra: NDArray[Any], **known: Any) -> PixelTable:
        """Lay out spectra (N, B); `known` of the bands as in `as_scene`."""
        count, bands = spectra.shape
        width = min(count, _WIDTH)
        height = -(-count // width)
        cube = spectra
        if height * width > count:
            cube = np.concatenate([spectra, np.zeros((height * width - count, bands), spectra.dtype)])
        scene = as_scene(cube.reshape(height, width, bands), name="the table", **known)
        filled = np.arange(height * width).reshape(height, width) < count
        return cls(as_source(scene.assign_coords(masked=(("y", "x"), ~filled))), count)

    def raster(self, column: NDArray[Any]) -> NDArray[Any]:
        """A column (N,) of the table as a raster (H, W), 0 beyond."""
        values = np.zeros(self.source.height * self.source.width, dtype=column.dtype)
        values[: self.rows] = column
        return values.reshape(self.source.height, self.source.width)

    def column(self, raster: NDArray[Any]) -> NDArray[Any]:
        """Rows (N, …) of rasters (…, H, W)."""
        flat = raster.reshape(*raster.shape[:-2], -1)[..., : self.rows]
        return np.moveaxis(flat, -1, 0)

    def groups(self, groups: Any) -> NDArray[Any]:
        """Groups (H, W) from those of the rows (N,), any values; without any, each row is a group of its own."""
        if groups is None:
            return self.raster(np.arange(1, self.rows + 1, dtype=np.int32))
        given = np.asarray(groups)
        if given.shape != (self.rows,):
            raise ArrayError(
                f"the table has {self.rows} rows, the groups have the shape {given.shape}", "give one group per row"
            )
        if given.dtype.kind not in "biuf" or (given <= 0).any():
            given = np.unique(given, return_inverse=True)[1].reshape(-1) + 1
        return self.raster(group_ids(given[None], (1, self.rows))[0])


def fit_table(
    estimator: Any, X: Any, y: Any, recipe: Recipe, groups: Any, told: Mapping[str, Any], *, seed: int, **how: Any
) -> tuple[TrainingResult, dict[int, Any] | None]:
    """Train on the rows of a table.

    Parameters
    ----------
    estimator
        The classifier, which gets scikit-learn's attributes; its `split` says which rows are held out.
    X, y, groups
        (N, B), (N,) and (N,) or None.
    told
        Of the bands, see `as_scene`.
    seed, how
        As in `fit_model`.

    Returns
    -------
    TrainingResult, dict
        With what the codes of the model stand for.

    Raises
    ------
    RecipeError
        The recipe looks at neighbours.
    ArrayError, SplitError
        The table, its labels or its groups cannot be used.
    """
    if not looks_at_single_pixels(recipe):
        raise neighbours_needed(recipe.name)
    spectra, values = _checked_training_table(estimator, X, y)
    labels, table = labels_of_table(values), PixelTable.of(spectra, **told)
    codes, ids = table.raster(labels.codes), table.groups(groups)
    splitter = splitter_of_table(estimator.split, table, codes, None if groups is None else ids, seed)
    result = fit_model(table.source, codes, labels.classes, recipe, splitter, groups=ids, seed=seed, **how)
    if groups is None and result.report is not None:  # rows that are groups of their own are no polygons
        report = replace(result.report, groups=None)
        result = replace(result, report=report, model=replace(result.model, accuracy=report.to_dict()))
    return result, labels.names


def neighbours_needed(recipe: str) -> RecipeError:
    """The error that a recipe looks at neighbours, with the names of those that do not."""
    able = [name for name in recipe_names() if looks_at_single_pixels(load_recipe(name))]
    return RecipeError(
        f"recipe {recipe} looks at the neighbours of a pixel, and a table of pixels has none",
        f"give the image (H, W, B), or a classifier with recipe= one of {', '.join(able)}",
    )


def looks_at_single_pixels(recipe: Recipe) -> bool:
    """Whether a recipe needs nothing but the spectrum of a pixel, in training too.

    >>> looks_at_single_pixels(load_recipe("lda")), looks_at_single_pixels(load_recipe("lda-means"))
    (True, False)
    """
    return recipe.patch_size == 1 and not recipe.sees_unlabelled


def is_table(X: Any) -> bool:
    """Whether X is meant as a table of pixels: an array, list, data frame or sparse matrix of two axes or fewer.

    >>> is_table(np.zeros((9, 4))), is_table(np.zeros((3, 3, 4))), is_table("scene.tif")
    (True, False, False)
    """
    if isinstance(X, str | os.PathLike | SceneSource | xr.Dataset):
        return False
    if hasattr(X, "ndim"):
        return bool(X.ndim <= 2)
    try:
        return np.asarray(X).ndim <= 2
    except ValueError:  # rows of different lengths
        return False


def checked_table(estimator: Any, X: Any) -> NDArray[Any]:
    """Spectra (N, B) for a fitted estimator, checked as scikit-learn does.

    Raises
    ------
    ArrayError
        Another number of bands than before, missing or complex values, a sparse matrix.
    """
    from sklearn.utils.validation import validate_data

    with _as_array_errors():
        return np.asarray(validate_data(estimator, _unmasked(X), reset=False))


def _checked_training_table(estimator: Any, X: Any, y: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Spectra (N, B) and labels (N,), checked as scikit-learn does, whose attributes the estimator gets."""
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import validate_data

    with _as_array_errors():
        spectra, labels = validate_data(estimator, _unmasked(X), y)
        check_classification_targets(labels)
    return np.asarray(spectra), np.asarray(labels)


def _unmasked(X: Any) -> Any:
    return plain_array(X, "the table") if isinstance(X, np.ma.MaskedArray) else X


@contextmanager
def _as_array_errors() -> Iterator[None]:
    """Turn scikit-learn's errors on what it is given into ours."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise ArrayError(
            f"the table cannot be used: {' '.join(str(error).split()).rstrip('.')}",
            "give real numbers (N, B), one row per pixel without missing values, and labels (N,)",
        ) from error


def labels_of_table(labels: NDArray[Any]) -> Labels:
    """Codes (N,) of the labels of rows: their own where these are whole numbers from 1 on, else 1 … K in their order.

    Raises
    ------
    ArrayError
        All rows are of one class.

    Examples
    --------
    >>> labels_of_table(np.array([7, 3, 7])).codes, labels_of_table(np.array([0, -1])).codes
    (array([7, 3, 7]), array([2, 1]))
    """
    values, members = np.unique(labels, return_inverse=True)
    if len(values) < 2:
        raise ArrayError(f"all rows are of one class, {values[0]}", "give rows of at least two classes")
    own = values.dtype.kind in "iu" and values[0] >= 1 and values[-1] <= MAX_CODE
    codes = values.astype(np.int64) if own else np.arange(1, len(values) + 1)
    texts = [""] * len(values) if own else [str(value) for value in values.tolist()]
    classes = distinct_names(
        LandCoverClass(int(code), text, distinct_color(place))
        for place, (code, text) in enumerate(zip(codes, texts, strict=True))
    )
    names = dict(zip(codes.tolist(), values, strict=True))
    return Labels(codes[members.reshape(-1)], classes, names)


def splitter_of_table(
    split: Any, table: PixelTable, codes: NDArray[Any], groups: NDArray[Any] | None, random_state: int
) -> PixelSplitter | NDArray[Any]:
    """What the classifier's `split` means where pixels have no places.

    Raises
    ------
    SplitError
        It divides by places, or by groups and there are none.
    """
    if isinstance(split, np.ndarray) and split.shape == (table.rows,):
        return table.raster(split)
    if isinstance(split, str) and split in ("blocks", "none"):
        return AllPixels()
    by_groups = split == "polygons" or (isinstance(split, PolygonsSplit) and split.draw is None)
    if by_groups and groups is not None:
        return make_splitter(split, codes, patch_size=1, random_state=random_state, groups=groups)
    if isinstance(split, RandomSplit) or (isinstance(split, str) and split == "random"):
        return make_splitter(split, codes, patch_size=1, random_state=random_state)
    if isinstance(split, AllPixels | RandomPixels):
        return split
    named = split.split if isinstance(split, SplitSettings) else split
    raise SplitError(
        f"the rows of a table cannot be divided by split={named!r}"
        + (", because there are no groups" if by_groups else ", because they have no places"),
        'give split="none", split="random", split="polygons" with groups=, or an array (N,) of roles',
    )
