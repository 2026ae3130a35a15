"""The rasters in a folder of tiles."""

from __future__ import annotations

from pathlib import Path

from hsiattn.errors import SceneError
from hsiattn.scenes.envi_header import find_header

_KINDS = {
    **dict.fromkeys((".tif", ".tiff"), "GeoTIFF"),
    **dict.fromkeys((".bsq", ".bil", ".bip"), "ENVI"),
    ".vrt": "virtual raster",
    ".jp2": "JPEG 2000",
    ".mat": "MAT file",
    ".nc": "netCDF",
    **dict.fromkeys((".h5", ".he5", ".hdf5"), "HDF5"),
    ".npy": "NumPy",
}
"""Kinds of rasters by the suffixes of their files; other files are rasters where an ENVI header lies beside them."""
_SIDECARS = {".hdr", ".xml", ".ovr", ".msk", ".txt", ".csv", ".qml", ".json", ".png", ".jpg", ".pdf"}


def rasters_in(folder: Path) -> list[str]:
    """The rasters in a folder, not in folders below it, sorted by their names; hidden files are passed over.

    Raises
    ------
    SceneError
        The folder cannot be read, holds no raster, or rasters of several kinds.
    """
    kinds: dict[str, list[str]] = {}
    try:
        for file in sorted(folder.iterdir()):
            kind = _kind_of(file)
            if kind is not None:
                kinds.setdefault(kind, []).append(str(file))
    except OSError as error:
        raise SceneError(f"{folder} cannot be read ({error.strerror})", "check its permissions") from error
    if not kinds:
        raise SceneError(f"{folder} is a folder without a raster in it", "give the file of the scene")
    if len(kinds) > 1:
        found = ", ".join(f"{len(files)} {kind} such as {Path(files[0]).name}" for kind, files in kinds.items())
        raise SceneError(
            f"{folder} is a folder with rasters of several kinds: {found}",
            "give the files of the scene, or a pattern such as 'folder/*.tif'",
        )
    return next(iter(kinds.values()))


def _kind_of(file: Path) -> str | None:
    """The kind of raster that a file is by its name and by what lies beside it; None where it is none."""
    suffix = file.suffix.lower()
    if file.name.startswith(".") or suffix in _SIDECARS or not file.is_file():
        return None
    if suffix in _KINDS:
        return _KINDS[suffix]
    return "ENVI" if find_header(file) is not None else None
