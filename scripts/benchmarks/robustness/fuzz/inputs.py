"""Inputs as files in memory, the readers they are for, and valid inputs to begin with."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.windows import Window

# hsiattn is imported when it is needed, since `--package` may choose another version of it first.

Files = dict[str, bytes]
"""An input: the file that is read stands first, what lies beside it follows."""


@dataclass(frozen=True)
class Reader:
    """What reads one kind of input, and how such inputs are damaged.

    Attributes
    ----------
    samples
        Valid inputs.
    damage
        Makes of a valid input a damaged one.
    read
        Reads the first file of an input as the commands do, down to the values.
    """

    samples: tuple[Files, ...]
    damage: Callable[[random.Random, Files], Files]
    read: Callable[[Path], object]

    def make(self, rng: random.Random) -> Files:
        """A damaged input."""
        return self.damage(rng, rng.choice(self.samples))


def write(files: Files, folder: Path) -> Path:
    """Put the files of an input into a folder, which then holds nothing else; the path of the first."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder / next(iter(files))


def in_file(number: int, change: Callable[[random.Random, bytes], bytes]) -> Callable[[random.Random, Files], Files]:
    """Damage to one file of an input, 0 for the first."""

    def damage(rng: random.Random, files: Files) -> Files:
        name = list(files)[number]
        return {**files, name: change(rng, files[name])}

    return damage


SHAPE = (6, 9, 11)
GRID = {"crs": "EPSG:32633", "transform": Affine(10.0, 0.0, 360000.0, 0.0, -10.0, 5810000.0)}


WKT = CRS.from_string(GRID["crs"]).to_wkt()


def saved_files(name: str, save: Callable[[Path], object]) -> Files:
    """What a function writes under a name in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder) / name)
        paths = sorted(Path(folder).iterdir(), key=lambda path: (path.name != name, path.name))
        return {path.name: path.read_bytes() for path in paths}


def raster_files(name: str, values: NDArray[Any], tags: Mapping[str, str] | None = None, **profile: Any) -> Files:
    """A raster (B, H, W) with wavelengths where there are tags; GDAL's options follow."""

    def save(path: Path) -> None:
        count, height, width = values.shape
        sizes = {"count": count, "height": height, "width": width, "dtype": values.dtype}
        with rasterio.open(path, "w", **{"driver": "GTiff", **GRID, **sizes, **profile}) as file:
            file.write(values)
            for band in range(count if tags is not None else 0):
                file.update_tags(band + 1, wavelength=str(450.0 + 20.0 * band), wavelength_units="nm", **(tags or {}))

    return saved_files(name, save)


def scene_values(dtype: str = "int16") -> NDArray[Any]:
    """Values (B, H, W) of a scene."""
    return np.random.default_rng(5).integers(0, 10_000, SHAPE).astype(dtype)


def label_codes(dtype: str = "uint8") -> NDArray[Any]:
    """Codes (H, W) of labels."""
    return np.random.default_rng(6).integers(0, 4, SHAPE[1:]).astype(dtype)


def read_scene(path: Path) -> object:
    """Open a scene and read as much of it as one window of a mapping has."""
    from hsiattn.scenes import open_source

    source = open_source(path)
    values = source.read(Window(0, 0, min(source.width, 64), min(source.height, 64)))
    return source.bands.describe(), repr(source), source.missing(values).sum()


def read_labels(path: Path) -> object:
    """Read labels down to their codes."""
    from hsiattn.labels import open_labels

    return open_labels(path).values.max()
