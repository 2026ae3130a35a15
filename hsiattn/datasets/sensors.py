"""Band sets of sensors, for scenes whose files do not say where their bands lie."""

from __future__ import annotations

import csv
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from yaml import safe_load

from hsiattn.datasets.cards import Spectrometer, dataset_card, dataset_names
from hsiattn.errors import BandError
from hsiattn.files.paths import StrPath
from hsiattn.resources import file_name_of, names_instead, resource_folder, resource_names
from hsiattn.scenes import SceneSource, SpectralBands
from hsiattn.scenes.spectral import to_nanometres
from hsiattn.settings import Settings

_FOLDER = "datasets/sensors"
_LARGEST_FILE = 10**6


class EvenBands(Spectrometer):
    """A run of evenly spaced bands with their full width at half maximum in nm."""

    fwhm: float = Field(gt=0)


class ListedBands(Settings):
    """Bands with a centre of their own each, in nm, and their mean full width at half maximum."""

    listed: tuple[float, ...] = Field(alias="centres", min_length=1)
    fwhm: float = Field(gt=0)

    def centres(self) -> NDArray[np.float64]:
        """Band centres in nm."""
        return np.array(self.listed)


class Sensor(Settings):
    """A sensor: what it is, a page about it, and its spectrometers."""

    title: str
    page: str
    spectrometers: tuple[EvenBands | ListedBands, ...] = Field(min_length=1, max_length=20)

    def bands(self) -> SpectralBands:
        """Its bands, by their nominal centres and widths."""
        centres = [part.centres() for part in self.spectrometers]
        widths = [np.full(len(each), part.fwhm) for each, part in zip(centres, self.spectrometers, strict=True)]
        wavelength = np.concatenate(centres)
        return SpectralBands.build(len(wavelength), wavelength=wavelength, fwhm=np.concatenate(widths), nominal=True)


def sensor_names() -> list[str]:
    """Names of the known sensors.

    Examples
    --------
    >>> sensor_names()[:3]
    ['aviris', 'aviris-ng', 'casi-1500']
    """
    return resource_names(_FOLDER)


@cache
def sensor(name: str) -> Sensor:
    """The sensor of that name, one of `sensor_names`."""
    path = resource_folder("datasets") / "sensors" / f"{name}.yaml"
    return Sensor.model_validate(safe_load(path.read_text(encoding="utf-8")))


def sensor_bands(name: str, count: int) -> SpectralBands:
    """The bands of a sensor, or of a public scene with or without those that its publishers removed.

    Parameters
    ----------
    name
        One of `sensor_names` or of `hsiattn.datasets.dataset_names`; case, blanks and underscores do not matter.
    count
        How many bands there must be.

    Raises
    ------
    BandError
        There is no such sensor, or it has another number of bands.

    Examples
    --------
    >>> sensor_bands("rosis", 103).describe()
    '103 bands, 430–860 nm (nominal)'
    """
    wanted = file_name_of(name)
    if wanted in sensor_names():
        offered = [sensor(wanted).bands()]
    elif wanted in dataset_names():
        offered = _bands_of_card(wanted)
    else:
        raise BandError(f"there is no sensor {name}", names_instead(wanted, [*sensor_names(), *dataset_names()]))
    for bands in offered:
        if len(bands) == count:
            return bands
    has = " or ".join(str(len(bands)) for bands in offered) or "unknown"
    raise BandError(
        f"{wanted} has {has} bands, the scene {count}",
        "name another sensor, or give the centres of the bands by wavelengths=",
    )


def with_told_bands(source: SceneSource, sensor: str | None = None, table: StrPath | None = None) -> SceneSource:
    """A scene whose bands lie where a sensor or a table says, whatever its file says; itself where neither is given.

    Parameters
    ----------
    sensor
        See `sensor_bands`.
    table
        See `bands_from_table`.

    Raises
    ------
    BandError
        Both are given, or as of `sensor_bands` and `bands_from_table`.
    """
    if sensor is None and table is None:
        return source
    if sensor is not None and table is not None:
        raise BandError("a sensor and a table both say where the bands lie", "give sensor= or wavelengths=, not both")
    count = len(source.bands)
    told = sensor_bands(sensor, count) if sensor is not None else bands_from_table(str(table), count)
    clone = source.with_bands(replace(told, names=source.bands.names, good=source.bands.good))
    if told.nominal:
        clone.notes = (*source.notes, f"bands lie where {sensor} has them by nominal centres, which may be some nm off")
    return clone


def bands_from_table(path: StrPath, count: int) -> SpectralBands:
    """Bands from a text file: a line per band with its centre and, if known, its width; nm or µm.

    Columns are separated by commas, semicolons or blanks; lines that do not begin with a number are titles.

    Raises
    ------
    BandError
        The file cannot be read, or has another number of bands.
    """
    rows = [row for line in _lines(path) if (row := _numbers(line))]
    if len(rows) != count:
        raise BandError(f"{path} has {len(rows)} wavelengths, the scene {count} bands", "give one line per band")
    centres = to_nanometres(row[0] for row in rows)
    factor = float(centres[0] / rows[0][0])
    widths = [row[1] * factor if len(row) > 1 else np.nan for row in rows]
    return SpectralBands.build(count, wavelength=centres, fwhm=widths)


def _bands_of_card(name: str) -> list[SpectralBands]:
    """Bands of the uncorrected and of the corrected cube of a public scene; none where they are not known."""
    card = dataset_card(name)
    if card.wavelength is None:
        return []
    bands = SpectralBands.build(card.bands, wavelength=card.wavelength.centres(), nominal=card.wavelength.nominal)
    kept = np.setdiff1d(np.arange(card.bands), np.array(card.removed_bands, dtype=np.int64) - 1)
    return [bands, bands.subset(kept)]


def _lines(path: StrPath) -> list[str]:
    try:
        with Path(path).open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise BandError(f"{path} cannot be read ({error.strerror})", "give a text file with a line per band") from error
    if len(content) > _LARGEST_FILE or b"\0" in content:
        raise BandError(f"{path} is no text file of wavelengths", "give a text file with a line per band")
    return content.decode("utf-8-sig", "replace").splitlines()


def _numbers(line: str) -> list[float]:
    """The first numbers of a line: at most a centre and a width; none where it begins with something else."""
    found = []
    for cell in next(csv.reader([line.replace(";", ",").replace("\t", ",").replace(" ", ",")]), []):
        if not cell.strip():
            continue
        try:
            found.append(float(cell))
        except ValueError:
            break
    return [value for value in found[:2] if np.isfinite(value)]
