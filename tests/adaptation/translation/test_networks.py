import pytest
import torch
from pydantic import ValidationError
from torch import nn

from hsiattn.adaptation.translation import TranslationSettings
from hsiattn.adaptation.translation.networks import Discriminator, Generator, ShortCut
from hsiattn.core.attention import SelfAttention
from tests.adaptation.translation.conftest import TINY


def _weights(module, kind=nn.Conv2d):
    return [tuple(layer.weight.shape) for layer in module.modules() if isinstance(layer, kind)]


def test_the_published_sizes_are_those_of_the_released_code():
    settings = TranslationSettings.published()
    with torch.device("meta"):
        generator, judge = Generator(3, settings), Discriminator(3, settings)
    content = _weights(generator.content_encoder)
    assert content == [(64, 3, 7, 7), (128, 64, 4, 4), (256, 128, 4, 4), *[(256, 256, 3, 3)] * 8]
    style = _weights(generator.style_encoder)
    assert style == [(64, 3, 7, 7), (128, 64, 4, 4), (256, 128, 4, 4), *[(256, 256, 4, 4)] * 2, (8, 256, 1, 1)]
    assert _weights(generator.decoder.blocks) == [(256, 256, 3, 3)] * 8
    assert _weights(generator.decoder.attention) == [(32, 256, 1, 1)] * 2 + [(256, 256, 1, 1)]
    assert _weights(generator.decoder.upsampling) == [(128, 256, 5, 5), (64, 128, 5, 5), (3, 64, 7, 7)]
    perceptron = _weights(generator.decoder.parameters_of_style, nn.Linear)
    assert perceptron == [(256, 8), (256, 256), (8 * 2 * 256, 256)]
    assert len(judge.scales) == 3
    convolutions = [(64, 3, 4, 4), (128, 64, 4, 4), (256, 128, 4, 4), (512, 256, 4, 4)]
    assert _weights(judge.scales[0]) == [
        *convolutions,
        (64, 512, 1, 1),
        (64, 512, 1, 1),
        (512, 512, 1, 1),
        (1, 512, 1, 1),
    ]
    assert generator.short_cut is None


def test_attention_stands_before_the_up_sampling_and_before_the_last_convolution_and_starts_as_the_identity():
    generator, judge = Generator(3, TINY), Discriminator(3, TINY)
    seen = {}
    generator.decoder.attention.register_forward_hook(lambda _, given, made: seen.update(given=given[0], made=made))
    x = torch.randn(2, 3, 8, 8)
    generator.decode(*generator.encode(x), generator.style(x))
    assert seen["given"].shape == (2, 8, 4, 4)
    assert torch.equal(seen["given"], seen["made"])
    for scale in judge.scales:
        assert isinstance(scale[-2], SelfAttention)
        assert scale[-1].kernel_size == (1, 1)
        assert scale[-2].gamma.item() == 0


def test_rows_of_the_attention_of_a_decoder_sum_to_one():
    generator, x = Generator(3, TINY), torch.randn(2, 3, 8, 8)
    content, _ = generator.encode(x)
    weights = generator.decoder.attention.weights(content)
    torch.testing.assert_close(weights.sum(dim=2), torch.ones(2, 16))


def test_a_fresh_generator_with_a_short_cut_returns_its_tile_and_one_without_does_not():
    x = torch.randn(2, 3, 8, 8)
    generator = Generator(3, TINY)
    assert torch.equal(generator.decode(*generator.encode(x), generator.style(x)), x)
    published = Generator(3, TINY.model_copy(update={"start": "none"}))
    assert not torch.allclose(published.decode(*published.encode(x), published.style(x)), x)


def test_the_fresh_decoder_learns_from_its_first_step():
    generator, x = Generator(3, TINY), torch.randn(2, 3, 8, 8)
    generator.decode(*generator.encode(x), generator.style(x)).square().sum().backward()
    assert generator.decoder.upsampling[-1][0].weight.grad.abs().sum() > 0
    assert generator.short_cut is not None


def test_the_short_cut_there_and_back_is_the_identity_whatever_it_has_learnt():
    torch.manual_seed(0)
    part, other, x = ShortCut(3), ShortCut(3), torch.randn(2, 3, 4, 4)
    for each in (part, other):
        nn.init.normal_(each.change, std=0.2)
        nn.init.normal_(each.shift)
    torch.testing.assert_close(part.own(part.shared(x)), x, rtol=1e-4, atol=1e-5)
    there = other.own(part.shared(x))
    assert not torch.allclose(there, x, atol=0.1)
    torch.testing.assert_close(part.own(other.shared(there)), x, rtol=1e-4, atol=1e-4)


def test_keys_are_pooled_on_tiles_above_256():
    assert TranslationSettings.published().key_pooling == 1
    assert TranslationSettings.published(tile=512).key_pooling == 2
    assert Generator(2, TINY.model_copy(update={"tile": 264})).decoder.attention.key_pooling == 2


@pytest.mark.parametrize(
    ("changes", "said"), [({"tile": 30}, "multiple of 4"), ({"tile": 8}, "at least 16"), ({"start": "mean"}, "moments")]
)
def test_sizes_that_do_not_fit_a_tile_are_refused(changes, said):
    with pytest.raises(ValidationError, match=said):
        TranslationSettings(**changes)
