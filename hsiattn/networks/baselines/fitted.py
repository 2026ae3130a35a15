"""The frame of networks that scikit-learn fits and torch evaluates."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hsiattn.errors import TrainingError
from hsiattn.networks.base import SpectralSpatialNetwork
from hsiattn.networks.baselines.features import FeatureKind, pixel_features


class FittedNetwork(SpectralSpatialNetwork):
    """A classifier that is fitted in closed form: nothing in it learns by gradient.

    scikit-learn fits, and what it found is kept as plain arrays under the names in `fitted`, so that the model file
    holds no pickle and the same `forward` and `dense` serve as for any network. Sizes of the arrays depend on the
    training pixels; before the fit they are empty, and loading takes them from the file.

    Nothing beyond the edge of the scene exists for these classifiers (`edge` is `zero`): windows are cut off there.

    Parameters
    ----------
    bands, channels, classes, patch_size
        See `SpectralSpatialNetwork`.
    features
        What is seen of a pixel, see `FeatureKind`. All but `spectrum` need components: for means of the bands,
        `preprocessing.bands_as_components`. Default: `spectrum`.
    radii
        Of the discs of morphological profiles, in pixels, increasing; the largest at most (patch_size - 1) / 4.
        Default: (1, 2, 3, 4).

    Examples
    --------
    >>> class NearestMean(FittedNetwork):
    ...     fitted = {"means": torch.float32}
    ...
    ...     def fit_estimator(self, features, targets):
    ...         return np.stack([features[targets == k].mean(axis=0) for k in range(self.classes)])
    ...
    ...     def arrays_of(self, estimator):
    ...         return {"means": estimator}
    ...
    ...     def logits_of(self, features):
    ...         return -torch.cdist(features, self.means)
    >>> network, spectra = NearestMean(30, 0, 2, 1), torch.randn(40, 30)
    >>> network.fit(spectra, torch.empty(40, 0, 1, 1), None, torch.arange(40) % 2)
    >>> network(spectra, torch.empty(40, 0, 1, 1)).shape
    torch.Size([40, 2])
    """

    edge = "zero"
    dense_capable = True
    fitted: ClassVar[Mapping[str, torch.dtype]] = {}
    """Arrays that the fit yields, by name, with their types."""

    def __init__(
        self,
        bands: int,
        channels: int,
        classes: int,
        patch_size: int,
        *,
        features: FeatureKind = "spectrum",
        radii: Sequence[int] = (1, 2, 3, 4),
    ) -> None:
        super().__init__(bands, channels, classes, patch_size)
        if features != "spectrum" and not channels:
            raise ValueError(
                f"{features} need components; set preprocessing.bands_as_components or principal_components"
            )
        if features == "profiles":
            _check_radii(radii, patch_size)
        self.features: FeatureKind = features
        self.radii = tuple(radii)
        for name, dtype in self.fitted.items():
            self._keep(name, torch.empty(0, dtype=dtype))

    def forward(self, spectra: Tensor, patches: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits (N, K); see `SpectralSpatialNetwork.forward`."""
        with torch.autocast(spectra.device.type, enabled=False):  # scores far from zero differ by little
            return self._logits(self._features(spectra[:, :, None, None], patches, valid)[:, :, 0, 0])

    def dense(self, spectra: Tensor, components: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits of a tile's core (K, h, w'); see `SpectralSpatialNetwork.dense`."""
        with torch.autocast(spectra.device.type, enabled=False):
            mask = None if valid is None else valid[None]
            features = self._features(spectra[None], components[None], mask)[0].flatten(1)
            return self._logits(features.T).T.reshape(self.classes, *spectra.shape[1:])

    @torch.no_grad()
    def fit(
        self,
        spectra: Tensor,
        patches: Tensor,
        valid: Tensor | None,
        targets: Tensor,
        groups: Tensor | None = None,
    ) -> None:
        """Fit on training pixels. Whatever is random in it follows from torch's seed.

        Parameters
        ----------
        spectra, patches, valid
            As for `forward`.
        targets
            (N,) class indices.
        groups
            (N,) number of the polygon, or other group, of every pixel: what is chosen inside the training pixels is to
            be judged on whole groups. None where every pixel is its own.

        Raises
        ------
        TrainingError
            A class has no pixel, or too few for this classifier.
        """
        absent = np.flatnonzero(np.bincount(targets.cpu().numpy(), minlength=self.classes) == 0)
        if len(absent):
            raise TrainingError(
                f"{len(absent)} of {self.classes} classes have no training pixel",
                "label them in more places, or leave them out of the labels",
            )
        features = self._features(spectra[:, :, None, None], patches, valid)[:, :, 0, 0]
        more = {}
        if groups is not None and "groups" in inspect.signature(self.fit_estimator).parameters:
            more["groups"] = groups.cpu().numpy()
        estimator = self.fit_estimator(features.cpu().numpy(), targets.cpu().numpy(), **more)
        arrays = self.arrays_of(estimator)
        for name, dtype in self.fitted.items():
            self._keep(name, torch.from_numpy(np.ascontiguousarray(arrays[name])).to(spectra.device, dtype))

    def fit_estimator(self, features: NDArray[np.float32], targets: NDArray[np.int64]) -> Any:
        """scikit-learn's estimator fitted on features (N, F) and class indices (N,), all K classes among them.

        One that chooses settings by cross-validation asks for a third argument by its name, `groups: NDArray | None =
        None`, int (N,), and leaves out whole groups (see `hsiattn.folds.grouped_folds`).
        """
        raise NotImplementedError(type(self).__name__)

    def arrays_of(self, estimator: Any) -> dict[str, NDArray[Any]]:
        """What a fitted estimator decides by, under the names in `fitted`."""
        raise NotImplementedError(type(self).__name__)

    def check_fitted(self) -> None:
        """See that arrays that come from a file fit each other and the network: nothing else has looked at them.

        Raises
        ------
        ValueError
            They do not.
        """
        raise NotImplementedError(type(self).__name__)

    @property
    def feature_count(self) -> int:
        """F."""
        match self.features:
            case "spectrum":
                return self.bands
            case "means":
                return self.channels
            case "spectrum-and-means":
                return self.bands + self.channels
            case "profiles":
                return self.channels * (2 * len(self.radii) + 1)

    def _check_shapes(self, **shapes: tuple[int, ...]) -> None:
        for name, shape in shapes.items():
            found = tuple(getattr(self, name).shape)
            if found != shape:
                raise ValueError(f"{name} has the shape {found}, not {shape}")

    def logits_of(self, features: Tensor) -> Tensor:
        """(N, F) -> (N, K)."""
        raise NotImplementedError(type(self).__name__)

    def _logits(self, features: Tensor) -> Tensor:
        if not all(getattr(self, name).numel() for name in self.fitted):
            raise RuntimeError(f"{type(self).__name__} knows nothing before it is fitted")
        return self.logits_of(features)

    def _features(self, spectra: Tensor, components: Tensor, valid: Tensor | None) -> Tensor:
        return pixel_features(self.features, spectra, components, valid, size=self.patch_size, radii=self.radii)

    def _keep(self, name: str, values: Tensor) -> None:
        """Make a parameter without gradient, so that it counts as one; torch allows that for floating point only."""
        if values.is_floating_point():
            self.register_parameter(name, nn.Parameter(values, requires_grad=False))
        else:
            self.register_buffer(name, values)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        for name in self.fitted:
            stored, own = state_dict.get(prefix + name), getattr(self, name)
            if stored is not None and stored.shape != own.shape:
                self._keep(name, own.new_empty(stored.shape))
        super()._load_from_state_dict(state_dict, prefix, *args)


def seed_from_torch() -> int:
    """A seed for scikit-learn that follows from torch's."""
    return int(torch.randint(2**31 - 1, ()))


def _check_radii(radii: Sequence[int], patch_size: int) -> None:
    if not radii or radii[0] < 1 or any(one >= two for one, two in pairwise(radii)):
        raise ValueError(f"radii must be positive and increasing, not {list(radii)}")
    if patch_size < 4 * radii[-1] + 1:
        raise ValueError(
            f"discs of radius {radii[-1]} need a patch_size of at least {4 * radii[-1] + 1}, not {patch_size}"
        )
