"""Variation of training pixels: what a pixel of the same class might as well have looked like.

Each variation is a pure function of tensors and of what was drawn; `vary` draws, from torch's own generator, and
applies those that the recipe names. Shapes are those of `LabelledPatches`: spectra (N, B), patches (N, C, w, w), valid
(N, w, w), targets (N,) or (N, K).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hsiattn.preprocessing import Preprocessing
from hsiattn.training.settings import AugmentationSettings

_OFFSET = 0.1
"""Deviation of the illumination's offset, relative to the mean reflectance, for a deviation of 1 of its gain."""
_LONGEST_RUN = 1 / 8
"""Longest run of dropped bands, as a share of all: about 30 of 240, the width of a water absorption."""


class Lighting(nn.Module):
    """What a change of illumination does to prepared values; reflectance r becomes gain · r + offset.

    Preprocessing is affine, so the gain stretches the difference from a black pixel's prepared values s₀, and the
    offset adds a multiple of a fixed vector: s' = s₀ + gain · (s - s₀) + offset · slope. This is exact for scaled
    spectra and for components alike, and needs none of the neighbours' spectra.

    Attributes
    ----------
    black_spectrum, black_components
        (B,) and (C,): prepared values where reflectance is 0.
    spectral_slope, component_slope
        (B,) and (C,): what they gain where reflectance rises by 1 in all bands.
    level
        Mean reflectance of the training pixels, the measure of offsets; in the unit of the scene.
    """

    black_spectrum: Tensor
    black_components: Tensor
    spectral_slope: Tensor
    component_slope: Tensor

    def __init__(self, preprocessing: Preprocessing, spectra: NDArray[np.float32]) -> None:
        """Make the parts for pixels prepared like the training pixels' `spectra` (N, B)."""
        super().__init__()
        gain, offset = (np.asarray(part, dtype=np.float64) for part in (preprocessing.gain, preprocessing.offset))
        projection = preprocessing.projection.astype(np.float64)
        black = -offset * gain
        vectors = {
            "black_spectrum": black,
            "black_components": projection @ black + preprocessing.shift,
            "spectral_slope": gain,
            "component_slope": projection @ gain,
        }
        for name, values in vectors.items():
            self.register_buffer(name, torch.from_numpy(values).float(), persistent=False)
        self.level = abs(float(np.mean(spectra.mean(axis=0) / gain + offset)))

    def forward(
        self, spectra: Tensor, patches: Tensor, valid: Tensor, gains: Tensor, offsets: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Spectra and patches under N gains (N,) and offsets (N,) of reflectance, each for a pixel and its patch."""
        spectra = _relit(spectra, self.black_spectrum, self.spectral_slope, gains[:, None], offsets[:, None])
        black, slope = (vector[:, None, None] for vector in (self.black_components, self.component_slope))
        relit = _relit(patches, black, slope, gains[:, None, None, None], offsets[:, None, None, None])
        return spectra, torch.where(valid[:, None], relit, patches)


def vary(
    spectra: Tensor,
    patches: Tensor,
    valid: Tensor,
    targets: Tensor,
    settings: AugmentationSettings,
    lighting: Lighting | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A random version of a batch, by what the recipe names; what it does not name draws no numbers.

    Raises
    ------
    ValueError
        The recipe varies the illumination and no `lighting` is given.
    """
    count, device = len(spectra), spectra.device
    if settings.mixup:
        partners, shares = partners_of(targets), _beta(count, settings.mixup, device)
        spectra, patches, targets = mix(spectra, patches, valid, targets, partners, shares)
    if settings.illumination:
        if lighting is None:
            raise ValueError("illumination varies reflectance, so the preprocessing must be known")
        gains = (settings.illumination * torch.randn(count, device=device)).exp()
        offsets = _OFFSET * settings.illumination * lighting.level * torch.randn(count, device=device)
        spectra, patches = lighting(spectra, patches, valid, gains, offsets)
    if settings.flips_and_rotations:
        patches, valid = orient_each(patches, valid, torch.randint(8, (count,), device=device))
    if settings.patch_shift:
        reach = settings.patch_shift
        patches, valid = shift(patches, valid, torch.randint(-reach, reach + 1, (count, 2), device=device))
    if settings.spectral_noise:
        spectra = spectra + settings.spectral_noise * torch.randn_like(spectra)
    if settings.component_noise:
        patches = patches + settings.component_noise * torch.randn_like(patches) * valid[:, None]
    if settings.band_drop:
        spectra = drop_bands(spectra, *_runs(count, spectra.shape[1], settings.band_drop, device))
    return spectra, patches, valid, targets


def orient(patches: Tensor, number: int) -> Tensor:
    """The `number`-th (0 … 7) of the eight orientations of a square: quarter turns, then their mirror images."""
    turned = torch.rot90(patches, number % 4, dims=(-2, -1))
    return turned if number < 4 else turned.flip(-1)


def orient_each(patches: Tensor, valid: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
    """Every patch and its mask in the orientation of its number (N,)."""
    size = patches.shape[-1]
    places = torch.arange(size * size, device=patches.device).view(size, size)
    origins = torch.stack([orient(places, number).flatten() for number in range(8)])[numbers]
    turned = patches.flatten(2).gather(2, origins[:, None].expand(-1, patches.shape[1], -1)).view_as(patches)
    return turned, valid.flatten(1).gather(1, origins).view_as(valid)


def shift(patches: Tensor, valid: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
    """Patches and masks moved by so many rows and columns (N, 2) against the pixel in the middle.

    What moves out is lost; the rim on the other side is 0 and not valid. Networks rely on the middle, so a patch whose
    middle would become one of the missing stays where it is.
    """
    size = patches.shape[-1]
    places = torch.arange(size, device=patches.device)
    rows, columns = (places - steps[:, axis, None] for axis in (0, 1))
    inside = ((rows >= 0) & (rows < size))[:, :, None] & ((columns >= 0) & (columns < size))[:, None, :]
    origins = (rows.clamp(0, size - 1)[:, :, None] * size + columns.clamp(0, size - 1)[:, None, :]).flatten(1)
    there = valid.flatten(1).gather(1, origins).view_as(valid) & inside
    moved = patches.flatten(2).gather(2, origins[:, None].expand(-1, patches.shape[1], -1)).view_as(patches)
    moves = there[:, size // 2, size // 2]
    patches = torch.where(moves[:, None, None, None], moved * there[:, None], patches)
    return patches, torch.where(moves[:, None, None], there, valid)


def drop_bands(spectra: Tensor, starts: Tensor, lengths: Tensor) -> Tensor:
    """Spectra with the run of `lengths` (N,) bands from band `starts` (N,) on set to 0; the length 0 drops nothing."""
    bands = torch.arange(spectra.shape[1], device=spectra.device)
    dropped = (bands >= starts[:, None]) & (bands < (starts + lengths)[:, None])
    return spectra.masked_fill(dropped, 0.0)


def mix(
    spectra: Tensor, patches: Tensor, valid: Tensor, targets: Tensor, partners: Tensor, shares: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Mix-up (Zhang et al. 2018): spectra, patches and targets of each pixel with those of its partner.

    A neighbour that the partner lacks stays as it is, one that the pixel lacks stays missing, so masks do not change.

    Parameters
    ----------
    partners
        (N,) indices of pixels; of the same class where targets are classes, which then stay.
    shares
        (N,) share (0 … 1) of the pixel itself.
    """
    beside = patches[partners]
    mixed = torch.lerp(beside, patches, shares[:, None, None, None])
    patches = torch.where((valid & valid[partners])[:, None], mixed, patches)
    spectra = torch.lerp(spectra[partners], spectra, shares[:, None])
    if targets.ndim == 2:
        targets = torch.lerp(targets[partners], targets, shares[:, None])
    return spectra, patches, targets


def partners_of(targets: Tensor) -> Tensor:
    """A random permutation (N,) of the pixels: within each class where targets are classes, else of all."""
    order = torch.randperm(len(targets), device=targets.device)
    if targets.ndim == 2:
        return order
    partners = torch.empty_like(order)
    partners[targets.argsort(stable=True)] = order[targets[order].argsort(stable=True)]
    return partners


def _relit(values: Tensor, black: Tensor, slope: Tensor, gains: Tensor, offsets: Tensor) -> Tensor:
    return black + gains * (values - black) + offsets * slope


def _beta(count: int, alpha: float, device: torch.device) -> Tensor:
    """Draws (count,) of Beta(alpha, alpha).

    Of two gamma variates, through their logarithms: Gamma(a) is Gamma(a + 1) · U^(1/a), which is 0 in single precision
    for many a draw where a is small.
    """
    gamma = torch.distributions.Gamma(torch.tensor(alpha + 1.0, device=device), torch.tensor(1.0, device=device))
    uniform = 1.0 - torch.rand(2, count, device=device)  # never 0
    first, second = gamma.sample(torch.Size((2, count))).log() + uniform.log() / alpha
    return torch.sigmoid(first - second)


def _runs(count: int, bands: int, probability: float, device: torch.device) -> tuple[Tensor, Tensor]:
    """Starts and lengths (count,) of the runs to drop: of every length up to the longest, anywhere, or of length 0."""
    longest = max(1, int(bands * _LONGEST_RUN))
    lengths = torch.randint(1, longest + 1, (count,), device=device)
    starts = (torch.rand(count, device=device) * (bands - lengths + 1)).long()
    return starts, lengths * (torch.rand(count, device=device) < probability)
