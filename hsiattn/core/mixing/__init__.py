"""Mixing without attention: convolutions and products along the axes."""

from hsiattn.core.block import FeatureBlock
from hsiattn.core.mixing.masked_convolution import MaskedConv2d
from hsiattn.core.mixing.pepe import ProjectExpandProjectExpand
from hsiattn.core.mixing.sparse_mlp import SparseMLP

MIXING: dict[str, type[FeatureBlock]] = {
    "smlp": SparseMLP,
    "pepe": ProjectExpandProjectExpand,
}
"""Mixing blocks by the names that recipes use."""

__all__ = ["MIXING", "MaskedConv2d", "ProjectExpandProjectExpand", "SparseMLP"]
