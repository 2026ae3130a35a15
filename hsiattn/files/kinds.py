"""Kinds of files that this package wrote: recognised by what is in them, whatever their names are.

Only a file that is recognised here is ever replaced. Files of version 0.1.0 are, too, though not all of them carry a
mark of their own.
"""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
import zipfile
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Any

from hsiattn.files.companions import open_quietly
from hsiattn.files.inputs import open_regular
from hsiattn.files.paths import StrPath


class FileKind(StrEnum):
    """Files that are written; the value is what a raster says of itself in its tag `KIND_TAG`."""

    LAND_COVER = "land-cover"
    CONFIDENCE = "confidence"
    PROBABILITIES = "probabilities"
    SPLIT = "split"
    SCENE = "scene"
    LABELS = "labels"
    STYLE = "style"
    AUXILIARY = "auxiliary metadata"
    MODEL = "model"
    TRAINING_STATE = "training state"
    LOG = "log"
    REPORT = "report"
    RUN = "run"
    RUN_PIXELS = "pixels of a run"
    RUN_TABLE = "table of runs"
    CLASS_TABLE = "table of classes"
    EXPERIMENT_REPORT = "report of experiments"
    PLOT = "plot"
    PICTURE = "picture"
    EXPLANATION = "explanation"
    POLYGONS = "polygons"
    PLACES = "places to label"
    STAC_ITEM = "STAC item"
    SAMPLE = "reference sample"
    ROBUSTNESS = "table of robustness"
    ONNX_MODEL = "ONNX model"

    @property
    def described(self) -> str:
        """Name with its article, for messages."""
        return _DESCRIPTIONS.get(self, f"a {self.value}")


_DESCRIPTIONS = {
    FileKind.LAND_COVER: "a land-cover map",
    FileKind.CONFIDENCE: "a raster of confidence",
    FileKind.PROBABILITIES: "a raster of probabilities",
    FileKind.SPLIT: "a split raster",
    FileKind.SCENE: "a scene",
    FileKind.LABELS: "the example's labels",
    FileKind.STYLE: "the style of a map",
    FileKind.AUXILIARY: "the auxiliary file of a map",
    FileKind.LOG: "a training log",
    FileKind.REPORT: "an accuracy report",
    FileKind.RUN: "the record of a run",
    FileKind.EXPLANATION: "an explanation",
    FileKind.POLYGONS: "a file of land-cover polygons",
    FileKind.PLACES: "a file of places still to be labelled",
    FileKind.ONNX_MODEL: "an ONNX model",
}

TAG_PREFIX = "HSIATTN_"
"""Beginning of the names of all tags of ours. `hsiattn.mapping.provenance` names those that say how a map was made."""

KIND_TAG = f"{TAG_PREFIX}KIND"
"""Tag of a raster that says what it is; tags live inside the file."""

CLASSES_TAG = f"{TAG_PREFIX}CLASSES"
"""Tag with the classes of a map or of labels: a JSON list of `{"value", "code", "name", "color"}`.

`value` is the pixel value, `code` the class's code in the reference data, `color` is written as `#rrggbb`; classes with
attributes have them as the list `attributes`.
"""

MODEL_TAG = f"{TAG_PREFIX}MODEL_SHA256"
"""Tag of a map with the digest of its model, which those have too that were written before there was `KIND_TAG`."""

CONFIDENCE_KIND_TAG = f"{TAG_PREFIX}CONFIDENCE_KIND"
"""Tag of a raster of confidence with what it measures where that is no probability: `margin` or `entropy`."""

SOFTWARE_TAG, SOFTWARE = "TIFFTAG_SOFTWARE", "hsiattn "
"""Tag of a raster that names the program that wrote it, and how ours begins; the version follows."""

HEADER_FIELD = "hsiattn kind"
"""`KIND_TAG` in the header of an ENVI file."""

GENERATOR = "hsiattn"
"""What HTML pages name as generator, SVG and PDF files as creator; a key by which JSON files say what they are."""

MODEL_FORMAT = "hsiattn model"
"""What the metadata of a model file call its format."""

MODEL_SUFFIX = ".hsiattn"
"""Usual ending of the names of model files."""

ONNX_SUFFIX = ".onnx"
"""Usual ending of the names of ONNX files."""

