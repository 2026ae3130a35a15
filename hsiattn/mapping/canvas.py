"""The rasters of a window while they are filled, piece by piece, from what a model says of the classes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from hsiattn.mapping.confidence import ConfidenceKind
from hsiattn.mapping.legend import Legend
from hsiattn.mapping.results import Seconds


class ClassScores(Protocol):
    """What a model says of the K classes of pixels (h, w)."""

    def likeliest(self) -> NDArray[np.int64]:
        """Index (h, w) of the likeliest class, the first of equal ones."""

    def confidence(self, kind: ConfidenceKind) -> NDArray[np.float32]:
        """Confidence (h, w) of that kind."""

    def probabilities(self) -> NDArray[np.float32]:
        """Probabilities (K, h, w)."""


Rows = slice | tuple[slice, slice]
"""Rows of a window, or rows and columns."""


@dataclass(frozen=True, eq=False)
class Canvas:
    """The rasters of a window; names as in `WindowResult`."""

    wanted: NDArray[np.bool_]
    legend: Legend
    values: NDArray[np.unsignedinteger[Any]]
    kind: ConfidenceKind | None
    confidence: NDArray[np.float32] | None
    probabilities: NDArray[np.float32] | None
    scores: NDArray[np.float32] | None = None
    unscored: list[int] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        wanted: NDArray[np.bool_],
        legend: Legend,
        kind: ConfidenceKind | None,
        *,
        probabilities: bool,
        scores: bool = False,
    ) -> Self:
        """Rasters without any class."""
        classes = len(legend.values)
        return cls(
            wanted,
            legend,
            np.zeros(wanted.shape, dtype=np.uint8 if len(legend.classes) <= 255 else np.uint16),
            kind,
            np.full(wanted.shape, np.nan, dtype=np.float32) if kind else None,
            np.full((classes, *wanted.shape), np.nan, dtype=np.float32) if probabilities else None,
            np.full(wanted.shape, np.nan, dtype=np.float32) if scores else None,
        )

    def take_scores(self, rows: slice, scores: NDArray[np.float32] | None) -> None:
        """Keep scores (h, w) of rows, where they are wanted."""
        if self.scores is not None and scores is not None:
            self.scores[rows] = np.where(self.wanted[rows], scores, np.nan)

    def fill(
        self,
        place: Rows,
        classes: ClassScores,
        scored: NDArray[np.bool_],
        distance: NDArray[np.float32] | None,
        unknown: NDArray[np.bool_] | None = None,
    ) -> None:
        """Fill in a part of the window from the scores of its classes; confidence is divided by a distance beyond 1.

        Masks and the distance are (h, w); a pixel that is not scored has no finite scores, and gets no class. One of
        unknown material has class probabilities, but no confidence: they say nothing of it.
        """
        wanted = self.wanted[place] & scored
        self.unscored.append(int(np.count_nonzero(self.wanted[place] & ~scored)))
        values = classes.likeliest() + 1
        if unknown is not None:
            values = np.where(unknown, self.legend.unknown, self.legend.values[values - 1])
        self.values[place] = np.where(wanted, values, 0)
        if self.confidence is not None and self.kind is not None:
            known = wanted if unknown is None else wanted & ~unknown
            confidence = classes.confidence(self.kind)[known]
            if distance is not None:
                confidence /= np.maximum(distance[known], 1.0)
            self.confidence[place][known] = confidence
        if self.probabilities is not None:
            planes = (slice(None), *place) if isinstance(place, tuple) else (slice(None), place)
            self.probabilities[planes][:, wanted] = classes.probabilities()[:, wanted]


class Timer:
    """Adds up where the time of a window goes."""

    def __init__(self, reading: float) -> None:
        self.seconds = Seconds(reading)

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """Count the time of the block as preparation."""
        began = perf_counter()
        yield
        self.seconds = replace(self.seconds, preparing=self.seconds.preparing + perf_counter() - began)

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Count the time of the block as computation."""
        began = perf_counter()
        yield
        self.seconds = replace(self.seconds, computing=self.seconds.computing + perf_counter() - began)
