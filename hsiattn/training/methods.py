"""What all training methods have in common: their settings, what they are told, and what they give back."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from hsiattn.models.header import MAX_PATCH
from hsiattn.settings import Settings

if TYPE_CHECKING:
    from hsiattn.networks import SpectralSpatialNetwork
    from hsiattn.preprocessing import Preprocessing
    from hsiattn.splits import Split
    from hsiattn.training.checkpoints import Checkpoints
    from hsiattn.training.held_out import HeldOut
    from hsiattn.training.log import Listener
    from hsiattn.training.patches import LabelledPatches
    from hsiattn.training.training_scene import TrainingScene

_SEEDS_APART = 1_000_003
"""Distance of the seeds of the members of an ensemble, so that runs with neighbouring seeds share none."""


class AugmentationSettings(Settings):
    """How training pixels are varied, anew in every epoch.

    Parameters
    ----------
    flips_and_rotations
        Each patch in one of its eight orientations. Default: True.
    spectral_noise
        Standard deviation of Gaussian noise added to the scaled spectra. Default: 0.
    component_noise
        Standard deviation of Gaussian noise added to the patches' components. Default: 0.
    band_drop
        Probability that a run of neighbouring bands is 0 in a pixel's scaled spectrum: the mean, or with `minmax` the
        minimum. It has any length up to an eighth of the bands, at least 1. Components stay. Default: 0.
    illumination
        Standard deviation of the logarithm of a random gain on reflectance, one for a pixel and its patch, with an
        offset whose deviation is a tenth of this times the mean reflectance. Default: 0.
    mixup
        Each pixel mixed with another one of the batch by a share from Beta(mixup, mixup): one of its own class, or any
        one where targets are probabilities, which are mixed too. Default: 0.
    patch_shift
        Most rows and columns by which patches move against their pixel; the rim that opens is missing. Steps beyond
        half the patch are not taken. Default: 0.

    Examples
    --------
    >>> AugmentationSettings(spectral_noise=0.02)
    AugmentationSettings(spectral_noise=0.02)
    """

    flips_and_rotations: bool = True
    spectral_noise: float = Field(default=0.0, ge=0.0)
    component_noise: float = Field(default=0.0, ge=0.0)
    band_drop: float = Field(default=0.0, ge=0.0, le=1.0)
    illumination: float = Field(default=0.0, ge=0.0, le=1.0)
    mixup: float = Field(default=0.0, ge=0.0)
    patch_shift: int = Field(default=0, ge=0, le=MAX_PATCH)


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
    """

    epochs: int
    best_epoch: int
    best_validation_loss: float | None
    seconds: float
    device: str
    precision: Literal["32", "bf16-mixed"]
    parameters: int

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
    account
        What the method records of its own, JSON-ready, under names of its own.
    """

    network: SpectralSpatialNetwork
    arguments: dict[str, Any]
    preprocessing: Preprocessing
    record: TrainingRecord
    held_out: HeldOut | None = None
    account: dict[str, Any] = field(default_factory=dict)

    @property
    def temperature(self) -> float:
        """Number by which logits are divided for the confidence; 1 where no held-out pixels tell a better one."""
        return self.held_out.temperature if self.held_out else 1.0

    def to_dict(self) -> dict[str, Any]:
        """How fitting went, JSON-ready."""
        held_out = {"held_out": self.held_out.to_dict()} if self.held_out else {}
        return {**self.record.to_dict(), **self.account, **held_out}


class TrainingMethod(Settings):
    """A way to fit a network, and its settings.

    Parameters
    ----------
    method
        Its name.
    max_per_class
        Most training pixels per class, drawn at random; None for all. Default: None.
    """

    closed_form: ClassVar[bool] = False
    """Whether it fits networks in which nothing learns by gradient, and no others."""
    sees_unlabelled: ClassVar[bool] = False
    """Whether pixels without labels, those of the test among them, take part."""

    method: str
    max_per_class: int | None = Field(default=None, ge=2, le=10**9)

    @property
    def held_back(self) -> float:
        """Share of each class's training pixels that only validates; with 0 there is no validation."""
        return 0.0

    @property
    def region_size(self) -> int:
        """Most pixels of the scene, labelled or not, that are looked at together."""
        return 65_536

    def fit(self, scene: TrainingScene, split: Split, options: FitOptions) -> FitResult:
        """Fit the network of the scene's recipe on the pixels that train.

        Raises
        ------
        TrainingError
            Too few pixels of a class, a loss that is not finite, a checkpoint of another run, …
        """
        raise NotImplementedError(type(self).__name__)


class GradientTraining(TrainingMethod):
    """What methods have in common that fit a network step by step, along the gradient of a loss.

    Parameters
    ----------
    optimizer
        `adam` or `adamw`. Default: `adamw`.
    learning_rate
        The highest one. Default: 0.001.
    weight_decay
        Default: 0.
    schedule
        Learning rate over the epochs: `constant`, falling to 0 along half a `cosine`, or `one-cycle`, rising first
        (Smith 2018). Default: `constant`.
    batch_size
        Pixels in one step. Default: 128.
    max_epochs
        Epochs after which training stops. Default: 200.
    max_steps
        Steps after which training stops, at the end of that epoch; None for no limit. Default: None.
    precision
        `32`, `bf16-mixed`, or `auto`, which is `bf16-mixed` where the device computes in bfloat16. Default: `auto`.
    augmentation
        See `AugmentationSettings`.
    ensemble
        Networks with initial weights of their own whose probabilities are averaged. Default: 1.
    """

    optimizer: Literal["adam", "adamw"] = "adamw"
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    schedule: Literal["constant", "cosine", "one-cycle"] = "constant"
    batch_size: int = Field(default=128, ge=1, le=2**20)
    max_epochs: int = Field(default=200, ge=1, le=10**6)
    max_steps: int | None = Field(default=None, ge=1, le=10**9)
    precision: Literal["auto", "32", "bf16-mixed"] = "auto"
    augmentation: AugmentationSettings = AugmentationSettings()
    ensemble: int = Field(default=1, ge=1, le=100)

    def fit(self, scene: TrainingScene, split: Split, options: FitOptions) -> FitResult:
        """Fit one network, or every member of an ensemble."""
        if self.ensemble == 1:
            return self.fit_one(scene, split, options)
        from hsiattn.training.network import as_ensemble

        return as_ensemble([self.fit_one(scene, split, options.of_member(n)) for n in range(self.ensemble)])

    def fit_one(self, scene: TrainingScene, split: Split, options: FitOptions) -> FitResult:
        """Fit one network; arguments and errors as of `fit`."""
        raise NotImplementedError(type(self).__name__)

    def train(
        self,
        scene: TrainingScene,
        pixels: LabelledPatches,
        preprocessing: Preprocessing,
        options: FitOptions,
        **how: Any,
    ) -> FitResult:
        """Make the network and train it on those pixels; `how` as in `hsiattn.training.fit.train_network`."""
        from hsiattn.training.fit import train_network
        from hsiattn.training.network import recipe_network

        network, arguments = recipe_network(scene, pixels, options.seed)
        record = train_network(network, pixels, self, options, preprocessing=preprocessing, **how)
        return FitResult(network, arguments, preprocessing, record)

    def epochs_of(self, batches: int) -> int:
        """Most epochs, of so many batches; one that is begun is finished, since validation follows whole epochs.

        >>> GradientTraining(method="any", max_epochs=60, max_steps=700).epochs_of(batches=48)
        15
        """
        return self.max_epochs if self.max_steps is None else min(self.max_epochs, -(-self.max_steps // batches))
