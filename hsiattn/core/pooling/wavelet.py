"""Wavelet pooling."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hsiattn.core.block import Dimensions, Pooled, Pooling, only
from hsiattn.core.pooling.cells import cell_counts, filled
from hsiattn.core.pooling.wavelet_transform import WaveletTransform


class WaveletPooling(Pooling):
    """The part of x that a wavelet transform keeps when its finest details are dropped.

    Williams and Li (ICLR 2018, "Wavelet pooling for convolutional neural networks") transform twice, drop the
    sub-bands LH₁, HL₁ and HH₁ of the first order, and invert once, from those of the second order:

        result = inverse(LL₂, LH₂, HL₂, HH₂).

    As the filters reconstruct perfectly, that is LL₁, the approximation of the first order, and is computed as such.
    With the Haar wavelet it is average pooling times 2 (times √2 for sequences), on odd sides and with a mask too; an
    advantage over average pooling can only come from that factor, from longer filters, or from weights. With `weighted`
    the sub-bands of the second order are multiplied by learned squared weights before the inverse (as in Wolter and
    Garcke 2021, "Adaptive wavelet pooling for convolutional neural networks"), so that the second transform matters.

    Missing positions take the mean of what counts in their cell of 2 positions along every axis, 0 where nothing does.

    Parameters
    ----------
    channels
        C.
    wavelet
        Any discrete wavelet of PyWavelets: haar, db2, bior2.2, … Default: `haar`.
    weighted
        Learn a weight per sub-band of the second order, the same for all channels, squared, starting at 1. Default:
        False.
    mean_preserving
        Divide by the gain 2 (√2 for sequences), so that a constant map keeps its value. Default: False.
    dimensions
        1 or 2. Default: 2.

    Shapes
    ------
    As `Pooling`, with C outputs and no details. Parameters: none; with `weighted` 4, for sequences 2.

    Raises
    ------
    ValueError
        There is no discrete wavelet of that name.

    Examples
    --------
    >>> WaveletPooling(1, mean_preserving=True)(torch.ones(1, 1, 4, 4)).allclose(torch.ones(1, 1, 2, 2))
    True
    """

    def __init__(
        self,
        channels: int,
        *,
        wavelet: str = "haar",
        weighted: bool = False,
        mean_preserving: bool = False,
        dimensions: Dimensions = 2,
    ) -> None:
        super().__init__()
        self.outputs = channels
        self.transform = WaveletTransform(wavelet, dimensions=dimensions)
        self.divisor = self.transform.gain if mean_preserving else 1.0
        self.weights = nn.Parameter(torch.ones(2**dimensions)) if weighted else None
        self.cellwise = self.transform.cellwise and not weighted

    def pool(self, x: Tensor, mask: Tensor | None = None, details: Tensor | None = None) -> Pooled:
        """Pooled features; see `Pooling.pool`."""
        values = self.transform.approximate(filled(x, mask))
        cells = cell_counts(mask)
        if self.weights is not None:
            values = self._reweighted(filled(values, cells), self.weights.square())
        return Pooled(only(values / self.divisor, cells), cells, None)

    def _reweighted(self, values: Tensor, weights: Tensor) -> Tensor:
        approximation, details = self.transform.analyse(values)
        per_channel = weights[1:].repeat_interleave(values.shape[1])
        details = details * per_channel.view(-1, *(1 for _ in values.shape[2:]))
        return self.transform.synthesise(approximation * weights[0], details, tuple(values.shape[2:]))
