"""SSAN made for use: small and dense-capable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from hsiattn.networks.arguments import Arguments
from hsiattn.networks.attention_cnn import AttentionCNN, Place
from hsiattn.networks.attention_rnn import AttentionRNN
from hsiattn.networks.two_branch import TwoBranchNetwork
from hsiattn.networks.units import Kept


class GroupedSSAN(TwoBranchNetwork):
    """Spectral-spatial attention network with band groups as steps and features fused instead of logits.

    An `AttentionRNN` over contiguous groups of bands and an `AttentionCNN` over the patch refine the linear
    discriminant of `TwoBranchNetwork`.

    Parameters
    ----------
    bands, channels, classes, patch_size
        See `SpectralSpatialNetwork`; patch_size has the default 9.
    group, embedding, hidden, kept_groups, spectral_attention, spectral_pooling
        See `AttentionRNN`. Defaults: 8, 32, 32, None, `additive`, `none`.
    width, kept_components, attention, attention_at, pooling
        See `AttentionCNN`. Defaults: 32, None, `spatial-gate`, `input`, `none`.
    spatial_blocks
        Residual blocks among the convolutions, `blocks` of `AttentionCNN`. Default: 0.
    attention_arguments, pooling_arguments, spectral_attention_arguments, spectral_pooling_arguments
        Arguments of the chosen blocks and poolings beyond their sizes. Default: None.
    frame
        Arguments of `TwoBranchNetwork`.

    Examples
    --------
    >>> import torch
    >>> network = GroupedSSAN(bands=30, channels=4, classes=3, patch_size=9, width=16, pooling="max")
    >>> network(torch.randn(5, 30), torch.randn(5, 4, 9, 9)).shape
    torch.Size([5, 3])
    >>> network.eval().dense(torch.randn(30, 20, 25), torch.randn(4, 28, 33)).shape
    torch.Size([3, 20, 25])
    """

    growing: ClassVar[tuple[str, ...]] = ("residual_blocks", "spatial_blocks")

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
        kept_groups: Sequence[int] | None = None,
        spectral_attention: str = "additive",
        spectral_attention_arguments: Arguments = None,
        spectral_pooling: str = "none",
        spectral_pooling_arguments: Arguments = None,
        width: int | Sequence[int] = 32,
        kept_components: Sequence[int] | None = None,
        attention: str = "spatial-gate",
        attention_arguments: Arguments = None,
        attention_at: Place = "input",
        pooling: str = "none",
        pooling_arguments: Arguments = None,
        spatial_blocks: int = 0,
        **frame: Any,
    ) -> None:
        spectral = AttentionRNN(
            bands,
            group=group,
            embedding=embedding,
            hidden=hidden,
            kept_groups=kept_groups,
            attention=spectral_attention,
            attention_arguments=spectral_attention_arguments,
            pooling=spectral_pooling,
            pooling_arguments=spectral_pooling_arguments,
        )
        spatial = AttentionCNN(
            channels,
            patch_size,
            width=width,
            kept_components=kept_components,
            attention=attention,
            attention_arguments=attention_arguments,
            attention_at=attention_at,
            pooling=pooling,
            pooling_arguments=pooling_arguments,
            blocks=spatial_blocks,
        )
        super().__init__(bands, channels, classes, patch_size, spectral, spatial, **frame)

    def slimmed_arguments(self, arguments: Mapping[str, Any], kept: Kept) -> dict[str, Any]:
        """See `SpectralSpatialNetwork.slimmed_arguments`."""
        spectral = self.spectral.slimmed(kept) if self.spectral.anatomy().units else {}
        if (of_attention := spectral.pop("attention_arguments", None)) is not None:
            spectral["spectral_attention_arguments"] = of_attention
        spatial = self.spatial.slimmed(kept) if self.spatial.anatomy().units else {}
        return {**arguments, **spectral, **spatial}
