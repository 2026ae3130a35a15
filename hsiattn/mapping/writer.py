"""Writing land-cover maps: whole or not at all, with names and colours, on exactly the grid of the scene.

Everything is written into a hidden folder beside the target, closed, read back and compared with what was handed in,
and only then renamed. Reading back is not pedantry: on a full disk GDAL reports nothing when the last blocks of a
GeoTIFF are flushed, and the damage would show up at the user's desk.
"""

from __future__ import annotations

import glob
import os
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.windows import Window

from hsiattn.classes import UNLABELLED, ClassTable, distinct_names
from hsiattn.errors import LabelError, OutputError
from hsiattn.files.kinds import CLASSES_TAG, SOFTWARE, SOFTWARE_TAG, FileKind, kind_of
from hsiattn.files.outputs import Inputs, Output, check_outputs, refuse_inputs
from hsiattn.files.paths import StrPath
from hsiattn.labels.layer_styles import share_style
from hsiattn.labels.sidecars import class_tags, palette, pam_path, style_path, write_sidecars
from hsiattn.mapping.provenance import Provenance
from hsiattn.mapping.publication import PART_SUFFIXES, clean_up, is_unfinished, publish
from hsiattn.mapping.staged_raster import BLOCK, StagedRaster, limited_cache, one_line
from hsiattn.scenes.grid import Grid
from hsiattn.scenes.ground_control import GroundControl
from hsiattn.version import __version__

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["BLOCK", "DRIVERS", "LandCoverWriter", "write_map"]

DRIVERS = {"gtiff": "GTiff", "cog": "COG", "envi": "ENVI"}
"""GDAL's names of the formats a map can be written in."""


