"""EMIT L2A, AVIRIS-3 L2A and PACE OCI SFREFL: netCDF-4 as their producers lay it out."""

from __future__ import annotations

from pathlib import Path

import h5netcdf
import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS

from scripts.benchmarks.products.truth import Truth, distinct, scattered

EMIT_NAME = "EMIT_L2A_RFL_001_20230401T203751_2309114_002.nc"
AVIRIS3_NAME = "AV320231008t205340_000_L2A_OE_main_27577724_RFL_ORT.nc"
PACE_L2_NAME = "PACE_OCI.20240701T175112.L2.SFREFL.V3_0.nc"
PACE_L3_NAME = "PACE_OCI.20240601_20240630.L3m.MO.SFREFL.V3_0.rhos.0p1deg.nc"
MASK_LABELS = {
    1: ("Cloud flag", "Cirrus flag", "Water flag", "Spacecraft Flag", "Dilated Cloud Flag", "AOD550", "H2O (g cm-2)",
        "Aggregate Flag"),
    3: ("Cloud Flag", "Cirrus Flag", "Water Flag", "Dilated Cloud Flag", "SpecTf-Cloud Probability",
        "SpecTf-Cloud Flag", "SpecTf-Buffer Distance"),
}  # fmt: skip
"""Bands of EMIT's mask by the version of the product."""
_FILL = -9999.0


