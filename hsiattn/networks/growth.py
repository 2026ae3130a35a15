"""Networks that become deeper without a change of what they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hsiattn.networks.base import SpectralSpatialNetwork
from hsiattn.networks.by_name import accepts, create_network, network_class


def growing_arguments(name: str) -> tuple[str, ...]:
    """Arguments of a network that count the blocks which it grows by; none of one that cannot grow.

    Examples
    --------
    >>> from hsiattn.networks import growing_arguments
    >>> growing_arguments("grouped-ssan"), growing_arguments("ssan")
    (('residual_blocks', 'spatial_blocks'), ())
    """
    return tuple(argument for argument in network_class(name).growing if argument in accepts(name))


def grown(
    network: SpectralSpatialNetwork, arguments: Mapping[str, Any]
) -> tuple[SpectralSpatialNetwork, dict[str, Any]] | None:
    """A network with one more block of every kind that it grows by, with the weights and the logits of the given one.

    Of a network that is made of others, those grow. The weights of the new blocks that are not 0 are drawn from torch's
    generator.

    Parameters
    ----------
    network
        On the CPU; it is left as it is.
    arguments
        What `create_network` made it from.

    Returns
    -------
    network, arguments
        In the mode, training or evaluation, of the given one. None where it cannot grow: it has no such blocks, or its
        patch leaves no place for them.

    Raises
    ------
    RecipeError
        It would have more weights than a network may have.

    Examples
    --------
    >>> import torch
    >>> from hsiattn.networks import create_network, grown
    >>> arguments = {"name": "attendnet", "bands": 30, "channels": 4, "classes": 3, "patch_size": 9}
    >>> network = create_network(**arguments).eval()
    >>> deeper, arguments = grown(network, arguments)
    >>> arguments["residual_blocks"]
    1
    >>> spectra, patches = torch.randn(5, 30), torch.randn(5, 4, 9, 9)
    >>> torch.allclose(deeper(spectra, patches), network(spectra, patches), atol=1e-5)
    True
    """
    changed = _one_more(str(arguments["name"]), dict(arguments), int(arguments["patch_size"]))
    if changed is None:
        return None
    deeper = create_network(**changed)
    weights = deeper.state_dict()
    weights.update(network.state_dict())
    deeper.load_state_dict(weights)
    return deeper.train(network.training), changed


def _one_more(name: str, arguments: dict[str, Any], patch_size: int) -> dict[str, Any] | None:
    """The arguments with one more block of every kind; None where there is no such kind."""
    if "member" in accepts(name):
        if "member" not in arguments:
            return None  # of a default that is not ours to know
        inner = _one_more(str(arguments["member"]), dict(arguments.get("member_arguments") or {}), patch_size)
        return None if inner is None else {**arguments, "member_arguments": inner}
    counts = [argument for argument in growing_arguments(name) if argument != "spatial_blocks" or patch_size > 2]
    more = {argument: int(arguments.get(argument, 0)) + 1 for argument in counts}
    return {**arguments, **more} if more else None
