"""What an ONNX file says of itself: the keys that the QGIS plugin Deepness reads, and our own.

Deepness (https://github.com/PUTvision/qgis-plugin-deepness) reads values as JSON. It divides what it reads by 255 and
standardises after that, so that a deviation of 1 / 255 hands the stored values on as they are, within float32. Its
documentation names the key `tiles_size`, its code reads `tile_size`: both are written. Without the keys that begin with
`seg_` it drops classes below a probability of 0.5 and smooths the map.
"""

from __future__ import annotations

import json
import math

import numpy as np

from hsiattn.classes import UNLABELLED, format_color
from hsiattn.models.model_file import TrainedModel, header_text
from hsiattn.models.onnx_graph import PREFIX
from hsiattn.models.onnx_model import SCHEMA, packed_arrays


def metadata(model: TrainedModel, *, tile: int, scale: float, nodata: float | None, precision: str) -> dict[str, str]:
    """Metadata by name, as text.

    Parameters
    ----------
    tile
        Side in pixels of the tiles that are advised.
    scale, nodata
        See `hsiattn.export.TileGraph`.
    precision
        Type of the network's products, `32` or `int8`.
    """
    names = ["unclassified", *model.classes.names]
    count = len(model.bands)
    halo = model.patch_size // 2
    deepness = {
        "model_type": "Segmentor",
        "class_names": {str(number): name for number, name in enumerate(names)},
        "tiles_size": tile,
        "tile_size": tile,
        "tiles_overlap": min(50, math.ceil(200 * halo / tile)),
        "standardization_mean": [0.0] * count,
        "standardization_std": [1 / 255] * count,
        "seg_thresh": 0.0,
        "seg_small_segment": 0,
    }
    pixel = (model.data.get("place") or {}).get("pixel_m")
    if pixel is not None:
        deepness["resolution"] = round(100 * pixel, 6)  # centimetres
    values = [UNLABELLED, *model.classes.values]
    colors = [None, *(format_color(item.color) for item in model.classes)]
    own = {
        "schema": SCHEMA,
        "sha256": model.digest,
        "classes": [
            {"channel": number, "value": value, "name": name, "color": color}
            for number, (value, name, color) in enumerate(zip(values, names, colors, strict=True))
        ],
        "bands": list(model.bands.names),
        "used_bands": model.preprocessing.bands.tolist(),
        "wavelength_nm": _numbers(model.bands.wavelength),
        "fwhm_nm": _numbers(model.bands.fwhm),
        "scale": scale,
        "nodata": nodata,
        "halo": halo,
        "precision": precision,
        "temperature": model.temperature,
        "trained_on": model.data.get("scene"),
        "recipe": model.recipe.get("name"),
        "edge": model.edge,
        "header": json.loads(header_text(model)),
        "arrays": packed_arrays(model),
    }
    described = {**deepness, **{f"{PREFIX}{name}": value for name, value in own.items()}}
    return {name: json.dumps(value, ensure_ascii=False, allow_nan=False) for name, value in described.items()}


def _numbers(values: object) -> list[float | None]:
    array = np.asarray(values, dtype=np.float64)
    return [round(float(value), 4) if np.isfinite(value) else None for value in array]
