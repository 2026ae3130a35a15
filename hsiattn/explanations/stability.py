"""Whether networks that differ in their seed alone explain a decision alike: else an explanation is chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from hsiattn.errors import ModelFileError
from hsiattn.explanations.deletion import mean_rank_correlation
from hsiattn.explanations.evidence import Evidence
from hsiattn.explanations.windows import Decision, read_windows
from hsiattn.models.model_file import TrainedModel
from hsiattn.networks import Ensemble, SpectralSpatialNetwork
from hsiattn.scenes import SceneSource

_HIGH, _LOW = 0.7, 0.3
_STEPS = 32
"""Of integrated gradients; ranks need fewer than sums."""


@dataclass(frozen=True, eq=False)
class Stability:
    """Agreement of several networks on the bands that matter.

    Attributes
    ----------
    networks
        How many.
    origin
        `models`, or `members` of an ensemble.
    agreement
        By `attention` and `attribution`: mean of Spearman's rank correlation of the bands' weights over all pairs of
        networks and over pixels; by class name, and of all pixels under "". None where nothing varies.
    """

    networks: int
    origin: str
    agreement: dict[str, dict[str, float | None]]

    @property
    def in_words(self) -> str:
        """One sentence for each."""
        return " ".join(
            f"{kind.capitalize()} of {self.networks} {self.origin} {_degree(values[''])}."
            for kind, values in self.agreement.items()
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "networks": self.networks,
            "origin": self.origin,
            "in_words": self.in_words,
            **{
                kind: {"mean": values[""], "classes": {name: value for name, value in values.items() if name}}
                for kind, values in self.agreement.items()
            },
        }


def _degree(value: float | None) -> str:
    if value is None:
        return "cannot be compared, since nothing varies"
    degree = "agrees well" if value >= _HIGH else "hardly agrees" if value < _LOW else "agrees in part"
    return f"{degree} (mean rank correlation of the bands {value:.2f})"


def members_of(model: TrainedModel) -> list[TrainedModel]:
    """The networks of an ensemble as models of their own; a single one for other networks."""
    if not isinstance(model.network, Ensemble):
        return [model]
    members = (cast(SpectralSpatialNetwork, member) for member in model.network.members)
    return [replace(model, network=member) for member in members]


def check_comparable(models: Sequence[TrainedModel]) -> None:
    """Refuse models that read other bands, or know other classes, than the first.

    Raises
    ------
    ModelFileError
        Names the model by its number.
    """
    first = models[0]
    for number, other in enumerate(models[1:], start=2):
        if other.used_bands.names != first.used_bands.names:
            raise ModelFileError(f"model {number} reads other bands than the first", "give models of one scene")
        if not set(other.classes.codes) >= set(first.classes.codes):
            raise ModelFileError(f"model {number} lacks classes of the first", "give models of the same labels")


def stability(
    models: Sequence[TrainedModel],
    source: SceneSource,
    positions: NDArray[np.int64],
    codes: NDArray[np.int64],
    names: Sequence[str],
    *,
    origin: str,
    device: str = "cpu",
) -> Stability:
    """Compare the explanations of several models of the same bands and classes.

    Parameters
    ----------
    positions
        (N, 2) pixels with data.
    codes
        (N,) class that is explained at each.
    names
        (N,) class under which each is counted.

    Raises
    ------
    ModelFileError
        They read different bands, or know different classes.
    """
    check_comparable(models)
    each = [_weights(model, source, positions, codes, device) for model in models]
    agreement: dict[str, dict[str, float | None]] = {}
    for kind in ("attention", "attribution"):
        weights = [one[kind] for one in each if one[kind] is not None]
        if len(weights) < len(models):
            continue
        agreement[kind] = {"": _agreement(weights, np.ones(len(positions), dtype=bool))}
        agreement[kind] |= {name: _agreement(weights, np.asarray(names) == name) for name in dict.fromkeys(names)}
    return Stability(len(models), origin, agreement)


def _agreement(weights: Sequence[NDArray[np.float32] | None], chosen: NDArray[np.bool_]) -> float | None:
    pairs = [
        mean_rank_correlation(one[chosen], other[chosen])
        for one, other in combinations(weights, 2)
        if one is not None and other is not None
    ]
    known = [value for value in pairs if value is not None]
    return float(np.mean(known)) if known else None


def _weights(
    model: TrainedModel, source: SceneSource, positions: NDArray[np.int64], codes: NDArray[np.int64], device: str
) -> dict[str, NDArray[np.float32] | None]:
    """Attention and attribution (N, B) of a model; attribution is without its sign."""
    decision = Decision(model, device)
    index = {code: place for place, code in enumerate(model.classes.codes)}
    chosen = np.array([index[int(code)] for code in codes])
    single = [] if decision.is_differentiable else [np.array([band]) for band in range(model.network.bands)]
    parts, order = [], []
    for windows in read_windows(model, source, positions, decision.device):
        parts.append(Evidence.of(decision, windows, single, chosen[windows.members], steps=_STEPS))
        order.append(windows.members)
    evidence = Evidence.joined(parts, np.concatenate(order))
    attribution = evidence.gradients if evidence.gradients is not None else evidence.occlusion
    assert attribution is not None
    return {"attention": evidence.bands, "attribution": np.abs(attribution)}
