"""The recipes that a search found, as small and as quick as they say."""

import pytest

from hsiattn.networks import create_network
from hsiattn.networks.cost import Cost, cost_of
from hsiattn.training import load_recipe


def _cost(name: str) -> Cost:
    recipe = load_recipe(name)
    sizes = {"bands": 103, "channels": recipe.preprocessing.noise_components, "classes": 9}
    network = create_network(recipe.network.name, **sizes, patch_size=recipe.patch_size, **recipe.network.arguments)
    assert network.dense_capable
    return cost_of(network)


@pytest.mark.parametrize(("name", "most"), [("attendnet-s", 10_000), ("attendnet-m", 30_000)])
def test_they_have_no_more_parameters_than_they_may_and_less_than_half_the_multiply_adds_of_the_default(name, most):
    assert _cost(name).parameters <= most
    assert _cost(name).macs < _cost("default").macs / 2
