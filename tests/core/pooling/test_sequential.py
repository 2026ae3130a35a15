import pytest
import torch
from torch import nn

from hsiattn.core import POOLING, Pooled, create_pooling


@pytest.mark.parametrize("name", sorted(POOLING))
@pytest.mark.parametrize("random_shift", [None, "full"])
@pytest.mark.parametrize("dimensions", [1, 2])
def test_a_pooling_stands_in_a_sequence_of_layers_as_those_of_torch_do(name, random_shift, dimensions):
    pooling = create_pooling(name, 3, dimensions=dimensions, random_shift=random_shift)
    convolve = (nn.Conv1d if dimensions == 1 else nn.Conv2d)(pooling.outputs, 2, 1)
    x = torch.randn(4, 3, *[5] * dimensions)
    network = nn.Sequential(pooling, nn.ReLU(), convolve).eval()
    pooled = pooling(x, None)
    assert isinstance(pooled, Pooled)
    torch.testing.assert_close(network(x), convolve(pooled.values.relu()))
