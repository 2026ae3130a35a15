"""Max and average pooling against torch's own, and with masks against loops over cells."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hsiattn.core.pooling import AveragePooling, MaxPooling

SIDES = [(8, 6), (27, 14), (7, 1), (1, 1), (5, 2)]


@pytest.mark.parametrize("sides", SIDES)
def test_without_a_mask_both_equal_the_poolings_of_torch(sides):
    x = torch.randn(2, 3, *sides)
    line = x.flatten(2)
    pairs = [
        (MaxPooling(3), torch.nn.MaxPool2d(2, ceil_mode=True), x),
        (AveragePooling(3), torch.nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False), x),
        (MaxPooling(3, dimensions=1), torch.nn.MaxPool1d(2, ceil_mode=True), line),
        (AveragePooling(3, dimensions=1), torch.nn.AvgPool1d(2, ceil_mode=True, count_include_pad=False), line),
    ]
    for pooling, expected, values in pairs:
        assert torch.equal(pooling(values), expected(values))
        assert pooling(values, None)[1:] == (None, None)


@settings(max_examples=15, deadline=None)
@given(sides=st.lists(st.integers(1, 7), min_size=1, max_size=2), seed=st.integers(0, 99))
def test_with_a_mask_only_what_counts_is_looked_at(sides, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, 3, *sides, generator=generator)
    mask = torch.rand(2, 1, *sides, generator=generator) < 0.5
    largest = MaxPooling(3, dimensions=len(sides))(x, mask)
    average = AveragePooling(3, dimensions=len(sides))(x, mask)
    for sample, channel in itertools.product(range(2), range(3)):
        for cell in itertools.product(*(range((side + 1) // 2) for side in sides)):
            window = tuple(slice(2 * i, 2 * i + 2) for i in cell)
            kept = x[sample, channel][window][mask[sample, 0][window]].tolist()
            assert largest.values[sample, channel][cell] == max(kept, default=0.0)
            expected = sum(kept) / len(kept) if kept else 0.0
            assert abs(average.values[sample, channel][cell].item() - expected) < 1e-6
            assert largest.mask[sample, 0][cell] == average.mask[sample, 0][cell] == bool(kept)


def test_a_pooling_of_zeroed_values_would_be_noticed():
    """Known-bad: zeros in place of missing values win the maximum of negative ones and drag the mean towards 0."""
    x = torch.tensor([[[-4.0, -2.0]]])
    mask = torch.tensor([[[True, False]]])
    bad = torch.nn.functional.max_pool1d(x * mask, 2), torch.nn.functional.avg_pool1d(x * mask, 2)
    for pooling, wrong in zip((MaxPooling, AveragePooling), bad, strict=True):
        values = pooling(1, dimensions=1)(x, mask).values
        assert values.item() == -4
        assert not torch.equal(wrong, values)


def test_they_have_no_parameters():
    assert [sum(p.numel() for p in kind(7).parameters()) for kind in (MaxPooling, AveragePooling)] == [0, 0]
    assert MaxPooling(7).outputs == AveragePooling(7).outputs == 7
