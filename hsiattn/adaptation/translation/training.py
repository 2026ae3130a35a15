"""Training of a translation between two scenes."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from hsiattn.adaptation.translation.module import Batch, SceneTranslation
from hsiattn.adaptation.translation.pair import ScenePair
from hsiattn.adaptation.translation.settings import TranslationSettings
from hsiattn.adaptation.translation.spectra import fit_spaces
from hsiattn.adaptation.translation.tiles import SceneTiles, draw_tiles
from hsiattn.adaptation.translation.translator import Translator
from hsiattn.devices import choose_device
from hsiattn.errors import TrainingError
from hsiattn.scenes import SceneSource
from hsiattn.training.checkpoints import Checkpoints, KeepState
from hsiattn.training.environment import interruptible, training_environment
from hsiattn.training.log import EpochFigures, Listener


def train_translation(
    source: SceneSource,
    target: SceneSource,
    settings: TranslationSettings | None = None,
    *,
    seed: int = 0,
    device: str = "auto",
    listener: Listener | None = None,
    checkpoints: Checkpoints | None = None,
) -> Translator:
    """Learn to make a scene look like another one, from tiles of both that need not show the same places.

    Parameters
    ----------
    source
        The scene that is translated.
    target
        The one that it is to look like; another date, place or sensor.
    settings
        None for the defaults.
    seed
        Decides tiles, initial weights, order and styles.
    listener
        Called after every epoch; its loss is the generators' and its accuracy the share of tiles of which the
        discriminators tell whether they are made.
    checkpoints
        Where an interrupted training is kept.

    Returns
    -------
    Translator
        With the mean style of the target's tiles.

    Raises
    ------
    BandError, SceneError
        A scene has no good band with data, is smaller than a tile, or holds no data.
    TrainingError
        A checkpoint of another run, or a loss that is not finite.
    """
    settings = settings or TranslationSettings()
    where = choose_device(device)
    pair = ScenePair.of(source, target)
    if not pair.corresponding:
        settings = settings.model_copy(update={"start": "none"})
    spaces = fit_spaces(pair, settings)
    sizes: Any = {"count": settings.tiles, "size": settings.tile}
    of_source = draw_tiles(pair.source, pair.source_bands, spaces[0], seed=seed, **sizes)
    of_target = draw_tiles(pair.target, pair.target_bands, spaces[1], seed=seed + 1, **sizes)
    module = SceneTranslation(spaces, settings, seed)
    told = _TellEpochs(listener, settings.epochs)
    began = time.monotonic()
    if settings.epochs:
        _fit(module, (of_source, of_target), told, where, checkpoints)
    module.eval().to("cpu")
    if not all(parameter.isfinite().all() for parameter in module.parameters()):
        raise TrainingError("the weights of the translation grew beyond all bounds", "lower learning_rate")
    return Translator(
        pair,
        settings,
        spaces,
        (module.generator(0), module.generator(1)),
        style=mean_style(module, of_target),
        record={
            "bands": pair.rule,
            "start": settings.start,
            "tiles": [len(of_source.components), len(of_target.components)],
            "epochs": settings.epochs,
            "parameters": sum(each.numel() for each in module.parameters()),
            "seconds": round(time.monotonic() - began, 2),
            "losses": told.rows,
        },
    )


@torch.no_grad()
def mean_style(module: SceneTranslation, tiles: SceneTiles) -> Tensor:
    """Mean style code (style,) of the target's tiles."""
    generator = module.generator(1)
    codes = [generator.style(part) for part in torch.split(tiles.components, 32)]
    return torch.cat(codes).mean(dim=0)


def _fit(
    module: SceneTranslation,
    tiles: tuple[SceneTiles, SceneTiles],
    told: _TellEpochs,
    device: torch.device,
    checkpoints: Checkpoints | None,
) -> None:
    checkpoint = checkpoints.open() if checkpoints else None
    state = KeepState(checkpoints.file) if checkpoints else None
    callbacks: list[Callback] = [told, *([state] if state else [])]
    settings = module.settings
    loader = DataLoader(_Tiles(*tiles), sampler=_Pairs(tiles, settings.batch_size, module.seed), batch_size=None)
    with training_environment(module, device):
        trainer = lightning.Trainer(
            accelerator="gpu" if device.type == "cuda" else "cpu",
            devices=[device.index or 0] if device.type == "cuda" else 1,
            max_epochs=settings.epochs,
            callbacks=callbacks,
            deterministic="warn",
            logger=False,
            enable_checkpointing=state is not None,
            plugins=[state.storage] if state else None,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        with interruptible():
            trainer.fit(module, loader, ckpt_path=checkpoint, weights_only=True)


class _Tiles(Dataset[Batch]):
    """Batches of tiles of two scenes, by the indices of those of each."""

    def __init__(self, source: SceneTiles, target: SceneTiles) -> None:
        self.source, self.target = source, target

    def __getitem__(self, indices: tuple[list[int], list[int]]) -> Batch:
        (first, second), source, target = indices, self.source, self.target
        return source.components[first], source.valid[first], target.components[second], target.valid[second]


class _Pairs(Sampler[tuple[list[int], list[int]]]):
    """Indices of the tiles in every batch, in orders that follow from seed and epoch; each scene has one of its own."""

    def __init__(self, tiles: tuple[SceneTiles, SceneTiles], batch_size: int, seed: int) -> None:
        self.counts = [len(each.components) for each in tiles]
        self.batch_size, self.seed, self.epoch = min(batch_size, *self.counts), seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before every epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return min(self.counts) // self.batch_size

    def __iter__(self) -> Iterator[tuple[list[int], list[int]]]:
        random = np.random.default_rng((self.seed, 17, self.epoch))
        first, second = (random.permutation(count) for count in self.counts)
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            part = slice(start, start + self.batch_size)
            yield first[part].tolist(), second[part].tolist()


class _TellEpochs(Callback):
    """Tells a listener the figures of every epoch, and keeps them."""

    def __init__(self, listener: Listener | None, of_epochs: int) -> None:
        self.listener, self.of_epochs = listener, of_epochs
        self.began = time.monotonic()
        self.rows: list[dict[str, float]] = []

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Forget what a resumed run does once more."""
        self.rows = self.rows[: trainer.current_epoch]

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Collect the figures of the epoch and pass them on."""
        figures = {name: round(float(value), 6) for name, value in trainer.callback_metrics.items()}
        if not all(map(math.isfinite, figures.values())):
            raise TrainingError("a loss of the translation is not finite", "lower learning_rate")
        self.rows.append(figures)
        if self.listener:
            settings = pl_module.settings
            loss = sum(value * getattr(settings, f"{name}_weight") for name, value in figures.items() if name != "told")
            epoch = trainer.current_epoch + 1
            seconds = round(time.monotonic() - self.began, 3)
            told = figures["told"]
            self.listener(EpochFigures(epoch, self.of_epochs, loss, told, None, None, None, seconds, "translation"))

    def state_dict(self) -> dict[str, Any]:
        """State for checkpoints."""
        return {"seconds": time.monotonic() - self.began, "rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the state of a checkpoint."""
        self.began = time.monotonic() - state_dict["seconds"]
        self.rows = list(state_dict["rows"])
