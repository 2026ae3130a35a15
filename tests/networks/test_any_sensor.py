"""A network whose weights belong to wavelengths."""

import numpy as np
import pytest
import torch

from hsiattn.datasets.sensors import sensor
from hsiattn.errors import RecipeError
from hsiattn.networks import AnySensor, create_network

SMALL = {"width": 16, "features": 8, "dropout": 0.0}


def for_sensor(name, classes=3, **more):
    bands = sensor(name).bands()
    arguments = {"wavelength": bands.wavelength.tolist(), "fwhm": bands.fwhm.tolist(), **SMALL, **more}
    return AnySensor(len(bands), 0, classes, 1, **arguments).eval(), bands.wavelength


def test_weights_of_one_sensor_serve_another_one_that_sees_the_same():
    torch.manual_seed(0)
    first, nm = for_sensor("aviris-ng")
    other, other_nm = for_sensor("emit")
    other.load_state_dict(first.state_dict())

    def seen(centres):
        shapes = torch.linspace(200, 500, 20)[:, None]
        return 0.3 + 0.1 * torch.sin(torch.from_numpy(centres).float() / shapes)

    nothing = torch.empty(20, 0, 1, 1)
    torch.testing.assert_close(first(seen(nm), nothing), other(seen(other_nm), nothing), atol=0.02, rtol=0.02)


def test_no_weight_depends_on_the_bands():
    few, _ = for_sensor("rosis")
    many, _ = for_sensor("neon-ais")
    assert {name: value.shape for name, value in few.state_dict().items()} == {
        name: value.shape for name, value in many.state_dict().items()
    }


def test_a_leaf_is_told_only_where_it_has_most_of_the_class_above_it():
    members = [[0], [1, 2], [1], [2]]
    network = AnySensor(5, 0, 4, 1, members=members, telling=0.7, **SMALL)
    rng = np.random.default_rng(2)
    of_leaves = torch.from_numpy(rng.normal(0, 2, (200, 3))).float()
    found = network._logits(of_leaves).exp().numpy()
    for shares, row in zip(torch.softmax(of_leaves, 1).numpy(), found, strict=True):
        both = shares[1] + shares[2]
        told = max(shares[1:]) >= 0.7 * both
        expected = [shares[0], 0, shares[1], shares[2]] if told else [shares[0], both, 0, 0]
        np.testing.assert_allclose(row, expected, atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


def test_leaves_that_are_no_classes_of_their_own_stay_with_the_class_above():
    network = AnySensor(5, 0, 3, 1, members=[[0, 3], [1, 2], [1]], telling=0.7, **SMALL)
    of_leaves = torch.from_numpy(np.random.default_rng(3).normal(0, 2, (200, 4))).float()
    found = network._logits(of_leaves).exp().numpy()
    for shares, row in zip(torch.softmax(of_leaves, 1).numpy(), found, strict=True):
        told = shares[1] >= 0.7 * (shares[1] + shares[2])
        expected = (
            [shares[0] + shares[3], shares[2], shares[1]] if told else [shares[0] + shares[3], sum(shares[1:3]), 0]
        )
        np.testing.assert_allclose(row, expected, atol=1e-6)


def test_features_of_several_encoders_lie_side_by_side():
    torch.manual_seed(1)
    both, nm = for_sensor("rosis", encoders=2)
    spectra, nothing = torch.rand(7, len(nm)), torch.empty(7, 0, 1, 1)
    found = []
    for number in range(2):
        one, _ = for_sensor("rosis")
        one.encoders[0].load_state_dict(both.encoders[number].state_dict())
        found.append(one.features_of(spectra))
    torch.testing.assert_close(both.features_of(spectra), torch.cat(found, dim=1))
    logits = sum(part @ both.leaves.weight[:, 8 * number :][:, :8].T for number, part in enumerate(found))
    shares = torch.softmax(logits + both.leaves.bias, dim=1)
    torch.testing.assert_close(torch.softmax(both(spectra, nothing), dim=1), shares)


def test_bands_in_water_vapour_do_not_count():
    network, nm = for_sensor("aviris")
    spectra = torch.rand(4, len(nm))
    changed = spectra.clone()
    changed[:, (nm > 1370) & (nm < 1430)] = 99.0
    nothing = torch.empty(4, 0, 1, 1)
    torch.testing.assert_close(network(spectra, nothing), network(changed, nothing))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"wavelength": [500.0]}, "3 bands have 1 wavelengths"),
        ({"members": [[0], []]}, "2 lists of leaves"),
        ({"telling": 0.2}, "telling must lie"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, said):
    with pytest.raises(RecipeError, match=said):
        create_network("any-sensor", bands=3, channels=0, classes=2, patch_size=1, **arguments)
