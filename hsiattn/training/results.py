"""What a training method is told beside its settings, and what it gives back."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hsiattn.training.log import Listener, in_stage

if TYPE_CHECKING:
    from hsiattn.networks import SpectralSpatialNetwork
    from hsiattn.preprocessing import Preprocessing
    from hsiattn.training.checkpoints import Checkpoints
    from hsiattn.training.held_out import HeldOut

_SEEDS_APART = 1_000_003
"""Distance of the seeds of the members of an ensemble, so that runs with neighbouring seeds share none."""


@dataclass(frozen=True)
class FitOptions:
    """What a method is told beside scene, split and recipe.

    Attributes
    ----------
    seed
        Decides everything random.
    device
        See `hsiattn.devices.choose_device`.
    listener
        Called with the figures of every epoch.
    log
        CSV file for the same.
    checkpoints
        Where an interrupted training is kept.
    """

    seed: int = 0
    device: str = "auto"
    listener: Listener | None = None
    log: Path | None = None
    checkpoints: Checkpoints | None = None

    def of_member(self, number: int) -> FitOptions:
        """The options of a member of an ensemble: with a seed and a folder of its own."""
        kept = self.checkpoints.of_member(number) if self.checkpoints else None
        return replace(self, seed=self.seed + _SEEDS_APART * number, checkpoints=kept)

    def of_round(self, number: int, rounds: int) -> FitOptions:
        """The options of a round, 0 … `rounds`: with a folder of its own; only the last one writes the log."""
        kept = self.checkpoints.of_round(number) if self.checkpoints else None
        listener = self.listener and in_stage(self.listener, f"round {number + 1} of {rounds + 1}")
        return replace(self, checkpoints=kept, listener=listener, log=self.log if number == rounds else None)

    def of_companion(self, number: int) -> FitOptions:
        """The options of a network that is trained without some groups, to see how it takes them: without a log."""
        kept = self.checkpoints.of_companion(number) if self.checkpoints else None
        told = None if self.listener is None else in_stage(self.listener, f"open set {number}")
        return replace(self, checkpoints=kept, listener=told, log=None)


@dataclass(frozen=True)
class TrainingRecord:
    """How a network was fitted.

    Attributes
    ----------
    best_epoch
        The one whose weights stay: the last one where no pixels validate, 0 in closed form.
    best_validation_loss
        None where no pixels validate.
    seconds
        Without preprocessing and the labelling of pixels.
    device, precision
        Where and how matrix products were computed.
    parameters
        Number of weights.
    history
        Figures of every epoch, see `hsiattn.training.history`, of an ensemble those of its first member; None in closed
        form.
    """

    epochs: int
    best_epoch: int
    best_validation_loss: float | None
    seconds: float
    device: str
    precision: Literal["32", "bf16-mixed"]
    parameters: int
    history: dict[str, list[Any]] | None = None

    def to_dict(self) -> dict[str, Any]:
        """All figures that there are by name, JSON-ready."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, eq=False)
class FitResult:
    """What a method gives back.

    Attributes
    ----------
    network
        On the CPU, in evaluation mode.
    arguments
        What `create_network` made it from.
    preprocessing
        Fitted on the training pixels.
    record
        How fitting went.
    held_out
        Logits of labelled pixels that the network was not fitted on; None where there are none.
    own_temperature
        Where the method calibrates the confidence in another way than by held-out pixels: the temperature.
    temperature_around
        Where a network was put around the one that was fitted, so that its logits are others: their temperature.
    account
        What the method records of its own, JSON-ready, under names of its own.
    before_refit
        Where the network was fitted anew on the validation pixels too: the one that they stopped.
    """

    network: SpectralSpatialNetwork
    arguments: dict[str, Any]
    preprocessing: Preprocessing
    record: TrainingRecord
    held_out: HeldOut | None = None
    own_temperature: float = 1.0
    temperature_around: float | None = None
    account: dict[str, Any] = field(default_factory=dict)
    before_refit: FitResult | None = None

    @property
    def temperature(self) -> float:
        """Number by which logits are divided for the confidence; 1 where nothing tells a better one."""
        if self.temperature_around is not None:
            return self.temperature_around
        return self.held_out.temperature if self.held_out else self.own_temperature

    def to_dict(self) -> dict[str, Any]:
        """How fitting went, JSON-ready."""
        held_out = {"held_out": self.held_out.to_dict()} if self.held_out else {}
        return {**self.record.to_dict(), **self.account, **held_out}
