import torch

from hsiattn.networks.branches import group_bands


def test_bands_are_grouped_in_order_and_the_last_group_is_filled_with_zeros():
    grouped = group_bands(torch.arange(1.0, 8.0)[None], 3)
    assert grouped.tolist() == [[[1, 2, 3], [4, 5, 6], [7, 0, 0]]]
