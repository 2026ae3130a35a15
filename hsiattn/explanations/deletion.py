"""The deletion test: does the network need what it attends to?

Bands are taken away one group after the other, in the whole window, by giving them the baseline's values, and each time
the probability of the class is looked at that the network chose (Samek et al. 2017, IEEE TNNLS 28, 2660). An order
that begins with what the decision rests on lets it fall at once: the area under the curve is small. The order of
attention is compared with those that attention has once its weights are dealt out anew to the bands, and with the order
of attribution, whose sign is left aside, since attention has none. Neighbours are taken away in the same manner.

Whether attention explains was disputed by Jain and Wallace 2019 (NAACL, 3543), and how to ask it by Wiegreffe and
Pinter 2019 (EMNLP, 11); that an explanation must change with the network, and is to be compared with chance, is the
point of Adebayo et al. 2018 (NeurIPS, 9505).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from hsiattn.explanations.attention import no_attention, positions_of
from hsiattn.explanations.attribution import occlusion
from hsiattn.explanations.band_groups import equal_runs, runs_of_equal_weight
from hsiattn.explanations.deletion_curves import DeletionCurves, DeletionTest, Subject
from hsiattn.explanations.evidence import Evidence
from hsiattn.explanations.windows import Decision, Windows, check_measured, read_windows
from hsiattn.models.model_file import TrainedModel
from hsiattn.scenes import SceneSource

MOST_GROUPS = 25
"""Most groups of bands that are taken away one after the other."""
LEVELS = 8
"""Steps in which they are, at most, smaller ones first."""
MOST_PIXELS = 100
"""Most pixels that are tested; of more, so many by chance."""
DRAWS = 39
"""Random orders; with 39 the smallest chance that can be stated is 1 in 40."""
_FEWER_STEPS = 32


def deletion_test(
    model: TrainedModel,
    source: SceneSource,
    positions: ArrayLike,
    *,
    draws: int = DRAWS,
    random_state: int = 0,
    device: str = "cpu",
) -> DeletionTest:
    """Compare attention with attribution and with chance at pixels of a scene.

    Takes some seconds on a CPU for 50 pixels: in each of `draws` + 4 orders the network sees every pixel in eight
    versions.

    Parameters
    ----------
    positions
        (N, 2) rows and columns; those without data are left out.
    draws
        Random orders, at least 19.
    random_state
        Decides them.
    device
        `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises
    ------
    RecipeError
        The network weighs neither bands nor neighbours, or captum is missing.
    SceneError
        No pixel is given, one outside the scene, or none with data.
    BandError
        The scene's bands do not fit the model.
    """
    places = positions_of(positions, source)
    decision = Decision(model, device)
    windows = gather_measured(model, source, subset(places, MOST_PIXELS, random_state), decision.device)
    evidence = Evidence.of(decision, windows, steps=_FEWER_STEPS)
    if evidence.bands is None and evidence.neighbours is None:
        raise no_attention(model)
    return run_deletion(decision, windows, evidence, draws=draws, random_state=random_state)


def gather_measured(
    model: TrainedModel, source: SceneSource, positions: NDArray[np.int64], device: torch.device
) -> Windows:
    """The windows of those of the pixels that hold data.

    Raises
    ------
    SceneError
        None does.
    """
    parts = [part.part(part.measured) for part in read_windows(model, source, positions, device)]
    if not any(map(len, parts)):
        check_measured(source, positions, np.zeros(len(positions), dtype=bool))
    return Windows(
        np.concatenate([part.members for part in parts]),
        torch.cat([part.bands for part in parts]),
        torch.cat([part.valid for part in parts]),
    )


def subset(positions: NDArray[np.int64], most: int, random_state: int) -> NDArray[np.int64]:
    """All of the positions (N, 2), or so many of them by chance, in their order."""
    if len(positions) <= most:
        return positions
    chosen = np.random.default_rng(random_state).choice(len(positions), most, replace=False)
    return positions[np.sort(chosen)]


def run_deletion(
    decision: Decision, windows: Windows, evidence: Evidence, *, draws: int = DRAWS, random_state: int = 0
) -> DeletionTest:
    """Run the test on windows in memory; of bands always, of neighbours where the network weighs them."""
    subjects = [_of_bands(decision, windows, evidence, draws, random_state)]
    if evidence.neighbours is not None and evidence.gradients_of_neighbours is not None:
        subjects.append(_of_neighbours(decision, windows, evidence, draws, random_state))
    return DeletionTest(tuple(subjects))


def _of_bands(
    decision: Decision, windows: Windows, evidence: Evidence, draws: int, random_state: int
) -> DeletionCurves:
    count = windows.bands.shape[1]
    weights = evidence.bands
    runs = equal_runs(count, MOST_GROUPS) if weights is None else runs_of_equal_weight(weights, MOST_GROUPS)
    belongs = np.zeros((count, len(runs)), dtype=np.float32)
    for number, members in enumerate(runs):
        belongs[members, number] = 1
    group = torch.from_numpy(belongs.argmax(axis=1)).to(decision.device)

    def taken(batch: Windows, removed: Tensor) -> Tensor:
        return removed[:, group, None, None]

    if evidence.gradients is not None:
        attribution, name = np.abs(evidence.gradients @ belongs), "integrated gradients"
    else:
        target = torch.from_numpy(evidence.chosen).to(decision.device)
        attribution, name = np.abs(occlusion(decision, windows, target, runs)), "occlusion"
    attention = None if weights is None else weights @ belongs
    deletion = _Deletion(decision, windows, evidence.chosen, taken)
    return deletion.curves("bands", attention, attribution, name, belongs.sum(axis=0), draws, random_state)


def _of_neighbours(
    decision: Decision, windows: Windows, evidence: Evidence, draws: int, random_state: int
) -> DeletionCurves:
    """All but the pixel in the middle, whose spectrum the network reads by itself."""
    size = windows.valid.shape[-1]
    around = np.delete(np.arange(size * size), size * size // 2)
    places = torch.from_numpy(around).to(decision.device)
    assert evidence.neighbours is not None
    assert evidence.gradients_of_neighbours is not None
    attention, attribution = (
        weights.reshape(len(windows), -1)[:, around]
        for weights in (evidence.neighbours, evidence.gradients_of_neighbours)
    )

    def taken(batch: Windows, removed: Tensor) -> Tensor:
        mask = torch.zeros(len(batch), size * size, dtype=torch.bool, device=removed.device)
        mask[:, places] = removed
        return mask.view(-1, 1, size, size)

    deletion = _Deletion(decision, windows, evidence.chosen, taken)
    return deletion.curves(
        "neighbours", attention, np.abs(attribution), "integrated gradients", np.ones(len(around), np.float32), draws,
        random_state,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Deletion:
    """Windows from which groups are taken; `taken` makes of groups (n, G) a mask that goes with (n, B, w, w)."""

    decision: Decision
    windows: Windows
    chosen: NDArray[np.int64]
    taken: Callable[[Windows, Tensor], Tensor]

    def curves(
        self,
        subject: Subject,
        attention: NDArray[np.float32] | None,
        attribution: NDArray[np.float32],
        name: str,
        sizes: NDArray[np.float32],
        draws: int,
        random_state: int,
    ) -> DeletionCurves:
        """Follow all orders; attention and attribution (n, G), neither negative, of groups of sizes (G,)."""
        rng = np.random.default_rng(random_state)
        groups = attribution.shape[1]
        levels = np.unique(np.round(groups * np.linspace(0, 1, LEVELS + 1) ** 1.5).astype(int))
        scores = {} if attention is None else {"attention": attention, "attention reversed": -attention}
        scores |= {"attribution": attribution, "attribution reversed": -attribution}
        dealt = attribution if attention is None else attention
        by_chance = [dealt[:, rng.permutation(groups)] for _ in range(draws)]
        ends = [self._mean(np.full(attribution.shape, removed)) for removed in (False, True)]

        def follow(score: NDArray[np.float32]) -> NDArray[np.float64]:
            ranks = _ranks(score, rng)
            return np.array([ends[0], *(self._mean(ranks < level) for level in levels[1:-1]), ends[1]])

        return DeletionCurves(
            subject=subject,
            groups=groups,
            share=levels / groups,
            curves={order: follow(score) for order, score in scores.items()},
            random=np.array([follow(score) for score in by_chance]),
            attribution=name,
            unevenness=None if attention is None else _unevenness(attention / sizes),
            correlation=None if attention is None else mean_rank_correlation(attention, attribution),
            pixels=len(self.windows),
        )

    @torch.no_grad()
    def _mean(self, removed: NDArray[np.bool_]) -> float:
        """Mean probability of the chosen classes without the groups marked (n, G)."""
        total, start = 0.0, 0
        for batch in self.windows.batches():
            part = slice(start, start + len(batch))
            start = part.stop
            mask = self.taken(batch, torch.from_numpy(removed[part]).to(self.decision.device))
            bands = torch.where(mask, self.decision.baselines(batch.valid), batch.bands)
            target = torch.from_numpy(self.chosen[part]).to(self.decision.device)
            total += float(self.decision(bands, batch.valid, target).double().sum())
        return total / len(self.windows)


def mean_rank_correlation(one: NDArray[np.floating[Any]], other: NDArray[np.floating[Any]]) -> float | None:
    """Mean over rows (n, G) of Spearman's rank correlation; None where no row has two different values in both.

    >>> mean_rank_correlation(np.array([[1.0, 2.0, 5.0]]), np.array([[0.1, 0.3, 0.2]]))
    0.5
    """
    from scipy.stats import rankdata

    ranks = [rankdata(values, axis=1) for values in (one, other)]
    first, second = (values - values.mean(axis=1, keepdims=True) for values in ranks)
    norm = np.sqrt(np.square(first).sum(axis=1) * np.square(second).sum(axis=1))
    defined = norm > 0
    if not defined.any():
        return None
    return float(np.mean((first * second).sum(axis=1)[defined] / norm[defined]))


def _unevenness(weights: NDArray[np.float32]) -> float:
    """Mean over rows (n, G) of the largest difference from their mean, as a share of that."""
    even = np.maximum(weights.mean(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return float((np.abs(weights - even).max(axis=1, keepdims=True) / even).mean())


def _ranks(score: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.int64]:
    """Place (n, G) of every group when the greatest comes first; equal ones in an order by chance."""
    order = np.lexsort((rng.random(score.shape), -score), axis=1)
    return np.argsort(order, axis=1)
