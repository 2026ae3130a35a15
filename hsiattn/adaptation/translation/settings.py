"""How a translation between two scenes is set up and learnt."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from hsiattn.settings import Settings

_LARGEST_WITHOUT_POOLING = 256
"""Side of a tile above which attention looks at means of cells: at 256, its rows and columns are 4096 each."""


class TranslationSettings(Settings):
    """Sizes of the networks, weights of the losses and length of the training of a translation between scenes.

    The defaults suit a few minutes on two processor cores. `published` gives the figures of Kang and Lee.

    Parameters
    ----------
    start
        What the untrained translation is: `moments` gives every band the target's mean and deviation, `identity` leaves
        all values as they are, and training goes on from there; with `none` the networks make the whole spectrum, as
        published, and begin at random. Default: `moments`.
    components
        Principal components of the spectra of both scenes that the networks see; None for all bands. What the
        components leave out of a spectrum is handed on, unless `start` is `none`. Default: 10.
    tile
        Side in pixels of the tiles that are learnt from and translated. Default: 32.
    tiles
        Tiles that are drawn from each scene. Default: 64.
    width
        Channels of the first convolution; every down-sampling doubles them. Default: 8.
    downsamplings
        Of the content, by 2 each. Default: 2.
    blocks
        Residual blocks of the content encoder, and as many in the decoder. Default: 2.
    style
        Numbers that describe a style. Default: 8.
    style_downsamplings
        Of the style encoder. Default: 3.
    hidden
        Neurons of the layers that make normalisation parameters of a style. Default: 64.
    scales
        Resolutions at which tiles are judged. Default: 2.
    judge_width
        Channels of the first convolution of a discriminator. Default: 8.
    judge_layers
        Convolutions by 2 in a discriminator. Default: 3.
    adversarial_weight, image_weight, style_weight, content_weight, cycle_weight
        Of the losses, see `TranslationLosses`. Default: 1, 10, 1, 1 and 10, as published.
    angle_weight
        Of the spectral angle (rad) between a tile and its translation there and back. Default: 10.
    learning_rate
        Of Adam, with β 0.5 and 0.999. Default: 0.002; published is 0.0001 for a million steps.
    weight_decay
        Default: 0.0001.
    halve_after
        Epochs after which the learning rate is halved, again and again. Default: 4.
    batch_size
        Tiles of each scene in a step. Default: 4.
    epochs
        Times that all tiles are seen; with 0 the translation stays as it starts. Default: 4.

    Examples
    --------
    >>> TranslationSettings(epochs=2)
    TranslationSettings(epochs=2)
    """

    start: Literal["moments", "identity", "none"] = "moments"
    components: int | None = Field(default=10, ge=1, le=2**14)
    tile: int = Field(default=32, ge=8, le=2048)
    tiles: int = Field(default=64, ge=1, le=10**6)
    width: int = Field(default=8, ge=1, le=4096)
    downsamplings: int = Field(default=2, ge=1, le=6)
    blocks: int = Field(default=2, ge=1, le=100)
    style: int = Field(default=8, ge=1, le=4096)
    style_downsamplings: int = Field(default=3, ge=2, le=8)
    hidden: int = Field(default=64, ge=1, le=2**16)
    scales: int = Field(default=2, ge=1, le=8)
    judge_width: int = Field(default=8, ge=1, le=4096)
    judge_layers: int = Field(default=3, ge=1, le=8)
    adversarial_weight: float = Field(default=1.0, ge=0)
    image_weight: float = Field(default=10.0, ge=0)
    style_weight: float = Field(default=1.0, ge=0)
    content_weight: float = Field(default=1.0, ge=0)
    cycle_weight: float = Field(default=10.0, ge=0)
    angle_weight: float = Field(default=10.0, ge=0)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    halve_after: int = Field(default=4, ge=1, le=10**6)
    batch_size: int = Field(default=4, ge=1, le=4096)
    epochs: int = Field(default=4, ge=0, le=10**6)

    @property
    def key_pooling(self) -> int:
        """Side of the cells at which attention looks, 1 for tiles up to 256 × 256."""
        return -(-self.tile // _LARGEST_WITHOUT_POOLING)

    @classmethod
    def published(cls, **others: object) -> Self:
        """The figures of Kang and Lee 2020, arXiv 1901.08242 (their cat-to-dog set-up); `others` replace some.

        >>> TranslationSettings.published(components=None).blocks
        4
        """
        figures = {
            "start": "none", "tile": 256, "width": 64, "downsamplings": 2, "blocks": 4, "style": 8,
            "style_downsamplings": 4, "hidden": 256, "scales": 3, "judge_width": 64, "judge_layers": 4,
            "angle_weight": 0.0, "learning_rate": 1e-4, "batch_size": 1,
        }  # fmt: skip
        return cls.model_validate({**figures, **others})

    @model_validator(mode="after")
    def _tiles_are_large_enough(self) -> Self:
        if self.tile % 2**self.downsamplings:
            raise ValueError(f"tile must be a multiple of {2**self.downsamplings}, as downsamplings says")
        least = 2 ** max(self.scales - 1 + self.judge_layers, self.downsamplings + 1, self.style_downsamplings)
        if self.tile < least:
            raise ValueError(f"tile must be at least {least}, or scales, judge_layers and down-samplings fewer")
        return self
