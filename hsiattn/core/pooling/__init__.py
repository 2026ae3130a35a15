"""Pooling: fewer positions, as little lost as possible."""

from hsiattn.core.block import Pooling
from hsiattn.core.pooling.attribute_aware import AttributeAwarePooling, BranchPool
from hsiattn.core.pooling.hybrid import Detail, HybridPooling
from hsiattn.core.pooling.max_average import AveragePooling, MaxPooling
from hsiattn.core.pooling.random_shift import Offsets, RandomShift
from hsiattn.core.pooling.wavelet import WaveletPooling
from hsiattn.core.pooling.wavelet_transform import WaveletTransform

POOLING: dict[str, type[Pooling]] = {
    "max": MaxPooling,
    "average": AveragePooling,
    "wavelet": WaveletPooling,
    "hybrid": HybridPooling,
}
"""Poolings by the names that recipes use."""

__all__ = [
    "POOLING",
    "AttributeAwarePooling",
    "AveragePooling",
    "BranchPool",
    "Detail",
    "HybridPooling",
    "MaxPooling",
    "Offsets",
    "RandomShift",
    "WaveletPooling",
    "WaveletTransform",
]
