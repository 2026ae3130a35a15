"""Whether a training has been done already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hsiattn.errors import ModelFileError
from hsiattn.files.paths import StrPath
from hsiattn.models.model_file import read_model
from hsiattn.training.recipes import load_recipe


def made_by(
    model_path: StrPath,
    recipe: str | Path,
    settings: Sequence[str],
    seed: int,
    scene: StrPath,
    unlabelled: Sequence[str] = (),
) -> bool:
    """Whether a model file is sound and was trained by this recipe, with this seed, on a scene of this name.

    Parameters
    ----------
    recipe, settings
        As for `load_recipe`.
    unlabelled
        Names of further scenes that lent it unlabelled pixels.
    """
    try:
        model = read_model(model_path)
    except ModelFileError:
        return False
    wanted = load_recipe(recipe, settings).model_dump(mode="json")
    if [each.get("scene") for each in model.data.get("unlabelled", [])] != [Path(name).name for name in unlabelled]:
        return False
    return (model.recipe, model.training.get("seed"), model.data.get("scene")) == (wanted, seed, Path(scene).name)
