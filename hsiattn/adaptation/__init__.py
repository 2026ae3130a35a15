"""Models adapted to another scene, date or sensor.

`methods` has the ways to do it by name, each in a module of its own; `evidence` what speaks for a candidate, `decision`
which one is used, `pipeline` the whole way. What comes out is a normal model that names its origin.
"""

from hsiattn.adaptation.decision import Decision, decide
from hsiattn.adaptation.inputs import FewLabels, LabelledSource
from hsiattn.adaptation.methods import METHODS, AdaptationMethod
from hsiattn.adaptation.pipeline import AdaptationResult, adapt
from hsiattn.adaptation.settings import AdaptationSettings

__all__ = [
    "METHODS",
    "AdaptationMethod",
    "AdaptationResult",
    "AdaptationSettings",
    "Decision",
    "FewLabels",
    "LabelledSource",
    "adapt",
    "decide",
]
