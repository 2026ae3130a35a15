"""A translated scene on the disk, to look at or to read again quickly."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from hsiattn.adaptation.translation.translated_source import TranslatedSource
from hsiattn.adaptation.translation.translator import Translator
from hsiattn.scenes.writing import Progress, convert_scene


def write_translation(
    translator: Translator,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    creation_options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> None:
    """Write the source scene in the target's look as GeoTIFF, window by window.

    Values are float32 reflectance as the target states it, NaN where there is none; the grid is the source's, the bands
    are the target's.

    Parameters
    ----------
    overwrite
        Replace a scene of that name that hsiattn wrote.
    creation_options
        GDAL creation options.
    progress
        Called with the number of values done and of all.

    Raises
    ------
    OutputError
        The file exists and may not be replaced, or cannot be written in full.
    SceneError
        The scene is smaller than a tile, or cannot be read.
    """
    options = {"predictor": 1, **(creation_options or {})}
    convert_scene(TranslatedSource(translator), path, creation_options=options, overwrite=overwrite, progress=progress)