LOG_COLUMNS = (
    "epoch", "of_epochs", "training_loss", "training_accuracy", "validation_loss", "validation_accuracy", "best_epoch",
    "seconds",
)  # fmt: skip
"""Columns of the log of a training."""

REPORT_COLUMNS = ("class", "code", "measure", "value", "lower", "upper")
"""Columns of an accuracy report as CSV."""

ROBUSTNESS_COLUMNS = ("kind", "condition", "strength", "model", "measure", "value", "lower", "upper")
"""Columns of a table of robustness as CSV."""

REPORT_TITLE = "Accuracy assessment"
EXPLANATION_TITLE = "Explanation of decisions"
"""Title of the page of an explanation, and of its arrays."""
ROBUSTNESS_TITLE = "Robustness"
"""Title of a table of robustness in all its forms."""
EXPERIMENT_TITLE = "Benchmark: "
"""Beginning of the title of a report of experiments, as version 0.1.0 wrote it too."""

RUN_COLUMNS = ("scene", "protocol", "recipe", "seed")
"""First columns of the tables of experiments."""

POLYGON_TITLE = f"Land-cover polygons, {SOFTWARE}"
"""Beginning of the description of a layer of polygons; the version follows."""

POLYGON_LAYER = "land_cover"
POLYGON_COLUMNS = ("code", "name", "pixels", "area_ha", "confidence")
"""Columns of land-cover polygons; the last two only where they are known."""

PLACES_TITLE = f"Places to label, {SOFTWARE}"
"""Beginning of the description of a layer of places to label; the version follows."""

PLACES_LAYER = "places"
PLACES_COLUMNS = ("place", "class", "suggestion", "confidence")
"""Columns of places to label; a person fills in the second one, after which the file is hers."""

SAMPLE_TABLES = frozenset(("sample", "strata", "drawn_pixels", "design"))
"""Tables of a GeoPackage with a reference sample."""

_START = 4096
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PDF = b"%PDF-"
_PNG = b"\x89PNG\r\n\x1a\n"
_MOST_JSON = 2**28
"""Largest JSON file, or header of a model, that is looked into."""


def kind_of(path: StrPath) -> FileKind | None:
    """What a file is; None where it is none of ours, or cannot be read."""
    file = Path(path)
    try:
        with open_regular(file) as stream:  # a pipe, which has no kind, could be waited for without end
            start = stream.read(_START)
        return _by_content(file, start)
    except (OSError, ValueError, RecursionError):
        return None


def looks_like_model(path: StrPath) -> bool:
    """True for files named `*.hsiattn`, and for safetensors files of any name."""
    if os.fspath(path).lower().endswith(MODEL_SUFFIX):
        return True
    try:
        with open_regular(path) as file:
            start = file.read(9)  # length of the header, then the header, which is JSON
    except OSError:  # not there, or a path that only GDAL understands
        return False
    return len(start) == 9 and start[8:] == b"{" and int.from_bytes(start[:8], "little") < _MOST_JSON


def looks_like_onnx(path: StrPath) -> bool:
    """True for files named `*.onnx`, and for ONNX files of ours of any name."""
    return os.fspath(path).lower().endswith(ONNX_SUFFIX) or kind_of(path) is FileKind.ONNX_MODEL


def _by_content(file: Path, start: bytes) -> FileKind | None:
    text = start.removeprefix(b"\xef\xbb\xbf")
    if start.startswith(_PDF):
        return FileKind.PLOT if f"/Creator ({GENERATOR})".encode() in file.read_bytes() else None
    if start.startswith(_PNG):
        return FileKind.PICTURE if f"tEXtSoftware\0{SOFTWARE}".encode() in start else None
    if start[:4] in _TIFF:
        return _raster(file, "GTiff")
    if (kind := _polygons(file, start)) is not None:
        return kind
    if text.startswith(b"ENVI"):
        return _envi_header(file)
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < _MOST_JSON:
        return _model(file)
    if start[:1] == b"\x08" and start[2 : 4 + len(GENERATOR)] == bytes((0x12, len(GENERATOR))) + GENERATOR.encode():
        return FileKind.ONNX_MODEL  # version of the format in one byte, then the name of the producer
    if start.startswith(b"CDF"):
        return FileKind.EXPLANATION if EXPLANATION_TITLE.encode() in start else None
    if start.startswith(b"SQLite format 3\0"):
        return FileKind.SAMPLE if _names_of_tables(file) >= SAMPLE_TABLES else None
    if start.startswith(b"PK"):
        return FileKind.RUN_PIXELS if _names_in_archive(file) >= {"row", "column", "truth", "predicted"} else None
    if start.startswith(b"PAR1"):
        return _parquet(file)
    if text.lstrip()[:1] == b"<":
        return _markup(file, text.decode("utf-8", "replace"))
    if text.lstrip()[:1] == b"{":
        return _json(file)
    return _text(text.decode("utf-8", "replace")) or _raster(file, "ENVI")


