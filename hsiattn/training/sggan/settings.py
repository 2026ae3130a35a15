"""Settings of SGGAN, which its method and its rounds share."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hsiattn.training.methods import SemiSupervisedTraining


class SGGANSettings(SemiSupervisedTraining):
    """What `SGGANTraining` is told.

    Parameters
    ----------
    rounds
        Rounds of self-growing after the first training. Each takes as many epochs or steps as the settings allow for
        one training. Default: 3.
    matching
        What the generator makes small: `mmd`, the maximum mean discrepancy of the features of made and unlabelled
        pixels, or `mean`, the distance of their means. Default: `mmd`.
    adversarial_weight
        Weight of the losses by which the network tells real pixels from made ones; 0 leaves the generator out.
        Default: 1.
    latent
        Numbers that the generator makes a pixel from. Default: 64.
    generator_rate
        Learning rate of the generator. Default: 0.001.
    momentum
        First decay rate of both optimisers; low ones keep adversaries from overshooting. Default: 0.5.
    threshold
        Least score of a pixel that is taken in, 0 … 1: the probability of its class times that of being real. Default:
        0.95.
    first_share, more_share
        Share of the unlabelled pixels of every class that the first round of self-growing takes in at most, and by how
        much it rises with every further one. Defaults: 0.1, 0.05.
    growth
        Let the network become deeper before each round of self-growing, which leaves its logits as they are. Networks
        that cannot grow stay as they are. Default: True.
    class_balance
        Weigh the losses of labels so that every class counts the same. Default: True. All further settings are those of
        `SemiSupervisedTraining`; epochs pass through the unlabelled pixels.
    """

    method: Literal["sggan"] = "sggan"
    rounds: int = Field(default=3, ge=0, le=100)
    matching: Literal["mmd", "mean"] = "mmd"
    adversarial_weight: float = Field(default=1.0, ge=0, le=1000)
    latent: int = Field(default=64, ge=1, le=4096)
    generator_rate: float = Field(default=1e-3, gt=0)
    momentum: float = Field(default=0.5, ge=0, lt=1)
    threshold: float = Field(default=0.95, ge=0, lt=1)
    first_share: float = Field(default=0.1, gt=0, le=1)
    more_share: float = Field(default=0.05, ge=0, le=1)
    growth: bool = True
    class_balance: bool = True
