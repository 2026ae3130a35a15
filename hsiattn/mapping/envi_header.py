"""The files beside the data of an ENVI raster: GDAL writes them for a single pixel, the size is put in here.

GDAL knows how to say projection, rotation, class names and metadata in a header. It is asked for them in memory, where
no disk can be full.
"""

from __future__ import annotations

import re
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import rasterio
import rasterio.shutil
from rasterio.errors import RasterioError


def write_header(
    pixel: Path, data: Path, size: tuple[int, int], fields: Mapping[str, str], options: Mapping[str, str], scratch: Path
) -> None:
    """Write header and auxiliary file of a raster that is a single pixel so far.

    Parameters
    ----------
    pixel
        GeoTIFF of the upper left pixel, with all metadata.
    data
        The data file; header and auxiliary file come beside it.
    size
        Rows and columns of the whole raster.
    fields
        More lines of the header.
    options
        Creation options of GDAL's driver.
    scratch
        An empty folder on the same disk.

    Raises
    ------
    OSError
        They cannot be written in full.
    RasterioError, CPLE_BaseError
        GDAL refuses.
    """
    with _lost_on_a_full_disk():
        rasterio.open(pixel).close()
    memory = f"/vsimem/hsiattn-{uuid.uuid4().hex}/{data.name}"
    rasterio.shutil.copy(pixel, memory, driver="ENVI", **options)
    try:
        with rasterio.open(memory) as raster:
            described = raster.tags(ns="ENVI")
        rasterio.shutil.copyfiles(memory, str(scratch / data.name))
    finally:
        rasterio.shutil.delete(memory, driver="ENVI")
    with _lost_on_a_full_disk(), rasterio.open(scratch / data.name) as raster:
        arrived = raster.tags(ns="ENVI")
    if arrived != {**described, "description": arrived.get("description")}:
        raise OSError(_LOST)
    for file in scratch.iterdir():
        if file.name == data.name:
            continue
        text = file.read_text(encoding="utf-8", errors="surrogateescape")
        text = text.replace(memory, data.name).replace(str(scratch / data.name), data.name)
        text = _with_size(text, size)
        if file.suffix == ".hdr":
            text = text.rstrip() + "\n" + "".join(f"{name} = {value}\n" for name, value in fields.items())
        else:
            _check_whole(text)
        (data.parent / file.name).write_text(text, encoding="utf-8", errors="surrogateescape")


_LOST = "the header has not arrived on the disk"


@contextmanager
def _lost_on_a_full_disk() -> Iterator[None]:
    """Say what it means that a small file cannot be opened that was written a moment ago."""
    try:
        yield
    except RasterioError:
        raise OSError(_LOST) from None


def _check_whole(document: str) -> None:
    try:
        ET.fromstring(document)
    except ET.ParseError:
        raise OSError(_LOST) from None


def _with_size(text: str, size: tuple[int, int]) -> str:
    """The header, or its copy in the auxiliary file, with the size of the whole raster."""
    for name, count in (("lines", size[0]), ("samples", size[1])):
        text = re.sub(rf"(?m)^({name} *= *)1$", rf"\g<1>{count}", text)
        text = text.replace(f'<MDI key="{name}">1</MDI>', f'<MDI key="{name}">{count}</MDI>')
    return text
