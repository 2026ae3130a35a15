"""The training method `sggan`: its settings, and the fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from hsiattn.training.log import in_stage
from hsiattn.training.methods import SemiSupervisedTraining
from hsiattn.training.results import FitOptions, FitResult

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hsiattn.folds import Fold
    from hsiattn.splits import Split
    from hsiattn.training.held_out import HeldOut, Predict
    from hsiattn.training.patches import LabelledPatches
    from hsiattn.training.sggan.rounds import Grown
    from hsiattn.training.training_scene import TrainingScene


class SGGANTraining(SemiSupervisedTraining):
    """Train the network as the discriminator of a generative adversarial network that labels pixels for itself.

    Semi-supervised self-growing GAN, after Wang et al. 2019, arXiv 1908.03850; a reconstruction, see
    `hsiattn.training.sggan`. All labelled pixels but those of the test train, in every round; none validates. With
    `rounds: 0` it is a plain semi-supervised adversarial network, with `matching: mean` that of Salimans et al. 2016.

    Parameters
    ----------
    rounds
        Rounds of self-growing after the first training. Each takes as many epochs or steps as the settings allow for
        one training. Default: 3.
    matching
        What the generator makes small: `mmd`, the maximum mean discrepancy of the features of made and unlabelled
        pixels, or `mean`, the distance of their means. Default: `mmd`.
    adversarial_weight
        Weight of the losses by which the network tells real pixels from made ones; 0 leaves the generator out.
        Default: 1.
    latent
        Numbers that the generator makes a pixel from. Default: 64.
    generator_rate
        Learning rate of the generator. Default: 0.001.
    momentum
        First decay rate of both optimisers; low ones keep adversaries from overshooting. Default: 0.5.
    threshold
        Least score of a pixel that is taken in, 0 … 1: the probability of its class times that of being real. Default:
        0.95.
    first_share, more_share
        Share of the unlabelled pixels of every class that the first round of self-growing takes in at most, and by how
        much it rises with every further one. Defaults: 0.1, 0.05.
    growth
        Let the network become deeper before each round of self-growing, which leaves its logits as they are. Networks
        that cannot grow stay as they are. Default: True.
    calibration_folds
        Networks that are trained once more, by one round on all labelled pixels but some groups. The confidence is
        lowered as far as theirs is too high on these groups; it is never raised, since several rounds make a network
        more certain than one. 0 leaves it as it is. Default: 2.
    class_balance
        Weigh the losses of labels so that every class counts the same. Default: True. All further settings are those of
        `SemiSupervisedTraining`; epochs pass through the unlabelled pixels.

    Examples
    --------
    >>> SGGANTraining(rounds=0, matching="mean")
    SGGANTraining(rounds=0, matching='mean')
    """

    method: Literal["sggan"] = "sggan"
    rounds: int = Field(default=3, ge=0, le=100)
    matching: Literal["mmd", "mean"] = "mmd"
    adversarial_weight: float = Field(default=1.0, ge=0, le=1000)
    latent: int = Field(default=64, ge=1, le=4096)
    generator_rate: float = Field(default=1e-3, gt=0)
    momentum: float = Field(default=0.5, ge=0, lt=1)
    threshold: float = Field(default=0.95, ge=0, lt=1)
    first_share: float = Field(default=0.1, gt=0, le=1)
    more_share: float = Field(default=0.05, ge=0, le=1)
    growth: bool = True
    calibration_folds: int = Field(default=2, ge=0, le=100)
    class_balance: bool = True

    def fit_one(self, scene: TrainingScene, split: Split, options: FitOptions) -> FitResult:
        """Draw unlabelled pixels, and train on them and on the labelled ones in rounds."""
        from hsiattn.splits import folds_across_groups
        from hsiattn.training.network import recipe_network
        from hsiattn.training.sggan.rounds import train_in_rounds
        from hsiattn.training.unlabelled import unlabelled_patches

        positions, targets = scene.positions(split, "training")
        preprocessing = scene.fit_preprocessing(positions, targets)
        labelled = scene.gather(positions, targets, preprocessing)
        unlabelled = unlabelled_patches(scene, split, self.unlabelled, preprocessing, seed=options.seed)
        network, arguments = recipe_network(scene, labelled, options.seed)
        fitted = train_in_rounds(
            network, arguments, labelled, unlabelled.pixels, self, options, preprocessing=preprocessing
        )
        account = {"unlabelled": unlabelled.record, "self_growing": self._account(scene, fitted)}
        result = FitResult(fitted.network, fitted.arguments, preprocessing, fitted.record, account=account)
        groups = scene.groups_of(positions, targets)
        folds = folds_across_groups(positions, targets, groups, options.seed)[: self.calibration_folds]
        held_out = self._left_out(scene, labelled, groups, folds, unlabelled.pixels, result, options)
        if held_out is None:
            return result
        account["self_growing"]["left_out"] = held_out.to_dict()
        return replace(result, own_temperature=max(1.0, held_out.temperature))

    def _left_out(
        self,
        scene: TrainingScene,
        labelled: LabelledPatches,
        groups: NDArray[np.int64],
        folds: Sequence[Fold],
        pool: LabelledPatches,
        result: FitResult,
        options: FitOptions,
    ) -> HeldOut | None:
        """Logits of labelled pixels by networks of one round that saw nothing of their groups; None without folds."""
        from hsiattn.devices import choose_device
        from hsiattn.training.held_out import cross_validated, logits_of
        from hsiattn.training.network import recipe_network
        from hsiattn.training.sggan.rounds import train_in_rounds

        settings, begun = self.model_copy(update={"rounds": 0}), 0
        device, precision = choose_device(options.device), result.record.precision

        def fit(kept: NDArray[Any]) -> Predict:
            nonlocal begun
            begun += 1
            listener = options.listener and in_stage(options.listener, f"confidence, fold {begun} of {len(folds)}")
            quiet = FitOptions(options.seed, options.device, listener)
            some = labelled.take(kept)
            network, arguments = recipe_network(scene, some, options.seed)
            fitted = train_in_rounds(
                network, arguments, some, pool, settings, quiet, preprocessing=result.preprocessing
            )
            return lambda left_out: logits_of(fitted.network, labelled.take(left_out), device, precision)

        return cross_validated(fit, labelled.targets, groups, folds)

    def _account(self, scene: TrainingScene, fitted: Grown) -> dict[str, Any]:
        """What the rounds took in, JSON-ready; says what did not come about."""
        count = len(scene.classes)
        rounds = [each.record(count) for each in fitted.rounds]
        empty = [str(number) for number, each in enumerate(fitted.rounds, 1) if not len(each)]
        if empty:
            scene.say(
                f"no unlabelled pixel reached training.threshold={self.threshold:g} in round {', '.join(empty)} of "
                "self-growing: a lower one takes in some"
            )
        if self.rounds and self.growth and not fitted.blocks:
            scene.say(f"the network {scene.recipe.network.name} cannot grow, so it keeps its depth")
        return {"rounds": rounds, "blocks": fitted.blocks}
