"""Unknown material in a map: which pixels look like no class that the model was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from hsiattn.classes import UNLABELLED
from hsiattn.errors import OutputError, RecipeError
from hsiattn.mapping.legend import Legend
from hsiattn.mapping.provenance import UnknownTags
from hsiattn.open_set.settings import ACCEPT as ACCEPT

if TYPE_CHECKING:
    from torch import Tensor

    from hsiattn.models.described_model import DescribedModel
    from hsiattn.open_set import OpenSet


@dataclass(frozen=True, eq=False)
class UnknownRule:
    """Which pixels of a map get the code of unknown material.

    Attributes
    ----------
    open_set
        Detector of the model, with the scores of known pixels that it was calibrated on.
    accept
        Share of known pixels below whose highest score a pixel counts as known, 0 … 1.
    """

    open_set: OpenSet
    accept: float

    @classmethod
    def of(cls, model: DescribedModel, accept: float | None) -> Self | None:
        """The rule of a model; None where unknown material is not asked for.

        Raises
        ------
        OutputError
            The share is no number between 0 and 1.
        RecipeError
            The model was trained without a detector.
        """
        if accept is None:
            return None
        check_accept(accept)
        if model.open_set is None:
            raise no_detector("it was trained without a detector of it")
        return cls(model.open_set, float(accept))

    @property
    def threshold(self) -> float:
        """Score above which a pixel is of unknown material."""
        return self.open_set.threshold(self.accept)

    def scores(
        self, features: Tensor, logits: Tensor, look: NDArray[np.float32], wanted: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Scores (h, w) of the detector, higher where material is more likely unknown; NaN where not wanted.

        Parameters
        ----------
        features, logits
            (F, h, w) and (K, h, w) of the network, on one device.
        look
            (B, h, w) or more, see `hsiattn.open_set.look`.
        wanted
            (h, w), True where they are defined.
        """
        scores = np.full(wanted.shape, np.nan, dtype=np.float32)
        if not wanted.any():
            return scores
        seen = features, logits, logits.new_tensor(look)
        rows = [planes.flatten(1).T for planes in seen]
        if not wanted.all():
            chosen = np.flatnonzero(wanted)
            rows = [pixels[chosen] for pixels in rows]
        scores[wanted] = self.open_set.score(rows[0], rows[1], rows[2]).cpu().numpy()
        return scores

    def tags(self, legend: Legend) -> UnknownTags:
        """What the map says of it."""
        return UnknownTags(legend.code or UNLABELLED, self.open_set.detector.name, self.accept, self.threshold)


def no_detector(why: str) -> RecipeError:
    """The error of a model, trained or about to be, that cannot tell unknown material."""
    return RecipeError(
        f"the model cannot tell unknown material: {why}", "train a model with open_set=, or map without unknown="
    )


def check_accept(accept: float) -> None:
    """Refuse a share of known pixels that is none.

    Raises
    ------
    OutputError
        It is no number between 0 and 1.
    """
    if not 0 < accept < 1:
        raise OutputError(
            f"{accept:g} is no share of the known pixels to accept", "give accept= between 0 and 1, such as 0.95"
        )
