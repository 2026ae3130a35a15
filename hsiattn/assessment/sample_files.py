"""Reference samples in GeoPackages: what somebody looks at and fills in, and what the estimates need to know.

===============  =====================================================================================================
Layer or table   What is in it
===============  =====================================================================================================
`sample`         The centres of the drawn pixels in random order: `id`, and `class` and `comment` to be filled in. What
                 the map says of them is not shown, so that nobody is led by it.
`footprints`     The pixels themselves as squares, to see how much of the ground is judged.
`strata`         The classes that were sampled: `code`, `name`, `color`, `pixels` in the map, `hectares`, `drawn`.
`drawn_pixels`   `id`, `row`, `column` and `stratum` of every drawn pixel.
`design`         How the sample was drawn: map with grid and fingerprint, allocation, seed, program.
`layer_styles`   Form of QGIS, which offers the names of the classes.
===============  =====================================================================================================
"""

from __future__ import annotations

import json
import os
import sqlite3
import warnings
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS

from hsiattn.assessment.records import StratumRecord
from hsiattn.classes import ClassTable
from hsiattn.errors import LabelError, OutputError
from hsiattn.files.kinds import FileKind, kind_of
from hsiattn.files.outputs import check_output, whole_file
from hsiattn.files.text import printable
from hsiattn.scenes.grid import Grid
from hsiattn.version import __version__

if TYPE_CHECKING:
    from hsiattn.assessment.drawing import DrawnSample

SUFFIX = ".gpkg"
_STYLES = (
    "CREATE TABLE layer_styles (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256), "
    "f_table_schema TEXT(256), f_table_name TEXT(256), f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, "
    "styleSLD TEXT, useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30), "
    "update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')))"
)
_JOURNALS = ("-wal", "-journal")
"""What a program that has a GeoPackage open keeps beside it."""


# -- writing -----------------------------------------------------------------------------------------------------------


def write_sample(
    sample: DrawnSample, path: str | os.PathLike[str], *, overwrite: bool = False, footprints: bool = True
) -> None:
    """Write a drawn sample for photo-interpretation.

    Parameters
    ----------
    path
        GeoPackage, ending in `.gpkg`.
    overwrite
        Whether an earlier sample may be replaced; one that somebody has begun to fill in never is.
    footprints
        Whether the squares of the pixels are written too.

    Raises
    ------
    OutputError
        It exists and may not be replaced, is open in another program, has another ending, or cannot be written.
    """
    check_sample_output(path, overwrite=overwrite, inputs={"map": sample.map_name})
    with whole_file(path, RuntimeError, sqlite3.Error) as temporary:
        _write_layers(sample, temporary, footprints)
        with closing(sqlite3.connect(temporary)) as database, database:
            _write_form(database, sample.classes)


def check_sample_output(
    path: str | os.PathLike[str], *, overwrite: bool, inputs: Mapping[str, str | os.PathLike[str] | None] | None = None
) -> None:
    """Refuse an output that may not be written in the end, see `write_sample`."""
    if Path(path).suffix.lower() != SUFFIX:
        raise OutputError(f"{path} does not end in {SUFFIX}", "give the sample the name of a GeoPackage")
    check_output(path, FileKind.SAMPLE, overwrite=overwrite, inputs=inputs)
    if not os.path.lexists(path):
        return
    if any(os.path.exists(f"{os.fspath(path)}{ending}") for ending in _JOURNALS):
        raise OutputError(f"{path} is open in another program", "close it there first, or choose another name")
    filled = _filled(Path(path))
    if filled:
        raise OutputError(
            f"{path} holds the classes of {filled} pixels that somebody has filled in",
            "choose another name, or move it away",
        )


def _filled(path: Path) -> int:
    with _database(path) as database:
        (number,) = database.execute("SELECT count(*) FROM sample WHERE trim(class) <> ''").fetchone()
    return int(number)


