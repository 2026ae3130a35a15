"""Print, for every product, what its files say and what the package reads of them.

    .venv/bin/python -m scripts.benchmarks.products [--data ../shared/data]

What the files say comes from those who wrote them: for the generated products from the arrays that went into them, for
the real scenes from rasterio, and from spectral where there is an ENVI header. A
cell that differs is marked with ✗; the exit status is 1 then.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import rasterio
import spectral

from hsiattn.scenes import open_source
from hsiattn.scenes.quality import LEFT_OUT
from hsiattn.scenes.source import SceneSource
from scripts.benchmarks.products import cubes, flight_lines, images, netcdf
from scripts.benchmarks.products.truth import Truth

PRODUCTS: Mapping[str, Callable[[Path], Truth]] = {
    "EnMAP L2A": images.enmap,
    "DESIS L2A": images.desis,
    "PRISMA L2D": cubes.prisma,
    "NEON reflectance": cubes.neon,
    "Tanager ortho_sr": cubes.tanager,
    "AVIRIS-NG rfl": flight_lines.aviris,
    "EMIT L2A": netcdf.emit,
    "AVIRIS-3 L2A": netcdf.aviris3,
    "PACE OCI L2 SFREFL": netcdf.pace_l2,
    "PACE OCI L3M SFREFL": netcdf.pace_l3,
}
REAL = {
    "EnMAP tile": "enmap-potsdam/images/enmap_potsdam_tile_128_96.tif",
    "HySpex": "hyspex-bavaria/Bavaria_farmland_LMU_Hyspex_subset.bsq",
    "AVIRIS, rotated": "aviris-rotated/AV_mastercal_testdata.bsq",
    "NEON, no CRS": "neon/example_OSBS_406223_3287092.tif",
}
COLUMNS = ("values", "bands", "wavelength", "FWHM", "bad", "reflectance", "nodata", "CRS", "transform", "left out")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the real scenes")
    options = parser.parse_args()
    print("| product | | " + " | ".join(COLUMNS) + " |")
    print("|---|---|" + "---|" * len(COLUMNS))
    wrong = 0
    for name, write in PRODUCTS.items():
        with tempfile.TemporaryDirectory() as folder:
            truth = write(Path(folder))
            wrong += _print_rows(name, _said(truth), _read(open_source(truth.path)))
    for name, path in REAL.items():
        if (options.data / path).exists():
            source = open_source(options.data / path)
            wrong += _print_rows(name, _said_by_rasterio(options.data / path), _read(source))
    raise SystemExit(wrong > 0)


def _print_rows(name: str, said: dict[str, str], found: dict[str, str]) -> int:
    """Two rows, and how many cells of the second differ from the first; an empty cell says nothing."""
    different = {key for key, text in said.items() if text and text != found[key]}
    print(f"| {name} | says | " + " | ".join(said.get(key, "") or "–" for key in COLUMNS) + " |")
    print("| | read | " + " | ".join(found[key] + " ✗" * (key in different) for key in COLUMNS) + " |")
    return len(different)


def _said(truth: Truth) -> dict[str, str]:
    count, height, width = truth.values.shape
    left_out = truth.outside.copy()
    for name, mask in truth.layers.items():
        left_out |= mask & (name in LEFT_OUT)
    return {
        "values": f"{truth.values.dtype} {count}×{height}×{width}, Σ {truth.values.sum(dtype=np.float64):.6g}",
        "bands": str(count),
        "wavelength": _span(truth.wavelength),
        "FWHM": _span(truth.fwhm),
        "bad": _numbers(~truth.good),
        "reflectance": _scale(truth.gain, truth.offset),
        "nodata": "none" if truth.nodata is None else f"{truth.nodata:g}",
        "CRS": "none" if truth.crs is None else f"EPSG:{truth.crs}",
        "transform": _numbers_of(truth.transform),
        "left out": f"{np.count_nonzero(left_out)} of {left_out.size}",
    }


def _read(source: SceneSource) -> dict[str, str]:
    values = source.read(source.extent)
    good = np.flatnonzero(source.bands.good)
    there = source.complete(values[good], source.masked(source.extent), good.tolist())
    gain, offset = (source.radiometry.gain, source.radiometry.offset) if source.radiometry.stated else (None, None)
    nodata = "none" if source.nodata is None else f"{source.nodata:g}"
    count, height, width = values.shape
    return {
        "values": f"{values.dtype} {count}×{height}×{width}, Σ {values.sum(dtype=np.float64):.6g}",
        "bands": str(len(source.bands)),
        "wavelength": _span(source.bands.wavelength),
        "FWHM": _span(source.bands.fwhm),
        "bad": _numbers(~source.bands.good),
        "reflectance": _scale(gain, offset),
        "nodata": nodata if source.nodata_by_band is None else "by band",
        "CRS": source.crs.to_string() if source.crs else "none",
        "transform": _numbers_of(source.transform),
        "left out": f"{np.count_nonzero(~there)} of {there.size}",
    }


def _said_by_rasterio(path: Path) -> dict[str, str]:
    with rasterio.open(path) as file:
        values = file.read()
        tags = [file.tags(band) for band in file.indexes]
        wavelength = [float(tag["wavelength"]) for tag in tags if "wavelength" in tag]
        bad = [tag.get("bbl") == "0" for tag in tags]
        if path.with_suffix(".hdr").exists():
            centres = spectral.open_image(str(path.with_suffix(".hdr"))).bands.centers
            wavelength = [centre * (1000 if max(centres) < 100 else 1) for centre in centres]
        count, height, width = values.shape
        return {
            "values": f"{values.dtype} {count}×{height}×{width}, Σ {values.sum(dtype=np.float64):.6g}",
            "bands": str(file.count),
            "wavelength": _span(np.array(wavelength)) if wavelength else "unknown",
            "bad": _numbers(np.array(bad)) if any("bbl" in tag for tag in tags) else "",
            "nodata": "none" if file.nodata is None else f"{file.nodata:g}",
            "CRS": file.crs.to_string() if file.crs else "none",
            "transform": _numbers_of(file.transform),
        }


def _span(figures: np.ndarray[tuple[int], np.dtype[np.float64]]) -> str:
    known = figures[np.isfinite(figures)]
    return f"{known.min():.4g} … {known.max():.4g} nm" if known.size else "unknown"


def _numbers(flags: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> str:
    return ", ".join(str(index + 1) for index in np.flatnonzero(flags)) or "none"


def _scale(gain: object, offset: object) -> str:
    if gain is None:
        return "not stated"
    gains, offsets = np.asarray(gain, dtype=np.float64), np.asarray(offset, dtype=np.float64)
    ends = [f"{figure:.4g}" for figure in dict.fromkeys((gains.min(), gains.max()))]
    text = f"× {' … '.join(ends)}"
    return f"{text} + {offsets.min():.3g} … {offsets.max():.3g}" if offsets.any() else text


def _numbers_of(transform: rasterio.Affine) -> str:
    return " ".join(f"{number:.7g}" for number in transform.to_gdal())


if __name__ == "__main__":
    main()
