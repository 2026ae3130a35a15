"""Places of a scene that are worth a label: where a model is unsure, unlike each other, and spread over the scene.

A person who labels what is useful to a model needs fewer labels than one who labels anything, which is called active
learning. Three ideas meet here. Uncertainty sampling (Lewis & Gale 1994) asks where the model is unsure. A batch that
is chosen by that alone asks the same question many times; so its members have to differ, as clusters or as centres
that cover the data (Demir, Persello & Bruzzone 2011 for remote sensing, MCLU-ECBD; Sener & Savarese 2018, core-sets).
Neighbouring pixels are alike, so the places have to lie apart in space, too (Stumpf et al. 2014). A place is a square
of pixels, and counts for less where these differ, since a person then cannot name it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.mapping.reading import core
from hsiattn.mapping.window_classifier import Mask, WindowClassifier
from hsiattn.mapping.windows import WindowPlan
from hsiattn.models.described_model import DescribedModel
from hsiattn.scenes import SceneSource
from hsiattn.scenes.scene_sample import COLUMNS, ROWS, spread_cells

if TYPE_CHECKING:
    from hsiattn.devices import MapPrecision

PLACES = 30
"""How many places are suggested unless told otherwise."""

SIDE = 3
"""Side of a place in pixels."""

UNCLASSIFIED = "unclassified"
"""Suggestion for a place that has no class."""

_WINDOWS = 128
"""Windows with data that make the sample, or as many as there are places, if these are more."""
_BATCHES = 4
"""How often so many windows are read where some hold no data."""
_TRIES = 64
"""Steps of the search for windows that the mask leaves, for every window of a batch."""
_LEAST = 1e-3
"""Least factor of a score, so that the others decide between candidates that are all alike."""


@dataclass(frozen=True, eq=False)
class Places:
    """Places to label, the most useful first.

    Attributes
    ----------
    positions
        (N, 2) row and column of the centres of squares of `SIDE` pixels in the scene.
    suggestions
        Name of the class that most pixels of each get, or `UNCLASSIFIED`.
    confidence
        (N,) mean confidence, 0 … 1; pixels without a class, and those of unknown material, count as 0.
    """

    positions: NDArray[np.int64]
    suggestions: list[str]
    confidence: NDArray[np.float64]


def choose_places(
    uncertainty: NDArray[np.floating[Any]],
    spectra: NDArray[np.floating[Any]],
    positions: NDArray[np.integer[Any]],
    homogeneity: NDArray[np.floating[Any]],
    places: int,
) -> NDArray[np.int64]:
    """Indices of the candidates that are worth a label, the most useful first; the same ones every time.

    They are chosen one by one. The first has the largest (1 + u) / 2 · h, of uncertainty and homogeneity. Each further
    one has the largest

        (1 + u) / 2 · h · f / (f + F) · s / (s + S)

    where f and s are the distances to the nearest one that is chosen, in features and in space. F is the median
    distance of the candidates from their mean, S the distance at which so many places would lie if they were spread
    evenly. Beyond these a distance gains little: otherwise outliers and corners of the scene would come first.
    Uncertainty counts from one half on, since a model is often certain of classes that it was never shown, and other
    classes may be wanted than it knows. Every other factor counts as 0.001 at least. Of equal candidates the first is
    taken, and none whose square overlaps that of another one.

    Parameters
    ----------
    uncertainty, homogeneity
        (n,) each, 0 … 1.
    spectra
        (n, B) features whose Euclidean distances say how unlike candidates are.
    positions
        (n, 2) row and column.
    places
        How many are chosen at most.
    """
    worth = (1 + uncertainty) / 2 * np.maximum(homogeneity, _LEAST)
    chosen: list[int] = []
    if not len(worth):
        return np.empty(0, dtype=np.int64)
    features = np.asarray(spectra - spectra.mean(axis=0), dtype=np.float64)
    squares = (features**2).sum(axis=1)
    typical = float(np.median(np.sqrt(squares)))
    apart = float(np.sqrt(np.prod(np.ptp(positions, axis=0) + SIDE) / places))
    unlike, away = np.full(len(worth), np.inf), np.full(len(worth), np.inf)
    free = np.ones(len(worth), dtype=bool)
    score = worth
    while len(chosen) < places and free.any():
        best = int(np.argmax(np.where(free, score, -1.0)))
        chosen.append(best)
        steps = np.abs(positions - positions[best])
        free &= steps.max(axis=1) >= SIDE
        # Distances by the scalar product: there is no second array as large as the features.
        to_best = np.sqrt(np.maximum(squares + squares[best] - 2 * features @ features[best], 0.0))
        unlike = np.minimum(unlike, to_best)
        away = np.minimum(away, np.hypot(*steps.T))
        score = worth * _gain(unlike, typical) * _gain(away, apart)
    return np.array(chosen, dtype=np.int64)


def suggest_places(
    model: DescribedModel,
    source: SceneSource,
    places: int = PLACES,
    *,
    part: Window | None = None,
    mask: Mask | None = None,
    labelled: NDArray[np.bool_] | None = None,
    smoothing: int = 0,
    accept: float | None = None,
    coded: bool = True,
    device: str = "auto",
    precision: MapPrecision | None = None,
) -> Places:
    """Places of a scene that are worth a label to a model.

    Candidates are the squares of `SIDE` pixels in a sample of windows that are spread over the scene, so that memory
    does not grow with it: some 0.4 MB for every band, and more only for more than 128 places. Pixels get what they get
    in the map. Uncertainty is 1 minus the confidence of the map, 1 where it has no class or unknown material. Features
    are mean spectra in units of the standard deviation of each band. Homogeneity is 1 / (1 + v / V), where v is the
    variance of these features within the square and V its median over the candidates. See `choose_places` for the
    choice.

    Parameters
    ----------
    places
        How many there are at most. A small scene, or mask, has fewer.
    part
        The window of the scene that is looked at; None for all of it.
    labelled
        (H, W) True where a pixel of the scene has a label already: no place holds such a one. None for no pixel.
    mask, smoothing, accept, coded, device, precision
        See `WindowClassifier`.

    Raises
    ------
    HsiattnError
        As `WindowClassifier`; or the scene cannot be read.
    """
    plan = WindowPlan(part or source.extent, ROWS, COLUMNS)
    classifier = WindowClassifier(
        model, source, plan, mask=mask, confidence="max", smoothing=smoothing, accept=accept, coded=coded,
        device=device, precision=precision,
    )  # fmt: skip
    samples = _sampled(classifier, max(_WINDOWS, places), labelled)
    if not samples:
        return Places(np.empty((0, 2), dtype=np.int64), [], np.empty(0))
    seen = np.concatenate([sample.spectra[:, sample.wanted] for sample in samples], axis=1)
    center, spread = seen.mean(axis=1), seen.std(axis=1)
    del seen
    spread[spread == 0] = 1.0
    squares = [_Squares.of(sample, center, spread) for sample in samples]
    positions, uncertainty, spectra, variance, values = (
        np.concatenate([getattr(square, name) for square in squares])
        for name in ("positions", "uncertainty", "spectra", "variance", "values")
    )
    if not len(positions):
        return Places(positions, [], np.empty(0))
    typical = max(float(np.median(variance)), np.finfo(np.float32).tiny)
    chosen = choose_places(uncertainty, spectra, positions, 1 / (1 + variance / typical), places)
    names = (UNCLASSIFIED, *classifier.legend.classes.names)
    return Places(positions[chosen], [names[value] for value in values[chosen]], 1.0 - uncertainty[chosen])


def _gain(distance: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """Factor 0.001 … 1 (n,) of a distance: one half at the scale."""
    return np.maximum(distance / (distance + max(scale, np.finfo(np.float64).tiny)), _LEAST)


# -- candidates --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Sample:
    """A window of the sample.

    Attributes
    ----------
    corner
        Row and column of its first pixel in the scene.
    spectra
        (B, h, w) reflectance, as float32.
    wanted
        (h, w), True where a pixel is measured and may get a class.
    values
        (h, w) as in `WindowResult`.
    uncertainty
        (h, w), 0 … 1.
    """

    corner: tuple[int, int]
    spectra: NDArray[np.float32]
    wanted: NDArray[np.bool_]
    values: NDArray[np.unsignedinteger[Any]]
    uncertainty: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _Squares:
    """The n squares of a window all of whose pixels are wanted.

    Attributes
    ----------
    positions
        (n, 2) row and column of their centres in the scene.
    uncertainty, variance
        (n,) means over their pixels, the latter of the squared distance from the mean spectrum, over all bands.
    spectra
        (n, B) standardised mean spectra.
    values
        (n,) value that most of their pixels have; of equally many that of a class, and the smallest.
    """

    positions: NDArray[np.int64]
    uncertainty: NDArray[np.float64]
    variance: NDArray[np.float64]
    spectra: NDArray[np.float32]
    values: NDArray[np.int64]

    @classmethod
    def of(cls, sample: _Sample, center: NDArray[np.float32], spread: NDArray[np.float32]) -> _Squares:
        """Those of a window, from mean and standard deviation (B,) of the bands."""
        whole = _pixels_of_squares(sample.wanted).all(axis=(-2, -1))
        rows, columns = np.nonzero(whole)
        positions = np.stack([rows, columns], axis=1) + np.asarray(sample.corner) + SIDE // 2
        standard = (np.nan_to_num(sample.spectra) - center[:, None, None]) / spread[:, None, None]
        pixels = _pixels_of_squares(standard)[:, whole].reshape(len(center), len(rows), SIDE**2)
        values = _pixels_of_squares(sample.values)[whole].reshape(len(rows), SIDE**2)
        occurring = sorted(np.unique(values).tolist(), key=lambda value: (value == 0, value))
        shares = np.stack([(values == value).sum(axis=1) for value in occurring] or [np.zeros(0)])
        return cls(
            positions,
            _pixels_of_squares(sample.uncertainty)[whole].mean(axis=(-2, -1), dtype=np.float64),
            pixels.var(axis=-1).mean(axis=0, dtype=np.float64),
            pixels.mean(axis=-1).T,
            np.asarray(occurring, dtype=np.int64)[shares.argmax(axis=0)] if occurring else np.empty(0, dtype=np.int64),
        )


def _pixels_of_squares(plane: NDArray[Any]) -> NDArray[Any]:
    """View (…, h - 2, w - 2, 3, 3) of the squares of planes (…, h, w); the planes have room for one."""
    return sliding_window_view(plane, (SIDE, SIDE), axis=(-2, -1))


def _sampled(classifier: WindowClassifier, enough: int, labelled: NDArray[np.bool_] | None) -> list[_Sample]:
    """So many windows with data and not all labelled, fewer where there are no more; always the same of a scene."""
    samples: list[_Sample] = []
    numbers = _allowed_windows(classifier, enough)
    with classifier.ready():
        for _ in range(_BATCHES):
            batch = list(islice(numbers, enough - len(samples)))
            # Windows of one block of the file follow each other: every block is decoded once or twice at most.
            batch.sort(key=_block(classifier))
            samples += filter(None, (_look(classifier, number, labelled) for number in batch))
            if not batch or len(samples) >= enough:
                break
    return samples


def _block(classifier: WindowClassifier) -> Any:
    """A key by which the numbers of windows are sorted: the block of the file that the first pixel is in."""
    rows, columns = classifier.source.block

    def place(number: int) -> tuple[int, int, int]:
        window = classifier.plan[number]
        return int(window.row_off) // rows, int(window.col_off) // columns, number

    return place


def _allowed_windows(classifier: WindowClassifier, enough: int) -> Iterator[int]:
    """Numbers of windows that have room for a square and that the mask leaves a pixel of, spread over the area."""
    plan = classifier.plan
    down, across = -(-int(plan.area.height) // plan.rows), -(-int(plan.area.width) // plan.columns)
    for row, column in spread_cells(down, across, _TRIES * enough):
        window = plan[number := row * across + column]
        if min(window.height, window.width) >= SIDE and classifier.allowed(window).any():
            yield number


def _look(classifier: WindowClassifier, number: int, labelled: NDArray[np.bool_] | None) -> _Sample | None:
    """Read and classify a window, of which labelled pixels are not wanted; None where it holds no data."""
    read = classifier.read(number)
    if read.tile is None:
        return None
    result, window = classifier.classify(read), classifier.plan[number]
    assert result.confidence is not None
    inner = core(classifier.model.patch_size // 2, read.tile.valid.shape)
    stored = read.tile.values[:, *inner][:, *read.place]
    reflectance = classifier.preparation.radiometry.reflectance(np.moveaxis(stored, 0, -1).astype(np.float32))
    return _Sample(
        (int(window.row_off), int(window.col_off)),
        np.moveaxis(np.asarray(reflectance, dtype=np.float32), -1, 0),
        read.wanted if labelled is None else read.wanted & ~labelled[window.toslices()],
        result.values,
        np.clip(1.0 - np.nan_to_num(result.confidence), 0.0, 1.0),
    )
