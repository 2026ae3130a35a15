"""Products of imaging spectrometers."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.windows import Window

from scripts.benchmarks.products import cubes, flight_lines, images, netcdf
from scripts.benchmarks.products.truth import Truth
from scripts.benchmarks.robustness.fuzz import inputs
from scripts.benchmarks.robustness.fuzz.damage import NUMBERS, WORDS, damaged_bytes, either


def image_products() -> inputs.Reader:
    """EnMAP, DESIS and AVIRIS-NG: mostly damage to the text file, else to the image or to a quality layer."""
    line = inputs.saved_files(f"{flight_lines.AVIRIS_NAME}.hdr", lambda path: flight_lines.aviris(path.parent))
    samples = [line]
    for name, write in ((images.ENMAP_NAME, images.enmap), (images.DESIS_NAME, images.desis)):
        metadata = f"{name}-METADATA.{'XML' if write is images.enmap else 'xml'}"
        written = inputs.saved_files(metadata, lambda path, write=write: write(path.parent))  # type: ignore[misc]
        image = next(key for key in written if "SPECTRAL_IMAGE" in key)
        samples += [written, {image: written[image], **written}]  # given by its metadata, and by its image

    def damage(rng: random.Random, files: inputs.Files) -> inputs.Files:
        metadata = next(name for name in files if "METADATA" in name or name.endswith(".hdr"))
        if rng.random() < 0.8:
            return {**files, metadata: either(rng, files[metadata])}
        name = rng.choice(list(files))
        if rng.random() < 0.2 and name != next(iter(files)):
            return {key: content for key, content in files.items() if key != name}
        return {**files, name: damaged_bytes(rng, files[name])}

    return inputs.Reader(tuple(samples), damage, _read_product)


def cube_products() -> inputs.Reader:
    """Products that are one HDF5 or netCDF-4 file: damage to bytes, and to what stands at a name in a sound file."""
    writers: tuple[tuple[str, Callable[[Path], Truth]], ...] = (
        (cubes.PRISMA_NAME, cubes.prisma),
        (cubes.NEON_NAME, cubes.neon),
        (cubes.TANAGER_NAME, cubes.tanager),
        (netcdf.EMIT_NAME, netcdf.emit),
        (netcdf.AVIRIS3_NAME, netcdf.aviris3),
        (netcdf.PACE_L2_NAME, netcdf.pace_l2),
        (netcdf.PACE_L3_NAME, netcdf.pace_l3),
    )
    samples = tuple(
        inputs.saved_files(name, lambda path, write=write: write(path.parent))  # type: ignore[misc]
        for name, write in writers
    )

    def damage(rng: random.Random, files: inputs.Files) -> inputs.Files:
        return inputs.in_file(rng.randrange(len(files)), damaged_hdf5)(rng, files)

    return inputs.Reader(samples, damage, _read_product)


def damaged_hdf5(rng: random.Random, content: bytes) -> bytes:
    """Damage to the bytes of an HDF5 file, most of them among the first, or to what it holds."""
    return damaged_bytes(rng, content, head=4000) if rng.random() < 0.4 else _damaged_contents(rng, content)


def _damaged_contents(rng: random.Random, content: bytes) -> bytes:
    """The file with a few attributes and data sets removed or replaced."""
    import h5py

    stream = io.BytesIO(content)
    with h5py.File(stream, "r+") as file:
        for _ in range(rng.choice((1, 1, 2, 3))):
            names: list[str] = []
            file.visit(names.append)
            owner = file[rng.choice(["/", *names])]
            attributes = list(owner.attrs)
            if attributes and rng.random() < 0.6:
                key = rng.choice(attributes)
                del owner.attrs[key]
                if rng.random() < 0.8:
                    owner.attrs[key] = _anything(rng)
            elif names:
                name = rng.choice(names)
                kept = dict(file[name].attrs) if rng.random() < 0.7 else {}
                del file[name]
                if rng.random() < 0.8:
                    file[name] = _anything(rng)
                    for key, value in kept.items():
                        file[name].attrs[key] = value
    return stream.getvalue()


def _anything(rng: random.Random) -> Any:
    """A number, a text or an array of some shape."""
    match rng.choice(("number", "text", "list", "array", "array")):
        case "number":
            return float(rng.choice(NUMBERS))
        case "text":
            return rng.choice(WORDS).replace("\0", "")
        case "list":
            return np.array([float(rng.choice(NUMBERS)) for _ in range(rng.choice((0, 1, 2, 6, 7)))])
        case _:
            shape = [rng.choice((0, 1, 2, 6, 7, 9, 11)) for _ in range(rng.choice((1, 2, 3, 3, 4)))]
            return np.ones(shape, dtype=rng.choice(("uint8", "int16", "float32", "complex64", "bool")))


def _read_product(path: Path) -> object:
    """Open a scene and read as much of it and of its quality layers as one window of a mapping has."""
    from hsiattn.scenes import open_source

    source = open_source(path)
    window = Window(0, 0, min(source.width, 64), min(source.height, 64))
    with source.kept_open():
        values, masked = source.read(window), source.masked(window)
        layers = [layer.read(window).sum() for layer in source.quality]
    spectra = source.radiometry.reflectance(values[:, 0, 0]) if values.size else None
    return source.bands.describe(), repr(source), source.complete(values, masked).sum(), layers, spectra
