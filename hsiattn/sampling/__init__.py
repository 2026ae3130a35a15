"""Which labelled pixels train, validate and test a network, what that leaks, and how their patches are gathered."""

from hsiattn.sampling.groups import GroupedPixels, connected_fields
from hsiattn.sampling.leakage import leakage, near
from hsiattn.sampling.patches import LabelledPatches, gather_patches, gather_spectra
from hsiattn.sampling.protocols import (
    PROTOCOLS,
    Adaptation,
    Protocol,
    adapt_protocol,
    draw_protocol,
    leakage_by_window,
)
from hsiattn.sampling.roles import (
    ROLES,
    Split,
    leave_classes_out,
    roles_of_tiles,
    split_labels,
    split_of_roles,
    write_split,
)
from hsiattn.sampling.scene_sample import SceneSample, sample_scene
from hsiattn.sampling.shipped import shipped_split, shipped_splits
from hsiattn.sampling.split_files import SplitRaster, read_split
from hsiattn.sampling.splitters import AllPixels, PixelSplitter, RandomPixels, SpatialBlocks
from hsiattn.sampling.tiles import Tile, check_size, read_measured, read_tile, tile_windows

__all__ = [
    "PROTOCOLS",
    "ROLES",
    "Adaptation",
    "AllPixels",
    "GroupedPixels",
    "LabelledPatches",
    "PixelSplitter",
    "Protocol",
    "RandomPixels",
    "SceneSample",
    "SpatialBlocks",
    "Split",
    "SplitRaster",
    "Tile",
    "adapt_protocol",
    "check_size",
    "connected_fields",
    "draw_protocol",
    "gather_patches",
    "gather_spectra",
    "leakage",
    "leakage_by_window",
    "leave_classes_out",
    "near",
    "read_measured",
    "read_split",
    "read_tile",
    "roles_of_tiles",
    "sample_scene",
    "shipped_split",
    "shipped_splits",
    "split_labels",
    "split_of_roles",
    "tile_windows",
    "write_split",
]
