"""The training method `sggan`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hsiattn.training.results import FitOptions, FitResult
from hsiattn.training.sggan.settings import SGGANSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hsiattn.splits import Split
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
        from hsiattn.training.left_out_groups import less_sure
        from hsiattn.training.network import recipe_network
        from hsiattn.training.sggan.rounds import train_in_rounds
        from hsiattn.training.unlabelled import unlabelled_patches

        labelled = scene.positions(split, "training")
        preprocessing = scene.fit_preprocessing(*labelled)
        unlabelled = unlabelled_patches(scene, split, self.unlabelled, preprocessing, seed=options.seed)

        def grown(
            settings: SGGANSettings, positions: NDArray[np.int64], targets: NDArray[np.int64], options: FitOptions
        ) -> Grown:
            pixels = scene.gather(positions, targets, preprocessing)
            network, arguments = recipe_network(scene, pixels, options.seed)
            return train_in_rounds(
                network, arguments, pixels, unlabelled.pixels, settings, options, preprocessing=preprocessing
            )

        fitted = grown(self, *labelled, options)
        account = {"unlabelled": unlabelled.record, "self_growing": self._account(scene, fitted)}
        result = FitResult(fitted.network, fitted.arguments, preprocessing, fitted.record, account=account)
        one_round = self.model_copy(update={"rounds": 0})
        return less_sure(
            result, scene, labelled, lambda *some: grown(one_round, *some).network, options,
            folds=self.calibration_folds,
        )  # fmt: skip

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
