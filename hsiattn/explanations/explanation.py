"""The whole explanation of decisions at some pixels of a scene: arrays, verdicts, and what to know of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from hsiattn.classes import ClassTable
from hsiattn.errors import GridError
from hsiattn.explanations import pixels as choice
from hsiattn.explanations.attention import positions_of
from hsiattn.explanations.attribution import load_captum
from hsiattn.explanations.band_groups import BandGroup, band_groups
from hsiattn.explanations.deletion import (
    DRAWS,
    MOST_PIXELS,
    gather_measured,
    run_deletion,
    subset,
)
from hsiattn.explanations.deletion_curves import DeletionTest
from hsiattn.explanations.evidence import Evidence
from hsiattn.explanations.stability import Stability, check_comparable, members_of, stability
from hsiattn.explanations.windows import Decision, check_measured, read_windows
from hsiattn.mapping.scene_check import SceneCheck, check_scene
from hsiattn.models.model_file import TrainedModel
from hsiattn.scenes import SceneSource

SAMPLES = 10
"""Pixels of every class."""
_INEXACT = 0.02
"""Completeness error from which integrated gradients are said to be inexact."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """What a network decides by at some pixels, and how far that may be trusted.

    Attributes
    ----------
    data
        Arrays by `pixel`: `attention` (pixel, band) and `neighbours` (pixel, dy, dx) where the network weighs,
        `integrated_gradients` (pixel, band), `integrated_gradients_neighbours` (pixel, dy, dx) and
        `completeness_error` (pixel) where it has gradients, `occlusion` (pixel, group), `probability` and
        `baseline_probability` (pixel). Coordinates: `row`, `column`, `x`, `y`, `predicted` and `label` (codes),
        `class_name` (under which a pixel is counted), `wavelength` (band, nm). The curves of the deletion test:
        `deletion_bands` (order, share_bands), `deletion_bands_random` (draw, share_bands), the same of neighbours.
    deletion
        Verdict on attention.
    stability
        Agreement of several networks; None where there is one.
    groups
        Bands that were occluded together.
    classes
        Classes of the model.
    notes
        What to know of the figures, one sentence each.
    about
        Scene, network and its sizes, plain data.
    """

    data: xr.Dataset
    deletion: DeletionTest
    stability: Stability | None
    groups: Sequence[BandGroup]
    classes: ClassTable
    notes: tuple[str, ...] = ()
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def in_words(self) -> str:
        """How far attention may be trusted, and how far networks agree."""
        return " ".join([self.deletion.in_words, *([self.stability.in_words] if self.stability else [])])

    def means(self, name: str) -> dict[str, NDArray[np.float64]]:
        """Mean of an array over the pixels of every class, by the name of the class."""
        values, of_pixel = self.data[name].to_numpy(), self.data["class_name"].to_numpy()
        return {str(each): values[of_pixel == each].mean(axis=0, dtype=np.float64) for each in dict.fromkeys(of_pixel)}

    def to_dict(self) -> dict[str, Any]:
        """The summary as plain data; the arrays are in `data`."""
        counts = {str(name): int(count) for name, count in _counted(self.data["class_name"].to_numpy())}
        occlusion = self.means("occlusion")
        record: dict[str, Any] = {
            "explanation": dict(self.about),
            "in_words": self.in_words,
            "notes": list(self.notes),
            "deletion": self.deletion.to_dict(),
            "stability": self.stability.to_dict() if self.stability else None,
            "band_groups": [
                {"name": group.name, "bands": [str(self.data["band"].values[band]) for band in group.members]}
                for group in self.groups
            ],
            "classes": [
                {
                    "name": name,
                    "pixels": count,
                    "attention_most_at": self._most("attention", name),
                    "gradients_most_at": self._most("integrated_gradients", name),
                    "occlusion": dict(
                        zip((group.name for group in self.groups), occlusion[name].tolist(), strict=True)
                    ),
                }
                for name, count in counts.items()
            ],
        }
        if "completeness_error" in self.data:
            record["completeness_error"] = float(np.abs(self.data["completeness_error"]).max())
        return record

    def _most(self, name: str, of_class: str) -> dict[str, Any] | None:
        """The band with the greatest mean, without its sign."""
        if name not in self.data:
            return None
        band = int(np.abs(self.means(name)[of_class]).argmax())
        wavelength = float(self.data["wavelength"][band])
        return {
            "band": str(self.data["band"].values[band]),
            "wavelength": wavelength if np.isfinite(wavelength) else None,
        }


def explain(
    model: TrainedModel,
    source: SceneSource,
    pixels: ArrayLike | None = None,
    *,
    labels: ArrayLike | None = None,
    samples: int = SAMPLES,
    groups: int | None = None,
    others: Sequence[TrainedModel] = (),
    draws: int = DRAWS,
    random_state: int = 0,
    device: str = "cpu",
    force: bool = False,
) -> Explanation:
    """Explain the decisions of a network at pixels of a scene.

    Parameters
    ----------
    pixels
        (N, 2) rows and columns; None for `samples` of every class.
    labels
        (H, W) codes of the model's classes: pixels are drawn, and counted, by them. Without labels both goes by what
        the model predicts.
    samples
        Pixels of every class.
    groups
        Groups of bands that are occluded together, see `band_groups`.
    others
        Models of the same scene and labels with other seeds, for the stability; an ensemble has its members.
    draws
        Random orders of the deletion test.
    random_state
        Decides which pixels, and the random orders.
    device
        `auto`, `cpu`, `cuda` or `cuda:N`.
    force
        Explain decisions even in a scene that looks like nothing the model was trained on.

    Raises
    ------
    DomainError
        Most of the scene looks like nothing in the training scene, and there is no `force`.
    SceneError
        A pixel is not in the scene or holds no data.
    LabelError
        No labelled pixel is of a class of the model.
    GridError
        The labels have another size than the scene.
    BandError
        The scene's bands do not fit the model.
    ModelFileError
        The other models read other bands, or know other classes.
    RecipeError
        captum is missing.
    """
    load_captum()
    codes = None if labels is None else np.asarray(labels)
    if codes is not None and codes.shape != (source.height, source.width):
        size = " × ".join(map(str, codes.shape))
        raise GridError(
            f"the labels have {size} pixels, {source.name} has {source.height} × {source.width}",
            "give labels on the scene's grid",
        )
    wanted = band_groups(model.used_bands, groups)
    networks = [model, *others] if others else members_of(model)
    check_comparable(networks)
    check = check_scene(model, source)
    if check.problem is not None and not force:
        raise type(check.problem)(check.problem.problem, check.problem.remedy.replace("to map it", "to explain it"))
    positions = _chosen_pixels(model, source, pixels, codes, samples, random_state, device)
    decision = Decision(model, device)
    evidence = _evidence(decision, model, source, positions, [group.members for group in wanted])
    predicted = np.asarray(model.classes.codes, dtype=np.int64)[evidence.chosen]
    known = np.zeros(len(positions), dtype=np.int64) if codes is None else codes[tuple(positions.T)].astype(np.int64)
    names = _names(model.classes, predicted, known)
    data = _dataset(model, source, positions, evidence, wanted, predicted, known, names)
    tested = subset(positions, MOST_PIXELS, random_state)
    deletion = _deletion(decision, model, source, tested, draws, random_state)
    agreed = None
    if len(networks) > 1:
        origin = "models" if others else "members"
        agreed = stability(networks, source, positions, predicted, names, origin=origin, device=device)
    about = {
        "scene": source.name,
        "network": model.arguments["name"],
        "recipe": str(model.recipe.get("name", "")),
        "model_sha256": model.digest,
        "bands": model.network.bands,
        "window": model.patch_size,
        "pixels": len(positions),
        "seed": random_state,
        "counted_by": "predictions" if codes is None else "labels",
        "baseline": decision.baseline_in_words,
    }
    return Explanation(
        data=_with_curves(data, deletion),
        deletion=deletion,
        stability=agreed,
        groups=wanted,
        classes=model.classes,
        notes=(*_doubts(check), *_notes(model, decision, evidence, names, codes is not None, pixels is None)),
        about=about,
    )


def _chosen_pixels(
    model: TrainedModel, source: SceneSource, pixels: ArrayLike | None, codes: NDArray[Any] | None, samples: int,
    random_state: int, device: str,
) -> NDArray[np.int64]:  # fmt: skip
    if pixels is not None:
        return positions_of(pixels, source)
    if codes is not None:
        return choice.pixels_of_labels(model, source, codes, samples, random_state)
    return choice.pixels_of_predictions(model, source, samples, random_state, device)


def _evidence(
    decision: Decision,
    model: TrainedModel,
    source: SceneSource,
    positions: NDArray[np.int64],
    groups: Sequence[NDArray[np.int64]],
) -> Evidence:
    parts, order = [], []
    for windows in read_windows(model, source, positions, decision.device):
        check_measured(source, positions[windows.members], windows.measured)
        parts.append(Evidence.of(decision, windows, groups))
        order.append(windows.members)
    return Evidence.joined(parts, np.concatenate(order))


def _deletion(
    decision: Decision,
    model: TrainedModel,
    source: SceneSource,
    positions: NDArray[np.int64],
    draws: int,
    random_state: int,
) -> DeletionTest:
    windows = gather_measured(model, source, positions, decision.device)
    return run_deletion(decision, windows, Evidence.of(decision, windows), draws=draws, random_state=random_state)


def _names(table: ClassTable, predicted: NDArray[np.int64], known: NDArray[np.int64]) -> list[str]:
    """The class under which every pixel is counted: its label, else what the model predicts."""
    by_code = {item.code: item.name for item in table}
    return [by_code.get(int(label), by_code[int(code)]) for label, code in zip(known, predicted, strict=True)]


def _dataset(
    model: TrainedModel, source: SceneSource, positions: NDArray[np.int64], evidence: Evidence,
    groups: Sequence[BandGroup], predicted: NDArray[np.int64], known: NDArray[np.int64], names: Sequence[str],
) -> xr.Dataset:  # fmt: skip
    rows, columns = positions.T
    reach = np.arange(model.patch_size) - model.patch_size // 2
    x, y = source.grid.transform @ (columns + 0.5, rows + 0.5)
    arrays: dict[str, tuple[tuple[str, ...], Any]] = {
        "attention": (("pixel", "band"), evidence.bands),
        "neighbours": (("pixel", "dy", "dx"), evidence.neighbours),
        "integrated_gradients": (("pixel", "band"), evidence.gradients),
        "integrated_gradients_neighbours": (("pixel", "dy", "dx"), evidence.gradients_of_neighbours),
        "completeness_error": (("pixel",), evidence.error),
        "occlusion": (("pixel", "group"), evidence.occlusion),
        "probability": (("pixel",), evidence.probability),
        "baseline_probability": (("pixel",), evidence.baseline_probability),
    }
    bands = model.used_bands
    coords: dict[str, Any] = {
        "row": ("pixel", rows),
        "column": ("pixel", columns),
        "x": ("pixel", np.asarray(x, dtype=np.float64)),
        "y": ("pixel", np.asarray(y, dtype=np.float64)),
        "predicted": ("pixel", predicted),
        "label": ("pixel", known),
        "class_name": ("pixel", np.asarray(names)),
        "band": list(bands.names),
        "wavelength": ("band", bands.wavelength, {"units": "nm"}),
        "group": [group.name for group in groups],
        "dy": reach,
        "dx": reach,
    }
    present = {name: variable for name, variable in arrays.items() if variable[1] is not None}
    return xr.Dataset(present, coords=coords)


def _with_curves(data: xr.Dataset, deletion: DeletionTest) -> xr.Dataset:
    for curves in deletion.subjects:
        share = f"share_{curves.subject}"
        orders = f"order_{curves.subject}"
        data = data.assign(
            {
                f"deletion_{curves.subject}": ((orders, share), np.stack(list(curves.curves.values()))),
                f"deletion_{curves.subject}_random": (("draw", share), curves.random),
            }
        ).assign_coords({share: curves.share, orders: list(curves.curves)})
    return data


def _doubts(check: SceneCheck) -> list[str]:
    """What speaks against believing anything of this scene."""
    doubts = list(check.concerns) + ([] if check.problem is None else [check.problem.problem])
    return [f"{doubt[:1].upper()}{doubt[1:]}." for doubt in doubts]


def _notes(
    model: TrainedModel, decision: Decision, evidence: Evidence, names: Sequence[str], labelled: bool, drawn: bool
) -> list[str]:
    notes = [
        f"What is taken away, band or pixel, has the values of {decision.baseline_in_words} in its place; figures are "
        "shares of the probability of the class that the network chose."
    ]
    if drawn and not labelled:
        notes.append("No labels are given, so classes are those that the model predicts in a sample of the scene.")
    if drawn and (missing := [item.name for item in model.classes if item.name not in set(names)]):
        where = "is labelled" if labelled else "was found in the sample"
        notes.append(f"No pixel with data {where} of {', '.join(missing)}.")
    if evidence.error is None:
        notes.append(
            f"Network {model.arguments['name']} decides by thresholds and has no gradients: attribution is by "
            "occlusion alone."
        )
    elif baseless := _baseless(evidence, names):
        notes.append(
            f"The baseline itself is taken for {', '.join(baseless)}: integrated gradients and occlusion say little of "
            "decisions that the network makes of a mean spectrum too."
        )
    if evidence.error is not None and (error := float(np.abs(evidence.error).max())) > _INEXACT:
        notes.append(
            f"Integrated gradients miss the change of the probability that they should add up to by up to {error:.3f}."
        )
    if evidence.bands is None and evidence.neighbours is None:
        notes.append(f"Network {model.arguments['name']} weighs neither bands nor neighbours: there is no attention.")
    transform = model.preprocessing.transform_name
    if transform != "none":
        notes.append(
            f"The network reads the {transform.replace('-', ' ')} of spectra. What is given for a band is that of its "
            "transformed value, in which other bands take part."
        )
    return notes


def _baseless(evidence: Evidence, names: Sequence[str]) -> list[str]:
    """Classes that the network sees in the baseline, on the mean of their pixels."""
    shares, of_pixel = evidence.baseline_probability, np.asarray(names)
    return [str(name) for name in dict.fromkeys(names) if shares[of_pixel == name].mean() > 0.5]


def _counted(names: NDArray[Any]) -> list[tuple[str, int]]:
    """Names in the order in which they first occur, with their numbers."""
    return [(str(name), int(np.count_nonzero(names == name))) for name in dict.fromkeys(names)]
