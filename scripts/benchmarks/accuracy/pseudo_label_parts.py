"""What each part of the pseudo-labels is worth: every part taken away, on many scenes, protocols and draws of labels.

    .venv/bin/python -m scripts.benchmarks.accuracy.pseudo_label_parts SCENES PLAN [PLAN ...] [--seeds N]

SCENES is the folder of scenes that `python -m scripts.benchmarks.accuracy` lays out; PLAN is a plan of `hsiattn
benchmark` such as fixed-splits or composed-towns, whose scenes and protocols are taken, not its recipes. No network is
trained: the accuracy is that of the pseudo-labels at the test pixels. Markdown goes to stdout: the mean over cells
(scene and protocol, the mean over draws) of what a part gains, with a 95 % interval over cells (Student's t), and how
many cells it helps and harms.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import t

from hsiattn.experiments.plan import load_plan
from hsiattn.experiments.protocols import shared_split
from hsiattn.experiments.runs import Run, runs_of
from hsiattn.experiments.scenes import open_entry
from hsiattn.pseudo_labels import PseudoLabelSettings, read_region
from hsiattn.pseudo_labels.cross_validation import Trial, left_out_pixels, try_view
from hsiattn.pseudo_labels.labelling import _pieces
from hsiattn.pseudo_labels.stacking import Mixture, Part, stack
from hsiattn.pseudo_labels.views import REFERENCES, RegionViews, View, affordable_views
from hsiattn.splits import ROLES, folds_across_groups, label_groups
from hsiattn.training.recipes import load_recipe
from hsiattn.training.training_scene import TrainingScene

Scores = NDArray[np.float64]
"""Overall and average accuracy, %."""


@dataclass(frozen=True, eq=False)
class Case:
    """One draw of labels on one scene, with the predictions of every view.

    Attributes
    ----------
    trials
        Results on left-out groups.
    members
        Classes (L,) of the left-out pixels.
    groups
        Number of independent groups among them.
    logits
        Of the test pixels (N, K), by view.
    truth
        Classes (N,) of the test pixels.
    """

    trials: Sequence[Trial]
    members: NDArray[np.int64]
    groups: int
    logits: dict[View, NDArray[np.float32]]
    truth: NDArray[np.int64]


Variant = Callable[[Case, Case], Scores]
"""Scores of a case; the second one has folds by pixel."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("plans", nargs="+", metavar="PLAN")
    parser.add_argument("--seeds", type=int, default=1, help="draws of labels (default: 1)")
    arguments = parser.parse_args()
    cells: dict[tuple[str, str], list[dict[str, Scores]]] = {}
    for run in runs(arguments.plans, arguments.seeds):
        by_group, by_pixel = cases(run, arguments.scenes)
        found = {name: score(by_group, by_pixel) for name, score in VARIANTS.items()}
        cells.setdefault((run.scene.name, run.protocol.name), []).append(found)
    print(f"Pseudo-labels on {len(cells)} cells of scene and protocol; what a part gains, points of OA and AA.\n")
    print("| part | OA | AA | cells: helps / harms OA |\n|---|---|---|---|")
    means = {
        name: np.array([np.mean([draw[name] for draw in draws], axis=0) for draws in cells.values()])
        for name in VARIANTS
    }
    whole = means.pop(WHOLE)
    print(f"| (all of it) | {whole[:, 0].mean():.2f} | {whole[:, 1].mean():.2f} | |")
    for name, without in means.items():
        gains = whole - without
        shown = [f"{gain.mean():+.2f} ({' to '.join(f'{end:+.2f}' for end in interval(gain))})" for gain in gains.T]
        print(f"| {name} | {' | '.join(shown)} | {(gains[:, 0] > 0).sum()} / {(gains[:, 0] < 0).sum()} |")


def runs(plans: Sequence[str], seeds: int) -> Iterator[Run]:
    """The scenes and protocols of the plans, each draw once."""
    for name in plans:
        plan = load_plan(name)
        first = each_once(runs_of(plan, beside=Path(), seeds=range(seeds)))
        yield from sorted(first, key=lambda run: run.scene.name)


def each_once(every: Sequence[Run]) -> list[Run]:
    """One run for every scene, protocol and seed."""
    kept = {(run.scene.name, run.protocol.name, run.seed): run for run in every}
    return list(kept.values())


