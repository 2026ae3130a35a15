"""Quick-look pictures of scenes: true colour where the wavelengths allow it, else false colour or principal components.

Only as many rows as the picture has are read, in windows of bounded size.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.scenes.block_cache import ONCE_THROUGH, block_cache
from hsiattn.scenes.scene_sample import SceneSample, sample_scene
from hsiattn.scenes.source import SceneSource

if TYPE_CHECKING:
    import xarray as xr

SIZE = 1000
"""Most pixels of a picture's longer side."""

STRETCH = (2.0, 98.0)
"""Percentiles of the values that become black and white."""

_COLOURS = (
    ("true colour", (660.0, 550.0, 470.0), 40.0),
    ("false colour", (850.0, 660.0, 550.0), 60.0),
    ("false colour", (2200.0, 1650.0, 1000.0), 100.0),
    ("false colour", (1000.0, 870.0, 780.0), 60.0),
)
"""Kinds of pictures: wavelengths (nm) shown as red, green and blue, and how far the nearest band may be off."""

_MOST_BANDS = 32
"""Bands from which principal components are made."""
_VALUES = 2**24
"""Values that are read at a time."""


@dataclass(frozen=True, eq=False)
class Quicklook:
    """A picture of a scene.

    Attributes
    ----------
    pixels
        (h, w, 4) uint8: red, green, blue and opacity; missing pixels are transparent.
    description
        What is shown, in words.
    step
        Rows and columns of the scene per pixel: every `step`-th is shown.
    """

    pixels: NDArray[np.uint8]
    description: str
    step: int


def rgb(scene: SceneSource | xr.DataArray | str | os.PathLike[str], size: int = SIZE) -> NDArray[np.uint8]:
    """A picture (h, w, 4) of a scene, uint8: red, green, blue, and opacity, which is 0 where a pixel is missing.

    Parameters
    ----------
    scene
        As for `as_source`.
    size
        Most pixels of the longer side.

    Raises
    ------
    SceneError
        The scene cannot be read.
    """
    from hsiattn.scenes.scene import as_source

    return make_quicklook(as_source(scene), size).pixels


