"""The rasters of a window while they are filled, strip by strip, from the logits of a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsiattn.mapping.confidence import ConfidenceKind, confidence_of
from hsiattn.mapping.legend import Legend
from hsiattn.mapping.results import Seconds


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
        rows: slice,
        logits: Tensor,
        temperature: float,
        scored: NDArray[np.bool_],
        distance: NDArray[np.float32] | None,
        unknown: NDArray[np.bool_] | None = None,
    ) -> None:
        """Fill rows in from their logits (K, h, w); confidence is divided by a distance (h, w) beyond 1.

        Masks (h, w); a pixel that is not scored has no finite logits, and gets no class. One of unknown material has
        class probabilities, but no confidence: they say nothing of it.
        """
        wanted = self.wanted[rows] & scored
        self.unscored.append(int(np.count_nonzero(self.wanted[rows] & ~scored)))
        values = _likeliest(logits) + 1
        if unknown is not None:
            values = np.where(unknown, self.legend.unknown, self.legend.values[values - 1])
        self.values[rows] = np.where(wanted, values, 0)
        if temperature != 1.0:
            logits = logits / temperature
        if self.confidence is not None and self.kind is not None:
            known = wanted if unknown is None else wanted & ~unknown
            confidence = _array(confidence_of(logits, self.kind))[known]
            if distance is not None:
                confidence /= np.maximum(distance[known], 1.0)
            self.confidence[rows][known] = confidence
        if self.probabilities is not None:
            self.probabilities[:, rows][:, wanted] = _array(torch.softmax(logits, dim=0))[:, wanted]


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


def _likeliest(logits: Tensor) -> NDArray[np.int64]:
    """Index (h, w) of the largest of logits (K, h, w), the first of equal ones."""
    if logits.device.type == "cpu":  # NumPy finds it in a third of the time that torch takes
        return np.asarray(logits.float().numpy().argmax(axis=0))
    return np.asarray(logits.argmax(dim=0).cpu().numpy())


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return np.asarray(tensor.cpu().numpy(), dtype=np.float32)
