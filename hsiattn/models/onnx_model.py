"""A model as an ONNX file: what `hsiattn export` wrote, read without torch and without `onnx`.

The file holds, beside the graph, all that mapping needs to know of the model: the header and the arrays of the model
file but the weights. Anybody can write such a file, so nothing is built before all of it has been looked through.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from hsiattn.errors import HsiattnError, ModelFileError
from hsiattn.files.inputs import open_regular
from hsiattn.files.paths import StrPath
from hsiattn.files.text import printable
from hsiattn.models.container import DOMAIN, FAILURES, PREPROCESSING
from hsiattn.models.described_model import DescribedModel, description_of
from hsiattn.models.header import check_header, parse_json
from hsiattn.models.onnx_graph import MOST_BYTES, PREFIX, checked_metadata
from hsiattn.models.onnx_runtime import failures, open_session
from hsiattn.settings import Settings, first_mistake

SCHEMA = 2
"""Version of our own keys; 2 has all that mapping needs."""

INPUT, OUTPUT = "scene", "probabilities"
"""Names of the graph's input and output."""

MOST_SIDE = 512
"""Largest side of tiles of a fixed size: states of a recurrent network take some 30 kB of each pixel."""

NODATA_TOLERANCE = 2.0**-21
"""Values that are as near to nodata, relative to it, count as it: Deepness divides and multiplies in float32 before the
graph sees them."""

_LONGEST_VALUE = 100
"""Characters of an entry that is a number or a short text."""

_TYPES = ("float32", "float64", "int32", "int64", "bool")


@dataclass(frozen=True, eq=False, kw_only=True)
class OnnxModel(DescribedModel):
    """A model that ONNX Runtime evaluates; further fields are those of `DescribedModel`.

    Attributes
    ----------
    path
        The file that it was read from.
    graph
        Its bytes.
    scale
        Stored values that the graph takes are reflectance times this number.
    nodata
        Value that the graph takes for no measurement; None for NaN alone.
    edge_rule
        See `edge`.
    precision
        Type of its network's products: `32` for float32, or `int8`.
    side
        Height and width in pixels of the only tiles that the graph takes; None for tiles of any size.
    """

    path: str
    graph: bytes = field(repr=False)
    scale: float
    nodata: float | None
    edge_rule: Literal["reflect", "zero"]
    precision: Literal["32", "int8"]
    side: int | None = None

    @property
    def edge(self) -> Literal["reflect", "zero"]:
        """What lies beyond the edge of a scene, see `read_tile`."""
        return self.edge_rule


def read_onnx(path: StrPath) -> OnnxModel:
    """Read an ONNX file that `hsiattn export` wrote; it is loaded once by ONNX Runtime, and nothing is computed.

    Raises
    ------
    ModelFileError
        Missing, damaged, altered, another program's, of another schema, or ONNX Runtime is not installed.
    """
    content = _content(Path(path))
    try:
        model = _assemble(path, content, checked_metadata(content))
    except (*FAILURES, SafetensorError, binascii.Error) as error:
        raise _unusable(path, error) from error
    return replace(model, side=_side_of(model))


def packed_arrays(model: DescribedModel) -> str:
    """The arrays of preprocessing and domain, as text for an entry of the metadata."""
    arrays = {f"{PREPROCESSING}{name}": array for name, array in model.preprocessing.to_arrays().items()}
    of_domain = model.domain.to_arrays() if model.domain is not None else {}
    arrays |= {f"{DOMAIN}{name}": array for name, array in of_domain.items()}
    content = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    return base64.b64encode(content).decode()


class _Said(Settings, extra="ignore", strict=True):
    """Our entries of the metadata that mapping reads, after JSON; the others are for people and other programs."""

    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
    scale: float = Field(gt=0)
    nodata: float | None
    edge: Literal["reflect", "zero"]
    precision: Literal["32", "int8"]


