"""Land-cover maps from scenes.

`windows` says in which pieces, `window_classifier` makes land cover of one, `pipeline` and `cluster` do so for all of
them, here or on many machines; `journal` keeps what is finished, `writer` makes the rasters of it. `classification` is
the whole way.
"""

from hsiattn.mapping.classification import MappingRecord, classify_scene, predict_array
from hsiattn.mapping.inference import evaluate_patchwise, evaluate_tile
from hsiattn.mapping.settings import Execution, Outputs
from hsiattn.mapping.writer import LandCoverWriter, write_map

__all__ = [
    "Execution",
    "LandCoverWriter",
    "MappingRecord",
    "Outputs",
    "classify_scene",
    "evaluate_patchwise",
    "evaluate_tile",
    "predict_array",
    "write_map",
]
