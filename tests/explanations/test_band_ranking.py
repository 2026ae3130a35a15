"""Ranks of bands: against a model whose decisions are known, and what the file must hold."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hsiattn import SpectralSpatialClassifier, open_labels, open_scene
from hsiattn.errors import ModelFileError
from hsiattn.explanations.band_ranking import rank_bands
from hsiattn.networks import SpectralSpatialNetwork
from hsiattn.splits import RandomPixels


class _Known(SpectralSpatialNetwork):
    """Logits that depend on two bands alone, the second twice as much."""

    def forward(self, spectra, patches, valid=None):
        slope = torch.zeros(self.bands, self.classes)
        slope[3, :2], slope[7, :2] = torch.tensor([1.0, -1.0]), torch.tensor([2.0, -2.0])
        return spectra @ slope


def test_bands_rank_by_what_the_margin_owes_to_them(fitted):
    model = fitted.model_
    count, channels = len(model.preprocessing.bands), model.preprocessing.channels
    known = replace(model, network=_Known(count, channels, len(model.classes), model.patch_size))
    ranking = rank_bands(known)
    scaled, _ = model.preprocessing.transform(
        model.domain.examples[np.random.default_rng(0).permutation(len(model.domain.examples))[:256]].T[:, None],
        np.ones((1, min(256, len(model.domain.examples))), dtype=bool),
    )
    expected = np.zeros(count)
    expected[3], expected[7] = np.abs(scaled[3]).sum(), 2 * np.abs(scaled[7]).sum()
    np.testing.assert_allclose(ranking.importance, expected / expected.sum(), atol=1e-6)
    records = ranking.to_records()
    assert [record["band"] for record in records[:2]] == [int(model.preprocessing.bands[7]) + 1,
                                                          int(model.preprocessing.bands[3]) + 1]  # fmt: skip
    assert [record["rank"] for record in records] == list(range(1, count + 1))


def test_shares_of_a_real_network_sum_to_1_and_all_bands_are_read(fitted):
    ranking = rank_bands(fitted.model_)
    assert ranking.importance.sum() == pytest.approx(1)
    assert (ranking.importance > 0).all()
    assert ranking.in_spectrum.all()


def test_a_model_without_spectra_or_gradients_is_refused(fitted, tiny):
    with pytest.raises(ModelFileError, match="keeps no spectra"):
        rank_bands(replace(fitted.model_, domain=None))
    forest = SpectralSpatialClassifier("random-forest", split=RandomPixels(train_size=10), device="cpu")
    forest.fit(open_scene(tiny.scene), open_labels(tiny.labels))
    with pytest.raises(ModelFileError, match="no gradients"):
        rank_bands(forest.model_)