def _content(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            content = file.read(MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ModelFileError(f"there is no ONNX file {path}", "check the path") from error
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        reason = getattr(error, "strerror", None) or str(error)
        raise ModelFileError(f"{path} cannot be read ({reason})", "check the path and its permissions") from error
    if len(content) > MOST_BYTES:
        raise ModelFileError(f"{path} has more than {MOST_BYTES >> 20} MiB, as no ONNX file of hsiattn", "export again")
    return content


def _assemble(path: StrPath, content: bytes, entries: dict[str, str]) -> OnnxModel:
    told = {name.removeprefix(PREFIX): text for name, text in entries.items() if name.startswith(PREFIX)}
    if told.get("schema") != str(SCHEMA):
        raise ModelFileError(
            f"its metadata have the schema {printable(told.get('schema', 'none'), 20)}, this hsiattn reads {SCHEMA}",
            "export the model again with this version",
        )
    values = {
        name: _plain_value(name, told.get(name, "null")) for name in ("sha256", "scale", "nodata", "edge", "precision")
    }
    try:
        said = _Said.model_validate(values)
    except ValidationError as error:
        raise ValueError(first_mistake(error, _Said).problem) from error
    header = parse_json(told.get("header", ""))
    check_header(header)
    arrays = _unpacked(told.get("arrays", ""))
    described = description_of(header, _under(PREPROCESSING, arrays), _under(DOMAIN, arrays))
    return OnnxModel(
        path=str(path), graph=content, scale=said.scale, nodata=said.nodata, edge_rule=said.edge, digest=said.sha256,
        precision=said.precision, **described,
    )  # fmt: skip


def _plain_value(name: str, text: str) -> Any:
    """A number, a text or null."""
    if len(text) > _LONGEST_VALUE:
        raise ValueError(f"its {name} is too long")
    value = json.loads(text, parse_constant=_no_number)
    return float(value) if name in ("scale", "nodata") and isinstance(value, int) else value


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _unpacked(text: str) -> dict[str, NDArray[Any]]:
    arrays = load(base64.b64decode(json.loads(text or "null"), validate=True))
    for name, array in arrays.items():
        if str(array.dtype) not in _TYPES or not np.isfinite(array).all():
            raise ValueError(f"its {printable(name, 60)} has values that are NaN, infinite or of a strange type")
    return arrays


def _under(prefix: str, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _side_of(model: OnnxModel) -> int | None:
    """The side of the tiles that the graph takes, see `OnnxModel`.

    Raises
    ------
    ModelFileError
        ONNX Runtime does not take the graph, or it does not read or give what the file says.
    """
    expected = [(INPUT, len(model.bands)), (OUTPUT, len(model.classes) + 1)]
    try:
        session = open_session(model.graph, threads=1)
        found = [(node.name, node.type, node.shape) for node in (*session.get_inputs(), *session.get_outputs())]
    except ModelFileError:
        raise
    except failures() as error:
        raise _unusable(model.path, error) from error
    fits = len(found) == 2 and len(session.get_inputs()) == 1 and all(
        name == known and kind == "tensor(float)" and len(shape) == 4 and list(shape[:2]) == [1, planes]
        for (name, kind, shape), (known, planes) in zip(found, expected, strict=True)
    )  # fmt: skip
    sides = {size if isinstance(size, int) else None for _, _, shape in found for size in shape[2:]} if fits else set()
    side = next(iter(sides), None)
    if len(sides) != 1 or (side is not None and not 2 * (model.patch_size // 2) < side <= MOST_SIDE):
        raise _unusable(model.path, ValueError("its graph has other inputs and outputs than its metadata say"))
    return side


def _unusable(path: StrPath, error: Exception) -> ModelFileError:
    reason = printable(error.problem if isinstance(error, HsiattnError) else str(error), 200)
    remedy = error.remedy if isinstance(error, ModelFileError) else "export the model again"
    return ModelFileError(f"{path} is not a usable ONNX file of hsiattn: {reason}", remedy)
