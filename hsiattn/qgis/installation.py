"""The plug-in in a profile of QGIS."""

from __future__ import annotations

import json
import os
import shutil
import sys
from importlib import resources
from pathlib import Path

from hsiattn.errors import OutputError
from hsiattn.files.outputs import StagingFolder, make_folder
from hsiattn.qgis.plugin.commands import CONFIGURATION
from hsiattn.version import __version__

PLUGIN = "hsiattn_processing"
"""Name of the plug-in's folder, by which QGIS enables it."""

_FILES = ("__init__.py", "algorithms.py", "commands.py", "metadata.txt", "process.py", "provider.py")


def default_profile() -> Path:
    """The folder of the default profile of QGIS; of several versions, the newest that is there.

    Raises
    ------
    OutputError
        QGIS has not made any.
    """
    places = [base / version / "profiles" / "default" for base in _bases() for version in ("QGIS4", "QGIS3")]
    for place in places:
        if place.is_dir():
            return place
    raise OutputError(
        f"there is no profile of QGIS at {places[-1]}", "start QGIS once, or name the folder of a profile by profile="
    )


def install_plugin(profile: Path | None = None, *, command: list[str] | None = None, overwrite: bool = False) -> Path:
    """Put the plug-in into a profile.

    Parameters
    ----------
    profile
        Folder of the profile, which holds or will hold `python/plugins`; None for the default one.
    command
        What the plug-in runs as `hsiattn`; None for this installation.

    Returns
    -------
    Path
        Folder of the plug-in.

    Raises
    ------
    OutputError
        There is no such profile, a plug-in of that name is there already, or it cannot be written.
    """
    profile = default_profile() if profile is None else profile
    if not profile.is_dir():
        raise OutputError(f"there is no profile of QGIS at {profile}", "name the folder of a profile by profile=")
    target = profile / "python" / "plugins" / PLUGIN
    _check(target, overwrite)
    make_folder(target.parent)
    try:
        with StagingFolder.beside(target) as staging:
            folder = staging.path / PLUGIN
            folder.mkdir()
            for name in _FILES:
                content = resources.files("hsiattn.qgis.plugin").joinpath(name).read_text(encoding="utf-8")
                (folder / name).write_text(content.replace("@version@", __version__), encoding="utf-8")
            configuration = json.dumps({"command": command or own_command()}, indent=2)
            (folder / CONFIGURATION).write_text(f"{configuration}\n", encoding="utf-8")
            if target.exists():
                shutil.rmtree(target)
            os.replace(folder, target)
    except OSError as error:
        raise OutputError(
            f"{target} cannot be written ({error.strerror or error})", "check the rights of its folder"
        ) from error
    return target


def remove_plugin(profile: Path | None = None) -> Path:
    """Take the plug-in out of a profile.

    Returns
    -------
    Path
        Folder that it had.

    Raises
    ------
    OutputError
        It is not there, or cannot be deleted.
    """
    target = (default_profile() if profile is None else profile) / "python" / "plugins" / PLUGIN
    if not _is_ours(target):
        raise OutputError(f"there is no plug-in of hsiattn at {target}", "name the folder of the profile by profile=")
    try:
        shutil.rmtree(target)
    except OSError as error:
        raise OutputError(f"{target} cannot be deleted ({error.strerror})", "check the rights of its folder") from error
    return target


def own_command() -> list[str]:
    """The command that runs this installation from anywhere."""
    name = "hsiattn.exe" if os.name == "nt" else "hsiattn"
    script = Path(sys.executable).parent / name
    return [str(script)] if script.is_file() else [sys.executable, "-P", "-m", "hsiattn"]


def _check(target: Path, overwrite: bool) -> None:
    if not os.path.lexists(target):
        return
    if not _is_ours(target):
        raise OutputError(f"{target} exists already and is not the plug-in of hsiattn", "move it away")
    if not overwrite:
        raise OutputError(f"{target} exists already", "give overwrite=True to replace it")


def _is_ours(folder: Path) -> bool:
    try:
        return not folder.is_symlink() and "\nname=hsiattn\n" in (folder / "metadata.txt").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False


def _bases() -> list[Path]:
    """Folders in which QGIS keeps its data."""
    home = Path.home()
    if os.name == "nt":
        return [Path(os.environ.get("APPDATA") or home / "AppData" / "Roaming") / "QGIS"]
    if sys.platform == "darwin":
        return [home / "Library" / "Application Support" / "QGIS"]
    return [Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "QGIS"]