# -- rasters -----------------------------------------------------------------------------------------------------------


def _raster(file: Path, driver: str) -> FileKind | None:
    """GeoTIFF and COG, or ENVI by its data file."""
    from rasterio.errors import RasterioError

    try:
        with open_quietly(file, driver=driver) as raster:
            return _of_raster(raster, file)
    except RasterioError:
        return None


def _of_raster(raster: Any, file: Path) -> FileKind | None:
    tags = {**raster.tags(ns="ENVI"), **raster.tags()}
    kind = tags.get(KIND_TAG) or tags.get(HEADER_FIELD.replace(" ", "_"))
    if kind is not None:
        return FileKind(kind) if kind in _RASTERS else None
    what = raster.descriptions[0] or ""
    if tags.get(SOFTWARE_TAG, "").startswith(SOFTWARE):  # a map of version 0.1.0, or what belongs to it
        if raster.dtypes[0].startswith("uint"):
            return FileKind.LAND_COVER
        return FileKind.CONFIDENCE if what == "confidence" else FileKind.PROBABILITIES
    if what == "role: 0 none, 1 training, 2 validation, 3 test, 4 dropped":
        return FileKind.SPLIT
    at_example = tuple(raster.transform)[:6] == (4.0, 0.0, 388_000.0, 0.0, -4.0, 5_812_000.0)
    if at_example and raster.dtypes[0] == "int16" and set(raster.units) == {"reflectance"}:
        return FileKind.SCENE
    if at_example and what == "land cover" and kind_of(f"{file}.aux.xml") is FileKind.AUXILIARY:
        return FileKind.LABELS
    return None


_RASTERS = frozenset(
    (
        FileKind.LAND_COVER,
        FileKind.CONFIDENCE,
        FileKind.PROBABILITIES,
        FileKind.SPLIT,
        FileKind.SCENE,
        FileKind.LABELS,
    )
)


def _envi_header(file: Path) -> FileKind | None:
    """Recognise it by its own field, or, of version 0.1.0, by the raster that it names and lies beside."""
    text = file.read_text(encoding="utf-8", errors="surrogateescape")
    for line in text.splitlines():
        name, _, value = line.partition("=")
        if name.strip().lower() == HEADER_FIELD:
            return FileKind(value.strip()) if value.strip() in _RASTERS else None
    lines = text.splitlines()
    described = len(lines) > 2 and lines[1].replace(" ", "") == "description={" and lines[2].endswith("}")
    data = file.with_name(Path(lines[2].removesuffix("}")).name) if described else None
    return _raster(data, "ENVI") if data is not None and data.is_file() else None


# -- polygons ----------------------------------------------------------------------------------------------------------

_SHAPEFILE, _FLATGEOBUF, _SQLITE = b"\x00\x00\x27\x0a", b"fgb\x03", b"SQLite format 3\0"


def _polygons(file: Path, start: bytes) -> FileKind | None:
    """A vector file of land-cover polygons, or a part of such a shapefile; or places to label."""
    if start.startswith(_SQLITE):
        if _is_titled(file, PLACES_TITLE):
            return FileKind.PLACES if _is_unlabelled(file) else None
        titled = _is_titled(file, POLYGON_TITLE)
    elif start.startswith(_FLATGEOBUF) or start.lstrip().startswith(b"{"):
        titled = POLYGON_TITLE.encode() in start
    elif start.startswith(_SHAPEFILE) or file.suffix in (".dbf", ".prj", ".cpg"):
        titled = _has_columns(file.with_suffix(".dbf"))
    else:
        return None
    return FileKind.POLYGONS if titled else None


