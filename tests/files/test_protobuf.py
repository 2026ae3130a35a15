"""Messages of Protocol Buffers: read as they were written, and refused where they are cut off."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsiattn.files.protobuf import ProtobufError, fields, length_field, text_of


@given(st.lists(st.tuples(st.integers(1, 2**29 - 1), st.binary(max_size=300))))
def test_fields_are_read_as_they_were_written(written):
    message = b"".join(length_field(number, content) for number, content in written)
    assert [(field.number, bytes(field.content)) for field in fields(message)] == written


@given(st.binary(max_size=200))
def test_any_bytes_are_fields_or_refused(message):
    try:
        found = list(fields(message))
    except ProtobufError:
        return
    assert [field.start for field in found] == sorted({field.start for field in found})


@pytest.mark.parametrize(
    "message",
    [
        b"\x80",
        b"\x08",
        b"\x08" + b"\xff" * 11,
        b"\x12\x05abc",
        b"\x0d\x00",
        b"\x09\x00",
        b"\x0b",
        b"\x00\x00",
        b"\x92\x80\x80\x80\x10\x00",
    ],
    ids=[
        "key", "number", "long number", "text", "four bytes", "eight bytes", "group", "no number", "beyond 32 bits",
    ],
)  # fmt: skip
def test_what_is_cut_off_or_of_no_known_type_is_refused(message):
    with pytest.raises(ProtobufError):
        list(fields(message))


def test_a_text_that_is_none_is_refused():
    (field,) = fields(b"\x0a\x01\xff")
    with pytest.raises(ProtobufError, match="UTF-8"):
        text_of(field)
