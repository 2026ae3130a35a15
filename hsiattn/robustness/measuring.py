"""The robustness of a model: its accuracy on a scene as it is, disturbed, and under attack."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from hsiattn.errors import BandError, GridError, LabelError, RecipeError
from hsiattn.mapping.scene_check import check_scene
from hsiattn.models.model_file import TrainedModel
from hsiattn.networks import WithPrior
from hsiattn.robustness.attacks import ATTACKS, STEPS, fgsm, pgd
from hsiattn.robustness.table import CLEAN, Condition, Robustness, Tested
from hsiattn.robustness.victims import Victim, memories_of, reflectance_windows, without_memory
from hsiattn.scenes import SceneSource, as_source
from hsiattn.scenes.scene_sample import sample_scene
from hsiattn.simulation import DISTURBANCES, SPECTRAL_DISTURBANCES, changed_scene
from hsiattn.splits import connected_fields
from hsiattn.splits.roles import ROLES

EPSILONS = (1.0, 2.0, 4.0, 8.0)
"""Largest changes by an attack, in 255ths of a band's range."""
STRENGTHS = (1.0, 2.0)
PIXELS = 1000
"""Most test pixels."""
DRAWS = 3
"""Times that every disturbance is drawn."""
RANGE = (0.01, 0.99)
"""Quantiles of a band in the scene between which its range lies."""
SOFTNESS = (1.0, 0.25)
"""How soft the memory of spectra is whose gradients an adaptive attack follows, one after the other."""

Progress = Callable[[int, int], None]
"""Called with the conditions done and all of them."""


