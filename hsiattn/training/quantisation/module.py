"""The Lightning module whose network computes as in int8 from some step on."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from torch import Tensor

from hsiattn.core import rounded_to_int8
from hsiattn.training.module import PixelClassification


class QuantisationAwareClassification(PixelClassification):
    """Trains the network in float32 first, and on rounded weights and inputs after that.

    Validation rounds as training does, and only weights that were trained with rounding may be kept as the best.
    """

    @property
    def settled(self) -> bool:
        """Whether the steps with rounding have begun."""
        assert self.settings.quantisation_aware is not None
        steps = int(self.trainer.estimated_stepping_batches)
        return self.global_step >= round(self.settings.quantisation_aware.start * steps)

    def member_logits(self, spectra: Tensor, patches: Tensor, valid: Tensor | None) -> Tensor:
        """Logits (M, N, K) that are trained, as int8 gives them where it is time for it."""
        with self._rounding():
            return super().member_logits(spectra, patches, valid)

    def logits(self, spectra: Tensor, patches: Tensor, valid: Tensor | None) -> Tensor:
        """Logits (N, K) by which the network is judged, likewise."""
        with self._rounding():
            return super().logits(spectra, patches, valid)

    def _rounding(self) -> AbstractContextManager[None]:
        return rounded_to_int8(self.network) if self.settled else nullcontext()
