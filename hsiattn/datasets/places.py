"""Where the files of public scenes lie, and whether they are those that were released."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from hsiattn.datasets.cards import DatasetCard, DatasetFile, DatasetRaster
from hsiattn.errors import DatasetError
from hsiattn.files.paths import StrPath

ROOT_VARIABLE = "HSIATTN_DATA"
"""Environment variable with the folder of the scenes, where the caller names none."""


def dataset_root(root: StrPath | None = None) -> Path:
    """Folder of the public scenes: `root`, else `$HSIATTN_DATA`, else the platform's cache folder.

    Nothing is made. Every scene has a folder of its own in it, named like the scene.
    """
    given = os.fspath(root) if root is not None else os.environ.get(ROOT_VARIABLE)
    if given:
        return Path(given).expanduser()
    import pooch

    return Path(pooch.os_cache("hsiattn")) / "datasets"


def folders_of(card: DatasetCard, root: StrPath | None) -> list[Path]:
    """Folders in which the files of a scene are looked for; it is downloaded into the last."""
    base = dataset_root(root)
    return [base, base / card.name]


def present_files(card: DatasetCard, folders: Sequence[Path]) -> dict[str, Path]:
    """Paths of the files in some folders by their names in lower case; an earlier folder goes before a later one.

    Raises
    ------
    DatasetError
        A folder cannot be read.
    """
    try:
        return {
            path.name.lower(): path
            for folder in reversed(folders)
            if folder.is_dir()
            for path in folder.iterdir()
            if path.is_file()
        }
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DatasetError(f"the folder {folders[0]} cannot be read ({reason})", "check its permissions") from error


def find_file(raster: DatasetRaster, present: dict[str, Path]) -> tuple[DatasetFile, list[Path]] | None:
    """The first file of a raster that is there with all that belongs to it, and their paths; upper case or lower."""
    for file in raster.files:
        names = [part.name.lower() for part in (file, *file.with_files)]
        if all(name in present for name in names):
            return file, [present[name] for name in names]
    return None


def check_released(card: DatasetCard, path: Path, file: DatasetFile) -> None:
    """Refuse a file that is not the released one, where its checksum is known.

    Raises
    ------
    DatasetError
        It is another one, or cannot be read.
    """
    if file.sha256 is None:
        return
    try:
        found = sha256_of(path)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror})", "check its permissions") from error
    if found != file.sha256:
        raise DatasetError(
            f"{path} is not the released file: its SHA-256 is {found[:12]}… instead of {file.sha256[:12]}…",
            f"move it away, and {how_to_get(card)}",
        )


def sha256_of(path: Path) -> str:
    """Checksum of a file, 64 hexadecimal digits.

    Raises
    ------
    OSError
        It cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def how_to_get(card: DatasetCard, into: Path | None = None, *, by_hand: bool = False) -> str:
    """What to do to get the files of a scene, as the remedy of an error.

    Parameters
    ----------
    into
        Folder into which files would have to be put by hand; None where it has been named.
    by_hand
        Leave out that a program can do it.
    """
    names = " and ".join(
        " and ".join(file.name for file in (raster.files[0], *raster.files[0].with_files))
        for raster in (card.cube, card.labels)
    )
    place = "that folder" if into is None else str(into)
    if card.by_hand is not None:
        return f"{card.by_hand}, and put {names} into {place}"
    if card.can_be_downloaded and not by_hand:
        return f"run `hsiattn datasets download {card.name}`, or download {names} from {card.source.page} into {place}"
    return f"download {names} from {card.source.page} and put them into {place}"
