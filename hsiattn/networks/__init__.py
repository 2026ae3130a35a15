"""Networks for spectral-spatial classification, by the names that recipes use, and your own.

A class of your own needs no registration: a recipe names it by import path, `package.module:Class`, from an installed
package or a file on PYTHONPATH. A plain `torch.nn.Module` will do. Its constructor is given by name what it asks for of
`bands` B, `channels` C, `classes` K and `patch_size` w, and that says what `forward` gets: with `bands` alone spectra
(N, B), with `channels` alone patches (N, C, w, w), with both spectra and patches. It returns logits (N, K). Neighbours
that are missing are 0; a subclass of `SpectralSpatialNetwork` gets a mask as well, and may have a `dense` form. All
other arguments of the constructor may be given in the recipe.

mynets.py::

    from torch import Tensor, nn


    class SmallCNN(nn.Module):
        def __init__(self, channels: int, classes: int, width: int = 16) -> None:
            super().__init__()
            self.layers = nn.Sequential(
                nn.Conv2d(channels, width, kernel_size=3),
                nn.ReLU(),
                nn.Conv2d(width, width, kernel_size=3),
                nn.ReLU(),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Linear(width, classes),
            )

        def forward(self, patches: Tensor) -> Tensor:
            return self.layers(patches)

small-cnn.yaml::

    extends: default
    name: small-cnn
    description: Two plain convolutions
    network: {name: "mynets:SmallCNN", arguments: {width: 8}}

Then `hsiattn train --recipe small-cnn.yaml …` makes a model file as for any network. The file holds weights and the
import path, and no code. Whoever reads it must have the module, and must have allowed it, since importing runs its
code: by HSIATTN_NETWORKS=mynets:SmallCNN in the environment (several are separated by commas; `mynets` alone allows the
whole module), or because an installed package registers the class. Recipes may use its name there, too:

    [project.entry-points."hsiattn.networks"]
    small-cnn = "mynets:SmallCNN"
"""

from hsiattn.networks.any_sensor import AnySensor
from hsiattn.networks.attendnet import AttendNet
from hsiattn.networks.attendnet_local import LocalAttendNet
from hsiattn.networks.base import AttentionWeights, Edge, SpectralSpatialNetwork, if_any_missing, patches_of_tile
from hsiattn.networks.baselines import RBFSVM, Discriminant, FittedNetwork, RandomForest
from hsiattn.networks.by_name import (
    NETWORKS,
    accepts,
    check_allowed,
    check_arguments,
    check_network,
    create_network,
    load_network,
    network_class,
)
from hsiattn.networks.ensemble import Ensemble
from hsiattn.networks.grouped_ssan import GroupedSSAN
from hsiattn.networks.growth import growing_arguments, grown
from hsiattn.networks.gsa import GSA
from hsiattn.networks.hierarchical import Hierarchical
from hsiattn.networks.orientations import AugmentedAtTestTime
from hsiattn.networks.own import ModuleNetwork
from hsiattn.networks.smlp import SMLP
from hsiattn.networks.ssan import SSAN
from hsiattn.networks.two_branch import TwoBranchNetwork
from hsiattn.networks.with_prior import WithPrior

NETWORKS.update(
    {
        "ssan": SSAN,
        "grouped-ssan": GroupedSSAN,
        "gsa": GSA,
        "smlp": SMLP,
        "attendnet": AttendNet,
        "attendnet-local": LocalAttendNet,
        "hierarchical": Hierarchical,
        "ensemble": Ensemble,
        "test-time-augmentation": AugmentedAtTestTime,
        "with-prior": WithPrior,
        "discriminant": Discriminant,
        "random-forest": RandomForest,
        "rbf-svm": RBFSVM,
        "any-sensor": AnySensor,
    }
)

__all__ = [
    "GSA",
    "NETWORKS",
    "RBFSVM",
    "SMLP",
    "SSAN",
    "AnySensor",
    "AttendNet",
    "AttentionWeights",
    "AugmentedAtTestTime",
    "Discriminant",
    "Edge",
    "Ensemble",
    "FittedNetwork",
    "GroupedSSAN",
    "Hierarchical",
    "LocalAttendNet",
    "ModuleNetwork",
    "RandomForest",
    "SpectralSpatialNetwork",
    "TwoBranchNetwork",
    "WithPrior",
    "accepts",
    "check_allowed",
    "check_arguments",
    "check_network",
    "create_network",
    "growing_arguments",
    "grown",
    "if_any_missing",
    "load_network",
    "network_class",
    "patches_of_tile",
]
