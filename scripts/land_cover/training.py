"""Training of the network on views of labelled spectra by ever other sensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from hsiattn.networks.any_sensor import AnySensor, shape_and_brightness
from hsiattn.networks.spectral_grid import NODES, grid_weights
from scripts.land_cover.sensors import Sensor, draw_sensor
from scripts.land_cover.spectra import LEAVES
from scripts.land_cover.views import Viewer, measured

CLASSES: dict[str, tuple[str, ...]] = {
    "water": ("water",),
    "green vegetation": ("tree", "low vegetation"),
    "tree": ("tree",),
    "low vegetation": ("low vegetation",),
    "dry vegetation": ("dry vegetation",),
    "soil and rock": ("soil and rock",),
    "built-up": ("roof", "pavement"),
    "roof": ("roof",),
    "pavement": ("pavement",),
}
"""Classes of the map, and the finest classes that each of them is."""

_BATCH = 512
_POOL = 2048
"""Pixels that are simulated at once; eight sensors see some of them."""
_SENSORS_PER_POOL = 8
_RATE = 2e-3
_EVEN = 0.02
"""Weight of the mean loss over all classes, which keeps probabilities from 0."""
_ALIKE = 0.1
"""Distance below which spectra are alike to a sensor: most pixels of land cover have another that is so near."""
_OF_BRIGHTNESS = 0.3
"""Part of that distance which brightness e times as high makes."""


class LandCover(nn.Module):
    """The network that is trained, and the layer that tells what is no land cover from its features."""

    def __init__(self, encoders: int = 1) -> None:
        super().__init__()
        grid = Sensor.of(NODES)
        self.network = AnySensor(
            len(grid.centres), 0, len(CLASSES), 1, wavelength=grid.centres.tolist(), fwhm=grid.widths.tolist(),
            members=[[LEAVES.index(leaf) for leaf in leaves] for leaves in CLASSES.values()], encoders=encoders,
        )  # fmt: skip
        self.strange = nn.Linear(self.network.leaves.in_features, 1)

    def on_grid(self, values: Tensor, covered: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (n, 7) of the finest classes and of being no land cover (n,), from reflectance on the grid (n, G)."""
        features = self.network.features_on_grid(values, covered)
        return self.network.leaves(features), self.strange(features)[:, 0]

    @classmethod
    def joined(cls, trained: Sequence[LandCover]) -> LandCover:
        """One network that says the mean of the logits of several, since seeds differ much on new places."""
        made = cls(encoders=len(trained))
        for encoder, one in zip(made.network.encoders, trained, strict=True):
            encoder.load_state_dict(one.network.encoders[0].state_dict())
        for name in ("network.leaves", "strange"):
            layers = [one.get_submodule(name) for one in trained]
            layer = made.get_submodule(name)
            with torch.no_grad():
                layer.weight.copy_(torch.cat([one.weight for one in layers], dim=1) / len(trained))
                layer.bias.copy_(torch.stack([one.bias for one in layers]).mean(dim=0))
        return made.eval()


def train(viewer: Viewer, *, steps: int, seed: int) -> LandCover:
    """Train a network.

    Parameters
    ----------
    viewer
        Draws the pixels.
    steps
        Number of steps of 512 pixels each, all of them by one sensor.
    seed
        Decides everything random.
    """
    torch.manual_seed(seed)
    model = LandCover()
    optimizer = torch.optim.AdamW(model.parameters(), lr=_RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, steps)
    model.train()
    for values, covered, classes in _batches(viewer, steps, np.random.default_rng(seed)):
        loss = _loss(*model.on_grid(values, covered), classes)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return model.eval()


def grid_of(sensor: Sensor) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Weights that take a sensor's usable bands to the grid, and which nodes they cover."""
    usable = sensor.usable()
    return grid_weights(usable.centres, usable.widths)


def _batches(viewer: Viewer, steps: int, rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Reflectance on the grid (n, G), covered nodes (1, G), and the classes that are possible (n, 7)."""
    for step in range(steps):
        if step % _SENSORS_PER_POOL == 0:
            pool = viewer.draw(_POOL, rng)
        sensor = draw_sensor(rng)
        weights, covered = grid_of(sensor)
        some = rng.permutation(_POOL)[:_BATCH]
        values = torch.from_numpy(measured(pool.values[some], sensor, rng)[:, sensor.good] @ weights.T)
        mask = torch.from_numpy(covered.astype(np.float32))[None]
        classes, known = torch.from_numpy(pool.classes[some]), pool.classes.any(axis=1)
        land = torch.from_numpy(
            (pool.values[known] @ sensor.responses())[:, sensor.good].astype(np.float32) @ weights.T
        )
        told = classes.any(dim=1) | ~alike(values, land, mask)
        yield values[told], mask, classes[told]


def alike(values: Tensor, land: Tensor, covered: Tensor) -> Tensor:
    """Which spectra (n,) on the grid (n, G) are like one of land cover (m, G) as far as covered nodes (1, G) tell.

    A grey cloud is like a roof to a sensor that ends at 1000 nm. Taught to be strange, it would make all roofs strange.
    """
    ours, theirs = _places(values, covered), _places(land, covered)
    return torch.cdist(ours, theirs).amin(dim=1) < _ALIKE


def _places(values: Tensor, covered: Tensor) -> Tensor:
    """(n, G + 1) coordinates of spectra: distances are root mean squares over the covered nodes, and of brightness."""
    shape, brightness = shape_and_brightness(values, covered)
    return torch.cat([shape / covered.sum().sqrt(), _OF_BRIGHTNESS * brightness], dim=1)


def _loss(logits: Tensor, strange: Tensor, classes: Tensor) -> Tensor:
    """Negative log-likelihood of the classes that are possible, and of being land cover at all."""
    known = classes.any(dim=1)
    shares = torch.log_softmax(logits, dim=1)
    of_allowed = torch.logsumexp(shares.masked_fill(~classes, -1e9), dim=1)[known]
    told = functional.binary_cross_entropy_with_logits(strange, (~known).float())
    return told - of_allowed.mean() - _EVEN * shares[known].mean()
