"""Linear models, whose worst inputs are known on paper, on a scene of noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hsiattn.classes import ClassTable
from hsiattn.models.model_file import TrainedModel
from hsiattn.networks import SpectralSpatialNetwork, WithPrior
from hsiattn.preprocessing import Preprocessing
from hsiattn.preprocessing.spectral_transforms import create_transform
from hsiattn.scenes import SpectralBands, as_source
from hsiattn.simulation import simulate_scene

BANDS, CHANNELS, SIZE = 12, 3, 3
WAVELENGTH = np.linspace(400.0, 2500.0, BANDS)


class Linear(SpectralSpatialNetwork):
    """Two classes, told apart by a sum over the pixel's bands and one over its neighbours' components."""

    def __init__(self, seed=0):
        super().__init__(BANDS, CHANNELS, 2, SIZE)
        draw = torch.Generator().manual_seed(seed)
        self.weights = torch.nn.Parameter(torch.randn(BANDS, generator=draw))
        self.kernel = torch.nn.Parameter(torch.randn(CHANNELS, SIZE, SIZE, generator=draw))

    def forward(self, spectra, patches, valid=None):
        score = spectra @ self.weights + (patches * self.kernel).sum(dim=(1, 2, 3))
        return torch.stack([score, -score], dim=1)


class Steps(Linear):
    """The same behind a threshold, which has no gradient."""

    def forward(self, spectra, patches, valid=None):
        return (super().forward(spectra, patches, valid).detach() > 0).float()


class Three(Linear):
    """The same with a third class between the two, which it never sees."""

    def __init__(self, seed=0):
        super().__init__(seed)
        self.classes = 3

    def forward(self, spectra, patches, valid=None):
        first, second = super().forward(spectra, patches, valid).unbind(dim=1)
        return torch.stack([first, torch.full_like(first, -1e3), second], dim=1)


def remembering(seed=0):
    """The linear network beside a memory of patterns, each of them seen in one class alone."""
    network = WithPrior(BANDS, CHANNELS, 2, SIZE, member="attendnet", member_arguments={"width": 8}, patterns=6, axes=3)
    network.member = Linear(seed)
    draw = torch.Generator().manual_seed(seed)
    centres = torch.randn(6, 3, generator=draw)
    saliency = torch.stack([torch.arange(6) % 2, 1 - torch.arange(6) % 2]).float()
    network.remember(
        projection=torch.eye(3), centres=centres, saliency=saliency, remembered=[True, True], weight=0.6,
        temperature=1.0, least_doubt=0.05,
    )  # fmt: skip
    return network


NETWORKS = {"linear": Linear, "steps": Steps, "three classes": Three, "remembering": remembering}
CROP, OTHER, SOIL = ({"code": code, "name": name} for code, name in ((3, "crop"), (5, "other"), (8, "soil")))


def make_model(name="linear", seed=0, transform="none"):
    random = np.random.default_rng(5)
    preprocessing = Preprocessing(
        bands=np.arange(BANDS),
        offset=random.uniform(0.1, 0.3, BANDS).astype(np.float32),
        gain=random.uniform(2, 6, BANDS).astype(np.float32) * np.where(np.arange(BANDS) % 5, 1, -1).astype(np.float32),
        projection=random.normal(0, 0.3, (CHANNELS, BANDS)).astype(np.float32),
        shift=random.normal(0, 0.3, CHANNELS).astype(np.float32),
        spectral_transform=create_transform(transform, WAVELENGTH),
    )
    return TrainedModel(
        network=NETWORKS[name](seed).eval(),
        arguments={"name": name},
        preprocessing=preprocessing,
        bands=SpectralBands.build(BANDS, wavelength=WAVELENGTH),
        classes=ClassTable.from_records([CROP, OTHER, SOIL] if name == "three classes" else [CROP, SOIL]),
        recipe={"name": "by hand"},
    )


@pytest.fixture(scope="session")
def model_of():
    """The function that makes a model of one of these networks."""
    return make_model


@pytest.fixture(scope="session")
def scene():
    """A simulated scene of as many bands, with its missing rim, stored in int16."""
    return as_source(simulate_scene(44, 40, BANDS, seed=3)[0])


@pytest.fixture(scope="session")
def labels(scene):
    """Labels of which a linear model has four fifths right: its own answers, and some that are wrong."""
    from hsiattn.mapping import predict_array

    codes = np.nan_to_num(predict_array(make_model(), scene)["land_cover"].values).astype(np.int64)
    random = np.random.default_rng(1)
    wrong = random.random(codes.shape) < 0.2
    return np.where(codes == 0, 0, np.where(wrong, 11 - codes, codes))
