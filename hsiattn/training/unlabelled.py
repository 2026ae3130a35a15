"""The pool of unlabelled pixels that semi-supervised methods learn from, and what they may see of the test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from hsiattn.errors import TrainingError
from hsiattn.scenes import find_band_match
from hsiattn.scenes.tiles import check_size, read_measured, tile_windows
from hsiattn.settings import Settings

if TYPE_CHECKING:
    from hsiattn.preprocessing import Preprocessing
    from hsiattn.scenes import SceneSource
    from hsiattn.splits import Split
    from hsiattn.training.patches import LabelledPatches
    from hsiattn.training.training_scene import TrainingScene

_SIDE = 32
"""Side of the tiles that are read in random order until there are enough pixels to draw from."""
_SPREAD = 4
"""Pixels that are found for each that is wanted, so that those drawn do not lie side by side in a few tiles."""
_FEW = 0.1
"""Share of the wanted pixels, or of the scene where it is smaller, below which windows may hold test pixels."""


class UnlabelledSettings(Settings):
    """Which unlabelled pixels a method learns from.

    Parameters
    ----------
    pixels
        Most of them; with further scenes, of all scenes together. Default: 12000.
    transductive
        Any pixel of the scene may be one of them, test pixels too: their spectra are learned from, their labels never.
        Otherwise none is a test pixel, or lies so near to one that its window holds it. Default: False.

    Examples
    --------
    >>> UnlabelledSettings(pixels=3000)
    UnlabelledSettings(pixels=3000)
    """

    pixels: int = Field(default=12_000, ge=1, le=2**26)
    transductive: bool = False


@dataclass(frozen=True, eq=False)
class UnlabelledPatches:
    """Unlabelled pixels to learn from.

    Attributes
    ----------
    pixels
        Their prepared spectra and patches; all targets are -1.
    positions
        int64 (N, 2), row and column in their scene.
    in_scene
        int64 (N,), 0 for the training scene, 1 … for the further ones in their order.
    record
        JSON-ready: `pixels`, `transductive`, `scenes` (pixels of each), `test_pixels` (how many of them are test
        pixels), and all of it `in_words`.
    """

    pixels: LabelledPatches
    positions: NDArray[np.int64]
    in_scene: NDArray[np.int64]
    record: dict[str, Any]

    def __len__(self) -> int:
        return len(self.positions)


class OpenPixels(NamedTuple):
    """Pixels of the training scene that a method may look at.

    Attributes
    ----------
    mask
        bool (H, W), True where a pixel may be looked at without its label.
    rule
        Which they are, in words.
    """

    mask: NDArray[np.bool_]
    rule: str


def unlabelled_patches(
    scene: TrainingScene, split: Split, settings: UnlabelledSettings, preprocessing: Preprocessing, *, seed: int
) -> UnlabelledPatches:
    """Draw unlabelled pixels of the training scene and of its further ones, as many of each where they have them.

    Pixels without data in all bands that serve are left out, and so are those whose labels train.

    Raises
    ------
    TrainingError
        No pixel is left to draw.
    BandError
        The bands of a further scene do not fit those of the training scene.
    SceneError
        A further scene is smaller than the patch, or cannot be read.
    """
    found = open_pixels(scene, split, settings)
    pools = [_measured_pixels(scene.source, scene.bands, settings.pixels, found.mask, seed=seed)]
    matches = [preprocessing.bands]
    for number, source in enumerate(scene.further, start=1):
        matches.append(matching_bands(scene, source, preprocessing.bands))
        pools.append(_measured_pixels(source, matches[-1], settings.pixels, None, seed=seed + number))
    counts = _shares([len(pool) for pool in pools], settings.pixels)
    if not sum(counts):
        raise TrainingError(
            f"no pixel is left to learn from without its label: {found.rule}, and none of the others is measured",
            "give training.unlabelled.transductive=true, by which test pixels are seen without their labels, "
            "or unlabelled= with further scenes",
        )
    rng = np.random.default_rng((seed, 11))
    pools = [pool[np.sort(rng.permutation(len(pool))[:count])] for pool, count in zip(pools, counts, strict=True)]
    sources = [scene.source, *scene.further]
    parts = [
        scene.gather(pool, np.full(len(pool), -1), replace(preprocessing, bands=bands), source=source)
        for pool, bands, source in zip(pools, matches, sources, strict=True)
        if len(pool)
    ]
    in_scene = np.repeat(np.arange(len(pools)), counts)
    test = int(pixels_of_the_test(scene, split)[tuple(pools[0].T)].sum())
    record = _record(scene, found.rule, counts, test, settings)
    return UnlabelledPatches(_together(parts), np.concatenate(pools), in_scene, record)


def open_pixels(scene: TrainingScene, split: Split, settings: UnlabelledSettings) -> OpenPixels:
    """Pixels of the training scene that may be looked at without their labels; those whose labels train are not.

    Those whose windows hold no test pixel. Where single random pixels train and nearly all others test, hardly any are
    left: then those that are no test pixels themselves. With `transductive`, all.
    """
    free = ~(split.mask("training") | split.mask("validation"))
    if settings.transductive:
        return OpenPixels(free, "any pixel of the scene may be one, test pixels too")
    test = pixels_of_the_test(scene, split)
    if not test.any():
        return OpenPixels(free, "nothing is tested")
    outside = free & ~ndimage.maximum_filter(test, size=scene.recipe.patch_size, mode="constant", cval=False)
    enough = _FEW * min(settings.pixels, test.size)
    if len(_measured_pixels(scene.source, scene.bands, settings.pixels, outside, seed=0)) >= enough:
        return OpenPixels(outside, "no window of theirs holds a test pixel")
    return OpenPixels(
        free & ~test, "none of them is a test pixel, but their windows may hold some, since too few lie elsewhere"
    )


def pixels_of_the_test(scene: TrainingScene, split: Split) -> NDArray[np.bool_]:
    """Mask (H, W) of the pixels of the test, be it that of the split or one that whoever asked for the model makes."""
    test = split.mask("test")
    return test if scene.tested_later is None else test | scene.tested_later


def without_test_pixels(scene: TrainingScene, split: Split, settings: UnlabelledSettings) -> TrainingScene:
    """The scene for a method that is told to see nothing of the test: what is learned of the whole scene leaves it out.

    That is noise, class frequencies and pseudo-labels, which are found in the region around the labels. With
    `transductive`, the scene as it is.
    """
    if settings.transductive:
        return scene
    seen = open_pixels(scene, split, settings).mask | split.mask("training") | split.mask("validation")
    return replace(scene, seen=seen, _region=None)


def with_further_scenes(scene: TrainingScene, further: Sequence[SceneSource]) -> TrainingScene:
    """The training scene with further ones that lend it unlabelled pixels; all are checked at once.

    Raises
    ------
    TrainingError
        The recipe's training method learns from no further scene, or one of them is the training scene itself, whose
        test pixels it would lend.
    BandError, SceneError
        See `matching_bands`.
    """
    if not further:
        return scene
    training = scene.recipe.training
    if not training.takes_further_scenes:
        raise TrainingError(
            f"the recipe {scene.recipe.name} trains by {training.method}, which learns nothing from further scenes",
            "leave unlabelled= out, or take a recipe that does, such as recipe=self-training",
        )
    for source in further:
        if set(source.files) & set(scene.source.files):
            raise TrainingError(
                f"{source.name} is the training scene, whose unlabelled pixels are learned from anyway",
                "give another one, or training.unlabelled.transductive=true to learn from its test pixels too",
            )
        matching_bands(scene, source, scene.bands)
    return replace(scene, further=tuple(further))


def matching_bands(scene: TrainingScene, source: SceneSource, bands: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices of the bands of a further scene that stand for those bands of the training scene.

    Raises
    ------
    BandError
        They do not fit; the message names both lists.
    SceneError
        The scene is smaller than the patch.
    """
    check_size(source, scene.recipe.patch_size // 2)
    names = {"wanted_name": "training scene", "offered_name": f"unlabelled scene {source.name}"}
    return find_band_match(scene.source.bands, source.bands, needed=bands, **names).indices


def _measured_pixels(
    source: SceneSource, bands: NDArray[np.int64], wanted: int, open_to: NDArray[np.bool_] | None, *, seed: int
) -> NDArray[np.int64]:
    """Positions (N, 2) of pixels with data in all those bands, of tiles in random order, until there are enough."""
    found, count = [np.empty((0, 2), np.int64)], 0
    with source.kept_open():
        for window in _tiles_at_random(source, seed):
            rows, columns = window.toslices()
            if open_to is not None and not open_to[rows, columns].any():
                continue
            there = read_measured(source, window, bands)[1].all(axis=0)
            if open_to is not None:
                there &= open_to[rows, columns]
            found.append(np.argwhere(there) + np.array([window.row_off, window.col_off], np.int64))
            count += len(found[-1])
            if count >= _SPREAD * wanted:
                break
    return np.concatenate(found)


def _tiles_at_random(source: SceneSource, seed: int) -> Iterator[Any]:
    windows = list(tile_windows(source.height, source.width, _SIDE))
    for number in np.random.default_rng((seed, 12)).permutation(len(windows)):
        yield windows[number]


def _shares(available: Sequence[int], wanted: int) -> list[int]:
    """How many pixels of each scene are drawn: as many of each, and more of the others where one has fewer.

    >>> _shares([100, 10, 100], 90)
    [40, 10, 40]
    """
    counts = [0] * len(available)
    left = wanted
    for rank, number in enumerate(sorted(range(len(available)), key=available.__getitem__)):
        counts[number] = min(available[number], left // (len(available) - rank))
        left -= counts[number]
    return counts


def _together(parts: Sequence[LabelledPatches]) -> LabelledPatches:
    from hsiattn.training.patches import LabelledPatches

    names = ("spectra", "patches", "valid", "targets")
    return LabelledPatches(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _record(
    scene: TrainingScene, rule: str, counts: Sequence[int], test: int, settings: UnlabelledSettings
) -> dict[str, Any]:
    names = [scene.source.name, *(source.name for source in scene.further)]
    scenes = [{"scene": name.rsplit("/", 1)[-1], "pixels": count} for name, count in zip(names, counts, strict=True)]
    words = f"learned from {counts[0]} unlabelled pixels of the scene ({rule}"
    words += f": {test} of them are)" if settings.transductive and test else ")"
    if scene.further:
        words += f" and {sum(counts[1:])} of {len(scene.further)} further scene{'s' * (len(scene.further) > 1)}"
    return {
        "pixels": int(sum(counts)),
        "transductive": settings.transductive,
        "scenes": scenes,
        "test_pixels": test,
        "in_words": words,
    }
