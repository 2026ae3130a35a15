"""The public scenes: one card each, and functions that download and open them."""

from hsiattn.datasets.cards import DatasetCard, DatasetFile, DatasetRaster, dataset_card, dataset_names
from hsiattn.datasets.downloading import download_dataset
from hsiattn.datasets.opening import open_dataset
from hsiattn.datasets.places import ROOT_VARIABLE, dataset_root

__all__ = [
    "ROOT_VARIABLE",
    "DatasetCard",
    "DatasetFile",
    "DatasetRaster",
    "dataset_card",
    "dataset_names",
    "dataset_root",
    "download_dataset",
    "open_dataset",
]
