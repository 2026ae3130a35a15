import numpy as np
import pytest
import torch

from hsiattn.networks import GroupedSSAN

ATTRIBUTES = [[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0]]
TARGETS = torch.arange(40) % 4


def _network(**arguments) -> GroupedSSAN:
    torch.manual_seed(0)
    network = GroupedSSAN(10, 3, 4, 5, **arguments).eval()
    torch.nn.init.normal_(network.refinement.weight, std=0.1)
    return network


def _pixels():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(40, 10, generator=generator), torch.randn(40, 3, 5, 5, generator=generator), None


def test_a_balance_of_one_reproduces_the_plain_head_bit_for_bit():
    plain, aware = _network(), _network(attributes=ATTRIBUTES, attribute_balance=1.0)
    for network in (plain, aware):
        network.warm_start(*_pixels(), TARGETS)
    assert torch.equal(aware(*_pixels()), plain(*_pixels()))
    assert aware.state_dict().keys() == plain.state_dict().keys()


def test_the_attribute_score_follows_the_formula():
    network = _network(attributes=ATTRIBUTES, attribute_balance=0.6)
    network.warm_start(*_pixels(), TARGETS)
    spectra, patches, _ = _pixels()
    context = network.context_attention(patches, None)
    start = network.discriminant(context)[:, :, 0, 0]
    features = network.normalisation(
        torch.cat([network.spectral(spectra), network.spatial(patches, None).flatten(1)], 1)
    )
    cut, weight = network.spectral.features, network.refinement.weight
    sources = [start, start + features[:, :cut] @ weight[:, :cut].T, start + features[:, cut:] @ weight[:, cut:].T]
    table = np.array(ATTRIBUTES, dtype=float)
    given, without = (
        each.numpy() for each in (network.attribute_pooling.given_present, network.attribute_pooling.given_absent)
    )
    plain = (start + network.refinement(features)).detach().numpy()
    result = network(spectra, patches).detach().numpy()
    for n in range(5):
        pooled = np.zeros(3)
        for source in sources:
            p = torch.softmax(source[n], dim=0).detach().numpy() @ table
            for a in range(3):
                others = [given[a, b] * p[b] + without[a, b] * (1 - p[b]) for b in range(3) if b != a]
                pooled[a] += (0.6 * p[a] + 0.4 * np.mean(others)) / 3
        pooled = np.clip(pooled, 1e-4, 1 - 1e-4)
        for k in range(4):
            score = np.mean([np.log(pooled[a] if table[k, a] else 1 - pooled[a]) for a in range(3)])
            assert result[n, k] == pytest.approx(plain[n, k] + 0.4 * score, abs=1e-4)


def test_branches_alone_know_nothing_of_a_discriminant():
    network = _network(discriminant=False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.warm_start(*_pixels(), TARGETS)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    spectra, patches, _ = _pixels()
    features = torch.cat([network.spectral(spectra), network.spatial(patches, None).flatten(1)], dim=1)
    expected = network.refinement(network.normalisation(features))
    torch.testing.assert_close(network(spectra, patches), expected)


def test_the_prior_is_that_of_the_training_labels():
    network = _network(attributes=ATTRIBUTES, attribute_balance=0.5)
    targets = torch.tensor([0] * 6 + [1] * 2 + [2] * 1 + [3] * 31)
    network.warm_start(*_pixels(), targets)
    assert network.attribute_pooling.given_present[0, 1].item() == pytest.approx((2 + 1) / (2 + 2))  # class 1 has both
    assert network.attribute_pooling.given_present[1, 0].item() == pytest.approx((2 + 1) / (8 + 2))


def test_the_prior_travels_with_the_weights():
    network = _network(attributes=ATTRIBUTES, attribute_balance=0.5)
    network.warm_start(*_pixels(), TARGETS)
    other = _network(attributes=ATTRIBUTES, attribute_balance=0.5)
    other.load_state_dict(network.state_dict())
    assert torch.equal(other(*_pixels()), network(*_pixels()))


@pytest.mark.parametrize("table", [[[1, 0]], [[1], [0], [1]]])
def test_a_table_with_another_number_of_classes_is_refused(table):
    with pytest.raises(ValueError, match="one row per class"):
        GroupedSSAN(10, 3, 4, 5, attributes=table, attribute_balance=0.5)


@pytest.mark.parametrize("way", ["forward", "dense"])
def test_bfloat16_does_not_touch_the_discriminant(way):
    """Far from all classes the logits are large and close together, and bfloat16 keeps three digits of them."""
    network = _network()
    network.warm_start(*_pixels(), TARGETS)
    torch.nn.init.zeros_(network.refinement.weight)
    with torch.no_grad():
        network.discriminant.weight *= 100
    generator = torch.Generator().manual_seed(2)
    if way == "forward":
        inputs = (torch.randn(50, 10, generator=generator), 30 * torch.randn(50, 3, 5, 5, generator=generator))
    else:
        inputs = (torch.randn(10, 8, 6, generator=generator), 30 * torch.randn(3, 12, 10, generator=generator))
    with torch.inference_mode():
        exact = getattr(network, way)(*inputs)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mixed = getattr(network, way)(*inputs)
    assert exact.abs().max() > 1000
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, exact, rtol=1e-6, atol=1e-2)
