"""What network, gradients and occlusion say of the decisions at some pixels, as plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsiattn.explanations.attribution import STEPS, integrated_gradients, occlusion
from hsiattn.explanations.windows import Decision, Windows

_Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Evidence:
    """Decisions at n pixels; what the network does not have is None.

    Attributes
    ----------
    chosen
        (n,) index of the class that is explained.
    probability, baseline_probability
        (n,) its calibrated probability, and that in a window of the baseline's spectrum.
    bands, neighbours
        (n, B) and (n, w, w): attention.
    gradients, gradients_of_neighbours, error
        (n, B), (n, w, w) and (n,): see `Gradients`.
    occlusion
        (n, G): see `occlusion`.
    """

    chosen: NDArray[np.int64]
    probability: _Array
    baseline_probability: _Array
    bands: _Array | None
    neighbours: _Array | None
    gradients: _Array | None
    gradients_of_neighbours: _Array | None
    error: _Array | None
    occlusion: _Array | None

    @classmethod
    def of(
        cls,
        decision: Decision,
        windows: Windows,
        groups: Sequence[NDArray[np.int64]] = (),
        chosen: NDArray[np.int64] | None = None,
        *,
        steps: int = STEPS,
    ) -> Self:
        """Ask for all of it at pixels with data.

        Parameters
        ----------
        groups
            Bands that are occluded together; none to do without occlusion.
        chosen
            Class to explain at every pixel; None for the most probable one.
        steps
            Of integrated gradients.
        """
        probabilities, baseline, bands, neighbours = _seen(decision, windows)
        target = probabilities.argmax(dim=1) if chosen is None else torch.from_numpy(chosen).to(decision.device)
        gradients = integrated_gradients(decision, windows, target, steps=steps) if decision.is_differentiable else None
        return cls(
            chosen=target.cpu().numpy(),
            probability=_array(probabilities.gather(1, target[:, None])[:, 0]),
            baseline_probability=_array(baseline.gather(1, target[:, None])[:, 0]),
            bands=bands,
            neighbours=neighbours,
            gradients=None if gradients is None else gradients.bands,
            gradients_of_neighbours=None if gradients is None else gradients.neighbours,
            error=None if gradients is None else gradients.error,
            occlusion=occlusion(decision, windows, target, groups) if groups else None,
        )

    @classmethod
    def joined(cls, parts: Sequence[Evidence], order: NDArray[np.int64]) -> Evidence:
        """Parts as one; `order` holds the place in the result of every pixel of the parts."""
        back = np.argsort(order)
        names = [field.name for field in fields(cls) if getattr(parts[0], field.name) is not None]
        joined: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts])[back] for name in names}
        return replace(parts[0], **joined)


@torch.no_grad()
def _seen(decision: Decision, windows: Windows) -> tuple[Tensor, Tensor, _Array | None, _Array | None]:
    """Probabilities (n, K) of the windows and of the baseline, attention to bands and to neighbours."""
    probabilities, baseline, weights = [], [], []
    for batch in windows.batches():
        probabilities.append(decision.probabilities(batch.bands, batch.valid))
        baseline.append(decision.probabilities(decision.baselines(batch.valid), batch.valid))
        weights.append(decision.attention(batch.bands, batch.valid))
    bands, neighbours = (
        None if each[0] is None else _array(torch.cat([one for one in each if one is not None]))
        for each in zip(*weights, strict=True)
    )
    return torch.cat(probabilities), torch.cat(baseline), bands, neighbours


def _array(tensor: Tensor) -> _Array:
    return np.asarray(tensor.float().cpu().numpy())
