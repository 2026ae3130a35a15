"""AVIRIS-NG in ENVI format: a flight line on a grid that is turned with it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from affine import Affine

from scripts.benchmarks.products.truth import Truth, distinct

AVIRIS_NAME = "ang20220224t210144_rfl_v2aa1_img"
ROTATION = -50.0


def aviris(
    folder: Path,
    shape: tuple[int, int] = (9, 11),
    name: str = AVIRIS_NAME,
    ignored: str = "",
    description: str = "AVIRIS-NG surface reflectance",
) -> Truth:
    """Write a flight line with 6 of 425 bands, two of them bad.

    Parameters
    ----------
    name
        Of the data file.
    ignored
        The field of the value to ignore; many headers have none.
    description
        Another one of the header's.
    """
    wavelength = np.array([377.1, 552.4, 852.9, 1393.8, 1649.2, 2500.4])
    fwhm = np.linspace(5.5, 6.0, len(wavelength))
    values = distinct((len(wavelength), *shape), "float32") / np.float32(4096)
    outside = np.tri(*shape, k=-3, dtype=bool)
    values[:, outside] = -9999
    values.transpose(1, 0, 2).tofile(folder / name)  # lines, bands, samples
    good = np.array([True, True, True, False, True, False])
    fields = {
        "description": f"{{ {description} }}", "samples": shape[1], "lines": shape[0], "bands": len(wavelength),
        "header offset": 0, "file type": "ENVI Standard", "data type": 4, "interleave": "bil", "byte order": 0,
        "map info": f"{{ UTM, 1, 1, 600000, 4200000, 5.1, 5.1, 11, North, WGS-84, rotation={ROTATION} }}",
        "wavelength units": "Nanometers",
        "wavelength": f"{{ {', '.join(map(str, wavelength))} }}",
        "fwhm": f"{{ {', '.join(map(str, fwhm))} }}",
        "bbl": f"{{ {', '.join('1' if is_good else '0' for is_good in good)} }}",
    }  # fmt: skip
    text = "".join(f"{key} = {value}\n" for key, value in fields.items())
    header = folder / f"{name}.hdr"
    header.write_text(f"ENVI\n{text}{ignored}")
    along, across = math.cos(math.radians(ROTATION)) * 5.1, math.sin(math.radians(ROTATION)) * 5.1
    return Truth(
        header,
        values,
        wavelength,
        fwhm,
        good,
        np.ones(len(wavelength)),
        np.zeros(len(wavelength)),
        -9999,
        outside,
        32611,
        Affine(along, across, 600_000.0, across, -along, 4_200_000.0),
    )
