"""The real scenes as the plans of the package expect them, from the folder that holds them as published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from rasterio.merge import merge
from rasterio.windows import from_bounds
from scipy.io import savemat

from scripts.benchmarks.accuracy.plan_runner import need_folders

SCENES = ("salinas-a", "indian-pines-roi", "enmap-potsdam")


def lay_out(data: Path, scenes: Path) -> None:
    """The folder that the plans expect: the scenes as they are, and the EnMAP tiles put together."""
    need_folders(data, SCENES)
    potsdam = scenes / "enmap-potsdam"
    potsdam.mkdir(parents=True, exist_ok=True)
    links = {scenes / name: data / name for name in SCENES if name != potsdam.name}
    links |= {potsdam / path.name: path for path in (data / potsdam.name).iterdir()}
    for link, path in links.items():
        if not link.is_symlink() or link.resolve() != path.resolve():
            link.unlink(missing_ok=True)
            link.symlink_to(path.resolve())
    mosaic_potsdam(data / potsdam.name, potsdam)


def lay_out_indian_pines(data: Path, scenes: Path) -> None:
    """The whole of Indian Pines as its dataset card expects it, from NumPy arrays and the released label map."""
    need_folders(data, ("indian-pines", "ground-truth"))
    out = scenes / "indian-pines"
    out.mkdir(parents=True, exist_ok=True)
    labels, cube = out / "Indian_pines_gt.mat", out / "Indian_pines_corrected.mat"
    if not labels.exists():
        labels.symlink_to((data / "ground-truth" / labels.name).resolve())
    if not cube.is_file():
        values = np.load(data / "indian-pines" / "Indian_pines_corrected.npy")
        unfinished = cube.with_suffix(".unfinished")
        savemat(str(unfinished), {"indian_pines_corrected": values}, appendmat=False)
        unfinished.replace(cube)


def mosaic_potsdam(folder: Path, out: Path) -> tuple[Path, Path]:
    """The tiles as one GeoTIFF with its band tags, and the land-cover raster cut to the same grid."""
    scene, labels = out / "potsdam.tif", out / "potsdam_labels.tif"
    if labels.exists():
        return scene, labels
    tiles = [rasterio.open(path) for path in sorted((folder / "images").glob("*.tif"))]
    values, transform = merge(tiles, nodata=tiles[0].nodata)
    grid = {"height": values.shape[1], "width": values.shape[2], "transform": transform}
    with rasterio.open(scene, "w", **(tiles[0].profile | grid)) as target:
        target.write(values)
        for band in target.indexes:
            target.update_tags(band, **tiles[0].tags(band))
            target.set_band_description(band, tiles[0].descriptions[band - 1])
        bounds = target.bounds
    with rasterio.open(folder / "enmap_landcover_unstyled.tif") as source:
        window = from_bounds(*bounds, transform=source.transform).round_offsets().round_lengths()
        codes, profile = source.read(1, window=window).astype(np.uint8), source.profile
    with rasterio.open(labels, "w", **(profile | grid | {"dtype": "uint8", "nodata": 0})) as target:
        target.write(codes, 1)
    return scene, labels
