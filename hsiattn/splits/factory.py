"""Splitters by name and settings, as the command line, the classifier and plans of experiments ask for them."""

from __future__ import annotations

from typing import Any, Literal

from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from hsiattn.errors import SplitError
from hsiattn.settings import Settings, first_mistake
from hsiattn.splits.drawn_polygons import DEFAULT_POLYGONS, DrawnPolygons
from hsiattn.splits.groups import GroupedPixels, connected_fields
from hsiattn.splits.k_folds import PolygonKFold, SpatialKFold
from hsiattn.splits.splitters import AllPixels, PixelSplitter, RandomPixels, SpatialBlocks
from hsiattn.splits.whole_scenes import WholeScenes

_MAX_COUNT = 10**9
_PER_CLASS = 10


class SplitSettings(Settings):
    """Base of `BlocksSplit`, `PolygonsSplit`, `FoldsSplit`, `ScenesSplit`, `RandomSplit` and `NoSplit`."""

    split: str
    """Name of the method."""
    per_class: int | None = Field(default=None, ge=1, le=_MAX_COUNT)
    """Most training pixels per class; None for all that the method gives."""


class BlocksSplit(SplitSettings):
    """Blocks of the scene with a buffer between training and test, see `SpatialBlocks`.

    Examples
    --------
    >>> BlocksSplit(per_class=30, buffer=4)
    BlocksSplit(per_class=30, buffer=4)
    """

    split: Literal["blocks"] = "blocks"
    share: float = Field(default=0.5, gt=0, lt=1)
    """Share of each class that the training blocks should hold."""
    buffer: int | None = Field(default=None, ge=0, le=_MAX_COUNT)
    """Pixels between training and test; None for half the patch, so that no test window holds a training pixel."""
    block_size: int | None = Field(default=None, ge=1, le=_MAX_COUNT)
    """Side of the blocks in pixels; None leaves it to the splitter."""


class PolygonsSplit(SplitSettings):
    """Whole polygons, or connected fields of one class where none are given, see `GroupedPixels`.

    With `draw`, small polygons drawn into a full label map, as analysts draw them, see `DrawnPolygons`.

    Examples
    --------
    >>> PolygonsSplit(share=0.3), PolygonsSplit(draw="strips")
    (PolygonsSplit(share=0.3), PolygonsSplit(draw='strips'))
    """

    split: Literal["polygons"] = "polygons"
    share: float = Field(default=0.5, gt=0, lt=1)
    """Share of each class that the training polygons should hold; without `draw`."""
    draw: Literal["centres", "squares", "strips"] | None = None
    """How polygons are drawn: in the centres of large patches, as small squares or as thin strips; None draws none."""
    polygons_per_class: int | None = Field(default=None, ge=1, le=_MAX_COUNT)
    """Most polygons of a class, with `draw`; None for 4."""
    size: int | None = Field(default=None, ge=1, le=_MAX_COUNT)
    """Side of squares and of blobs in centres, or length of strips, with `draw`; None for 4, and 12 for strips."""
    buffer: int | None = Field(default=None, ge=0, le=_MAX_COUNT)
    """Pixels between training polygons and test, with `draw`; None for half the patch."""

    @model_validator(mode="after")
    def _all_have_an_effect(self) -> PolygonsSplit:
        given = {name for name in self.model_fields_set if getattr(self, name) is not None}
        idle = [name for name in self.without_effect(drawn=self.draw is not None) if name in given]
        if idle:
            verb = "has" if len(idle) == 1 else "have"
            where = f"draw={self.draw!r}" if self.draw else "no draw="
            raise ValueError(f"{' and '.join(idle)} {verb} no effect with split='polygons' and {where}")
        return self

    @classmethod
    def without_effect(cls, *, drawn: bool) -> tuple[str, ...]:
        """Settings that do nothing where polygons are drawn, or where they are not."""
        return ("share", "groups") if drawn else ("polygons_per_class", "size", "buffer")


class FoldsSplit(SplitSettings):
    """Folds of whole polygons, or of blocks where none are given, by which every labelled pixel is tested once.

    The model is then trained on all labelled pixels, see `hsiattn.training.cross_validation.fit_with_folds`.

    Examples
    --------
    >>> FoldsSplit(folds=3)
    FoldsSplit(folds=3)
    """

    split: Literal["folds"] = "folds"
    folds: int = Field(default=5, ge=2, le=1000)
    """Number of folds."""
    buffer: int | None = Field(default=None, ge=0, le=_MAX_COUNT)
    """Pixels between training and test, of blocks; None for half the patch."""
    block_size: int | None = Field(default=None, ge=1, le=_MAX_COUNT)
    """Side of the blocks in pixels; None leaves it to the splitter."""

    @model_validator(mode="after")
    def _all_of_them(self) -> FoldsSplit:
        if self.per_class is not None:
            raise ValueError("per_class has no effect with split='folds', which trains on all labels")
        return self


class ScenesSplit(SplitSettings):
    """Whole scenes of several that train together, see `WholeScenes` and `hsiattn.labels.stack_scenes`.

    Examples
    --------
    >>> ScenesSplit(share=0.7)
    ScenesSplit(share=0.7)
    """

    split: Literal["scenes"] = "scenes"
    share: float = Field(default=0.5, gt=0, lt=1)
    """Share of each class that the training scenes should hold."""


class RandomSplit(SplitSettings):
    """Single pixels at random, see `RandomPixels`: 10 per class where neither a number nor a share is given.

    Examples
    --------
    >>> RandomSplit(share=0.05)
    RandomSplit(share=0.05)
    """

    split: Literal["random"] = "random"
    share: float | None = Field(default=None, gt=0, lt=1)
    """Share of each class that trains, in place of `per_class`."""

    @model_validator(mode="after")
    def _count_or_share(self) -> RandomSplit:
        if self.per_class is not None and self.share is not None:
            raise ValueError("give per_class or share, one of them")
        return self


