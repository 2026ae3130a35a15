"""Files that come with the package: dataset cards, splits, recipes and plans.

In an installed wheel they are inside the package; in a checkout they stand beside it, where people edit them.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
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


def file_name_of(scene: str) -> str:
    """Name of a public scene as its files bear it; case, blanks and underscores do not matter.

    >>> file_name_of(" Indian Pines")
    'indian-pines'
    """
    return scene.strip().lower().replace("_", "-").replace(" ", "-")


def names_instead(name: str, known: Sequence[str]) -> str:
    """What can be given instead of a name that is not known, as the remedy of an error.

    >>> names_instead("salina", ["indian-pines", "salinas"])
    'did you mean salinas? Known are indian-pines, salinas'
    """
    near = difflib.get_close_matches(name, known, n=1)
    return (f"did you mean {near[0]}? Known are " if near else "known are ") + ", ".join(known)
