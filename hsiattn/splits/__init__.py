"""Splits: which labelled pixels train, validate and test a network, and what that leaks."""

from hsiattn.splits.drawn_polygons import DrawnPolygons
from hsiattn.splits.factory import (
    SPLITS,
    BlocksSplit,
    FoldsSplit,
    NoSplit,
    PolygonsSplit,
    RandomSplit,
    ScenesSplit,
    SplitSettings,
    make_splitter,
)
from hsiattn.splits.groups import GroupedPixels, connected_fields
from hsiattn.splits.k_folds import PolygonKFold, SpatialKFold
from hsiattn.splits.label_groups import connected_pixels, folds_across_groups, label_groups
from hsiattn.splits.leakage import leakage, near
from hsiattn.splits.protocols import (
    PROTOCOLS,
    Adaptation,
    Protocol,
    adapt_protocol,
    draw_protocol,
    leakage_by_window,
)
from hsiattn.splits.roles import (
    ROLES,
    Split,
    fitted_pixels,
    leave_classes_out,
    split_labels,
    split_leakage,
    split_of_roles,
)
from hsiattn.splits.shipped import shipped_split, shipped_splits
from hsiattn.splits.split_files import SplitRaster, read_split, roles_of_tiles, write_split
from hsiattn.splits.splitters import AllPixels, PixelSplitter, RandomPixels, SpatialBlocks
from hsiattn.splits.whole_scenes import WholeScenes

__all__ = [
    "PROTOCOLS",
    "ROLES",
    "SPLITS",
    "Adaptation",
    "AllPixels",
    "BlocksSplit",
    "DrawnPolygons",
    "FoldsSplit",
    "GroupedPixels",
    "NoSplit",
    "PixelSplitter",
    "PolygonKFold",
    "PolygonsSplit",
    "Protocol",
    "RandomPixels",
    "RandomSplit",
    "ScenesSplit",
    "SpatialBlocks",
    "SpatialKFold",
    "Split",
    "SplitRaster",
    "SplitSettings",
    "WholeScenes",
    "adapt_protocol",
    "connected_fields",
    "connected_pixels",
    "draw_protocol",
    "fitted_pixels",
    "folds_across_groups",
    "label_groups",
    "leakage",
    "leakage_by_window",
    "leave_classes_out",
    "make_splitter",
    "near",
    "read_split",
    "roles_of_tiles",
    "shipped_split",
    "shipped_splits",
    "split_labels",
    "split_leakage",
    "split_of_roles",
    "write_split",
]
