"""Products as they are downloaded: packed, and to be unpacked before anything can be read window by window."""

from __future__ import annotations

from pathlib import Path

from hsiattn.errors import SceneError
from hsiattn.scenes.products.metadata_xml import read_start

_SIGNATURES = (b"PK\3\4", b"\x1f\x8b", b"BZh", b"\xfd7zXZ")


def refuse_archive(path: Path, name: str) -> None:
    """Refuse a file that is packed and has the name of a product in its own, whatever its case.

    Raises
    ------
    SceneError
        It is one.
    """
    if name.lower() in path.name.lower() and (
        path.suffix.lower() == ".tar" or read_start(path, 5).startswith(_SIGNATURES)
    ):
        raise SceneError(f"{path} is an archive of a product", "unpack it and give what is in it")
