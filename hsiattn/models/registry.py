"""Installed models: where they lie, and which of them fits a scene."""

from __future__ import annotations

import os
from pathlib import Path

from hsiattn.errors import BandError, ModelFileError
from hsiattn.models.model_file import read_model
from hsiattn.scenes import SceneSource

SUFFIX = ".hsiattn"


def models_folder() -> Path:
    """Where installed models lie: `$HSIATTN_HOME/models`, by default in the user's data folder."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(os.environ.get("HSIATTN_HOME") or Path(data) / "hsiattn") / "models"


def installed_models() -> list[Path]:
    """Model files in the models folder, sorted by name."""
    return sorted(models_folder().glob(f"*{SUFFIX}"))


def find_model(source: SceneSource) -> Path:
    """The model for a scene when none is named: `$HSIATTN_MODEL`, else the one installed model whose bands match.

    Raises
    ------
    ModelFileError
        None or several match.
    """
    named = os.environ.get("HSIATTN_MODEL")
    if named:
        return Path(named)
    fitting = [path for path in installed_models() if _fits(path, source)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise ModelFileError(
            f"{len(fitting)} installed models fit {source.name}: {', '.join(path.stem for path in fitting)}",
            "name one by model=",
        )
    raise ModelFileError(
        f"no model is given, and none of {len(installed_models())} installed models fits {source.name}",
        "name one by model=, or make one with `hsiattn train`",
    )


def _fits(path: Path, source: SceneSource) -> bool:
    try:
        read_model(path).match(source)
    except (BandError, ModelFileError):
        return False
    return True
