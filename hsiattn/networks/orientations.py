"""Test-time augmentation: a network that sees every patch from all sides before it decides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import Tensor

from hsiattn.networks.base import AttentionWeights, SpectralSpatialNetwork, mean_weights
from hsiattn.networks.by_name import create_network
from hsiattn.networks.ensemble import log_mean_softmax

Orientations = Literal[4, 8]


class AugmentedAtTestTime(SpectralSpatialNetwork):
    """The mean of the class probabilities that one network gives to a patch in each of its orientations.

    A field has no preferred direction, and a sensor's image of it may lie any way round; whatever the network makes of
    the direction is chance, and the mean leaves it out (Krizhevsky, Sutskever and Hinton 2012 average over crops and
    mirror images of photographs). Weights are those of one network. Its spatial part is evaluated as many times as
    there are orientations; the spectrum of the pixel has none and is read once where the network allows. In training it
    is the network itself, whose patches are turned by chance. Logits are logarithms of the mean probabilities.

    Parameters
    ----------
    bands, channels, classes, patch_size
        See `SpectralSpatialNetwork`.
    member
        Name of the network. Default: `grouped-ssan`.
    member_arguments
        Its arguments. Default: None.
    orientations
        4: turned by quarters; 8: these and their mirror images. Default: 8.

    Examples
    --------
    >>> member = {"width": 8, "attention": "none"}
    >>> network = AugmentedAtTestTime(30, 4, 3, 9, member="grouped-ssan", member_arguments=member).eval()
    >>> spectra, patches = torch.randn(5, 30), torch.randn(5, 4, 9, 9)
    >>> torch.allclose(network(spectra, patches), network(spectra, patches.flip(-1)), atol=1e-5)
    True
    """

    def __init__(
        self,
        bands: int,
        channels: int,
        classes: int,
        patch_size: int,
        *,
        member: str = "grouped-ssan",
        member_arguments: dict[str, Any] | None = None,
        orientations: Orientations = 8,
    ) -> None:
        super().__init__(bands, channels, classes, patch_size)
        sizes = {"bands": bands, "channels": channels, "classes": classes, "patch_size": patch_size}
        self.member = create_network(member, **sizes, **(member_arguments or {}))
        if self.member.edge != self.edge:
            raise ValueError(f"{member} sees nothing beyond the scene's edge, test-time augmentation mirrors the scene")
        self.orientations = orientations
        self.dense_capable = self.member.dense_capable

    def forward(self, spectra: Tensor, patches: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logarithms (N, K) of the mean probabilities; in training logits. See `SpectralSpatialNetwork.forward`."""
        if self.training:
            plain: Tensor = self.member(spectra, patches, valid)
            return plain
        read = self.member.read_spectra(spectra)
        turns = self._turns()
        return log_mean_softmax(
            [
                self.member.forward_read(
                    read, _turned(patches, *turn), None if valid is None else _turned(valid, *turn)
                )
                for turn in turns
            ],
            dim=1,
        )

    def member_logits(self, spectra: Tensor, patches: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits of the network itself; see `SpectralSpatialNetwork.member_logits`."""
        return self.member.member_logits(spectra, patches, valid)

    def dense(self, spectra: Tensor, components: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits of a tile's core (K, h, w'); see `SpectralSpatialNetwork.dense`."""
        if not self.dense_capable:
            return super().dense(spectra, components, valid)
        read = self.member.read_spectra_of_tile(spectra)
        logits = []
        for turn in self._turns():
            seen = _turned(read, *turn), _turned(components, *turn), None if valid is None else _turned(valid, *turn)
            logits.append(_turned_back(self.member.dense_read(*seen), *turn))
        return log_mean_softmax(logits, dim=0)

    def forward_with_features(
        self, spectra: Tensor, patches: Tensor, valid: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Means over all orientations, of the features too; see `SpectralSpatialNetwork.forward_with_features`."""
        if self.training:
            return self.member.forward_with_features(spectra, patches, valid)
        each = [
            self.member.forward_with_features(
                spectra, _turned(patches, *turn), None if valid is None else _turned(valid, *turn)
            )
            for turn in self._turns()
        ]
        logits, features = zip(*each, strict=True)
        return log_mean_softmax(list(logits), dim=1), torch.stack(features).mean(dim=0)

    def dense_with_features(
        self, spectra: Tensor, components: Tensor, valid: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """See `SpectralSpatialNetwork.dense_with_features`."""
        logits, features = [], []
        for turn in self._turns():
            seen = (
                _turned(spectra, *turn), _turned(components, *turn), None if valid is None else _turned(valid, *turn)
            )  # fmt: skip
            pair = self.member.dense_with_features(*seen)
            logits.append(_turned_back(pair[0], *turn))
            features.append(_turned_back(pair[1], *turn))
        return log_mean_softmax(logits, dim=0), torch.stack(features).mean(dim=0)

    def attention_weights(self, spectra: Tensor, patches: Tensor, valid: Tensor | None = None) -> AttentionWeights:
        """Means of those of all orientations; see `SpectralSpatialNetwork.attention_weights`."""
        bands, neighbours = None, []
        for turn in self._turns():
            mask = None if valid is None else _turned(valid, *turn)
            bands, weights = self.member.attention_weights(spectra, _turned(patches, *turn), mask)
            neighbours.append(None if weights is None else _turned_back(weights, *turn))
        return AttentionWeights(bands, mean_weights(neighbours))

    def set_class_counts(self, counts: Tensor) -> None:
        """Hand them to the network itself; see `SpectralSpatialNetwork.set_class_counts`."""
        self.member.set_class_counts(counts)

    def _turns(self) -> Iterator[tuple[int, bool]]:
        """Quarters of a turn, and whether mirrored."""
        return ((quarters, mirrored) for mirrored in (False, True)[: self.orientations // 4] for quarters in range(4))


def _turned(x: Tensor, quarters: int, mirrored: bool) -> Tensor:
    """Rows and columns (…, H, W) mirrored and then turned."""
    return torch.rot90(x.flip(-1) if mirrored else x, quarters, (-2, -1))


def _turned_back(x: Tensor, quarters: int, mirrored: bool) -> Tensor:
    """The inverse of `_turned`."""
    x = torch.rot90(x, -quarters, (-2, -1))
    return x.flip(-1) if mirrored else x