def cases(run: Run, data: Path) -> tuple[Case, Case]:
    """The case of a run with whole groups left out, and with single pixels left out."""
    scene = open_entry(run.scene, data)
    recipe = load_recipe("default")
    whole = TrainingScene.of(scene.source, scene.codes, scene.classes, recipe)
    split = shared_split(run, scene, whole.usable, data=data)
    training = (split.roles == ROLES["training"]) & whole.usable
    known = split.classes.subset(set(np.unique(split.codes[training]).tolist()))
    positions, targets = np.argwhere(training), known.to_indices(split.codes[training])
    region = read_region(scene.source, whole.bands, positions, targets, most=scene.source.height * scene.source.width)
    labelled = region.indices_of(positions)
    test = split.test & np.isin(split.codes, known.codes)
    places = region.indices_of(np.argwhere(test))
    views = RegionViews(region)
    chosen = affordable_views(len(targets))
    logits = {view: views.discriminant(view, labelled, targets).logits(views[view][places]) for view in chosen}
    given = None if split.groups is None else np.asarray(split.groups)[tuple(positions.T)]
    truth, made = known.to_indices(split.codes[test]), []
    for groups in (label_groups(positions, targets, given), np.arange(len(targets))):
        folds = folds_across_groups(positions, targets, groups, run.seed)
        left_out = left_out_pixels(folds)
        trials = [try_view(views, view, labelled, targets, folds) for view in chosen]
        pieces = _pieces(positions[left_out], targets[left_out], groups[left_out])
        made.append(Case(trials, targets[left_out], pieces, logits, truth))
    return made[0], made[1]


def scores(case: Case, mixture: Mixture, exponent: float = PseudoLabelSettings().prior_exponent) -> Scores:
    """Accuracy of a mixture at the test pixels; frequencies are those that it finds there."""
    shares = sum(part.weight * softmax(case.logits[part.view] / part.temperature, axis=1) for part in mixture.parts)
    found = (shares * np.asarray(shares).mean(axis=0) ** exponent).argmax(axis=1)
    of_classes = [(found[case.truth == k] == k).mean() for k in np.unique(case.truth)]
    return 100 * np.array([(found == case.truth).mean(), np.mean(of_classes)])


def stacked(case: Case, groups: float | None = None) -> Mixture:
    """The mixture of a case."""
    return stack(case.trials, case.members, case.groups if groups is None else groups)


def only(case: Case, keep: Callable[[View], bool]) -> Case:
    """The case with some of the views."""
    return replace(case, trials=[trial for trial in case.trials if keep(trial.view)])


def best(case: Case) -> Mixture:
    """The one view that is most likely on left-out groups."""
    members = np.arange(len(case.members)), case.members
    likely = [np.log(np.maximum(trial.probabilities[members], 1e-3)).mean() for trial in case.trials]
    trial = case.trials[int(np.argmax(likely))]
    return Mixture((Part(trial.view, 1.0, trial.temperature),))


def evenly(case: Case) -> Mixture:
    """All views with the same weight."""
    return Mixture(tuple(Part(trial.view, 1 / len(case.trials), trial.temperature) for trial in case.trials))


def interval(gains: NDArray[np.float64]) -> tuple[float, float]:
    """95 % interval of a mean (Student's t)."""
    half = float(t.ppf(0.975, len(gains) - 1)) * gains.std(ddof=1) / np.sqrt(len(gains))
    return gains.mean() - half, gains.mean() + half


WHOLE = "all of it"
VARIANTS: dict[str, Variant] = {
    WHOLE: lambda case, _: scores(case, stacked(case)),
    "whole groups left out, not single pixels": lambda _, pixels: scores(pixels, stacked(pixels)),
    "groups count, not their pixels": lambda case, _: scores(case, stacked(case, len(case.members))),
    "a mixture, not the best view": lambda case, _: scores(case, best(case)),
    "weights, not all views alike": lambda case, _: scores(case, evenly(case)),
    "what surrounds a pixel": lambda case, _: scores(case, stacked(only(case, lambda view: view.scale == 1))),
    "single pixels": lambda case, _: scores(case, stacked(only(case, lambda view: view.scale != 1))),
    "wide diffusion (0.01 and 0.003)": lambda case, _: scores(
        case, stacked(only(case, lambda view: view.scale >= 0.1))
    ),
    "kernels": lambda case, _: scores(case, stacked(only(case, lambda view: view.form != "kernel"))),
    "quadratic discriminants": lambda case, _: scores(case, stacked(only(case, lambda view: view.form != "quadratic"))),
    "forest and SVM": lambda case, _: scores(
        case, stacked(only(case, lambda view: view.form not in ("forest", "support-vector")))
    ),
    "more than lda, lda-means, svm and random-forest": lambda case, _: scores(
        case, stacked(only(case, lambda view: view in REFERENCES.values()))
    ),
    "favour both, not overall": lambda case, _: scores(case, stacked(case), 0.5),
    "favour both, not average": lambda case, _: scores(case, stacked(case), 0.0),
    "favour both, not Bayes' rule": lambda case, _: scores(case, stacked(case), 1.0),
}
"""By what is taken away or replaced."""


if __name__ == "__main__":
    main()
