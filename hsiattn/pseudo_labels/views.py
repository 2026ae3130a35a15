"""Views: the spectra of a region, transformed and averaged over more or less of their surroundings, and classifiers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsiattn.preprocessing import covariance_within
from hsiattn.preprocessing.noise import noise_components, noise_covariance
from hsiattn.pseudo_labels.diffusion import EdgePreservingDiffusion
from hsiattn.pseudo_labels.discriminants import (
    Discriminant,
    ForestDiscriminant,
    KernelDiscriminant,
    LinearDiscriminant,
    QuadraticDiscriminant,
    SupportVectorDiscriminant,
    class_means,
)
from hsiattn.pseudo_labels.region import SceneRegion

Form = Literal["linear", "quadratic", "kernel", "forest", "support-vector"]
Kind = Literal["reflectance", "shape", "components", "encoded"]
"""Scaled bands; scaled bands of unit-length spectra, which are free of brightness; the least noisy components; scaled
features that an encoder makes of spectra."""
Encoder = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Makes features (N, F) of spectra (N, B), reflectance in the bands of the region."""

_COMPONENTS, _GUIDES = 40, 10
_ALIKE = 0.5


class View(NamedTuple):
    """A feature set and the form of the classifier on it.

    Attributes
    ----------
    kind
        Features of a pixel.
    scale
        1 for single pixels, 5 for the mean of a window of 5 × 5, below 1 for diffusion with that weight of the data.
    form
        Form of the classifier.
    shrinkage
        Shrinkage of the within-class covariance towards an isotropic one, 0 … 1; None estimates it after Ledoit and
        Wolf 2004.
    """

    kind: Kind
    scale: float = 1
    form: Form = "linear"
    shrinkage: float | None = None

    def __str__(self) -> str:
        form = "" if self.form == "linear" else f"{self.form}, "
        scatter = {0.5: ", partly isotropic", 1: ", isotropic"}.get(self.shrinkage or 0, "")
        if self.scale == 1:
            return f"{form}{self.kind}{scatter}, single pixels"
        return f"{form}{self.kind}{scatter}, {'window' if self.scale > 1 else 'diffusion'} {self.scale:g}"


_SHRINKAGE = 0.3
"""Of the covariance of components: it is uncertain even with many labels."""

REFERENCES: Mapping[str, View] = {
    "lda": View("reflectance"),
    "lda-means": View("reflectance", 5),
    "svm": View("reflectance", form="support-vector"),
    "random-forest": View("reflectance", form="forest"),
}
"""The views that are the recipes of these names, but for priors and the search for C and γ."""

VIEWS: tuple[View, ...] = (
    *REFERENCES.values(),
    View("shape"),
    View("reflectance", shrinkage=0.5),
    View("reflectance", form="kernel", shrinkage=1),
    View("components", form="quadratic", shrinkage=_SHRINKAGE),
    View("components", form="kernel", shrinkage=_SHRINKAGE),
    *(
        view
        for scale in (0.1, 0.01, 0.003)
        for view in (
            View("components", scale),
            View("components", scale, "quadratic", _SHRINKAGE),
            View("components", scale, "kernel", _SHRINKAGE),
        )
    ),
)
"""The one set of candidates: classifiers of different assumptions, on the pixel and on what surrounds it.

No single one is best: linear ones on the pixel's whole spectrum transfer from few polygons to mixed pixels, kernels on
wide diffusion tell like crops apart. Which to believe is left to `hsiattn.pseudo_labels.stacking`.
"""

ENCODED: tuple[View, ...] = (
    View("encoded"),
    View("encoded", form="kernel", shrinkage=_SHRINKAGE),
    *(View("encoded", scale) for scale in (0.1, 0.01, 0.003)),
)
"""Candidates beside the others where there is an encoder that has learned from spectra of many sensors."""

_MOST_FOR_SVM = 2000
"""Labelled pixels from which on the support vector machine would take longer than all other views together."""


def affordable_views(labelled: int) -> tuple[View, ...]:
    """The candidates that so many labelled pixels leave time for."""
    return tuple(view for view in VIEWS if view.form != "support-vector" or labelled <= _MOST_FOR_SVM)


