"""The training method `sggan`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hsiattn.training.log import in_stage
from hsiattn.training.results import FitOptions, FitResult
from hsiattn.training.sggan.settings import SGGANSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hsiattn.folds import Fold
    from hsiattn.splits import Split
    from hsiattn.training.held_out import HeldOut, Predict
    from hsiattn.training.patches import LabelledPatches
    from hsiattn.training.sggan.rounds import Grown
    from hsiattn.training.training_scene import TrainingScene


class SGGANTraining(SGGANSettings):
    """Train the network as the discriminator of a generative adversarial network that labels pixels for itself.

    Semi-supervised self-growing GAN, after Wang et al. 2019, arXiv 1908.03850; a reconstruction, see
    `hsiattn.training.sggan`. All labelled pixels but those of the test train, in every round; none validates. With
    `rounds: 0` it is a plain semi-supervised adversarial network, with `matching: mean` that of Salimans et al. 2016.

    Parameters
    ----------
    settings
        Those of `SGGANSettings`.

    Examples
    --------
    >>> SGGANTraining(rounds=0, matching="mean")
    SGGANTraining(rounds=0, matching='mean')
    """

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