def lookup_table(swath: tuple[int, int], shape: tuple[int, int]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Rows and columns (H, W) of an orbit that runs askew over a grid, from 1 on; 0 outside the swath."""
    y, x = np.indices(shape)
    rows, columns = np.rint(0.9 * y + 0.3 * x - 1).astype(np.int32), np.rint(0.9 * x - 0.3 * y + 1).astype(np.int32)
    there = (rows >= 0) & (rows < swath[0]) & (columns >= 0) & (columns < swath[1])
    return np.where(there, rows + 1, 0).astype(np.int32), np.where(there, columns + 1, 0).astype(np.int32)


def emit(folder: Path, swath: tuple[int, int] = (8, 10), version: int = 1, mask: bool = True) -> Truth:
    """Write an EMIT reflectance file with 6 of 285 bands, two of them bad, and its mask."""
    shape = (swath[0] + 3, swath[1] + 2)
    wavelength = np.array([381.0, 550.3, 850.2, 1380.4, 1900.9, 2493.0])
    fwhm = np.linspace(8.4, 8.8, 6)
    good = np.array([1, 1, 1, 0, 0, 1], dtype=np.uint8)
    cube = distinct((6, *swath), "float32") / np.float32(1024)
    cube[:, 3, 2] = _FILL
    rows, columns = lookup_table(swath, shape)
    rows[4, 5], columns[4, 5] = -rows[4, 5], -columns[4, 5]  # filled from a neighbour
    there = rows != 0
    values = np.full((6, *shape), _FILL, dtype=np.float32)
    values[:, there] = cube[:, np.abs(rows[there]) - 1, np.abs(columns[there]) - 1]
    step, left, top = 0.000542232520256367, -118.25, 34.5
    path = folder / EMIT_NAME
    with h5netcdf.File(path, "w") as file:
        sizes = {"downtrack": swath[0], "crosstrack": swath[1], "bands": 6}
        file.dimensions = sizes | {"ortho_y": shape[0], "ortho_x": shape[1]}
        file.attrs["geotransform"] = np.array([left, step, 0.0, top, 0.0, -step])
        file.attrs["spatial_ref"] = CRS.from_epsg(4326).to_wkt()
        file.attrs["title"] = "EMIT L2A Estimated Surface Reflectance 60 m V001"
        chunks = (min(4, swath[0]), min(5, swath[1]), 6)
        stored = file.create_variable(
            "reflectance", ("downtrack", "crosstrack", "bands"), np.float32, cube.transpose(1, 2, 0), chunks=chunks,
            compression="gzip",
        )  # fmt: skip
        stored.attrs["_FillValue"] = np.array([_FILL], dtype=np.float32)
        _write(file, "sensor_band_parameters/wavelengths", ("bands",), wavelength.astype(np.float32), "nm")
        _write(file, "sensor_band_parameters/fwhm", ("bands",), fwhm.astype(np.float32), "nm")
        _write(file, "sensor_band_parameters/good_wavelengths", ("bands",), good)
        for name, numbers in (("glt_x", columns), ("glt_y", rows)):
            _write(file, f"location/{name}", ("ortho_y", "ortho_x"), numbers)
        for name in ("lon", "lat"):
            _write(file, f"location/{name}", ("downtrack", "crosstrack"), np.zeros(swath))
    layers = _write_emit_mask(folder, swath, rows, columns, version) if mask else {}
    return Truth(
        path, values, wavelength.astype(np.float32).astype(float), fwhm.astype(np.float32).astype(float),
        good.astype(bool), np.ones(6), np.zeros(6), _FILL, values[0] == _FILL, 4326,
        Affine(step, 0.0, left, 0.0, -step, top), layers,
    )  # fmt: skip


def _write_emit_mask(
    folder: Path, swath: tuple[int, int], rows: NDArray[np.int32], columns: NDArray[np.int32], version: int
) -> dict[str, NDArray[np.bool_]]:
    """Write the mask of a version, and give its flags by the names of layers on the rectified grid."""
    labels = MASK_LABELS[version]
    bands = np.stack([scattered(swath, number).astype(np.float32) for number in range(len(labels))], axis=-1)
    bands[3, 2] = _FILL
    with h5netcdf.File(folder / EMIT_NAME.replace("_RFL_", "_MASK_"), "w") as file:
        file.dimensions = {"downtrack": swath[0], "crosstrack": swath[1], "bands": len(labels)}
        _write(file, "mask", ("downtrack", "crosstrack", "bands"), bands)
        _write(file, "sensor_band_parameters/mask_bands", ("bands",), np.array(labels, dtype=object))
    layers = {}
    for name, wanted in {
        "cloud": ("cloud flag", "spectf-cloud flag"), "cirrus": ("cirrus flag",), "water": ("water flag",),
        "dilated cloud": ("dilated cloud flag",), "spacecraft": ("spacecraft flag",), "aggregate": ("aggregate flag",),
    }.items():  # fmt: skip
        chosen = [number for number, label in enumerate(labels) if label.lower() in wanted]
        if chosen:
            flagged = (bands[..., chosen] == 1).any(axis=-1)
            layers[name] = (rows != 0) & flagged[np.abs(rows) - 1, np.abs(columns) - 1]
    return layers


def aviris3(folder: Path, shape: tuple[int, int] = (9, 11), table: bool = False) -> Truth:
    """Write an AVIRIS-3 reflectance file with 5 of 284 bands, its cube rectified or with a lookup table."""
    swath = (shape[0] - 1, shape[1] - 2) if table else shape
    wavelength, fwhm = np.array([390.1, 560.2, 860.4, 1650.0, 2495.6]), np.linspace(8.1, 8.9, 5)
    cube = distinct((5, *swath), "float32") / np.float32(1024)
    if not table:
        cube[:, :2, 0] = _FILL
    values = cube
    path, left, top = folder / AVIRIS3_NAME, 362_000.0, 4_180_000.0
    dims = ("line", "sample") if table else ("northing", "easting")
    with h5netcdf.File(path, "w") as file:
        sizes = {"northing": shape[0], "easting": shape[1], "wavelength": 5}
        file.dimensions = sizes | ({"line": swath[0], "sample": swath[1]} if table else {})
        _write(file, "easting", ("easting",), left + 2.5 * (np.arange(shape[1]) + 0.5), "m")
        _write(file, "northing", ("northing",), top - 2.5 * (np.arange(shape[0]) + 0.5), "m")
        mapping = file.create_variable("transverse_mercator", (), "S1", np.array(b"", dtype="S1"))
        mapping.attrs["spatial_ref"] = CRS.from_epsg(32610).to_wkt()
        mapping.attrs["GeoTransform"] = f"{left} 2.5 0.0 {top} 0.0 -2.5"
        mapping.attrs["grid_mapping_name"] = "transverse_mercator"
        stored = file.create_variable("reflectance/reflectance", ("wavelength", *dims), np.float32, cube)
        stored.attrs["_FillValue"] = np.float32(_FILL)
        stored.attrs["grid_mapping"] = "transverse_mercator"
        _write(file, "reflectance/wavelength", ("wavelength",), wavelength, "nm")
        _write(file, "reflectance/fwhm", ("wavelength",), fwhm, "nm")
        if table:
            rows, columns = lookup_table(swath, shape)
            _write(file, "geolocation_lookup_table/line", ("northing", "easting"), rows)
            _write(file, "geolocation_lookup_table/sample", ("northing", "easting"), columns)
            values = np.full((5, *shape), _FILL, dtype=np.float32)
            values[:, rows != 0] = cube[:, rows[rows != 0] - 1, columns[rows != 0] - 1]
    return Truth(
        path, values, wavelength, fwhm, np.ones(5, dtype=bool), np.ones(5), np.zeros(5), _FILL, values[0] == _FILL,
        32610, Affine(2.5, 0.0, left, 0.0, -2.5, top),
    )  # fmt: skip


def pace_l2(folder: Path, shape: tuple[int, int] = (9, 11)) -> Truth:
    """Write a level 2 file of surface reflectance with 5 of 122 bands, in the geometry of the sensor."""
    path, layers = folder / PACE_L2_NAME, {"cloud": scattered(shape, 1), "defective": scattered(shape, 2, 0.1)}
    cube = distinct((5, *shape), "int16", -30)
    cube[:, :, 0] = -32767
    wavelength = np.array([346.0, 555.0, 865.0, 1250.0, 2131.0])
    bits = {"ATMFAIL": 0, "LAND": 1, "HILT": 4, "CLDICE": 9, "NAVFAIL": 25}
    flags = layers["cloud"] * 2 ** bits["CLDICE"] + layers["defective"] * 2 ** bits["HILT"] + 2 ** bits["LAND"]
    lat, lon = 44.0 - 0.01 * np.indices(shape)[0], -80.0 + 0.012 * np.indices(shape)[1]
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"number_of_lines": shape[0], "pixels_per_line": shape[1], "wavelength_3d": 5}
        file.attrs["title"], file.attrs["instrument"] = "OCI Level-2 Data SFREFL", "OCI"
        dims = ("number_of_lines", "pixels_per_line")
        stored = file.create_variable(
            "geophysical_data/rhos", (*dims, "wavelength_3d"), "i2", cube.transpose(1, 2, 0), chunks=(4, 4, 5),
            compression="gzip",
        )  # fmt: skip
        stored.attrs["scale_factor"], stored.attrs["add_offset"] = np.float32(2.0**-15), np.float32(0.5)
        stored.attrs["_FillValue"], stored.attrs["valid_min"] = np.int16(-32767), np.int16(-32000)
        masks = np.array([2**bit for bit in bits.values()], dtype=np.int32)
        level_2 = _write(file, "geophysical_data/l2_flags", dims, flags.astype(np.int32))
        level_2.attrs["flag_masks"], level_2.attrs["flag_meanings"] = masks, " ".join(bits)
        _write(file, "navigation_data/longitude", dims, lon.astype(np.float32), "degrees_east")
        _write(file, "navigation_data/latitude", dims, lat.astype(np.float32), "degrees_north")
        _write(file, "sensor_band_parameters/wavelength_3d", ("wavelength_3d",), wavelength, "nm")
    unknown = np.full(5, np.nan)
    return Truth(
        path, cube, wavelength, unknown, np.ones(5, dtype=bool), np.full(5, 2.0**-15), np.full(5, 0.5), -32767,
        cube[0] == -32767, None, Affine.identity(), layers,
    )  # fmt: skip


def pace_l3(folder: Path, shape: tuple[int, int] = (9, 11)) -> Truth:
    """Write a level 3 file of mapped surface reflectance with 5 of 122 bands."""
    path = folder / PACE_L3_NAME
    cube = distinct((5, *shape), "int16", -30)
    cube[:, 1, 2:5] = -32767
    wavelength = np.array([346.0, 555.0, 865.0, 1250.0, 2131.0])
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"lat": shape[0], "lon": shape[1], "wavelength": 5, "rgb": 3, "eightbitcolor": 256}
        file.attrs["title"], file.attrs["instrument"] = "OCI Level-3 Standard Mapped Image", "OCI"
        stored = file.create_variable("rhos", ("lat", "lon", "wavelength"), "i2", cube.transpose(1, 2, 0))
        stored.attrs["scale_factor"], stored.attrs["add_offset"] = np.float32(2.0**-15), np.float32(0.5)
        stored.attrs["_FillValue"] = np.int16(-32767)
        _write(file, "lat", ("lat",), (44.95 - 0.1 * np.arange(shape[0])).astype(np.float32), "degrees_north")
        _write(file, "lon", ("lon",), (-79.95 + 0.1 * np.arange(shape[1])).astype(np.float32), "degrees_east")
        _write(file, "wavelength", ("wavelength",), wavelength, "nm")
        _write(file, "palette", ("rgb", "eightbitcolor"), np.zeros((3, 256), dtype=np.uint8))
    unknown = np.full(5, np.nan)
    return Truth(
        path, cube, wavelength, unknown, np.ones(5, dtype=bool), np.full(5, 2.0**-15), np.full(5, 0.5), -32767,
        cube[0] == -32767, 4326, Affine(0.1, 0.0, -80.0, 0.0, -0.1, 45.0),
    )  # fmt: skip


def _write(
    file: h5netcdf.File, name: str, dims: tuple[str, ...], values: NDArray[np.generic], units: str = ""
) -> h5netcdf.Variable:
    """Write a variable of values."""
    import h5py

    dtype = h5py.string_dtype() if values.dtype == object else values.dtype
    variable = file.create_variable(name, dims, dtype, values)
    if units:
        variable.attrs["units"] = units
    return variable
