"""Adaptation of a model to a scene: candidates by all methods, the evidence, the decision and the model."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.adaptation.decision import SOURCE, Decision, decide
from hsiattn.adaptation.evidence import Evidence, coherence, flat, information
from hsiattn.adaptation.inputs import FewLabels, LabelledSource
from hsiattn.adaptation.methods import METHODS, AdaptationMethod, Task
from hsiattn.adaptation.settings import AdaptationSettings
from hsiattn.adaptation.statistics import closeness, scaled, training_spectra
from hsiattn.adaptation.target import TargetScene, with_target_domain
from hsiattn.devices import choose_device
from hsiattn.errors import AdaptationError, DomainError
from hsiattn.files.kinds import FileKind
from hsiattn.files.outputs import check_output
from hsiattn.files.training_state import check_state_folder
from hsiattn.folds import grouped_folds
from hsiattn.models.model_file import TrainedModel, timestamp
from hsiattn.scenes import SceneSource
from hsiattn.training.held_out import logits_of
from hsiattn.training.log import Listener

Told = Callable[[str], None]
"""Called with the name of the method that is being tried."""


@dataclass(frozen=True, eq=False)
class AdaptationResult:
    """What an adaptation yields.

    Attributes
    ----------
    model
        The chosen model, which names its origin in `training["adapted"]`; the one that was given where it is kept.
    decision
        Which, and why.
    evidence
        Figures of every candidate, the source among them.
    failed
        Why methods could not be applied, by name.
    record
        All this, JSON-ready, as it stands in the model.
    candidates
        The models between which was decided, by name.
    """

    model: TrainedModel
    decision: Decision
    evidence: dict[str, Evidence]
    failed: dict[str, str]
    record: dict[str, Any]
    candidates: dict[str, TrainedModel] = field(default_factory=dict, repr=False)

    @property
    def kept(self) -> bool:
        """Whether the model is kept as it was."""
        return self.decision.chosen == SOURCE


def adapt(
    model: TrainedModel,
    target: SceneSource,
    *,
    method: str | None = None,
    source: LabelledSource | None = None,
    few: FewLabels | None = None,
    settings: AdaptationSettings | None = None,
    force: bool = False,
    seed: int = 0,
    device: str = "auto",
    listener: Listener | None = None,
    told: Told | None = None,
    write_translation: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    checkpoints: str | os.PathLike[str] | None = None,
    resume: bool = False,
) -> AdaptationResult:
    """Adapt a model to another scene, date or sensor, and keep it as it is where that is no gain.

    By default the methods are tried that leave the network alone, and with few labels those that train as well.

    Parameters
    ----------
    target
        The scene; its bands are matched with the model's as `hsiattn classify` does.
    method
        One of `METHODS`; the decision is then between it and the model as it was.
    source
        The training scene and its labels, where a method needs them; others know it better then.
    few
        A few labelled pixels of the target, which help to decide and to learn.
    force
        With a method: take it without a decision.
    seed
        Decides everything random.
    device
        See `hsiattn.devices.choose_device`.
    listener
        Called with the figures of every epoch of a method that trains.
    write_translation, overwrite
        GeoTIFF for the training scene in the target's look, which `translation` makes, and whether it may replace one.
    checkpoints, resume
        Folder for the state of methods that train, and whether to go on from one that an interrupted adaptation with
        the same arguments has left there.

    Raises
    ------
    AdaptationError
        There is no such method, or it cannot be applied to this model.
    BandError, SceneError
        See `TargetScene.of`.
    TrainingError
        The folder holds the state of another adaptation.
    OutputError
        The translated scene may not be written there, or the folder holds something else.
    DomainError
        The values of the scene are some power of ten times those of the training scene.
    """
    settings = settings or AdaptationSettings()
    wanted = _wanted(model, method, source, few)
    choose_device(device)
    translated = None if write_translation is None else Path(write_translation)
    if translated is not None:
        check_output(translated, FileKind.SCENE, overwrite=overwrite)
    kept = None if checkpoints is None else Path(checkpoints)
    if kept is not None:
        check_state_folder(kept)
    scene = TargetScene.of(model, target, pixels=settings.pixels)
    _check_scale(model, scene)
    trial = _Trial(
        Task(
            model, scene, model, source, few, settings, seed, device, listener, translated, overwrite, kept, resume
        ), told,
    )  # fmt: skip
    trial.add(SOURCE, model, SOURCE, moves=True)
    for own in wanted:
        trial.attempt(own, must=method is not None)
    decision = trial.decide()
    if force and method is not None:
        decision = Decision(method, f"as was asked for; without that: {decision.reason}", "force")
    chosen = trial.candidates[decision.chosen]
    record = trial.record(decision)
    made = replace(chosen, training={**chosen.training, "adapted": record}, digest="")
    if decision.chosen != SOURCE:
        said = [*chosen.training.get("warnings", []), record["in_words"]]  # reports on its maps say them
        made = replace(made, training={**made.training, "warnings": said})
        # `classify` is to know the target for the scene of the model.
        made = replace(with_target_domain(made, scene), created=timestamp())
    return AdaptationResult(made, decision, trial.evidence, trial.failed, record, trial.candidates)


def _wanted(
    model: TrainedModel, method: str | None, source: LabelledSource | None, few: FewLabels | None
) -> list[AdaptationMethod]:
    """The methods that are tried."""
    if method is None:
        return [each for each in METHODS.values() if (few is not None or not each.learns) and not each.needs_source]
    if method not in METHODS:
        raise AdaptationError(f"there is no way of adaptation {method!r}", f"choose one of {', '.join(METHODS)}")
    if METHODS[method].needs_source and source is None:
        raise AdaptationError(
            f"{method} learns from the training scene and its labels, which the model does not hold",
            "give them: source= and labels=",
        )
    return [METHODS[method]]


def _check_scale(model: TrainedModel, target: TargetScene) -> None:
    """Refuse values in another unit: no light and no haze makes them ten times as large."""
    if model.domain is None:
        return
    power = model.domain.power_of_ten(target.reflectance(), model.preprocessing)
    if power:
        radiometry = target.source.radiometry
        offer = "correct gain and offset of its bands"
        if radiometry.scale is not None:
            offer = f"give scale={radiometry.scale * 10.0**power:.10g}, by which values are divided"
        raise DomainError(
            f"the values of {target.source.name} are about 10^{power} times those of the model's training scene", offer
        )


@dataclass
class _Trial:
    """Candidates and what speaks for them."""

    task: Task
    told: Told | None = None
    candidates: dict[str, TrainedModel] = field(default_factory=dict)
    evidence: dict[str, Evidence] = field(default_factory=dict)
    right: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    classes: dict[str, NDArray[np.int64]] = field(default_factory=dict)

    def attempt(self, method: AdaptationMethod, *, must: bool) -> None:
        """Make the candidate of a method; one that does not apply is noted, or refused where it was asked for."""
        if self.told is not None:
            self.told(method.name)
        start = self._best_start() if method.learns else SOURCE
        task = replace(self.task, start=self.candidates[start])
        try:
            if method.learns and not must and self._folds() is None:
                raise AdaptationError(
                    "the few labels of every class lie in one group, so that none can be left out", ""
                )
            made = method.adapted(task.part("round-0"))
            right = self._of_left_out(method, task) if method.learns else None
        except AdaptationError as error:
            if must:
                raise
            self.failed[method.name] = error.problem
            return
        moves = method.moves_spectra or method.needs_source  # the target to the training scene, or that to the target
        self.add(method.name, made, start, moves=moves, right=right)

    def add(
        self, name: str, model: TrainedModel, start: str, *, moves: bool, right: NDArray[np.bool_] | None = None
    ) -> None:
        """Take up a candidate with its evidence."""
        task = self.task
        shares = task.target.probabilities(model, task.device)
        valid = [part.valid for part in task.target.tiles]
        each = flat(task.target, shares)
        codes = np.array(model.classes.codes)[each.argmax(axis=1)]
        self.candidates[name], self.classes[name] = model, codes
        if task.few is not None:
            self.right[name] = self._right(model, task.few) if right is None else right
        self.evidence[name] = Evidence(
            confidence=float(each.max(axis=1).mean()),
            information=information(each),
            coherence=coherence([own.argmax(axis=0) for own in shares], valid),
            agreement=float((codes == self.classes[start]).mean()),
            distance=self._distance(model) if moves else None,
            accuracy=float(self.right[name].mean()) if task.few is not None else None,
            start=start,
        )

    def decide(self) -> Decision:
        """The decision between all candidates."""
        few = self.task.few
        return decide(self.evidence, self.right, few.groups) if few is not None else decide(self.evidence)

    def record(self, decision: Decision) -> dict[str, Any]:
        """What the model file says of its origin."""
        model, few = self.task.model, self.task.few
        trained_on, target = model.data.get("scene", "an unknown scene"), self.task.target.describe()
        in_words = f"the model was adapted from {trained_on} to {target['scene']} by {decision.chosen}"
        in_words += "; its accuracy is that of the model before, on that scene"
        if decision.chosen == SOURCE:
            in_words = f"the model is as it was trained on {trained_on}: no adaptation to {target['scene']} was a gain"
        earlier = model.training.get("adapted")
        return {
            "from": model.digest,
            "in_words": in_words,
            "trained_on": trained_on,
            "method": None if decision.chosen == SOURCE else decision.chosen,
            "target": target,
            "decision": decision.to_dict(),
            "candidates": {name: own.to_dict() for name, own in self.evidence.items()},
            "not_applied": self.failed,
            "few_labels": None if few is None else {"pixels": len(few), "groups": len(np.unique(few.groups))},
            "settings": self.task.settings.model_dump(),
            "seed": self.task.seed,
            **({"earlier": earlier.get("from")} if isinstance(earlier, dict) else {}),
        }

    def _best_start(self) -> str:
        known = {name: own for name, own in self.evidence.items() if own.distance is not None}
        return decide(known).chosen if known else SOURCE

    def _distance(self, model: TrainedModel) -> float | None:
        """Distance of the target from the training scene, as a model scales them; None where nothing is known of it.

        A model that was trained on the training scene in the look of the target has that for its domain.
        """
        origin, target = self.task.model, self.task.target
        reflectance = target.reflectance()[:, target.reader(model).bands]
        if model.domain is not None and model.domain is not origin.domain:
            training = scaled(model.preprocessing, model.domain.examples.astype(np.float64))
            return closeness(training, scaled(model.preprocessing, reflectance))
        try:
            known = training_spectra(origin, self.task.source)
        except AdaptationError:
            return None
        return closeness(scaled(origin.preprocessing, known), scaled(model.preprocessing, reflectance))

    def _folds(self) -> Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]] | None:
        """Two ways to leave out whole groups of the few labels; None where there is none."""
        few = self.task.few
        if few is None:
            return None
        folds = grouped_folds(few.targets, few.groups, self.task.seed)
        if len(folds) < 2:
            return None
        halves = [np.concatenate([left for _, left in folds[n::2]]) for n in range(2)]
        every = np.arange(len(few))
        return [(np.setdiff1d(every, half), half) for half in halves]

    def _of_left_out(self, method: AdaptationMethod, task: Task) -> NDArray[np.bool_] | None:
        """Which of the few labelled pixels are right by models that learned without their group."""
        few, folds = task.few, self._folds()
        if few is None:
            return None
        if folds is None:
            return self._right(method.adapted(task.part("fold-0", few=None)), few)
        right = np.zeros(len(few), dtype=bool)
        judged = np.zeros(len(few), dtype=bool)
        for number, (kept, left_out) in enumerate(folds, start=1):
            made = method.adapted(task.part(f"fold-{number}", few=few.subset(kept)))
            right[left_out], judged[left_out] = self._right(made, few.subset(left_out)), True
        if not judged.all():  # of classes in one group
            right[~judged] = self._right(task.start, few.subset(~judged))
        return right

    def _right(self, model: TrainedModel, few: FewLabels) -> NDArray[np.bool_]:
        """Whether labelled pixels get their class."""
        task = self.task
        codes = np.array(task.model.classes.codes)[few.targets]
        pixels = task.target.gather(model, few.positions, few.targets)
        logits = logits_of(model.network, pixels, choose_device(task.device), model.training.get("precision", "32"))
        return np.asarray(np.array(model.classes.codes)[logits.argmax(axis=1)] == codes)
