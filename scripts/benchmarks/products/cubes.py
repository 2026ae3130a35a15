"""PRISMA L2D, NEON reflectance and Tanager: HDF5 files with the groups, attributes and types that are published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from affine import Affine
from numpy.typing import NDArray

from scripts.benchmarks.products.truth import Truth, distinct, scattered

PRISMA_NAME = "PRS_L2D_STD_20201107101404_20201107101408_0001.he5"
NEON_NAME = "NEON_D02_SERC_DP3_368000_4306000_reflectance.h5"
EPSG = 32632
TANAGER_NAME = "20250123_185518_92_4001_ortho_sr_hdf5.h5"


def prisma(folder: Path, shape: tuple[int, int] = (9, 11), level: str = "L2D") -> Truth:
    """Write a PRISMA file with 6 of 66 VNIR and 5 of 173 SWIR bands, descending; 3 of them are not delivered."""
    height, width = shape
    centres = {
        "Vnir": np.array([0.0, 972.7, 962.3, 850.1, 550.4, 402.5], dtype=np.float32),
        "Swir": np.array([2496.9, 1650.2, 1380.7, 943.4, 0.0], dtype=np.float32),
    }
    flags = {key: (found > 0).astype(np.uint8) for key, found in centres.items()}
    flags["Vnir"][1] = 0  # a wavelength, but not delivered
    widths = {key: np.linspace(13, 9, len(found)).astype(np.float32) for key, found in centres.items()}
    ends = {"Vnir": (0.0, 0.8), "Swir": (0.0, 1.2)}
    outside = np.zeros(shape, dtype=bool)
    outside[:3, 0] = outside[-2:, -1] = True
    cubes = {key: distinct((len(found), *shape), "uint16", 100 * i) for i, (key, found) in enumerate(centres.items())}
    for cube in cubes.values():
        cube[:, outside] = 0
    cubes["Vnir"][3, 4, 4] = 0  # the least reflectance, and a measurement
    errors = {key: np.zeros(cube.shape, dtype=np.uint8) for key, cube in cubes.items()}
    errors["Swir"][:3, 2, 3] = 1  # 3 of 8 bands: too many
    errors["Vnir"][3:5, 6, 7] = 1, 4  # 2 of 8: a quarter, and no more
    errors["Swir"][:, :, 5] = 2  # negative, which is no defect
    swath = f"HDFEOS/SWATHS/PRS_{level}_HCO"
    with h5py.File(folder / PRISMA_NAME.replace("L2D", level), "w") as file:
        for key, cube in cubes.items():
            file[f"{swath}/Data Fields/{key.upper()}_Cube"] = cube.transpose(1, 0, 2)
            file[f"{swath}/Data Fields/{key.upper()}_PIXEL_L2_ERR_MATRIX"] = errors[key].transpose(1, 0, 2)
            file.attrs[f"List_Cw_{key}"], file.attrs[f"List_Fwhm_{key}"] = centres[key], widths[key]
            file.attrs[f"List_Cw_{key}_Flags"] = flags[key]
            for end, value in zip(("Min", "Max"), ends[key], strict=True):
                file.attrs[f"L2Scale{key}{end}"] = np.float32(value)
        file[f"{swath}/Geometric Fields/Solar_Zenith_Angle"] = np.where(outside, 0, 41.5).astype(np.float32)
        file.attrs["Processing_Level"], file.attrs["Epsg_Code"] = np.bytes_(level[1:]), np.uint32(EPSG)
        left, top = 567_705.0, 4_602_195.0  # centres of pixels
        for corner, (row, column) in {"UL": (0, 0), "LR": (height - 1, width - 1)}.items():
            file.attrs[f"Product_{corner}corner_easting"] = np.float32(left + 30 * column)
            file.attrs[f"Product_{corner}corner_northing"] = np.float32(top - 30 * row)
    kept = [("Vnir", 5), ("Vnir", 4), ("Vnir", 3), ("Swir", 3), ("Vnir", 2), ("Swir", 2), ("Swir", 1), ("Swir", 0)]
    return Truth(
        folder / PRISMA_NAME.replace("L2D", level),
        np.stack([cubes[key][band] for key, band in kept]),
        np.array([centres[key][band] for key, band in kept], dtype=np.float64),
        np.array([widths[key][band] for key, band in kept], dtype=np.float64),
        np.ones(len(kept), dtype=bool),
        np.array([(ends[key][1] - ends[key][0]) / 65535 for key, _ in kept]),
        np.array([ends[key][0] for key, _ in kept]),
        None,
        outside,
        EPSG,
        Affine(30.0, 0.0, left - 15, 0.0, -30.0, top + 15),
        {"defective": _only(shape, [(2, 3)])},
    )


def _only(shape: tuple[int, int], pixels: list[tuple[int, int]]) -> NDArray[np.bool_]:
    chosen = np.zeros(shape, dtype=bool)
    for pixel in pixels:
        chosen[pixel] = True
    return chosen


def neon(
    folder: Path, shape: tuple[int, int] = (9, 11), map_info: str = "", chunks: tuple[int, int, int] | None = (4, 4, 3)
) -> Truth:
    """Write a NEON tile with 7 of 426 bands, two of them in the windows of water vapour."""
    wavelength = np.array([383.6, 550.1, 850.3, 1340.0, 1400.2, 1650.7, 2511.9])
    fwhm = np.linspace(5.7, 6.2, len(wavelength))
    values = distinct((len(wavelength), *shape), "int16")
    outside = np.zeros(shape, dtype=bool)
    outside[0, -2:] = True
    values[:, outside] = -9999
    classes = np.random.default_rng(8).integers(1, 23, shape).astype(np.uint8)
    classes[outside] = 0
    codes = {
        "cloud": (15, 16), "cirrus": (2, 3, 4, 8, 9, 10, 18, 19), "haze": (11, 12, 13, 14), "cloud shadow": (1, 22),
        "terrain shadow": (21,), "snow": (7,), "water": (17,),
    }  # fmt: skip
    map_info = map_info or "UTM,1.000,1.000,368000.000,4307000.000,1.000,1.000,18,North,WGS-84,units=Meters,0"
    with h5py.File(folder / NEON_NAME, "w") as file:
        root = file.create_group("SERC/Reflectance")
        root.attrs["Band_Window_1_Nanometers"] = np.array([1340, 1445], dtype=np.int32)
        root.attrs["Band_Window_2_Nanometers"] = np.array([1790, 1955], dtype=np.int32)
        packed: dict[str, Any] = {"chunks": chunks, "compression": "gzip"} if chunks else {}
        data = root.create_dataset("Reflectance_Data", data=values.transpose(1, 2, 0), **packed)
        data.attrs["Scale_Factor"], data.attrs["Data_Ignore_Value"] = 10000.0, -9999.0
        data.attrs["Interleave"] = "BSQ"
        for key, found in {"Wavelength": wavelength, "FWHM": fwhm}.items():
            spectral = root.create_dataset(f"Metadata/Spectral_Data/{key}", data=found)
            spectral.attrs["Units"] = "nanometers"
        system = root.create_group("Metadata/Coordinate_System")
        system["EPSG Code"], system["Map_Info"] = b"32618", map_info
        system["Proj4"] = "+proj=UTM +zone=18 +ellps=WGS84 +datum=WGS84 +units=m +no_defs"
        root["Metadata/Ancillary_Imagery/Haze_Cloud_Water_Map"] = classes
        root["Metadata/Ancillary_Imagery/Weather_Quality_Indicator"] = np.zeros((*shape, 3), dtype=np.uint8)
    return Truth(
        folder / NEON_NAME,
        values,
        wavelength,
        fwhm,
        ~((wavelength >= 1340) & (wavelength <= 1445)),
        np.full(len(wavelength), 1e-4),
        np.zeros(len(wavelength)),
        -9999,
        outside,
        32618,
        Affine(1.0, 0.0, 368_000.0, 0.0, -1.0, 4_307_000.0),
        {name: np.isin(classes, chosen) for name, chosen in codes.items()},
    )


_STRUCTURE = """GROUP=SwathStructure
END_GROUP=SwathStructure
GROUP=GridStructure
	GROUP=GRID_1
		GridName="HYP"
		XDim={width}
		YDim={height}
		UpperLeftPointMtrs=(570300.00,3555450.00)
		LowerRightMtrs=({right:.2f},{bottom:.2f})
		Projection=HE5_GCTP_UTM
		ZoneCode=13
		SphereCode=12
		PixelRegistration=HE5_HDFE_CORNER
		GridOrigin=HE5_HDFE_GD_UL
	END_GROUP=GRID_1
