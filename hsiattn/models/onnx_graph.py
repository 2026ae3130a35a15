"""The bytes of an ONNX file of ours: what must not be in them, their checksum, and what they say of themselves.

Only ONNX's own operators may stand in the graph, without loops, and all its numbers are in the file itself: running it
reads no other file and ends. The last entry of the metadata is the SHA-256 of all bytes before it. Neither `onnx` nor
ONNX Runtime is needed here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from hsiattn.files.kinds import GENERATOR
from hsiattn.files.protobuf import Field, ProtobufError, fields, length_field, text_of

PREFIX = "hsiattn_"
"""Beginning of the names of our own keys."""

MOST_BYTES = 2**28
"""Largest file that is read."""

_CHECKSUM = f"{PREFIX}file_sha256"
_MOST_ENTRIES = 100
_MOST_FIELDS = 2**18
_MOST_DEPTH = 8
"""Depth of graphs inside each other."""
_UNBOUNDED = frozenset(("Loop", "Scan", "SequenceMap", "If"))
"""Operators with graphs inside, of which some need not end; none of ours has any."""
_STANDARD = frozenset(("", "ai.onnx"))

# Numbers of fields in onnx.proto: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
_PRODUCER, _GRAPH, _OPSET, _METADATA, _TRAINING, _FUNCTIONS = 2, 7, 8, 14, 20, 25
_NODE, _INITIALIZER, _SPARSE = 1, 5, 15
_OP_TYPE, _ATTRIBUTE, _DOMAIN = 4, 5, 7
_ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS, _ATTRIBUTE_SPARSE = (5, 10), (6, 11), (22, 23)
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14


class UnfitGraphError(ValueError):
    """Bytes are no ONNX model of ours; the reason is one line."""


def sealed(content: bytes) -> bytes:
    """The bytes of a model with their checksum as the last entry of the metadata."""
    return content + _checksum_of(content)


def checked_metadata(content: bytes) -> dict[str, str]:
    """What an ONNX file says of itself, after a look through all of it.

    Raises
    ------
    UnfitGraphError
        It is damaged, or something is in it that no file of ours has.
    """
    try:
        return _Look().at(content)
    except ProtobufError as error:
        raise UnfitGraphError(f"it is damaged, or no ONNX at all: {error}") from error


class _Look:
    """A look through all of a file, of no more than so many fields."""

    def __init__(self) -> None:
        self._left = _MOST_FIELDS

    def at(self, content: bytes) -> dict[str, str]:
        """See `checked_metadata`."""
        told: dict[str, str] = {}
        last: Field | None = None
        producer = ""
        for last in self._fields(content):
            if last.number == _PRODUCER:
                producer = text_of(last)
            elif last.number == _GRAPH:
                self._graph(last.content, 0)
            elif last.number == _OPSET:
                _check_domain("".join(text_of(part) for part in self._fields(last.content) if part.number == 1))
            elif last.number == _METADATA:
                parts = {part.number: text_of(part) for part in self._fields(last.content) if part.number in (1, 2)}
                name = parts.get(1, "")
                if name in told or len(told) == _MOST_ENTRIES:
                    raise UnfitGraphError("an entry of its metadata is there twice, or there are too many")
                told[name] = parts.get(2, "")
            elif last.number in (_TRAINING, _FUNCTIONS):
                raise UnfitGraphError("it has functions or training of its own")
        if producer != GENERATOR:
            raise UnfitGraphError("another program made it, or it is damaged")
        before = content[: last.start] if last is not None else b""
        if _CHECKSUM not in told or content[len(before) :] != _checksum_of(before):
            raise UnfitGraphError("its contents do not have the SHA-256 that it states, or it states none")
        del told[_CHECKSUM]
        return told

    def _fields(self, message: bytes | memoryview) -> Iterator[Field]:
        for field in fields(message):
            self._left -= 1
            if self._left < 0:
                raise UnfitGraphError(f"it has more than {_MOST_FIELDS} parts")
            yield field

    def _graph(self, graph: memoryview, depth: int) -> None:
        if depth > _MOST_DEPTH:
            raise UnfitGraphError("its graphs lie too deep in each other")
        for part in self._fields(graph):
            if part.number == _NODE:
                self._node(part.content, depth)
            elif part.number == _INITIALIZER:
                self._tensor(part.content)
            elif part.number == _SPARSE:
                raise UnfitGraphError("it has sparse tensors")

    def _node(self, node: memoryview, depth: int) -> None:
        for part in self._fields(node):
            if part.number == _DOMAIN:
                _check_domain(text_of(part))
            elif part.number == _OP_TYPE and text_of(part) in _UNBOUNDED:
                raise UnfitGraphError(f"its graph has the operator {text_of(part)}")
            elif part.number == _ATTRIBUTE:
                self._attribute(part.content, depth)

    def _attribute(self, attribute: memoryview, depth: int) -> None:
        for part in self._fields(attribute):
            if part.number in _ATTRIBUTE_TENSORS:
                self._tensor(part.content)
            elif part.number in _ATTRIBUTE_GRAPHS:
                self._graph(part.content, depth + 1)
            elif part.number in _ATTRIBUTE_SPARSE:
                raise UnfitGraphError("it has sparse tensors")

    def _tensor(self, tensor: memoryview) -> None:
        for part in self._fields(tensor):
            if part.number == _EXTERNAL_DATA or (part.number == _DATA_LOCATION and part.value):
                raise UnfitGraphError("a part of its numbers lies in another file")


def _check_domain(domain: str) -> None:
    if domain not in _STANDARD:
        raise UnfitGraphError("it has operators that are not ONNX's own")


def _checksum_of(content: bytes) -> bytes:
    """The entry of the metadata with the SHA-256 of what stands before it, as JSON like the other ones."""
    return _entry(_CHECKSUM, f'"{hashlib.sha256(content).hexdigest()}"')


def _entry(name: str, value: str) -> bytes:
    return length_field(_METADATA, length_field(1, name.encode()) + length_field(2, value.encode()))