def robustness(
    model: TrainedModel,
    source: SceneSource,
    labels: ArrayLike,
    *,
    against: TrainedModel | None = None,
    split: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    disturbances: Sequence[str] | None = None,
    strengths: Sequence[float] = STRENGTHS,
    draws: int = DRAWS,
    attacks: Sequence[str] | None = None,
    epsilons: Sequence[float] = EPSILONS,
    steps: int = STEPS,
    pixels: int = PIXELS,
    random_state: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Robustness:
    """Measure how accurate a model is on labelled pixels of a scene: as it is, disturbed, and under attack.

    Parameters
    ----------
    model
        The model.
    source
        A scene that it can map.
    labels
        (H, W) codes of the model's classes, 0 = unlabelled; pixels of other classes are left out.
    against
        Another model, compared pixel by pixel. None: where the model has a memory of spectra, the same model without
        it; else none. Each is attacked with its own gradient.
    split
        (H, W) roles, of which only test pixels count; None for all labelled pixels.
    groups
        (H, W) polygon ids, 0 for none, over which intervals and tests are; None for connected fields of a class.
    disturbances
        Some of `hsiattn.simulation.DISTURBANCES`; None for all that the scene has wavelengths for.
    strengths
        Of every disturbance.
    draws
        Times that each is drawn anew; figures are means over them.
    attacks
        Some of `ATTACKS`; None for all, `adaptive` only where a model has a memory of spectra.
    epsilons
        Largest change, in 255ths of every band's range in the scene, which is that from its 1 % to its 99 % quantile.
    steps
        Of PGD.
    pixels
        Most test pixels; of more, so many by chance.
    random_state
        Decides pixels, draws and random starts.
    device
        `auto`, `cpu`, `cuda` or `cuda:N`.
    progress
        See `Progress`.

    Raises
    ------
    LabelError
        No labelled pixel with data is of a class of the model, or none is a test pixel.
    GridError
        Labels, roles or groups have another size than the scene.
    BandError
        The scene's bands do not fit the model, or a disturbance needs wavelengths that it lacks.
    RecipeError
        An attack is asked for, and a model has no gradient.
    SceneError
        The scene cannot be read, or is too large to be held in memory.
    ValueError
        There is no such disturbance or attack, or a number is out of range.
    """
    _check_names(disturbances, attacks)
    rivals = [model] + [other for other in [against or without_memory(model)] if other is not None]
    notes: list[str] = []
    test, truth = _test_pixels(rivals, source, labels, split, pixels, random_state)
    ids = _groups_of(test, source, labels, groups)
    if split is None:
        notes.append("without a split, pixels that trained the model count too: figures are too good")
    notes += dict.fromkeys(said for each in rivals if (said := _doubt(each, source)) is not None)
    disturbed = _disturbances(source, disturbances, notes)
    victims = [Victim(each, device) for each in rivals]
    attacked = _attacks(rivals, victims, attacks, notes)
    conditions = [CLEAN]
    conditions += [Condition("disturbance", name, strength) for name in disturbed for strength in strengths]
    conditions += [Condition("attack", name, epsilon) for name in attacked for epsilon in epsilons]
    job = _Job(rivals, victims, source, test, truth, random_state, draws, steps, progress, len(conditions))
    answers = list(job.natural([each for each in conditions if each.kind != "attack"]))
    answers += job.attacked([each for each in conditions if each.kind == "attack"])
    return Robustness.of(
        conditions, answers, truth=truth, groups=ids, classes=model.classes, notes=notes,
        about={
            "scene": source.name,
            "models": [_about(each) for each in rivals],
            "without_prior": against is None and len(rivals) > 1,
            "pixels": len(truth),
            "test_pixels_only": split is not None,
            "draws": draws,
            "steps": steps,
            "seed": random_state,
        },
    )  # fmt: skip


def band_ranges(source: SceneSource) -> NDArray[np.float32]:
    """Range (B,) of reflectance in every band of a scene, from a sample of it; 0 in a band without data."""
    sample = sample_scene(source, np.arange(len(source.bands), dtype=np.int64))
    reflectance = source.radiometry.reflectance(sample.values)
    reflectance[~sample.measured] = np.nan
    there = [band[np.isfinite(band)] for band in reflectance.T]
    return np.array([np.ptp(np.quantile(band, RANGE)) if band.size else 0.0 for band in there], dtype=np.float32)


@dataclass(frozen=True, eq=False)
class _Job:
    """What is to be done: answers (draws, N) of every model, as codes, under one condition after the other."""

    rivals: Sequence[TrainedModel]
    victims: Sequence[Victim]
    source: SceneSource
    positions: NDArray[np.int64]
    truth: NDArray[np.int64]
    seed: int
    draws: int
    steps: int
    progress: Progress | None
    total: int

    def natural(self, conditions: Sequence[Condition]) -> Iterator[Tested]:
        """Answers on the scene as it is, and disturbed."""
        for done, condition in enumerate(conditions):
            self._tell(done)
            draws = range(1 if condition is CLEAN else self.draws)
            found: list[list[NDArray[np.int64]]] = [[] for _ in self.rivals]
            for draw in draws:
                seen = self.source
                if condition is not CLEAN:
                    seed = self.seed * self.draws + draw
                    seen = as_source(changed_scene(self.source, condition.name, condition.strength, seed=seed))
                for number, (model, victim) in enumerate(zip(self.rivals, self.victims, strict=True)):
                    found[number].append(self._answers(model, victim, seen))
            yield [np.stack(each) for each in found]

    def attacked(self, conditions: Sequence[Condition]) -> list[Tested]:
        """Answers under attack, each model under its own."""
        done = self.total - len(conditions)
        if not conditions:
            self._tell(done)
            return []
        answers = [np.empty((1, len(self.truth)), dtype=np.int64) for _ in range(len(conditions) * len(self.rivals))]
        share = [0.0]

        def finished(pixels: int) -> None:
            share[0] += pixels / len(self.truth) / len(self.rivals)
            self._tell(done + int(share[0]))

        self._tell(done)
        for number, (model, victim) in enumerate(zip(self.rivals, self.victims, strict=True)):
            self._attack(model, victim, conditions, answers[number :: len(self.rivals)], finished)
        return [answers[start : start + len(self.rivals)] for start in range(0, len(answers), len(self.rivals))]

    def _attack(
        self, model: TrainedModel, victim: Victim, conditions: Sequence[Condition],
        answers: Sequence[NDArray[np.int64]], finished: Callable[[int], None],
    ) -> None:  # fmt: skip
        ranges = torch.from_numpy(band_ranges(self.source)[model.match(self.source)]).to(victim.device)
        soft = [Victim(model, victim.device, softness=each) for each in SOFTNESS] if memories_of(victim) else []
        alone = without_memory(model)
        # Where the memory leaves the network little say, the gradient of both together is next to nothing.
        bare = [] if alone is None else [Victim(alone, victim.device)]
        order = sorted(range(len(conditions)), key=lambda place: conditions[place].strength)
        for windows in reflectance_windows(model, self.source, self.positions, victim.device):
            for batch in windows.batches():
                targets = torch.from_numpy(model.classes.to_indices(self.truth[batch.members])).to(victim.device)
                worst: dict[str, torch.Tensor] = {}
                for place in order:  # what errs within a small limit does so within a larger one
                    limits = ranges * (conditions[place].strength / 255)
                    known = (victim, batch.bands, batch.valid, targets, limits)
                    changed = self._changed(conditions[place].name, known, soft, bare, worst)
                    answers[place][0, batch.members] = _decide(model, victim, changed, batch.valid)
                    finished(len(batch))

    def _changed(
        self, name: str, known: tuple[Victim, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor],
        soft: Sequence[Victim], bare: Sequence[Victim], worst: dict[str, torch.Tensor],
    ) -> torch.Tensor:  # fmt: skip
        """Windows under an attack; the worst of PGD and of the adaptive attack so far are kept for the next limit."""
        if name == "fgsm":
            return fgsm(*known)
        if name == "pgd":
            tried = [worst[name]] if name in worst else []
            worst[name] = pgd(*known, guides=[known[0], *bare], tried=tried, steps=self.steps, seed=self.seed)
            return worst[name]
        guides = soft or [known[0]] * len(SOFTNESS)
        if "pgd" not in worst:
            guides = [known[0], *bare, *guides]
        tried = [worst[each] for each in ("pgd", name) if each in worst]
        worst[name] = pgd(*known, guides=guides, tried=tried, steps=self.steps, seed=self.seed + 1)
        return worst[name]

    def _answers(self, model: TrainedModel, victim: Victim, source: SceneSource) -> NDArray[np.int64]:
        answers = np.empty(len(self.positions), dtype=np.int64)
        for windows in reflectance_windows(model, source, self.positions, victim.device):
            for batch in windows.batches():
                answers[batch.members] = _decide(model, victim, batch.bands, batch.valid)
        return answers

    def _tell(self, done: int) -> None:
        if self.progress is not None:
            self.progress(done, self.total)


@torch.no_grad()
def _decide(model: TrainedModel, victim: Victim, windows: torch.Tensor, valid: torch.Tensor) -> NDArray[np.int64]:
    """Codes (n,) of the classes that a model sees in windows of reflectance."""
    likeliest = victim(windows, valid).argmax(dim=1).cpu().numpy()
    codes: NDArray[np.int64] = np.asarray(model.classes.codes, dtype=np.int64)[likeliest]
    return codes


def _about(model: TrainedModel) -> dict[str, Any]:
    memory = model.network if isinstance(model.network, WithPrior) else None
    return {
        "network": model.arguments["name"],
        "memory": None if memory is None else round(float(memory.weight), 4),
        "recipe": str(model.recipe.get("name", "")),
        "sha256": model.digest,
    }


def _check_names(disturbances: Sequence[str] | None, attacks: Sequence[str] | None) -> None:
    for what, names, known in (("disturbance", disturbances, DISTURBANCES), ("attack", attacks, ATTACKS)):
        for name in names or ():
            if name not in known:
                raise ValueError(f"there is no {what} {name!r}; there are {', '.join(known)}")


def _test_pixels(
    models: Sequence[TrainedModel],
    source: SceneSource,
    labels: ArrayLike,
    split: ArrayLike | None,
    most: int,
    seed: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions (N, 2) of the pixels that are tested, and the codes (N,) of their classes."""
    codes = _on_grid(labels, source, "labels")
    known = np.isin(codes, sorted(set.intersection(*(set(model.classes.codes) for model in models))))
    if split is not None:
        known &= _on_grid(split, source, "roles of the split") == ROLES["test"]
    where = "" if split is None else " that the split keeps for the test"
    rows, columns = np.nonzero(known & _measured(models, source))
    if not len(rows):
        raise LabelError(
            f"no labelled pixel of {source.name}{where} holds data and is of a class of the model",
            f"give labels with its classes: {', '.join(models[0].classes.names)}",
        )
    positions = np.stack([rows, columns], axis=1).astype(np.int64)
    if len(positions) > most:
        chosen = np.random.default_rng(seed).choice(len(positions), most, replace=False)
        positions = positions[np.sort(chosen)]
    return positions, np.asarray(codes[tuple(positions.T)], dtype=np.int64)


def _measured(models: Sequence[TrainedModel], source: SceneSource) -> NDArray[np.bool_]:
    """(H, W), True where all bands that a model reads hold data."""
    bands = np.unique(np.concatenate([model.match(source) for model in models])).tolist()
    there = np.empty((source.height, source.width), dtype=bool)
    for start in range(0, source.height, 64):
        window = source.extent.intersection(type(source.extent)(0, start, source.width, 64))
        mask = source.masked(window)
        there[window.toslices()] = source.complete(source.read_bands(window, bands), mask, bands)
    return there


def _on_grid(values: ArrayLike, source: SceneSource, what: str) -> NDArray[Any]:
    array = np.asarray(values)
    if array.shape != (source.height, source.width):
        size = " × ".join(map(str, array.shape))
        raise GridError(
            f"the {what} have {size} pixels, {source.name} has {source.height} × {source.width}",
            f"give {what} on the scene's grid",
        )
    return array


def _groups_of(
    positions: NDArray[np.int64], source: SceneSource, labels: ArrayLike, groups: ArrayLike | None
) -> NDArray[np.int64]:
    """Polygon ids (N,), each pixel outside of all polygons with one of its own."""
    raster = connected_fields(np.asarray(labels)) if groups is None else _on_grid(groups, source, "groups")
    ids = np.array(raster[tuple(positions.T)], dtype=np.int64)
    lone = ids <= 0
    ids[lone] = ids.max(initial=0) + 1 + np.arange(np.count_nonzero(lone))
    return ids


def _doubt(model: TrainedModel, source: SceneSource) -> str | None:
    """What speaks against mapping the scene with a model at all."""
    problem = check_scene(model, source).problem
    return None if problem is None else problem.problem


def _disturbances(source: SceneSource, wanted: Sequence[str] | None, notes: list[str]) -> list[str]:
    known = bool(np.isfinite(source.bands.wavelength).all())
    if wanted is not None:
        lacking = [name for name in wanted if name in SPECTRAL_DISTURBANCES and not known]
        if lacking:
            raise BandError(
                f"{', '.join(lacking)} cannot be simulated without wavelengths, which {source.name} lacks",
                "add wavelengths to the scene, or leave the disturbance out",
            )
        return list(dict.fromkeys(wanted))
    if not known:
        notes.append(f"without wavelengths of all bands, {' and '.join(SPECTRAL_DISTURBANCES)} are left out")
    if not source.radiometry.stated:
        notes.append("the scene does not say how its values become reflectance: haze is in proportion to them")
    return [name for name in DISTURBANCES if known or name not in SPECTRAL_DISTURBANCES]


def _attacks(
    models: Sequence[TrainedModel], victims: Sequence[Victim], wanted: Sequence[str] | None, notes: list[str]
) -> list[str]:
    stiff = [model for model, victim in zip(models, victims, strict=True) if not victim.is_differentiable]
    if stiff:
        problem = f"network {stiff[0].arguments['name']} decides by thresholds and has no gradient to attack it along"
        if wanted:
            raise RecipeError(problem, 'leave the attacks out: attacks=""')
        notes.append(problem)
        return []
    if wanted is not None:
        return list(dict.fromkeys(wanted))
    soft = any(memories_of(model.network) for model in models)
    return [name for name in ATTACKS if soft or name != "adaptive"]