def _is_titled(file: Path, title: str) -> bool:
    """Whether a layer of a GeoPackage is described as ours."""
    rows = _selected(file, "SELECT description FROM gpkg_contents WHERE data_type = 'features'")
    return bool(rows) and all(str(description or "").startswith(title) for (description,) in rows)


def _is_unlabelled(file: Path) -> bool:
    """Whether nobody has filled in a class of the places to label, which is work that must not be lost."""
    pending = file.with_name(f"{file.name}-wal")  # changes of a program that has the file open
    if pending.exists() and pending.stat().st_size:
        return False
    return _selected(file, f"SELECT COUNT(*) FROM {PLACES_LAYER} WHERE class <> ''") == [(0,)]


def _selected(file: Path, query: str) -> list[tuple[Any, ...]]:
    """Rows that a GeoPackage gives, without a lock on it; none where it is damaged."""
    import sqlite3

    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
            return database.execute(query).fetchall()
    except sqlite3.Error:
        return []


def _has_columns(table: Path) -> bool:
    """Whether a dBASE table has just the columns of polygons: 32 bytes for the header, 32 for each column."""
    with table.open("rb") as stream:
        start = stream.read(32 * (len(POLYGON_COLUMNS) + 2))
    names = [start[at : at + 11].split(b"\0")[0].decode("ascii", "replace") for at in range(32, len(start), 32)]
    own = [name for name in names if name in POLYGON_COLUMNS]
    return own[:3] == list(POLYGON_COLUMNS[:3]) and names[: len(own)] == own and not names[len(own)].isalnum()


# -- text --------------------------------------------------------------------------------------------------------------


def _text(start: str) -> FileKind | None:
    first, _, rest = start.partition("\n")
    if first in (f"# {REPORT_TITLE}", f"% {REPORT_TITLE}, {GENERATOR}"):
        return FileKind.REPORT
    if first == REPORT_TITLE and rest.startswith("=" * len(REPORT_TITLE)):
        return FileKind.REPORT
    if first == f"# {ROBUSTNESS_TITLE}" or (first == ROBUSTNESS_TITLE and rest.startswith("=" * len(first))):
        return FileKind.ROBUSTNESS
    if first.startswith((f"# {EXPERIMENT_TITLE}", f"% {EXPERIMENT_TITLE}")):
        return FileKind.EXPERIMENT_REPORT
    columns = tuple(first.rstrip("\r").split(","))
    if columns == REPORT_COLUMNS:
        return FileKind.REPORT
    if columns == ROBUSTNESS_COLUMNS:
        return FileKind.ROBUSTNESS
    if columns == LOG_COLUMNS:
        return FileKind.LOG
    if columns[:4] == RUN_COLUMNS:
        return FileKind.CLASS_TABLE if columns[4:6] == ("code", "class") else FileKind.RUN_TABLE
    return None


def _json(file: Path) -> FileKind | None:
    if file.stat().st_size > _MOST_JSON:
        return None
    record = json.loads(file.read_text(encoding="utf-8"))
    if record.get(GENERATOR) == FileKind.TRAINING_STATE.value:
        return FileKind.TRAINING_STATE
    properties = record.get("properties")
    if isinstance(properties, dict) and properties.get(f"{GENERATOR}:kind") == FileKind.STAC_ITEM.value:
        return FileKind.STAC_ITEM
    for kind, keys in _KEYS.items():
        if keys <= record.keys():
            return kind
    return None


_KEYS = {
    FileKind.REPORT: {"test_pixels", "overall_accuracy", "kappa", "confusion_matrix", "classes"},
    FileKind.EXPLANATION: {"explanation", "deletion", "band_groups"},
    FileKind.ROBUSTNESS: {"robustness", "conditions", "in_words"},
    FileKind.RUN: {"configuration_sha256", "scene", "protocol", "recipe", "seed"},
    FileKind.TRAINING_STATE: {"recipe", "seed", "data"},
}


