"""Graphs in int8: weights per channel, and activations on scales that are fixed when the file is written."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hsiattn.models.onnx_model import INPUT

if TYPE_CHECKING:
    from onnx import ModelProto

_PREPARED = ("onnx.quant.pre_process", "onnxruntime.quant")
"""Entry by which ONNX Runtime knows a graph whose constants are folded already, and keeps its advice to itself."""


def products_of(made: ModelProto) -> list[str]:
    """Names of the nodes that int8 is for: convolutions and matrix products with weights of more than one output.

    Preprocessing and recurrent parts have their products in other operators, and counts of measured neighbours have one
    output: all of these stay float32.
    """
    shapes = {weights.name: tuple(weights.dims) for weights in made.graph.initializer}
    axis = {"Conv": 0, "MatMul": -1}
    return [
        node.name
        for node in made.graph.node
        if node.op_type in axis and node.input[1] in shapes and shapes[node.input[1]][axis[node.op_type]] > 1
    ]


def in_int8(made: ModelProto, tiles: Sequence[NDArray[np.float32]]) -> ModelProto:
    """The graph with its products in int8, on scales that suit these tiles; without entries in its metadata.

    Weights have seven bits, so that sums of two products fit 16 bits: CPUs without VNNI then compute the same.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
        """Hands out the tiles one by one."""

        def __init__(self) -> None:
            self._left: Iterator[NDArray[np.float32]] = iter(tiles)

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            return {INPUT: tile} if (tile := next(self._left, None)) is not None else None

    graph = onnx.ModelProto()
    graph.CopyFrom(made)
    del graph.metadata_props[:]
    graph.metadata_props.add(key=_PREPARED[0], value=_PREPARED[1])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        quantize_static(
            graph, path, Reader(), quant_format=QuantFormat.QDQ, op_types_to_quantize=["Conv", "MatMul"],
            nodes_to_quantize=products_of(made), per_channel=True, reduce_range=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        )  # fmt: skip
        quantised = onnx.load(path)
    del quantised.metadata_props[:]
    return quantised
