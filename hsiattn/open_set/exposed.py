"""A layer that was trained, beside the classes, on spectra of other things."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from hsiattn.open_set.detector import Detector, need_shape


@dataclass(frozen=True, eq=False)
class Exposed(Detector):
    """Logit of being no known class, linear in the features of a network that saw other things in training.

    Outlier exposure (Hendrycks, Mazeika and Dietterich 2019, ICLR), by a logistic loss of its own. It comes with the
    network that it was trained with, so labelled pixels alone do not fit it.

    Attributes
    ----------
    weight, bias
        (F,) and (1,).
    """

    name: ClassVar[str] = "exposed"

    weight: Tensor
    bias: Tensor

    def score(self, features: Tensor, logits: Tensor, look: Tensor) -> Tensor:
        """See `Detector.score`."""
        return features.float() @ self.weight.to(features.device) + self.bias.to(features.device)

    def check(self, *, features: int, classes: int, bands: int, look: int) -> None:
        """See `Detector.check`."""
        need_shape("weight", self.weight, features)
        need_shape("bias", self.bias, 1)
