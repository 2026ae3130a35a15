from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hsiattn.errors import SceneError
from hsiattn.scenes.products import metadata_xml

PATH = Path("METADATA.XML")


def test_tags_lose_their_namespaces_at_every_depth():
    root = metadata_xml.parse(b'<a:x xmlns:a="u"><a:y><z xmlns="v">1</z></a:y></a:x>', PATH)
    assert [element.tag for element in root.iter()] == ["x", "y", "z"]


@pytest.mark.parametrize(
    "content", [b"", b"<a>", b"<a></b>", b"\0", b'<?xml version="1.0" encoding="none"?><a/>', b"<a>\xff</a>"]
)
def test_damaged_documents_are_refused_in_one_line(content):
    with pytest.raises(SceneError, match="cut short or damaged") as caught:
        metadata_xml.parse(content, PATH)
    assert "\n" not in str(caught.value)


def test_entities_are_refused_before_they_are_expanded():
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>'
    with pytest.raises(SceneError, match="document type"):
        metadata_xml.parse(bomb, PATH)


def test_numbers_are_nan_where_a_child_is_missing_or_none():
    root = metadata_xml.parse(b"<x><b><c>1.5</c></b><b/><b><c>inf</c></b><b><c>two</c></b></x>", PATH)
    np.testing.assert_array_equal(metadata_xml.numbers(root.findall("b"), "c"), [1.5, np.nan, np.nan, np.nan])


def test_what_cannot_be_read_has_no_start(tmp_path):
    assert metadata_xml.read_start(tmp_path, 4) == b""
    assert metadata_xml.read_start(tmp_path / "nothing", 4) == b""
    (tmp_path / "text").write_bytes(b"<level_X>")
    assert metadata_xml.read_start(tmp_path / "text", 4) == b"<lev"
