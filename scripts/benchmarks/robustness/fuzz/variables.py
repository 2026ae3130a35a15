"""Scenes in files of named arrays: netCDF of both kinds, HDF5, Zarr and NumPy."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from scripts.benchmarks.robustness.fuzz import inputs
from scripts.benchmarks.robustness.fuzz.damage import damaged_bytes, damaged_text, either
from scripts.benchmarks.robustness.fuzz.products import damaged_hdf5

_WAVELENGTHS = np.linspace(400, 2400, inputs.SHAPE[0])


def _dataset(dtype: str = "int16") -> xr.Dataset:
    """A scene as xarray has it, with a grid mapping, widths and a list of good bands."""
    bands, height, width = inputs.SHAPE
    array = xr.DataArray(
        inputs.scene_values(dtype),
        dims=("wavelength", "y", "x"),
        coords={
            "wavelength": ("wavelength", _WAVELENGTHS, {"units": "nm"}),
            "y": ("y", 5_809_995.0 - 10 * np.arange(height), {"standard_name": "projection_y_coordinate"}),
            "x": ("x", 360_005.0 + 10 * np.arange(width), {"standard_name": "projection_x_coordinate"}),
        },
        attrs={"_FillValue": -1, "valid_range": [0, 9000], "grid_mapping": "spatial_ref", "scale_factor": 1e-4},
    )
    mapping = xr.DataArray(0, attrs={"crs_wkt": inputs.WKT, "GeoTransform": "360000 10 0 5810000 0 -10"})
    beside = {"fwhm": ("wavelength", np.full(bands, 9.5)), "bbl": ("wavelength", np.ones(bands, dtype="int8"))}
    return xr.Dataset({"reflectance": array, "spatial_ref": mapping, **beside}).drop_encoding()


def netcdf4() -> inputs.Reader:
    """Cubes in netCDF-4 as xarray writes them, and in HDF5 without dimensions."""

    def plain(path: Path) -> None:
        import h5py

        with h5py.File(path, "w") as file:
            file.create_dataset("a/cube", data=inputs.scene_values(), chunks=(2, 4, 4), compression="gzip")
            file["a/wavelength"] = _WAVELENGTHS

    save = partial(_dataset().to_netcdf, engine="h5netcdf")
    samples = (inputs.saved_files("scene.nc", save), inputs.saved_files("scene.h5", plain))
    return inputs.Reader(samples, inputs.in_file(0, damaged_hdf5), inputs.read_scene)


def netcdf3() -> inputs.Reader:
    """Cubes in classic netCDF, most of the damage in the header."""
    samples = tuple(
        inputs.saved_files("scene.nc", partial(_dataset(dtype).to_netcdf, engine="scipy", format=kind))
        for dtype, kind in (("int16", "NETCDF3_CLASSIC"), ("float32", "NETCDF3_64BIT"))
    )
    return inputs.Reader(samples, inputs.in_file(0, partial(damaged_bytes, head=1500)), inputs.read_scene)


def zarr() -> inputs.Reader:
    """Cubes in Zarr stores of both formats: damage to the metadata, as text, or to chunks."""
    samples = tuple(_stored_files(kind) for kind in (2, 3))

    def damage(rng: random.Random, files: inputs.Files) -> inputs.Files:
        metadata = [name for name in files if Path(name).name.startswith((".z", "zarr.json"))]
        name = rng.choice(metadata) if rng.random() < 0.7 else rng.choice(list(files))
        if rng.random() < 0.05:
            return {key: content for key, content in files.items() if key != name or key == next(iter(files))}
        change: Callable[[random.Random, bytes], bytes] = either if name in metadata else damaged_bytes
        return {**files, name: change(rng, files[name])}

    def read(path: Path) -> object:
        return inputs.read_scene(path.parent)

    return inputs.Reader(samples, damage, read)


def _stored_files(kind: int) -> inputs.Files:
    with tempfile.TemporaryDirectory() as folder:
        encoding = {"reflectance": {"chunks": (6, 4, 4)}}
        store = Path(folder) / "scene.zarr"
        _dataset().to_zarr(store, zarr_format=kind, consolidated=kind == 2, encoding=encoding)
        paths = sorted((p for p in store.rglob("*") if p.is_file()), key=lambda path: (path.parent != store, path))
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def numpy_scenes() -> inputs.Reader:
    """Cubes as `.npy`, and among other arrays in `.npz`, packed or not."""
    cube = inputs.scene_values().transpose(1, 2, 0)
    arrays: dict[str, Any] = {"cube": cube, "labels": inputs.label_codes(), "wavelengths": _WAVELENGTHS}
    samples = (
        inputs.saved_files("scene.npy", partial(np.save, arr=np.ascontiguousarray(cube))),
        inputs.saved_files("scene.npy", partial(np.save, arr=np.asfortranarray(cube))),
        inputs.saved_files("scene.npz", lambda path: np.savez(path, **arrays)),
        inputs.saved_files("scene.npz", lambda path: np.savez_compressed(path, **arrays)),
    )

    def damage(rng: random.Random, content: bytes) -> bytes:
        if content[:2] == b"PK":  # the directory of an archive stands at its end
            turned = damaged_bytes(rng, content[::-1], head=600)[::-1] if rng.random() < 0.5 else content
            return damaged_bytes(rng, turned, head=300) if turned is content or rng.random() < 0.2 else turned
        if rng.random() < 0.5:
            return damaged_bytes(rng, content, head=128)
        end = 10 + int.from_bytes(content[8:10], "little")
        header = damaged_text(rng, content[10:end].decode("latin1")).encode("utf-8")[:65_535]
        return content[:8] + len(header).to_bytes(2, "little") + header + content[end:]

    return inputs.Reader(samples, inputs.in_file(0, damage), inputs.read_scene)
