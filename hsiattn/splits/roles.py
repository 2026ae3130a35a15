"""The role of every pixel in an experiment, as a raster and a record."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.features import rasterize

from hsiattn.classes import UNLABELLED, ClassTable, LandCoverClass
from hsiattn.errors import GridError, SceneError, SplitError
from hsiattn.files.inputs import refuse_special
from hsiattn.files.kinds import KIND_TAG, FileKind
from hsiattn.files.outputs import check_output, whole_file
from hsiattn.scenes import Grid
from hsiattn.scenes.alignment import Raster, grid_of_raster, has_georeference
from hsiattn.splits.leakage import leakage
from hsiattn.splits.splitters import CLASSES_NAMED, PixelSplitter

ROLES = {"none": 0, "training": 1, "validation": 2, "test": 3, "dropped": 4}
"""Value of each role in a split raster. "none" is not labelled; "dropped" is labelled and unused."""


@dataclass(frozen=True, eq=False)
class Split:
    """Who trains, who validates, who tests.

    Attributes
    ----------
    roles
        (H, W) uint8, values of `ROLES`.
    record
        JSON-ready account: method and parameters, pixels per class and role, leakage and the window it holds for.
    """

    roles: NDArray[np.uint8]
    record: dict[str, Any] = field(default_factory=dict)

    def mask(self, role: str) -> NDArray[np.bool_]:
        """True where a pixel has that role."""
        return np.asarray(self.roles == ROLES[role])


def split_labels(
    codes: NDArray[Any],
    classes: ClassTable,
    splitter: PixelSplitter,
    *,
    window: int,
    usable: NDArray[np.bool_] | None = None,
    validation_share: float = 0.2,
    most_per_class: int | None = None,
    seed: int = 0,
) -> Split:
    """Give every labelled pixel its role.

    Parameters
    ----------
    codes
        (H, W) class codes, 0 = unlabelled.
    classes
        Their table; only its codes take part.
    splitter
        Divides labelled pixels into training and test.
    window
        Side of the network's patch, for the leakage figure.
    usable
        (H, W), False where the scene has no data; such pixels are dropped.
    validation_share
        Share of each class's training pixels set aside for validation (early stopping); none of a class with one pixel.
    most_per_class
        Training pixels of a class beyond this number are dropped.
    seed
        Of the draw of validation pixels.

    Raises
    ------
    SplitError
        A class has fewer pixels than the split needs.
    """
    roles = np.full(codes.shape, ROLES["none"], dtype=np.uint8)
    labelled = np.isin(codes, classes.codes)
    roles[labelled] = ROLES["dropped"]
    if usable is not None:
        labelled &= usable
    _check_every_class_is_there(codes, labelled, classes)

    positions = np.argwhere(labelled)
    members = codes[labelled]
    training, test = next(iter(_splitting_by_name(splitter, positions, members, classes)))
    roles[tuple(positions[test].T)] = ROLES["test"]
    roles[tuple(positions[training].T)] = ROLES["training"]

    rng = np.random.default_rng((seed, 1))
    for code in classes.codes:
        of_class = rng.permutation(training[members[training] == code])
        if most_per_class is not None:
            roles[tuple(positions[of_class[most_per_class:]].T)] = ROLES["dropped"]
            of_class = of_class[:most_per_class]
        aside = min(max(1, round(validation_share * len(of_class))), len(of_class) - 1) if validation_share > 0 else 0
        roles[tuple(positions[of_class[:aside]].T)] = ROLES["validation"]
    return Split(
        roles, _record(codes, roles, classes, window, {**splitter.describe(), "validation_share": validation_share})
    )


def split_of_roles(
    roles: NDArray[Any],
    codes: NDArray[Any],
    classes: ClassTable,
    *,
    window: int,
    usable: NDArray[np.bool_] | None = None,
) -> Split:
    """A split that somebody made elsewhere, checked and with its record; pixels that are not usable are dropped.

    Raises
    ------
    SplitError
        Another shape than the labels, unknown values, or a class without training pixel.
    """
    roles = np.asarray(roles)
    if roles.dtype.kind not in "biuf":
        raise SplitError("the split is neither a splitter nor an array of roles", "give one of hsiattn.splits")
    if roles.shape != codes.shape:
        raise SplitError(
            f"the split is {_size(roles)} pixels, the labels are {_size(codes)}", "give a split on the labels' grid"
        )
    unknown = sorted(set(np.unique(roles).tolist()) - set(ROLES.values()))
    if unknown:
        meaning = ", ".join(f"{value} {name}" for name, value in ROLES.items())
        raise SplitError(f"the split has the values {unknown}", f"use {meaning}")
    own = np.where(np.isin(codes, classes.codes), roles, ROLES["none"]).astype(np.uint8)
    if usable is not None:
        own[(own != ROLES["none"]) & ~usable] = ROLES["dropped"]
    _check_every_class_is_there(codes, own == ROLES["training"], classes)
    return Split(own, _record(codes, own, classes, window, {"method": "given", "in_words": "as the given split says"}))


def leave_classes_out(codes: NDArray[Any], classes: ClassTable, left_out: Iterable[int]) -> NDArray[Any]:
    """Labels (H, W) without the pixels of some classes, which a model then never hears of.

    Parameters
    ----------
    codes
        (H, W) class codes, 0 = unlabelled.
    classes
        Their table.
    left_out
        Codes of the classes to leave out; the model is made with `classes.subset` of the others.

    Raises
    ------
    SplitError
        The table does not know a class that is left out, or no class is left.
    """
    away = sorted({int(code) for code in left_out})
    unknown = [code for code in away if code not in classes.codes]
    if unknown:
        raise SplitError(
            f"class {', '.join(map(str, unknown))} is to be left out, but is not in the class table",
            f"give some of {', '.join(map(str, classes.codes))}",
        )
    if len(away) == len(classes):
        raise SplitError("every class is left out", "leave at least one class to train on")
    return np.where(np.isin(codes, away), UNLABELLED, codes).astype(codes.dtype)


def roles_of_tiles(grid: Raster, tiles: Mapping[str, Iterable[str | Path]]) -> NDArray[np.uint8]:
    """Roles (H, W) of the pixels whose centres lie in tiles, georeferenced rasters that somebody gave roles to.

    Parameters
    ----------
    grid
        Of the labels, or labels or scene themselves.
    tiles
        Paths of the tiles by role, for example `{"training": [...], "test": [...]}`; no role is required. Tiles may
        reach beyond the grid, and may have pixels of another size.

    Returns
    -------
    NDArray
        Values of `ROLES`; "none" outside all tiles.

    Raises
    ------
    SplitError
        Another word than those of `ROLES`, or a pixel in tiles of two roles.
    GridError
        A tile or the grid has no georeference, they differ in CRS, or a tile lies outside the grid.
    SceneError
        A tile cannot be opened.
    """
    own = grid_of_raster(grid)
    roles = np.full((own.height, own.width), ROLES["none"], dtype=np.uint8)
    for role, paths in tiles.items():
        if role not in ROLES:
            raise SplitError(f"there is no role {role!r}", f"give {', '.join(ROLES)}")
        inside = _inside([_footprint(path, own) for path in paths], own)
        other = np.unique(roles[inside & (roles != ROLES["none"])])
        if other.size:
            first = next(name for name, value in ROLES.items() if value == other[0])
            raise SplitError(f"tiles for {first} and for {role} overlap", "give every tile one role")
        roles[inside] = ROLES[role]
    return roles


def write_split(
    path: str | Path, roles: NDArray[np.uint8], *, crs: CRS | None, transform: Affine, overwrite: bool = False
) -> None:
    """Write roles as a GeoTIFF with palette, values as in `ROLES`.

    Raises
    ------
    OutputError
        The file exists and `overwrite` is False, or it cannot be written.
    """
    check_output(path, FileKind.SPLIT, overwrite=overwrite)
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "height": roles.shape[0], "width": roles.shape[1]}
    with warnings.catch_warnings(), whole_file(path, RasterioError) as temporary:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            temporary, "w", **profile, crs=crs, transform=transform, compress="deflate", nodata=0
        ) as file:
            file.write(roles, 1)
            file.write_colormap(1, _ROLE_COLORS)
            file.update_tags(**{KIND_TAG: FileKind.SPLIT.value})
            file.set_band_description(1, "role: " + ", ".join(f"{v} {n}" for n, v in ROLES.items()))


_ROLE_COLORS = {
    0: (0, 0, 0, 0),
    1: (27, 120, 55, 255),
    2: (166, 219, 160, 255),
    3: (118, 42, 131, 255),
    4: (200, 200, 200, 255),
}


def _footprint(path: str | Path, grid: Grid) -> NDArray[np.float64]:
    """Corners (4, 2) of a tile as column and row of the grid."""
    refuse_special(path, SceneError)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as tile:
                place = Grid(tile.height, tile.width, tile.crs, tile.transform)
    except (OSError, RasterioError) as error:
        raise SceneError(f"the tile {path} is missing or not a raster", "check the path") from error
    if not (has_georeference(place) and has_georeference(grid)):
        which = f"the tile {path}" if has_georeference(grid) else "the raster that tiles are placed in"
        raise GridError(f"{which} has no georeference", "give rasters with a transform")
    if place.crs is not None and grid.crs is not None and place.crs != grid.crs:
        raise GridError(f"the tile {path} is in another CRS than the raster it is placed in", "reproject the tile")
    to_grid = ~grid.transform @ place.transform
    ends = [(0, 0), (place.width, 0), (place.width, place.height), (0, place.height)]
    corners = np.array([to_grid @ end for end in ends], dtype=np.float64)
    if (corners.max(axis=0) <= 0).any() or (corners.min(axis=0) >= (grid.width, grid.height)).any():
        raise GridError(f"the tile {path} lies outside the raster it is placed in", "give the tiles of this scene")
    return corners


def _inside(footprints: list[NDArray[np.float64]], grid: Grid) -> NDArray[np.bool_]:
    """True where a pixel's centre lies in one of the footprints."""
    if not footprints:
        return np.zeros((grid.height, grid.width), dtype=bool)
    shapes = [{"type": "Polygon", "coordinates": [[*corners.tolist(), corners[0].tolist()]]} for corners in footprints]
    burnt = rasterize(shapes, (grid.height, grid.width), transform=Affine.identity(), dtype="uint8")
    return np.asarray(burnt, dtype=bool)


