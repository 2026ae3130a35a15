"""The transform against PyWavelets, and the properties that make it one."""

import numpy as np
import pytest
import pywt
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hsiattn.core.pooling import WaveletTransform

EXACT = [name for name in pywt.wavelist(kind="discrete") if name != "dmey"]
SIDES = [(8, 6), (27, 14), (9, 9), (1, 1), (2, 5), (3, 4)]
FEW = ["haar", "db2", "sym4", "bior2.2", "bior3.3", "coif1"]


def _image(sides, *, dtype=torch.float64, seed=0):
    return torch.randn(2, 3, *sides, dtype=dtype, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("sides", SIDES)
def test_sub_bands_of_images_equal_those_of_pywavelets_in_place_and_sign(sides):
    x = _image(sides)
    for name in pywt.wavelist(kind="discrete"):  # all of them, most longer than the map
        approximation, details = WaveletTransform(name).analyse(x)
        low, high = pywt.dwt2(x.numpy(), name, mode="periodization")
        np.testing.assert_allclose(approximation.numpy(), low, atol=1e-12, err_msg=name)
        np.testing.assert_allclose(details.numpy(), np.concatenate(high, axis=1), atol=1e-12, err_msg=name)


@pytest.mark.parametrize("sides", [*SIDES, (9,), (1,)])
def test_the_approximation_can_be_had_alone(sides):
    x = _image(sides)
    for name in FEW:
        transform = WaveletTransform(name, dimensions=len(sides))
        torch.testing.assert_close(transform.approximate(x), transform.analyse(x)[0], atol=1e-12, rtol=0)


@pytest.mark.parametrize("length", [1, 2, 7, 16, 41])
def test_sub_bands_of_sequences_equal_those_of_pywavelets(length):
    x = _image((length,))
    for name in pywt.wavelist(kind="discrete"):
        low, high = pywt.dwt(x.numpy(), name, mode="periodization")
        approximation, details = WaveletTransform(name, dimensions=1).analyse(x)
        np.testing.assert_allclose(approximation.numpy(), low, atol=1e-12, err_msg=name)
        np.testing.assert_allclose(details.numpy(), high, atol=1e-12, err_msg=name)


def test_haar_sub_bands_by_hand():
    """[[a, b], [c, d]]: mean, upper less lower, left less right, diagonals."""
    (a, b), (c, d) = cell = [[1.0, 2.0], [4.0, 8.0]]
    approximation, details = WaveletTransform("haar").analyse(torch.tensor(cell)[None, None])
    assert approximation.item() == pytest.approx((a + b + c + d) / 2)
    expected = [(a + b - c - d) / 2, (a - b + c - d) / 2, (a - b - c + d) / 2]
    assert details.flatten().tolist() == pytest.approx(expected)


def test_the_order_of_sub_bands_matters():
    """Known-bad: a public wavelet pooling swaps sub-bands; the comparison with PyWavelets must notice."""
    x = _image((8, 8))
    _, details = WaveletTransform("haar").analyse(x)
    lh, hl, hh = details.chunk(3, dim=1)
    expected = np.concatenate(pywt.dwt2(x.numpy(), "haar", mode="periodization")[1], axis=1)
    assert not np.allclose(torch.cat([hl, lh, hh], dim=1).numpy(), expected)
    rows = torch.ones(1, 1, 8, 8)
    rows[:, :, 1::2] = -1  # changes along the columns only: LH
    lh, hl, hh = WaveletTransform("haar").analyse(rows)[1].chunk(3, dim=1)
    assert lh.abs().min() > 1
    assert hl.abs().max() == hh.abs().max() == 0


@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from(EXACT), sides=st.lists(st.integers(1, 15), min_size=1, max_size=2))
def test_the_inverse_gives_the_signal_back(name, sides):
    transform = WaveletTransform(name, dimensions=len(sides))
    for dtype, accuracy in ((torch.float64, 1e-9), (torch.float32, 1e-5)):
        x = _image(sides, dtype=dtype)
        back = transform.synthesise(*transform.analyse(x), tuple(sides))
        assert back.shape == x.shape
        assert back.dtype == dtype
        assert (back - x).abs().max() < accuracy * max(1, x.abs().max())


@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize("sides", SIDES)
def test_the_inverse_of_short_wavelets_is_exact_to_rounding(name, sides):
    x = _image(sides)
    for transform in (WaveletTransform(name), WaveletTransform(name).double()):
        assert (transform.synthesise(*transform.analyse(x), sides) - x).abs().max() < 1e-10


@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize("sides", SIDES)
def test_the_inverse_of_any_sub_bands_equals_that_of_pywavelets(name, sides):
    half = tuple((side + 1) // 2 for side in sides)
    low, *high = (_image(half, seed=seed) for seed in range(4))
    result = WaveletTransform(name).synthesise(low, torch.cat(high, dim=1), sides)
    expected = pywt.idwt2((low.numpy(), tuple(band.numpy() for band in high)), name, mode="periodization")
    np.testing.assert_allclose(result.numpy(), expected[..., : sides[0], : sides[1]], atol=1e-12)


def test_orthogonal_wavelets_keep_the_energy():
    x = _image((12, 6))
    orthogonal = [name for name in EXACT if pywt.Wavelet(name).orthogonal]
    assert len(orthogonal) > 50
    for name in orthogonal:
        approximation, details = WaveletTransform(name).analyse(x)
        energy = approximation.square().sum() + details.square().sum()
        assert energy.item() == pytest.approx(x.square().sum().item(), rel=1e-8), name
    approximation, details = WaveletTransform("bior2.2").analyse(x)
    assert (approximation.square().sum() + details.square().sum()) / x.square().sum() > 1.01  # not orthogonal


@pytest.mark.parametrize("sides", [(8,), (8, 6), (7, 5)])
def test_a_constant_is_multiplied_by_the_gain_and_has_no_details(sides):
    for name in EXACT:
        transform = WaveletTransform(name, dimensions=len(sides))
        approximation, details = transform.analyse(torch.ones(1, 1, *sides, dtype=torch.float64))
        torch.testing.assert_close(approximation, torch.full_like(approximation, transform.gain), atol=1e-6, rtol=0)
        assert details.abs().max() < 1e-6


def test_filters_are_neither_learned_nor_saved():
    transform = WaveletTransform("db2")
    assert list(transform.parameters()) == []
    assert transform.state_dict() == {}


@pytest.mark.parametrize("name", ["mexh", "nothing", ""])
def test_an_unknown_or_continuous_wavelet_is_refused(name):
    with pytest.raises(ValueError, match="no discrete wavelet"):
        WaveletTransform(name)