class RegionViews:
    """Features of all pixels of a region, computed when they are first needed.

    Parameters
    ----------
    region
        Its spectra are standardised, band by band, over the region.
    encode
        Makes the features of the kind `encoded`; None where there are no such views.
    """

    def __init__(self, region: SceneRegion, encode: Encoder | None = None) -> None:
        self._region = region
        self._encode = encode
        self._known: dict[tuple[Kind, float], NDArray[np.float32]] = {}
        reflectance = self[View("reflectance")]
        noise = noise_covariance(reflectance, region.side_neighbours)
        total = np.atleast_2d(np.cov(reflectance.T, dtype=np.float64))
        axes = noise_components(total, noise, _COMPONENTS)
        components = (reflectance @ axes.T).astype(np.float32)
        self._known["components", 1] = components
        self.diffusion = EdgePreservingDiffusion(region.neighbours, components[:, :_GUIDES])
        self._scatters: dict[View, NDArray[np.float64]] = {}

    def __getitem__(self, view: View) -> NDArray[np.float32]:
        """Features (N, F) of all pixels."""
        if (view.kind, view.scale) not in self._known:
            self._known[view.kind, view.scale] = self._make(view.kind, view.scale)
        return self._known[view.kind, view.scale]

    def discriminant(self, view: View, labelled: NDArray[np.int64], targets: NDArray[np.int64]) -> Discriminant:
        """Fit the classifier of a view on the pixels at indices (M,); `targets` (M,) hold every class 0 … K - 1."""
        features = self[view][labelled].astype(np.float64)
        return _FORMS[view.form].fit(features, targets, self._covariance(view, features, targets))

    def _covariance(self, view: View, features: NDArray[np.float64], targets: NDArray[np.int64]) -> NDArray[np.float64]:
        """Within-class covariance (F, F); estimated from neighbouring pixels where no class has two labelled ones."""
        if view.shrinkage == 1 or view.form in ("forest", "support-vector"):
            return np.eye(features.shape[1])
        if len(np.unique(targets)) == len(targets):
            return self._scatter_of_neighbours(view)
        if view.shrinkage is None:
            return covariance_within(features, targets)
        return _shrunk(_pooled(features, targets), view.shrinkage)

    def _scatter_of_neighbours(self, view: View) -> NDArray[np.float64]:
        """Covariance (F, F) of the half of the neighbours that differ least, of full rank."""
        if view not in self._scatters:
            scatter = noise_covariance(self[view], self._region.side_neighbours, alike=_ALIKE)
            self._scatters[view] = scatter + 1e-9 * np.eye(len(scatter))
        return self._scatters[view]

    def _make(self, kind: Kind, scale: float) -> NDArray[np.float32]:
        if scale > 1:
            return self._region.window_mean(self[View(kind)], int(scale))
        if scale < 1:
            return self.diffusion.spread(self[View(kind)], scale)
        spectra = self._region.spectra
        if kind == "shape":
            spectra = spectra / np.maximum(np.linalg.norm(spectra, axis=1, keepdims=True), 1e-9)
        elif kind == "encoded":
            assert self._encode is not None
            spectra = self._encode(spectra)
        deviation = spectra.std(axis=0, dtype=np.float64)
        deviation[deviation < 1e-9] = 1.0
        return np.asarray((spectra - spectra.mean(axis=0, dtype=np.float64)) / deviation, dtype=np.float32)


_FORMS: Mapping[
    Form,
    type[
        LinearDiscriminant | QuadraticDiscriminant | KernelDiscriminant | ForestDiscriminant | SupportVectorDiscriminant
    ],
] = {
    "linear": LinearDiscriminant,
    "quadratic": QuadraticDiscriminant,
    "kernel": KernelDiscriminant,
    "forest": ForestDiscriminant,
    "support-vector": SupportVectorDiscriminant,
}


def _shrunk(scatter: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Covariance (F, F) shrunk towards an isotropic one of the same trace."""
    size = np.trace(scatter) / len(scatter)
    return np.asarray((1 - share) * scatter + (share * size + 1e-9) * np.eye(len(scatter)))


def _pooled(features: NDArray[np.float64], targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Pooled within-class covariance (F, F), not shrunk."""
    means = class_means(features, targets)
    residuals = features - means[targets]
    return np.asarray(residuals.T @ residuals / max(len(features) - len(means), 1))