class LandCoverWriter:
    """Writes a land-cover map window by window, with rasters of confidence and class probabilities if wanted.

    The map's values are the codes of the classes in the smallest unsigned type, 0 where unclassified (also its nodata
    value); where a code is above 65 535 they are 1 … K instead, see `ClassTable.values` and `notes`. It has a palette,
    and its classes as a tag; names and pixel counts also stand in `<map>.aux.xml` (GDAL), the style in `<map>.qml`
    (QGIS). Confidence is one band, probabilities are one band per class with the class name as description, both
    float32 with nodata NaN where a pixel is unclassified; QGIS shows them in a ramp from 0 to 1, by `<raster>.qml`.

    Used as a context manager: on a clean exit all files appear under their final names, the map last; on any exception,
    Ctrl-C included, nothing does, earlier files stay as they were and no temporary file remains. A process that is
    killed while files are put into place is finished by the next writer of the same map.

    Parameters
    ----------
    path
        The map.
    height, width, crs, transform
        The grid; CRS None and `Affine.identity()` where the scene has none. Rotated transforms are kept.
    control
        Ground control points and RPCs of a scene that is not rectified.
    classes
        The K classes in the order of the indices.
    known
        Those of them that have a band of probabilities; None for all.
    overwrite
        Replace existing files that hsiattn wrote.
    driver
        "GTiff", "COG" or "ENVI", for all rasters.
    creation_options
        GDAL creation options, e.g. `{"COMPRESS": "ZSTD"}`.
    confidence, probabilities
        Paths of the rasters to write beside the map, None to leave them out.
    tags
        Metadata of the map, e.g. model digest and versions.
    inputs
        What the map is made from, by what it is; never replaced.

    Raises
    ------
    OutputError
        See `check_output`; also an unknown driver or a raster that cannot be written in full (no space left).
    """

    def __init__(
        self,
        path: StrPath,
        *,
        height: int,
        width: int,
        crs: CRS | None,
        transform: Affine,
        control: GroundControl | None = None,
        classes: ClassTable,
        known: ClassTable | None = None,
        overwrite: bool = False,
        driver: str = "GTiff",
        creation_options: Mapping[str, Any] | None = None,
        confidence: StrPath | None = None,
        probabilities: StrPath | None = None,
        tags: Mapping[str, str] | None = None,
        inputs: Inputs | None = None,
    ) -> None:
        self.classes = classes if _driver(driver) != "ENVI" else _header_safe(classes)
        self._known = self.classes if known is None else self.classes.subset(known.codes)
        self._counts = np.zeros(len(classes) + 1, dtype=np.int64)
        self.height = height
        self.width = width
        self._pixels = np.array((UNLABELLED, *classes.values), dtype=np.min_scalar_type(classes.values[-1]))
        self._tags = {SOFTWARE_TAG: f"{SOFTWARE}{__version__}", "AREA_OR_POINT": "Area", **(tags or {})}
        grid = Grid(height, width, crs, transform, control)

        def raster(target: StrPath, kind: FileKind, bands: int, dtype: np.dtype[Any], nodata: float) -> StagedRaster:
            options = dict(creation_options or {})
            return StagedRaster(Path(target), kind, grid, bands, dtype, nodata, _driver(driver), options)

        float32 = np.dtype(np.float32)
        self._map = raster(path, FileKind.LAND_COVER, 1, self._pixels.dtype, UNLABELLED)
        self._confidence = (
            raster(confidence, FileKind.CONFIDENCE, 1, float32, np.nan) if confidence is not None else None
        )
        self._probabilities = (
            raster(probabilities, FileKind.PROBABILITIES, len(self._known), float32, np.nan)
            if probabilities is not None
            else None
        )
        self._rasters = [r for r in (self._probabilities, self._confidence, self._map) if r is not None]
        self._cache = ExitStack()
        self.spent: list[Path] = []
        """Files that have done their duty once the map is in its place."""
        clean_up(path, [r.target for r in self._rasters])
        self._stale = _check_outputs(self._rasters, overwrite, inputs or {})

    @property
    def counts(self) -> NDArray[np.int64]:
        """Pixels (K + 1): unclassified ones, with those that are not written yet, then those of each class."""
        classified = self._counts[1:]
        return np.concatenate([[self.height * self.width - classified.sum()], classified])

    @property
    def values_type(self) -> np.dtype[Any]:
        """Smallest type of what `write_values` takes."""
        return np.min_scalar_type(len(self.classes))

    @property
    def notes(self) -> list[str]:
        """Notices on the map's values for the user."""
        codes, values = self.classes.codes, self.classes.values
        if values == codes:
            return []
        return [
            f"the code {codes[-1]} does not fit a pixel, which holds 65535 at most: the values of the map are 1 to "
            f"{values[-1]}, and the codes stand in its tag {CLASSES_TAG} and its attribute table"
        ]

    @property
    def measures(self) -> tuple[bool, int]:
        """Whether there is a raster of confidence, and how many bands that of probabilities has (0: there is none)."""
        return self._confidence is not None, self._probabilities.bands if self._probabilities is not None else 0

    @property
    def block(self) -> tuple[int, int]:
        """Rows and columns of the blocks in which the open rasters are compressed."""
        return self._map.block

    def rehearse(self) -> None:
        """See in a moment, before any long work, whether GDAL can write such rasters here.

        Raises
        ------
        OutputError
            It refuses a creation option.
        """
        for raster in self._rasters:
            raster.rehearse()

    def __enter__(self) -> Self:
        try:
            self._cache.enter_context(limited_cache(self._rasters))
            for raster in self._rasters:
                raster.create()
            self._describe()
        except BaseException:
            self._discard()
            raise
        return self

    def write(
        self,
        window: Window,
        indices: NDArray[np.integer[Any]],
        confidence: NDArray[np.floating[Any]] | None = None,
        probabilities: NDArray[np.floating[Any]] | None = None,
    ) -> None:
        """Write one window; every pixel at most once, pixels never written stay unclassified.

        Parameters
        ----------
        window
            Place of the window; whole numbers, inside the map.
        indices
            Class indices (h, w), -1 where unclassified.
        confidence
            Confidence (h, w), required if and only if the writer has a raster for it.
        probabilities
            Class probabilities (K, h, w), likewise.

        Raises
        ------
        ValueError
            Shapes or indices do not fit, or an array is missing or unasked for.
        OutputError
            The disk is full or gone.
        """
        if indices.size and not -1 <= indices.min() <= indices.max() < len(self.classes):
            raise ValueError(f"indices must lie in -1 … {len(self.classes) - 1}")
        self.write_values(window, (indices.astype(np.int64) + 1).astype(self.values_type), confidence, probabilities)

    def write_values(
        self,
        window: Window,
        values: NDArray[np.unsignedinteger[Any]],
        confidence: NDArray[np.floating[Any]] | None = None,
        probabilities: NDArray[np.floating[Any]] | None = None,
    ) -> None:
        """Write one window of the values of a `WindowResult`: class index + 1, 0 where unclassified.

        Raises
        ------
        ValueError, OutputError
            As for `write`.
        """
        shape = (int(window.height), int(window.width))
        if values.shape != shape:
            raise ValueError(f"the classes have the shape {values.shape}, the window {shape}")
        counts = np.bincount(values.ravel(), minlength=len(self._counts))
        if len(counts) > len(self._counts):
            raise ValueError(f"values must lie in 0 … {len(self.classes)}")
        unclassified = values == UNLABELLED
        measures = []
        for name, raster, given in (
            ("confidence", self._confidence, None if confidence is None else confidence[None]),
            ("probabilities", self._probabilities, probabilities),
        ):
            if (raster is None) != (given is None):
                raise ValueError(f"{name} must be given if and only if the writer has a raster for it")
            if raster is not None and given is not None:
                if given.shape != (raster.bands, *shape):
                    raise ValueError(f"{name} have the shape {given.shape}, not {(raster.bands, *shape)}")
                measures.append((raster, given))
        self._counts += counts
        self._map.write(self._pixels[values][None], window)
        for raster, given in measures:
            raster.write(np.where(unclassified, np.float32(np.nan), given).astype(np.float32, copy=False), window)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                for raster in self._rasters:
                    raster.finish(self._sidecars_of(raster))
                files = [(file, r.target.with_name(file.name)) for r in self._rasters for file in r.finished_files()]
                publish(
                    self._map.target,
                    files,
                    stale=set(self._stale) - {target for _, target in files},
                    spent=self.spent,
                    folders=[r.folder for r in self._rasters],
                )
        finally:
            self._discard()

    def _describe(self) -> None:
        with one_line(self._map.target):
            codes = ", ".join(map(str, (UNLABELLED, *self.classes.codes)))
            header = {"class codes": f"{{{codes}}}"} if self.classes.values != self.classes.codes else {}
            self._map.describe(["land cover"], {**self._tags, **class_tags(self.classes)}, header)
            self._map.dataset.write_colormap(1, palette(self.classes))
            if self._confidence is not None:
                self._confidence.describe(["confidence"], self._tags)
            if self._probabilities is not None:
                self._probabilities.describe(list(self._known.names), self._tags)

    def _sidecars_of(self, raster: StagedRaster) -> Callable[[Path], None] | None:
        """What writes the files beside a raster; None where its style would be that of another."""
        if raster is self._map:
            return self._write_sidecars
        return _write_share_style if raster in _styled(self._rasters) else None

    def _write_sidecars(self, path: Path) -> None:
        write_sidecars(path, self.classes, self.counts[1:].tolist())

    def _discard(self) -> None:
        keep = is_unfinished(self._map.target)
        for raster in self._rasters:
            raster.discard(keep=keep)
        self._cache.close()