def _check_every_class_is_there(codes: NDArray[Any], usable: NDArray[np.bool_], classes: ClassTable) -> None:
    missing = [c for c in classes if not np.any(usable & (codes == c.code))]
    if missing:
        raise SplitError(
            f"{_named(missing)} has no labelled pixel with data to train on",
            "label it inside the scene, or take it out of the class table",
        )


def _splitting_by_name(
    splitter: PixelSplitter, positions: NDArray[Any], members: NDArray[Any], classes: ClassTable
) -> Any:
    """The splitter's draws, with class names instead of codes in its complaints."""
    try:
        yield from splitter.split(positions, members)
    except SplitError as error:
        problem = CLASSES_NAMED.sub(lambda found: _named(classes.subset(map(int, found[1].split(", ")))), error.problem)
        raise SplitError(problem, error.remedy) from error


def _named(classes: Iterable[LandCoverClass]) -> str:
    """Classes in a complaint: "class maize (code 1), oats (code 11)", the code alone where there is no other name."""
    return "class " + ", ".join(
        str(c.code) if c.name == f"class {c.code}" else f"{c.name} (code {c.code})" for c in classes
    )


def _record(
    codes: NDArray[Any], roles: NDArray[np.uint8], classes: ClassTable, window: int, parameters: dict[str, Any]
) -> dict[str, Any]:
    fitted = np.isin(roles, (ROLES["training"], ROLES["validation"]))
    test = roles == ROLES["test"]
    counted = [role for role in ROLES if role != "none"]
    per_class = {
        c.name: {role: int(np.sum((codes == c.code) & (roles == ROLES[role]))) for role in counted} for c in classes
    }
    return {
        **parameters,
        "window": window,
        "leakage": leakage(fitted, test, window) if test.any() else None,
        "pixels": {role: int(np.sum(roles == ROLES[role])) for role in counted},
        "per_class": per_class,
    }


def _size(raster: NDArray[Any]) -> str:
    return " × ".join(str(n) for n in raster.shape)