def _write_layers(sample: DrawnSample, path: Path, footprints: bool) -> None:
    import shapely

    ids = np.arange(1, len(sample) + 1, dtype=np.int32)
    empty = np.full(len(ids), None, dtype=object)
    points = shapely.to_wkb(shapely.points(sample.coordinates()))
    _write_layer(path, "sample", sample, {"id": ids, "class": empty, "comment": empty}, points, "Point")
    if footprints:
        corners = [sample.coordinates(column, row) for column, row in ((0, 0), (1, 0), (1, 1), (0, 1))]
        squares = shapely.to_wkb(shapely.polygons(np.stack(corners, axis=1)))
        _write_layer(path, "footprints", sample, {"id": ids}, squares, "Polygon")
    table = {
        "id": ids,
        "row": sample.rows.astype(np.int32),
        "column": sample.columns.astype(np.int32),
        "stratum": sample.codes.astype(np.int32),
    }
    _write_layer(path, "drawn_pixels", sample, table)
    codes = list(sample.classes.codes)
    hectares = sample.totals.hectares_of(codes)
    strata = {
        "code": np.array(codes, np.int32),
        "name": np.array(sample.classes.names, dtype=object),
        "color": np.array([row["color"] for row in sample.classes.to_records()], dtype=object),
        "pixels": sample.totals.of(codes),
        "hectares": np.full(len(codes), np.nan) if hectares is None else hectares,
        "drawn": sample.drawn,
    }
    _write_layer(path, "strata", sample, strata)
    design = {key: json.dumps(value, ensure_ascii=False) for key, value in _design(sample).items()}
    texts = (np.array(list(part), dtype=object) for part in (design.keys(), design.values()))
    _write_layer(path, "design", sample, dict(zip(("key", "value"), texts, strict=True)))


def _design(sample: DrawnSample) -> dict[str, Any]:
    grid, t = sample.grid, sample.grid.transform
    return {
        "hsiattn": FileKind.SAMPLE.value,
        "version": __version__,
        "map": sample.map_name,
        "fingerprint": sample.totals.fingerprint,
        "unclassified": sample.totals.unclassified,
        "areas": sample.totals.how,
        "method": "stratified random sample of pixels, the strata are the classes of the map",
        "allocation": sample.allocation,
        "seed": sample.random_state,
        "distance": sample.distance,
        "height": grid.height,
        "width": grid.width,
        "transform": [t.a, t.b, t.c, t.d, t.e, t.f],
        "crs": None if grid.crs is None else grid.crs.to_wkt(),
    }


def _write_layer(
    path: Path,
    name: str,
    sample: DrawnSample,
    columns: Mapping[str, NDArray[Any]],
    shapes: NDArray[Any] | None = None,
    kind: str | None = None,
) -> None:
    from pyogrio import raw

    crs = None if shapes is None or sample.grid.crs is None else sample.grid.crs.to_wkt()
    options: dict[str, Any] = {"driver": "GPKG", "geometry_type": kind, "crs": crs, "append": path.exists()}
    if shapes is not None:
        options["SPATIAL_INDEX"] = (
            "NO"  # a few hundred shapes need none, and tables without can be changed by any program
        )
        if crs is None:
            options["SRID"] = -1  # a plane of columns and rows
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'crs' was not provided")  # the map has none either
        raw.write(path, shapes, list(columns.values()), list(columns), layer=name, **options)


def _write_form(database: sqlite3.Connection, classes: ClassTable) -> None:
    """A form of QGIS in which the class is chosen from a list."""
    database.execute(_STYLES)
    database.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES (?, 'attributes', ?)",
        ("layer_styles", "layer_styles"),
    )
    database.execute(
        "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, "
        "styleQML, styleSLD, useAsDefault, description, owner) VALUES ('', '', 'sample', 'geom', 'sample', ?, '', 1, "
        "'Classes to choose from', '')",
        (_form(classes),),
    )


def _form(classes: ClassTable) -> str:
    root = ET.Element("qgis", version="3.28.0", styleCategories="Symbology|Fields|Forms")
    fields = ET.SubElement(root, "fieldConfiguration")
    field = ET.SubElement(fields, "field", name="class", configurationFlags="None")
    config = ET.SubElement(ET.SubElement(field, "editWidget", type="ValueMap"), "config")
    listed = ET.SubElement(ET.SubElement(config, "Option", type="Map"), "Option", type="List", name="map")
    for name in classes.names:
        entry = ET.SubElement(listed, "Option", type="Map")
        ET.SubElement(entry, "Option", name=name, type="QString", value=name)
    renderer = ET.SubElement(root, "renderer-v2", type="singleSymbol", symbollevels="0", enableorderby="0")
    symbol = ET.SubElement(ET.SubElement(renderer, "symbols"), "symbol", type="marker", name="0", alpha="1")
    layer = ET.SubElement(symbol, "layer", {"class": "SimpleMarker", "enabled": "1", "locked": "0", "pass": "0"})
    options = ET.SubElement(layer, "Option", type="Map")
    for name, value in (
        ("name", "cross2"),
        ("color", "230,57,57,255"),
        ("outline_color", "230,57,57,255"),
        ("size", "3"),
    ):
        ET.SubElement(options, "Option", name=name, type="QString", value=value)
    return f"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n{ET.tostring(root, encoding='unicode')}"


