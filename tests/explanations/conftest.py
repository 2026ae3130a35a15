"""Models whose decisions are known: a network of few weights that are set by hand, on a scene of noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hsiattn.classes import ClassTable
from hsiattn.models.model_file import TrainedModel
from hsiattn.networks import AttentionWeights, SpectralSpatialNetwork
from hsiattn.preprocessing import Preprocessing
from hsiattn.scenes import SpectralBands, as_source

BANDS, CHANNELS, SIZE = 20, 3, 3
USED = (4, 5, 12)
"""Bands that the decision rests on."""


class Known(SpectralSpatialNetwork):
    """Two classes, told apart by some bands of the pixel, and by components of its neighbours if so wished."""

    def __init__(self, *, used=USED, neighbours=0.0, attention=None, gate=None):
        super().__init__(BANDS, CHANNELS, 2, SIZE)
        weights = torch.zeros(BANDS)
        weights[list(used)] = 3.0
        self.weights = torch.nn.Parameter(weights)
        self.kernel = torch.nn.Parameter(
            neighbours * torch.randn(CHANNELS, SIZE, SIZE, generator=torch.Generator().manual_seed(2))
        )
        self.given, self.gate = attention, gate

    def forward(self, spectra, patches, valid=None):
        score = torch.tanh(spectra) @ self.weights + (patches * self.kernel).sum(dim=(1, 2, 3))
        return torch.stack([score, -score], dim=1)

    def attention_weights(self, spectra, patches, valid=None):
        bands = None if self.given is None else self.given.expand(len(spectra), -1)
        neighbours = None if self.gate is None else self.gate.expand(len(spectra), -1, -1)
        return AttentionWeights(bands, neighbours)


@pytest.fixture(scope="session")
def known_model():
    """The function that makes a model of a `Known` network, or of any with its sizes."""

    def make(network=None, **arguments):
        rng = np.random.default_rng(5)
        preprocessing = Preprocessing(
            bands=np.arange(BANDS),
            offset=np.full(BANDS, 0.5, np.float32),
            gain=np.full(BANDS, 4.0, np.float32),
            projection=rng.normal(0, 0.3, (CHANNELS, BANDS)).astype(np.float32),
            shift=np.array([0.5, -1.0, 0.0], np.float32),
        )
        classes = ClassTable.from_records([{"code": 3, "name": "crop"}, {"code": 8, "name": "soil"}])
        return TrainedModel(
            network=(network or Known(**arguments)).eval(),
            arguments={"name": "known"},
            preprocessing=preprocessing,
            bands=SpectralBands.build(BANDS, wavelength=[450.0 + 100 * band for band in range(BANDS)]),
            classes=classes,
            recipe={"name": "known", "preprocessing": {"scaling": "standardize"}},
            temperature=1.5,
        )

    return make


@pytest.fixture(scope="session")
def noise_source(make_scene):
    """A scene of noise, (20, 30, 40), with a corner without data."""
    values = np.random.default_rng(11).normal(0.5, 0.25, (BANDS, 30, 40)).astype(np.float32)
    values[:, :3, :3] = -1.0
    scene = make_scene(values, nodata=-1.0)
    return as_source(scene.assign_coords(wavelength=("band", 450.0 + 100 * np.arange(BANDS), {"units": "nm"})))


@pytest.fixture(scope="session")
def some_pixels():
    """(24, 2) rows and columns; the first window reaches into the corner without data."""
    rng = np.random.default_rng(3)
    return np.stack([rng.integers(3, 30, 24), rng.integers(3, 40, 24)], axis=1) * (np.arange(24) > 0)[:, None] + [
        [3, 3] if number == 0 else [0, 0] for number in range(24)
    ]
