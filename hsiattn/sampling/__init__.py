"""Which labelled pixels train, validate and test a network, what that leaks, and how their patches are gathered."""

from hsiattn.sampling.leakage import leakage, near
from hsiattn.sampling.patches import LabelledPatches, gather_patches, gather_spectra
from hsiattn.sampling.roles import ROLES, Split, read_split, split_labels, split_of_roles, write_split
from hsiattn.sampling.splitters import AllPixels, PixelSplitter, RandomPixels, SpatialBlocks
from hsiattn.sampling.tiles import Tile, read_tile, tile_windows

__all__ = [
    "ROLES",
    "AllPixels",
    "LabelledPatches",
    "PixelSplitter",
    "RandomPixels",
    "SpatialBlocks",
    "Split",
    "Tile",
    "gather_patches",
    "gather_spectra",
    "leakage",
    "near",
    "read_split",
    "read_tile",
    "split_labels",
    "split_of_roles",
    "tile_windows",
    "write_split",
]
