"""SSAN made for use: small and dense-capable."""

from __future__ import annotations

from typing import Any

from hsiattn.networks.arguments import Arguments
from hsiattn.networks.branches import AttentionCNN, AttentionRNN, Place
from hsiattn.networks.two_branch import TwoBranchNetwork


class GroupedSSAN(TwoBranchNetwork):
    """Spectral-spatial attention network with band groups as steps and features fused instead of logits.

    An `AttentionRNN` over contiguous groups of bands and an `AttentionCNN` over the patch refine the linear
    discriminant of `TwoBranchNetwork`.

    Parameters
    ----------
    bands, channels, classes, patch_size
        See `SpectralSpatialNetwork`.
    group, embedding, hidden, spectral_attention, spectral_pooling
        See `AttentionRNN`.
    width, attention, attention_at, pooling
        See `AttentionCNN`.
    attention_arguments, pooling_arguments, spectral_attention_arguments, spectral_pooling_arguments
        Arguments of the chosen blocks and poolings beyond their sizes.
    frame
        Arguments of `TwoBranchNetwork`.
    """

    def __init__(
        self,
        bands: int,
        channels: int,
        classes: int,
        patch_size: int = 9,
        *,
        group: int = 8,
        embedding: int = 32,
        hidden: int = 32,
        spectral_attention: str = "additive",
        spectral_attention_arguments: Arguments = None,
        spectral_pooling: str = "none",
        spectral_pooling_arguments: Arguments = None,
        width: int = 32,
        attention: str = "spatial-gate",
        attention_arguments: Arguments = None,
        attention_at: Place = "input",
        pooling: str = "none",
        pooling_arguments: Arguments = None,
        **frame: Any,
    ) -> None:
        spectral = AttentionRNN(
            bands,
            group=group,
            embedding=embedding,
            hidden=hidden,
            attention=spectral_attention,
            attention_arguments=spectral_attention_arguments,
            pooling=spectral_pooling,
            pooling_arguments=spectral_pooling_arguments,
        )
        spatial = AttentionCNN(
            channels,
            patch_size,
            width=width,
            attention=attention,
            attention_arguments=attention_arguments,
            attention_at=attention_at,
            pooling=pooling,
            pooling_arguments=pooling_arguments,
        )
        super().__init__(bands, channels, classes, patch_size, spectral, spatial, **frame)
