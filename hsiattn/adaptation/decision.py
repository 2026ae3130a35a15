"""The decision between a model and adapted versions of it: which is used, and why, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.adaptation.evidence import Evidence

SOURCE = "source"
"""Name of the candidate that is the model as it was."""
_NEARER = 0.9
"""Share of the source's distance that an adapted scene may keep at most: no smaller gain can be trusted."""
_BY_CONSTRUCTION: Mapping[str, float] = {"moments": 2.0, "coral": 2.0, "translation": 2.0}
"""By how much the distance of methods is multiplied that make distributions equal, and so bring any scene near."""
_ALIKE = 0.9
"""Share of the pixels on which a model that learned anew must agree with the one it learned from."""
_ERRORS = 1.0
"""Standard errors by which few labels must tell two candidates apart to count."""


@dataclass(frozen=True)
class Decision:
    """The candidate that is used, and why.

    Attributes
    ----------
    chosen
        Its name, `SOURCE` where the model is kept as it was.
    reason
        One sentence.
    by
        `labels` where few labelled pixels decided, else `distance`.
    """

    chosen: str
    reason: str
    by: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"chosen": self.chosen, "by": self.by, "reason": self.reason}


def decide(
    evidence: Mapping[str, Evidence],
    right: Mapping[str, NDArray[np.bool_]] | None = None,
    groups: NDArray[np.int64] | None = None,
) -> Decision:
    """Choose by the distance to the training scene; few labels overrule it where they are clear.

    Without labels the candidate is taken whose spectra lie nearest to the training scene, if that is much nearer than
    without adaptation. A candidate that learned anew has no such distance: it is taken only if it says nearly the same
    as the one it began with, with more information on the classes. Labels overrule this where candidates differ on
    whole groups of them by more than a standard error.

    Parameters
    ----------
    evidence
        Of the source, and of every candidate.
    right
        (N,) for every candidate, whether each of the few labelled pixels is right.
    groups
        (N,) group of each; pixels of a group are right or wrong together.
    """
    first = _by_distance(evidence)
    if right is None or groups is None:
        return first
    best, gain, error = first.chosen, 0.0, 0.0
    for name, own in right.items():
        mean, deviation = paired(own, right[first.chosen], groups)
        if mean > _ERRORS * deviation and mean > gain:
            best, gain, error = name, mean, deviation
    if best == first.chosen:
        figures = f"{right[best].mean():.0%} of {len(groups)} labelled pixels are right"
        return Decision(best, f"{first.reason}; {figures}, and nothing else is clearly better", "labels")
    was, now = right[first.chosen].mean(), right[best].mean()
    reason = (
        f"{now:.0%} of {len(groups)} labelled pixels are right, against {was:.0%} of {_name(first.chosen)} "
        f"(gain {100 * gain:+.1f} ± {100 * error:.1f} points)"
    )
    return Decision(best, reason, "labels")


def paired(own: NDArray[np.bool_], other: NDArray[np.bool_], groups: NDArray[np.int64]) -> tuple[float, float]:
    """Mean gain of one candidate over another on labelled pixels, and its standard error over whole groups."""
    names, owners, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    gained = np.bincount(owners, own.astype(float) - other)
    mean = float(gained.sum() / sizes.sum())
    if len(names) < 2:
        return mean, abs(mean) + 1.0
    deviations = gained - mean * sizes
    error = float(np.sqrt(len(names) / (len(names) - 1) * np.square(deviations).sum()) / sizes.sum())
    return mean, error


def _by_distance(evidence: Mapping[str, Evidence]) -> Decision:
    start = evidence[SOURCE]
    known = {name: e.distance for name, e in evidence.items() if e.distance is not None}
    best, by = SOURCE, "distance"
    if start.distance is None:
        return Decision(SOURCE, "nothing is known of the training scene by which adaptation could be judged", by)
    weighed = {name: distance * _BY_CONSTRUCTION.get(name, 1.0) for name, distance in known.items()}
    nearest = min(weighed, key=lambda name: weighed[name])
    if weighed[nearest] < _NEARER * start.distance:
        best = nearest
        told = (
            f"after {best} its spectra lie {known[best]:.2f} times as far from the training scene as those of the "
            f"training scene from each other, without it {start.distance:.2f} times"
        )
    else:
        told = (
            "no method brings its spectra clearly nearer to the training scene, from which they lie "
            f"{start.distance:.2f} times as far as those of the training scene from each other"
        )
    for name, own in evidence.items():
        if own.distance is not None or name == SOURCE or own.start != best:
            continue
        if own.agreement is not None and own.agreement >= _ALIKE and own.information > evidence[best].information:
            return Decision(name, f"{told}; {name} agrees with that on {own.agreement:.0%} of the pixels", by)
    return Decision(best, told, by)


def _name(candidate: str) -> str:
    return "the model as it was" if candidate == SOURCE else candidate
