"""What `Pooling.cellwise` promises, and that no pooling promises it that does not keep it."""

import pytest
import torch

from hsiattn.core import WaveletTransform, create_pooling

DETAIL_CHANNELS = 2
SKIP = {"detail": "skip", "detail_channels": DETAIL_CHANNELS}
CELLWISE = [
    ("max", {}),
    ("average", {}),
    ("wavelet", {}),
    ("wavelet", {"mean_preserving": True}),
    ("wavelet", {"wavelet": "db1"}),
    ("hybrid", {}),
    ("hybrid", SKIP),
    ("max", {"random_shift": "full"}),
    ("hybrid", {"random_shift": "paper"} | SKIP),
]
OTHERS = [
    ("wavelet", {"weighted": True}),
    ("wavelet", {"wavelet": "db2"}),
    ("hybrid", {"wavelet": "bior2.2"}),
    ("hybrid", {"wavelet": "db2"} | SKIP),
    ("wavelet", {"wavelet": "db2", "random_shift": "full"}),
]


def _features(arguments, side):
    """Values, a mask with cells that count in whole, in part and not at all, and details for poolings that take any."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 3, side, side - 2, generator=generator)
    mask = torch.rand(1, 1, side, side - 2, generator=generator) > 0.4
    mask[:, :, :2] = False
    details = torch.randn(1, DETAIL_CHANNELS, *x.shape[2:], generator=generator)
    return x, mask, details if "detail" in arguments else None


def _pooling(name, arguments):
    torch.manual_seed(1)
    pooling = create_pooling(name, 3, **arguments).eval()
    for parameter in pooling.parameters():
        parameter.data += 0.5 * torch.randn_like(parameter)
    return pooling


def _cell(x, i, j):
    """Cell i, j on its own; one cut off by the edge with its last row or column twice."""
    rows, columns = ([min(2 * k + step, side - 1) for step in (0, 1)] for k, side in ((i, x.shape[2]), (j, x.shape[3])))
    return x[:, :, rows][..., columns]


def _cell_by_cell(pooling, x, mask, details):
    height, width = ((side + 1) // 2 for side in x.shape[2:])
    pooled = torch.zeros(1, pooling.outputs, height, width)
    for i in range(height):
        for j in range(width):
            cell = (None if each is None else _cell(each, i, j) for each in (x, mask, details))
            pooled[:, :, i, j] = pooling(*cell).values[:, :, 0, 0]
    return pooled


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("side", [6, 7])
@pytest.mark.parametrize(("name", "arguments"), CELLWISE)
def test_a_cellwise_pooling_pools_every_cell_as_it_would_alone(name, arguments, side, masked):
    x, mask, details = _features(arguments, side)
    mask, pooling = mask if masked else None, _pooling(name, arguments)
    assert pooling.cellwise
    torch.testing.assert_close(pooling(x, mask, details).values, _cell_by_cell(pooling, x, mask, details))


@pytest.mark.parametrize(("name", "arguments"), OTHERS)
def test_a_pooling_that_looks_beyond_its_cells_does_not_call_itself_cellwise(name, arguments):
    x, _, details = _features(arguments, 6)
    pooling = _pooling(name, arguments)
    assert not pooling.cellwise
    assert not torch.allclose(pooling(x, None, details).values, _cell_by_cell(pooling, x, None, details), atol=1e-3)


@pytest.mark.parametrize("wavelet", ["haar", "bior1.1"])
@pytest.mark.parametrize("sides", [(8,), (7,), (6, 5), (1, 4)])
def test_the_transform_of_cells_equals_the_one_by_convolution(wavelet, sides):
    torch.manual_seed(0)
    x = torch.randn(2, 3, *sides, dtype=torch.float64)
    transform = WaveletTransform(wavelet, dimensions=len(sides))
    assert transform.cellwise
    quick = transform.analyse(x)
    transform.cellwise = False
    for one, other in zip(quick, transform.analyse(x), strict=True):
        torch.testing.assert_close(one, other)
