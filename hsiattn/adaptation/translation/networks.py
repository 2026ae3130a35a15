"""Networks of the translation: content and style are read from a tile, and a tile is made of content and style.

They are those of Kang and Lee 2020 (arXiv 1901.08242), who add one self-attention layer to the decoder and to every
discriminator of MUNIT (Huang, Liu, Belongie and Kautz 2018). Ours differ in the end of the decoder, which is linear
instead of tanh, since components of spectra have no bounds; and, where the translation starts from moments or the
identity, in the short cut of `ShortCut`, past which the decoder makes a correction only. Both are changes of ours.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsiattn.adaptation.translation.parts import (
    ConvolutionBlock,
    ResidualBlock,
    adaptive_layers,
    initialise,
    set_style,
)
from hsiattn.adaptation.translation.settings import TranslationSettings
from hsiattn.core.attention import SelfAttention


class ContentEncoder(nn.Sequential):
    """What lies where, without how it looks: (N, C, H, W) -> (N, width · 2^d, H / 2^d, W / 2^d), d `downsamplings`."""

    def __init__(self, channels: int, settings: TranslationSettings) -> None:
        width = settings.width
        layers: list[nn.Module] = [ConvolutionBlock(channels, width, 7, norm="instance")]
        for _ in range(settings.downsamplings):
            layers.append(ConvolutionBlock(width, 2 * width, 4, stride=2, norm="instance"))
            width *= 2
        layers += [ResidualBlock(width, "instance") for _ in range(settings.blocks)]
        super().__init__(*layers)
        self.outputs = width


class StyleEncoder(nn.Sequential):
    """How a tile looks, without what lies where: (N, C, H, W) -> (N, style). Nothing is normalised, to keep that."""

    def __init__(self, channels: int, settings: TranslationSettings) -> None:
        width = settings.width
        layers: list[nn.Module] = [ConvolutionBlock(channels, width, 7)]
        for number in range(settings.style_downsamplings):
            wider = 2 * width if number < 2 else width
            layers.append(ConvolutionBlock(width, wider, 4, stride=2))
            width = wider
        layers += [nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, settings.style, 1), nn.Flatten()]
        super().__init__(*layers)


class Decoder(nn.Module):
    """A tile of content and style: residual blocks that the style normalises, self-attention, up-sampling.

    Attributes
    ----------
    attention
        SAGAN's layer on the smallest feature map, after the residual blocks and before the up-sampling.
    """

    def __init__(self, channels: int, content: int, settings: TranslationSettings) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(ResidualBlock(content, "adaptive") for _ in range(settings.blocks)))
        layers: list[nn.Module] = []
        width = content
        for _ in range(settings.downsamplings):
            layers += [nn.Upsample(scale_factor=2), ConvolutionBlock(width, width // 2, 5, norm="layer")]
            width //= 2
        layers.append(ConvolutionBlock(width, channels, 7, activation="none"))
        self.upsampling = nn.Sequential(*layers)
        self._adapted = adaptive_layers(self.blocks)
        neurons = settings.hidden
        outputs = 2 * sum(layer.channels for layer in self._adapted)
        self.parameters_of_style = nn.Sequential(
            nn.Linear(settings.style, neurons), nn.ReLU(), nn.Linear(neurons, neurons), nn.ReLU(),
            nn.Linear(neurons, outputs),
        )  # fmt: skip
        initialise(self, "kaiming")
        self.attention = SelfAttention(content, key_pooling=settings.key_pooling)

    def start_at_zero(self) -> None:
        """Let the fresh decoder make 0 of everything."""
        last = self.upsampling[-1]
        for parameter in last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        """Tile (N, C, H, W) of content (N, F, h, w) and style (N, style)."""
        set_style(self._adapted, self.parameters_of_style(style))
        made: Tensor = self.upsampling(self.attention(self.blocks(content)))
        return made


class ShortCut(nn.Module):
    """The linear part of a domain: an invertible map between its components and those that the domains share.

    At the start it is the identity. There and back within a domain is the identity always, so that the loss of
    reconstruction has nothing against a map that moves one domain towards the other; this part is ours.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.change = nn.Parameter(torch.zeros(channels, channels))
        self.shift = nn.Parameter(torch.zeros(channels))

    def matrix(self) -> Tensor:
        """(C, C), the identity and the change."""
        return torch.eye(len(self.shift), device=self.shift.device) + self.change

    def shared(self, x: Tensor) -> Tensor:
        """Shared components (N, C, H, W) of those of the domain."""
        return torch.einsum("dc,nchw->ndhw", self.matrix(), x) + self.shift[:, None, None]

    def own(self, shared: Tensor) -> Tensor:
        """Components (N, C, H, W) of the domain that have those shared ones."""
        return torch.einsum("dc,nchw->ndhw", torch.linalg.inv(self.matrix()), shared - self.shift[:, None, None])


class Generator(nn.Module):
    """Reads and makes tiles of one domain, a scene or a sensor.

    Parameters
    ----------
    channels
        C, components or bands of the domain.
    settings
        Sizes; with another `start` than `none` there is a short cut.
    """

    def __init__(self, channels: int, settings: TranslationSettings) -> None:
        super().__init__()
        self.content_encoder = ContentEncoder(channels, settings)
        self.style_encoder = StyleEncoder(channels, settings)
        initialise(self, "kaiming")
        self.decoder = Decoder(channels, self.content_encoder.outputs, settings)
        self.short_cut = None if settings.start == "none" else ShortCut(channels)
        if self.short_cut is not None:
            self.decoder.start_at_zero()

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Content code of tiles (N, C, H, W), and what goes past it by the short cut, if there is one."""
        return self.content_encoder(x), None if self.short_cut is None else self.short_cut.shared(x)

    def style(self, x: Tensor) -> Tensor:
        """Style code (N, style) of tiles."""
        code: Tensor = self.style_encoder(x)
        return code

    def decode(self, content: Tensor, passed: Tensor | None, style: Tensor) -> Tensor:
        """Tiles (N, C, H, W) of this domain with that content, in that style."""
        made: Tensor = self.decoder(content, style)
        return made if passed is None or self.short_cut is None else made + self.short_cut.own(passed)


class Discriminator(nn.Module):
    """Tells tiles of a domain from made ones, at several resolutions.

    At each: convolutions by 2 without normalisation, self-attention, and a last 1×1 convolution, which gives one number
    for every part of the tile. LSGAN wants 1 where it is real and 0 where it is made.
    """

    def __init__(self, channels: int, settings: TranslationSettings) -> None:
        super().__init__()
        self.scales = nn.ModuleList(self._scale(channels, settings) for _ in range(settings.scales))

    @staticmethod
    def _scale(channels: int, settings: TranslationSettings) -> nn.Sequential:
        layers: list[nn.Module] = []
        width = settings.judge_width
        for number in range(settings.judge_layers):
            inputs, outputs = (channels, width) if number == 0 else (width, 2 * width)
            layers.append(ConvolutionBlock(inputs, outputs, 4, stride=2, activation="leaky"))
            width = outputs
        judge = nn.Sequential(*layers, nn.Conv2d(width, 1, 1))
        initialise(judge, "gaussian")
        judge.insert(len(judge) - 1, SelfAttention(width, key_pooling=settings.key_pooling))
        return judge

    def forward(self, x: Tensor) -> list[Tensor]:
        """Judgements (N, 1, h, w) of tiles (N, C, H, W), one map for every resolution."""
        judgements = []
        for number, scale in enumerate(self.scales):
            x = functional.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False) if number else x
            judgements.append(scale(x))
        return judgements
