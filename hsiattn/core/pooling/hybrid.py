"""Hybrid pooling: a reconstruction from the abstract of Trevino-Sanchez and Alarcon-Aquino.

"Hybrid pooling with wavelets for convolutional neural networks" (Journal of Intelligent & Fuzzy Systems 2022,
DOI 10.3233/JIFS-219223) gives its equations in the paper only. The form here satisfies what the abstract claims: inside
the layers of a network an existing pooling method, here the maximum, is combined with a wavelet transform; the details
that down-sampling loses are kept; and they enrich other stages of the network, with `detail="skip"` all those to come.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from hsiattn.core.block import Dimensions, Pooled, Pooling, convolution, only
from hsiattn.core.pooling.cells import cell_counts, filled
from hsiattn.core.pooling.max_average import MaxPooling
from hsiattn.core.pooling.wavelet_transform import WaveletTransform

Detail = Literal["concat", "skip"]
"""concat: details of this stage alone; skip: added to those of the stages before, and handed on."""


class HybridPooling(Pooling):
    """Maximum and wavelet approximation mixed, with the details of the transform as further channels.

    With LL the approximation, LH, HL, HH the details of one wavelet transform of x and g = 2 its gain (√2, and a single
    detail band, for sequences),

        z = a · max(x) + (1 - a) · LL / g,    D = W [LH, HL, HH] + b,    result = [z, carried].

    a = σ(α) is learned per channel and starts at 0.5, W a 1×1 convolution. carried = D with `detail="concat"`; with
    "skip" it is D + LL(details) / g, the details being what the pooling before carried, and is handed to the next.

    Missing positions take the mean of what counts in their cell before the transform, as in `WaveletPooling`, and no
    part in the maximum.

    Parameters
    ----------
    channels
        C.
    wavelet
        Any discrete wavelet of PyWavelets: haar, db2, bior2.2, … Default: `haar`.
    detail
        Whether details end with this stage ("concat") or are carried through those to come ("skip"). Default: `concat`.
    detail_channels
        D's channels. With "skip" they must be the same in every stage, hence not a share of C. Default: 8.
    dimensions
        1 or 2. Default: 2.
    identity_start
        Starts W and b at 0, so that the fresh pooling adds nothing but zeros to z. Default: False.

    Shapes
    ------
    As `Pooling`, with C + d outputs for d detail channels; with "skip" details (N, d, P) or
    None -> (N, d, P/2), with "concat" -> None. Parameters: C + (3C + 1)·d, for sequences C + (C + 1)·d.

    Raises
    ------
    ValueError
        Unknown wavelet or `detail`, or fewer than 1 detail channel; when called, with "skip", details that have not d
        channels or not the sides of x.

    Examples
    --------
    >>> pooling = HybridPooling(8, detail="skip", detail_channels=3)
    >>> values, _, details = pooling(torch.randn(2, 8, 9, 9), None)
    >>> values.shape, details.shape
    (torch.Size([2, 11, 5, 5]), torch.Size([2, 3, 5, 5]))
    """

    def __init__(
        self,
        channels: int,
        *,
        wavelet: str = "haar",
        detail: Detail = "concat",
        detail_channels: int = 8,
        dimensions: Dimensions = 2,
        identity_start: bool = False,
    ) -> None:
        super().__init__()
        if detail not in get_args(Detail):
            raise ValueError(f"detail must be one of {', '.join(get_args(Detail))}, not {detail!r}")
        if detail_channels < 1:
            raise ValueError(f"detail_channels must be at least 1, not {detail_channels}")
        self.outputs = channels + detail_channels
        self.detail_channels = detail_channels
        self.skip = detail == "skip"
        self.maximum = MaxPooling(channels, dimensions=dimensions)
        self.transform = WaveletTransform(wavelet, dimensions=dimensions)
        self.cellwise = self.transform.cellwise
        self.balance = nn.Parameter(torch.zeros(channels, *(1 for _ in range(dimensions))))
        self.condense = convolution(dimensions, self.transform.bands * channels, detail_channels)
        if identity_start:
            for parameter in self.condense.parameters():
                nn.init.zeros_(parameter)

    def pool(self, x: Tensor, mask: Tensor | None = None, details: Tensor | None = None) -> Pooled:
        """Pooled features followed by detail channels; see `Pooling.pool`."""
        cells = cell_counts(mask)
        approximation, bands = self.transform.analyse(filled(x, mask))
        share = torch.sigmoid(self.balance)
        mixed = share * self.maximum.pool(x, mask).values + (1 - share) * approximation / self.transform.gain
        carried: Tensor = self.condense(bands)
        if self.skip and details is not None:
            self._check(x, details)
            carried = carried + self.transform.approximate(filled(details, mask)) / self.transform.gain
        carried = only(carried, cells)
        return Pooled(torch.cat([only(mixed, cells), carried], dim=1), cells, carried if self.skip else None)

    def _check(self, x: Tensor, details: Tensor) -> None:
        expected = (x.shape[0], self.detail_channels, *x.shape[2:])
        if tuple(details.shape) != expected:
            raise ValueError(
                f"details must have the shape {expected}, not {tuple(details.shape)}; with detail='skip' "
                "detail_channels must be the same in every stage"
            )
