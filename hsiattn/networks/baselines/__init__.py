"""Classical classifiers as networks: fitted in closed form by scikit-learn, evaluated by torch."""

from hsiattn.networks.baselines.discriminant import Discriminant
from hsiattn.networks.baselines.features import FeatureKind, pixel_features, window_means
from hsiattn.networks.baselines.fitted import FittedNetwork
from hsiattn.networks.baselines.profiles import morphological_profiles
from hsiattn.networks.baselines.random_forest import RandomForest
from hsiattn.networks.baselines.rbf_svm import RBFSVM

__all__ = [
    "RBFSVM",
    "Discriminant",
    "FeatureKind",
    "FittedNetwork",
    "RandomForest",
    "morphological_profiles",
    "pixel_features",
    "window_means",
]
