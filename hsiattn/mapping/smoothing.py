"""Class probabilities averaged between neighbours that look alike: fields become even, and their edges stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from hsiattn.errors import OutputError, RecipeError
from hsiattn.models.described_model import DescribedModel

if TYPE_CHECKING:
    from torch import Tensor

MOST_STEPS = 32
"""More would change little: what the network says of a pixel itself always counts."""

_HOLD = 0.1
_SCALE = 0.25
"""Squared distance per component at which a neighbour's weight falls to 1/e.

Neighbours in one field are about 0.5 to 1 apart in that measure; eight of them together then weigh 1 to 10 times the
hold, and one across an edge next to nothing. Both numbers were chosen on simulated scenes.
"""

_MOST_GUIDES = 20
"""Most components that guide: later ones are mostly noise, and the numbers above were chosen with these."""

Plane = tuple[slice, slice]

_BYTES = 4
"""Of a number in float32."""


@dataclass(frozen=True)
class Smoothing:
    """So many steps towards probabilities that alike neighbours share.

    The aim v minimises s · Σ |v_i - u_i|² + Σ w_ij |v_i - v_j|² over pixels i and neighbours ij by side or corner
    (random walker with priors, Grady 2005, as for pseudo-labels), with u what the network says,
    w_ij = exp(-|g_i - g_j|² / scale) and g the noise components. Each step is one of Jacobi's method from u:
    v_i = (s u_i + Σ_j w_ij v_j) / (s + Σ_j w_ij). A pixel thus depends on no other that is more than `steps` rows or
    columns away, and the scale comes with the model: windows of any size give the same map.

    Attributes
    ----------
    steps
        Number of steps, and of pixels that smoothing reaches.
    guide
        The first noise components, 20 at most, among all components.
    """

    steps: int
    guide: range

    @classmethod
    def of(cls, model: DescribedModel, steps: int) -> Self | None:
        """The smoothing of a model's maps; None for 0 steps.

        Raises
        ------
        OutputError
            The number is out of range.
        RecipeError
            The model has no noise components.
        """
        settings = model.recipe.get("preprocessing", {})
        check_smoothing(steps, settings)
        if not steps:
            return None
        bands = len(model.preprocessing.offset)
        first = bands * bool(settings.get("bands_as_components")) + settings.get("principal_components", 0)
        return cls(steps, range(first, first + min(settings["noise_components"], bands, _MOST_GUIDES)))

    def bytes_per_pixel(self, classes: int) -> int:
        """Bytes that are kept of every pixel of a window until all of them are known."""
        return (classes + len(self.guide)) * _BYTES

    def guide_of(self, components: Any) -> Any:
        """The noise components (G, …) of components (C, …)."""
        return components[self.guide.start : self.guide.stop]

    def __call__(self, shares: Tensor, guide: Tensor, present: Tensor) -> Tensor:
        """Smoothed probabilities (K, H, W).

        Parameters
        ----------
        shares
            (K, H, W) probabilities; whatever stands at missing pixels has no influence.
        guide
            (G, H, W) noise components, finite everywhere.
        present
            (H, W) bool, False where a pixel is missing.
        """
        scale = _SCALE * len(guide)
        shares = shares.where(present, 0.0)
        total = shares.new_full(shares.shape[1:], _HOLD)
        links: list[tuple[Plane, Plane, Tensor]] = []
        for here, there in _neighbours():
            distance = (guide[:, *here] - guide[:, *there]).square().sum(dim=0)
            weight = (-distance / scale).exp() * (present[here] & present[there])
            total[here] += weight
            total[there] += weight
            links.append((here, there, weight))
        smoothed = shares
        for _ in range(self.steps):
            sums = _HOLD * shares
            for here, there, weight in links:
                sums[:, *here] += weight * smoothed[:, *there]
                sums[:, *there] += weight * smoothed[:, *here]
            smoothed = sums.div_(total)
        return smoothed


def check_smoothing(steps: int, preprocessing: Mapping[str, Any]) -> None:
    """Refuse a number of steps that is out of range, and any with a preprocessing that has no noise components.

    Parameters
    ----------
    preprocessing
        Section of the recipe.

    Raises
    ------
    OutputError, RecipeError
        One of them is the case.
    """
    if not 0 <= steps <= MOST_STEPS:
        raise OutputError(f"{steps} is no number of smoothing steps", f"give 0 for none, up to {MOST_STEPS}")
    if steps and not preprocessing.get("noise_components"):
        raise RecipeError(
            "a model without noise components cannot tell where smoothing must stop",
            "leave smoothing out, or train by a recipe with preprocessing.noise_components, as the default one",
        )


def _neighbours() -> Iterator[tuple[Plane, Plane]]:
    """Slices of pixels and their neighbours: to the right, below, and below to both sides."""
    whole, first, last = slice(None), slice(None, -1), slice(1, None)
    yield (whole, first), (whole, last)
    yield (first, whole), (last, whole)
    yield (first, first), (last, last)
    yield (first, last), (last, first)
