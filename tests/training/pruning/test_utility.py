"""What a unit matters: against a loop over pixels and units."""

import gc

import numpy as np
import pytest
import torch

from hsiattn.networks import create_network
from hsiattn.networks.units import Shown, Spread
from hsiattn.training.pruning.utility import importance, magnitudes, relative, watch


@pytest.mark.parametrize(
    ("shape", "spread", "count", "numbers"),
    [
        ((4, 5, 3, 3), Spread(1), 5, None),
        ((4, 6, 8), Spread(2, (0, 4)), 4, None),
        ((4, 10), Spread(1, block=3), 4, None),
        ((4, 10), Spread(1, block=3), 2, (1, 3)),
    ],
    ids=["channels", "two directions", "groups, the last one short", "some groups"],
)
def test_importance_is_the_mean_of_sums_of_gradient_times_activation(shape, spread, count, numbers):
    torch.manual_seed(0)
    values, gradients = torch.randn(shape), torch.randn(shape)
    found = importance(values, gradients, Shown("", "output", spread, numbers), count)
    expected = []
    for unit in numbers or range(count):
        total = 0.0
        for pixel in range(shape[0]):
            places = [p for p in spread.indices(np.array([unit])) if p < shape[spread.axis]]
            change = (values * gradients)[pixel].movedim(spread.axis - 1, 0)
            total += abs(sum(float(change[place].sum()) for place in places))
        expected.append(total / shape[0])
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4)


def test_every_set_of_a_network_tells_its_importance_in_a_backward_pass():
    network = create_network("grouped-ssan", bands=21, channels=6, classes=4, patch_size=7, kept_groups=[0, 2])
    anatomy, told = network.anatomy(), {}
    handles = watch(network, anatomy, told.__setitem__)
    spectra, patches = torch.randn(5, 21), torch.randn(5, 6, 7, 7)
    network(spectra, patches).square().sum().backward()
    assert {name: len(values) for name, values in told.items()} == {each.name: each.count for each in anatomy.units}
    assert all((values > 0).any() for values in told.values())
    for handle in handles:
        handle.remove()
    told.clear()
    network(spectra, patches).sum().backward()
    assert not told


def test_watching_keeps_nothing_alive_until_garbage_is_collected():
    network = create_network("grouped-ssan", bands=21, channels=6, classes=4, patch_size=7)
    told = {}
    watch(network, network.anatomy(), told.__setitem__)
    spectra, patches = torch.randn(5, 21), torch.randn(5, 6, 7, 7)

    def alive():
        network(spectra, patches).sum().backward()
        return sum(type(each) is torch.Tensor for each in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        first = alive()
        assert alive() == alive() == first
    finally:
        gc.enable()


def test_importance_of_a_last_channel_is_the_change_of_the_loss_that_it_stands_for():
    """A loss that is linear in the activations changes by exactly what the first order says."""
    torch.manual_seed(1)
    network = create_network("grouped-ssan", bands=8, channels=2, classes=3, patch_size=3, width=4).eval()
    told = {}
    watch(network, network.anatomy(), told.__setitem__)
    patches = torch.randn(1, 2, 3, 3)
    weights = torch.randn(4)
    (network.spatial(patches, None)[0, :, 0, 0] * 0).sum()
    layer = network.spatial.layers[0]
    activations = layer(patches, None)[0][0, :, 0, 0]
    (activations * weights).sum().backward()
    np.testing.assert_allclose(told["width.0"].numpy(), (activations * weights).abs().detach().numpy(), rtol=1e-5)


def test_magnitudes_are_norms_of_all_weights_of_a_unit():
    network = create_network("grouped-ssan", bands=21, channels=6, classes=4, patch_size=5, hidden=5)
    anatomy = network.anatomy()
    found = dict(zip([each.name for each in anatomy.units],
                     np.split(magnitudes(dict(network.named_parameters()), anatomy),
                              np.cumsum([each.count for each in anatomy.units])[:-1]), strict=True))  # fmt: skip
    first, second = network.spatial.layers
    norms = first.weight.square().sum(dim=(1, 2, 3)) + first.bias.square() + second.weight.square().sum(dim=(0, 2, 3))
    np.testing.assert_allclose(found["width.0"], relative(norms.detach().sqrt().numpy()), rtol=1e-5)
    assert (found["groups"] == 1).all()