# -- reading -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ReferenceSample:
    """A sample that was drawn, as far as somebody has filled it in.

    Attributes
    ----------
    name
        Path.
    grid, map_name, fingerprint
        Map that was sampled.
    design
        How it was drawn, in words.
    areas
        How areas were reckoned where that is no matter of course, in words.
    strata
        Sampled classes, of which `sampled` pixels were drawn.
    rows, columns
        (N,) drawn pixels.
    stratum
        (N,) place of their stratum in `strata`.
    values
        (N,) what was filled in as class, None where nothing was.
    notes
        Sentences on rows that were added, moved or removed.
    """

    name: str
    grid: Grid
    map_name: str
    fingerprint: str
    design: str
    areas: str
    strata: tuple[StratumRecord, ...]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    stratum: NDArray[np.int64]
    values: NDArray[Any]
    notes: tuple[str, ...]


def is_sample(path: Any) -> bool:
    """Whether a path is that of a sample drawn by `draw_sample`."""
    return isinstance(path, str | os.PathLike) and kind_of(path) is FileKind.SAMPLE


def read_sample(path: str | os.PathLike[str]) -> ReferenceSample:
    """Read a sample, filled in or not.

    Raises
    ------
    LabelError
        It is no such sample, or its tables have been changed.
    """
    if not is_sample(path):
        raise LabelError(f"{path} is no sample that hsiattn drew", "draw one with `hsiattn sample`")
    name = os.fspath(path)
    try:
        with _database(Path(path)) as database:
            design = {key: json.loads(value) for key, value in database.execute("SELECT key, value FROM design")}
            strata = database.execute("SELECT code, name, pixels, hectares, drawn FROM strata ORDER BY code").fetchall()
            drawn = database.execute('SELECT id, row, "column", stratum FROM drawn_pixels ORDER BY id').fetchall()
            filled = database.execute("SELECT id, class FROM sample").fetchall()
        crs = None if design["crs"] is None else CRS.from_wkt(design["crs"])
        grid = Grid(int(design["height"]), int(design["width"]), crs, Affine(*design["transform"]))
        places = {code: place for place, (code, *_) in enumerate(strata)}
        ids, rows, columns, stratum = np.array(drawn, np.int64).reshape(-1, 4).T
        stratum = np.array([places[code] for code in stratum.tolist()], np.int64)
    except (sqlite3.Error, KeyError, ValueError, TypeError) as error:
        raise LabelError(
            f"the tables of the sample {name} have been changed", "give the file as it was drawn"
        ) from error
    values, notes = _values(filled, ids)
    return ReferenceSample(
        name=name,
        grid=grid,
        map_name=str(design["map"]),
        fingerprint=str(design["fingerprint"]),
        design=_in_words(design, len(ids)),
        areas=str(design["areas"]),
        strata=tuple(
            StratumRecord(code=code, name=printable(text, 200), pixels=pixels, hectares=hectares, sampled=number)
            for code, text, pixels, hectares, number in strata
        ),
        rows=rows,
        columns=columns,
        stratum=stratum,
        values=values,
        notes=notes,
    )


def _values(filled: list[tuple[Any, Any]], ids: NDArray[np.int64]) -> tuple[NDArray[Any], tuple[str, ...]]:
    """What was filled in for every drawn pixel, and notes on rows that were added, doubled or removed."""
    by_id: dict[Any, Any] = {}
    doubled = set()
    for number, value in filled:
        text = None if value is None else str(value).strip() or None
        if number in by_id and by_id[number] != text:
            doubled.add(number)
        by_id[number] = text
    for number in doubled:
        by_id[number] = None
    values = np.array([by_id.get(number) for number in ids.tolist()], dtype=object)
    strange = len(set(by_id) - set(ids.tolist()))
    gone = sum(number not in by_id for number in ids.tolist())
    notes = []
    if strange:
        notes.append(f"{strange} rows of the layer sample were not drawn and do not count")
    if doubled:
        notes.append(f"{len(doubled)} pixels stand in the layer sample more than once with other classes: not counted")
    if gone:
        notes.append(f"{gone} drawn pixels are gone from the layer sample: they count as not filled in")
    return values, tuple(notes)


def _in_words(design: Mapping[str, Any], number: int) -> str:
    apart = f", at least {design['distance']:g} m apart" if design.get("distance") else ""
    return (
        f"Stratified random sample of {number} pixels{apart}, strata are the classes of "
        f"{os.path.basename(str(design['map']))} (allocation {design['allocation']}, seed {design['seed']})"
    )


@contextmanager
def _database(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as database:
        yield database
