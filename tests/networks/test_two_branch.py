import numpy as np
import pytest
import torch

from hsiattn.networks import GroupedSSAN

ATTRIBUTES = [[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0]]
COUNTS = torch.tensor([10, 10, 10, 10])


def _network(**arguments) -> GroupedSSAN:
    torch.manual_seed(0)
    return GroupedSSAN(10, 3, 4, 5, **arguments).eval()


def _pixels():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(40, 10, generator=generator), torch.randn(40, 3, 5, 5, generator=generator), None


def _features(network, spectra, patches):
    return network.normalisation(torch.cat([network.spectral(spectra), network.spatial(patches, None).flatten(1)], 1))


def test_the_features_of_both_branches_are_normalised_together_and_classified():
    network, (spectra, patches, _) = _network(), _pixels()
    torch.testing.assert_close(network(spectra, patches), network.refinement(_features(network, spectra, patches)))


def test_a_balance_of_one_reproduces_the_plain_head_bit_for_bit():
    plain, aware = _network(), _network(attributes=ATTRIBUTES, attribute_balance=1.0)
    for network in (plain, aware):
        network.set_class_counts(COUNTS)
    assert torch.equal(aware(*_pixels()), plain(*_pixels()))
    assert aware.state_dict().keys() == plain.state_dict().keys()


def test_the_attribute_score_follows_the_formula():
    network = _network(attributes=ATTRIBUTES, attribute_balance=0.6)
    network.set_class_counts(COUNTS)
    spectra, patches, _ = _pixels()
    features = _features(network, spectra, patches)
    cut, weight = network.spectral.features, network.refinement.weight
    sources = [features[:, :cut] @ weight[:, :cut].T, features[:, cut:] @ weight[:, cut:].T]
    table = np.array(ATTRIBUTES, dtype=float)
    given, without = (
        each.numpy() for each in (network.attribute_pooling.given_present, network.attribute_pooling.given_absent)
    )
    plain = network.refinement(features).detach().numpy()
    result = network(spectra, patches).detach().numpy()
    for n in range(5):
        pooled = np.zeros(3)
        for source in sources:
            p = torch.softmax(source[n], dim=0).detach().numpy() @ table
            for a in range(3):
                others = [given[a, b] * p[b] + without[a, b] * (1 - p[b]) for b in range(3) if b != a]
                pooled[a] += (0.6 * p[a] + 0.4 * np.mean(others)) / 2
        pooled = np.clip(pooled, 1e-4, 1 - 1e-4)
        for k in range(4):
            score = np.mean([np.log(pooled[a] if table[k, a] else 1 - pooled[a]) for a in range(3)])
            assert result[n, k] == pytest.approx(plain[n, k] + 0.4 * score, abs=1e-4)


def test_the_prior_is_that_of_the_class_counts():
    network = _network(attributes=ATTRIBUTES, attribute_balance=0.5)
    network.set_class_counts(torch.tensor([6, 2, 1, 31]))
    assert network.attribute_pooling.given_present[0, 1].item() == pytest.approx((2 + 1) / (2 + 2))  # class 1 has both
    assert network.attribute_pooling.given_present[1, 0].item() == pytest.approx((2 + 1) / (8 + 2))


def test_the_prior_travels_with_the_weights():
    network = _network(attributes=ATTRIBUTES, attribute_balance=0.5)
    network.set_class_counts(COUNTS)
    other = _network(attributes=ATTRIBUTES, attribute_balance=0.5)
    other.load_state_dict(network.state_dict())
    assert torch.equal(other(*_pixels()), network(*_pixels()))


@pytest.mark.parametrize("table", [[[1, 0]], [[1], [0], [1]]])
def test_a_table_with_another_number_of_classes_is_refused(table):
    with pytest.raises(ValueError, match="one row per class"):
        GroupedSSAN(10, 3, 4, 5, attributes=table, attribute_balance=0.5)


@pytest.mark.parametrize("way", ["forward", "dense"])
def test_bfloat16_does_not_touch_the_last_layer(way, monkeypatch):
    """Far from all classes the logits are large and close together, and bfloat16 keeps three digits of them."""
    network = _network()
    with torch.no_grad():
        network.refinement.weight.zero_()
        network.refinement.bias.copy_(torch.tensor([30000.0, 30001.0, 30002.0, 30003.0]))
    shape = ((50, 10), (50, 3, 5, 5)) if way == "forward" else ((10, 8, 6), (3, 12, 10))
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = getattr(network, way)(*(torch.randn(*each) for each in shape))
    assert mixed.dtype == torch.float32
    rows = mixed if way == "forward" else mixed.flatten(1).T
    assert (rows - network.refinement.bias).abs().max() < 1e-2
