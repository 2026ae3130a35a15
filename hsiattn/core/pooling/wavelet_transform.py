"""The discrete wavelet transform of one level, and its inverse."""

from __future__ import annotations

import pywt
import torch
from torch import Tensor, nn
from torch.nn import functional

from hsiattn.core.block import Dimensions


class WaveletTransform(nn.Module):
    """One level of the discrete wavelet transform (Mallat 1989) of sequences or images, and its inverse.

    Along each axis, with filters h of F taps and the signal continued periodically,

        approximation[k] = Σ_j h_low[j] · x[2k + F/2 - j],    detail[k] = Σ_j h_high[j] · x[2k + F/2 - j].

    A signal of odd length is first lengthened by its last value. This is the transform that PyWavelets calls
    "periodization", with its filters, its alignment and its signs; maps shorter than the filter are continued as often
    as need be. `synthesise` undoes `analyse` (that of dmey, a filter cut short, to a few per cent only), and with an
    orthogonal wavelet and even sides the sub-bands together have the energy of x.

    Parameters
    ----------
    wavelet
        Name of any discrete wavelet of PyWavelets: haar, db2, sym4, bior2.2, bior3.3, … Default: `haar`.
    dimensions
        1 or 2. Default: 2.

    Attributes
    ----------
    bands
        Detail sub-bands per channel: 1 for sequences; 3 for images, in the order LH (low-pass along the rows, high-pass
        along the columns: horizontal edges), HL (vertical edges), HH (diagonal), PyWavelets' cH, cV and cD.
    gain
        Factor by which the approximation multiplies a constant: √2 for sequences, 2 for images.
    cellwise
        True where the filters have 2 taps, as those of haar, so that cells of 2 positions do not overlap.

    Shapes
    ------
    `analyse`: x (N, C, P) -> approximation (N, C, P/2), details (N, bands·C, P/2), the first band of all channels, then
    the second, …; odd sides are rounded up; `synthesise` back. Parameters: none; filters are not in the state dict.

    Raises
    ------
    ValueError
        There is no discrete wavelet of that name.

    Examples
    --------
    >>> transform, x = WaveletTransform("db2"), torch.randn(2, 3, 8, 8)
    >>> approximation, details = transform.analyse(x)
    >>> approximation.shape, details.shape
    (torch.Size([2, 3, 4, 4]), torch.Size([2, 9, 4, 4]))
    >>> torch.allclose(transform.synthesise(approximation, details, (8, 8)), x, atol=1e-5)
    True
    """

    analysis: Tensor
    synthesis: Tensor

    def __init__(self, wavelet: str = "haar", *, dimensions: Dimensions = 2) -> None:
        super().__init__()
        analysis, synthesis = _filters(wavelet)
        self.taps = analysis.shape[1]
        self.dimensions = dimensions
        self.bands = 2**dimensions - 1
        self.gain = 2.0 ** (dimensions / 2)
        self.cellwise = self.taps == 2
        self.register_buffer("analysis", analysis, persistent=False)
        self.register_buffer("synthesis", synthesis, persistent=False)

    def analyse(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Approximation and detail sub-bands at half the resolution; see the class for shapes."""
        if self.cellwise:
            parts = [x]
            for axis in reversed(range(self.dimensions)):
                parts = [part for each in parts for part in self._split_cells(each, axis, self.analysis)]
            return parts[0], torch.cat(parts[1:], dim=1)
        samples, channels = x.shape[:2]
        for axis in reversed(range(self.dimensions)):
            x = self._split(x, axis, self.analysis)
        bands = x.reshape(samples, channels, 1 + self.bands, *x.shape[2:])
        return bands[:, :, 0], bands[:, :, 1:].transpose(1, 2).flatten(1, 2)

    def approximate(self, x: Tensor) -> Tensor:
        """The approximation alone, for less work: (N, C, P) -> (N, C, P/2)."""
        for axis in range(self.dimensions):
            low = self.analysis[:1]
            x = self._split_cells(x, axis, low)[0] if self.cellwise else self._split(x, axis, low)
        return x

    def synthesise(self, approximation: Tensor, details: Tensor, sides: tuple[int, ...]) -> Tensor:
        """The signal with these sub-bands, cut to the sides P: (N, C, P)."""
        details = details.reshape(details.shape[0], self.bands, *approximation.shape[1:])
        bands = torch.cat([approximation.unsqueeze(2), details.transpose(1, 2)], dim=2).flatten(1, 2)
        for axis, side in enumerate(sides):
            bands = self._merge(bands, axis, side)
        return bands

    def _split(self, bands: Tensor, axis: int, filters: Tensor) -> Tensor:
        """Every band through each of f filters along one axis, f bands in its place: (N, B, ...) -> (N, f·B, ...)."""
        side = bands.shape[2 + axis]
        half = (side + 1) // 2
        signal = _periodic(bands, 2 + axis, 1 - self.taps // 2, 2 * (half - 1) + self.taps, period=2 * half)
        weight = self._weight(filters.to(bands.dtype), axis, bands.shape[1])
        convolve = functional.conv1d if self.dimensions == 1 else functional.conv2d
        return convolve(signal, weight, stride=self._stride(axis), groups=bands.shape[1])

    def _split_cells(self, x: Tensor, axis: int, filters: Tensor) -> list[Tensor]:
        """Apply each filter of 2 taps to x along one axis: as `_split`, without a convolution's overhead."""
        half = (x.shape[2 + axis] + 1) // 2
        cells = torch.unflatten(_periodic(x, 2 + axis, 0, 2 * half, period=2 * half), 2 + axis, (half, 2))
        first, second = cells.unbind(3 + axis)
        return [before * first + after * second for before, after in filters.to(x.dtype)]

    def _merge(self, bands: Tensor, axis: int, side: int) -> Tensor:
        """The inverse of `_split`, cut to the side: (N, 2B, ...) -> (N, B, ...)."""
        half, groups = bands.shape[2 + axis], bands.shape[1] // 2
        # coefficient k reaches the positions 2k + 1 - F/2 to 2k + F/2
        first, last = -(self.taps // 4), half + (self.taps // 2 - 2) // 2
        coefficients = _periodic(bands, 2 + axis, first, last - first + 1, period=half)
        weight = self._weight(self.synthesis.to(bands.dtype), axis, groups)
        convolve = functional.conv_transpose1d if self.dimensions == 1 else functional.conv_transpose2d
        signal = convolve(coefficients, weight, stride=self._stride(axis), groups=groups)
        return signal.narrow(2 + axis, self.taps // 2 - 1 - 2 * first, side)

    def _weight(self, filters: Tensor, axis: int, groups: int) -> Tensor:
        shape = [1] * self.dimensions
        shape[axis] = self.taps
        return filters.repeat(groups, 1).view(-1, 1, *shape)

    def _stride(self, axis: int) -> tuple[int, ...]:
        return tuple(2 if each == axis else 1 for each in range(self.dimensions))


def _filters(wavelet: str) -> tuple[Tensor, Tensor]:
    """Low- and high-pass (2, F) of the analysis, flipped as convolutions of torch do not flip, and of the synthesis."""
    if wavelet not in pywt.wavelist(kind="discrete"):
        raise ValueError(f"there is no discrete wavelet {wavelet!r}; choose haar, db2, sym4, bior2.2, …")
    bank = pywt.Wavelet(wavelet)
    # all digits, whatever the type of the values: they are rounded once, when used
    analysis = torch.tensor([bank.dec_lo, bank.dec_hi], dtype=torch.float64).flip(1)
    return analysis, torch.tensor([bank.rec_lo, bank.rec_hi], dtype=torch.float64)


def _periodic(x: Tensor, axis: int, first: int, count: int, *, period: int) -> Tensor:
    """Values at first, first + 1, … of the periodic continuation of x, which repeats its last to fill the period."""
    side = x.shape[axis]
    if first == 0 and count == side:
        return x
    places = torch.arange(first, first + count, device=x.device) % period
    return x.index_select(axis, places.clamp(max=side - 1))
