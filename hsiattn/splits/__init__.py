"""Which labelled pixels train, validate and test a network, and what that leaks."""

from hsiattn.splits.groups import GroupedPixels, connected_fields
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
    leave_classes_out,
    roles_of_tiles,
    split_labels,
    split_of_roles,
    write_split,
)
from hsiattn.splits.shipped import shipped_split, shipped_splits
from hsiattn.splits.split_files import SplitRaster, read_split
from hsiattn.splits.splitters import AllPixels, PixelSplitter, RandomPixels, SpatialBlocks

__all__ = [
    "PROTOCOLS",
    "ROLES",
    "Adaptation",
    "AllPixels",
    "GroupedPixels",
    "PixelSplitter",
    "Protocol",
    "RandomPixels",
    "SpatialBlocks",
    "Split",
    "SplitRaster",
    "adapt_protocol",
    "connected_fields",
    "draw_protocol",
    "leakage",
    "leakage_by_window",
    "leave_classes_out",
    "near",
    "read_split",
    "roles_of_tiles",
    "shipped_split",
    "shipped_splits",
    "split_labels",
    "split_of_roles",
    "write_split",
]
