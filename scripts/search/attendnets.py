"""Searches the space of `attendnet-local` for small, fast and accurate networks: the recipes attendnet-s and -m.

    .venv/bin/python -m scripts.search.attendnets DATA OUT [--trials 100] [--jobs 1] [--seed 0]

DATA is the folder of real scenes (ground-truth and roberts2017-urban). OUT keeps the prepared cases and the journal of
the search: one that was interrupted goes on where it stopped, and further trials are added to those that are there.

Three objectives: mean overall accuracy on the test pixels of the cases in `cases`, after a short training by the
settings of the recipe `default`; multiply-adds per mapped pixel; parameters. Two constraints: --most-parameters, beyond
which a network is not trained, and at most a point less accuracy than the network of `default` has after the same
training. Proposals are those of optuna's tree-structured Parzen estimator for several
objectives. Of every trial the peak memory and the time of mapping a tile on a core are kept too. All trials are
printed, and written to OUT/trials.csv. The two recipes follow by the rule in `chosen`.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import statistics
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from hsiattn.networks import SpectralSpatialNetwork, create_network
from hsiattn.networks.cost import cost_of
from hsiattn.training.fit import train_network
from hsiattn.training.pseudo_labels import PseudoLabelTraining
from hsiattn.training.recipes import load_recipe
from hsiattn.training.results import FitOptions
from scripts.search.cases import Case, prepare_cases, read_cases

NETWORK = "attendnet-local"
PATCH = 9
MOST_PARAMETERS = {"attendnet-s": 10_000, "attendnet-m": 30_000}
"""Of the two recipes, with 103 bands and 9 classes."""
_MOST_LOSS = 1.0
"""Points of accuracy that a network may lie below the reference."""
_CLOSE = 0.1
"""Points of accuracy below the best at which a faster network is preferred."""
_TILE = (64, 128)
"""Core of the tile that is timed, in pixels."""
_REPETITIONS = 7
_AT_ONCE = 512
_COLUMNS = ("number", "accuracy", "macs", "parameters", "milliseconds", "peak_mib", "steps")
_STUDY = "attendnets"


def main() -> None:
    """Run the trials that are missing, then write and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--trials", type=int, default=100, help="in all, those of earlier calls counted (default: 100)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="of the proposals (default: 0)")
    parser.add_argument("--steps", type=int, default=100, help="of every training (default: 100)")
    parser.add_argument("--most-parameters", type=int, default=max(MOST_PARAMETERS.values()))
    given = parser.parse_args()
    prepare_cases(given.data, given.out / "cases")
    print(f"reference: {reference(given.out, given.steps, given.seed):.2f} %", flush=True)
    create_study(given, given.seed)
    spawned = multiprocessing.get_context("spawn")
    workers = [spawned.Process(target=work, args=(given, number)) for number in range(1, given.jobs)]
    for worker in workers:
        worker.start()
    work(given, 0)
    for worker in workers:
        worker.join()
    trials = finished(create_study(given, given.seed))
    write_table(given.out / "trials.csv", trials)
    for name, most in MOST_PARAMETERS.items():
        found = chosen(trials, most, time_of)
        print(f"{name}: trial {found.number}, {row_of(found)}" if found else f"{name}: no network is small enough")


