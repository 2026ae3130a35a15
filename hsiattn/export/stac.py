"""An ONNX file as an item of a STAC catalogue, which differs from its model's in what goes in and what comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hsiattn.files.kinds import GENERATOR
from hsiattn.models.model_file import TrainedModel
from hsiattn.models.onnx_model import INPUT, OUTPUT
from hsiattn.models.onnx_runtime import runtime_version
from hsiattn.models.stac import bands_in_words, classes_in_words, file_in_words, stac_item

ITEM_SUFFIX = ".stac.json"
"""Ending that the item of a file adds to its name."""


def onnx_item(
    model: TrainedModel, path: Path, *, scale: float, nodata: float | None, precision: str, side: int | None = None
) -> dict[str, Any]:
    """The item of an ONNX file that lies beside it, JSON-ready.

    Parameters
    ----------
    path
        The file.
    scale, nodata
        See `hsiattn.export.TileGraph`.
    precision
        Type of the network's products, `32` or `int8`.
    side
        Height and width of the only tiles that it takes; None for tiles of any size.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    item = stac_item(model, path)
    bands = bands_in_words(model.bands)
    properties = item["properties"]
    for name in ("mlm:framework_version", "mlm:pretrained_source"):
        properties.pop(name, None)
    properties |= {
        "title": f"Land cover of {len(model.classes)} classes from {len(bands)} bands, as ONNX"
        + (", in int8" if precision == "int8" else ""),
        "bands": bands,
        "mlm:framework": "ONNX",
        "mlm:input": [_input(model, bands, scale, nodata, side)],
        "mlm:output": [_output(model, side)],
        f"{GENERATOR}:scale": scale,
        f"{GENERATOR}:precision": precision,
        f"{GENERATOR}:onnxruntime": runtime_version(),
    }
    if nodata is not None:
        properties[f"{GENERATOR}:nodata"] = nodata
    item["assets"] = {
        "model": {
            **file_in_words(path, f"./{path.name}", bands),
            "type": "application/octet-stream; framework=onnx",
            "title": "ONNX file of hsiattn",
            "description": "One graph from stored values to class probabilities; hsiattn classify maps with it without "
            "torch.",
            "mlm:artifact_type": "torch.onnx.export",
        }
    }
    return item


def _input(
    model: TrainedModel, bands: list[dict[str, Any]], scale: float, nodata: float | None, side: int | None
) -> dict[str, Any]:
    tile = f"of at least {model.patch_size + 1}" if side is None else f"of {side}"
    missing = "NaN" if nodata is None else f"NaN or {nodata:g}"
    factor = "Reflectance" if scale == 1 else f"Reflectance × {scale:g}"
    return {
        "name": INPUT,
        "description": f"{factor}, as it is stored, {missing} without a measurement; a tile {tile} pixels a side. "
        "Transform, scaling and edges are in the graph.",
        "bands": [band["name"] for band in bands],
        "input": {
            "shape": [1, len(bands), *_sizes(side)],
            "dim_order": ["batch", "bands", "height", "width"],
            "data_type": "float32",
        },
        "value_scaling": None,
        "resize_type": None,
    }


def _output(model: TrainedModel, side: int | None) -> dict[str, Any]:
    classes = classes_in_words(model, range(1, len(model.classes) + 1))
    return {
        "name": OUTPUT,
        "tasks": ["semantic-segmentation", "classification"],
        "result": {
            "shape": [1, len(classes), *_sizes(side)],
            "dim_order": ["batch", "class", "height", "width"],
            "data_type": "float32",
        },
        "classification:classes": classes,
    }


def _sizes(side: int | None) -> tuple[int, int]:
    """Height and width of a tile; -1 stands for any."""
    return (-1, -1) if side is None else (side, side)
