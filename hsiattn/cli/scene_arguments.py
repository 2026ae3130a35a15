"""Scenes on the command line: one path, or the paths of the tiles of one scene."""

from __future__ import annotations

from collections.abc import Sequence

ScenePaths = str | tuple[str, ...]
"""The path of a scene, or those of its tiles."""


def one_scene(paths: Sequence[str]) -> ScenePaths:
    """Paths that are given for one scene, patterns among them as the files that they match.

    Raises
    ------
    SceneError
        A pattern matches no file.
    """
    from hsiattn.scenes.formats import files_of_scene

    files = files_of_scene(paths)
    return files[0] if len(files) == 1 else tuple(files)


def name_of(scene: ScenePaths) -> str:
    """What messages call a scene, as its source does."""
    from hsiattn.scenes.formats import name_of_scene

    return scene if isinstance(scene, str) else name_of_scene(scene)
