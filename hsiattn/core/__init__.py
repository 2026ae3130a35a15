"""General network parts, a library of its own: they know tensors and nothing of scenes.

`attention` weighs, `mixing` combines positions without weighing, `pooling` makes fewer of them; `block` says what all
of them have in common, `by_name` finds them for a recipe. `recurrent` reads sequences; `concurrent_parts` trains
branches on a core each; `int8_rounding` trains layers for int8.

Shapes are written with N samples, C channels, H × W rows and columns, L positions or T steps of a sequence, F features,
w × w patches. A mask is True where a value counts.
"""

from hsiattn.core.attention import (
    ATTENTION,
    AdditiveAttention,
    AdditiveGate,
    AttentionCondenser,
    ChannelReassessmentAttention,
    EfficientChannelAttention,
    GlobalSelfAttention,
    LearnedQuery,
    NonLocalSpatialAttention,
    SelfAttention,
    SpatialChannelAttention,
    SpatialGate,
    SqueezeExcitation,
    TransformerEncoder,
    with_positions,
)
from hsiattn.core.block import Dimensions, FeatureBlock, Pooled, Pooling
from hsiattn.core.by_name import BLOCKS, create_block, create_pooling
from hsiattn.core.concurrent_parts import concurrently, threads_for_parts
from hsiattn.core.discrepancy import maximum_mean_discrepancy
from hsiattn.core.int8_rounding import int8_layers, rounded_inputs, rounded_to_int8, rounded_weights
from hsiattn.core.mixing import MIXING, MaskedConv2d, ProjectExpandProjectExpand, SparseMLP
from hsiattn.core.normalisation import MaskedBatchNorm
from hsiattn.core.pooling import (
    POOLING,
    AttributeAwarePooling,
    AveragePooling,
    HybridPooling,
    MaxPooling,
    RandomShift,
    WaveletPooling,
    WaveletTransform,
)
from hsiattn.core.recurrent import FastGRU
from hsiattn.core.residual import PointwiseResidual

__all__ = [
    "ATTENTION",
    "BLOCKS",
    "MIXING",
    "POOLING",
    "AdditiveAttention",
    "AdditiveGate",
    "AttentionCondenser",
    "AttributeAwarePooling",
    "AveragePooling",
    "ChannelReassessmentAttention",
    "Dimensions",
    "EfficientChannelAttention",
    "FastGRU",
    "FeatureBlock",
    "GlobalSelfAttention",
    "HybridPooling",
    "LearnedQuery",
    "MaskedBatchNorm",
    "MaskedConv2d",
    "MaxPooling",
    "NonLocalSpatialAttention",
    "PointwiseResidual",
    "Pooled",
    "Pooling",
    "ProjectExpandProjectExpand",
    "RandomShift",
    "SelfAttention",
    "SparseMLP",
    "SpatialChannelAttention",
    "SpatialGate",
    "SqueezeExcitation",
    "TransformerEncoder",
    "WaveletPooling",
    "WaveletTransform",
    "concurrently",
    "create_block",
    "create_pooling",
    "int8_layers",
    "maximum_mean_discrepancy",
    "rounded_inputs",
    "rounded_to_int8",
    "rounded_weights",
    "threads_for_parts",
    "with_positions",
]
