"""What networks start from: a model that was trained on the same pixels, and on no others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from hsiattn.models.model_file import TrainedModel
from hsiattn.networks import SpectralSpatialNetwork, create_network

_SAME = ("training_spectra_sha256", "training_labels_sha256")


@dataclass(frozen=True, eq=False)
class Start:
    """A network to start from.

    Attributes
    ----------
    arguments
        What `create_network` makes it from.
    weights
        Its `state_dict`; None for fresh ones.
    digest
        SHA-256 of the model file.
    """

    arguments: Mapping[str, Any]
    weights: Mapping[str, Tensor] | None
    digest: str

    @classmethod
    def of(cls, model: TrainedModel) -> Start:
        """That of a model; of one with a memory of spectra, the network beside the memory."""
        arguments, weights = dict(model.arguments), model.network.state_dict()
        if arguments["name"] == "with-prior":
            sizes = {size: arguments[size] for size in ("bands", "channels", "classes", "patch_size")}
            arguments = {"name": arguments["member"], **sizes, **(arguments["member_arguments"] or {})}
            inside = "member."
            weights = {name[len(inside) :]: value for name, value in weights.items() if name.startswith(inside)}
        return cls(arguments, weights, model.digest)

    def anew(self) -> Start:
        """The same network without what it has learned."""
        return replace(self, weights=None)

    def network(self, seed: int) -> SpectralSpatialNetwork:
        """The network, to be trained; fresh weights are those of the seed."""
        torch.manual_seed(seed)
        network = create_network(**self.arguments)
        if self.weights is not None:
            network.load_state_dict(dict(self.weights))
        return network


def same_pixels(model: TrainedModel, fingerprint: Mapping[str, Any]) -> bool:
    """Whether a model was trained on the pixels of a fingerprint; from others it may know those of the test."""
    return all(model.data.get(name) == fingerprint[name] for name in _SAME)
