"""Where the files that travel with the package lie: dataset cards and recipes.

In an installed wheel they are inside the package; in a checkout they stand beside it, where people edit them.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def resource_folder(name: str) -> Path:
    """Folder `name` ("datasets" or "configs") of the installed package or of the checkout.

    Raises
    ------
    FileNotFoundError
        The installation is incomplete.
    """
    for candidate in (_PACKAGE / "_resources" / name, _PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"hsiattn is installed without its folder {name!r}; install it again")


def resource_names(folder: str) -> list[str]:
    """Names of the YAML files in a resource folder, without suffix, sorted."""
    return sorted(path.stem for path in resource_folder(folder).glob("*.yaml"))
