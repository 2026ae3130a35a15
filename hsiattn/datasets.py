"""The public scenes: one card each, and a function that opens them.

A card says which files a scene consists of, where they come from, what the classes are called and which wavelengths the
bands have. Cards are YAML files in `datasets/`; the scenes themselves are not ours to ship.
"""

from __future__ import annotations

import hashlib
import os
import re
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pydantic import Field, ValidationError, field_validator, model_validator

from hsiattn.classes import ClassTable
from hsiattn.errors import DatasetError, LabelError, SceneError
from hsiattn.files.text import printable
from hsiattn.resources import file_name_of, names_instead, resource_folder, resource_names
from hsiattn.scenes import SpectralBands, georeference, grid_of, open_source, read_matlab_variable, to_scene
from hsiattn.settings import Settings, first_mistake, read_values

_MAX_BANDS = 10_000
_MAX_PIXELS = 10**9

ROOT_VARIABLE = "HSIATTN_DATA"
"""Environment variable with the folder of the scenes, where the caller names none."""


class DatasetFile(Settings):
    """One file name under which a cube or a label map is found."""

    name: str
    key: str | None = None
    """MAT variable, where it differs from the others'."""
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """Checksum of the released file; None where it is not known."""


class DatasetRaster(Settings):
    """A cube or a label map: the file names it goes by, in order of preference, and its MAT variable."""

    key: str
    files: tuple[DatasetFile, ...] = Field(min_length=1)


class DatasetOrigin(Settings):
    """Place where the files are published."""

    page: str
    provider: str


class Spectrometer(Settings):
    """A run of evenly spaced bands: how many, and the centres of the first and the last in nm."""

    bands: int = Field(ge=1, le=_MAX_BANDS)
    first: float = Field(gt=0)
    last: float = Field(gt=0)


class Wavelengths(Settings):
    """Band centres of the uncorrected cube: those of its spectrometers, one after the other."""

    nominal: bool
    """True where they are the sensor's, not measured for this scene."""
    spectrometers: tuple[Spectrometer, ...] = Field(min_length=1, max_length=20)

    def centres(self) -> NDArray[np.float64]:
        """Band centres in nm, one per band; they step back where two spectrometers overlap."""
        return np.concatenate([np.linspace(part.first, part.last, part.bands) for part in self.spectrometers])


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
    wavelength: Wavelengths
    rgb: tuple[int, int, int]
    classes: tuple[DatasetClass, ...] = Field(min_length=1)

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
        if len(self.wavelength.centres()) != self.bands:
            raise ValueError(f"the spectrometers have other than {self.bands} bands together")
        if set(self.rgb) & set(self.removed_bands):
            raise ValueError("rgb names a removed band")
        return self

    @cached_property
    def class_table(self) -> ClassTable:
        """Codes, names, colours and attributes of the classes."""
        return ClassTable.from_records([entry.model_dump() for entry in self.classes])

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
        names = [f"{self.sensor} {i + 1}" for i in range(self.bands)]
        centres = self.wavelength.centres()
        good = np.isin(np.arange(self.bands), self.kept_bands)
        every = SpectralBands.build(
            self.bands, names=names, wavelength=centres, good=good.tolist(), nominal=self.wavelength.nominal
        )
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

    >>> dataset_names()
    ['indian-pines', 'pavia-centre', 'pavia-university', 'salinas', 'salinas-a']
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


