"""Models for programs that know nothing of this package: one graph from a tile of a scene to class probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsiattn.lazy import lazily

if TYPE_CHECKING:
    from hsiattn.export.onnx_export import Exported, export_onnx
    from hsiattn.export.tile_graph import TileGraph

__all__ = ["Exported", "TileGraph", "export_onnx"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "Exported": "hsiattn.export.onnx_export",
        "TileGraph": "hsiattn.export.tile_graph",
        "export_onnx": "hsiattn.export.onnx_export",
    },
)
