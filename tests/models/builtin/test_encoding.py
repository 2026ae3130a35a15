"""What the built-in model says of spectra of a training scene."""

import numpy as np
import pytest
import torch

from hsiattn.errors import BandError
from hsiattn.models.builtin.encoding import scene_encoder
from hsiattn.models.builtin.fitting import builtin_model
from hsiattn.scenes import as_source
from hsiattn.simulation import simulate_scene


@pytest.fixture(scope="module")
def source():
    scene, _ = simulate_scene(height=32, width=32, bands=60, seed=1)
    return as_source(scene)


@pytest.fixture(scope="module")
def spectra(source):
    return np.random.default_rng(0).uniform(0, 0.6, (9000, len(source.bands))).astype(np.float32)


def test_features_are_logits_of_the_leaves_by_the_model_for_the_scene(source, spectra):
    model = builtin_model(source).model
    encoder = scene_encoder(source, np.arange(len(source.bands)))
    read = torch.from_numpy(spectra[:, model.preprocessing.bands] * model.preprocessing.gain)
    with torch.no_grad():
        _, features = model.network.forward_with_features(read, torch.empty(len(read), 0, 1, 1))
        logits = model.network.leaves(features)
    np.testing.assert_allclose(encoder(spectra), logits.numpy(), atol=1e-4)
    assert encoder.digest == model.digest


def test_only_the_bands_that_training_reads_take_part(source, spectra):
    among = np.arange(3, len(source.bands), 2)
    encoder = scene_encoder(source, among)
    assert set(among[encoder.columns]) <= set(among)
    assert encoder(spectra[:, among]).shape == (9000, encoder.network.leaves.out_features)
    with pytest.raises(BandError, match="too few bands"):
        scene_encoder(source, np.array([2, 3]))


def test_it_says_how_much_of_the_spectra_is_unknown_to_it(source):
    """Spectra of a scene, the same ones in the light of a lamp, and half of each."""
    encoder = scene_encoder(source, np.arange(len(source.bands)))
    stored = source.read_bands(source.extent, list(range(len(source.bands)))).reshape(len(source.bands), -1).T
    known = stored[(stored > 0).all(axis=1)].astype(np.float32) / 10_000
    lit = known * np.linspace(0.2, 6, len(source.bands), dtype=np.float32) ** 2
    assert encoder.unknown_share(known) < 0.1
    assert encoder.unknown_share(lit) > 0.9
    both = np.concatenate([known, lit] * 20)
    assert encoder.unknown_share(both) == pytest.approx(0.5, abs=0.1)