class NoSplit(SplitSettings):
    """Every pixel trains and none is held out, see `AllPixels`.

    Examples
    --------
    >>> NoSplit()
    NoSplit()
    """

    split: Literal["none"] = "none"


SPLITS: dict[str, type[SplitSettings]] = {
    kind.model_fields["split"].default: kind
    for kind in (BlocksSplit, PolygonsSplit, FoldsSplit, ScenesSplit, RandomSplit, NoSplit)
}
"""Settings of every method by its name."""


def make_splitter(
    split: str | SplitSettings,
    codes: NDArray[Any],
    *,
    patch_size: int,
    random_state: int = 0,
    groups: NDArray[Any] | None = None,
    **settings: Any,
) -> PixelSplitter:
    """The splitter that a name and settings describe.

    Parameters
    ----------
    split : str or SplitSettings
        "blocks", "polygons", "folds", "scenes", "random", "none", or settings of one of them.
    codes : ndarray of int, shape (H, W)
        Class codes, 0 = unlabelled.
    patch_size : int
        Side of the network's patch; half of it is the buffer of blocks and drawn polygons where the settings name none.
    random_state : int, default 0
        Seed.
    groups : ndarray of int, shape (H, W), or None, default None
        Polygon of every pixel, 0 = none; with "folds", where None takes blocks, and with "polygons" that are not drawn,
        where None takes the connected fields of the labels. With "scenes" the number of the scene of every pixel.
    **settings
        Fields of the settings class of that name in `SPLITS`; where `split` is settings already, changes of them.

    Raises
    ------
    SplitError
        There is no such split, a setting has no effect with it, or a value is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> make_splitter("blocks", np.ones((40, 40), int), patch_size=9, per_class=30)
    SpatialBlocks(n_splits=1, block_size=None, buffer=4, train_share=0.5, train_size=30, random_state=0)
    """
    kind = type(split) if isinstance(split, SplitSettings) else SPLITS.get(split)
    if kind is None:
        remedy = f"give {', '.join(SPLITS)}, a splitter or an array of roles"
        raise SplitError(f"there is no split {split!r}", remedy)
    idle = [name for name in settings if name not in kind.model_fields]
    if groups is not None and not issubclass(kind, PolygonsSplit | FoldsSplit | ScenesSplit):
        idle.append("groups")
    if idle:
        verb = "has" if len(idle) == 1 else "have"
        method = kind.model_fields["split"].default
        raise SplitError(
            f"{' and '.join(idle)} {verb} no effect with split={method!r}", f"leave out {'= and '.join(idle)}="
        )
    try:
        given = split.model_dump(exclude_unset=True) if isinstance(split, SplitSettings) else {}
        chosen = kind(**given | settings)
    except ValidationError as error:
        raise SplitError(*first_mistake(error, kind, "correct the settings of the split")) from error
    if isinstance(chosen, BlocksSplit):
        return SpatialBlocks(
            block_size=chosen.block_size,
            buffer=patch_size // 2 if chosen.buffer is None else chosen.buffer,
            train_share=chosen.share,
            train_size=chosen.per_class,
            random_state=random_state,
        )
    if isinstance(chosen, PolygonsSplit):
        return _polygons(chosen, codes, groups, patch_size // 2, random_state)
    if isinstance(chosen, FoldsSplit):
        return _folds(chosen, groups, patch_size // 2, random_state)
    if isinstance(chosen, ScenesSplit):
        return WholeScenes(
            scenes=groups, train_share=chosen.share, train_size=chosen.per_class, random_state=random_state
        )
    if isinstance(chosen, RandomSplit):
        return RandomPixels(train_size=chosen.per_class or chosen.share or _PER_CLASS, random_state=random_state)
    return AllPixels(train_size=chosen.per_class, random_state=random_state)


def _polygons(
    chosen: PolygonsSplit, codes: NDArray[Any], groups: NDArray[Any] | None, buffer: int, random_state: int
) -> PixelSplitter:
    """The splitter of polygons that are drawn, and of those that there are."""
    if chosen.draw is None:
        groups = connected_fields(codes) if groups is None else groups
        return GroupedPixels(
            groups=groups, train_share=chosen.share, train_size=chosen.per_class, random_state=random_state
        )
    if groups is not None:
        raise SplitError(
            f"groups has no effect with split='polygons' and draw={chosen.draw!r}", "leave out groups= or draw="
        )
    return DrawnPolygons(
        draw=chosen.draw,
        polygons_per_class=chosen.polygons_per_class or DEFAULT_POLYGONS,
        size=chosen.size,
        buffer=buffer if chosen.buffer is None else chosen.buffer,
        train_size=chosen.per_class,
        random_state=random_state,
    )


def _folds(
    chosen: FoldsSplit, groups: NDArray[Any] | None, buffer: int, random_state: int
) -> SpatialKFold | PolygonKFold:
    """The splitter of folds of polygons where there are some, else of blocks."""
    if groups is None:
        return SpatialKFold(
            chosen.folds,
            block_size=chosen.block_size,
            buffer=buffer if chosen.buffer is None else chosen.buffer,
            random_state=random_state,
        )
    idle = [name for name in ("buffer", "block_size") if getattr(chosen, name) is not None]
    if idle:
        verb = "has" if len(idle) == 1 else "have"
        raise SplitError(
            f"{' and '.join(idle)} {verb} no effect on folds of whole polygons", f"leave out {'= and '.join(idle)}="
        )
    return PolygonKFold(chosen.folds, groups=groups, random_state=random_state)
