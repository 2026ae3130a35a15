"""Several scenes of one sensor below one another, so that they train like one.

Rows that hold nothing lie between the scenes. They are missing, as is what lies beside a narrower scene, so that no
patch and no pair of neighbours has pixels of two scenes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.errors import BandError, SceneError
from hsiattn.scenes.band_matching import BandMatch, find_band_match
from hsiattn.scenes.common_values import CommonValues
from hsiattn.scenes.in_bands import SceneInBands
from hsiattn.scenes.source import SceneSource
from hsiattn.scenes.spectral import SpectralBands

GAP = 64
"""Rows between scenes: more than the side of any usual patch, and than the reach of what looks at neighbours."""


class SceneStack(SceneSource):
    """Scenes below one another on a grid without georeference, in the bands of the first one.

    Parameters
    ----------
    scenes
        Two or more.
    gap
        Rows without data between two scenes: at least the side of the patch, and the buffer of a split.

    Raises
    ------
    BandError
        A scene lacks a band of the first one; the message names both lists.
    SceneError
        Fewer than two scenes, one is given twice, or some say how their values become reflectance and others do not.

    Attributes
    ----------
    scenes
        The scenes, as they were given.
    first_rows
        The row at which each of them begins.
    """

    crs = None
    transform = Affine.identity()

    def __init__(self, scenes: Sequence[SceneSource], gap: int = GAP) -> None:
        if len(scenes) < 2:
            raise SceneError("several scenes are wanted, and fewer than two are given", "give each with its labels")
        self.scenes = tuple(scenes)
        _refuse_repeated(self.scenes)
        self.names = names_in_stack([scene.name for scene in scenes])
        self.name = stack_name([scene.name for scene in scenes])
        matches = [_matched(scenes[0], scene) for scene in scenes]
        self._parts = tuple(SceneInBands(s, m.indices) for s, m in zip(scenes, matches, strict=True))
        good = np.logical_and.reduce([part.bands.good for part in self._parts])
        first = scenes[0].bands
        self.bands = SpectralBands(first.names, first.wavelength, first.fwhm, good, first.nominal)
        self._values = CommonValues.of(self._parts)
        self.dtype = self._values.dtype
        self._set_nodata(self._values.nodata)
        self.radiometry = self._values.radiometry
        heights = [scene.height for scene in scenes]
        self.first_rows: tuple[int, ...] = tuple(int(row) for row in np.cumsum([0, *(h + gap for h in heights[:-1])]))
        self.height, self.width = self.first_rows[-1] + heights[-1], max(scene.width for scene in scenes)
        self.files = tuple(dict.fromkeys(file for scene in scenes for file in scene.files))
        about = self._values.note("the scenes")
        self.notes = (
            *(note for scene in scenes for note in scene.notes),
            *([about] if about else []),
            *_notes_on_bands(self.names, matches, first.good & ~good),
        )

    def read(self, window: Window) -> NDArray[Any]:
        """Stored values of a window, shape (B, h, w)."""
        return self.read_bands(window, range(len(self.bands)))

    def read_bands(self, window: Window, indices: Sequence[int]) -> NDArray[Any]:
        """Stored values of some bands (0-based) of a window; scenes outside of it stay unread."""
        indices = [int(i) for i in indices]
        values = self._values.gaps(indices, int(window.height), int(window.width))
        for part, inside, place in self._pieces(window):
            values[(slice(None), *place)] = self._values.take(part, part.read_bands(inside, indices), indices)
        return values

    @property
    def has_mask(self) -> bool:
        """Always: what lies between the scenes is missing."""
        return True

    def masked(self, window: Window) -> NDArray[np.bool_]:
        """Mask (h, w) of the pixels in no scene, and of those that their scene leaves out."""
        mask = np.ones((int(window.height), int(window.width)), dtype=bool)
        for part, inside, place in self._pieces(window):
            of_scene = part.masked(inside)
            mask[place] = False if of_scene is None else of_scene
        return mask

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """See `SceneSource.kept_open`."""
        with ExitStack() as stack:
            for scene in self.scenes:
                stack.enter_context(scene.kept_open())
            yield

    def place_of(self, scene: int) -> tuple[slice, slice]:
        """Rows and columns of a scene in the stack."""
        first, source = self.first_rows[scene], self.scenes[scene]
        return slice(first, first + source.height), slice(0, source.width)

    def scene_numbers(self) -> NDArray[np.int32]:
        """The number of the scene of every pixel, (H, W), from 1 on; 0 between them."""
        numbers = np.zeros((self.height, self.width), dtype=np.int32)
        for number in range(len(self.scenes)):
            numbers[self.place_of(number)] = number + 1
        return numbers

    def account(self) -> list[dict[str, Any]]:
        """Which rows and columns hold which scene, JSON-ready."""
        return [
            {"scene": name, "first_row": row, "height": scene.height, "width": scene.width}
            for name, row, scene in zip(self.names, self.first_rows, self.scenes, strict=True)
        ]

    def _pieces(self, window: Window) -> Iterator[tuple[SceneInBands, Window, tuple[slice, slice]]]:
        """The scenes that a window touches: the part in their own rows and columns, and its place in the window."""
        (top, bottom), (left, right) = window.toranges()
        for part, first in zip(self._parts, self.first_rows, strict=True):
            rows = max(top, first), min(bottom, first + part.height)
            columns = left, min(right, part.width)
            if rows[0] < rows[1] and columns[0] < columns[1]:
                inside = Window.from_slices((rows[0] - first, rows[1] - first), columns)
                yield part, inside, (slice(rows[0] - top, rows[1] - top), slice(0, columns[1] - left))


def _matched(first: SceneSource, scene: SceneSource) -> BandMatch:
    """Which band of a scene stands for each of the first one's; -1 for bad ones that the scene lacks."""
    if scene is first:
        return BandMatch(np.arange(len(first.bands), dtype=np.int64), "wavelength", 0.0)
    names = (first.name, scene.name)
    try:
        return find_band_match(first.bands, scene.bands, wanted_name=names[0], offered_name=names[1])
    except BandError:
        needed = np.flatnonzero(first.bands.good)
        if len(needed) == len(first.bands):
            raise
    match = find_band_match(first.bands, scene.bands, needed=needed, wanted_name=names[0], offered_name=names[1])
    indices = np.full(len(first.bands), -1, dtype=np.int64)
    indices[needed] = match.indices
    return BandMatch(indices, match.rule, match.largest_difference, match.by_name, match.by_position)


