"""Attention: what to weigh by what is seen."""

from hsiattn.core.attention.additive import AdditiveAttention, AdditiveGate
from hsiattn.core.attention.channel_reassessment import ChannelReassessmentAttention
from hsiattn.core.attention.condenser import AttentionCondenser
from hsiattn.core.attention.efficient_channel import EfficientChannelAttention
from hsiattn.core.attention.global_self_attention import GlobalSelfAttention
from hsiattn.core.attention.non_local_gate import NonLocalSpatialAttention
from hsiattn.core.attention.self_attention import SelfAttention
from hsiattn.core.attention.spatial_channel import SpatialChannelAttention
from hsiattn.core.attention.spatial_gate import SpatialGate
from hsiattn.core.attention.squeeze_excitation import SqueezeExcitation
from hsiattn.core.attention.transformer import LearnedQuery, TransformerEncoder, with_positions
from hsiattn.core.block import FeatureBlock

ATTENTION: dict[str, type[FeatureBlock]] = {
    "gsa": GlobalSelfAttention,
    "self-attention": SelfAttention,
    "condenser": AttentionCondenser,
    "additive": AdditiveGate,
    "spatial-gate": SpatialGate,
    "nl-sam": NonLocalSpatialAttention,
    "spatial-channel": SpatialChannelAttention,
    "cra": ChannelReassessmentAttention,
    "eca": EfficientChannelAttention,
    "se": SqueezeExcitation,
}
"""Attention blocks by the names that recipes use."""

__all__ = [
    "ATTENTION",
    "AdditiveAttention",
    "AdditiveGate",
    "AttentionCondenser",
    "ChannelReassessmentAttention",
    "EfficientChannelAttention",
    "GlobalSelfAttention",
    "LearnedQuery",
    "NonLocalSpatialAttention",
    "SelfAttention",
    "SpatialChannelAttention",
    "SpatialGate",
    "SqueezeExcitation",
    "TransformerEncoder",
    "with_positions",
]
