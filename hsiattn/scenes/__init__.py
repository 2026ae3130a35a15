"""Hyperspectral scenes: one reader per format, one contract for all of them.

Names that need xarray or a format's own library are loaded when they are first used.
"""

from typing import TYPE_CHECKING

from hsiattn.lazy import lazily
from hsiattn.scenes.alignment import check_same_grid
from hsiattn.scenes.band_matching import BandMatch, find_band_match, match_bands
from hsiattn.scenes.formats import is_matlab, open_source
from hsiattn.scenes.geotiff import open_raster
from hsiattn.scenes.grid import Grid
from hsiattn.scenes.radiometry import Radiometry
from hsiattn.scenes.source import SceneSource
from hsiattn.scenes.spectral import SpectralBands

if TYPE_CHECKING:
    from hsiattn.scenes.arrays import as_scene
    from hsiattn.scenes.georeferencing import georeference, grid_of
    from hsiattn.scenes.matlab import read_matlab_variable
    from hsiattn.scenes.scene import as_source, open_scene, to_scene
    from hsiattn.scenes.writing import convert_scene

__all__ = [
    "BandMatch",
    "Grid",
    "Radiometry",
    "SceneSource",
    "SpectralBands",
    "as_scene",
    "as_source",
    "check_same_grid",
    "convert_scene",
    "find_band_match",
    "georeference",
    "grid_of",
    "is_matlab",
    "match_bands",
    "open_raster",
    "open_scene",
    "open_source",
    "read_matlab_variable",
    "to_scene",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "as_scene": "hsiattn.scenes.arrays",
        "as_source": "hsiattn.scenes.scene",
        "convert_scene": "hsiattn.scenes.writing",
        "georeference": "hsiattn.scenes.georeferencing",
        "grid_of": "hsiattn.scenes.georeferencing",
        "open_scene": "hsiattn.scenes.scene",
        "read_matlab_variable": "hsiattn.scenes.matlab",
        "to_scene": "hsiattn.scenes.scene",
    },
)
