"""Patterns of file names, such as `tiles/*.tif`, that the shell has left alone."""

from __future__ import annotations

import glob
import os

from hsiattn.errors import HsiattnError
from hsiattn.files.paths import is_virtual


def is_pattern(text: str) -> bool:
    """True where a text is meant as a pattern: there is no file of that very name."""
    return glob.has_magic(text) and not is_virtual(text) and not os.path.exists(text)


def files_matching(pattern: str, error: type[HsiattnError]) -> list[str]:
    """The files that a pattern matches, sorted; `**` stands for any folders.

    Parameters
    ----------
    error
        What is raised where it matches none.
    """
    files = [path for path in sorted(glob.glob(pattern, recursive=True)) if os.path.isfile(path)]
    if not files:
        raise error(f"no file matches {pattern}", "check the pattern and the folder")
    return files
