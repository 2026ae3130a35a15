"""Simulated scenes, and real ones under simulated conditions.

The embedded example is an airborne scene of a farmed valley with its label raster. Parcels, a river, woods, roads and a
village are laid out on a grid four times finer than the pixels, and averaged, so that pixels on borders are mixed as
real ones are. Spectra are composed of the absorptions that make real ones: chlorophyll and red edge, leaf water,
cellulose, clay, iron oxide, hydrocarbons. Two pairs of classes are hard to tell apart on purpose: maize from grassland,
and stubble from bare soil.

Disturbances are what sensors, calibration and products do to reflectance; shifts are what another day, sensor or season
makes of a scene.
"""

from hsiattn.simulation.changed_scenes import changed_scene
from hsiattn.simulation.covers import CLASSES
from hsiattn.simulation.disturbances import DISTURBANCES, SPECTRAL_DISTURBANCES, disturb
from hsiattn.simulation.example import NODATA, PIXEL_SIZE, SCALE, simulate_scene, write_example
from hsiattn.simulation.shifts import SHIFTS, shift

__all__ = [
    "CLASSES",
    "DISTURBANCES",
    "NODATA",
    "PIXEL_SIZE",
    "SCALE",
    "SHIFTS",
    "SPECTRAL_DISTURBANCES",
    "changed_scene",
    "disturb",
    "shift",
    "simulate_scene",
    "write_example",
]
