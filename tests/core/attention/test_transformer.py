import math

import numpy as np
import pytest
import torch
from torch import nn

from hsiattn.core.attention import LearnedQuery, TransformerEncoder, with_positions


def test_a_transformer_block_is_that_of_torch():
    torch.manual_seed(0)
    encoder = TransformerEncoder(8, heads=2, feedforward=16, depth=1, dropout=0.0).eval()
    block = encoder.blocks[0]
    reference = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True, layer_norm_eps=1e-6).eval()
    with torch.no_grad():
        attention = reference.self_attn
        attention.in_proj_weight.copy_(torch.cat([block.query.weight, block.key_value.weight]))
        attention.in_proj_bias.copy_(torch.cat([torch.zeros(8), block.key_value.bias]))
        attention.out_proj.load_state_dict(block.projection.state_dict())
        reference.linear1.load_state_dict(block.feedforward[0].state_dict())
        reference.linear2.load_state_dict(block.feedforward[2].state_dict())
    x, mask = torch.randn(3, 5, 8), torch.rand(3, 5) > 0.3
    mask[:, 0] = True
    torch.testing.assert_close(encoder(x), reference(x), atol=1e-5, rtol=1e-4)
    expected = reference(x, src_key_padding_mask=~mask)
    torch.testing.assert_close(encoder(x, mask)[mask], expected[mask], atol=1e-5, rtol=1e-4)


def test_the_learned_query_weighs_a_sequence_by_the_formula():
    torch.manual_seed(0)
    summary = LearnedQuery(4, feedforward=6, dropout=0.0).eval()
    x, mask = torch.randn(2, 5, 4), torch.rand(2, 5) > 0.3
    mask[:, 0] = True
    result = summary(x, mask)
    key, value = summary.key_value(x).detach().chunk(2, dim=-1)
    for n in range(2):
        scores = np.array([float(key[n, t] @ summary.query[0].detach()) / 2.0 for t in range(5)])
        weights = np.where(mask[n].numpy(), np.exp(scores), 0.0)
        context = torch.tensor((weights / weights.sum()) @ value[n].numpy(), dtype=torch.float32)
        expected = summary.normalisation(summary.feedforward(context) + context)
        torch.testing.assert_close(result[n], expected, atol=1e-5, rtol=1e-4)


def test_positions_are_sines_and_cosines_of_falling_frequency_beside_values_times_the_root_of_the_features():
    sequence = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(0))
    placed = with_positions(sequence)
    for t in range(4):
        for pair in range(3):
            angle = t / 10000 ** (2 * pair / 6)
            for feature, position in ((2 * pair, math.sin(angle)), (2 * pair + 1, math.cos(angle))):
                expected = math.sqrt(6) * sequence[:, t, feature] + position
                torch.testing.assert_close(placed[:, t, feature], expected, atol=1e-6, rtol=1e-6)


def test_missing_steps_have_no_influence_whatever_stands_there():
    torch.manual_seed(0)
    x, mask = torch.randn(3, 5, 8), torch.rand(3, 5) > 0.3
    mask[:, 0] = True
    spoiled = torch.where(mask[..., None], x, float("nan"))
    encoder = TransformerEncoder(8, heads=2, feedforward=6).eval()
    assert torch.equal(encoder(spoiled, mask), encoder(x, mask))
    assert (encoder(spoiled, mask)[~mask] == 0).all()
    summary = LearnedQuery(8, feedforward=6).eval()
    assert torch.equal(summary(spoiled, mask), summary(x, mask))


@pytest.mark.parametrize(("features", "hidden", "depth"), [(8, 6, 1), (16, 32, 3)])
def test_parameters_follow_the_formula(features, hidden, depth):
    f, h = features, hidden
    encoder = TransformerEncoder(f, heads=2, feedforward=h, depth=depth)
    block = 4 * f * f + 3 * f + 2 * f * h + h + f + 4 * f
    assert sum(p.numel() for p in encoder.parameters()) == depth * block
    summary = LearnedQuery(f, feedforward=h)
    assert sum(p.numel() for p in summary.parameters()) == 2 * f * f + 3 * f + 2 * f * h + h + f + 2 * f


def test_heads_that_do_not_divide_the_features_are_refused():
    with pytest.raises(ValueError, match="multiple of heads"):
        TransformerEncoder(6, heads=4, feedforward=4)
