"""What a report is about: scene, map, reference and model by name, and when, where and by what it was made."""

from __future__ import annotations

import math
import os
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hsiattn.assessment.records import IdentityRecord
from hsiattn.version import __version__

if TYPE_CHECKING:
    from rasterio.crs import CRS

    from hsiattn.mapping.provenance import Provenance
    from hsiattn.models.model_file import TrainedModel
    from hsiattn.scenes.grid import Grid

_THIS = "hsiattn"


def describe_identity(
    grid: Grid,
    *,
    provenance: Provenance | None = None,
    model: TrainedModel | None = None,
    **names: str | None,
) -> IdentityRecord:
    """The record, without what is not known.

    Parameters
    ----------
    grid
        Of the map.
    provenance
        What the map says of itself.
    model
        By which it was made; what it says of itself counts more.
    names
        `scene`, `map`, `reference`, `split`, `model_name`, `command`, `author`.
    """
    versions = dict(model.versions if model is not None else provenance.versions if provenance is not None else {})
    if versions.get(_THIS) != __version__:
        versions["this report by hsiattn" if versions else _THIS] = __version__
    recipe, seed, digest = _of_model(provenance, model)
    width, height = pixel_size(grid)
    known: dict[str, Any] = {
        "scene": names.get("scene") or (provenance.scene if provenance is not None else None),
        "map": names.get("map"),
        "reference": names.get("reference"),
        "split": names.get("split"),
        "model": names.get("model_name"),
        "model_sha256": digest,
        "recipe": recipe,
        "seed": seed,
        "versions": {str(name): str(version) for name, version in versions.items()},
        "command": names.get("command"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "author": names.get("author"),
        "crs": crs_in_words(grid.crs),
        "pixel_size": [width, height] if width else None,
        "pixel_unit": unit_of(grid.crs) if width else None,
        "width": grid.width,
        "height": grid.height,
    }
    return {name: value for name, value in known.items() if value not in (None, "")}  # type: ignore[return-value]


def _of_model(provenance: Provenance | None, model: TrainedModel | None) -> tuple[str, int | None, str]:
    """Recipe, seed and digest."""
    if model is not None:
        seed = model.training.get("seed")
        name = model.recipe.get("name")
        return str(name or ""), seed if isinstance(seed, int) else None, model.digest
    if provenance is not None:
        return provenance.recipe, provenance.seed, provenance.model_sha256
    return "", None, ""


def crs_in_words(crs: CRS | None) -> str:
    """Name and code of a coordinate reference system, "" where there is none.

    >>> from rasterio.crs import CRS
    >>> crs_in_words(CRS.from_epsg(32633)), crs_in_words(None)
    ('WGS 84 / UTM zone 33N (EPSG:32633)', '')
    """
    if crs is None:
        return ""
    found = re.match(r'\s*\w+\s*\[\s*"([^"]*)"', crs.to_wkt())
    name, code = (found[1] if found else ""), crs.to_epsg()
    if code is None:
        return name or crs.to_string()
    return f"{name} (EPSG:{code})" if name else f"EPSG:{code}"


def unit_of(crs: CRS | None) -> str:
    """What coordinates are measured in, "" where it is not known.

    >>> from rasterio.crs import CRS
    >>> unit_of(CRS.from_epsg(32633)), unit_of(CRS.from_epsg(4326)), unit_of(CRS.from_epsg(2263))
    ('metre', 'degree', 'US survey foot')
    """
    if crs is None:
        return ""
    return "degree" if crs.is_geographic else str(crs.linear_units or "")


def pixel_size(grid: Grid) -> tuple[float, float]:
    """Width and height of a pixel, along its sides where the grid is rotated; 0 where the grid has no transform.

    >>> from affine import Affine
    >>> from hsiattn.scenes import Grid
    >>> pixel_size(Grid(5, 5, None, Affine.rotation(30) @ Affine.scale(4, -3)))
    (4.0, 3.0)
    """
    from affine import Affine

    t = grid.transform
    if t == Affine.identity():
        return 0.0, 0.0
    return round(math.hypot(t.a, t.d), 12), round(math.hypot(t.b, t.e), 12)


def name_of_raster(raster: Any) -> str | None:
    """The path of a raster as it was given; None for one in memory."""
    if isinstance(raster, str | os.PathLike):
        return os.fspath(raster)
    name = getattr(raster, "name", None) if hasattr(raster, "kept_open") else None
    return None if name is None or name.startswith("the ") else str(name)
