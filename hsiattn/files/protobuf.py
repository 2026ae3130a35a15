"""Messages of Protocol Buffers as they lie in a file: fields by number, without a schema and without a library.

Reading follows no pointer out of the message and copies nothing, so that a stranger's file can be looked through.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

VARINT, LENGTH = 0, 2
"""Wire types of whole numbers, and of texts, bytes and messages."""

_FIXED = {1: 8, 5: 4}
"""Bytes of the wire types of numbers of a fixed size."""
_LONGEST_VARINT = 10
_LARGEST_NUMBER = 2**29 - 1


class ProtobufError(ValueError):
    """Bytes are no message."""


@dataclass(frozen=True)
class Field:
    """A field of a message.

    Attributes
    ----------
    start
        Where it begins in the message.
    number
        Its number in the schema.
    kind
        Its wire type.
    value
        A whole number of the type `VARINT`, 0 for one of a fixed size.
    content
        Bytes of the type `LENGTH`, else none.
    """

    start: int
    number: int
    kind: int
    value: int
    content: memoryview


def fields(message: bytes | memoryview) -> Iterator[Field]:
    r"""The fields of a message, one after the other.

    Raises
    ------
    ProtobufError
        The bytes are no message, or a field is cut off.

    Examples
    --------
    >>> [(field.number, field.value, bytes(field.content)) for field in fields(b"\x08\x0a\x12\x02hi")]
    [(1, 10, b''), (2, 0, b'hi')]
    """
    view = memoryview(message)
    at, empty = 0, view[:0]
    while at < len(view):
        start = at
        key, at = _varint(view, at)
        number, kind = key >> 3, key & 7
        if not 0 < number <= _LARGEST_NUMBER:  # of which other readers might keep the lower bits
            raise ProtobufError("a field has a number that none can have")
        if kind == VARINT:
            value, at = _varint(view, at)
            yield Field(start, number, kind, value, empty)
        elif kind == LENGTH:
            size, at = _varint(view, at)
            if size > len(view) - at:
                raise ProtobufError("a field is cut off")
            yield Field(start, number, kind, 0, view[at : at + size])
            at += size
        elif kind in _FIXED and _FIXED[kind] <= len(view) - at:
            yield Field(start, number, kind, 0, empty)
            at += _FIXED[kind]
        else:
            raise ProtobufError("a field is of no known type, or cut off")


def text_of(field: Field) -> str:
    """The text of a field.

    Raises
    ------
    ProtobufError
        It is none.
    """
    try:
        return bytes(field.content).decode()
    except UnicodeDecodeError as error:
        raise ProtobufError("a text is not in UTF-8") from error


def length_field(number: int, content: bytes) -> bytes:
    r"""A field of the type `LENGTH` as bytes.

    >>> length_field(2, b"hi")
    b'\x12\x02hi'
    """
    return _as_varint(number << 3 | LENGTH) + _as_varint(len(content)) + content


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    """A whole number, and where it ends."""
    value = 0
    for place, byte in enumerate(view[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise ProtobufError("a number is cut off, or too long")


def _as_varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
