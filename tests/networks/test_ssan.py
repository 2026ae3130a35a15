import pytest
import torch

from hsiattn.networks import SSAN


def _count(module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("bands", [102, 200])
def test_the_published_size_does_not_depend_on_the_bands(bands):
    network = SSAN(bands, 4, 9)
    assert _count(network) == 5_437_248
    assert _count(network.recurrent) == 1_582_080
    assert _count(network.band_attention) == 32_832
    assert _count(network.spectral_logits) == 9_225
    assert _count(network.attention) == 5
    spatial = _count(network.convolutions) + _count(network.spatial_hidden) + _count(network.spatial_logits)
    assert spatial == 3_276_009
    fusion = _count(network.shared_fusion) + _count(network.fusion_hidden) + _count(network.output)
    assert fusion == 537_097


def test_the_patch_shrinks_from_27_to_14_to_7():
    network, sizes = SSAN(10, 4, 3, hidden=4), []
    for convolution, pooling in zip(network.convolutions, network.poolings, strict=True):
        convolution.register_forward_hook(lambda _layer, _inputs, output: sizes.append(tuple(output.shape[1:])))
        pooling.register_forward_hook(lambda _layer, _inputs, output: sizes.append(tuple(output.values.shape[1:])))
    network(torch.randn(1, 10), torch.randn(1, 4, 27, 27))
    assert sizes == [(32, 27, 27), (32, 14, 14), (64, 14, 14), (64, 7, 7)]


def test_both_branches_pass_the_same_fusion_layer():
    network = SSAN(10, 4, 3, hidden=4).eval()
    spectra, patches = torch.randn(2, 10), torch.randn(2, 4, 27, 27)
    spectral, spatial = network.spectral_branch(spectra), network.spatial_branch(patches)
    weight, bias = network.shared_fusion.weight, network.shared_fusion.bias
    joint = torch.cat([torch.relu(logits @ weight.T + bias) for logits in (spectral, spatial)], dim=1)
    hidden = torch.relu(joint @ network.fusion_hidden.weight.T + network.fusion_hidden.bias)
    torch.testing.assert_close(network(spectra, patches), hidden @ network.output.weight.T + network.output.bias)


def test_what_the_first_pooling_hands_on_reaches_the_second():
    torch.manual_seed(0)
    options = {"detail": "skip", "detail_channels": 2}
    network = SSAN(10, 4, 3, 9, hidden=4, attention="none", pooling="hybrid", pooling_arguments=options).eval()
    patches, valid = torch.randn(2, 4, 9, 9), torch.rand(2, 1, 9, 9) > 0.3
    (first, second), (wide, narrow) = network.convolutions, network.poolings
    pooled, _, details = wide(torch.relu(first(patches * valid)), None)
    features = narrow(torch.relu(second(pooled)), None, details).values.flatten(1)
    expected = network.spatial_logits(torch.relu(network.spatial_hidden(features)))
    torch.testing.assert_close(network.spatial_branch(patches, valid), expected)


def test_the_released_initialisation_is_a_standard_normal_with_biases():
    torch.manual_seed(0)
    network = SSAN(10, 4, 9, initialisation="released")
    assert network.spatial_hidden.weight.std().item() == pytest.approx(1.0, abs=0.01)
    assert network.fusion_hidden.bias.std().item() == pytest.approx(1.0, abs=0.1)
    with pytest.raises(ValueError, match="initialisation"):
        SSAN(10, 4, 9, initialisation="xavier")