def write_map(
    land_cover: xr.Dataset | xr.DataArray,
    path: StrPath,
    *,
    overwrite: bool = False,
    driver: str = "GTiff",
    creation_options: Mapping[str, Any] | None = None,
    confidence: StrPath | None = None,
    probabilities: StrPath | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write a land-cover map that is in memory, e.g. what `SpectralSpatialClassifier.predict` returns.

    Parameters
    ----------
    land_cover
        Codes with dims "y" and "x", 0 or NaN where unclassified, the class table in the attributes; or a Dataset with
        such a variable `land_cover`, and `confidence` (y, x) and `probabilities` (class, y, x) where those are to be
        written.
    path, overwrite, driver, creation_options, confidence, probabilities, tags
        As for `LandCoverWriter`; the tags add to those of the provenance that `predict` has noted in the attributes.

    Raises
    ------
    OutputError
        The output exists already, cannot be written, or a variable that should be written is not there.
    LabelError
        The map holds a code that its class table does not list, a value that is no whole number, or no class at all.

    Warns
    -----
    UserWarning
        The values of the map are other numbers than the codes, see `LandCoverWriter.notes`.
    """
    import xarray as xr  # a map that is written window by window does without

    from hsiattn.scenes import grid_of

    variables = land_cover if isinstance(land_cover, xr.Dataset) else land_cover.to_dataset(name="land_cover")
    wanted = {"land_cover": path, "confidence": confidence, "probabilities": probabilities}
    for name, target in wanted.items():
        if target is not None and name not in variables:
            raise OutputError(f"there is no variable {name} to write to {target}", f"leave out {name} or predict it")
    array = variables["land_cover"].transpose("y", "x")
    classes, indices = _classes_and_indices(array)
    grid = grid_of(array)
    measures = {
        name: variables[name].transpose(..., "y", "x").values if wanted[name] is not None else None
        for name in ("confidence", "probabilities")
    }
    with LandCoverWriter(
        path, height=grid.height, width=grid.width, crs=grid.crs, transform=grid.transform, control=grid.control,
        classes=classes, known=_known_classes(variables, classes), overwrite=overwrite, driver=driver,
        creation_options=creation_options, confidence=confidence, probabilities=probabilities,
        tags={**Provenance.of(land_cover).to_tags(), **(tags or {})},
    ) as writer:  # fmt: skip
        for note in writer.notes:
            warnings.warn(note, stacklevel=2)
        for row in range(0, grid.height, BLOCK):
            rows = slice(row, min(row + BLOCK, grid.height))
            parts = {name: None if values is None else values[..., rows, :] for name, values in measures.items()}
            writer.write(Window(0, row, grid.width, rows.stop - row), indices[rows], **parts)


def _known_classes(variables: xr.Dataset, classes: ClassTable) -> ClassTable:
    """The classes that have probabilities: all but unknown material, where the array of probabilities names them."""
    if "probabilities" not in variables or "class" not in variables.coords:
        return classes
    named = {str(name) for name in variables["class"].values.tolist()}
    found = [item.code for item in classes if item.name in named]
    return classes.subset(found) if len(found) == len(named) else classes


def _classes_and_indices(array: xr.DataArray) -> tuple[ClassTable, NDArray[np.int64]]:
    """Classes of a map in memory, and the index of every pixel's, -1 where unclassified.

    Raises
    ------
    LabelError
        See `write_map`.
    """
    given = np.where(np.isnan(array.values), UNLABELLED, array.values)
    broken = given[~np.isfinite(given) | (given != np.rint(given))]
    if broken.size:
        raise LabelError(f"the map holds the value {broken[0]:g}, which is no code", "give it whole numbers")
    codes = given.astype(np.int64)
    classes = ClassTable.from_attrs(array.attrs) or ClassTable.from_codes(np.unique(codes).tolist())
    indices = classes.to_indices(codes)
    unknown = np.unique(codes[(indices < 0) & (codes != UNLABELLED)])
    if unknown.size:
        raise LabelError(
            f"the map holds the code {unknown[0]}, which its class table does not list", "add the class to the table"
        )
    return classes, indices


def _driver(name: str) -> str:
    try:
        return DRIVERS[name.lower()]
    except KeyError:
        raise OutputError(f"maps cannot be written as {name}", f"choose {', '.join(DRIVERS.values())}") from None


def _header_safe(classes: ClassTable) -> ClassTable:
    """Names that an ENVI header can list: it separates them by commas and ends the list at a brace."""
    marks = str.maketrans(",{}", ";()")
    return distinct_names(replace(item, name=item.name.translate(marks)) for item in classes)


def _write_share_style(path: Path) -> None:
    style_path(path).write_text(share_style(), encoding="utf-8")


def _styled(rasters: list[StagedRaster]) -> list[StagedRaster]:
    """The rasters that have a style, which is named after them without their suffix; the map first."""
    by_style: dict[Path, StagedRaster] = {}
    for raster in reversed(rasters):
        by_style.setdefault(style_path(raster.target), raster)
    return list(by_style.values())


def _check_outputs(rasters: list[StagedRaster], overwrite: bool, inputs: Inputs) -> list[Path]:
    """Check all files that will be written, and those that would be taken for a part of them.

    What describes a map of ours that is gone does not stand in the way of a new one.

    Returns
    -------
    list of Path
        Files that belong to the rasters that are replaced, to be removed with them.
    """
    outputs, beside, stale = [], [], []
    for raster in reversed(rasters):
        target, gone = raster.target, not os.path.lexists(raster.target)
        outputs.append(Output(target, raster.kind))
        if raster.header is not None:
            beside.append(Output(raster.header, raster.kind, leftover=gone))
        if raster.kind is FileKind.LAND_COVER:
            beside.append(Output(style_path(target), FileKind.STYLE, leftover=gone and not _other_map(target)))
        elif raster in _styled(rasters):
            beside.append(Output(style_path(target), FileKind.STYLE, leftover=gone))
        if gone:
            beside.append(Output(pam_path(target), FileKind.AUXILIARY, leftover=True))
    check_outputs([*outputs, *beside], overwrite=overwrite, inputs=inputs)
    for target in (raster.target for raster in rasters):
        for part in (target.with_name(target.name + suffix) for suffix in PART_SUFFIXES):
            if part in (Path(output.path) for output in beside) or not os.path.lexists(part):
                continue
            if not target.exists() or not part.is_file():
                raise OutputError(
                    f"{part} exists already and would be taken for a part of {target.name}",
                    "move it away or choose another name",
                )
            refuse_inputs(part, inputs)
            stale.append(part)
    return stale


def _other_map(target: Path) -> bool:
    """Whether another map of ours has the same style file."""
    beside = target.parent.glob(f"{glob.escape(target.stem)}.*")
    others = (file for file in beside if file != target and file.suffix.lower() != ".hdr")  # a header alone is no map
    return any(other.is_file() and kind_of(other) is FileKind.LAND_COVER for other in others)
