"""The embedded example: a simulated airborne scene of a farmed valley, with its label raster.

Parcels, a river, woods, roads and a village are laid out on a grid four times finer than the pixels, and averaged, so
that pixels on borders are mixed as real ones are. Spectra are composed of the absorptions that make real ones:
chlorophyll and red edge, leaf water, cellulose, clay, iron oxide, hydrocarbons. Two pairs of classes are hard to tell
apart on purpose: maize from grassland, and stubble from bare soil.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import xarray as xr
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import RasterioError

from hsiattn.classes import UNLABELLED, ClassTable
from hsiattn.errors import OutputError
from hsiattn.labels.raster_attributes import palette, write_sidecars
from hsiattn.outputs import check_output, whole_file
from hsiattn.scenes import Grid, SpectralBands, as_source, georeference, grid_of

Floats = NDArray[np.float64]

PIXEL_SIZE = 4.0
"""Ground size of a pixel in metres."""

SCALE = 10_000
"""Stored values are reflectance times this number."""

NODATA = -9999
"""Stored value outside the swath."""

CLASSES = ClassTable.from_records(
    [
        {"code": 1, "name": "maize", "color": "#f2b134"},
        {"code": 10, "name": "grassland", "color": "#8bc34a"},
        {"code": 11, "name": "stubble", "color": "#e8d9a0"},
        {"code": 12, "name": "bare soil", "color": "#a1662f"},
        {"code": 20, "name": "woodland", "color": "#1b5e20"},
        {"code": 30, "name": "water", "color": "#1e88e5"},
        {"code": 40, "name": "asphalt", "color": "#616161"},
        {"code": 41, "name": "tiled roof", "color": "#d84315"},
    ]
)
"""Legend of the example."""

_MAIZE, _GRASS, _STUBBLE, _SOIL, _WOOD, _WATER, _ASPHALT, _ROOF = range(8)
_FINE = 4  # cells per pixel side


def simulate_scene(
    height: int = 240, width: int = 240, bands: int = 120, seed: int = 0
) -> tuple[xr.DataArray, xr.DataArray]:
    """Simulate a scene and its labels.

    Parameters
    ----------
    height, width
        Size in pixels, at least 40 each.
    bands
        Number of bands, evenly spaced from 400 to 2500 nm.
    seed
        The same seed gives the same scene.

    Returns
    -------
    scene : DataArray
        As from `open_scene`: dims ("band", "y", "x"), int16, reflectance × 10 000, EPSG:32633, −9999 outside the
        slanted swath; bands in the two water vapour absorptions are marked bad.
    labels : DataArray
        Dims ("y", "x"), int32, codes of `CLASSES`, 0 = unlabelled: only pure pixels of some of the fields are labelled.
    """
    rng = np.random.default_rng(seed)
    wavelength = np.linspace(400.0, 2500.0, bands)
    fwhm = np.full(bands, 1.1 * 2100.0 / max(bands - 1, 1))
    land = _lay_out(height, width, rng)
    reflectance = _illuminate(_mix(land, wavelength, rng), rng)
    reflectance += rng.standard_normal(reflectance.shape, dtype=np.float32) * _noise(wavelength)[:, None, None]

    stored = np.clip(np.rint(reflectance * SCALE), 0, 16_000).astype(np.int16)
    outside = _outside_swath(height, width)
    stored[:, outside] = NODATA
    codes = np.where(outside, UNLABELLED, CLASSES.to_codes(_pure_pixels(land, rng))).astype(np.int32)

    grid = Grid(height, width, CRS.from_epsg(32633), Affine(PIXEL_SIZE, 0, 388_000, 0, -PIXEL_SIZE, 5_812_000))
    known = SpectralBands.build(bands, wavelength=wavelength, fwhm=fwhm, good=~_in_water_vapour(wavelength))
    scene = xr.DataArray(
        stored,
        dims=("band", "y", "x"),
        coords={
            "band": np.arange(1, bands + 1),
            "wavelength": ("band", known.wavelength, {"units": "nm"}),
            "fwhm": ("band", known.fwhm, {"units": "nm"}),
            "good": ("band", known.good),
            "name": ("band", np.array(known.names, dtype=object)),
        },
        attrs={"name": "simulated valley", "_FillValue": np.int16(NODATA), "scale_factor_reflectance": float(SCALE)},
        name="scene",
    )
    labels = xr.DataArray(codes, dims=("y", "x"), attrs=CLASSES.to_attrs(), name="labels")
    return georeference(scene, grid), georeference(labels, grid)


def write_example(folder: str | os.PathLike[str], overwrite: bool = False, *, seed: int = 0) -> tuple[Path, Path]:
    """Write the simulated scene and its labels as `scene.tif` and `labels.tif` into a folder, made if need be.

    The scene carries wavelengths and FWHM in GDAL's `IMAGERY` tags, bad bands in `bbl` tags, the reflectance scale,
    nodata and CRS. The label raster is written as maps are: values 1 … 8; codes, names and colours stand in its
    attribute table.

    Returns
    -------
    tuple of Path
        Scene and labels.

    Raises
    ------
    OutputError
        One of the files exists and `overwrite` is not set, or the folder cannot be written.
    """
    base = Path(folder)
    scene_path, labels_path = base / "scene.tif", base / "labels.tif"
    try:
        base.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the folder {base} cannot be made ({error.strerror})", "choose another folder") from error
    for path in (scene_path, labels_path):
        check_output(path, overwrite)
    scene, labels = simulate_scene(seed=seed)
    with whole_file(scene_path, RasterioError) as temporary:
        _write_scene(temporary, scene)
    with whole_file(labels_path, RasterioError) as temporary:
        _write_labels(temporary, labels)
    counts = np.bincount(_map_values(labels).ravel(), minlength=len(CLASSES) + 1)[1:]
    write_sidecars(labels_path, CLASSES, counts.tolist())
    return scene_path, labels_path


# ------------------------------------------------------------------------------------------------------------- layout


@dataclass(frozen=True)
class _Land:
    """Regions on the fine grid: a field, the river, one wood, one roof, … each with one cover.

    Attributes
    ----------
    region
        Number of the region of every cell, (height × 4, width × 4).
    cover
        Class index of every region.
    surveyed
        True for regions whose pixels may be labelled.
    """

    region: NDArray[np.int32]
    cover: NDArray[np.int64]
    surveyed: NDArray[np.bool_]


class _Map:
    """Regions painted one over the other; distances are in pixels."""

    def __init__(self, height: int, width: int) -> None:
        centre = (np.arange(height * _FINE) + 0.5) / _FINE, (np.arange(width * _FINE) + 0.5) / _FINE
        self.y, self.x = centre[0][:, None], centre[1][None, :]
        self.region = np.zeros((height * _FINE, width * _FINE), dtype=np.int32)
        self.cover: list[int] = []
        self.surveyed: list[bool] = []

    def paint(self, where: NDArray[np.bool_], cover: int, surveyed: bool) -> None:
        """A new region of one cover."""
        self.region[where] = len(self.cover)
        self.cover.append(cover)
        self.surveyed.append(surveyed)

    def turned(self, degrees: float) -> tuple[Floats, Floats]:
        """Coordinates along axes that are turned against the rows."""
        angle = np.deg2rad(degrees)
        return self.x * np.cos(angle) + self.y * np.sin(angle), self.y * np.cos(angle) - self.x * np.sin(angle)


def _lay_out(height: int, width: int, rng: np.random.Generator) -> _Land:
    """Fields on both sides of a road, a river with wooded banks, a wood, and a village at the crossroads."""
    land = _Map(height, width)
    along, across = land.turned(14.0)
    road = 0.62 * height + 0.02 * width
    for side, degrees in ((across < road, 14.0), (across >= road, 31.0)):
        _paint_fields(land, side, degrees, rng)

    rough = _smooth_noise(rng, land.region.shape, 14 * _FINE) + 0.3 * _smooth_noise(rng, land.region.shape, 4 * _FINE)
    wood = np.hypot((land.x - 0.83 * width) / (0.2 * width), (land.y - 0.17 * height) / (0.2 * height))
    land.paint(wood + 0.12 * rough < 1, _WOOD, True)

    u, v = land.turned(-38.0)
    bed = 0.22 * height + 0.035 * height * np.sin(u / (0.11 * width)) + 0.02 * height * np.sin(u / (0.047 * width) + 1)
    bank = np.abs(v - bed)
    land.paint(bank < 0.036 * height + 2.2 * rough, _WOOD, True)
    land.paint(bank < 0.021 * height, _WATER, True)
    pond = np.hypot((land.x - 0.2 * width) / (0.075 * width), (land.y - 0.83 * height) / (0.05 * height))
    land.paint(pond + 0.1 * rough < 1, _WATER, True)

    _paint_village(land, along, across, (0.53 * width, 0.83 * width, road - 0.24 * height, road), rng)
    _paint_village(land, along, across, (0.82 * width, 1.03 * width, road, road + 0.19 * height), rng)
    land.paint(np.abs(across - road) < 1.6, _ASPHALT, True)
    land.paint((np.abs(along - 0.52 * width) < 1.5) & (across < road), _ASPHALT, True)
    return _Land(land.region, np.array(land.cover), np.array(land.surveyed))


def _paint_fields(land: _Map, side: NDArray[np.bool_], degrees: float, rng: np.random.Generator) -> None:
    """Parcels with straight edges: a rectangle that is cut in two until the parts are of field size."""
    u, v = land.turned(degrees)
    covers = (_MAIZE, _GRASS, _STUBBLE, _SOIL)
    bag: list[int] = []
    for u0, u1, v0, v1 in _cut((u[side].min(), u[side].max(), v[side].min(), v[side].max()), rng):
        inside = side & (u >= u0) & (u < u1) & (v >= v0) & (v < v1)
        if not inside.any():
            continue
        bag = bag or rng.permutation(covers).tolist()  # every crop comes as often as the others
        margin = 0.45  # of grass, narrower than a pixel: it is seen as mixed pixels only
        field = inside & (u >= u0 + margin) & (u < u1 - margin) & (v >= v0 + margin) & (v < v1 - margin)
        land.paint(inside, _GRASS, False)
        land.paint(field, bag.pop(), bool(rng.random() < 0.75))


Rectangle = tuple[float, float, float, float]


def _cut(rectangle: Rectangle, rng: np.random.Generator, largest: float = 900.0) -> Iterator[Rectangle]:
    """Parts of a rectangle (u0, u1, v0, v1), none larger than so many square pixels."""
    u0, u1, v0, v1 = rectangle
    if (u1 - u0) * (v1 - v0) <= largest * rng.uniform(0.7, 1.6):
        yield rectangle
        return
    share = rng.uniform(0.36, 0.64)
    if (u1 - u0) > 1.25 * (v1 - v0):
        middle = u0 + share * (u1 - u0)
        parts = (u0, middle, v0, v1), (middle, u1, v0, v1)
    else:
        middle = v0 + share * (v1 - v0)
        parts = (u0, u1, v0, middle), (u0, u1, middle, v1)
    for part in parts:
        yield from _cut(part, rng, largest)


def _paint_village(land: _Map, along: Floats, across: Floats, limits: Rectangle, rng: np.random.Generator) -> None:
    """Gardens with houses in rows along side streets that run as the road does."""
    left, right, top, bottom = limits
    inside = (along > left) & (along < right) & (across > top) & (across < bottom)
    land.paint(inside, _GRASS, False)
    spacing = 15.0
    for street in np.arange(bottom - spacing, top, -spacing):
        land.paint(inside & (np.abs(across - street) < 1.2), _ASPHALT, True)
    for row in np.arange(bottom - spacing / 2, top, -spacing):
        for place in np.arange(left + 5.0, right - 4.0, 9.5):
            if rng.random() < 0.15:
                continue  # a garden without a house
            half_length, half_depth = rng.uniform(2.3, 3.6), rng.uniform(2.0, 3.0)
            house = np.abs(along - place - rng.uniform(-0.8, 0.8)) < half_length
            house &= np.abs(across - row - rng.uniform(-1.0, 1.0)) < half_depth
            cover = _ROOF if rng.random() < 0.85 else _ASPHALT  # some roofs are flat and sealed with bitumen
            land.paint(inside & house, cover, cover == _ROOF)
            tree = np.hypot(along - place - 4.6, across - row - rng.uniform(-3, 3)) < rng.uniform(0.7, 1.5)
            land.paint(inside & tree, _WOOD, False)


def _pure_pixels(land: _Land, rng: np.random.Generator) -> NDArray[np.int64]:
    """Class index of the pixels that lie in one surveyed region, with their neighbours in large ones; else -1."""
    height, width = (size // _FINE for size in land.region.shape)
    cells = land.region.reshape(height, _FINE, width, _FINE).transpose(0, 2, 1, 3).reshape(height, width, -1)
    region = cells[..., 0]
    pure = (cells == region[..., None]).all(axis=-1) & land.surveyed[region]
    core = pure.copy()
    for axis in (0, 1):
        for step in (-1, 1):
            core &= pure & (np.roll(region, step, axis) == region)
    narrow = np.isin(land.cover, (_ASPHALT, _ROOF))[region]
    kept = np.where(narrow, pure & (rng.random(pure.shape) < 0.8), core)
    return np.where(kept, land.cover[region], -1)


# ------------------------------------------------------------------------------------------------------------ spectra


def _gauss(wavelength: Floats, centre: float, width: float) -> Floats:
    return np.asarray(np.exp(-0.5 * ((wavelength - centre) / width) ** 2))


def _rise(wavelength: Floats, centre: float, width: float) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-(wavelength - centre) / width)))


def _leaf(w: Floats, plateau: float, green: float, edge: float, water: float) -> Floats:
    """Green vegetation: NIR plateau, height of the green peak, position of the red edge (nm), leaf water (relative)."""
    visible = 0.032 + green * _gauss(w, 553, 32) + 0.35 * green * _gauss(w, 620, 35)
    tissue = plateau * _rise(w, edge, 13) * (1 - 0.12 * _rise(w, 1350, 60))
    depth = 0.07 * _gauss(w, 975, 28) + 0.16 * _gauss(w, 1195, 45) + 1.25 * _gauss(w, 1455, 70)
    depth += 1.9 * _gauss(w, 1945, 95) + 0.55 * _rise(w, 1420, 40) + 0.75 * _rise(w, 2080, 190)
    return visible * (1 - 0.6 * _rise(w, 1300, 80)) + tissue * np.exp(-water * depth)


def _mineral_soil(w: Floats, brightness: float, moisture: float) -> Floats:
    """Bare soil: rising and saturating, with iron oxide, hydroxyl, water and clay (2200 nm) absorptions."""
    shape = 0.045 + 0.42 * (1 - np.exp(-np.clip(w - 380, 0, None) / 620)) - 0.05 * _rise(w, 2250, 90)
    shape *= 1 - 0.10 * _gauss(w, 500, 55) - 0.06 * _gauss(w, 880, 70) - 0.09 * _gauss(w, 2205, 28)
    return brightness * shape * np.exp(-moisture * (0.35 * _gauss(w, 1420, 45) + 0.75 * _gauss(w, 1925, 60)))


def _straw(w: Floats) -> Floats:
    """Dry plant matter: no chlorophyll, lignin and cellulose absorptions at 1730, 2100 and 2310 nm."""
    shape = 0.07 + 0.44 * (1 - np.exp(-np.clip(w - 400, 0, None) / 380))
    shape *= 1 - 0.10 * _gauss(w, 1475, 60) - 0.05 * _gauss(w, 1730, 30) - 0.20 * _rise(w, 1880, 35)
    return shape * (1 - 0.14 * _gauss(w, 2100, 50) - 0.12 * _gauss(w, 2310, 40))


def _open_water(w: Floats) -> Floats:
    return 0.004 + 0.058 * _gauss(w, 560, 75) * (1 - 0.3 * _gauss(w, 675, 15)) + 0.022 * (1 - _rise(w, 640, 35))


def _asphalt(w: Floats) -> Floats:
    shape = 0.085 + 0.075 * (1 - np.exp(-(w - 400) / 800))
    return shape * (1 - 0.04 * _gauss(w, 1730, 30) - 0.08 * _gauss(w, 2310, 45))


def _tile(w: Floats) -> Floats:
    """Fired clay: iron oxide takes the blue and green, and dips at 870 nm."""
    shape = 0.055 + 0.21 * _rise(w, 585, 22) + 0.19 * (1 - np.exp(-np.clip(w - 620, 0, None) / 450))
    return shape * (1 - 0.13 * _gauss(w, 870, 75) - 0.05 * _gauss(w, 1930, 50) - 0.05 * _gauss(w, 2205, 30))


_COVERS: dict[int, tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]] = {
    _MAIZE: (lambda w: _leaf(w, 0.47, 0.062, 718, 1.00), lambda w: _mineral_soil(w, 0.70, 1.0)),
    _GRASS: (lambda w: _leaf(w, 0.44, 0.070, 714, 0.86), _straw),
    _STUBBLE: (lambda w: 0.55 * _straw(w) + 0.45 * _mineral_soil(w, 0.85, 0.7), lambda w: _mineral_soil(w, 0.85, 0.7)),
    _SOIL: (lambda w: _mineral_soil(w, 0.78, 1.0), lambda w: _mineral_soil(w, 0.45, 2.0)),
    _WOOD: (lambda w: 0.80 * _leaf(w, 0.42, 0.034, 721, 1.15), lambda w: 0.25 * _leaf(w, 0.42, 0.03, 721, 1.3)),
    _WATER: (_open_water, lambda w: _open_water(w) + 0.03 * _mineral_soil(w, 1.0, 3.0)),
    _ASPHALT: (_asphalt, lambda w: 1.7 * _asphalt(w)),
    _ROOF: (_tile, lambda w: 0.6 * _tile(w)),
}
"""Per class: its typical spectrum, and the one it shades into (soil between the plants, shade in a wood, silt, …)."""

_LOOKALIKES = {_MAIZE: _GRASS, _GRASS: _MAIZE, _STUBBLE: _SOIL, _SOIL: _STUBBLE}
"""Weeds among the maize, patches of bare soil in the stubble: what a field holds of another class than its own."""


def _mix(land: _Land, wavelength: Floats, rng: np.random.Generator) -> NDArray[np.float32]:
    """Reflectance (B, height, width): cells averaged, each field and each spot of it a little different."""
    pairs = [_COVERS[cover] for cover in range(len(CLASSES))]
    typical = np.stack([first(wavelength) for first, _ in pairs])[land.cover]
    shaded = np.stack([second(wavelength) for _, second in pairs])[land.cover]
    mates = np.array([_LOOKALIKES.get(cover, cover) for cover in range(len(CLASSES))])
    alien = np.stack([pairs[mate][0](wavelength) for mate in mates])[land.cover]
    count = len(land.cover)
    share = np.clip(rng.normal(0.16, 0.09, count), 0.0, 0.4)[:, None]  # of the second spectrum, per region
    brightness = rng.normal(1.0, 0.05, count)[:, None]
    tilt = 1 + rng.normal(0, 0.03, count)[:, None] * (wavelength - 1450) / 1050
    first = (brightness * tilt * ((1 - share) * typical + share * shaded)).astype(np.float32)
    first += (rng.uniform(0.0, 0.3, count)[:, None] * (alien - typical)).astype(np.float32)
    shade, weeds = ((brightness * (other - typical)).astype(np.float32) for other in (shaded, alien))

    height, width = (size // _FINE for size in land.region.shape)
    mean = np.zeros((height, width, wavelength.size), dtype=np.float32)
    shade_slope, weeds_slope = np.zeros_like(mean), np.zeros_like(mean)
    for i in range(_FINE):
        for j in range(_FINE):
            cells = land.region[i::_FINE, j::_FINE]
            mean += first[cells]
            shade_slope += shade[cells]
            weeds_slope += weeds[cells]
    patchy = 0.075 * (_smooth_noise(rng, (height, width), 6) + 0.7 * rng.standard_normal((height, width)))
    weedy = 0.05 * _smooth_noise(rng, (height, width), 4) + 0.16 * rng.standard_normal((height, width))
    mixed = (
        mean + shade_slope * patchy[..., None].astype(np.float32) + weeds_slope * weedy[..., None].astype(np.float32)
    )
    mixed /= _FINE**2
    return np.ascontiguousarray(np.maximum(mixed, 0.001).transpose(2, 0, 1))


def _smooth_noise(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> Floats:
    """Gaussian noise of unit variance, correlated over about `scale` cells."""
    y, x = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :]
    low_pass = np.exp(-2 * (np.pi * scale / 2) ** 2 * (y**2 + x**2))
    smooth = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(shape)) * low_pass, s=shape)
    return np.asarray((smooth - smooth.mean()) / smooth.std())


# ------------------------------------------------------------------------------------------------------------- sensor


def _illuminate(reflectance: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """The gradient across the swath that correction leaves behind, and thin haze: smooth factors near 1."""
    _, height, width = reflectance.shape
    across = np.linspace(-1, 1, width)[None, :]
    gradient = 1 + 0.09 * across - 0.03 * across**2 + 0.02 * _smooth_noise(rng, (height, width), max(height, width) / 4)
    return (reflectance * gradient).astype(np.float32)


def _in_water_vapour(wavelength: Floats) -> NDArray[np.bool_]:
    """Bands in which the atmosphere lets hardly any light through."""
    return ((wavelength > 1340) & (wavelength < 1445)) | ((wavelength > 1790) & (wavelength < 1965))


def _noise(wavelength: Floats) -> NDArray[np.float32]:
    """Standard deviation of the noise in reflectance: more in blue and SWIR, gross in water vapour."""
    sigma = 0.0022 + 0.004 * np.exp(-(wavelength - 400) / 45) + 0.0035 * _rise(wavelength, 2250, 90)
    sigma += 0.0025 * (_gauss(wavelength, 940, 18) + _gauss(wavelength, 1135, 22))
    return np.where(_in_water_vapour(wavelength), 0.12, sigma).astype(np.float32)


def _outside_swath(height: int, width: int) -> NDArray[np.bool_]:
    """Pixels beside the flight strip, which runs a few degrees off the column direction."""
    y, x = np.mgrid[:height, :width] + 0.5
    left, right = 0.035 * width - 0.05 * y, width + 0.05 * (height - y) - 0.035 * width
    return np.asarray((x < left) | (x > right))


# ------------------------------------------------------------------------------------------------------------ writing


@contextmanager
def _create(path: Path, grid: Grid, **profile: Any) -> Iterator[Any]:
    """A GeoTIFF open for writing."""
    place = {"height": grid.height, "width": grid.width, "crs": grid.crs, "transform": grid.transform}
    tiles = {"tiled": True, "blockxsize": 128, "blockysize": 128, "compress": "deflate"}
    with rasterio.open(path, "w", driver="GTiff", **place, **tiles, **profile) as dataset:
        yield dataset


def _write_scene(path: Path, scene: xr.DataArray) -> None:
    source = as_source(scene)
    bands = source.bands
    profile = {"count": len(bands), "dtype": "int16", "nodata": NODATA, "predictor": 2, "interleave": "pixel"}
    with _create(path, source.grid, **profile) as dataset:
        dataset.write(scene.values)
        dataset.scales = [1 / SCALE] * len(bands)
        dataset.units = ["reflectance"] * len(bands)
        for i, (centre, width) in enumerate(zip(bands.wavelength, bands.fwhm, strict=True), start=1):
            dataset.update_tags(
                i, ns="IMAGERY", CENTRAL_WAVELENGTH_UM=f"{centre / 1e3:.6f}", FWHM_UM=f"{width / 1e3:.6f}"
            )
            dataset.update_tags(i, bbl=int(bands.good[i - 1]))


def _write_labels(path: Path, labels: xr.DataArray) -> None:
    """Values are class index + 1, as in every map; the attribute table beside the file restores the codes."""
    values = _map_values(labels)
    with _create(path, grid_of(labels), count=1, dtype="uint8", nodata=0) as dataset:
        dataset.write(values, 1)
        dataset.write_colormap(1, palette(CLASSES))
        dataset.set_band_description(1, "land cover")


def _map_values(labels: xr.DataArray) -> NDArray[np.uint8]:
    return (CLASSES.to_indices(labels.values) + 1).astype(np.uint8)
