"""Text of strangers is read within bounds and harmless where it is shown."""

from __future__ import annotations

import os
import unicodedata
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsiattn.files.text import TextFileError, printable, read_text, spreadsheet_cell


@pytest.mark.parametrize("content", [b"caf\xc3\xa9\n", b"\xef\xbb\xbfcaf\xc3\xa9\n"])
def test_utf_8_is_read_with_and_without_byte_order_mark(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    assert read_text(tmp_path / "a.txt", 100) == "café\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("café".encode("utf-16"), "is text in UTF-16; save it as UTF-8"),
        ("café".encode("utf-32"), "is text in UTF-32"),
        ("a\nb\ncafé".encode("latin-1"), r"is not text in UTF-8 \(line 3, byte 0xe9\)"),
        (b"a\0b", "holds zero bytes"),
        (b"a" * 101, "is larger than"),
    ],
)
def test_other_encodings_and_large_files_are_refused_by_name(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(TextFileError, match=reason):
        read_text(tmp_path / "a.txt", 100)


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, reason in (
        (tmp_path / "pipe", "is not a file on a disk"),
        (Path("/dev/zero"), "is not a file on a disk"),
        (tmp_path, "is a folder|not a file"),
        (tmp_path / "none", "does not exist"),
        ("a\0b", "cannot be read"),
        (tmp_path / "a.txt" / "b", "cannot be read|does not exist"),
    ):
        with pytest.raises(TextFileError, match=reason):
            read_text(path, 100)


def test_printable_text_is_left_as_it_is() -> None:
    for text in ("Gewässer <tief> & breit", "森林 و שלום", "می‌خواهم", "a" * 1000, ""):
        assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  two \r\n lines\t", "two lines"),
        ("\x1b[2Jcleared\x07", "�[2Jcleared�"),
        ("abc\u202ecba", "abc�cba"),
        ("half \ud83d pair", "half � pair"),
        ("zero\0", "zero�"),
        ("\ufffe\x7f\x9b", "���"),
    ],
)
def test_what_is_not_visible_is_replaced(text: str, expected: str) -> None:
    assert printable(text) == expected


def test_long_text_is_cut() -> None:
    assert printable("a" * 50, 10) == "a" * 9 + "…"
    assert printable("a" * 10, 10) == "a" * 10


@given(st.text(st.characters(codec=None)))
def test_the_result_is_one_line_of_well_formed_xml_without_control_characters(text: str) -> None:
    line = printable(text)
    assert line.splitlines() in ([line], [])
    assert not {unicodedata.category(c) for c in line} & {"Cc", "Cs", "Zl", "Zp"}
    element = ET.Element("a")
    element.text = line
    assert (ET.fromstring(ET.tostring(element, encoding="utf-8")).text or "") == line
    assert printable(line) == line


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "＝1"])
def test_what_a_spreadsheet_takes_for_a_formula_gets_an_apostrophe(text: str) -> None:
    assert spreadsheet_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["oak", "a=b", "", -1, -0.5, None])
def test_other_cells_stay_as_they_are(value: object) -> None:
    assert spreadsheet_cell(value) is value
