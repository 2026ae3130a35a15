"""Linear discriminant analysis with shrinkage."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hsiattn.errors import TrainingError
from hsiattn.networks.baselines.fitted import FittedNetwork


class Discriminant(FittedNetwork):
    """Gaussian classes of one covariance, shrunk after Ledoit and Wolf 2004: `LinearDiscriminantAnalysis` as it is.

    Logits are the discriminant function, less its mean over the classes, so that softmax gives the posterior
    probabilities of the Gaussian model. Priors are empirical, as by default in scikit-learn: the shares of the classes
    among the training pixels.

    See `FittedNetwork` for the parameters.

    Examples
    --------
    >>> network = Discriminant(bands=30, channels=0, classes=2, patch_size=1)
    >>> classes = torch.arange(40) % 2
    >>> spectra = torch.randn(40, 30) + 3.0 * classes[:, None]
    >>> network.fit(spectra, torch.empty(40, 0, 1, 1), None, classes)
    >>> network(spectra, torch.empty(40, 0, 1, 1)).argmax(dim=1).equal(classes)
    True
    """

    weight: Tensor
    bias: Tensor
    fitted = {"weight": torch.float32, "bias": torch.float32}  # noqa: RUF012  (a ClassVar in the base)

    def fit_estimator(self, features: NDArray[np.float32], targets: NDArray[np.int64]) -> Any:
        """See `FittedNetwork.fit_estimator`."""
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis  # only fitting needs it, slow to load

        if np.bincount(targets).max() < 2:
            raise TrainingError("every class has a single training pixel", "label at least two pixels of a class")
        with warnings.catch_warnings():
            # A class with a single pixel adds nothing to the covariance, and is told by its mean.
            warnings.filterwarnings("ignore", message="Only one sample available")
            estimator = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
            return estimator.fit(features.astype(np.float64), targets)

    def arrays_of(self, estimator: Any) -> dict[str, NDArray[Any]]:
        """See `FittedNetwork.arrays_of`."""
        weight, bias = estimator.coef_, estimator.intercept_
        if self.classes == 2:  # scikit-learn keeps the difference of the two
            weight, bias = np.stack([-weight[0], weight[0]]) / 2, np.stack([-bias[0], bias[0]]) / 2
        return {"weight": weight - weight.mean(axis=0), "bias": bias - bias.mean()}

    def check_fitted(self) -> None:
        """See `FittedNetwork.check_fitted`."""
        self._check_shapes(weight=(self.classes, self.feature_count), bias=(self.classes,))

    def logits_of(self, features: Tensor) -> Tensor:
        """See `FittedNetwork.logits_of`."""
        return torch.addmm(self.bias, features, self.weight.T)
