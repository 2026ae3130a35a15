"""Settings of an adaptation."""

from __future__ import annotations

from pydantic import Field

from hsiattn.settings import Settings


class AdaptationSettings(Settings):
    """How a model is adapted to another scene.

    Parameters
    ----------
    pixels
        Most pixels of the target scene that are looked at, in tiles spread over it. Default: 32768.
    shrinkage
        Share of a covariance that is replaced by a multiple of the identity before it is inverted, 0 … 1. Default: 0.1.
    least_confidence
        Smoothed probability below which a pixel gets no pseudo-label. Default: 0.6.
    confident_share
        Share of the pixels of every predicted class, the most confident ones, that may get a pseudo-label, 0 … 1.
        Default: 0.5.
    per_class
        Most pseudo-labelled pixels of a class, drawn from these. Default: 300.
    smoothing
        Side of the window in pixels over which probabilities are averaged before pseudo-labels are made of them; 1 for
        none. Default: 3.

    Examples
    --------
    >>> AdaptationSettings(per_class=100)
    AdaptationSettings(per_class=100)
    """

    pixels: int = Field(default=32_768, ge=1024, le=2**24)
    shrinkage: float = Field(default=0.1, ge=0.0, le=1.0)
    least_confidence: float = Field(default=0.6, ge=0.0, le=1.0)
    confident_share: float = Field(default=0.5, gt=0.0, le=1.0)
    per_class: int = Field(default=300, ge=2, le=10**6)
    smoothing: int = Field(default=3, ge=1, le=15)
