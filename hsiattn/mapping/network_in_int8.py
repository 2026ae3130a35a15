"""A network whose recurrent part has its matrix products in int8, for maps on a CPU."""

from __future__ import annotations

import copy
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from hsiattn.core import FastGRU
from hsiattn.devices import computes_int8
from hsiattn.errors import DeviceError, ModelFileError
from hsiattn.models.model_file import TrainedModel
from hsiattn.networks import SpectralSpatialNetwork

_MARGIN = 1.25
"""How much larger than in spectra of the training scene an input may be before it is cut."""
_LEAST = 1e-6
"""Least of the largest magnitudes of an input, so that one that is always 0 has a scale too."""
_WITHOUT = "leave precision= out"


def check_int8(model: TrainedModel) -> None:
    """Refuse a model, or a CPU, that has no use for int8.

    Raises
    ------
    DeviceError
        The CPU does not multiply in int8, or nothing of the network would.
    ModelFileError
        The model keeps no spectra of its training scene, from which scales are taken.
    """
    if not computes_int8():
        raise DeviceError("this CPU does not multiply in int8 (AVX-512 VNNI)", _WITHOUT)
    if not any(isinstance(part, FastGRU) for part in model.network.modules()):
        name = model.arguments["name"]
        raise DeviceError(f"int8 is for recurrent parts of a network, and {name} has none", _WITHOUT)
    if model.domain is None:
        raise ModelFileError(
            "the model keeps no spectra of its training scene, which int8 takes its scales from",
            f"{_WITHOUT}, or train again",
        )


def network_in_int8(model: TrainedModel) -> SpectralSpatialNetwork:
    """A copy of the model's network whose recurrent parts multiply in int8, see `FastGRU`; the rest stays float32.

    Scales are the largest inputs of these parts for the spectra of the training scene that the model keeps, and no
    matter of the scene that is mapped: a pixel's class does not depend on which pixels are computed with it.
    """
    assert model.domain is not None
    network = copy.deepcopy(model.network)
    examples = model.domain.examples.T[:, None]
    spectra, components = (
        torch.from_numpy(part[:, 0].T.copy())
        for part in model.preprocessing.transform(examples, np.ones(examples.shape[1:], dtype=bool))
    )
    parts = [part for part in network.modules() if isinstance(part, FastGRU)]
    largest = [torch.full((part.input_size,), _LEAST) for part in parts]

    def watch(largest: Tensor, part: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        torch.maximum(largest, inputs[0].abs().amax(dim=(0, 1)), out=largest)

    hooks = [
        part.register_forward_pre_hook(partial(watch, magnitudes))
        for part, magnitudes in zip(parts, largest, strict=True)
    ]
    side = network.patch_size
    with torch.inference_mode():
        network(spectra, components[:, :, None, None].expand(-1, -1, side, side))
    for part, hook, magnitudes in zip(parts, hooks, largest, strict=True):
        hook.remove()
        part.largest_inputs = _MARGIN * magnitudes
    return network
