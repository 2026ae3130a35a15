"""Files inside wheels of the Python package index, brought by pip, which knows the index, proxy and mirrors in use."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from hsiattn.datasets.cards import WheelMember
from hsiattn.datasets.transfer import Told, TransferError, transfer
from hsiattn.files.text import printable

_MOST_BYTES = 2**33
_SECONDS = 1800


class Wheels:
    """Wheels that have been brought, in a temporary folder that goes at the end of the block."""

    def __init__(self, told: Told | None = None) -> None:
        self._told = told
        self._wheels: dict[str, Path] = {}

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="hsiattn-")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def extract(self, member: WheelMember, target: Path) -> None:
        """Take a file out of its wheel, which is brought unless it has been.

        Raises
        ------
        TransferError
            The wheel cannot be had, or does not hold the file.
        OSError
            The file cannot be written.
        """
        if member.requirement not in self._wheels:
            self._wheels[member.requirement] = self._bring(member)
        try:
            with zipfile.ZipFile(self._wheels[member.requirement]) as archive:
                entry = archive.getinfo(member.path)
                if entry.file_size > _MOST_BYTES:
                    raise TransferError(f"{member.path} in the wheel of {member.requirement} is too large")
                with archive.open(entry) as packed, target.open("wb") as file:
                    shutil.copyfileobj(packed, file)
        except KeyError as error:
            raise TransferError(f"the wheel of {member.requirement} does not hold {member.path}") from error
        except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
            raise TransferError(f"the wheel of {member.requirement} is damaged") from error

    def _bring(self, member: WheelMember) -> Path:
        reasons = []
        folder = Path(self._folder.name)
        if importlib.util.find_spec("pip") is not None:
            try:
                return _by_pip(member.requirement, folder)
            except TransferError as error:
                reasons.append(str(error))
        for url in member.urls:
            part = folder / "wheel.part"
            try:
                transfer(url, part, name=url.rpartition("/")[2], trusted=True, told=self._told)
                return part.rename(folder / f"{member.requirement}.whl")
            except TransferError as error:
                reasons.append(str(error))
        raise TransferError("; ".join(reasons) or f"there is no pip, which would bring {member.requirement}")


def _by_pip(requirement: str, folder: Path) -> Path:
    """Have pip download a wheel; nothing of it is installed or run."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--retries", "1", "--no-deps", "--only-binary", ":all:", "--dest", str(folder), requirement]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=_SECONDS,
            check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TransferError(f"pip does not bring {requirement}") from error
    with suppress(StopIteration):
        return next(folder.glob("*.whl"))
    complaints = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")] or [""]
    reason = printable(complaints[-1].removeprefix("ERROR:").strip(), 120)
    raise TransferError(f"pip does not bring {requirement}" + (f" ({reason})" if reason else ""))
