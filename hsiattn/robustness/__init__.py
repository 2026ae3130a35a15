"""Robustness: what is left of a model's accuracy when its scene is disturbed, or its input is attacked.

`robustness` measures it, `attacks` has the attacks; disturbances are `hsiattn.simulation.DISTURBANCES`.
"""

from typing import TYPE_CHECKING

from hsiattn.lazy import lazily

if TYPE_CHECKING:
    from hsiattn.robustness.attacks import ATTACKS
    from hsiattn.robustness.measuring import robustness
    from hsiattn.robustness.table import Condition, Robustness

__all__ = ["ATTACKS", "Condition", "Robustness", "robustness"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "ATTACKS": "hsiattn.robustness.attacks",
        "Condition": "hsiattn.robustness.table",
        "Robustness": "hsiattn.robustness.table",
        "robustness": "hsiattn.robustness.measuring",
    },
)
