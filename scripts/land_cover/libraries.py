"""Measured spectra: the libraries of Santa Barbara, Berlin and Gamsberg."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import spectral.io.envi as envi
from numpy.typing import NDArray

from scripts.land_cover.spectra import PARENTS, WAVELENGTH, Floats, Spectra, on_grid

_SANTA_BARBARA = {
    "NPV": "dry vegetation",
    "SOIL": "soil and rock",
    "ROCK": "soil and rock",
    "roof": "roof",
    "paved": "pavement",
    "turf": "pavement",
    "water": "water",
}
_GREEN = {"tree": "tree", "herb": "low vegetation", "grass": "low vegetation"}
"""Shrubs and epiphytes are green vegetation of either kind."""
_LEAST_GREEN = 0.3
"""NDVI that green vegetation has at least, and soil, rock and what is built at most: not all spectra are pure."""


def read_libraries(folder: Path) -> Spectra:
    """The pure spectra of the libraries below a folder laid out as `roberts2017-urban/` and `spectral-libraries/`."""
    everything = Spectra.joined([santa_barbara(folder), berlin(folder), gamsberg(folder)])
    red, near = (everything.values[:, np.abs(WAVELENGTH - nm).argmin()] for nm in (665, 842))
    greenness = (near - red) / np.maximum(near + red, 1e-6)
    green = np.isin(everything.classes, ["green vegetation", *PARENTS["green vegetation"]])
    barren = np.isin(everything.classes, ["soil and rock", "built-up", *PARENTS["built-up"]])
    return everything.where(~(green & (greenness < _LEAST_GREEN)) & ~(barren & (greenness > _LEAST_GREEN)))


def santa_barbara(folder: Path) -> Spectra:
    """Roberts et al. 2017: AVIRIS pixels of 7.5 m of three flights, and a field spectrometer's."""
    path = folder / "roberts2017-urban" / "roberts2017_urban"
    wavelength, values, names = _read(path.with_suffix(".hdr"), path.with_suffix(".sli"))
    with path.with_suffix(".csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["Name"] for row in rows] == names
    classes = [_class_of(row) for row in rows]
    known = np.array([name is not None for name in classes])
    everything = Spectra(
        on_grid(wavelength, values / 10_000),
        np.array([name or "" for name in classes]),
        np.array([f"santa-barbara {row['source']}" for row in rows]),
        np.array([row["Polygon_Unit_ID"] for row in rows]),
    )
    return everything.where(known)


def _class_of(row: dict[str, str]) -> str | None:
    if row["Level_2"] == "GV":
        return _GREEN.get(row["Level_3"], "green vegetation")
    if row["Level_2"] == "SOIL" and row["Level_4"] in ("asphalt", "concrete"):
        return None  # soil by one level, a pavement by another
    return _SANTA_BARBARA[row["Level_2"]]


def berlin(folder: Path) -> Spectra:
    """The urban library of Berlin, image spectra of an airborne sensor."""
    path = folder / "spectral-libraries" / "library_berlin"
    wavelength, values, names = _read(path.with_suffix(".hdr"), path.with_suffix(".sli"))
    with path.with_suffix(".csv").open(newline="", encoding="utf-8") as file:
        named = {row["spectra names"].strip(): row["level_3"].strip() for row in csv.DictReader(file)}
    classes = [_of_berlin(name, named[name]) for name in names]
    count = len(names)
    return Spectra(on_grid(wavelength, values / 10_000), np.array(classes), _same("berlin", count), np.array(names))


def _of_berlin(name: str, level_3: str) -> str:
    if "dry" in name.split("(")[-1]:
        return "dry vegetation"  # dry grass, which the library counts as low vegetation
    return "soil and rock" if level_3 == "soil" else level_3


def gamsberg(folder: Path) -> Spectra:
    """Field spectra around the ore deposit of Gamsberg: rocks, and some vegetation."""
    path = folder / "spectral-libraries" / "gamsberg_field_library"
    wavelength, values, names = _read(path.with_suffix(".hdr"), path)
    classes = np.array([_of_gamsberg(name) for name in names])
    return Spectra(on_grid(wavelength, values), classes, _same("gamsberg", len(names)), np.array(names))


def _of_gamsberg(name: str) -> str:
    if "green" in name:
        return "low vegetation"
    return "dry vegetation" if "veg" in name else "soil and rock"


def _same(name: str, count: int) -> NDArray[np.str_]:
    return np.full(count, name)


def _read(header: Path, data: Path) -> tuple[Floats, Floats, list[str]]:
    """Centres (B,) in nm, values (n, B) and names of a spectral library."""
    library = envi.open(str(header), str(data))
    centres = np.asarray(library.bands.centers, dtype=np.float64)
    if centres.max() < 100:
        centres *= 1000
    return centres, np.asarray(library.spectra, dtype=np.float64), [name.strip() for name in library.names]
