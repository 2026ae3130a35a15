"""The whole pipeline in scikit-learn's words: labelled scene in, land cover out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, overload

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from pydantic import ValidationError
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError

from hsiattn.assessment import AccuracyReport, compare
from hsiattn.errors import ModelFileError, SplitError
from hsiattn.explanations.attention import attention_of
from hsiattn.labels.arrays import ClassValues, labels_of
from hsiattn.labels.group_rasters import group_ids
from hsiattn.labels.stacking import are_several, stack_labelled
from hsiattn.mapping import Execution, MappingRecord, Outputs, classify_scene, predict_array
from hsiattn.mapping.classification import Progress
from hsiattn.mapping.legend import Legend
from hsiattn.mapping.unknown import ACCEPT
from hsiattn.models.class_schemes import with_class_scheme
from hsiattn.models.model_file import TrainedModel, read_model, write_model
from hsiattn.scenes import Radiometry, SceneSource, as_scene, as_source, georeference, to_scene
from hsiattn.scenes.alignment import check_same_grid
from hsiattn.scenes.arrays import named_dims, names_files
from hsiattn.scenes.stack import GAP, SceneStack
from hsiattn.settings import first_mistake
from hsiattn.splits import (
    FoldsSplit,
    PixelSplitter,
    PolygonKFold,
    PolygonsSplit,
    ScenesSplit,
    SpatialKFold,
    Split,
    SplitSettings,
    make_splitter,
)
from hsiattn.training.cross_validation import fit_with_folds
from hsiattn.training.log import Listener
from hsiattn.training.modelling import TrainingResult, fit_model
from hsiattn.training.pixel_tables import (
    PixelTable,
    checked_table,
    fit_table,
    is_table,
    neighbours_needed,
)
from hsiattn.training.recipes import Recipe, load_recipe

if TYPE_CHECKING:
    from hsiattn.explanations.explanation import Explanation

Georeferenced = xr.DataArray | xr.Dataset | SceneSource | str | Path | Sequence[str | Path]
"""A scene as `open_scene` gives it, its path, or those of its tiles."""

Scene = Georeferenced | ArrayLike
"""A scene, or an array that `as_scene` takes for one."""


class SpectralSpatialClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classifies every pixel of a hyperspectral scene from its spectrum and its neighbourhood.

    X is a scene (a path, a DataArray with dims in any order, a NumPy or dask array (H, W, B), a masked array) and y its
    labels (a path, a DataArray, an array (H, W) of codes or text, 0 or "" = unlabelled); see `hsiattn.as_scene`. With
    recipes that look at single pixels, such as "lda", "svm" and "random-forest", X may also be a table (N, B) with
    labels (N,), as scikit-learn has it: there every row is labelled, and 0 is a class.

    Parameters
    ----------
    recipe
        Name of a recipe, path of a recipe file, or a `Recipe` such as
        `load_recipe("default", ["training.pseudo_labels.favour=average"])`, which makes average accuracy largest.
    split
        How labelled pixels are held out for the test: "blocks" (spatially disjoint, buffered), "polygons" (whole
        fields), "folds" (each polygon or block is tested once, and the model is trained on all labels), "random",
        "none", settings of one of these such as `hsiattn.splits.BlocksSplit(per_class=30)` or
        `PolygonsSplit(draw="squares")`, a splitter, or an array (H, W) of roles. The rows of a table have no places:
        all of them train with "blocks", and besides there are "random", "polygons" with groups, and roles (N,).
    random_state
        The one seed of everything random.
    device
        "auto", "cpu", "cuda" or "cuda:N".

    Attributes
    ----------
    classes_
        (K,) original class codes, or texts where the labels were texts, ascending.
    n_features_in_
        Number of bands, B.
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
    >>> cube, codes = scene.values.transpose(1, 2, 0), labels.values
    >>> classifier.fit(cube, codes, nodata=-9999, scale=10_000).predict(cube).shape
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
        X: Scene,
        y: Any,
        *,
        groups: Any = None,
        wavelengths: ArrayLike | None = None,
        fwhm: ArrayLike | None = None,
        bad_bands: ArrayLike | None = None,
        nodata: float | None = None,
        scale: float | None = None,
        listener: Listener | None = None,
        log: str | Path | None = None,
        checkpoints: str | Path | None = None,
        resume: bool = False,
        unlabelled: Sequence[Any] = (),
        start: TrainedModel | None = None,
    ) -> Self:
        """Train on the labelled pixels of a scene, or the rows of a table, and test on those held out.

        Parameters
        ----------
        X
            Scene, or table (N, B) without missing values; or a list of scenes of one sensor, each with its labels in
            `y`, see `hsiattn.labels.stacking`.
        y
            Class codes or texts on the scene's grid (H, W), 0, NaN or "" = unlabelled; of the rows of a table (N,).
        groups
            (H, W) id of the polygon that every pixel lies in, on the scene's grid, 0 or less = none: pixels of one
            polygon are never on both sides of a choice that training makes, and the report's intervals are over
            polygons. With `split="polygons"` whole polygons are held out. None takes the coordinate `group` of the
            labels where they have one, else connected fields. Of a table any values (N,).
        wavelengths, fwhm, bad_bands, nodata, scale
            What an array does not say of itself, see `hsiattn.as_scene`. They hold for later arrays without metadata
            that `predict` is given, too.
        listener
            Called with `EpochFigures` after every epoch.
        log
            CSV file for the same figures.
        checkpoints, resume
            Folder in which an interrupted training is kept, and whether to go on from there.
        unlabelled
            Further scenes, on any grid, whose pixels help recipes that learn from unlabelled ones, such as
            "self-training". Their bands are matched to those of X by wavelength, as `predict` does. Not for tables.
        start
            A model by the same recipe whose weights training starts from, if it was trained on the same pixels, as
            pruning does. Not for tables, nor with folds.

        Raises
        ------
        HsiattnError
            The kind says what is wrong: labels on another grid, too few labels, unusable bands, …
        """
        recipe = self.recipe if isinstance(self.recipe, Recipe) else load_recipe(self.recipe)
        told: dict[str, Any] = {
            "wavelengths": wavelengths, "fwhm": fwhm, "bad_bands": bad_bands, "nodata": nodata, "scale": scale,
        }  # fmt: skip
        told = {name: value for name, value in told.items() if value is not None}
        how: dict[str, Any] = {
            "seed": self.random_state, "device": self.device, "listener": listener, "log": Path(log) if log else None,
            "checkpoints": Path(checkpoints) if checkpoints else None, "resume": resume,
            "unlabelled": further_sources(unlabelled, told), **({"start": start} if start is not None else {}),
        }  # fmt: skip
        if are_several(X, y):
            X, y = stack_labelled(X, y, max(GAP, recipe.patch_size))  # type: ignore[arg-type]
        if is_table(X):
            return self._learned(*fit_table(self, X, y, recipe, groups, told, **how), told)
        opened = X if _is_array(X) or not told else to_scene(as_source(X))
        source = as_source(as_scene(opened, **told) if told else X)
        labels = labels_of(y, source)
        groups = labels.groups if groups is None else groups
        ids = None if groups is None else _group_ids(source, groups, labels.codes.shape)
        splitter = self._splitter(source, recipe.patch_size, labels.codes, ids)
        fit: Callable[..., TrainingResult] = (
            fit_with_folds if isinstance(splitter, SpatialKFold | PolygonKFold) else fit_model
        )
        if start is not None and fit is fit_with_folds:
            raise SplitError(
                "a model that was trained on all folds cannot be tested by folds",
                "choose another split, or start from no model",
            )
        result = fit(
            source, labels.codes, labels.classes, recipe, splitter, groups=ids, label_source=labels.source, **how
        )
        self.n_features_in_ = len(source.bands)
        return self._learned(result, labels.names, told, labels.attrs)

    @overload
    def predict(  # type: ignore[overload-overlap]
        self,
        X: Georeferenced,
        *,
        smoothing: int = 0,
        unknown: bool = False,
        accept: float = ACCEPT,
        scale: float | None = None,
        force: bool = False,
        resample: bool = False,
    ) -> xr.Dataset: ...
    @overload
    def predict(
        self,
        X: ArrayLike,
        *,
        smoothing: int = 0,
        unknown: bool = False,
        accept: float = ACCEPT,
        scale: float | None = None,
        force: bool = False,
        resample: bool = False,
    ) -> NDArray[Any]: ...
    def predict(
        self,
        X: Scene,
        *,
        smoothing: int = 0,
        unknown: bool = False,
        accept: float = ACCEPT,
        scale: float | None = None,
        force: bool = False,
        resample: bool = False,
    ) -> xr.Dataset | NDArray[Any]:
        """Land cover of a scene.

        Parameters
        ----------
        X
            Scene, or table (N, B).
        smoothing
            Steps by which class probabilities are smoothed between neighbours whose spectra are alike; 0 for none.
        unknown
            Give pixels whose material no class has a code of their own, which the map names "unknown"; the model must
            have been fitted by a recipe with `open_set`.
        accept
            Share of the pixels of known classes that keeps its class then, 0 … 1.
        scale
            Number by which the scene's values are divided to give reflectance, whatever the scene says; None to believe
            the scene.
        force
            Map a scene even if it looks like nothing the model was trained on. Tables are never refused for that.
        resample
            Compute the model's bands from those of a scene that has no such bands, see `ResampledSource`.

        Returns
        -------
        xr.Dataset or ndarray
            Of a path or an xarray object: `land_cover` (y, x), codes, 0 = unclassified, and `confidence` (y, x), 0 … 1,
            which is divided by the distance from the training scene where a pixel looks like nothing there. Of any
            other array: values of `classes_`, (H, W) with 0, or "" for texts, where unclassified, or (N,) of a table;
            unknown pixels have their code or, among texts, their name.

        Raises
        ------
        DomainError
            Most of the scene looks like nothing in the training scene, or its values are 10, 100, … times what they
            should be, and there is no `force`; the message names the factor.
        HsiattnError
            The kind says what is wrong; see `predict_array`.
        """
        predicted, table = self._predicted(
            X, scale, resample, smoothing=smoothing, force=force, unknown=unknown, accept=accept
        )
        if table is None and not _is_bare(X):
            return predicted
        known, legend = self._values, Legend.of(self.class_table_, unknown=unknown)
        if legend.code is not None and legend.name is not None:
            known = known.with_unknown(legend.code, legend.name)
        values = known.of_codes(predicted["land_cover"].to_numpy())
        return values if table is None else table.column(values)

    @overload
    def predict_proba(  # type: ignore[overload-overlap]
        self,
        X: Georeferenced,
        *,
        smoothing: int = 0,
        scale: float | None = None,
        force: bool = False,
        resample: bool = False,
    ) -> xr.DataArray: ...
    @overload
    def predict_proba(
        self,
        X: ArrayLike,
        *,
        smoothing: int = 0,
        scale: float | None = None,
        force: bool = False,
        resample: bool = False,
    ) -> NDArray[np.float32]: ...
    def predict_proba(
        self,
        X: Scene,
        *,
        smoothing: int = 0,
        scale: float | None = None,
        force: bool = False,
        resample: bool = False,
    ) -> xr.DataArray | NDArray[np.float32]:
        """Class probabilities, float32, NaN without data; arguments as in `predict`.

        Returns
        -------
        xr.DataArray or ndarray
            (class, y, x) of a path or an xarray object; of any other array (H, W, K), or (N, K) of a table.
        """
        predicted, table = self._predicted(X, scale, resample, smoothing=smoothing, force=force, probabilities=True)
        shares = predicted["probabilities"]
        if table is None and not _is_bare(X):
            return shares
        return np.moveaxis(shares.to_numpy(), 0, -1) if table is None else table.column(shares.to_numpy())

    def write_land_cover(
        self,
        scene: Scene,
        path: str | Path,
        *,
        resume: bool = False,
        scale: float | None = None,
        force: bool = False,
        resample: bool = False,
        execution: Execution | None = None,
        progress: Progress | None = None,
        **outputs: Any,
    ) -> MappingRecord:
        """Write the land cover of a scene, however large, as `hsiattn classify` does: window by window, resumable.

        Parameters
        ----------
        path
            The map.
        scale, force, resample
            As in `predict`.
        resume, progress
            See `classify_scene`.
        execution
            Memory, threads, workers, device; see `Execution`.
        outputs
            What is written beside the map, in which format, whether smoothed (`smoothing=2`), and whether unknown
            material is told (`unknown=True`); see `Outputs`.

        Raises
        ------
        HsiattnError
            The kind says what is wrong; see `classify_scene`.
        """
        execution = execution or Execution(device=self.device)
        wanted = Outputs(path, **outputs)
        model, source = self._fitted(), self.source_of(scene, scale)
        source = model.resampled(source) if resample else source
        return classify_scene(
            model, source, wanted, resume=resume, force=force, execution=execution,
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
        return attention_of(self._fitted(), self.source_of(scene, scale), pixels)

    def explain(
        self,
        scene: Scene,
        pixels: ArrayLike | None = None,
        *,
        labels: Any = None,
        samples: int = 10,
        band_groups: int | None = None,
        others: Sequence[SpectralSpatialClassifier] = (),
        random_state: int = 0,
        scale: float | None = None,
        force: bool = False,
    ) -> Explanation:
        """What the network decides by at pixels of a scene, and whether its attention explains it.

        Beside attention, decisions are attributed to bands and neighbours by integrated gradients and to groups of
        bands by occlusion; a deletion test compares the order of attention with that of attribution and with chance.

        Parameters
        ----------
        pixels
            (N, 2) rows and columns, counted from 0; None for `samples` of every class.
        labels
            As in `fit`: pixels are drawn, and counted, by their class. None for what the model predicts.
        samples
            Pixels of every class.
        band_groups
            Number of groups of bands for the occlusion; None for visible, red edge, NIR, SWIR 1 and SWIR 2.
        others
            Classifiers with other seeds, whose explanations should agree.
        random_state
            Decides which pixels are drawn, and the random orders.
        scale, force
            As in `predict`.

        Returns
        -------
        Explanation
            Arrays in `data`, the verdict in `in_words`; `write_explanation` writes it to a folder.

        Raises
        ------
        RecipeError
            captum is missing.
        HsiattnError
            The kind says what is wrong; see `hsiattn.explanations.explanation.explain`.
        """
        from hsiattn.explanations.explanation import explain

        model, source = self._fitted(), self.source_of(scene, scale)
        codes = None if labels is None else self._values.codes_of(labels_of(labels, source))
        return explain(
            model, source, pixels, labels=codes, samples=samples, groups=band_groups,
            others=[other._fitted() for other in others], random_state=random_state, device=self.device, force=force,
        )  # fmt: skip

    def score(self, X: Scene, y: Any) -> float:
        """Overall accuracy of `predict` on all labelled pixels, or rows; these may include the training pixels."""
        self._fitted()
        if is_table(X):
            return float(np.mean(np.asarray(self.predict(X)) == np.ravel(y)))
        source = self.source_of(X, None)
        labels, (predicted, _) = labels_of(y, source), self._predicted(source, None)
        reference = xr.DataArray(self._values.codes_of(labels), dims=("y", "x"))
        return compare(predicted, georeference(reference, source.grid)).overall_accuracy.value

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the model file.

        Raises
        ------
        OutputError
            It exists already or cannot be written.
        """
        digest = write_model(self._fitted(), path, overwrite=overwrite)
        self.model_ = replace(self.model_, digest=digest)

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

    model_: TrainedModel
    split_: Split
    report_: AccuracyReport | None
    messages_: tuple[str, ...]
    n_features_in_: int
    _told: dict[str, Any]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def _learned(
        self,
        result: TrainingResult,
        names: dict[int, Any] | None,
        told: dict[str, Any],
        attrs: Mapping[Any, Any] | None = None,
    ) -> Self:
        self.split_, self.report_, self.messages_ = result.split, result.report, result.messages
        self._take(with_class_scheme(result.model, attrs or {}), names)
        self._told = {name: value for name, value in told.items() if name != "bad_bands"}
        return self

    def _take(self, model: TrainedModel, names: dict[int, Any] | None = None) -> None:
        self.model_ = model
        self.class_table_ = model.classes
        self._values = ClassValues(model.classes.codes, names)
        self.classes_ = self._values.classes

    def _fitted(self) -> TrainedModel:
        if not hasattr(self, "model_"):
            raise NotFittedError("this classifier is not fitted; call fit or load first")
        return self.model_

    def _predicted(
        self, X: Scene, scale: float | None, resample: bool = False, **how: Any
    ) -> tuple[xr.Dataset, PixelTable | None]:
        """Land cover of a scene or of a table, which is the second value where there is one."""
        model, table = self._fitted(), None
        if is_table(X):
            if model.patch_size > 1:
                raise neighbours_needed(str(model.recipe.get("name")))
            table = PixelTable.of(checked_table(self, X), **self._told_of_arrays(scale))
            how |= {"force": True, "smoothing": 0}
        source = table.source if table else self.source_of(X, scale)
        source = model.resampled(source) if resample else source
        return predict_array(model, source, device=self.device, **how), table

    def source_of(self, scene: Scene, scale: float | None = None) -> SceneSource:
        """The windows of a scene, with what `fit` was told of arrays, and the caller's scale where there is one."""
        if _is_bare(scene):
            return as_source(as_scene(scene, **self._told_of_arrays(scale)))
        source = as_source(scene)
        return source if scale is None else source.with_radiometry(Radiometry.divided_by(scale, len(source.bands)))

    def _told_of_arrays(self, scale: float | None) -> dict[str, Any]:
        """What `fit` was told of an array without metadata, with the caller's scale where there is one."""
        return {**getattr(self, "_told", {}), **({} if scale is None else {"scale": scale})}

    def _splitter(
        self, source: SceneSource, patch_size: int, codes: NDArray[np.int64], groups: NDArray[np.int32] | None
    ) -> PixelSplitter | NDArray[Any]:
        if not isinstance(self.split, str | SplitSettings):
            return self.split
        by_polygon = self.split in ("polygons", "folds") or isinstance(self.split, PolygonsSplit | FoldsSplit)
        if self.split == "scenes" or isinstance(self.split, ScenesSplit):
            by_polygon, groups = True, source.scene_numbers() if isinstance(source, SceneStack) else None
        return make_splitter(
            self.split,
            codes,
            patch_size=patch_size,
            random_state=self.random_state,
            groups=groups if by_polygon else None,
        )


def further_sources(scenes: Any, told: Mapping[str, Any]) -> tuple[SceneSource, ...]:
    """Windows of scenes that lend unlabelled pixels; bare arrays get what was told of the training scene."""
    if not isinstance(scenes, list | tuple):
        scenes = [scenes]
    return tuple(as_source(as_scene(scene, **told) if _is_bare(scene) else scene) for scene in scenes)


def _is_array(scene: Any) -> bool:
    """Whether a scene is an array of some form, and neither a path nor windows."""
    return not (isinstance(scene, SceneSource) or names_files(scene))


def _is_bare(scene: Any) -> bool:
    """Whether a scene is an array that says nothing of itself."""
    return _is_array(scene) and not isinstance(scene, xr.DataArray | xr.Dataset)


def _group_ids(source: SceneSource, groups: Any, shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Polygon ids (H, W) on the grid of the scene."""
    if isinstance(groups, xr.DataArray):
        groups = named_dims(groups, ("y", "x"), "the array of groups")
        check_same_grid(source, groups, ("the scene", "the groups"))
    return group_ids(groups, shape)
