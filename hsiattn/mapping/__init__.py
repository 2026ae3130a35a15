"""Land-cover maps from scenes.

`windows` says in which pieces, `window_classifier` makes land cover of one, `pipeline` and `cluster` do so for all of
them, here or on many machines; `journal` keeps what is finished, `writer` makes the rasters of it. `classification` is
the whole way. `provenance` says of a map how it was made.

The names below are loaded when they are first used: provenance does not need torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsiattn.lazy import lazily

if TYPE_CHECKING:
    from hsiattn.mapping.classification import MappingRecord as MappingRecord
    from hsiattn.mapping.classification import classify_scene as classify_scene
    from hsiattn.mapping.classification import predict_array as predict_array
    from hsiattn.mapping.inference import evaluate_patchwise as evaluate_patchwise
    from hsiattn.mapping.inference import evaluate_tile as evaluate_tile
    from hsiattn.mapping.polygons import MappingUnit as MappingUnit
    from hsiattn.mapping.polygons import write_polygons as write_polygons
    from hsiattn.mapping.provenance import Provenance as Provenance
    from hsiattn.mapping.settings import Execution as Execution
    from hsiattn.mapping.settings import Outputs as Outputs
    from hsiattn.mapping.writer import LandCoverWriter as LandCoverWriter
    from hsiattn.mapping.writer import write_map as write_map

_HOMES = {
    "Execution": "hsiattn.mapping.settings",
    "LandCoverWriter": "hsiattn.mapping.writer",
    "MappingRecord": "hsiattn.mapping.classification",
    "MappingUnit": "hsiattn.mapping.polygons",
    "Outputs": "hsiattn.mapping.settings",
    "Provenance": "hsiattn.mapping.provenance",
    "classify_scene": "hsiattn.mapping.classification",
    "evaluate_patchwise": "hsiattn.mapping.inference",
    "evaluate_tile": "hsiattn.mapping.inference",
    "predict_array": "hsiattn.mapping.classification",
    "write_map": "hsiattn.mapping.writer",
    "write_polygons": "hsiattn.mapping.polygons",
}

__all__ = [
    "Execution",
    "LandCoverWriter",
    "MappingRecord",
    "MappingUnit",
    "Outputs",
    "Provenance",
    "classify_scene",
    "evaluate_patchwise",
    "evaluate_tile",
    "predict_array",
    "write_map",
    "write_polygons",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
