"""Training and testing fold by fold: the accuracy of a recipe, and a model of all labels with that accuracy."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.assessment.cross_validation import CrossValidation, FoldResult
from hsiattn.classes import ClassTable
from hsiattn.errors import SplitError
from hsiattn.labels.arrays import labels_of
from hsiattn.labels.group_rasters import group_ids
from hsiattn.scenes import SceneSource, as_source
from hsiattn.splits import AllPixels, PixelSplitter, PolygonKFold, SpatialKFold
from hsiattn.training.log import Listener, in_stage
from hsiattn.training.modelling import TrainingResult, fit_model
from hsiattn.training.recipes import Recipe, load_recipe

Pairs = list[tuple[NDArray[np.int64], NDArray[np.int64]]]


def cross_validate(
    scene: Any,
    labels: Any,
    folds: int | PixelSplitter | Any = 5,
    *,
    recipe: str | Path | Recipe = "default",
    groups: Any = None,
    random_state: int = 0,
    device: str = "auto",
    progress: Callable[[int, int], None] | None = None,
    unlabelled: Sequence[Any] = (),
) -> CrossValidation:
    """Train and test a recipe fold by fold.

    Where polygons are known, none is divided: pixels of a polygon that is tested do not train.

    Parameters
    ----------
    scene, labels
        As for `SpectralSpatialClassifier.fit`: paths, DataArrays or arrays (H, W, B) and (H, W). See `as_scene` for
        what an array does not say of itself.
    folds
        Number of folds, over polygons where these are known, else over blocks of the scene with a buffer of half the
        patch (`PolygonKFold`, `SpatialKFold`); or a splitter of `hsiattn.splits` or of scikit-learn, which gets the
        positions (N, 2) of the labelled pixels as X, and polygon ids (N,) as groups.
    recipe
        As for `SpectralSpatialClassifier`.
    groups
        (H, W) id of the polygon that every pixel lies in, 0 or less = none. None takes the coordinate `group` of the
        labels where they have one.
    random_state, device
        As for `SpectralSpatialClassifier`.
    progress
        Called with the number of finished folds and that of all.
    unlabelled
        Further scenes for methods that learn from unlabelled pixels, see `SpectralSpatialClassifier.fit`.

    Returns
    -------
    CrossValidation
        Figures per fold, their spread, and pooled.

    Raises
    ------
    SplitError
        The labels do not suffice for so many folds.
    HsiattnError
        As for `SpectralSpatialClassifier.fit`.

    Examples
    --------
    >>> from hsiattn.simulation import simulate_scene
    >>> scene, labels = simulate_scene(height=96, width=96, bands=24, seed=1)
    >>> result = cross_validate(scene, labels, 3, recipe="lda")
    >>> [fold.report.leakage for fold in result.folds], result.spread["overall_accuracy"].mean > 0.9
    ([0.0, 0.0, 0.0], True)
    """
    source = as_source(scene)
    given = labels_of(labels, source)
    groups = given.groups if groups is None else groups
    ids = None if groups is None else group_ids(groups, given.codes.shape)
    chosen = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    if isinstance(folds, int):
        buffer = chosen.patch_size // 2
        folds = (
            SpatialKFold(folds, buffer=buffer, random_state=random_state)
            if ids is None
            else PolygonKFold(folds, groups=ids, random_state=random_state)
        )
    with source.kept_open():
        how = {"unlabelled": tuple(map(as_source, unlabelled))}
        return _Run(source, given.codes, given.classes, chosen, ids, random_state, device, how).test(folds, progress)


def fit_with_folds(
    source: SceneSource,
    codes: NDArray[Any],
    classes: ClassTable,
    recipe: Recipe,
    splitter: SpatialKFold | PolygonKFold,
    *,
    seed: int = 0,
    device: str = "auto",
    listener: Listener | None = None,
    log: Path | None = None,
    checkpoints: Path | None = None,
    resume: bool = False,
    groups: NDArray[Any] | None = None,
    label_source: dict[str, Any] | None = None,
    unlabelled: Sequence[SceneSource] = (),
) -> TrainingResult:
    """Train on all labelled pixels, after a test fold by fold: the model wastes no label, and its accuracy is no draw.

    The accuracy is that of models of the same recipe, each trained without the fold that it is tested on. The model
    knows more labels than they, so it tends to be a little better than its report says.

    Parameters
    ----------
    source, codes, classes, recipe, seed, device, log, groups, label_source, unlabelled
        As for `fit_model`.
    splitter
        Divides the labelled pixels into folds.
    listener
        Called with the figures of every epoch, of the folds too.
    checkpoints, resume
        As for `fit_model`; every fold keeps its state in a folder of its own inside.

    Returns
    -------
    TrainingResult
        Its report pools the test pixels of all folds; its split has no test pixels, and the record says how the folds
        were made.

    Raises
    ------
    HsiattnError
        As for `fit_model`.
    """
    ids = splitter.groups if groups is None and isinstance(splitter, PolygonKFold) else groups
    run = _Run(
        source, codes, classes, recipe, ids, seed, device,
        {"listener": listener, "checkpoints": checkpoints, "resume": resume, "unlabelled": unlabelled},
    )  # fmt: skip
    with source.kept_open():
        tested = run.test(splitter, None)
        result = fit_model(
            source, codes, classes, recipe, AllPixels(random_state=seed), seed=seed, device=device, listener=listener,
            log=log, checkpoints=checkpoints, resume=resume, groups=ids, label_source=label_source,
            tested=tested.pooled, unlabelled=unlabelled,
        )  # fmt: skip
    record = {
        **result.split.record,
        "in_words": f"by {len(tested.folds)} folds, {tested.splitter['in_words']}; the model itself saw all of them",
        "folds": {**tested.splitter, "number": len(tested.folds), "leakage": tested.pooled.leakage},
    }
    return replace(result, model=replace(result.model, split=record), split=replace(result.split, record=record))


@dataclass(frozen=True, eq=False)
class _Run:
    """What is the same in every fold."""

    source: SceneSource
    codes: NDArray[Any]
    classes: ClassTable
    recipe: Recipe
    ids: NDArray[Any] | None
    seed: int
    device: str
    how: dict[str, Any] = field(default_factory=dict)

    def test(self, folds: Any, progress: Callable[[int, int], None] | None) -> CrossValidation:
        """Train and test a model for every fold."""
        dealt = _Folds(folds, self.ids)
        results: list[FoldResult] = []
        messages: dict[str, None] = {}
        while not dealt.pairs or len(results) < len(dealt.pairs):
            number = len(results) + 1
            result = self._fit(_Fold(dealt, number - 1), number, folds)
            if result.report is None:
                raise SplitError(f"fold {number} has no test pixel", "give a splitter that tests some")
            pixels = result.split.record["pixels"]
            results.append(FoldResult(replace(result.report, advice=()), pixels["training"] + pixels["validation"]))
            messages |= dict.fromkeys(result.messages)
            if progress:
                progress(len(results), len(dealt.pairs))
        return CrossValidation(tuple(results), dealt.labelled, self.recipe.name, dealt.described, tuple(messages))

    def _fit(self, splitter: PixelSplitter, number: int, folds: Any) -> TrainingResult:
        how = dict(self.how)
        if how.get("checkpoints") is not None:
            how["checkpoints"] = how["checkpoints"] / f"fold-{number}"
        if how.get("listener") is not None:
            how["listener"] = in_stage(how["listener"], f"fold {number} of {folds.n_splits}")
        closed = self.recipe.model_copy(update={"open_set": None})  # it does not change the figures of a fold
        return fit_model(
            self.source, self.codes, self.classes, closed, splitter, seed=self.seed, device=self.device,
            groups=self.ids, **how,
        )  # fmt: skip


class _Folds:
    """The pairs of all folds, made when the first fold knows which labelled pixels hold data."""

    def __init__(self, splitter: Any, ids: NDArray[np.int32] | None) -> None:
        if not hasattr(splitter, "get_n_splits"):
            raise SplitError(f"{splitter!r} divides nothing", "give folds= a number or a splitter")
        self.splitter, self.ids = splitter, ids
        self.pairs: Pairs = []
        self.labelled = 0

    @property
    def described(self) -> dict[str, Any]:
        if isinstance(self.splitter, PixelSplitter):
            return self.splitter.describe()
        return {"method": type(self.splitter).__name__, "in_words": f"in folds by {self.splitter!r}"}

    def pair(self, number: int, positions: NDArray[Any], codes: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        if not self.pairs:
            self.labelled = len(codes)
            own = None if self.ids is None else self.ids[tuple(positions.T)]
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="The groups parameter is ignored")
                made = self.splitter.split(positions, codes, None if isinstance(self.splitter, PixelSplitter) else own)
                self.pairs = [self._undivided(training, test, own) for training, test in made]
            if not self.pairs:
                raise SplitError("the splitter makes no fold", "give one that makes at least one")
        return self.pairs[number]

    @staticmethod
    def _undivided(
        training: NDArray[Any], test: NDArray[Any], ids: NDArray[np.int32] | None
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """A pair without the training pixels whose polygon is tested."""
        if ids is None:
            return training, test
        tested = np.unique(ids[test])
        return training[~np.isin(ids[training], tested[tested > 0])], test


class _Fold(PixelSplitter):
    """One of the folds, for `fit_model`."""

    def __init__(self, folds: _Folds, number: int) -> None:
        super().__init__()
        self._folds, self._number = folds, number

    @property
    def in_words(self) -> str:
        """How the test pixels came about."""
        return str(self._folds.described["in_words"])

    def describe(self) -> dict[str, Any]:
        """Name and parameters of the splitter, and the number of the fold."""
        return {**self._folds.described, "fold": self._number + 1}

    def _draw(
        self, positions: NDArray[Any], codes: NDArray[Any], groups: Any, rng: np.random.Generator
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        return self._folds.pair(self._number, positions, codes)
