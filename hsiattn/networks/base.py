"""What every network that classifies pixels from a spectrum and a patch has in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from hsiattn.networks.units import Anatomy, Kept

Edge = Literal["reflect", "zero"]


class AttentionWeights(NamedTuple):
    """What a network attends to, for N pixels.

    Attributes
    ----------
    bands
        (N, B), at least 0, with sum 1; None where the network does not weigh bands.
    neighbours
        (N, w, w), at least 0, 0 for neighbours that are missing, the others with sum 1; None where the network does not
        weigh neighbours.

    Examples
    --------
    >>> AttentionWeights(bands=torch.tensor([[0.2, 0.8]])).neighbours is None
    True
    """

    bands: Tensor | None = None
    neighbours: Tensor | None = None


class SpectralSpatialNetwork(nn.Module):
    """A network with a spectral branch on the pixel and a spatial branch on its patch.

    Shapes: N pixels, B prepared bands, C component channels, w × w patch, K classes; a tile has h × w' pixels in its
    core and a halo of w // 2 around it, so H = h + w - 1.

    Parameters
    ----------
    bands, channels, classes
        B, C and K.
    patch_size
        w, odd: side of the window around the pixel, in pixels.

    Attributes
    ----------
    edge
        How patches are filled beyond the edge of the scene: `reflect`, or `zero` where the source of a network says so.
    dense_capable
        True where `dense` evaluates whole tiles and equals `forward` on every pixel's patch; may depend on the
        arguments of the network.
    growing
        Names of its arguments that count blocks which, fresh, change nothing: with one more of each and the weights
        that it has, a trained network becomes a deeper one with the same logits; see `hsiattn.networks.grown`.

    Examples
    --------
    >>> class Linear(SpectralSpatialNetwork):
    ...     def __init__(self, bands: int, channels: int, classes: int, patch_size: int) -> None:
    ...         super().__init__(bands, channels, classes, patch_size)
    ...         self.layer = nn.Linear(bands, classes)
    ...
    ...     def forward(self, spectra, patches, valid=None):
    ...         return self.layer(spectra)
    >>> Linear(30, 4, 3, 9)(torch.randn(5, 30), torch.randn(5, 4, 9, 9)).shape
    torch.Size([5, 3])
    """

    edge: Edge = "reflect"
    dense_capable: bool = False
    growing: ClassVar[tuple[str, ...]] = ()

    def __init__(self, bands: int, channels: int, classes: int, patch_size: int) -> None:
        super().__init__()
        if patch_size % 2 == 0 or patch_size < 1:
            raise ValueError(f"patch_size must be odd and positive, not {patch_size}")
        self.bands = bands
        self.channels = channels
        self.classes = classes
        self.patch_size = patch_size

    def forward(self, spectra: Tensor, patches: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits of N pixels.

        Parameters
        ----------
        spectra
            (N, B), prepared.
        patches
            (N, C, w, w), prepared; 0 where not valid.
        valid
            (N, w, w) bool, False where the neighbour is missing; None when all are there.

        Returns
        -------
        (N, K)
        """
        raise NotImplementedError(type(self).__name__)

    def member_logits(self, spectra: Tensor, patches: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits (M, N, K) of every part that learns from errors of its own, as training needs them.

        Arguments as in `forward`. The loss is the mean of those of the M parts. By default there is one part, the
        network.
        """
        logits: Tensor = self(spectra, patches, valid)
        return logits[None]

    def dense(self, spectra: Tensor, components: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits of every pixel of a tile's core: spectra (B, h, w'), components (C, H, W), valid (H, W) -> (K, h, w').

        Without `valid`, all pixels are there.
        """
        raise NotImplementedError(f"{type(self).__name__} sees its patch as a whole and has no dense form")

    def forward_with_features(
        self, spectra: Tensor, patches: Tensor, valid: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits (N, K) and the features (N, F) that the last layer makes them of; arguments as in `forward`.

        Pixels that look alike to the network lie near each other in these features, whatever their classes. A network
        without such a layer gives its logits for both.
        """
        logits: Tensor = self(spectra, patches, valid)
        return logits, logits

    def dense_with_features(
        self, spectra: Tensor, components: Tensor, valid: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits (K, h, w') and features (F, h, w') of every pixel of a tile's core; arguments as in `dense`.

        For every pixel they are those that `forward_with_features` gives on its patch.
        """
        logits = self.dense(spectra, components, valid)
        return logits, logits

    def read_spectra(self, spectra: Tensor) -> Tensor:
        """What `forward_read` wants of spectra (N, B), one row per pixel: all that does not depend on the patch.

        Whoever shows a pixel's patch several times, as test-time augmentation does, reads its spectrum once. By default
        the spectra themselves: nothing is saved.
        """
        return spectra

    def forward_read(self, read: Tensor, patches: Tensor, valid: Tensor | None = None) -> Tensor:
        """`forward` from what `read_spectra` gave."""
        logits: Tensor = self(read, patches, valid)
        return logits

    def read_spectra_of_tile(self, spectra: Tensor) -> Tensor:
        """What `dense_read` wants of spectra (B, h, w'): (…, h, w'); as `read_spectra` for pixels."""
        return spectra

    def dense_read(self, read: Tensor, components: Tensor, valid: Tensor | None = None) -> Tensor:
        """`dense` from what `read_spectra_of_tile` gave."""
        return self.dense(read, components, valid)

    def attention_weights(self, spectra: Tensor, patches: Tensor, valid: Tensor | None = None) -> AttentionWeights:
        """What the network attends to; arguments as in `forward`. By default it weighs neither bands nor neighbours.

        Weights of a group of bands, of a ring or of another part are divided equally among what the part consists of.
        """
        return AttentionWeights()

    def anatomy(self) -> Anatomy:
        """Units that pruning may take away; see `hsiattn.networks.units`. By default there are none."""
        return Anatomy((), {})

    def slimmed_arguments(self, arguments: Mapping[str, Any], kept: Kept) -> dict[str, Any]:
        """What `create_network` makes the same network from with only those units, its own arguments being given."""
        raise NotImplementedError(f"{type(self).__name__} has no units that it can do without")

    def set_class_counts(self, counts: Tensor) -> None:
        """Take in how many training pixels every class has, (K,), before the first step; by default nothing is done."""


def mean_weights(each: Iterable[Tensor | None]) -> Tensor | None:
    """Mean of the weights that there are; None where there are none."""
    weights = [one for one in each if one is not None]
    return torch.stack(weights).mean(dim=0) if weights else None


def patches_of_tile(components: Tensor, valid: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Every pixel's patch as strided views, nothing copied.

    (C, H, W) and (H, W) -> (h, w', C, size, size) and (h, w', size, size).

    Examples
    --------
    >>> patches, valid = patches_of_tile(torch.randn(4, 28, 33), torch.ones(28, 33, dtype=torch.bool), 9)
    >>> patches.shape, valid.shape
    (torch.Size([20, 25, 4, 9, 9]), torch.Size([20, 25, 9, 9]))
    """
    patches = components.unfold(1, size, 1).unfold(2, size, 1).permute(1, 2, 0, 3, 4)
    return patches, valid.unfold(0, size, 1).unfold(1, size, 1)


def if_any_missing(valid: Tensor) -> Tensor | None:
    """The mask itself, or None where nothing is missing: the usual case, which networks then compute without masks.

    Examples
    --------
    >>> if_any_missing(torch.ones(5, 9, 9, dtype=torch.bool)) is None
    True
    """
    return None if bool(valid.all()) else valid
