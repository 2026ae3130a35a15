"""Which bands and neighbours a decision rests on, seen from outside the network: integrated gradients and occlusion.

Both are taken of the calibrated probability of a class, with captum, against a baseline: the mean spectrum (see
`hsiattn.explanations.windows.baseline_of`). Sources: integrated gradients, Sundararajan, Taly and Yan 2017 (ICML,
3319); occlusion, Zeiler and Fergus 2014 (ECCV, 818).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsiattn.errors import RecipeError
from hsiattn.explanations.windows import Decision, Windows, windows_per_batch

STEPS = 64
"""Points of the path from the baseline at which gradients are taken, by Gauss-Legendre quadrature."""
_PIXELS_PER_CALL = 8
_ROUGH, _MORE = 0.01, 4
"""Completeness error from which a path is followed again, in so many times as many steps."""


@dataclass(frozen=True, eq=False)
class Gradients:
    """Integrated gradients of n decisions.

    Attributes
    ----------
    bands
        (n, B): how much of the probability is due to every band, over the whole window.
    neighbours
        (n, w, w): how much is due to every pixel of the window, over all bands.
    error
        (n,) completeness error: the sum of the attributions less the difference that they should add up to, which is
        the probability less that of the baseline.
    """

    bands: NDArray[np.float32]
    neighbours: NDArray[np.float32]
    error: NDArray[np.float32]


def integrated_gradients(decision: Decision, windows: Windows, target: Tensor, *, steps: int = STEPS) -> Gradients:
    """Integrated gradients of the probability of class `target` (n,) along the straight path from the baseline.

    Raises
    ------
    RecipeError
        captum is missing, or the network has no gradients.
    """
    if not decision.is_differentiable:
        raise RecipeError(
            f"a {type(decision.network).__name__} has no gradients, so there are no integrated gradients",
            "look at occlusion, which needs none",
        )
    parts, start = [], 0
    for batch in windows.batches(min(_PIXELS_PER_CALL, windows_per_batch(windows.bands))):
        wanted = target[start : start + len(batch)]
        start += len(batch)
        given, error = _along_the_path(decision, batch, wanted, steps)
        rough = error.abs() > _ROUGH
        if bool(rough.any()):
            again = batch.part(rough.cpu().numpy())
            given[rough], error[rough] = _along_the_path(decision, again, wanted[rough], _MORE * steps)
        parts.append((given.sum(dim=(2, 3)), given.sum(dim=1), error))
    return Gradients(*(torch.cat(each).float().cpu().numpy() for each in zip(*parts, strict=True)))


def _along_the_path(decision: Decision, windows: Windows, target: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Attributions (n, B, w, w), and by how much their sum misses the change of the probability (n,)."""
    method, baselines = load_captum().IntegratedGradients(decision), decision.baselines(windows.valid)
    with torch.backends.cudnn.flags(enabled=False):  # whose recurrent layers have no gradient outside training
        given: Tensor = method.attribute(
            windows.bands, baselines=baselines, additional_forward_args=(windows.valid, target), n_steps=steps,
            internal_batch_size=max(len(windows), windows_per_batch(windows.bands)),
        ).detach()  # fmt: skip
    with torch.no_grad():
        change = decision(windows.bands, windows.valid, target) - decision(baselines, windows.valid, target)
    return given, given.sum(dim=(1, 2, 3)) - change


@torch.no_grad()
def occlusion(
    decision: Decision, windows: Windows, target: Tensor, groups: Sequence[NDArray[np.int64]]
) -> NDArray[np.float32]:
    """Fall (n, G) of the probability of class `target` (n,) when a group of bands has the baseline's values.

    Parameters
    ----------
    groups
        The bands of every group; each band in one group at most.

    Raises
    ------
    RecipeError
        captum is missing.
    """
    method = load_captum().FeatureAblation(decision)
    mask = np.zeros(windows.bands.shape[1], dtype=np.int64)  # 0 for bands of no group, which captum occludes as well
    for number, members in enumerate(groups, start=1):
        mask[members] = number
    feature = torch.from_numpy(mask).to(decision.device)[None, :, None, None]
    first = [int(members[0]) for members in groups]
    parts, start = [], 0
    for batch in windows.batches():
        wanted = target[start : start + len(batch)]
        start += len(batch)
        given = method.attribute(
            batch.bands, baselines=decision.baselines(batch.valid), additional_forward_args=(batch.valid, wanted),
            feature_mask=feature.expand(1, -1, *batch.bands.shape[2:]),
        )  # fmt: skip
        middle = batch.bands.shape[-1] // 2
        parts.append(given[:, first, middle, middle].float())
    return np.asarray(torch.cat(parts).cpu().numpy())


def load_captum() -> Any:
    """The module `captum.attr`.

    Raises
    ------
    RecipeError
        It is not installed.
    """
    try:
        import captum.attr
    except ImportError:
        raise RecipeError(
            "attributions need captum, which is not installed", "install it with: pip install 'hsiattn[explain]'"
        ) from None
    return captum.attr
