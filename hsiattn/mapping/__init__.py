"""Land-cover maps from scenes: windows, evaluation of the network, writing."""

from hsiattn.mapping.classification import MappingRecord, classify_scene, predict_array
from hsiattn.mapping.evaluation import evaluate_patchwise, evaluate_tile
from hsiattn.mapping.writer import LandCoverWriter, write_map

__all__ = [
    "LandCoverWriter",
    "MappingRecord",
    "classify_scene",
    "evaluate_patchwise",
    "evaluate_tile",
    "predict_array",
    "write_map",
]
