"""A memory of spectra around a network that was fitted: what it remembers, and how much that counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax

from hsiattn.devices import choose_device
from hsiattn.errors import TrainingError
from hsiattn.networks import WithPrior, create_network
from hsiattn.priors import (
    Codebook,
    Fusion,
    Memory,
    PriorSettings,
    choose_fusion,
    expected_loss,
    fit_codebook,
    fused,
    leading_axes,
    memorise,
    steadfast,
)
from hsiattn.splits import Split
from hsiattn.training.held_out import logits_of, temperature_of_shares
from hsiattn.training.network import around
from hsiattn.training.patches import LabelledPatches
from hsiattn.training.results import FitOptions, FitResult
from hsiattn.training.training_scene import TrainingScene
from hsiattn.training.unlabelled import UnlabelledSettings, unlabelled_patches

_BLOCK = 16
"""Side in pixels of the blocks that are left out of the memory together when its weight is judged."""
_FOLDS = 5
_PIXELS_PER_PATTERN = 16
"""Pixels that a pattern has on the mean, or there are fewer patterns: by fewer, their frequencies are chance."""
_BYTES = 2**27
"""Most bytes of the patches of unlabelled pixels."""


def with_prior(
    scene: TrainingScene, split: Split, fitted: FitResult, settings: PriorSettings, options: FitOptions
) -> FitResult:
    """Put a memory of spectra around a fitted network.

    It remembers the labelled training pixels, and unlabelled ones with the class probabilities that the network gives
    them: a few labels would leave most patterns unseen. These probabilities are calibrated on left-out groups of the
    training pixels, or on validation pixels.

    How much the memory counts is judged on unlabelled pixels too, whole blocks of the scene at a time: a memory without
    them says what any weight would be expected to cost there, by the network's probabilities. Of those that cost no
    more than `settings.most_loss`, the one is taken by which the memory stands against most; see
    `hsiattn.priors.choose_fusion`.

    Parameters
    ----------
    fitted
        A network by any method.

    Returns
    -------
    FitResult
        The network with the memory around it; the account says under `prior` what is in it.
    """
    network = fitted.network
    labelled = scene.positions(split, "training", "validation")
    pixels = _Pixels.of(scene, labelled[0], fitted, labelled[1])
    seen = _unlabelled(scene, split, fitted, settings, options)
    logs = log_softmax(
        logits_of(network, seen.windows, choose_device(options.device), fitted.record.precision).astype(np.float64)
        / fitted.temperature,
        axis=1,
    )
    known = np.concatenate([pixels.known, seen.known])
    projection = _projection(scene, seen.known, known, settings.axes)
    most = max(len(scene.classes), len(known) // _PIXELS_PER_PATTERN)
    book = fit_codebook(known, projection, min(settings.patterns, most), seed=options.seed)
    certain = settings.label_weight * np.eye(len(scene.classes))[labelled[1]]
    how = {name: getattr(settings, name) for name in ("within", "between", "least_distinctness")}
    memory = memorise(book, known, np.concatenate([certain, np.exp(logs)]), **how)
    wrapped = _Wrapped.of(fitted, book, min(settings.cells, scene.recipe.patch_size))
    priors = wrapped.priors_left_out(seen, logs, memory, how, options.seed)
    fusion = choose_fusion(logs, priors, memory.remembered, most_loss=settings.most_loss / 100)
    together = fused(logs, priors, memory.remembered, fusion)
    record = _record(scene, memory, fusion, logs, priors, together, seen)
    record["in_words"] = _in_words(record, settings)
    scene.say(record["in_words"])
    return replace(
        fitted,
        network=wrapped.with_memory(memory, fusion),
        arguments=wrapped.arguments,
        temperature_around=temperature_of_shares(together.astype(np.float32), np.exp(logs).astype(np.float32)),
        account={**fitted.account, "prior": record},
    )


@dataclass(frozen=True, eq=False)
class _Pixels:
    """Pixels, what the memory knows of each, (N, C), and where they lie, (N, 2)."""

    windows: LabelledPatches
    known: NDArray[np.float32]
    positions: NDArray[np.int64]
    record: dict[str, Any]

    @classmethod
    def of(
        cls, scene: TrainingScene, positions: NDArray[np.int64], fitted: FitResult, targets: NDArray[Any]
    ) -> _Pixels:
        windows = scene.gather(positions, targets, fitted.preprocessing)
        return cls(windows, _known(windows), positions, {})


def _known(windows: LabelledPatches) -> NDArray[np.float32]:
    """Components (N, C) of the pixels in the middle, or where there are none their spectra (N, B)."""
    centre = windows.patches.shape[-1] // 2
    return windows.patches[:, :, centre, centre] if windows.patches.shape[1] else windows.spectra


def _unlabelled(
    scene: TrainingScene, split: Split, fitted: FitResult, settings: PriorSettings, options: FitOptions
) -> _Pixels:
    """Unlabelled pixels; where there is none, the labelled ones in their stead."""
    window = 4 * max(1, fitted.preprocessing.channels) * scene.recipe.patch_size**2
    transductive = scene.recipe.training.sees_unlabelled if settings.transductive is None else settings.transductive
    which = UnlabelledSettings(pixels=max(500, min(settings.pixels, _BYTES // window)), transductive=transductive)
    try:
        found = unlabelled_patches(scene, split, which, fitted.preprocessing, seed=options.seed)
    except TrainingError:
        positions, targets = scene.positions(split, "training", "validation")
        return _Pixels.of(scene, positions, fitted, targets)
    here = found.in_scene == 0
    windows = found.pixels
    windows = LabelledPatches(windows.spectra[here], windows.patches[here], windows.valid[here], windows.targets[here])
    return _Pixels(windows, _known(windows), found.positions[here], found.record)


def _projection(
    scene: TrainingScene, unlabelled: NDArray[np.float32], known: NDArray[np.float32], axes: int
) -> NDArray[np.float64]:
    """From what is known of a pixel to the space of the patterns, (F, C).

    Components are in the order of their worth, so the first ones are taken as they are; where bands stand for
    components, or there are none, their principal axes are found.
    """
    settings, count = scene.recipe.preprocessing, known.shape[1]
    ordered = min(settings.principal_components + settings.noise_components, count)
    if not ordered:
        return leading_axes(known, axes)
    before = count - ordered
    return np.eye(count)[before : before + axes]


@dataclass(frozen=True, eq=False)
class _Wrapped:
    """A network with an empty memory around it."""

    network: WithPrior
    arguments: dict[str, Any]
    temperature: float

    @classmethod
    def of(cls, fitted: FitResult, book: Codebook, cells: int) -> _Wrapped:
        sizes = {"patterns": len(book), "axes": len(book.projection), "cells": cells}
        arguments = around("with-prior", fitted.arguments, **sizes)
        network = create_network(**arguments)
        assert isinstance(network, WithPrior)
        network.member = fitted.network
        return cls(network.eval(), arguments, fitted.temperature)

    def with_memory(self, memory: Memory, fusion: Fusion) -> WithPrior:
        """The network, with that in its memory."""
        self.network.remember(
            projection=memory.codebook.projection,
            centres=memory.codebook.centres,
            reach=memory.codebook.reach,
            saliency=memory.saliency,
            remembered=memory.remembered,
            weight=fusion.weight,
            temperature=self.temperature,
            least_doubt=fusion.least_doubt,
        )
        return self.network

    def priors_left_out(
        self, seen: _Pixels, logs: NDArray[np.float64], memory: Memory, how: dict[str, Any], seed: int
    ) -> NDArray[np.float64]:
        """Probabilities (N, K) of unlabelled pixels by memories that do not know the block they lie in."""
        priors = np.empty(logs.shape)
        folds = _folds(seen.positions, seed)
        for number in np.unique(folds):
            others, members = folds != number, np.flatnonzero(folds == number)
            part = memorise(memory.codebook, seen.known[others], np.exp(logs[others]), **how)
            network = self.with_memory(replace(part, remembered=memory.remembered), Fusion(0.0, 0.0))
            windows = seen.windows
            for start in range(0, len(members), 256):
                chosen = members[start : start + 256]
                inputs = (torch.from_numpy(each[chosen]) for each in (windows.spectra, windows.patches, windows.valid))
                with torch.inference_mode():
                    priors[chosen] = network.prior(*inputs).numpy()
        return priors


def _folds(positions: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Fold (N,) of every pixel: whole blocks; of pixels in a single block, single pixels."""
    _, blocks = np.unique(positions // _BLOCK, axis=0, return_inverse=True)
    blocks = blocks.reshape(-1) if blocks.max() else np.arange(len(positions))
    dealt: NDArray[np.int64] = np.random.default_rng((seed, 23)).permutation(int(blocks.max()) + 1) % _FOLDS
    return dealt[blocks]


def _record(
    scene: TrainingScene,
    memory: Memory,
    fusion: Fusion,
    logs: NDArray[np.float64],
    priors: NDArray[np.float64],
    together: NDArray[np.float64],
    seen: _Pixels,
) -> dict[str, Any]:
    """What is in the memory, and what it is expected to cost, JSON-ready."""
    names = np.array(scene.classes.names)
    accuracy = float(np.exp(logs.max(axis=1)).mean())
    return {
        "weight": fusion.weight,
        "least_doubt": round(fusion.least_doubt, 4),
        "patterns": len(memory.codebook),
        "unseen_patterns": int((memory.counts.sum(axis=0) <= 0).sum()),
        "remembered": names[memory.remembered].tolist(),
        "forgotten": names[~memory.remembered].tolist(),
        "left_out": {
            "pixels": len(logs),
            "steadfast": round(steadfast(priors, memory.remembered, fusion), 4),
            "expected_accuracy": {
                "network": round(accuracy, 4),
                "memory": round(accuracy - expected_loss(logs, priors), 4),
                "together": round(accuracy - expected_loss(logs, together), 4),
            },
        },
        **({"unlabelled": seen.record} if seen.record else {}),
    }


def _in_words(record: dict[str, Any], settings: PriorSettings) -> str:
    expected = record["left_out"]["expected_accuracy"]
    classes = f"{len(record['remembered'])} of {len(record['remembered']) + len(record['forgotten'])} classes"
    if not record["weight"]:
        return (
            f"the memory of spectra has no say: of {classes} it knows patterns, and on clean pixels any weight would "
            f"be expected to cost more than {settings.most_loss:g} points of accuracy (prior.most_loss)"
        )
    return (
        f"a memory of {record['patterns']} spectral patterns of {classes} counts {record['weight']:g} beside the "
        f"network; on clean pixels it is expected to cost {100 * (expected['network'] - expected['together']):.2f} "
        "points of accuracy"
    )
