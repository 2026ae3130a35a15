"""Splits that come with the package, for the label maps of public scenes.

For every scene there are two files in `datasets/splits`: `<scene>.npz` with roles, `<scene>.json` with their records.
The first holds a mask of the labelled pixels, packed to bits row by row (`labelled`), and for every split the roles of
these pixels in the same order (`<protocol>_<seed>`): who trains and who tests, nothing else of the scene.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.errors import SplitError
from hsiattn.resources import file_name_of, names_instead, resource_folder
from hsiattn.splits.groups import digest_of
from hsiattn.splits.roles import ROLES, Split


def shipped_splits() -> dict[str, list[str]]:
    """Scenes that have splits, each with the names of its protocols.

    Examples
    --------
    >>> sorted(shipped_splits())
    ['indian-pines', 'pavia-centre', 'pavia-university', 'salinas']
    """
    return {
        path.stem: list(dict.fromkeys(record["protocol"] for record in _index(path)["splits"]))
        for path in sorted(_folder().glob("*.json"))
    }


def shipped_split(scene: str, protocol: str, seed: int = 0) -> Split:
    """One of the splits that come with the package.

    Parameters
    ----------
    scene : str
        Name of the public scene; case, blanks and underscores do not matter.
    protocol : str
        Name of the protocol that the split was drawn by, see `hsiattn.splits.PROTOCOLS`.
    seed : int, default 0
        Seed of the draw.

    Returns
    -------
    Split
        Roles on the grid of the scene's label map. The record says by which method and parameters it was drawn
        (`leakage` is that of windows of `window` pixels, `leakage_by_window` that of others), which classes were left
        out (`left_out`, codes; their pixels are dropped), and the SHA-256 of the roles (`roles_sha256`) and of the
        label map (`labels_sha256`): of the values as little-endian 64-bit integers, row by row.

    Raises
    ------
    SplitError
        No such scene, protocol or seed, with those that there are; or files that are damaged.

    Examples
    --------
    >>> split = shipped_split("Indian Pines", "random-10")
    >>> split.roles.shape, split.record["pixels"]["test"]
    ((145, 145), 10089)
    """
    index_path = (
        _folder() / f"{_known(file_name_of(scene), [path.stem for path in _folder().glob('*.json')], 'scene')}.json"
    )
    index = _index(index_path)
    records = [record for record in index["splits"] if record["protocol"] == protocol]
    if not records:
        _known(protocol, list(dict.fromkeys(record["protocol"] for record in index["splits"])), "protocol")
    record = next((record for record in records if record["seed"] == seed), None)
    if record is None:
        seeds = ", ".join(str(record["seed"]) for record in records)
        raise SplitError(f"no split {protocol} of {index['scene']} has the seed {seed}", f"known are {seeds}")
    path = index_path.with_suffix(".npz")
    try:
        with path.open("rb") as stream, np.load(stream) as stored:
            roles = _unpacked(stored["labelled"], stored[member_name(record)], index["shape"])
    except (OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile, zlib.error) as error:
        raise _damaged(path) from error
    if digest_of(roles) != record["roles_sha256"]:
        raise _damaged(path)
    return Split(roles, {"scene": index["scene"], **record, "labels_sha256": index["labels_sha256"]})


def _unpacked(bits: NDArray[np.uint8], values: NDArray[np.uint8], shape: Sequence[int]) -> NDArray[np.uint8]:
    height, width = shape
    labelled = np.unpackbits(bits, count=height * width).reshape(height, width).astype(bool)
    roles = np.full((height, width), ROLES["none"], dtype=np.uint8)
    roles[labelled] = values
    return roles


def member_name(record: dict[str, Any]) -> str:
    """Name of a split in the archive of its scene."""
    return f"{record['protocol']}_{record['seed']}"


def _folder() -> Path:
    return resource_folder("datasets") / "splits"


def _index(path: Path) -> dict[str, Any]:
    try:
        index: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path) from error
    return index


def _damaged(path: Path) -> SplitError:
    return SplitError(f"the splits in {path} are damaged", "install hsiattn again")


def _known(name: str, choices: Sequence[str], kind: str) -> str:
    """The name, if it is among the choices."""
    if name in choices:
        return name
    raise SplitError(f"no splits are shipped for the {kind} {name!r}", names_instead(name, choices))
