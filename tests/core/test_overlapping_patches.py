import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hsiattn.core import MaskedConv2d, MaxPooling, Pooling, WaveletPooling, create_pooling
from hsiattn.core.overlapping_patches import OverlappingPatches

CHANNELS = 2
POOLINGS = [
    ("max", {}),
    ("average", {"random_shift": "full"}),
    ("wavelet", {}),
    ("wavelet", {"wavelet": "db1", "mean_preserving": True}),
    ("hybrid", {"detail_channels": 2}),
    ("hybrid", {"detail": "skip", "detail_channels": 2, "random_shift": "paper"}),
]


def _stack(size, choose, kind):
    """Convolutions and poolings in the chosen order, down to one position."""
    name, arguments = kind
    layers, channels = [], CHANNELS
    while size > 1:
        dilation = choose(0 if size < 3 else 2 if size > 4 else 1)  # 0 stands for a pooling
        if dilation:
            layers.append(MaskedConv2d(channels, 3, dilation=dilation))
            size, channels = size - 2 * dilation, 3
        else:
            layers.append(create_pooling(name, channels, **arguments))
            size, channels = -(-size // 2), layers[-1].outputs
        if choose(1):
            layers.append(MaskedConv2d(channels, 3, 1))
            channels = 3
    layers = torch.nn.ModuleList(layers).double().eval()
    for parameter in layers.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return layers


def _patch_by_patch(layers, tile, mask, size):
    """The layers on every patch on its own: (1, F, h, w') and the mask (1, 1, h, w')."""
    height, width = (side - size + 1 for side in tile.shape[2:])
    x = tile[0].unfold(1, size, 1).unfold(2, size, 1).permute(1, 2, 0, 3, 4).flatten(0, 1)
    mask = None if mask is None else mask[0].unfold(1, size, 1).unfold(2, size, 1).permute(1, 2, 0, 3, 4).flatten(0, 1)
    details = None
    for layer in layers:
        if isinstance(layer, Pooling):
            x, mask, details = layer(x, mask, details)
        else:
            x, mask = layer(x, mask)
            margin = layer.dilation * (layer.weight.shape[-1] // 2)
            inner = slice(margin, margin + x.shape[2])
            details = None if details is None else details[:, :, inner, inner]
    as_map = (1, -1, height, width)
    return x.flatten(1).T.reshape(as_map), None if mask is None else mask.flatten(1).T.reshape(as_map)


@pytest.mark.parametrize("kind", POOLINGS)
@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(1, 15),
    core=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    missing=st.sampled_from([None, 0.0, 0.3, 0.9, 1.0]),
    seed=st.integers(0, 99),
    data=st.data(),
)
def test_any_layers_give_what_they_give_on_every_patch(kind, size, core, missing, seed, data):
    torch.manual_seed(seed)
    layers = _stack(size, lambda most: data.draw(st.integers(0, most)), kind)
    tile = torch.randn(1, CHANNELS, core[0] + size - 1, core[1] + size - 1, dtype=torch.float64)
    mask = None if missing is None else torch.rand(1, 1, *tile.shape[2:]) >= missing
    if mask is not None:
        mask[..., : size // 2 + 1, : size + 1] = False  # whole cells
    patches = OverlappingPatches.of_tile(tile, mask, size)
    for layer in layers:
        patches = patches.pool(layer) if isinstance(layer, Pooling) else patches.convolve(layer)
    values, exists, _ = patches.last()
    expected, expected_mask = _patch_by_patch(layers, tile, mask, size)
    torch.testing.assert_close(values, expected)
    assert (exists is None) == (mask is None)
    assert mask is None or torch.equal(exists, expected_mask)


def test_full_cells_share_one_map_and_cut_off_cells_have_their_own():
    patches = OverlappingPatches.of_tile(torch.randn(1, 2, 20, 9), None, 8)
    assert len(patches.pool(MaxPooling(2)).maps) == 1
    odd = OverlappingPatches.of_tile(torch.randn(1, 2, 20, 9), None, 7).pool(MaxPooling(2))
    assert {kinds: tuple(each.values.shape[2:]) for kinds, each in odd.maps.items()} == {
        (0, 0): (14 + 4, 3 + 4),  # full cells begin at 0, 2 and 4
        (0, 1): (14 + 4, 3),  # the cut-off cell at 6 only
        (1, 0): (14, 3 + 4),
        (1, 1): (14, 3),
    }


def test_without_cut_off_cells_a_convolution_is_computed_in_one_go(monkeypatch):
    calls = []
    convolution = torch.nn.functional.conv2d

    def recorded(*arguments, **options):
        calls.append(options["dilation"])
        return convolution(*arguments, **options)

    patches = OverlappingPatches.of_tile(torch.randn(1, 2, 20, 20), None, 8).pool(MaxPooling(2))
    monkeypatch.setattr(torch.nn.functional, "conv2d", recorded)
    patches.convolve(MaskedConv2d(2, 3))
    assert calls == [(2, 2)]


def test_several_tiles_at_once_give_what_each_gives_alone():
    torch.manual_seed(0)
    layer, tiles, mask = MaskedConv2d(2, 3), torch.randn(3, 2, 9, 8), torch.rand(3, 1, 9, 8) > 0.3

    def evaluated(x, mask):
        return OverlappingPatches.of_tile(x, mask, 4).convolve(layer).pool(MaxPooling(3)).last().values

    alone = [evaluated(tiles[i : i + 1], mask[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(evaluated(tiles, mask), torch.cat(alone))


def test_what_cannot_be_shared_is_refused():
    tile = torch.randn(1, 2, 9, 9)
    patches = OverlappingPatches.of_tile(tile, None, 5)
    with pytest.raises(ValueError, match="beyond its cells"):
        patches.pool(WaveletPooling(2, wavelet="db2"))
    with pytest.raises(ValueError, match="3 × 3 positions"):
        patches.pool(MaxPooling(2)).last()
    with pytest.raises(ValueError, match="no patch"):
        OverlappingPatches.of_tile(tile, None, 11)
