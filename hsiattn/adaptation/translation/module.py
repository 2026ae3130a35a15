"""The Lightning module: generators and discriminators learn in turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightning
import torch
from torch import Tensor, nn

from hsiattn.adaptation.translation.losses import TranslationLosses, absolute_difference, judged, mean_angle
from hsiattn.adaptation.translation.networks import Discriminator, Generator
from hsiattn.adaptation.translation.settings import TranslationSettings
from hsiattn.adaptation.translation.spectra import SpectralSpace, ToReflectance

Batch = tuple[Tensor, Tensor, Tensor, Tensor]
"""Components (N, C, t, t) and validity (N, 1, t, t) of source tiles, then the same of target tiles."""

_BETAS = (0.5, 0.999)


class SceneTranslation(lightning.LightningModule):
    """Learns to translate tiles of two scenes into each other, from tiles that show different places.

    Every step first teaches the discriminators, then the generators, as in MUNIT. Styles of made tiles are drawn from a
    standard normal distribution. What is drawn in an epoch follows from (seed, epoch) alone, so that a resumed training
    goes on as the uninterrupted one would have.

    Parameters
    ----------
    spaces
        Of source and target.
    settings
        Sizes, weights and rates.
    seed
        Decides the initial weights and everything drawn.
    """

    def __init__(self, spaces: tuple[SpectralSpace, SpectralSpace], settings: TranslationSettings, seed: int) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.settings = settings
        self.seed = seed
        torch.manual_seed(seed)
        self.generators = nn.ModuleList(Generator(space.channels, settings) for space in spaces)
        self.discriminators = nn.ModuleList(Discriminator(space.channels, settings) for space in spaces)
        self.to_reflectance = nn.ModuleList(ToReflectance(space) for space in spaces)

    def on_train_batch_start(self, batch: Batch, batch_index: int) -> None:
        """Seed everything random in this epoch, and set its learning rate."""
        if batch_index:
            return
        torch.manual_seed(self.seed * 1_000_003 + self.current_epoch)
        rate = self.settings.learning_rate * 0.5 ** (self.current_epoch // self.settings.halve_after)
        for optimizer in self._optimizers():
            for group in optimizer.param_groups:
                group["lr"] = rate

    def training_step(self, batch: Batch, batch_index: int) -> None:
        """One step of the discriminators and one of the generators."""
        source, source_valid = _turned(*batch[:2])
        target, target_valid = _turned(*batch[2:])
        of_generators, of_discriminators = self._optimizers()
        tiles, valid = (source, target), (source_valid, target_valid)
        styles = [self._drawn_style(len(tile)) for tile in tiles]
        self.toggle_optimizer(of_generators)
        contents = [self.generator(k).encode(tile) for k, tile in enumerate(tiles)]
        made = [self.generator(k).decode(*contents[1 - k], styles[k]) for k in range(2)]
        self.untoggle_optimizer(of_generators)
        self.toggle_optimizer(of_discriminators)
        judging, told = self.judging_loss(tiles, [tile.detach() for tile in made])
        self._step(of_discriminators, judging)
        self.untoggle_optimizer(of_discriminators)
        self.toggle_optimizer(of_generators)
        losses = self.losses(tiles, valid, styles, contents, made)
        self._step(of_generators, losses.total(self.settings))
        self.untoggle_optimizer(of_generators)
        self.log_dict({**losses.figures(), "told": told}, on_step=False, on_epoch=True, batch_size=len(source))

    def losses(
        self,
        tiles: Sequence[Tensor],
        valid: Sequence[Tensor],
        styles: Sequence[Tensor],
        contents: Sequence[tuple[Tensor, Tensor | None]],
        made: Sequence[Tensor],
    ) -> TranslationLosses:
        """What the generators are to make small.

        Parameters
        ----------
        tiles, valid
            (N, C, t, t) and (N, 1, t, t) of source and target.
        styles
            (N, style) of the tiles made to look like source and target.
        contents
            What the encoders of source and target read from their tiles.
        made
            (N, C, t, t), tile k of the other content and style k.
        """
        own_styles = [self.generator(k).style(tile) for k, tile in enumerate(tiles)]
        parts: dict[str, list[Tensor]] = {name: [] for name in TranslationLosses.__dataclass_fields__}
        for k, tile in enumerate(tiles):
            here, other = self.generator(k), self.generator(1 - k)
            content, passed = contents[k]
            parts["image"].append(absolute_difference(here.decode(content, passed, own_styles[k]), tile, valid[k]))
            there = made[1 - k]
            parts["adversarial"].append(judged(self.discriminators[1 - k](there), 1.0))
            content_again, passed_again = other.encode(there)
            parts["content"].append(absolute_difference(content_again, content))
            parts["style"].append((other.style(there) - styles[1 - k]).abs().mean())
            back = here.decode(content_again, passed_again, own_styles[k])
            parts["cycle"].append(absolute_difference(back, tile, valid[k]))
            reflectance = self.to_reflectance[k]
            parts["angle"].append(mean_angle(reflectance(back), reflectance(tile), valid[k]))
        return TranslationLosses(**{name: torch.stack(values).sum() for name, values in parts.items()})

    def judging_loss(self, tiles: Sequence[Tensor], made: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """What the discriminators are to make small, for tiles of both scenes and tiles made to look like them.

        And the share, 0 … 1, of their judgements that is right, half where they cannot tell.
        """
        losses, right = [], []
        for k, judge in enumerate(self.discriminators):
            real, fake = judge(tiles[k]), judge(made[k])
            losses.append(judged(real, 1.0) + judged(fake, 0.0))
            right += [(each > 0.5).float().mean() for each in real] + [(each <= 0.5).float().mean() for each in fake]
        return torch.stack(losses).sum(), torch.stack(right).mean().detach()

    def configure_optimizers(self) -> Any:
        """Adam for the generators, Adam for the discriminators."""
        settings = self.settings
        return [
            torch.optim.Adam(
                part.parameters(), lr=settings.learning_rate, betas=_BETAS, weight_decay=settings.weight_decay
            )
            for part in (self.generators, self.discriminators)
        ]

    def generator(self, number: int) -> Generator:
        """That of the source (0) or the target (1)."""
        generator = self.generators[number]
        assert isinstance(generator, Generator)
        return generator

    def _drawn_style(self, count: int) -> Tensor:
        return torch.randn(count, self.settings.style, device=self.device)

    def _optimizers(self) -> list[Any]:
        optimizers = self.optimizers()
        return optimizers if isinstance(optimizers, list) else [optimizers]

    def _step(self, optimizer: Any, loss: Tensor) -> None:
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()


def _turned(tiles: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Tiles and their validity in one of the eight orientations, drawn for the batch."""
    number = int(torch.randint(8, ()))
    turned = [torch.rot90(part, number % 4, (2, 3)) for part in (tiles, valid)]
    first, second = (part.flip(3) if number >= 4 else part for part in turned)
    return first, second
