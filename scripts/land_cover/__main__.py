"""Make the built-in land-cover model anew: `python -m scripts.land_cover DATA`, some minutes.

DATA is a folder with `roberts2017-urban/` and `spectral-libraries/`. The package prosail is needed beside those of the
project. Networks are first trained without each of the sources in turn, which says how far to trust the classes, how
confident to be and from which strangeness on not to answer; the one that is kept is trained on all of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from joblib import Parallel, delayed

from hsiattn.classes import ClassTable
from hsiattn.models.builtin.fitting import FILE
from hsiattn.models.model_file import TrainedModel, package_versions, timestamp, write_model
from hsiattn.networks.spectral_grid import NODES
from hsiattn.open_set.calibrated import OpenSet
from hsiattn.open_set.exposed import Exposed
from hsiattn.preprocessing import Preprocessing
from hsiattn.scenes import SpectralBands
from scripts.land_cover import card, trials
from scripts.land_cover.libraries import read_libraries
from scripts.land_cover.plants import dry_canopies, green_canopies
from scripts.land_cover.soils import soils
from scripts.land_cover.spectra import LEAVES, Spectra
from scripts.land_cover.training import CLASSES, LandCover, train
from scripts.land_cover.views import Viewer
from scripts.land_cover.water import waters

_GREEN, _DRY, _WATER, _SOIL = 1500, 400, 600, 600
"""Number of modelled spectra."""
_MEMBERS = 3
"""Networks that are trained apart, by other seeds, and joined."""


def main() -> None:
    """Train, judge and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=FILE)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(given.seed)
    measured = read_libraries(given.data)
    modelled = [green_canopies(_GREEN, rng), dry_canopies(_DRY, rng), waters(_WATER, rng), soils(_SOIL, rng)]
    everything = Spectra.joined([measured, *modelled])
    held_out = {name: np.isin(measured.sources, sources) for name, sources in trials.FOLDS.items()}
    material = [Spectra.joined([measured.where(~rows), *modelled]) for rows in held_out.values()] + [everything]
    jobs = [(spectra, given.seed + member) for spectra in material for member in range(_MEMBERS)]
    print(f"{len(jobs)} trainings", flush=True)
    trained = Parallel(n_jobs=-1)(delayed(_trained)(spectra, given.steps, seed) for spectra, seed in jobs)
    *apart, model = (LandCover.joined(trained[first : first + _MEMBERS]) for first in range(0, len(jobs), _MEMBERS))
    by_sensor: dict[str, list[trials.Outcome]] = {name: [] for name in trials.SENSORS}
    for (name, rows), network in zip(held_out.items(), apart, strict=True):
        print(f"without {name}: {np.count_nonzero(rows)} spectra held out", flush=True)
        for sensor, outcome in trials.outcomes(network, measured.where(rows)).items():
            by_sensor[sensor].append(outcome)
            print(f"  {sensor}: {trials.right_by_class([outcome])}", flush=True)
    results = [outcome for outcomes in by_sensor.values() for outcome in outcomes]
    temperature = trials.best_temperature(results)
    records = trials.as_trials(by_sensor, temperature)
    finished = _as_model(model, results, temperature, records, everything, given)
    write_model(finished, given.output, overwrite=True)
    print(f"temperature {temperature:.2f}; {finished.open_set.describe()}")  # type: ignore[union-attr]
    for record in records:
        print(record)
    print(f"{given.output}: {given.output.stat().st_size / 1e3:.0f} kB")


def _as_model(
    model: LandCover, results: list[trials.Outcome], temperature: float, records: list[dict[str, object]],
    spectra: Spectra, given: argparse.Namespace,
) -> TrainedModel:  # fmt: skip
    """The model file's contents: for bands at the nodes of the grid, calibrated, with its card."""
    network = model.network.eval()
    with torch.no_grad():  # the network tells classes by their shares, so that the temperature belongs into it
        network.leaves.weight /= temperature
        network.leaves.bias /= temperature
    detector = Exposed(model.strange.weight.detach()[0].clone(), model.strange.bias.detach().clone())
    scores = trials.strangeness(results)
    open_set = OpenSet.of_scores(
        detector,
        scores,
        {
            "groups": len(trials.FOLDS),
            "unclassified": True,
            "in_words": "scores of held-out sources: "
            f"{trials.noticed(results, float(np.quantile(scores, 0.95))):.0%} of other things lie above those of 95 %",
        },
    )
    centres = NODES
    count = len(centres)
    names, counts = np.unique(spectra.sources, return_counts=True)
    arguments = {
        "name": "any-sensor", "bands": count, "channels": 0, "classes": len(CLASSES), "patch_size": 1,
        "wavelength": centres.tolist(), "fwhm": np.gradient(centres).tolist(),
        "members": [[LEAVES.index(leaf) for leaf in leaves] for leaves in CLASSES.values()], "encoders": _MEMBERS,
    }  # fmt: skip
    return TrainedModel(
        network=network,
        arguments=arguments,
        preprocessing=Preprocessing(
            bands=np.arange(count),
            offset=np.zeros(count, np.float32),
            gain=np.ones(count, np.float32),
            projection=np.zeros((0, count), np.float32),
            shift=np.zeros(0, np.float32),
        ),
        bands=SpectralBands.build(count, wavelength=centres, fwhm=np.gradient(centres)),
        classes=ClassTable.from_records(card.CLASSES),
        recipe={"name": "builtin", "description": card.DESCRIPTION},
        training={
            "seed": given.seed,
            "steps": given.steps,
            "trials": records,
            "card": card.CARD | {"spectra": dict(zip(names.tolist(), counts.tolist(), strict=True))},
        },
        data={"scene": "spectral libraries"},
        versions=package_versions(),
        created=timestamp(),
        open_set=open_set,
    )


def _trained(spectra: Spectra, steps: int, seed: int) -> LandCover:
    torch.set_num_threads(1)
    return train(Viewer(spectra), steps=steps, seed=seed)


if __name__ == "__main__":
    main()
