"""How well networks do on spectra of sources that took no part in their training.

Each fold leaves out sources as a whole: another place, another instrument.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scripts.land_cover.sensors import Sensor, by_name
from scripts.land_cover.spectra import BROAD, OF_BROAD, Spectra
from scripts.land_cover.training import LandCover, grid_of
from scripts.land_cover.views import Viewer, measured

FOLDS: dict[str, tuple[str, ...]] = {
    "field spectra": ("santa-barbara asd", "gamsberg"),
    "Berlin": ("berlin",),
    "airborne Santa Barbara": (
        "santa-barbara AVIRIS_r20", "santa-barbara AVIRIS_r21", "santa-barbara AVIRIS_r22",
    ),
}  # fmt: skip
SENSORS: dict[str, Sensor] = {
    "ROSIS": by_name("rosis"),
    "DESIS": by_name("desis"),
    "AVIRIS-NG to 1780 nm": by_name("aviris-ng").below(1780),
    "EnMAP": by_name("enmap"),
}
_PIXELS = 4000


@dataclass(frozen=True)
class Outcome:
    """What a network said of held-out pixels, seen by a sensor.

    Attributes
    ----------
    logits
        (n, 7) of the finest classes.
    strange
        (n,) logit of being no land cover.
    classes
        (n, 7) bool, which of the finest classes a pixel may be; none where it is no land cover.
    """

    logits: Tensor
    strange: Tensor
    classes: Tensor

    @property
    def known(self) -> Tensor:
        """(n,) land cover."""
        return self.classes.any(dim=1)


@torch.no_grad()
def outcomes(model: LandCover, held_out: Spectra, *, seed: int = 0) -> dict[str, Outcome]:
    """What a network says of views of held-out spectra, by the name of the sensor."""
    rng = np.random.default_rng((seed, 7))
    pool = Viewer(held_out).draw(_PIXELS, rng)
    found = {}
    for name, sensor in SENSORS.items():
        weights, covered = grid_of(sensor)
        values = measured(pool.values, sensor, rng)[:, sensor.good] @ weights.T
        seen = torch.from_numpy(values), torch.from_numpy(covered.astype(np.float32))[None]
        found[name] = Outcome(*model.on_grid(*seen), torch.from_numpy(pool.classes))
    return found


def right_by_class(results: list[Outcome], temperature: float = 1.0) -> dict[str, float]:
    """Share of held-out land cover that got the right broad class, by the name of the class."""
    table = torch.from_numpy(OF_BROAD.astype(np.float32))
    said = torch.cat([(torch.softmax(one.logits / temperature, 1) @ table)[one.known].argmax(1) for one in results])
    true = torch.cat([(one.classes[one.known].float() @ table).argmax(1) for one in results])
    return {
        name: round(float((said[true == number] == number).float().mean()), 3)
        for number, name in enumerate(BROAD)
        if (true == number).any()
    }


def best_temperature(results: list[Outcome]) -> float:
    """The temperature by which the classes of held-out land cover are likeliest."""
    logits = torch.cat([one.logits[one.known] for one in results])
    classes = torch.cat([one.classes[one.known] for one in results])
    tried = np.exp(np.linspace(np.log(0.5), np.log(5), 60))
    losses = [
        -float(torch.logsumexp(torch.log_softmax(logits / t, 1).masked_fill(~classes, -1e9), 1).mean()) for t in tried
    ]
    return float(tried[int(np.argmin(losses))])


def strangeness(results: list[Outcome]) -> NDArray[np.float32]:
    """Logits of being no land cover (n,) of held-out land cover."""
    return torch.cat([one.strange[one.known] for one in results]).numpy()


def noticed(results: list[Outcome], threshold: float) -> float:
    """Share of held-out spectra of other things that lie above a threshold."""
    return float(torch.cat([one.strange[~one.known] for one in results]).gt(threshold).float().mean())


def as_trials(by_sensor: dict[str, list[Outcome]], temperature: float) -> list[dict[str, Any]]:
    """Records for `hsiattn.models.builtin.trust`."""
    return [
        {
            "sensor": name,
            "last": round(float(SENSORS[name].usable().centres.max()), 1),
            "right": right_by_class(results, temperature),
        }
        for name, results in by_sensor.items()
    ]
