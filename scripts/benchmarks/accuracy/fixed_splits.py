"""Splits that others made of the real scenes, as rasters of roles for the protocol `file` of a plan.

SPLITS is a folder with `<scene>_labels.npy`, the label map with classes numbered from 1, and for every protocol and
seed `<scene>_<protocol>_<seed>.npz` with the masks `train` and `test`. Seeds that the folder lacks are drawn here in
the same way from the same classes; nobody else's figures are known of them. The polygons that an analyst drew on the
mosaic of Potsdam come from the folder of that scene.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS

from hsiattn.errors import HsiattnError
from hsiattn.experiments.plan import load_plan
from hsiattn.experiments.scenes import open_entry
from hsiattn.splits import ROLES, DrawnPolygons, PixelSplitter, SpatialBlocks, write_split

FOLDERS = {
    "salinas-a": "salinas-a",
    "indian-pines": "indian-pines",
    "indian-pines-crop": "indian-pines-roi",
    "enmap-potsdam": "enmap-potsdam",
}
"""Names of the scenes in the plan, and in the folder of splits."""

PROTOCOLS = ("random10", "random5pct", "blocks", "polygons")

LAND_COVER = {"roof": 1, "pavement": 2, "low vegetation": 3, "tree": 4, "soil": 5, "water": 6}
"""Codes of the label map of Potsdam; the polygons number the same classes in another order."""


def lay_out_splits(splits: Path, scenes: Path, seeds: int) -> None:
    """Write `splits/<scene>_<protocol>_<seed>.tif` beside the scenes, which are laid out already.

    Parameters
    ----------
    splits
        Folder of the splits.
    scenes
        Folder of the scenes, as the plans of the package expect it.
    seeds
        Number of seeds; those that the folder of splits lacks are drawn.
    """
    out = scenes / "splits"
    out.mkdir(exist_ok=True)
    for entry in load_plan("fixed-splits").scenes:
        name = FOLDERS[entry.name]
        labels = np.load(splits / f"{name}_labels.npy").astype(np.int64)
        scene = open_entry(entry, scenes)
        if not np.array_equal(labels, numbered(scene.codes)):
            sys.exit(f"{splits / name}_labels.npy is not the label map of the scene {entry.name}")
        place = scene.source.crs, scene.source.grid.transform
        for protocol in PROTOCOLS:
            given = [read_masks(path) for path in files_of(splits, name, protocol)]
            for seed, roles in enumerate(roles_of_seeds(labels, protocol, given, seeds)):
                write_roles(out / f"{entry.name}_{protocol}_{seed}.tif", roles, *place)
        if entry.name == "enmap-potsdam":
            write_roles(out / "enmap-potsdam_60-polygons.tif", roles_of_polygons(scenes / name, scene.codes), *place)


def numbered(codes: NDArray[Any]) -> NDArray[np.int64]:
    """Classes of a label map (H, W) numbered from 1 in the order of their codes; 0 stays."""
    present = np.unique(codes[codes > 0])
    return np.where(codes > 0, np.searchsorted(present, codes) + 1, 0)


def files_of(splits: Path, scene: str, protocol: str) -> Iterator[Path]:
    """The files of one protocol, seed after seed."""
    seed = 0
    while (path := splits / f"{scene}_{protocol}_{seed}.npz").is_file():
        yield path
        seed += 1


def read_masks(path: Path) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The masks (H, W) of training and test pixels."""
    with np.load(path) as masks:
        return masks["train"], masks["test"]


def roles_of_seeds(
    labels: NDArray[Any], protocol: str, given: list[tuple[NDArray[np.bool_], NDArray[np.bool_]]], seeds: int
) -> Iterator[NDArray[np.uint8]]:
    """Roles (H, W) of every seed: the given splits, then further ones; none where no split is given."""
    if not given:
        return
    for training, test in given[:seeds]:
        yield roles_of(labels, training, test)
    numbers = np.bincount(labels[given[0][0]], minlength=labels.max() + 1)
    for seed in range(len(given), seeds):
        yield roles_of(labels, *draw(labels, protocol, numbers, seed))


def roles_of(labels: NDArray[Any], training: NDArray[np.bool_], test: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Roles (H, W) of labelled pixels; those that neither train nor test are dropped."""
    roles = np.where(labels > 0, ROLES["dropped"], ROLES["none"])
    roles[training], roles[test] = ROLES["training"], ROLES["test"]
    return roles.astype(np.uint8)


def draw(
    labels: NDArray[Any], protocol: str, numbers: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Masks of training and test pixels by a protocol.

    Parameters
    ----------
    labels
        (H, W), classes numbered from 1.
    protocol
        One of `PROTOCOLS`.
    numbers
        Training pixels of every class in a given split, from 0 on; classes with none take no part.
    seed
        Seed.
    """
    splitters: dict[str, PixelSplitter] = {
        "blocks": SpatialBlocks(train_size=30, buffer=4, random_state=seed),
        "polygons": DrawnPolygons(draw="squares", random_state=seed),
    }
    positions = np.argwhere(np.isin(labels, np.flatnonzero(numbers)) & (labels > 0))
    members = labels[tuple(positions.T)]
    if protocol in splitters:
        training, test = next(splitters[protocol].split(positions, members))
    else:
        rng = np.random.default_rng(seed)
        classes = np.unique(members)
        drawn = [rng.permutation(np.flatnonzero(members == number))[: numbers[number]] for number in classes]
        training = np.concatenate(drawn)
        test = np.setdiff1d(np.arange(len(members)), training)
    masks = np.zeros((2, *labels.shape), dtype=bool)
    for mask, chosen in zip(masks, (training, test), strict=True):
        mask[tuple(positions[chosen].T)] = True
    return masks[0], masks[1]


def roles_of_polygons(folder: Path, codes: NDArray[Any]) -> NDArray[np.uint8]:
    """Roles (H, W) where an analyst's polygons train and all other labelled pixels are tested.

    Classes are brought together by their names; a pixel of a polygon that the label map (H, W) has as another class is
    dropped.
    """
    with rasterio.open(folder / "training_labels.tif") as raster:
        polygons = raster.read(1)
    with (folder / "training_legend.csv").open(newline="", encoding="utf-8") as file:
        code_of = {int(row["code"]): LAND_COVER[row["name"]] for row in csv.DictReader(file)}
    drawn = np.zeros(codes.shape, dtype=codes.dtype)
    for number, code in code_of.items():
        drawn[polygons == number] = code
    return roles_of(codes, (drawn == codes) & (drawn > 0), (drawn == 0) & (codes > 0))


def write_roles(path: Path, roles: NDArray[np.uint8], crs: CRS | None, transform: Affine) -> None:
    """Write roles, unless the file is there."""
    if path.is_file():
        return
    try:
        write_split(path, roles, crs=crs, transform=transform)
    except HsiattnError as error:
        sys.exit(str(error))
