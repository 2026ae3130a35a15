"""Rounds of self-growing: train, label unlabelled pixels, make the network deeper, train on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from hsiattn.devices import choose_device
from hsiattn.files.training_state import has_checkpoint
from hsiattn.models.header import MAX_EPOCHS
from hsiattn.networks import SpectralSpatialNetwork, grown
from hsiattn.preprocessing import Preprocessing
from hsiattn.training.fit import train_network
from hsiattn.training.log import EpochFigures, append_to_log, shorten_log, start_log
from hsiattn.training.patches import LabelledPatches
from hsiattn.training.results import FitOptions, TrainingRecord
from hsiattn.training.sggan.generator import PixelGenerator
from hsiattn.training.sggan.growing import Accepted, accept, scored
from hsiattn.training.sggan.module import AdversarialClassification, AdversarialSettings

if TYPE_CHECKING:
    from hsiattn.training.sggan.settings import SGGANSettings

_SEEDS_APART = 10_007
"""Distance of the seeds of rounds; those of the members of an ensemble are farther apart."""


@dataclass(frozen=True, eq=False)
class Grown:
    """What training in rounds yields.

    Attributes
    ----------
    network
        On the CPU, in evaluation mode.
    arguments
        What `create_network` makes it from, as deep as it is.
    record
        Of all rounds together.
    rounds
        Pixels that every round after the first took in.
    blocks
        How many times the network grew.
    """

    network: SpectralSpatialNetwork
    arguments: dict[str, Any]
    record: TrainingRecord
    rounds: tuple[Accepted, ...]
    blocks: int


def train_in_rounds(
    network: SpectralSpatialNetwork,
    arguments: dict[str, Any],
    labelled: LabelledPatches,
    pool: LabelledPatches,
    settings: SGGANSettings,
    options: FitOptions,
    *,
    preprocessing: Preprocessing,
    after_round: Callable[[SpectralSpatialNetwork, Accepted | None], None] | None = None,
) -> Grown:
    """Train a network on labelled pixels and on a pool of unlabelled ones.

    The first round is a plain semi-supervised adversarial network. Each further one labels the pool anew with what the
    one before has made of the network, takes in some of it, lets the network grow, and trains on with the same
    generator. Every round keeps its checkpoints in a folder of its own, and all between two rounds follows from the
    weights: a resumed training reads the finished rounds and goes on in the one that was interrupted.

    Parameters
    ----------
    network, arguments
        As `recipe_network` gives them.
    after_round
        Called with the network, which it may evaluate, and with what the round took in.

    Raises
    ------
    TrainingError
        As of `hsiattn.training.fit.train_network`.
    """
    pool = replace(pool, targets=np.zeros(len(pool), np.int64))  # which nothing asks for
    torch.manual_seed(options.seed)
    generator = PixelGenerator(network.bands, network.channels, network.patch_size, latent=settings.latent)
    device, count = choose_device(options.device), network.classes
    how = AdversarialSettings(
        settings.matching, settings.adversarial_weight, settings.generator_rate, settings.momentum
    )
    told = _Progress(options, settings.epochs_of(-(-len(pool) // settings.batch_size)), settings.rounds + 1)
    taken: list[Accepted] = []
    records: list[TrainingRecord] = []
    blocks = 0
    for number in range(settings.rounds + 1):
        current: Accepted | None = None
        if number:
            classes, scores = scored(network, pool, device, records[0].precision)
            share = min(1.0, settings.first_share + settings.more_share * (number - 1))
            current = accept(classes, scores, count=count, share=share, threshold=settings.threshold)
            taken.append(current)
            torch.manual_seed(options.seed + _SEEDS_APART * number)
            deeper = grown(network, arguments) if settings.growth else None
            if deeper is not None:
                network, arguments = deeper
                blocks += 1
        more = current.pixels(pool) if current is not None and len(current) else None
        module = partial(
            AdversarialClassification,
            generator=generator,
            adversarial=how,
            labelled=labelled,
            machine_labelled=more,
            balance=settings.class_balance,
        )
        chosen = told.options(number, options.seed + _SEEDS_APART * number)
        record = train_network(network, pool, settings, chosen, preprocessing=preprocessing, module=module)
        records.append(record)
        if after_round:
            after_round(network, current)
    return Grown(network, arguments, _together(records), tuple(taken), blocks)


class _Progress:
    """Listener and log of a training in rounds, whose epochs are counted on from round to round."""

    def __init__(self, options: FitOptions, epochs: int, rounds: int) -> None:
        self._given, self._epochs, self._rounds = options, epochs, rounds
        if options.log:
            kept = options.checkpoints
            start_log(options.log, keep=kept is not None and kept.resume and has_checkpoint(kept.folder))

    def options(self, number: int, seed: int) -> FitOptions:
        """What the round of that number is told."""
        kept = self._given.checkpoints
        kept = kept.of_round(number) if kept else None
        listens = self._given.listener or self._given.log
        return replace(
            self._given, seed=seed, listener=self._listener(number) if listens else None, log=None, checkpoints=kept
        )

    def _listener(self, number: int) -> Callable[[EpochFigures], None]:
        def listen(figures: EpochFigures) -> None:
            epoch = number * self._epochs + figures.epoch
            stage = f"round {number + 1} of {self._rounds}" if self._rounds > 1 else ""
            figures = replace(figures, epoch=epoch, of_epochs=self._rounds * self._epochs, stage=stage)
            if self._given.log:
                shorten_log(self._given.log, epoch - 1)  # an interrupted round may have written it before
                append_to_log(self._given.log, figures)
            if self._given.listener:
                self._given.listener(figures)

        return listen


def _together(records: Sequence[TrainingRecord]) -> TrainingRecord:
    """The record of all rounds."""
    epochs = sum(record.epochs for record in records)
    columns: dict[str, list[Any]] = {}
    done = 0
    for record in records:
        for name, values in (record.history or {}).items():
            columns.setdefault(name, []).extend(done + each if name == "epoch" else each for each in values)
        done += record.epochs
    step = -(-max((len(values) for values in columns.values()), default=1) // MAX_EPOCHS)
    thinned = {name: values[::-1][::step][::-1] for name, values in columns.items()}  # the last one stays
    return replace(
        records[-1],
        epochs=epochs,
        best_epoch=epochs,
        seconds=round(sum(record.seconds for record in records), 2),
        history=thinned or None,
    )
