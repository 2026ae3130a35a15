"""The published detector: features that a decoder, which has only seen known pixels, cannot reconstruct.

After the open-set part of Tonmoy et al. 2021 (PAKDD, arXiv 2103.04279) and its public code. Two traps of that code are
mended: its decoder ends in a sigmoid, which cannot give back normalised features, which have signs, and its threshold
lies below the mean error of the training pixels and is sought on the test data. Here the output is linear, and the
threshold comes from left-out groups of known pixels, see `OpenSet`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsiattn.open_set.detector import Detector, KnownPixels, need_shape
from hsiattn.open_set.settings import OpenSetSettings

_BATCH = 64
_LEARNING_RATE = 1e-3
_STEPS = 1000
"""Steps of training: some hundred pixels then pass several hundred times, as in the source."""


@dataclass(frozen=True, eq=False)
class Reconstruction(Detector):
    """Mean squared error with which a variational autoencoder reconstructs the features.

    In use it decodes the mean of the code and draws nothing, so that the same pixel always gets the same score.

    Attributes
    ----------
    inner, inner_bias
        (H, F) and (H,): the features' dense layer with a ReLU.
    code, code_bias
        (Z, H) and (Z,): mean of the code.
    outer, outer_bias
        (H, Z) and (H,): the code's dense layer with a ReLU.
    output, output_bias
        (F, H) and (F,): linear, since features have signs.
    """

    name: ClassVar[str] = "reconstruction"

    inner: Tensor
    inner_bias: Tensor
    code: Tensor
    code_bias: Tensor
    outer: Tensor
    outer_bias: Tensor
    output: Tensor
    output_bias: Tensor

    @classmethod
    def fit(cls, known: KnownPixels, settings: OpenSetSettings, *, seed: int) -> Self:
        """Train on features of known pixels, the network that made them being frozen."""
        features = known.features.float()
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.manual_seed(seed)
            network = _Autoencoder(features.shape[1], settings.hidden, settings.latent)
            _train(network, features)
        layers = {"inner": network.inner, "code": network.mean, "outer": network.outer, "output": network.output}
        tensors: dict[str, Tensor] = {}
        for name, layer in layers.items():
            tensors |= {name: layer.weight.detach().clone(), f"{name}_bias": layer.bias.detach().clone()}
        return cls(**tensors)

    def reconstruct(self, features: Tensor) -> Tensor:
        """Features (N, F) as the decoder gives them back."""
        x = features.float()
        for name in ("inner", "code", "outer", "output"):
            weight, bias = (getattr(self, part).to(x.device) for part in (name, f"{name}_bias"))
            x = functional.linear(x, weight, bias)
            if name in ("inner", "outer"):
                x = x.relu()
        return x

    def score(self, features: Tensor, logits: Tensor, look: Tensor) -> Tensor:
        """See `Detector.score`."""
        return (self.reconstruct(features) - features.float()).square().mean(dim=1)

    def check(self, *, features: int, classes: int, bands: int, look: int) -> None:
        """See `Detector.check`."""
        need_shape("inner", self.inner, None, features)
        hidden = len(self.inner)
        need_shape("code", self.code, None, hidden)
        need_shape("outer", self.outer, hidden, len(self.code))
        need_shape("output", self.output, features, hidden)
        for name in ("inner", "code", "outer", "output"):
            need_shape(f"{name}_bias", getattr(self, f"{name}_bias"), len(getattr(self, name)))


class _Autoencoder(nn.Module):
    """Dense layer with ReLU, mean and log-variance of the code, dense layer with ReLU, linear output."""

    def __init__(self, features: int, hidden: int, latent: int) -> None:
        super().__init__()
        self.inner = nn.Linear(features, hidden)
        self.mean = nn.Linear(hidden, latent)
        self.log_variance = nn.Linear(hidden, latent)
        self.outer = nn.Linear(latent, hidden)
        self.output = nn.Linear(hidden, features)

    def loss(self, features: Tensor) -> Tensor:
        """Squared error, and the divergence of the code from a normal distribution, per feature."""
        inner = self.inner(features).relu()
        mean, log_variance = self.mean(inner), self.log_variance(inner).clamp(-20, 20)
        code = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        decoded = self.output(self.outer(code).relu())
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)
        error = (decoded - features).square().sum(dim=1)
        loss: Tensor = (error + divergence).mean() / features.shape[1]
        return loss


def _train(network: _Autoencoder, features: Tensor) -> None:
    optimizer = torch.optim.Adam(network.parameters(), lr=_LEARNING_RATE)
    size = min(_BATCH, len(features))
    for _ in range(_STEPS):
        batch = features[torch.randint(len(features), (size,))]
        optimizer.zero_grad()
        network.loss(batch).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