def open_dataset(name: str, root: str | os.PathLike[str] | None = None) -> tuple[xr.DataArray, xr.DataArray]:
    """Open a public scene and its label map.

    Parameters
    ----------
    name
        One of `dataset_names()`.
    root
        Folder that holds the files, or a folder named like the scene with the files inside. Default: `$HSIATTN_DATA`.

    Returns
    -------
    scene : DataArray
        As from `open_scene`, with the card's wavelengths and bad bands; bands for a natural-colour picture (counted
        from 1 in this cube, as in the coordinate `band`) are in the attribute `rgb`.
    labels : DataArray
        Dims ("y", "x"), int32, the original codes, 0 = unlabelled; the class table is in the attributes.

    Raises
    ------
    DatasetError
        Unknown name; files that are missing (the message says which, and where to get them), or not those released.
    """
    card = dataset_card(name)
    folders = _folders(card, root)
    cube_path, cube_file = _find(card, card.cube, folders)
    labels_path, labels_file = _find(card, card.labels, folders)
    for path, file in ((cube_path, cube_file), (labels_path, labels_file)):
        _check_sum(card, path, file)
    scene = _open_cube(card, cube_path, cube_file.key or card.cube.key)
    return scene, _open_label_map(card, labels_path, labels_file.key or card.labels.key, scene)


def _folders(card: DatasetCard, root: str | os.PathLike[str] | None) -> list[Path]:
    given = os.fspath(root) if root is not None else os.environ.get(ROOT_VARIABLE)
    if not given:
        raise DatasetError(
            f"no folder is given for the files of {card.name}",
            f"pass root=, or set {ROOT_VARIABLE}; {_where_to_get(card)}",
        )
    base = Path(given).expanduser()
    return [base, base / card.name]


def _find(card: DatasetCard, raster: DatasetRaster, folders: list[Path]) -> tuple[Path, DatasetFile]:
    """The first file that is there, upper or lower case alike."""
    try:
        present = {
            path.name.lower(): path
            for folder in reversed(folders)
            if folder.is_dir()
            for path in folder.iterdir()
            if path.is_file()
        }
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DatasetError(f"the folder {folders[0]} cannot be read ({reason})", "check its permissions") from error
    for file in raster.files:
        if file.name.lower() in present:
            return present[file.name.lower()], file
    names = " or ".join(file.name for file in raster.files)
    raise DatasetError(f"{card.name} needs {names}, which is not in {folders[0]} nor {folders[1]}", _where_to_get(card))


def _where_to_get(card: DatasetCard) -> str:
    names = f"{card.cube.files[0].name} and {card.labels.files[0].name}"
    return f"download {names} from {card.source.page} and put them into that folder"


def _check_sum(card: DatasetCard, path: Path, file: DatasetFile) -> None:
    if file.sha256 is None:
        return
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != file.sha256:
        raise DatasetError(
            f"{path} is not the released file: its SHA-256 is {found[:12]}… instead of {file.sha256[:12]}…",
            f"download it again from {card.source.page}",
        )


def _open_cube(card: DatasetCard, path: Path, key: str) -> xr.DataArray:
    try:
        source = open_source(path, key)
    except SceneError as error:
        raise _unusable(card, error) from error
    if (source.height, source.width) != (card.height, card.width):
        raise _wrong_size(card, path, source.height, source.width)
    bands = card.spectral_bands(len(source.bands))
    scene = to_scene(source.with_bands(bands))
    present = range(card.bands) if len(bands) == card.bands else card.kept_bands.tolist()
    return scene.assign_attrs(rgb=[list(present).index(band - 1) + 1 for band in card.rgb])


def _open_label_map(card: DatasetCard, path: Path, key: str, scene: xr.DataArray) -> xr.DataArray:
    try:
        codes = read_matlab_variable(path, 2, key)
    except SceneError as error:
        raise _unusable(card, error) from error
    if codes.shape != (card.height, card.width):
        raise _wrong_size(card, path, *codes.shape)
    attrs: dict[str, Any] = {"name": str(path), **card.class_table.to_attrs()}
    labels = xr.DataArray(codes.astype(np.int32), dims=("y", "x"), attrs=attrs, name=path.stem)
    return georeference(labels, grid_of(scene))


def _unusable(card: DatasetCard, error: SceneError) -> DatasetError:
    return DatasetError(error.problem, f"{error.remedy}; the released files are at {card.source.page}")


def _wrong_size(card: DatasetCard, path: Path, height: int, width: int) -> DatasetError:
    return DatasetError(
        f"{path} has {height}×{width} pixels, {card.name} has {card.height}×{card.width}",
        f"download it again from {card.source.page}",
    )
