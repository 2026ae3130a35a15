"""Which confidence a map is calibrated with: a given one, or that which was written with the map."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from hsiattn.assessment.confidence_rasters import why_no_probability
from hsiattn.files.kinds import CONFIDENCE_KIND_TAG, KIND_TAG, FileKind, kind_of
from hsiattn.mapping.provenance import Provenance

if TYPE_CHECKING:
    from hsiattn.assessment.confidence_rasters import AnyConfidence


def confidence_to_calibrate(given: Any, land_cover: Any, provenance: Provenance) -> tuple[AnyConfidence | None, str]:
    """The confidence that is compared with the reference, None for none; and why there is none, "" if it goes unsaid.

    Parameters
    ----------
    given
        What `hsiattn.assess` was given; None for what belongs to the map: the variable `confidence` of a Dataset, or
        the raster beside a file that the same run wrote.
    land_cover, provenance
        The map, and what it says of itself.

    Raises
    ------
    SceneError
        A raster cannot be opened.
    """
    if given is None:
        if isinstance(land_cover, xr.Dataset):
            return land_cover.get("confidence"), ""
        given = _beside(land_cover)
        if given is None:
            return None, ""
        if Provenance.read(given) != provenance:
            return None, f"{given} was written with another map than this, so that it says nothing of its confidence"
    if not isinstance(given, str | os.PathLike):
        return given, ""
    reason = _why_not(given)
    return (given, "") if reason is None else (None, f"{reason}: there is no calibration")


def _beside(land_cover: Any) -> str | None:
    """The raster of confidence that lies beside the file of a map, by its usual name."""
    path = Path(os.fspath(land_cover) if isinstance(land_cover, str | os.PathLike) else getattr(land_cover, "name", ""))
    if isinstance(land_cover, xr.DataArray) or not path.is_file():
        return None
    for suffix in dict.fromkeys((path.suffix, ".tif", ".img")):
        beside = path.with_name(f"{path.stem}_confidence{suffix}")
        if beside.is_file() and kind_of(beside) == FileKind.CONFIDENCE:
            return str(beside)
    return None


def _why_not(path: str | os.PathLike[str]) -> str | None:
    from hsiattn.scenes import open_raster

    with open_raster(os.fspath(path)) as raster:
        tags = raster.tags()
    return why_no_probability(os.fspath(path), tags.get(KIND_TAG), tags.get(CONFIDENCE_KIND_TAG))