def make_quicklook(source: SceneSource, size: int = SIZE) -> Quicklook:
    """Draw a scene in the colours that its bands allow.

    True colour needs bands near 660, 550 and 470 nm. Where there are none, infrared bands give false colours; failing
    that, or without wavelengths, the first three principal components of the good bands do. Fewer than three bands are
    shown in grey, three without wavelengths as red, green and blue. Every channel is stretched so that the 2nd and 98th
    percentile of its valid pixels become black and white.

    Raises
    ------
    SceneError
        The scene cannot be read.
    """
    step = max(1, -(-max(source.height, source.width) // size))
    view = _choose_view(source)
    shape = len(range(0, source.height, step)), len(range(0, source.width, step))
    channels = np.zeros((view.channels, *shape), dtype=np.float32)
    valid = np.zeros(shape, dtype=bool)
    with block_cache(ONCE_THROUGH), source.kept_open():
        for window in _windows(source, step, len(view.bands)) if len(view.bands) else ():
            _fill(channels, valid, source, view, window, step)
    return Quicklook(_paint(channels, valid), view.description, step)


# ---------------------------------------------------------------------------------------------------- what is shown


@dataclass(frozen=True, eq=False)
class _View:
    """Which bands are read, and how channels (C, N) come from their values (B, N)."""

    bands: NDArray[np.int64]
    channels: int
    description: str
    project: Callable[[NDArray[Any]], NDArray[Any]] = np.asarray


def _choose_view(source: SceneSource) -> _View:
    good = np.flatnonzero(source.bands.good)
    if len(good) == 0:
        good = np.arange(len(source.bands))
    sample = sample_scene(source, good)
    with_data = good[sample.measured.any(axis=0)]
    if len(with_data) == 0:
        return _View(with_data, 1, "no data in any band that was looked at")
    coloured = _by_wavelength(source, with_data)
    if coloured is not None:
        return coloured
    if len(with_data) < 3:
        return _View(with_data[:1], 1, f"{_named(source, with_data[0])} in grey")
    if len(source.bands) == 3:
        return _View(with_data, 3, "the three bands as red, green and blue")
    return _components(sample, good, with_data)


def _by_wavelength(source: SceneSource, bands: NDArray[np.int64]) -> _View | None:
    """True colour, else false colour; None where no three bands are near enough."""
    centres = source.bands.wavelength[bands]
    if not np.isfinite(centres).any():
        return None
    for kind, wanted, tolerance in _COLOURS:
        away = np.abs(centres[None] - np.array(wanted)[:, None])
        away[~np.isfinite(away)] = np.inf
        nearest = away.argmin(axis=1)
        if away.min(axis=1).max() <= tolerance and len(set(nearest.tolist())) == 3:
            shown = ", ".join(f"{centre:.0f}" for centre in centres[nearest])
            return _View(bands[nearest], 3, f"{kind}: {shown} nm as red, green and blue")
    return None


def _components(sample: SceneSample, sampled: NDArray[np.int64], with_data: NDArray[np.int64]) -> _View:
    """The first three principal components of some bands, spread evenly over those with data."""
    places = np.unique(np.linspace(0, len(with_data) - 1, min(_MOST_BANDS, len(with_data))).round().astype(np.int64))
    bands = with_data[places]
    columns = np.searchsorted(sampled, bands)
    complete = sample.measured[:, columns].all(axis=1)
    values = sample.values[complete][:, columns].astype(np.float64)
    if len(values) < 2:
        return _View(bands[:1], 1, "one band in grey, as no pixel that was looked at holds data in all bands")
    mean = values.mean(axis=0)
    spread = values.std(axis=0)
    spread[spread == 0] = 1.0
    _, vectors = np.linalg.eigh(np.cov((values - mean) / spread, rowvar=False))
    axes = vectors[:, ::-1][:, :3].T
    axes *= np.sign(axes[np.arange(3), np.abs(axes).argmax(axis=1)])[:, None]  # eigenvectors have no sign of their own
    weights, shift = axes / spread, axes @ (mean / spread)

    def project(cube: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(weights @ cube.astype(np.float64) - shift[:, None])

    return _View(bands, 3, "the first three principal components as red, green and blue", project)


def _named(source: SceneSource, band: int) -> str:
    centre = source.bands.wavelength[band]
    return f"{source.bands.names[band]}" + (f" ({centre:.0f} nm)" if np.isfinite(centre) else "")


# ---------------------------------------------------------------------------------------------------------- reading


def _windows(source: SceneSource, step: int, bands: int) -> Iterator[Window]:
    """Windows that hold the rows shown, and as few others as the blocks of the file allow; of bounded size."""
    rows_in_block, columns_in_block = source.block
    most = max(1, _VALUES // bands)
    columns = min(source.width, max(1, most // columns_in_block) * columns_in_block, most)
    rows = np.arange(0, source.height, step)
    together = max(1, most // columns)
    starts = [0]
    for i in range(1, len(rows)):
        first = rows[starts[-1]]
        touching = step == 1 or rows[i] // rows_in_block == first // rows_in_block
        if not touching or rows[i] - first >= together:
            starts.append(i)
    for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
        top, bottom = int(rows[start]), int(rows[stop - 1]) + 1
        for left in range(0, source.width, columns):
            yield Window(left, top, min(columns, source.width - left), bottom - top)


def _fill(
    channels: NDArray[np.float32],
    valid: NDArray[np.bool_],
    source: SceneSource,
    view: _View,
    window: Window,
    step: int,
) -> None:
    """Draw every `step`-th row and column of a window, whose first row is one of them."""
    top, left = int(window.row_off), int(window.col_off)
    first = -left % step
    if first >= window.width:
        return
    thinned = (slice(None, None, step), slice(first, None, step))
    masked = source.masked(window)
    values = source.read_bands(window, view.bands.tolist())[:, *thinned]
    there = source.complete(values, None if masked is None else masked[thinned], view.bands.tolist())
    place = (
        slice(top // step, top // step + there.shape[0]),
        slice((left + first) // step, (left + first) // step + there.shape[1]),
    )
    part = np.zeros((len(channels), *there.shape), dtype=np.float32)
    part[:, there] = view.project(values[:, there])
    channels[:, *place] = part
    valid[place] = there


def _paint(channels: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Stretch channels (1 or 3, h, w) to a picture (h, w, 4)."""
    picture = np.zeros((*valid.shape, 4), dtype=np.uint8)
    picture[..., 3] = np.where(valid, 255, 0)
    for colour in range(3):
        values = channels[min(colour, len(channels) - 1)][valid]
        if values.size == 0:
            break
        low, high = np.percentile(values, STRETCH)
        if high <= low:
            low, high = float(values.min()), float(values.max())
        shown = (values - low) / (high - low) if high > low else np.full_like(values, 0.5)
        picture[valid, colour] = np.rint(255 * np.clip(shown, 0, 1))
    return picture
