"""Cards of the public scenes.

A card says which files a scene consists of, where they come from, what the classes are called, which wavelengths the
bands have, and what has misled others. Cards are YAML files in `datasets/`; the scenes themselves are not ours to ship.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, field_validator, model_validator

from hsiattn.classes import ClassTable
from hsiattn.errors import DatasetError, LabelError
from hsiattn.files.text import printable
from hsiattn.resources import file_name_of, names_instead, resource_folder, resource_names
from hsiattn.scenes import SpectralBands
from hsiattn.settings import Settings, first_mistake, read_values

_MAX_BANDS = 10_000
_MAX_PIXELS = 10**9

_FILE_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"
_SHA256 = r"^[0-9a-f]{64}$"
_URL = r"^https?://[!-~]+$"


class WheelMember(Settings):
    """A file inside a wheel of the Python package index.

    Attributes
    ----------
    requirement
        What pip is asked for, such as "tensorly==0.10.0".
    path
        Of the file inside the wheel.
    urls
        Addresses of the wheel, for where there is no pip.
    """

    requirement: str = Field(pattern=r"^[A-Za-z0-9_.-]+==[0-9.]+$")
    path: str
    urls: tuple[str, ...] = ()


class DatasetFile(Settings):
    """One file name under which a cube or a label map is found.

    Attributes
    ----------
    key
        MAT variable, where it differs from the others'.
    sha256
        Checksum of the released file; None where it is not known.
    urls
        Addresses of the file, tried in this order.
    wheel
        Wheel that holds the file too.
    with_files
        Further files that belong to it, such as a second list of labelled pixels.
    """

    name: str = Field(pattern=_FILE_NAME)
    key: str | None = None
    sha256: str | None = Field(default=None, pattern=_SHA256)
    urls: tuple[str, ...] = ()
    wheel: WheelMember | None = None
    with_files: tuple[DatasetFile, ...] = ()

    @field_validator("urls")
    @classmethod
    def _are_urls(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            if re.match(_URL, url) is None:
                raise ValueError(f"{printable(url, 60)} is no address that begins with https:// or http://")
        return urls

    @property
    def can_be_downloaded(self) -> bool:
        """Whether a program can get it."""
        return bool(self.urls) or self.wheel is not None


class DatasetRaster(Settings):
    """A cube or a label map.

    Attributes
    ----------
    key
        Its variable in MAT files; None where it is never one.
    files
        Files that hold it, one of which suffices, in order of preference.
    finer
        Pixels of the label map along a side of a pixel of the cube.
    """

    key: str | None = None
    files: tuple[DatasetFile, ...] = Field(min_length=1)
    finer: int = Field(default=1, ge=1, le=10)

    @property
    def can_be_downloaded(self) -> bool:
        """Whether a program can get one of its files."""
        return any(file.can_be_downloaded for file in self.files)


class DatasetOrigin(Settings):
    """Place where the files are published."""

    page: str
    provider: str


class Spectrometer(Settings):
    """A run of evenly spaced bands: how many, and the centres of the first and the last in nm."""

    bands: int = Field(ge=1, le=_MAX_BANDS)
    first: float = Field(gt=0)
    last: float = Field(gt=0)

    def centres(self) -> NDArray[np.float64]:
        """Band centres in nm."""
        return np.linspace(self.first, self.last, self.bands)


class Wavelengths(Settings):
    """Band centres of the uncorrected cube: those of its spectrometers, one after the other."""

    nominal: bool
    """True where they are the sensor's, not measured for this scene."""
    spectrometers: tuple[Spectrometer, ...] = Field(min_length=1, max_length=20)

    def centres(self) -> NDArray[np.float64]:
        """Band centres in nm, one per band; they step back where two spectrometers overlap."""
        return np.concatenate([part.centres() for part in self.spectrometers])


Attribute = Literal[
    "vegetation",  # living plants; always given with one of the next three
    "crop",
    "grass",
    "tree",
    "residue",  # dead plants: straw, stubble, hay, senesced leaves
    "soil",  # bare, or seen between the plants
    "mineral",  # stone, gravel, brick, fired clay
    "impervious",  # sealed ground and roofs
    "building",  # roofs and walls; always given with impervious
    "metal",
    "water",
    "shadow",
]
"""Attributes that a card may give a class; judged from the name of the class."""


class DatasetClass(Settings):
    """A class of the legend, its published size in pixels, and what it consists of."""

    code: int = Field(ge=1, lt=2**31)
    name: str
    color: str = Field(pattern=r"^#[0-9a-f]{6}$")
    pixels: int = Field(ge=1, le=_MAX_PIXELS)
    attributes: tuple[Attribute, ...] = ()


