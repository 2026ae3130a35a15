"""General network parts: attention, convolutions with missing neighbours. They know tensors and nothing of scenes.

Shapes are written with N samples, T steps of a sequence, F features, C channels, H × W rows and columns, w × w patches.
A mask is True where a value counts.
"""

from hsiattn.core.additive_attention import AdditiveAttention
from hsiattn.core.masked_convolution import MaskedConv2d
from hsiattn.core.neighbourhood_attention import NeighbourhoodAttention
from hsiattn.core.spatial_gate import SpatialGate

__all__ = ["AdditiveAttention", "MaskedConv2d", "NeighbourhoodAttention", "SpatialGate"]