def names_in_stack(names: Sequence[str]) -> tuple[str, ...]:
    """What the scenes of a stack are called: by their file names, by whole paths and numbers where those are alike.

    >>> names_in_stack(["x/a.tif", "x/b.tif", "y/b.tif"])
    ('a.tif', 'x/b.tif', 'y/b.tif')
    """
    short = [Path(name).name for name in names]
    shown = [one if short.count(one) == 1 else name for one, name in zip(short, names, strict=True)]
    counts = Counter(shown)
    return tuple(name if counts[name] == 1 else f"{name} ({place})" for place, name in enumerate(shown, start=1))


def stack_name(names: Sequence[str]) -> str:
    """What messages call a stack of scenes; without a slash, so that it is a name in its own right."""
    return " + ".join(names_in_stack(names)).replace("/", "\N{FRACTION SLASH}")


def _refuse_repeated(scenes: Sequence[SceneSource]) -> None:
    """Refuse a scene that is given twice, whose pixels would train and test."""
    seen: set[tuple[str, ...]] = set()
    for scene in scenes:
        if scene.files and scene.files in seen:
            raise SceneError(f"{scene.name} is given twice as a scene", "give every scene once, with all of its labels")
        seen.add(scene.files)


def _notes_on_bands(names: Sequence[str], matches: Sequence[BandMatch], lost: NDArray[np.bool_]) -> list[str]:
    """What a user should know of bands that differ between scenes."""
    notes = []
    for name, match in zip(names[1:], matches[1:], strict=True):
        apart = match.rule != "wavelength" or match.largest_difference > 0 or match.shared
        if apart:
            told = f"bands of {name} are matched to those of {names[0]} by {match.describe()}"
            notes.append(told + (f"; {match.shared} of them stand for several" if match.shared else ""))
    if lost.any():
        notes.append(f"{np.count_nonzero(lost)} bands are marked bad in some scenes only, and are left out of all")
    return notes
