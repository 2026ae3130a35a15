"""GeoPackages of places to label, whose column `class` is empty until a person fills it in."""

from __future__ import annotations

import shlex
import warnings
from pathlib import Path

import numpy as np
import shapely
from pyogrio.raw import write

from hsiattn.errors import OutputError
from hsiattn.files.kinds import PLACES_COLUMNS, PLACES_LAYER, PLACES_TITLE, FileKind
from hsiattn.files.outputs import Inputs, Output, check_outputs, whole_file
from hsiattn.files.paths import StrPath
from hsiattn.mapping.guide import SIDE, Places
from hsiattn.mapping.polygon_files import FAILURES, missing_place, on_ground
from hsiattn.scenes.grid import Grid
from hsiattn.version import __version__


def output_of(path: StrPath) -> Output:
    """The file that is written.

    Raises
    ------
    OutputError
        It is not called `.gpkg`.
    """
    if Path(path).suffix.lower() != ".gpkg":
        raise OutputError(f"places to label are a GeoPackage, and {path} is not named so", f"call it {_named(path)}")
    return Output(path, FileKind.PLACES)


def write_places(
    path: StrPath,
    places: Places,
    grid: Grid,
    *,
    wanted: int,
    overwrite: bool = False,
    inputs: Inputs | None = None,
) -> list[str]:
    """Write places as squares on the grid of a scene, whole or not at all; notices for the user.

    Columns are `place`, 1 … N, the most useful first; `class`, a text that is NULL; `suggestion`, the name of the
    likeliest class or "unclassified"; and `confidence`. Without any place there is no file.

    Parameters
    ----------
    path
        GeoPackage (.gpkg).
    grid
        Grid of the scene.
    wanted
        How many places were asked for.
    inputs
        What else is read, by what it is; never replaced.

    Raises
    ------
    OutputError
        The file exists already, has another suffix, or cannot be written. One in which somebody has filled in a class
        is never replaced.
    """
    check_outputs([output_of(path)], overwrite=overwrite, inputs=inputs)
    count, square = len(places.positions), f"{SIDE} × {SIDE} pixels"
    if not count:
        return [f"there is no place to label: no square of {square} in the sample of the scene gets a class"]
    (rows, columns), reach = places.positions.T, SIDE // 2
    shapes = shapely.box(columns - reach, rows - reach, columns + reach + 1, rows + reach + 1)
    empty = np.full(count, None, dtype=object)
    with whole_file(path, *FAILURES) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="'crs' was not provided")
        write(
            temporary, on_ground(shapes, grid),
            [np.arange(1, count + 1, dtype=np.int32), empty, np.asarray(places.suggestions, dtype=object),
             places.confidence.astype(np.float64)],
            list(PLACES_COLUMNS), layer=PLACES_LAYER, driver="GPKG", geometry_type="Polygon",
            crs=None if grid.crs is None else grid.crs.to_wkt(), DESCRIPTION=f"{PLACES_TITLE}{__version__}",
            GEOMETRY_NAME="geom",
        )  # fmt: skip
    notes = [
        f"{count} places to label: {path}; fill in the column class, then hsiattn train SCENE --labels "
        f"{shlex.quote(str(path))} --column class"
    ]
    if count < wanted:
        notes.append(f"they are fewer than {wanted}: the sample of the scene holds no more squares of {square} apart")
    return notes if grid.crs is not None else [*notes, missing_place(grid, ("the places", "the scene"))]


def _named(path: StrPath) -> str:
    return f"{Path(path).stem}.gpkg"
