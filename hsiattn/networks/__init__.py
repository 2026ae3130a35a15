"""Networks for spectral-spatial classification."""

from hsiattn.networks.attendnet import AttendNet
from hsiattn.networks.base import Edge, SpectralSpatialNetwork, if_any_missing, patches_of_tile
from hsiattn.networks.baselines import RBFSVM, Discriminant, FittedNetwork, RandomForest
from hsiattn.networks.by_name import (
    NETWORKS,
    accepts,
    check_arguments,
    check_network,
    create_network,
    load_network,
    network_class,
)
from hsiattn.networks.ensemble import Ensemble
from hsiattn.networks.grouped_ssan import GroupedSSAN
from hsiattn.networks.gsa import GSA
from hsiattn.networks.hierarchical import Hierarchical
from hsiattn.networks.orientations import AugmentedAtTestTime
from hsiattn.networks.own import ModuleNetwork
from hsiattn.networks.smlp import SMLP
from hsiattn.networks.ssan import SSAN
from hsiattn.networks.two_branch import TwoBranchNetwork

NETWORKS.update(
    {
        "ssan": SSAN,
        "grouped-ssan": GroupedSSAN,
        "gsa": GSA,
        "smlp": SMLP,
        "attendnet": AttendNet,
        "hierarchical": Hierarchical,
        "ensemble": Ensemble,
        "test-time-augmentation": AugmentedAtTestTime,
        "discriminant": Discriminant,
        "random-forest": RandomForest,
        "rbf-svm": RBFSVM,
    }
)

__all__ = [
    "GSA",
    "NETWORKS",
    "RBFSVM",
    "SMLP",
    "SSAN",
    "AttendNet",
    "AugmentedAtTestTime",
    "Discriminant",
    "Edge",
    "Ensemble",
    "FittedNetwork",
    "GroupedSSAN",
    "Hierarchical",
    "ModuleNetwork",
    "RandomForest",
    "SpectralSpatialNetwork",
    "TwoBranchNetwork",
    "accepts",
    "check_arguments",
    "check_network",
    "create_network",
    "if_any_missing",
    "load_network",
    "network_class",
    "patches_of_tile",
]