class DatasetCard(Settings):
    """Card of a public scene.

    Attributes
    ----------
    name
        What `open_dataset` calls it.
    bands
        Number of bands of the uncorrected cube.
    removed_bands
        Bands that the corrected cube lacks, counted from 1 in the uncorrected cube, as in publications; written as
        "104-108" or "220" in the YAML file, expanded here.
    rgb
        Bands for a natural-colour picture, counted likewise.
    pixel_size
        In metres.
    appended_bands
        Bands at the end of the cube that hold no spectra; they are not counted in `bands`, and left out.
    by_hand
        What a person has to do to get the files, where a program cannot.
    traps
        What has misled others, a sentence each.
    """

    name: str
    title: str
    sensor: str
    source: DatasetOrigin
    licence: str
    cube: DatasetRaster
    labels: DatasetRaster
    height: int = Field(ge=1, le=_MAX_PIXELS)
    width: int = Field(ge=1, le=_MAX_PIXELS)
    pixel_size: float = Field(gt=0)
    bands: int = Field(ge=1, le=_MAX_BANDS)
    removed_bands: tuple[int, ...]
    appended_bands: int = Field(default=0, ge=0, le=100)
    wavelength: Wavelengths | None
    rgb: tuple[int, int, int]
    classes: tuple[DatasetClass, ...] = Field(min_length=1)
    by_hand: str | None = None
    traps: tuple[str, ...] = ()

    @field_validator("removed_bands", mode="before")
    @classmethod
    def _expand(cls, ranges: Any) -> list[int]:
        expanded: list[int] = []
        for item in ranges if isinstance(ranges, list) else [ranges]:
            ends = re.fullmatch(r"(\d{1,12})(?:-(\d{1,12}))?", str(item))
            if ends is None:
                raise ValueError(f"{printable(str(item), 40)} is neither a band nor a range such as 104-108")
            first, last = int(ends[1]), int(ends[2] or ends[1])
            if last - first >= _MAX_BANDS or len(expanded) > _MAX_BANDS:
                raise ValueError(f"these are more than {_MAX_BANDS} bands")
            expanded += range(first, last + 1)
        return expanded

    @model_validator(mode="after")
    def _bands_exist(self) -> DatasetCard:
        if not all(1 <= band <= self.bands for band in (*self.removed_bands, *self.rgb)):
            raise ValueError(f"removed_bands and rgb must lie between 1 and {self.bands}")
        if self.wavelength is not None and len(self.wavelength.centres()) != self.bands:
            raise ValueError(f"the spectrometers have other than {self.bands} bands together")
        if set(self.rgb) & set(self.removed_bands):
            raise ValueError("rgb names a removed band")
        return self

    @cached_property
    def class_table(self) -> ClassTable:
        """Codes, names, colours and attributes of the classes."""
        return ClassTable.from_records([entry.model_dump() for entry in self.classes])

    @property
    def can_be_downloaded(self) -> bool:
        """Whether a program can get its files."""
        return self.cube.can_be_downloaded and self.labels.can_be_downloaded

    @cached_property
    def kept_bands(self) -> NDArray[np.int64]:
        """Positions (0-based) in the uncorrected cube of the bands that the corrected one has."""
        return np.setdiff1d(np.arange(self.bands), np.array(self.removed_bands, dtype=np.int64) - 1)

    def spectral_bands(self, count: int) -> SpectralBands:
        """Spectral metadata of a cube with `count` bands: corrected, or uncorrected with bad bands marked.

        Raises
        ------
        DatasetError
            Neither of the two has so many bands.
        """
        known = self.wavelength is not None  # else it is not known either which bands of the sensor these are
        names = [f"{self.sensor} {i + 1}" for i in range(self.bands)] if known else None
        centres = None if self.wavelength is None else self.wavelength.centres()
        nominal = self.wavelength is not None and self.wavelength.nominal
        good = np.isin(np.arange(self.bands), self.kept_bands)
        every = SpectralBands.build(self.bands, names=names, wavelength=centres, good=good.tolist(), nominal=nominal)
        if count == self.bands:
            return every
        if count == len(self.kept_bands):
            return every.subset(self.kept_bands)
        raise DatasetError(
            f"the cube of {self.name} has {count} bands instead of {len(self.kept_bands)} (corrected) or {self.bands}",
            f"take the cube from {self.source.page}",
        )


def dataset_names() -> list[str]:
    """Names of the public scenes that have a card, sorted.

    >>> dataset_names()[:4]
    ['botswana', 'houston-2013', 'houston-2018', 'indian-pines']
    """
    return resource_names("datasets")


def dataset_card(name: str) -> DatasetCard:
    """The card of a public scene; case, blanks and underscores in the name do not matter.

    Raises
    ------
    DatasetError
        No such scene, with the nearest name or all names; or a card that is not well formed.
    """
    known = dataset_names()
    wanted = file_name_of(name)
    if wanted not in known:
        problem = f"there is no public scene {printable(repr(name), 100)}"
        raise DatasetError(problem, names_instead(wanted, known))
    path = resource_folder("datasets") / f"{wanted}.yaml"
    values = read_values(path, "card", DatasetError, "another card")
    try:
        card = DatasetCard.model_validate({**values, "name": wanted})
        _ = card.class_table
    except (ValidationError, LabelError) as error:
        reason = error.problem if isinstance(error, LabelError) else first_mistake(error, DatasetCard).problem
        raise DatasetError(f"the card {path} is not well formed ({reason})", "correct it, or install again") from error
    return card
