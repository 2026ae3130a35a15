import pytest
import torch

from hsiattn.core import BLOCKS, POOLING
from hsiattn.errors import RecipeError
from hsiattn.networks import GroupedSSAN, create_network
from hsiattn.networks.attention_cnn import AttentionCNN
from hsiattn.networks.attention_rnn import AttentionRNN, BandAttention
from hsiattn.networks.branches import read_out

ONE_DIMENSIONAL = sorted(name for name in BLOCKS if 1 in BLOCKS[name].forms)


@pytest.mark.parametrize("attention", ["none", *sorted(BLOCKS)])
@pytest.mark.parametrize("pooling", ["none", *sorted(POOLING)])
def test_the_spatial_branch_takes_any_attention_with_any_pooling(attention, pooling):
    torch.manual_seed(0)
    patches = torch.randn(3, 4, 9, 9)
    mask = torch.rand(3, 1, 9, 9) > 0.3
    for place in ("input", "features"):
        branch = AttentionCNN(4, 9, width=6, attention=attention, attention_at=place, pooling=pooling)
        features = branch(patches, mask)
        assert features.shape == (3, branch.features, 1, 1)
        assert torch.isfinite(features).all()


@pytest.mark.parametrize("attention", ["none", "additive", *ONE_DIMENSIONAL])
@pytest.mark.parametrize("pooling", ["none", *sorted(POOLING)])
def test_the_spectral_branch_takes_every_block_and_pooling_with_a_form_for_sequences(attention, pooling):
    torch.manual_seed(0)
    branch = AttentionRNN(30, group=4, embedding=5, hidden=4, attention=attention, pooling=pooling)
    features = branch(torch.randn(3, 30))
    assert features.shape == (3, 8)
    assert torch.isfinite(features).all()


@pytest.mark.parametrize("side", [1, 3, 5, 7, 9, 27])
@pytest.mark.parametrize("pooling", ["none", "max", "hybrid"])
def test_a_patch_of_any_size_comes_down_to_one_pixel(side, pooling):
    arguments = {"detail": "skip"} if pooling == "hybrid" else {}
    branch = AttentionCNN(3, side, width=4, attention="none", pooling=pooling, pooling_arguments=arguments)
    expected = (2, branch.features if side > 1 else 3, 1, 1)
    assert branch(torch.randn(2, 3, side, side), None).shape == expected


def test_a_patch_without_a_pixel_in_its_middle_is_refused_where_nothing_pools_it():
    with pytest.raises(ValueError, match="4 × 4 pixels has no pixel in its middle"):
        AttentionCNN(3, 4, width=8, pooling="none")


def test_only_branches_without_a_view_of_the_whole_patch_can_be_evaluated_densely():
    assert AttentionCNN(3, 9, attention="none").local
    assert AttentionCNN(3, 9, attention="spatial-gate").local
    assert not AttentionCNN(3, 9, attention="spatial-gate", attention_arguments={"broadcast": "released"}).local
    assert not AttentionCNN(3, 9, attention="se").local
    assert AttentionCNN(3, 9, attention="none", pooling="max").local
    assert AttentionCNN(3, 9, attention="spatial-gate", pooling="wavelet").local
    assert not AttentionCNN(3, 9, attention="se", pooling="max").local
    assert not AttentionCNN(3, 9, attention="none", pooling="wavelet", pooling_arguments={"wavelet": "db2"}).local


def test_the_states_of_a_sequence_are_weighed_or_averaged():
    torch.manual_seed(0)
    states = torch.randn(2, 7, 6)
    published, block = BandAttention(6, 7, "additive"), BandAttention(6, 7, "se", {"reduction": 2})
    weights = published.block(states)[1]
    torch.testing.assert_close(published(states), (weights[..., None] * states).sum(dim=1))
    torch.testing.assert_close(block(states), states.mean(dim=1) * block.block.gate(states.mT)[..., 0])
    torch.testing.assert_close(BandAttention(6, 7, "none")(states), states.mean(dim=1))


@pytest.mark.parametrize("name", ["additive", "none", "se"])
def test_columns_of_states_give_the_same_as_rows(name):
    """With weights so large that a term left out of the scores would show."""
    torch.manual_seed(0)
    attention, states = BandAttention(6, 7, name), torch.randn(3, 7, 6)
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter)
    with torch.inference_mode():
        columns = states.permute(1, 2, 0)
        torch.testing.assert_close(attention.over_columns(columns).T, attention(states), atol=1e-5, rtol=1e-4)
        parts = [part.unbind(1) for part in states.split([4, 2], dim=2)]
        torch.testing.assert_close(attention.over_parts(parts), attention(states), atol=1e-5, rtol=1e-4)


def test_the_read_out_keeps_the_centre_apart_from_the_mean_of_what_is_there():
    x = torch.arange(18.0).view(1, 2, 3, 3)
    mask = torch.tensor([[[[True, False, True], [False, True, False], [False, False, False]]]])
    assert read_out(x, mask, (1, 1)).flatten().tolist() == [4, 13, 2, 11]
    assert read_out(x, None, (0, 0)).flatten().tolist() == [0, 9, 4, 13]


def test_a_misspelt_block_or_argument_is_refused_with_the_choices():
    with pytest.raises(ValueError, match="condenser"):
        GroupedSSAN(8, 3, 2, 5, attention="squeeze")
    with pytest.raises(RecipeError, match="se has no argument ratio; it takes reduction"):
        GroupedSSAN(8, 3, 2, 5, attention="se", attention_arguments={"ratio": 4})
    with pytest.raises(ValueError, match="3 × 3"):
        AttentionCNN(3, 1, attention="se", attention_at="features")
    with pytest.raises(ValueError, match="attention_at"):
        AttentionCNN(3, 5, attention_at="output")


def test_a_whole_network_takes_its_blocks_by_name():
    network = create_network(
        "grouped-ssan", bands=12, channels=3, classes=2, patch_size=9, attention="cra", pooling="wavelet",
        pooling_arguments={"wavelet": "db2", "random_shift": "full"}, spectral_attention="eca",
    )  # fmt: skip
    assert network(torch.randn(4, 12), torch.randn(4, 3, 9, 9)).shape == (4, 2)
