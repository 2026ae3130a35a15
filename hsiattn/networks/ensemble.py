"""Several networks of one kind as one network."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor, nn

from hsiattn.networks.base import AttentionWeights, SpectralSpatialNetwork, mean_weights
from hsiattn.networks.by_name import create_network


class Ensemble(SpectralSpatialNetwork):
    """The mean of the class probabilities of networks that differ in their weights alone.

    Members trained from other initial weights, in another order, err in other places, and the mean of their
    probabilities is better calibrated than any of them (Lakshminarayanan, Pritzel and Blundell 2017). It costs as many
    times the evaluation of one. Logits are logarithms of the mean probabilities.

    Trained as one network, as a recipe may ask for, every member still learns from its own errors. The error of the
    mean would leave a member alone that is surely wrong where another is surely right (learner collusion: Jeffares,
    Liu, Crabbé and van der Schaar 2023).

    Parameters
    ----------
    bands, channels, classes, patch_size
        See `SpectralSpatialNetwork`.
    member
        Name of the networks. Default: `grouped-ssan`.
    members
        How many. Default: 3.
    member_arguments
        Of each of them. Default: None.

    Examples
    --------
    >>> network = Ensemble(30, 4, 3, 9, member="attendnet", members=2, member_arguments={"width": 8})
    >>> network(torch.randn(5, 30), torch.randn(5, 4, 9, 9)).shape
    torch.Size([5, 3])
    """

    def __init__(
        self,
        bands: int,
        channels: int,
        classes: int,
        patch_size: int,
        *,
        member: str = "grouped-ssan",
        members: int = 3,
        member_arguments: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(bands, channels, classes, patch_size)
        if members < 1:
            raise ValueError(f"an ensemble of {members} members has no opinion")
        sizes = {"bands": bands, "channels": channels, "classes": classes, "patch_size": patch_size}
        networks = [create_network(member, **sizes, **(member_arguments or {})) for _ in range(members)]
        if networks[0].edge != self.edge:
            raise ValueError(f"{member} wants patches beyond the scene's edge filled otherwise than an ensemble does")
        self.members = nn.ModuleList(networks)
        self.dense_capable = networks[0].dense_capable

    def forward(self, spectra: Tensor, patches: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logarithms (N, K) of the mean probabilities; see `SpectralSpatialNetwork.forward`."""
        return log_mean_softmax([member(spectra, patches, valid) for member in self.members], dim=1)

    def member_logits(self, spectra: Tensor, patches: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits of all members; see `SpectralSpatialNetwork.member_logits`."""
        return torch.cat([member.member_logits(spectra, patches, valid) for member in self._each])

    def dense(self, spectra: Tensor, components: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits of a tile's core (K, h, w'); see `SpectralSpatialNetwork.dense`."""
        return log_mean_softmax([member.dense(spectra, components, valid) for member in self._each], dim=0)

    def forward_with_features(
        self, spectra: Tensor, patches: Tensor, valid: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Features of all members side by side; see `SpectralSpatialNetwork.forward_with_features`."""
        each = [member.forward_with_features(spectra, patches, valid) for member in self._each]
        logits, features = zip(*each, strict=True)
        return log_mean_softmax(list(logits), dim=1), torch.cat(features, dim=1)

    def dense_with_features(
        self, spectra: Tensor, components: Tensor, valid: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """See `SpectralSpatialNetwork.dense_with_features`."""
        each = [member.dense_with_features(spectra, components, valid) for member in self._each]
        logits, features = zip(*each, strict=True)
        return log_mean_softmax(list(logits), dim=0), torch.cat(features)

    def attention_weights(self, spectra: Tensor, patches: Tensor, valid: Tensor | None = None) -> AttentionWeights:
        """Means of those of the members; see `SpectralSpatialNetwork.attention_weights`."""
        each = zip(*(member.attention_weights(spectra, patches, valid) for member in self._each), strict=True)
        return AttentionWeights(*map(mean_weights, each))

    def set_class_counts(self, counts: Tensor) -> None:
        """Hand them to every member; see `SpectralSpatialNetwork.set_class_counts`."""
        for member in self._each:
            member.set_class_counts(counts)

    @property
    def _each(self) -> list[SpectralSpatialNetwork]:
        return [cast(SpectralSpatialNetwork, member) for member in self.members]


def log_mean_softmax(logits: list[Tensor], dim: int) -> Tensor:
    """Logarithm of the mean softmax over members, with classes along an axis; underflow cannot happen."""
    logs = torch.stack([torch.log_softmax(each.float(), dim=dim) for each in logits])
    return torch.logsumexp(logs, dim=0) - math.log(len(logits))
