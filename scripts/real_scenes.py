"""The real scenes that the evaluations share, as the README of their folder describes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.merge import merge
from rasterio.windows import from_bounds

CLASSES = {
    "salinas-a": """code,name,attributes
1,Brocoli_green_weeds_1,crop;vegetation
10,Corn_senesced_green_weeds,crop;senesced
11,Lettuce_romaine_4wk,crop;soil
12,Lettuce_romaine_5wk,crop;vegetation;lettuce
13,Lettuce_romaine_6wk,crop;vegetation;lettuce
14,Lettuce_romaine_7wk,crop;vegetation;lettuce
""",
    "indian-pines-crop": """code,name,attributes
2,Corn-notill,crop;residue;corn
6,Grass-trees,vegetation;grass
10,Soybean-notill,crop;residue;soybean
11,Soybean-mintill,crop;soybean
""",
    "enmap-potsdam": """code,name,attributes
1,roof,impervious;building
2,pavement,impervious
3,low vegetation,vegetation
4,tree,vegetation;tree
5,soil,soil
6,water,water
""",
}
"""Class tables with attributes; codes and names as the producers give them."""


@dataclass(frozen=True)
class Scene:
    """A scene with its labels and class table; the keys are those of MATLAB variables."""

    name: str
    cube: Path
    labels: Path
    classes: Path
    key: str | None = None
    label_key: str | None = None

    @property
    def options(self) -> tuple[str, ...]:
        """What the command line needs to read the cube."""
        return () if self.key is None else ("--key", self.key)

    @property
    def label_options(self) -> tuple[str, ...]:
        """What the command line needs to read the labels."""
        return ("--classes", str(self.classes), *(() if self.label_key is None else ("--label-key", self.label_key)))


def real_scenes(data: Path, out: Path) -> list[Scene]:
    """The three scenes; the EnMAP tiles are put together first, in OUT."""
    tables = {name: out / f"{name}_classes.csv" for name in CLASSES}
    for name, path in tables.items():
        if not path.exists():
            path.write_text(CLASSES[name], encoding="utf-8")
    mosaic, labels = mosaic_potsdam(data / "enmap-potsdam", out)
    salinas, pines = data / "salinas-a", data / "indian-pines-roi" / "Indian_subset.mat"
    return [
        Scene("salinas-a", salinas / "SalinasA_corrected.mat", salinas / "SalinasA_gt.mat", tables["salinas-a"]),
        Scene("indian-pines-crop", pines, pines, tables["indian-pines-crop"], "Indian_subset", "gt"),
        Scene("enmap-potsdam", mosaic, labels, tables["enmap-potsdam"]),
    ]


def mosaic_potsdam(folder: Path, out: Path) -> tuple[Path, Path]:
    """The tiles as one GeoTIFF with its band tags, and the land-cover raster cut to the same grid."""
    scene, labels = out / "potsdam.tif", out / "potsdam_labels.tif"
    if labels.exists():
        return scene, labels
    tiles = [rasterio.open(path) for path in sorted((folder / "images").glob("*.tif"))]
    values, transform = merge(tiles, nodata=tiles[0].nodata)
    profile = tiles[0].profile | {"height": values.shape[1], "width": values.shape[2], "transform": transform}
    with rasterio.open(scene, "w", **profile) as target:
        target.write(values)
        for band in target.indexes:
            target.update_tags(band, **tiles[0].tags(band))
            target.set_band_description(band, tiles[0].descriptions[band - 1])
        bounds = target.bounds
    with rasterio.open(folder / "enmap_landcover_unstyled.tif") as source:
        window = from_bounds(*bounds, transform=source.transform).round_offsets().round_lengths()
        codes = source.read(1, window=window).astype(np.uint8)
        profile = source.profile | {"height": codes.shape[0], "width": codes.shape[1], "transform": transform}
    with rasterio.open(labels, "w", **(profile | {"dtype": "uint8", "nodata": 0})) as target:
        target.write(codes, 1)
    return scene, labels
