"""Fixtures for the classical classifiers: pixels of overlapping classes, and scikit-learn's estimator behind a fit."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import pytest
import torch
from torch import Tensor

from hsiattn.networks.baselines import FittedNetwork

BANDS, CHANNELS, PATCH = 12, 3, 9


@pytest.fixture(scope="session")
def make_pixels() -> Callable[..., tuple[Tensor, Tensor, Tensor, Tensor]]:
    """The function that makes spectra, patches, valid and targets, classes in turn."""

    def make(count: int, classes: int, *, missing: float = 0.2, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        targets = torch.arange(count) % classes
        centres = torch.randn(classes, BANDS, generator=torch.Generator().manual_seed(99))
        spectra = centres[targets] + 0.8 * torch.randn(count, BANDS, generator=generator)
        valid = torch.rand(count, PATCH, PATCH, generator=generator) >= missing
        valid[:, PATCH // 2, PATCH // 2] = True
        patches = centres[targets, :CHANNELS, None, None]
        patches = patches + torch.randn(count, CHANNELS, PATCH, PATCH, generator=generator)
        return spectra, patches * valid[:, None], valid, targets

    return make


@pytest.fixture
def estimators(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The estimators that scikit-learn fits from now on, in their order."""
    fitted: list[Any] = []
    for kind in FittedNetwork.__subclasses__():
        monkeypatch.setattr(kind, "fit_estimator", _noting(kind.fit_estimator, fitted))
    return fitted


def _noting(original: Callable[..., Any], fitted: list[Any]) -> Callable[..., Any]:
    """The function, adding what it returns to a list."""

    @wraps(original)
    def fit(*given: Any, **more: Any) -> Any:
        fitted.append(original(*given, **more))
        return fitted[-1]

    return fit
