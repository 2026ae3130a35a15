"""Linear discriminant analysis: probabilities are scikit-learn's, few pixels are coped with."""

import numpy as np
import pytest
import torch

from hsiattn.errors import TrainingError
from hsiattn.networks import Discriminant


@pytest.mark.parametrize("classes", [2, 4])
def test_probabilities_are_those_of_the_estimator(classes, make_pixels, estimators):
    spectra, patches, valid, targets = make_pixels(31, classes)
    network = Discriminant(12, 3, classes, 9)
    network.fit(spectra, patches, valid, targets)
    others, patches, valid, _ = make_pixels(50, classes, seed=4)
    probabilities = torch.softmax(network(others, patches, valid), dim=1).numpy()
    np.testing.assert_allclose(probabilities, estimators[0].predict_proba(others.numpy()), atol=1e-4)


def test_priors_are_the_shares_among_the_training_pixels(make_pixels):
    spectra, patches, valid, targets = make_pixels(60, 2)
    chosen = torch.cat([torch.nonzero(targets == 0)[:30], torch.nonzero(targets == 1)[:10]])[:, 0]
    network = Discriminant(12, 3, 2, 9)
    network.fit(spectra[chosen], patches[chosen], valid[chosen], targets[chosen])
    middle = torch.stack([spectra[chosen][targets[chosen] == k].mean(dim=0) for k in (0, 1)]).mean(dim=0)
    odds = network(middle[None], patches[:1], valid[:1])[0]
    assert float(odds[0] - odds[1]) == pytest.approx(np.log(3), abs=1e-3)


def test_a_class_of_one_pixel_is_told_by_its_mean(make_pixels):
    spectra, patches, valid, targets = make_pixels(40, 4)
    kept = (targets < 3) | (torch.arange(40) == 3)
    network = Discriminant(12, 3, 4, 9)
    network.fit(spectra[kept], patches[kept], valid[kept], targets[kept])
    assert int(network(spectra[3:4], patches[3:4], valid[3:4]).argmax()) == 3


def test_nothing_but_single_pixels_says_nothing_about_scatter(make_pixels):
    with pytest.raises(TrainingError, match="single training pixel"):
        Discriminant(12, 3, 4, 9).fit(*make_pixels(4, 4))