def create_study(given: argparse.Namespace, seed: int) -> optuna.Study:
    """The study that OUT keeps, with proposals that continue those of the finished trials."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(given.out / "journal.log")))
    study = optuna.create_study(
        storage=storage, study_name=_STUDY, directions=["maximize", "minimize", "minimize"], load_if_exists=True
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is experimental in optuna
        study.sampler = optuna.samplers.TPESampler(
            seed=seed + len(study.trials), n_startup_trials=16, constraints_func=_excess, constant_liar=True
        )
    return study


def _excess(trial: FrozenTrial) -> tuple[float]:
    """How far a trial is from keeping the constraints, 0 where it does."""
    return (float(trial.user_attrs["excess"]),)


def reference(out: Path, steps: int, seed: int) -> float:
    """Mean accuracy (%) of the network of `default` on the cases, after the same training; kept in OUT."""
    path = out / f"reference-{steps}-{seed}.txt"
    if not path.exists():
        recipe = load_recipe("default")
        each = [
            accuracy(case, recipe.network.name, recipe.network.arguments, [f"training.max_steps={steps}"], seed)
            for case in read_cases(out / "cases")
        ]
        path.write_text(f"{np.mean(each)}\n", encoding="utf-8")
    return float(path.read_text(encoding="utf-8"))


def work(given: argparse.Namespace, number: int) -> None:
    """Run trials, in this process, until there are as many as were asked for."""
    torch.set_num_threads(1)
    study = create_study(given, given.seed + 1000 * number)
    cases = read_cases(given.out / "cases")
    least = reference(given.out, given.steps, given.seed) - _MOST_LOSS
    measure = partial(
        measured, cases=cases, steps=given.steps, most=given.most_parameters, least=least, seed=given.seed
    )
    while len(finished(study)) < given.trials:
        study.optimize(measure, n_trials=1)
        last = finished(study)[-1]
        print(last.number, row_of(last), last.params, flush=True)


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that came to their end, in order."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def measured(
    trial: Trial, *, cases: Sequence[Case], steps: int, most: int, least: float, seed: int
) -> tuple[float, float, float]:
    """Accuracy (%), multiply-adds per pixel and parameters of a proposal."""
    arguments, components = proposed(trial), trial.suggest_categorical("components", [12, 20, 40])
    rate = trial.suggest_categorical("learning_rate", [0.003, 0.006, 0.012])
    network = _network(components, arguments)
    cost = cost_of(network)
    trial.set_user_attr("steps", steps)
    if cost.parameters > most:
        trial.set_user_attr("excess", cost.parameters / most)
        return 0.0, cost.macs, cost.parameters
    for before in finished(trial.study):
        if before.params == trial.params and "each" in before.user_attrs:  # the same would come of it
            for name, value in before.user_attrs.items():
                trial.set_user_attr(name, value)
            return before.values[0], cost.macs, cost.parameters
    for name, value in zip(("milliseconds", "peak_mib"), mapping_cost(network), strict=True):
        trial.set_user_attr(name, round(value, 2))
    changes = [f"training.max_steps={steps}", f"training.learning_rate={rate}"]
    each = {case.name: accuracy(case.components(components), NETWORK, arguments, changes, seed) for case in cases}
    trial.set_user_attr("each", each)
    mean = float(np.mean(list(each.values())))
    trial.set_user_attr("excess", max(0.0, least - mean))
    return mean, cost.macs, cost.parameters


def proposed(trial: Trial | optuna.trial.FixedTrial) -> dict[str, Any]:
    """Arguments of the network: the space that is searched."""
    choose = trial.suggest_categorical
    group = choose("group", [8, 12, 16])
    return {
        "width": choose("width", [8, 12, 16, 24]),
        "depth": choose("depth", [1, 2, 3]),
        "reduction": choose("reduction", [1, 2]),
        "expansion": choose("expansion", [1, 2, 3]),
        "norms": choose("norms", [True, False]),
        "group": group,
        "stride": group // choose("overlap", [1, 2]),
        "own_stems": choose("own_stems", [True, False]),
        "halving": choose("halving", [True, False]),
        "read_out": choose("read_out", ["mean-max", "steps"]),
        "spatial_width": choose("spatial_width", [8, 12, 16, 24, 32]),
        "stem_kernel": choose("stem_kernel", [1, 3]),
        "condenser_kernel": choose("condenser_kernel", [1, 3]),
        "pepe_kernel": choose("pepe_kernel", [3, 5, 9]),
        "dropout": choose("dropout", [0.0, 0.1, 0.3]),
    }


def accuracy(case: Case, name: str, arguments: Mapping[str, Any], changes: Sequence[str], seed: int) -> float:
    """Overall accuracy (%) of a network on the test pixels of a case, after a training by `default` with changes."""
    settings = load_recipe("default", list(changes)).training
    assert isinstance(settings, PseudoLabelTraining)
    sizes = {"bands": case.training.spectra.shape[1], "channels": case.training.patches.shape[1]}
    torch.manual_seed(seed)
    classes = case.training.targets.shape[1]
    network = create_network(name, **sizes, classes=classes, patch_size=PATCH, **arguments)
    train_network(network, case.training, settings, FitOptions(seed=seed, device="cpu"))
    right = []
    with torch.inference_mode():
        for start in range(0, len(case.test), _AT_ONCE):
            few = case.test.take(np.arange(start, min(start + _AT_ONCE, len(case.test))))
            logits = network(*(torch.from_numpy(array) for array in (few.spectra, few.patches, few.valid)))
            right.append(logits.argmax(dim=1).numpy() == few.targets)
    return round(100 * float(np.concatenate(right).mean()), 3)


def mapping_cost(network: SpectralSpatialNetwork) -> tuple[float, float]:
    """Milliseconds of a core, the median, and peak memory (MiB) of mapping a tile."""
    halo = network.patch_size - 1
    tile = torch.randn(network.bands, *_TILE), torch.randn(network.channels, _TILE[0] + halo, _TILE[1] + halo)
    times = []
    with torch.inference_mode():
        for _ in range(_REPETITIONS):
            began = time.process_time()  # other processes may share the core
            network.dense(*tile)
            times.append(time.process_time() - began)
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
            network.dense(*tile)
    events = sorted(profile.profiler.kineto_results.events(), key=lambda event: event.start_ns())
    bytes_held = np.cumsum([event.nbytes() for event in events if event.name() == "[memory]"])
    return 1000 * statistics.median(times), float(bytes_held.max(initial=0)) / 2**20


def chosen(trials: Sequence[FrozenTrial], most: int, time_of: Callable[[FrozenTrial], float]) -> FrozenTrial | None:
    """The fastest of the networks that are small enough and at most 0.1 points less accurate than the best of them.

    They are timed once more, one after the other: conditions may have changed during the search.
    """
    small = [trial for trial in trials if trial.values[2] <= most and trial.values[0] > 0]
    best = max((trial.values[0] for trial in small), default=0.0)
    close = [trial for trial in small if trial.values[0] >= best - _CLOSE]
    return min(close, key=time_of, default=None)


def time_of(trial: FrozenTrial) -> float:
    """Milliseconds of a trial's network, measured now."""
    components = trial.params["components"]
    return mapping_cost(_network(components, proposed(optuna.trial.FixedTrial(trial.params))))[0]


def _network(components: int, arguments: dict[str, Any]) -> SpectralSpatialNetwork:
    """The network of the size that trials are compared at, for evaluation."""
    sizes = {"bands": 103, "channels": components, "classes": 9, "patch_size": PATCH}
    return create_network(NETWORK, **sizes, **arguments).eval()


def row_of(trial: FrozenTrial) -> dict[str, Any]:
    """What was measured in a trial."""
    shown: dict[str, Any] = dict(zip(_COLUMNS, (trial.number, *trial.values), strict=False)) | {
        name: trial.user_attrs.get(name) for name in _COLUMNS[4:]
    }
    return shown | {f"accuracy {name}": value for name, value in trial.user_attrs.get("each", {}).items()}


def write_table(path: Path, trials: Sequence[FrozenTrial]) -> None:
    """All trials as CSV, with what was proposed."""
    rows = [row_of(trial) | trial.params for trial in trials]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
