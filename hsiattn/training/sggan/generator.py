"""The generator of pixels: a spectrum and its patch from one latent vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_HIDDEN, _WIDTH, _TEXTURE = 128, 32, 4


class PixelGenerator(nn.Module):
    """Prepared spectra and patches of pixels that do not exist; a reconstruction, see `hsiattn.training.sggan`.

    What a pixel is of decides its spectrum and its neighbourhood alike, so both are made from one latent vector: the
    spectrum by two dense layers, the patch by coarse cells of about 3 × 3 pixels that are enlarged and convolved
    together with a map of noise, the texture. Both lie in the space of the prepared values, and the network alone
    judges whether they belong together.

    Parameters
    ----------
    bands, channels, patch_size
        B, C and w of the network.
    latent
        L, length of the latent vector. Default: 64.

    Examples
    --------
    >>> spectra, patches = PixelGenerator(30, 4, 9).sample(5)
    >>> spectra.shape, patches.shape
    (torch.Size([5, 30]), torch.Size([5, 4, 9, 9]))
    """

    def __init__(self, bands: int, channels: int, patch_size: int, *, latent: int = 64) -> None:
        super().__init__()
        self.latent, self.patch_size = latent, patch_size
        self.side = -(-patch_size // 3)
        self.shared = nn.Sequential(nn.Linear(latent, _HIDDEN), nn.LayerNorm(_HIDDEN), nn.GELU())
        self.spectrum = nn.Sequential(nn.Linear(_HIDDEN, _HIDDEN), nn.GELU(), nn.Linear(_HIDDEN, bands))
        self.coarse = nn.Linear(_HIDDEN, _WIDTH * self.side**2)
        self.fine = nn.Sequential(
            nn.Conv2d(_WIDTH + _TEXTURE, _WIDTH, 3, padding=1), nn.GELU(), nn.Conv2d(_WIDTH, channels, 3, padding=1)
        )

    def forward(self, latent: Tensor, texture: Tensor) -> tuple[Tensor, Tensor]:
        """Spectra (N, B) and patches (N, C, w, w) of latent vectors (N, L) and noise (N, 4, w, w)."""
        shared = self.shared(latent)
        cells = functional.gelu(self.coarse(shared)).view(len(latent), _WIDTH, self.side, self.side)
        enlarged = functional.interpolate(cells, size=(self.patch_size, self.patch_size))
        return self.spectrum(shared), self.fine(torch.cat([enlarged, texture], dim=1))

    def sample(self, count: int) -> tuple[Tensor, Tensor]:
        """As `forward`, of standard normal numbers from torch's generator."""
        like = self.coarse.weight
        latent = torch.randn(count, self.latent, device=like.device)
        texture = torch.randn(count, _TEXTURE, self.patch_size, self.patch_size, device=like.device)
        made: tuple[Tensor, Tensor] = self(latent, texture)
        return made
