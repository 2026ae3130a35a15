"""The whole pipeline in scikit-learn's words: labelled scene in, land cover out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from pydantic import ValidationError
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from hsiattn.assessment import AccuracyReport
from hsiattn.classes import ClassTable
from hsiattn.errors import LabelError, ModelFileError
from hsiattn.labels.group_rasters import group_ids
from hsiattn.mapping import Execution, MappingRecord, Outputs, assess, classify_scene, predict_array
from hsiattn.mapping.classification import Progress
from hsiattn.models.class_schemes import with_class_scheme
from hsiattn.models.model_file import TrainedModel, read_model, write_model
from hsiattn.scenes import Radiometry, SceneSource, as_source
from hsiattn.scenes.alignment import check_same_grid
from hsiattn.settings import first_mistake
from hsiattn.splits import PixelSplitter, PolygonsSplit, Split, SplitSettings, make_splitter
from hsiattn.training.attention import attention_of
from hsiattn.training.log import Listener
from hsiattn.training.modelling import fit_model
from hsiattn.training.recipes import Recipe, load_recipe

Scene = xr.DataArray | str | Path
"""A scene as `open_scene` gives it, or its path."""


class SpectralSpatialClassifier(BaseEstimator):  # type: ignore[misc]
    """Classifies every pixel of a hyperspectral scene from its spectrum and its neighbourhood.

    Parameters
    ----------
    recipe
        Name of a recipe, path of a recipe file, or a `Recipe` such as
        `load_recipe("default", ["training.pseudo_labels.favour=average"])`, which makes average accuracy largest.
    split
        How labelled pixels are held out for the test: "blocks" (spatially disjoint, buffered), "polygons" (whole
        fields), "random", "none", settings of one of these such as `hsiattn.splits.BlocksSplit(per_class=30)` or
        `PolygonsSplit(draw="squares")`, a splitter, or an array (H, W) of roles.
    random_state
        The one seed of everything random.
    device
        "auto", "cpu", "cuda" or "cuda:N".

    Attributes
    ----------
    classes_
        (K,) original class codes.
    class_table_
        Codes, names and colours.
    split_
        Role of every pixel, and the record of how they came about.
    report_
        Accuracy on the held-out pixels; None where all pixels train.
    messages_
        What the user should know, one sentence each; what makes the model worse than it looks comes first.
    model_
        The model as it goes into the model file.

    Examples
    --------
    >>> import hsiattn
    >>> from hsiattn.simulation import simulate_scene
    >>> scene, labels = simulate_scene(height=96, width=96, bands=24, seed=1)
    >>> classifier = hsiattn.SpectralSpatialClassifier("lda", split="random").fit(scene, labels)
    >>> land_cover = classifier.predict(scene)
    >>> land_cover["land_cover"].shape
    (96, 96)
    """

    def __init__(
        self,
        recipe: str | Path | Recipe = "default",
        *,
        split: str | SplitSettings | PixelSplitter | NDArray[Any] = "blocks",
        random_state: int = 0,
        device: str = "auto",
    ) -> None:
        self.recipe = recipe
        self.split = split
        self.random_state = random_state
        self.device = device

    def fit(
        self,
        scene: Scene,
        labels: xr.DataArray,
        *,
        listener: Listener | None = None,
        log: str | Path | None = None,
        checkpoints: str | Path | None = None,
        resume: bool = False,
        groups: xr.DataArray | NDArray[Any] | None = None,
    ) -> Self:
        """Train on the labelled pixels of a scene and test on those held out.

        Parameters
        ----------
        labels
            Class codes (y, x) on the scene's grid, 0 = unlabelled, as `open_labels` gives them.
        listener
            Called with `EpochFigures` after every epoch.
        log
            CSV file for the same figures.
        checkpoints, resume
            Folder in which an interrupted training is kept, and whether to go on from there.
        groups
            (y, x) id of the polygon that every pixel lies in, on the scene's grid, 0 or less = none: pixels of one
            polygon are never on both sides of a choice that training makes, and the report's intervals are over
            polygons. With `split="polygons"` whole polygons are held out. None takes connected fields there.

        Raises
        ------
        HsiattnError
            The kind says what is wrong: labels on another grid, too few labels, unusable bands, …
        """
        source = as_source(scene)
        recipe = self.recipe if isinstance(self.recipe, Recipe) else load_recipe(self.recipe)
        labels = labels.transpose("y", "x")
        check_same_grid(source, labels, ("the scene", "the labels"))
        codes = np.nan_to_num(labels.to_numpy()).astype(np.int64)
        if not codes.any():
            raise LabelError("no pixel is labelled", "draw labels inside the scene; 0 means unlabelled")
        classes = ClassTable.from_attrs(labels.attrs) or ClassTable.from_codes(np.unique(codes).tolist())
        ids = None if groups is None else _group_ids(source, groups, codes.shape)
        result = fit_model(
            source,
            codes,
            classes,
            recipe,
            self._splitter(recipe.patch_size, codes, ids),
            seed=self.random_state,
            device=self.device,
            listener=listener,
            log=Path(log) if log else None,
            checkpoints=Path(checkpoints) if checkpoints else None,
            resume=resume,
            groups=ids,
        )
        self.split_, self.report_, self.messages_ = result.split, result.report, result.messages
        self._take(with_class_scheme(result.model, labels.attrs))
        return self

    def predict(
        self,
        scene: Scene,
        *,
        smoothing: int = 0,
        scale: float | None = None,
        force: bool = False,
        resample: bool = False,
    ) -> xr.Dataset:
        """Land cover of a scene: `land_cover` (y, x), codes, 0 = unclassified, and `confidence` (y, x), 0 … 1.

        The confidence of pixels that look like nothing in the training scene is divided by their distance from it.

        Parameters
        ----------
        smoothing
            Steps by which class probabilities are smoothed between neighbours whose spectra are alike; 0 for none.
        scale
            Number by which the scene's values are divided to give reflectance, whatever the scene says; None to believe
            the scene.
        force
            Map a scene even if it looks like nothing the model was trained on.
        resample
            Compute the model's bands from those of a scene that has no such bands, see `ResampledSource`.

        Raises
        ------
        DomainError
            Most of the scene looks like nothing in the training scene, or its values are 10, 100, … times what they
            should be, and there is no `force`; the message names the factor.
        HsiattnError
            The kind says what is wrong; see `predict_array`.
        """
        model, source = self._fitted(), _source(scene, scale)
        source = model.resampled(source) if resample else source
        return predict_array(model, source, smoothing=smoothing, force=force, device=self.device)

    def predict_proba(
        self, scene: Scene, *, smoothing: int = 0, scale: float | None = None, force: bool = False
    ) -> xr.DataArray:
        """Class probabilities (class, y, x) of a scene, float32, NaN without data; arguments as in `predict`."""
        predicted = predict_array(
            self._fitted(), _source(scene, scale), probabilities=True, smoothing=smoothing, force=force,
            device=self.device,
        )  # fmt: skip
        return predicted["probabilities"]

    def write_land_cover(
        self,
        scene: Scene,
        path: str | Path,
        *,
        resume: bool = False,
        scale: float | None = None,
        force: bool = False,
        execution: Execution | None = None,
        progress: Progress | None = None,
        **outputs: Any,
    ) -> MappingRecord:
        """Write the land cover of a scene, however large, as `hsiattn classify` does: window by window, resumable.

        Parameters
        ----------
        path
            The map.
        scale, force
            As in `predict`.
        resume, progress
            See `classify_scene`.
        execution
            Memory, threads, workers, device; see `Execution`.
        outputs
            What is written beside the map, in which format, and whether smoothed (`smoothing=2`); see `Outputs`.

        Raises
        ------
        HsiattnError
            The kind says what is wrong; see `classify_scene`.
        """
        execution = execution or Execution(device=self.device)
        wanted = Outputs(path, **outputs)
        return classify_scene(
            self._fitted(), _source(scene, scale), wanted, resume=resume, force=force, execution=execution,
            progress=progress,
        )  # fmt: skip

    def attention(self, scene: Scene, pixels: ArrayLike, *, scale: float | None = None) -> xr.Dataset:
        """What the network attends to when it classifies pixels of a scene.

        Parameters
        ----------
        pixels
            (N, 2) rows and columns, counted from 0.
        scale
            As in `predict`.

        Returns
        -------
        xr.Dataset
            `bands` (pixel, band), weights of the bands that the network reads, by their names, and `neighbours`
            (pixel, dy, dx), weights of the pixels of the window, 0 where they are missing. Either is there only where
            the network weighs by it. Weights of a pixel are at least 0 and have the sum 1; those of pixels without data
            are NaN.

        Raises
        ------
        RecipeError
            The network weighs neither bands nor neighbours.
        SceneError
            No pixel is given, or one outside the scene.
        HsiattnError
            The kind says what is wrong with the scene.
        """
        return attention_of(self._fitted(), _source(scene, scale), pixels)

    def score(self, scene: Scene, labels: xr.DataArray) -> float:
        """Overall accuracy of `predict` on all labelled pixels; these may include the training pixels."""
        return assess(self.predict(scene), labels).overall_accuracy.value

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the model file.

        Raises
        ------
        OutputError
            It exists already or cannot be written.
        """
        write_model(self._fitted(), path, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path, *, device: str = "auto") -> Self:
        """A classifier from a model file.

        Raises
        ------
        ModelFileError
            Missing, damaged, too new, or not a model.
        """
        model = read_model(path)
        try:
            recipe = Recipe.model_validate(model.recipe)
        except ValidationError as error:
            problem = f"{path} was made by a recipe that this hsiattn does not know"
            raise ModelFileError(f"{problem} ({first_mistake(error, Recipe).problem})", "update hsiattn") from error
        classifier = cls(recipe, device=device)
        classifier._take(model)
        return classifier

    split_: Split
    report_: AccuracyReport | None
    messages_: tuple[str, ...]

    def _take(self, model: TrainedModel) -> None:
        self.model_ = model
        self.class_table_ = model.classes
        self.classes_ = np.asarray(model.classes.codes)

    def _fitted(self) -> TrainedModel:
        if not hasattr(self, "model_"):
            raise NotFittedError("this classifier is not fitted; call fit or load first")
        return self.model_

    def _splitter(
        self, patch_size: int, codes: NDArray[np.int64], groups: NDArray[np.int32] | None
    ) -> PixelSplitter | NDArray[Any]:
        if not isinstance(self.split, str | SplitSettings):
            return self.split
        by_polygon = self.split == "polygons" or isinstance(self.split, PolygonsSplit)
        return make_splitter(
            self.split,
            codes,
            patch_size=patch_size,
            random_state=self.random_state,
            groups=groups if by_polygon else None,
        )


def _group_ids(source: SceneSource, groups: xr.DataArray | NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Polygon ids (H, W) on the grid of the scene."""
    if isinstance(groups, xr.DataArray):
        groups = groups.transpose("y", "x")
        check_same_grid(source, groups, ("the scene", "the groups"))
    return group_ids(groups, shape)


def _source(scene: Scene, scale: float | None) -> SceneSource:
    """The windows of a scene, with the caller's scale where there is one."""
    source = as_source(scene)
    return source if scale is None else source.with_radiometry(Radiometry.divided_by(scale, len(source.bands)))
