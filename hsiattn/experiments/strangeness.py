"""How well a model tells pixels of classes that it has not seen from those of its own classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from hsiattn.models.model_file import TrainedModel
    from hsiattn.scenes import SceneSource

KNOWN_KEPT = 0.95
"""Share of the known test pixels that is kept where the rate of false positives is taken."""


@dataclass(frozen=True, eq=False)
class Strangeness:
    """How strange every pixel of a scene is to a model.

    Attributes
    ----------
    scores
        (H, W) float32, higher where material is more likely unknown: of the model's detector, or where it has none,
        the confidence with the opposite sign. NaN where there is none.
    detector
        Name of the detector; None for the confidence.
    threshold
        Score above which the model calls a pixel unknown; None without a detector.
    """

    scores: NDArray[np.float32]
    detector: str | None = None
    threshold: float | None = None

    @classmethod
    def of(cls, model: TrainedModel, source: SceneSource, confidence: NDArray[np.float32], device: str) -> Self:
        """Score a scene, which is mapped for that where the model has a detector."""
        from hsiattn.mapping import predict_array

        if model.open_set is None:
            return cls(-confidence)
        found = predict_array(model, source, unknown=True, device=device)["unknown_score"].values
        return cls(found, model.open_set.detector.name, model.open_set.threshold())

    def figures(self, known: NDArray[np.bool_], unknown: NDArray[np.bool_]) -> dict[str, Any]:
        """Figures for the record of a run.

        Parameters
        ----------
        known, unknown
            (H, W), True for test pixels of known classes, and for pixels of classes that were left out; of the latter
            there may be none.

        Returns
        -------
        dict
            `unknown_auroc`, area under the curve of the receiver operating characteristic, 0.5 by chance;
            `unknown_fpr95`, share of the unknown pixels that pass as known where 95 % of the known ones do;
            `unknown_found` and `known_accepted`, shares that the model's own threshold tells rightly; `detector`. None
            where not defined. Pixels without a score count as the most strange.
        """
        of_known, of_unknown = (np.nan_to_num(self.scores[where], nan=np.inf) for where in (known, unknown))
        any_unknown, limit = of_unknown.size > 0, self.threshold
        return {
            "unknown_auroc": auroc(of_known, of_unknown) if any_unknown else None,
            "unknown_fpr95": false_positives(of_known, of_unknown) if any_unknown else None,
            "unknown_found": float((of_unknown > limit).mean()) if any_unknown and limit is not None else None,
            "known_accepted": None if limit is None else float((of_known <= limit).mean()),
            "detector": self.detector,
        }


def auroc(known: NDArray[Any], unknown: NDArray[Any]) -> float:
    """Probability that an unknown pixel has a higher score than a known one, ties counting half (Hanley, McNeil 1982).

    >>> auroc(np.array([0.0, 1.0]), np.array([1.0, 2.0]))
    0.875
    """
    ordered = np.sort(known)
    below, upto = (np.searchsorted(ordered, unknown, side).astype(np.float64) for side in ("left", "right"))
    return float((below + upto).mean() / 2 / len(known))


def false_positives(known: NDArray[Any], unknown: NDArray[Any], kept: float = KNOWN_KEPT) -> float:
    """Share of unknown pixels that pass as known at the lowest score at which a share of the known ones does.

    >>> false_positives(np.arange(100.0), np.array([90.0, 94.0, 95.0, 200.0]))
    0.5
    """
    ordered = np.sort(known)
    limit = ordered[min(len(ordered), int(np.ceil(kept * len(ordered) - 1e-9))) - 1]
    return float((unknown <= limit).mean())
