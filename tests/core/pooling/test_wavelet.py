"""Wavelet pooling against the two transforms of its paper by PyWavelets, and against average pooling."""

import math

import numpy as np
import pytest
import pywt
import torch

from hsiattn.core.pooling import AveragePooling, WaveletPooling

SIDES = [(16, 16), (27, 14), (25, 9), (7, 5), (3, 1), (1, 1)]
WAVELETS = ["haar", "db2", "bior2.2", "bior3.3", "sym4"]


def _image(sides, *, dtype=torch.float64):
    return torch.randn(2, 3, *sides, dtype=dtype, generator=torch.Generator().manual_seed(0))


def _mask(x):
    mask = torch.rand(len(x), 1, *x.shape[2:], generator=torch.Generator().manual_seed(1)) < 0.4
    mask.flatten(1)[:, -1] = True
    return mask


@pytest.mark.parametrize("wavelet", WAVELETS)
@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.filterwarnings("ignore:Level value")  # PyWavelets, of maps shorter than the filter
def test_it_is_the_inverse_from_the_sub_bands_of_the_second_order(wavelet, sides, weighted):
    x = _image(sides)
    second_order = pywt.wavedec2(x.numpy(), wavelet, mode="periodization", level=2)[:2]
    inverse = pywt.waverec2(second_order, wavelet, mode="periodization")
    expected = inverse[..., : (sides[0] + 1) // 2, : (sides[1] + 1) // 2]
    pooling = WaveletPooling(3, wavelet=wavelet, weighted=weighted).double()
    np.testing.assert_allclose(pooling(x).detach().numpy(), expected, atol=1e-10)


@pytest.mark.parametrize("wavelet", WAVELETS)
@pytest.mark.parametrize("length", [16, 27, 3, 1])
@pytest.mark.filterwarnings("ignore:Level value")
def test_sequences_likewise(wavelet, length):
    x = _image((length,))
    second_order = pywt.wavedec(x.numpy(), wavelet, mode="periodization", level=2)[:2]
    expected = pywt.waverec(second_order, wavelet, mode="periodization")[..., : (length + 1) // 2]
    for weighted in (False, True):
        pooling = WaveletPooling(3, wavelet=wavelet, weighted=weighted, dimensions=1).double()
        np.testing.assert_allclose(pooling(x).detach().numpy(), expected, atol=1e-10)


@pytest.mark.parametrize("sides", [*SIDES, (8,), (9,), (1,)])
@pytest.mark.parametrize("masked", [False, True])
def test_with_haar_it_is_average_pooling_times_the_gain(sides, masked):
    x = _image(sides)
    mask = _mask(x) if masked else None
    average = AveragePooling(3, dimensions=len(sides))(x, mask).values
    gain = 2 if len(sides) == 2 else math.sqrt(2)
    plain = WaveletPooling(3, dimensions=len(sides))(x, mask).values
    torch.testing.assert_close(plain, gain * average, atol=1e-12, rtol=0)
    preserving = WaveletPooling(3, mean_preserving=True, dimensions=len(sides))(x, mask).values
    torch.testing.assert_close(preserving, average, atol=1e-12, rtol=0)


@pytest.mark.parametrize("wavelet", ["db2", "bior2.2"])
def test_longer_filters_differ_from_averaging_but_keep_its_mean(wavelet):
    x = _image((16, 12))
    values = WaveletPooling(3, wavelet=wavelet, mean_preserving=True)(x)
    assert (values - AveragePooling(3)(x)).abs().max() > 0.1
    torch.testing.assert_close(values.mean(dim=(2, 3)), x.mean(dim=(2, 3)), atol=1e-10, rtol=0)


def test_filling_with_zeros_would_be_noticed():
    """Known-bad: zeros in place of missing values shrink the cells that count in part."""
    x = _image((8, 8)) + 5
    mask = _mask(x)
    zeros = WaveletPooling(3)(x * mask)
    assert (zeros - 2 * AveragePooling(3)(x, mask).values).abs().max() > 1


def test_weights_are_squared_and_act_each_on_its_sub_band():
    x = _image((16, 16))
    pooling = WaveletPooling(3, wavelet="db2", weighted=True).double()
    pooling.weights.data = torch.tensor([0.5, -1.5, 2.0, 0.0], dtype=torch.float64)
    low, (lh, hl, hh) = pywt.wavedec2(x.numpy(), "db2", mode="periodization", level=2)[:2]
    expected = pywt.idwt2((0.25 * low, (2.25 * lh, 4 * hl, 0 * hh)), "db2", mode="periodization")
    np.testing.assert_allclose(pooling(x).detach().numpy(), expected, atol=1e-12)


def test_a_cell_without_values_takes_that_of_its_neighbour_before_the_second_transform():
    x, mask = _image((8,)), torch.tensor([1, 1, 0, 0, 1, 1, 1, 1]).bool().expand(2, 1, 8)
    pooling = WaveletPooling(3, weighted=True, dimensions=1).double()
    pooling.weights.data = torch.tensor([0.5, 2.0], dtype=torch.float64)
    first = pywt.dwt(x.numpy(), "haar", mode="periodization")[0]
    low, high = pywt.dwt(first[..., [0, 0, 2, 3]], "haar", mode="periodization")
    expected = pywt.idwt(0.25 * low, 4 * high, "haar", mode="periodization") * [1, 0, 1, 1]
    np.testing.assert_allclose(pooling(x, mask).values.detach().numpy(), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("dimensions", "weighted", "count"), [(1, False, 0), (2, False, 0), (1, True, 2), (2, True, 4)]
)
@pytest.mark.parametrize("channels", [1, 6])
def test_the_parameters_do_not_depend_on_the_channels(dimensions, weighted, count, channels):
    pooling = WaveletPooling(channels, weighted=weighted, dimensions=dimensions)
    assert sum(p.numel() for p in pooling.parameters()) == count
    assert pooling.outputs == channels