END_GROUP=GridStructure
END
"""


def tanager(folder: Path, shape: tuple[int, int] = (9, 11), kind: str = "ortho_sr") -> Truth:
    """Write a Tanager file with 6 of 426 bands: `ortho_sr`, `basic_sr` or `ortho_radiance`."""
    height, width = shape
    wavelength = np.array([376.4, 551.2, 850.3, 1391.0, 1650.2, 2499.0])
    fwhm = np.linspace(5.4, 6.6, len(wavelength))
    is_reflectance, is_grid = kind.endswith("sr"), kind.startswith("ortho")
    values = distinct((len(wavelength), *shape), "float32") / np.float32(2048)
    outside = np.zeros(shape, dtype=bool)
    outside[:2, :2] = True
    values[:, outside] = -9999
    flagged = np.zeros(shape, dtype=np.uint8)
    flagged[outside] = 1
    flagged[8, 3] = 1  # a pixel that has values, and none is to be believed
    good = np.array([True, True, True, not is_reflectance, True, True])
    cloud, cirrus = scattered(shape, 31), scattered(shape, 32)
    path = folder / TANAGER_NAME.replace("ortho_sr", kind)
    with h5py.File(path, "w") as file:
        root = file.create_group(f"HDFEOS/{'GRIDS' if is_grid else 'SWATHS'}/HYP")
        root.attrs["strip_id"] = "20250123_185518_92"
        name = "surface_reflectance" if is_reflectance else "toa_radiance"
        data = root.create_dataset(f"Data Fields/{name}", data=values, chunks=(2, 4, 5), compression="gzip")
        data.attrs["wavelengths"], data.attrs["fwhm"], data.attrs["_FillValue"] = wavelength, fwhm, np.float32(-9999)
        data.attrs["Unit"] = "Unitless" if is_reflectance else "W/(m^2 sr um)"
        if is_reflectance:
            data.attrs["good_wavelengths"] = good.astype(np.uint8)
        for key, mask in {"beta_cloud_mask": cloud, "beta_cirrus_mask": cirrus, "nodata_pixels": flagged}.items():
            root[f"Data Fields/{key}"] = mask.astype(np.uint8)
        if is_grid:
            root.attrs["epsg_code"] = np.int32(32613)
            right, bottom = 570_300 + 30 * width, 3_555_450 - 30 * height
            text = _STRUCTURE.format(width=width, height=height, right=right, bottom=bottom)
            file["HDFEOS INFORMATION/StructMetadata.0"] = np.bytes_(text)
        else:
            for key in ("Latitude", "Longitude"):
                root[f"Geolocation Fields/{key}"] = np.full(shape, 32.1)
    return Truth(
        path,
        values,
        wavelength,
        fwhm,
        good,
        np.ones(len(wavelength)) if is_reflectance else None,
        np.zeros(len(wavelength)) if is_reflectance else None,
        -9999,
        flagged == 1,
        32613 if is_grid else None,
        Affine(30.0, 0.0, 570_300.0, 0.0, -30.0, 3_555_450.0) if is_grid else Affine.identity(),
        {"cloud": cloud, "cirrus": cirrus},
    )
