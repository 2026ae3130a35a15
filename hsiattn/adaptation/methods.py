"""The ways to adapt a model to a scene, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.adaptation import radiometric
from hsiattn.adaptation.coral import recolour
from hsiattn.adaptation.inputs import FewLabels, LabelledSource
from hsiattn.adaptation.moments import match_moments
from hsiattn.adaptation.norm_statistics import normalisations, renormalised
from hsiattn.adaptation.self_training import confident_pixels, self_trained
from hsiattn.adaptation.settings import AdaptationSettings
from hsiattn.adaptation.statistics import SceneStatistics, scaled, training_spectra
from hsiattn.adaptation.target import TargetScene
from hsiattn.adaptation.translation import train_on_translation, write_translation
from hsiattn.errors import AdaptationError
from hsiattn.models.model_file import TrainedModel
from hsiattn.preprocessing import Preprocessing
from hsiattn.preprocessing.spectral_transforms import band_centres
from hsiattn.training.log import Listener
from hsiattn.training.patches import Batch, as_tensors

_BATCH = 512
_NORMALISED = 8192
"""Pixels from which normalisation statistics are taken."""


@dataclass(frozen=True, eq=False)
class Task:
    """What is to be adapted, and to what.

    Attributes
    ----------
    model
        The model as it was.
    target
        The scene.
    start
        The model that methods which learn anew begin with: the best of those that do not.
    source
        The training scene with its labels, where it is given.
    few
        A few labelled pixels of the target, which may be learned from.
    settings, seed, device, listener, write_translation, overwrite, checkpoints, resume
        See `adapt`.
    """

    model: TrainedModel
    target: TargetScene
    start: TrainedModel
    source: LabelledSource | None = None
    few: FewLabels | None = None
    settings: AdaptationSettings = field(default_factory=AdaptationSettings)
    seed: int = 0
    device: str = "auto"
    listener: Listener | None = None
    write_translation: Path | None = None
    overwrite: bool = False
    checkpoints: Path | None = None
    resume: bool = False

    def part(self, name: str, **changes: Any) -> Task:
        """The same with changes, and a folder of its own for what it trains."""
        return replace(self, checkpoints=self.checkpoints and self.checkpoints / name, **changes)

    @property
    def training(self) -> dict[str, Any]:
        """Arguments of what trains."""
        return {name: getattr(self, name) for name in ("seed", "device", "listener", "checkpoints", "resume")}


@dataclass(frozen=True)
class AdaptationMethod:
    """A way to adapt a model.

    Attributes
    ----------
    name
        By which it is chosen.
    about
        What it does, in a few words.
    adapted
        Makes the adapted model; raises an `AdaptationError` where it cannot. Its domain may still be that of the
        training scene.
    moves_spectra
        Whether it brings the spectra of the target to those of the training scene and leaves the network alone.
    learns
        Whether it trains, which takes as long as the training did, and may learn from few labels.
    needs_source
        Whether it needs the training scene and its labels.
    """

    name: str
    about: str
    adapted: Callable[[Task], TrainedModel]
    moves_spectra: bool = False
    learns: bool = False
    needs_source: bool = False


def _moved(
    task: Task, change: Callable[[Preprocessing, NDArray[np.float64], NDArray[np.float64]], Preprocessing]
) -> TrainedModel:
    """The model with another preprocessing, from reflectance of the training scene and of the target."""
    training, target = training_spectra(task.model, task.source), task.target.reflectance()
    return replace(task.model, preprocessing=change(task.model.preprocessing, training, target))


def _radiometric(task: Task) -> TrainedModel:
    model = task.model
    if model.preprocessing.spectral_transform is not None:
        raise AdaptationError(
            f"the model reads spectra after {model.preprocessing.transform_name}, not reflectance",
            "choose method=moments, which works on any spectra",
        )
    centres = band_centres(model.bands.wavelength, model.preprocessing.bands)

    def change(own: Preprocessing, training: NDArray[np.float64], target: NDArray[np.float64]) -> Preprocessing:
        return radiometric.undone(own, radiometric.align(training, target, centres, own.gain, seed=task.seed))

    return _moved(task, change)


def _statistics(
    own: Preprocessing, training: NDArray[np.float64], target: NDArray[np.float64]
) -> tuple[SceneStatistics, SceneStatistics]:
    return SceneStatistics.of(scaled(own, training)), SceneStatistics.of(scaled(own, target))


def _moments(task: Task) -> TrainedModel:
    if task.model.preprocessing.recolouring is not None:
        raise AdaptationError(
            "the model was adapted by coral before", "adapt the model that it was made from, or choose method=coral"
        )
    return _moved(task, lambda own, *spectra: match_moments(own, *_statistics(own, *spectra)))


def _coral(task: Task) -> TrainedModel:
    return _moved(task, lambda own, *spectra: recolour(own, *_statistics(own, *spectra), task.settings.shrinkage))


def _norm_statistics(task: Task) -> TrainedModel:
    if not normalisations(task.model.network):
        raise AdaptationError(
            f"the network {task.model.arguments['name']} has no batch normalisation",
            "choose another method=: of the recipes, attendnet, gsa and smlp have some",
        )
    network = renormalised(task.model.network, _batches(task))
    return replace(task.model, network=network)


def _batches(task: Task) -> Iterator[Batch]:
    """Prepared patches of pixels drawn from the target."""
    places = np.concatenate([part.positions(part.valid) for part in task.target.tiles])
    drawn = np.random.default_rng((task.seed, 43)).permutation(places)[:_NORMALISED]
    model = task.model
    pixels = task.target.gather(model, drawn, np.zeros(len(drawn), dtype=np.int64))
    tensors = as_tensors(pixels)
    for start in range(0, len(drawn), _BATCH):
        spectra, patches, valid, targets = (tensor[start : start + _BATCH] for tensor in tensors)
        yield spectra, patches, valid, targets


def _self_training(task: Task) -> TrainedModel:
    shares = task.target.probabilities(task.start, task.device)
    pixels = confident_pixels(task.start, task.target, shares, task.settings, few=task.few, seed=task.seed)
    made = self_trained(task.model, task.target, pixels, **task.training)
    return replace(made, training={**made.training, "pseudo_labelled": pixels.record})


def _translation(task: Task) -> TrainedModel:
    if task.source is None:
        raise AdaptationError("translation needs the training scene and its labels", "give them: source= and labels=")
    target = task.target
    made = train_on_translation(task.model, target.source, task.source, **task.training)
    if task.write_translation is not None:
        write_translation(made.translator, task.write_translation, overwrite=task.overwrite)
    learnt = made.model
    read = replace(learnt.preprocessing, bands=target.bands[learnt.preprocessing.bands])
    kept: dict[str, Any] = {name: getattr(task.model, name) for name in ("bands", "split", "accuracy", "data")}
    return replace(learnt, preprocessing=read, **kept)


METHODS: Mapping[str, AdaptationMethod] = {
    method.name: method
    for method in (
        AdaptationMethod(
            "radiometric", "gain and offset of every band, from spectra of the two scenes that are most alike",
            _radiometric, moves_spectra=True,
        ),
        AdaptationMethod(
            "moments", "mean and deviation of every band as in the training scene", _moments, moves_spectra=True
        ),
        AdaptationMethod(
            "coral", "mean and covariance of the bands as in the training scene (CORAL)", _coral, moves_spectra=True
        ),
        AdaptationMethod(
            "norm-statistics", "batch-norm statistics of the target scene (AdaBN)", _norm_statistics
        ),
        AdaptationMethod(
            "self-training", "the recipe trained anew on pixels that the adapted model is confident of",
            _self_training, learns=True,
        ),
        AdaptationMethod(
            "translation", "the recipe trained anew on the training scene, translated into the target's look",
            _translation, needs_source=True,
        ),
    )
}  # fmt: skip
"""All of them, the quick ones first."""
