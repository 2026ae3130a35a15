"""What a network costs, against counts by hand."""

import pytest
import torch
from torch import nn

from hsiattn.networks import SpectralSpatialNetwork, create_network
from hsiattn.networks.cost import Cost, cost_of

SIZES = {"bands": 103, "channels": 40, "classes": 9, "patch_size": 9}


def test_the_default_network_as_counted_by_hand():
    steps, hidden, width, features = 13, 32, 32, 64 + 32  # 103 bands in groups of 8, the last filled up
    spectral = steps * 8 * 32 + 2 * steps * 3 * hidden * (32 + hidden)
    attention = steps * 64 * 32 + steps * 32 + steps * 64  # projection, scores, weighted sum
    spatial = 40 + 9 * 40 * width + 3 * 9 * width * width  # gate, and four convolutions down to one pixel
    network = create_network("grouped-ssan", **SIZES)
    counted = cost_of(network)
    assert counted.macs == spectral + attention + spatial + features * 9
    assert counted.parameters == sum(p.numel() for p in network.parameters() if p.requires_grad)


class Mixed(SpectralSpatialNetwork):
    """Each kind of layer once."""

    def __init__(self, dense: bool) -> None:
        super().__init__(6, 4, 3, 5)
        self.dense_capable = dense
        self.recurrent = nn.GRU(2, 5, num_layers=2, bidirectional=True, batch_first=True)
        self.along = nn.Conv1d(10, 7, kernel_size=3, groups=1, padding=1)
        self.over = nn.Sequential(nn.Conv2d(4, 8, 3), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 2, 1))
        self.last = nn.Linear(9, 3)
        self.scale = nn.Parameter(torch.ones(3, 3))

    def forward(self, spectra, patches, valid=None):
        read = self.along(self.recurrent(spectra.view(-1, 3, 2))[0].transpose(1, 2)).mean(dim=2)
        seen = self.over(patches).flatten(2).permute(0, 2, 1).reshape(len(read), -1)
        return torch.einsum("ij,nj->ni", self.scale, self.last(torch.cat([read, seen], dim=1)))

    def dense(self, spectra, components, valid=None):
        pixels = spectra.flatten(1).T
        read = self.along(self.recurrent(pixels.reshape(-1, 3, 2))[0].transpose(1, 2)).mean(dim=2)
        seen = self.over(components[None])[0].flatten(1).T
        return (self.last(torch.cat([read, seen], dim=1)) @ self.scale.T).T.reshape(3, *spectra.shape[1:])


@pytest.mark.parametrize("dense", [True, False])
def test_every_kind_of_layer_as_counted_by_hand(dense):
    recurrent = 3 * 2 * 3 * 5 * ((2 + 5) + (10 + 5))
    along = 3 * 3 * 10 * 7
    first, second, third = 9 * 4 * 8, 9 * 8, 8 * 2
    over = first + second + third if dense else 9 * first + second + third
    assert cost_of(Mixed(dense)).macs == recurrent + along + over + 9 * 3 + 3 * 3


def test_overlapping_patches_count_what_they_share_once():
    pooled = cost_of(create_network("grouped-ssan", pooling="max", **SIZES)).macs
    assert pooled < cost_of(create_network("grouped-ssan", **SIZES)).macs  # fewer convolutions, evaluated once


def test_the_network_is_left_as_it_is():
    network = create_network("grouped-ssan", **SIZES)
    network.spatial.eval()
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    assert cost_of(network) == cost_of(network) == Cost(55474, 231016.0)
    assert network.training
    assert network.spectral.training
    assert not network.spatial.training
    assert not network.spectral.recurrent.__dict__.get("forward")
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(weight, before[name]) for name, weight in network.state_dict().items())
    network(torch.randn(2, 103), torch.randn(2, 40, 9, 9)).sum().backward()
