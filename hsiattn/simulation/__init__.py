"""The embedded example: a simulated airborne scene of a farmed valley, with its label raster.

Parcels, a river, woods, roads and a village are laid out on a grid four times finer than the pixels, and averaged, so
that pixels on borders are mixed as real ones are. Spectra are composed of the absorptions that make real ones:
chlorophyll and red edge, leaf water, cellulose, clay, iron oxide, hydrocarbons. Two pairs of classes are hard to tell
apart on purpose: maize from grassland, and stubble from bare soil.
"""

from hsiattn.simulation.covers import CLASSES
from hsiattn.simulation.example import NODATA, PIXEL_SIZE, SCALE, simulate_scene, write_example

__all__ = ["CLASSES", "NODATA", "PIXEL_SIZE", "SCALE", "simulate_scene", "write_example"]
