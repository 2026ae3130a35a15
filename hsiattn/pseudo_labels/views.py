"""Views: several feature sets of the spectra of a region at several scales, with discriminants on each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsiattn.preprocessing import covariance_within
from hsiattn.preprocessing.noise import noise_components, noise_covariance
from hsiattn.pseudo_labels.diffusion import EdgePreservingDiffusion
from hsiattn.pseudo_labels.discriminants import (
    Discriminant,
    KernelDiscriminant,
    LinearDiscriminant,
    QuadraticDiscriminant,
    class_means,
)
from hsiattn.pseudo_labels.region import SceneRegion

Form = Literal["linear", "quadratic", "kernel"]
Kind = Literal["reflectance", "shape", "components", "neighbours"]
"""Scaled bands; scaled bands of unit-length spectra, which are free of brightness; the least noisy components; scaled
bands whose within-class covariance is estimated half from neighbouring pixels."""

_COMPONENTS, _GUIDES = 20, 10
_ALIKE = 0.5
_COMPONENT_SHRINKAGE = 0.3
"""Shrinkage of the covariance of components towards an isotropic one: it is uncertain even with many labels."""
_HALF = 0.5


class View(NamedTuple):
    """A feature set and the form of the discriminant on it.

    Attributes
    ----------
    kind
        Features of a pixel.
    scale
        1 for single pixels, 5 for the mean of a window of 5 × 5, below 1 for diffusion with that weight of the data.
    form
        Form of the discriminant.
    shrinkage
        Shrinkage of the within-class covariance towards an isotropic one, 0 … 1; for reflectance and shape.
    """

    kind: Kind
    scale: float = 1
    form: Form = "linear"
    shrinkage: float = 0

    def __str__(self) -> str:
        form = "" if self.form == "linear" else f"{self.form}, "
        scatter = "" if self.shrinkage == 0 else ", isotropic" if self.shrinkage == 1 else ", partly isotropic"
        if self.scale == 1:
            return f"{form}{self.kind}{scatter}, single pixels"
        return f"{form}{self.kind}{scatter}, {'window' if self.scale > 1 else 'diffusion'} {self.scale:g}"


_SCALES = (1, 5, 0.1, 0.03)
VIEWS: Mapping[Form, tuple[View, ...]] = {
    "linear": tuple(
        View(kind, scale) for kind in ("reflectance", "shape", "neighbours", "components") for scale in _SCALES
    ),
    "quadratic": tuple(View("components", scale, "quadratic") for scale in _SCALES),
    "kernel": tuple(View("components", scale, "kernel") for scale in _SCALES),
}
"""Views by the form of their discriminant; only linear ones bear many features."""

_ISOTROPIC_VIEWS: Mapping[Form, tuple[View, ...]] = {
    "linear": tuple(View(kind, scale, "linear", _HALF) for kind in ("reflectance", "shape") for scale in _SCALES),
    "quadratic": (),
    "kernel": tuple(View(kind, scale, "kernel", 1) for kind in ("reflectance", "shape") for scale in _SCALES),
}
VIEWS_FOR_FEW_LABELS: Mapping[Form, tuple[View, ...]] = {form: VIEWS[form] + _ISOTROPIC_VIEWS[form] for form in VIEWS}
"""`VIEWS` and others that need no within-class covariance, or a rougher one. The isotropic kernels measure distances as
an RBF-SVM does on standardised bands."""


class RegionViews:
    """Features of all pixels of a region, computed when they are first needed.

    Parameters
    ----------
    area
        Its spectra are standardised, band by band, over the region.
    """

    def __init__(self, area: SceneRegion) -> None:
        self._area = area
        self._known: dict[tuple[Kind, float], NDArray[np.float32]] = {}
        reflectance = self[View("reflectance")]
        noise = noise_covariance(reflectance, area.side_neighbours)
        total = np.atleast_2d(np.cov(reflectance.T, dtype=np.float64))
        axes = noise_components(total, noise, max(_COMPONENTS, _GUIDES))
        components = (reflectance @ axes[:_COMPONENTS].T).astype(np.float32)
        self._known["components", 1] = components
        self.diffusion = EdgePreservingDiffusion(area.neighbours, components[:, :_GUIDES])
        self._scatters: dict[View, NDArray[np.float64]] = {}

    def __getitem__(self, view: View) -> NDArray[np.float32]:
        """Features (N, F) of all pixels."""
        kind: Kind = "reflectance" if view.kind == "neighbours" else view.kind
        if (kind, view.scale) not in self._known:
            self._known[kind, view.scale] = self._make(kind, view.scale)
        return self._known[kind, view.scale]

    def discriminant(self, view: View, labelled: NDArray[np.int64], targets: NDArray[np.int64]) -> Discriminant:
        """Fit the discriminant of a view on the pixels at indices (M,); `targets` (M,) hold every class 0 … K - 1."""
        features = self[view][labelled].astype(np.float64)
        return _FORMS[view.form].fit(features, targets, self._covariance(view, labelled, features, targets))

    def _covariance(
        self, view: View, labelled: NDArray[np.int64], features: NDArray[np.float64], targets: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Within-class covariance (F, F); estimated from neighbouring pixels where no class has two labelled ones."""
        if view.shrinkage == 1:
            return np.eye(features.shape[1])
        if len(np.unique(targets)) == len(targets):
            return self._scatter_of_neighbours(view)
        if view.kind in ("reflectance", "shape"):
            scatter = covariance_within(features, targets)
            return _shrunk(scatter, view.shrinkage) if view.shrinkage else scatter
        if view.kind == "components":
            return _shrunk(_pooled(features, targets), _COMPONENT_SHRINKAGE)
        scatter = _pooled(self[View("neighbours")][labelled].astype(np.float64), targets)
        known = self._scatter_of_neighbours(View("neighbours"))
        size = np.trace(np.linalg.solve(known, scatter)) / len(scatter)
        return np.asarray(0.5 * scatter + 0.5 * size * known + 1e-9 * np.eye(len(scatter)))

    def _scatter_of_neighbours(self, view: View) -> NDArray[np.float64]:
        """Covariance (F, F) of the half of the neighbours that differ least, of full rank."""
        if view not in self._scatters:
            scatter = noise_covariance(self[view], self._area.side_neighbours, alike=_ALIKE)
            self._scatters[view] = scatter + 1e-9 * np.eye(len(scatter))
        return self._scatters[view]

    def _make(self, kind: Kind, scale: float) -> NDArray[np.float32]:
        if scale > 1:
            return self._area.window_mean(self[View(kind)], int(scale))
        if scale < 1:
            return self.diffusion.spread(self[View(kind)], scale)
        spectra = self._area.spectra
        if kind == "shape":
            spectra = spectra / np.maximum(np.linalg.norm(spectra, axis=1, keepdims=True), 1e-9)
        deviation = spectra.std(axis=0, dtype=np.float64)
        deviation[deviation < 1e-9] = 1.0
        return np.asarray((spectra - spectra.mean(axis=0, dtype=np.float64)) / deviation, dtype=np.float32)


_FORMS: Mapping[Form, type[LinearDiscriminant] | type[QuadraticDiscriminant] | type[KernelDiscriminant]] = {
    "linear": LinearDiscriminant,
    "quadratic": QuadraticDiscriminant,
    "kernel": KernelDiscriminant,
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