def _markup(file: Path, start: str) -> FileKind | None:
    if "<PAMDataset" in start:
        return FileKind.AUXILIARY if _is_auxiliary(ET.parse(file).getroot()) else None
    if start.startswith("<!DOCTYPE qgis"):
        return FileKind.STYLE if _is_style(ET.parse(file).getroot()) else None
    if "<svg" in start and "<!DOCTYPE html>" not in start:
        ours = f"<dc:title>{GENERATOR}</dc:title>" in start or _is_plain_plot(file, start)
        return FileKind.PLOT if ours else None
    if "<!DOCTYPE html>" in start:
        written = f'<meta name="generator" content="{GENERATOR}' in start or ":root { --ink: #1d2329;" in start
        if written and f"<title>{REPORT_TITLE}</title>" in start:
            return FileKind.REPORT
        if written and f"<title>{EXPLANATION_TITLE}</title>" in start:
            return FileKind.EXPLANATION
        if written and f"<title>{ROBUSTNESS_TITLE}</title>" in start:
            return FileKind.ROBUSTNESS
        if written and f"<title>{EXPERIMENT_TITLE}" in start:
            return FileKind.EXPERIMENT_REPORT
    return None


def _is_plain_plot(file: Path, start: str) -> bool:
    """Whether a picture is one of version 0.1.0: without date and creator, among the results of a benchmark."""
    plain = "<dc:format>image/svg+xml" in start and "<dc:date>" not in start and "<dc:creator>" not in start
    return plain and kind_of(file.parent.parent / "runs.csv") is FileKind.RUN_TABLE


def _is_auxiliary(root: ET.Element) -> bool:
    """The description, the names and the table that a map's PAM file has; GDAL may have added statistics."""
    software = root.find(f"Metadata/MDI[@key='{SOFTWARE_TAG}']")
    if software is not None and (software.text or "").startswith(SOFTWARE):  # of an ENVI raster
        return True
    band = root.find("PAMRasterBand")
    if root.tag != "PAMDataset" or band is None or band.findtext("Description") != "land cover":
        return False
    columns = [field.findtext("Name") for field in band.findall("GDALRasterAttributeTable/FieldDefn")]
    first = band.findtext("CategoryNames/Category")  # none where the values are too large for a list of them
    return first in ("unclassified", None) and columns[:7] == ["Value", "Count", "Class", "R", "G", "B", "A"]


def _is_style(root: ET.Element) -> bool:
    """One with our mark, or exactly the elements of a map's style; QGIS writes other ones when it saves a style."""
    if root.get("generator") == GENERATOR:
        return True
    pipe = root.find("pipe")
    if pipe is None or root.attrib != {"version": "3.28.0", "styleCategories": "AllStyleCategories"}:
        return False
    parts = [element.tag for element in pipe]
    return [element.tag for element in root] == ["pipe", "blendMode"] and parts == [
        "rasterrenderer", "brightnesscontrast", "huesaturation", "rasterresampler",
    ]  # fmt: skip


# -- other files -------------------------------------------------------------------------------------------------------


def _model(file: Path) -> FileKind | None:
    """A safetensors file: the length of its header, then the header as JSON."""
    with file.open("rb") as stream:
        header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    known = isinstance(metadata, dict) and metadata.get("format") == MODEL_FORMAT
    return FileKind.MODEL if known else None


def _names_in_archive(file: Path) -> set[str]:
    """Names of the arrays of a NumPy file."""
    try:
        with zipfile.ZipFile(file) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except zipfile.BadZipFile:
        return set()


def _names_of_tables(file: Path) -> set[str]:
    """Names of the tables of an SQLite database; empty where it is damaged or busy."""
    import sqlite3
    from contextlib import closing

    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=1)) as database:
            return {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.Error:
        return set()


def _parquet(file: Path) -> FileKind | None:
    """Recognise it by the names of the columns, which stand in the footer."""
    with file.open("rb") as stream:
        stream.seek(-8, os.SEEK_END)
        length = int.from_bytes(stream.read(4), "little")
        stream.seek(-8 - min(length, _MOST_JSON), os.SEEK_END)
        footer = stream.read(min(length, _MOST_JSON))
    names = (*RUN_COLUMNS, "configuration_sha256", "split_sha256")
    return FileKind.RUN_TABLE if all(name.encode() in footer for name in names) else None
