"""Products of imaging spectrometers, one file each, found by their content.

A reader is a function that looks at a path, a file of the product or its folder. It gives a `SceneSource`, or None
where the path is none of its product, and looks at names and first bytes before it opens anything.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import cast

from hsiattn.scenes.source import SceneSource

Reader = Callable[[Path], SceneSource | None]

READERS: tuple[str, ...] = ("enmap", "desis", "prisma", "neon", "tanager", "aviris", "emit", "aviris_netcdf", "pace")
"""Modules of this package that have a function `open_product(path)`, in the order in which they are asked."""


def open_product(path: Path) -> SceneSource | None:
    """Open the scene of a product; None where the path belongs to none that is known.

    Raises
    ------
    SceneError
        It belongs to one, and is damaged or not whole.
    """
    for name in READERS:
        reader = cast("Reader", import_module(f"{__name__}.{name}").open_product)
        source = reader(path)
        if source is not None:
            return source
    return None
