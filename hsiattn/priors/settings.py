"""Settings of the memory of spectra."""

from __future__ import annotations

from pydantic import Field

from hsiattn.settings import Settings


class PriorSettings(Settings):
    """Settings of the memory of spectra in a recipe; see `hsiattn.networks.WithPrior`.

    Parameters
    ----------
    patterns
        Most spectral patterns in the codebook. Default: 256.
    axes
        Most components by which pixels are told apart: the leading ones. Default: 10.
    cells
        Blocks in a row and in a column of the window, at most one per pixel. Default: 3.
    within, between
        Exponents of the saliency: how much the frequency of a pattern within its class counts, and how much its share
        among the classes; see `hsiattn.priors.saliency`. 1 and 1 are those of the reconstruction; without the first, a
        memory was right more often on most scenes that were measured. Default: 0 and 1.
    least_distinctness
        How much of what looks like a class must be that class beyond chance, 0 … 1, for the memory to keep it; see
        `hsiattn.priors.distinctness`. Default: 0.1.
    most_loss
        Percentage points of overall accuracy that the memory may be expected to cost on clean pixels: it counts as much
        as that allows. Default: 0.5.
    pixels
        Most unlabelled pixels, with the network's probabilities for their classes, that are remembered beside the
        labelled ones. Default: 6000.
    label_weight
        Weight of a labelled pixel in the memory, in unlabelled ones. Default: 4.
    transductive
        Whether test pixels may be among them, their spectra alone. None: where the training method sees them too, as
        `pseudo-labels` does. Default: None.

    Examples
    --------
    >>> PriorSettings(patterns=64)
    PriorSettings(patterns=64)
    """

    patterns: int = Field(default=256, ge=1, le=65_536)
    axes: int = Field(default=10, ge=1, le=1000)
    cells: int = Field(default=3, ge=1, le=255)
    within: float = Field(default=0.0, ge=0, le=10)
    between: float = Field(default=1.0, ge=0, le=10)
    least_distinctness: float = Field(default=0.1, ge=0, le=1)
    most_loss: float = Field(default=0.5, ge=0, le=100)
    pixels: int = Field(default=6000, ge=1, le=2**24)
    label_weight: int = Field(default=4, ge=1, le=1000)
    transductive: bool | None = None
