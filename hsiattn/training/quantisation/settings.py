"""Settings of training for int8."""

from __future__ import annotations

from pydantic import Field

from hsiattn.settings import Settings


class QuantisationAwareSettings(Settings):
    """In which steps weights and inputs are rounded to int8; see `hsiattn.training.quantisation`.

    Parameters
    ----------
    start
        Share of the steps that come before, in float32. Default: 0.5.

    Examples
    --------
    >>> QuantisationAwareSettings(start=0.8)
    QuantisationAwareSettings(start=0.8)
    """

    start: float = Field(default=0.5, ge=0, lt=1)
