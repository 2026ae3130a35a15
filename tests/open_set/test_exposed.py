"""A layer that tells other things from the features of its network."""

import numpy as np
import pytest
import torch

from hsiattn.open_set.exposed import Exposed

NOTHING = torch.empty(0)


def test_the_score_is_linear_in_the_features():
    detector = Exposed(torch.tensor([1.0, -2.0]), torch.tensor([0.5]))
    torch.testing.assert_close(
        detector.score(torch.tensor([[1.0, 1.0], [0.0, 3.0]]), NOTHING, NOTHING), torch.tensor([-0.5, -5.5])
    )


def test_it_comes_back_from_its_arrays_and_knows_its_size():
    detector = Exposed(torch.randn(8), torch.randn(1))
    again = Exposed.from_arrays(detector.to_arrays(), detector.to_dict())
    again.check(features=8, classes=3, bands=5, look=5)
    np.testing.assert_array_equal(again.to_arrays()["weight"], detector.to_arrays()["weight"])
    with pytest.raises(ValueError, match="shape"):
        again.check(features=9, classes=3, bands=5, look=5)
