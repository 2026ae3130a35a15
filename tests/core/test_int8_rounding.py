"""Rounding to int8 in training: values on the grid, gradients as without it, and nothing left of it afterwards."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from hsiattn.core import FastGRU, MaskedConv2d, int8_layers, rounded_inputs, rounded_to_int8, rounded_weights


@given(
    shape=st.sampled_from([(5, 3), (2, 7), (4, 3, 3, 3), (3, 2, 5)]), size=st.floats(1e-6, 1e6), seed=st.integers(0, 99)
)
def test_weights_are_at_the_nearest_of_129_steps_up_to_the_largest_of_their_output(shape, size, seed):
    torch.manual_seed(seed)
    weight = size * torch.randn(shape)
    unit = weight.flatten(1).abs().amax(dim=1).view(-1, *[1] * (len(shape) - 1)) / 64
    steps = (rounded_weights(weight) / unit).double()
    torch.testing.assert_close(steps, steps.round(), atol=1e-4, rtol=0)
    assert (steps.flatten(1).abs().amax(dim=1) - 64).abs().max() < 1e-4
    assert ((steps - weight / unit).abs() <= 0.5 + 1e-4).all()


def test_weights_that_are_all_zero_stay_so():
    weight = torch.tensor([[0.0, 0.0], [1.0, -0.5]])
    assert torch.equal(rounded_weights(weight), weight)


@given(size=st.floats(1e-6, 1e6), shift=st.floats(-3, 3), seed=st.integers(0, 99))
def test_inputs_are_at_the_nearest_of_256_steps_of_which_0_is_one(size, shift, seed):
    torch.manual_seed(seed)
    x = size * (torch.randn(50) + shift)
    low, high = x.amin().clamp(max=0), x.amax().clamp(min=0)
    unit = (high - low) / 255
    steps = (rounded_inputs(x) / unit).double()
    torch.testing.assert_close(steps, steps.round(), atol=1e-3, rtol=0)
    assert len(steps.round().unique()) <= 256
    assert ((steps - x / unit).abs() <= 1).all()  # 0 being a step moves the ends of the range by up to half a one
    assert rounded_inputs(torch.cat([x, torch.zeros(1)]))[-1] == 0


def test_gradients_pass_within_the_range_and_end_beyond_it():
    x = torch.linspace(-2, 2, 81, requires_grad=True)
    factor = torch.randn(81)
    (factor * rounded_inputs(x, torch.tensor(-1.0), torch.tensor(1.0))).sum().backward()
    within = x.detach().abs() < 1
    assert torch.equal(x.grad[within], factor[within])
    assert (x.grad[x.detach().abs() > 1.01] == 0).all()
    weight = torch.randn(4, 6, requires_grad=True)
    (factor[:24].view(4, 6) * rounded_weights(weight)).sum().backward()
    assert torch.equal(weight.grad, factor[:24].view(4, 6))


class _Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrent = FastGRU(3, 5)
        self.layers = nn.ModuleList([nn.Linear(10, 4), MaskedConv2d(2, 4, 1), nn.Conv2d(4, 4, 1)])
        self.score = nn.Linear(4, 1)

    def forward(self, steps, patches):
        read = self.layers[0](self.recurrent(steps)[0].mean(dim=1))
        seen = self.layers[2](self.layers[1](patches, None)[0]).mean(dim=(2, 3))
        return self.score(read + seen)


def _given():
    torch.manual_seed(0)
    return _Network(), torch.randn(6, 7, 3), torch.randn(6, 2, 3, 3)


def test_every_layer_of_more_than_one_output_is_rounded_and_no_other():
    network = _given()[0]
    assert int8_layers(network) == [network.recurrent, *network.layers]
    weights = {name: value.clone() for name, value in network.named_parameters()}
    with rounded_to_int8(network):
        inside = dict(network.named_parameters())
        for name, weight in weights.items():
            rounded = "weight" in name and not name.startswith("score")
            assert torch.equal(inside[name], rounded_weights(weight) if rounded else weight)


@pytest.mark.parametrize("grad", [True, False], ids=["training", "evaluation"])
def test_the_network_computes_what_rounded_weights_and_inputs_give(grad):
    network, steps, patches = _given()
    with torch.set_grad_enabled(grad):
        with rounded_to_int8(network):
            found = network(steps, patches)
        other = copy.deepcopy(network)
        for layer in int8_layers(other):
            for name, value in layer.named_parameters():
                value.data = rounded_weights(value.data) if name.startswith("weight") else value.data
        read = other.recurrent(rounded_inputs(steps))[0].mean(dim=1)
        read = other.layers[0](rounded_inputs(read))
        seen = other.layers[1](rounded_inputs(patches), None)[0]
        expected = other.score(read + other.layers[2](rounded_inputs(seen)).mean(dim=(2, 3)))
    torch.testing.assert_close(found, expected)
    assert not torch.equal(found, network(steps, patches))


def test_afterwards_the_network_is_as_it_was_and_its_state_has_the_same_names_throughout():
    network, steps, patches = _given()
    names, own = list(network.state_dict()), dict(network.named_parameters())
    before, values = network(steps, patches), {name: value.clone() for name, value in own.items()}
    with rounded_to_int8(network):
        assert list(network.state_dict()) == names
        network(steps, patches).sum().backward()
    assert list(network.state_dict()) == names
    for name, value in network.named_parameters():
        assert value is own[name]
        assert torch.equal(value, values[name])
        assert value.grad is not None
    assert torch.equal(network(steps, patches), before)
    assert torch.equal(copy.deepcopy(network)(steps, patches), before)
    assert not any(layer._forward_pre_hooks for layer in network.modules())


def test_gradients_of_a_recurrent_layer_are_those_of_its_rounded_weights():
    network, steps, _ = _given()
    gru = network.recurrent
    with rounded_to_int8(gru):
        gru(steps)[0].square().sum().backward()
    other = FastGRU(3, 5)
    other.load_state_dict({name: rounded_weights(value) if "weight" in name else value
                           for name, value in gru.state_dict().items()})  # fmt: skip
    other(rounded_inputs(steps))[0].square().sum().backward()
    for name, value in gru.named_parameters():
        torch.testing.assert_close(value.grad, other.get_parameter(name).grad)


def test_an_error_within_leaves_the_network_as_it_was():
    network, steps, patches = _given()
    before = network(steps, patches)
    with pytest.raises(RuntimeError), rounded_to_int8(network):
        network(steps, patches[:, :1])
    assert torch.equal(network(steps, patches), before)
