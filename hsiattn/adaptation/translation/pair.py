"""Two scenes between which spectra are translated, and which bands of theirs take part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.errors import BandError
from hsiattn.scenes import SceneSource
from hsiattn.scenes.band_matching import find_band_match
from hsiattn.scenes.band_resampling import ResampledSource
from hsiattn.scenes.scene_sample import sample_scene


@dataclass(frozen=True, eq=False)
class ScenePair:
    """A scene that is translated and the one that it is to look like.

    Attributes
    ----------
    source, target
        The scenes; the source has the target's bands where it could be resampled to them.
    source_bands, target_bands
        (B,) and (M,) indices of the bands that take part: those that are good and hold data.
    corresponding
        Whether band i of one stands for band i of the other.
    rule
        How the bands were matched, in a few words.
    """

    source: SceneSource
    target: SceneSource
    source_bands: NDArray[np.int64]
    target_bands: NDArray[np.int64]
    corresponding: bool
    rule: str

    @classmethod
    def of(cls, source: SceneSource, target: SceneSource) -> ScenePair:
        """Match the bands: by wavelength, name or count; else by resampling of the source; else they stand apart.

        Raises
        ------
        BandError
            A scene has no good band that holds data.
        """
        wanted, offered = bands_with_data(target), bands_with_data(source)
        try:
            match = find_band_match(target.bands, source.bands, needed=wanted, wanted_name="target")
        except BandError:
            return cls._unlike(source, target, offered, wanted)
        kept = np.isin(match.indices, offered)
        if match.shared or not kept.any():
            return cls._unlike(source, target, offered, wanted)
        return cls(source, target, match.indices[kept], wanted[kept], True, match.describe())

    @classmethod
    def _unlike(
        cls, source: SceneSource, target: SceneSource, offered: NDArray[np.int64], wanted: NDArray[np.int64]
    ) -> ScenePair:
        """A pair of scenes that do not share their bands."""
        try:
            resampled = ResampledSource(source, target.bands.subset(wanted), wanted_name="target")
        except BandError:
            rule = "no band of one scene stands for one of the other"
            return cls(source, target, offered, wanted, False, rule)
        own = np.arange(len(wanted), dtype=np.int64)
        return cls(resampled, target, own, wanted, True, resampled.describe())


def bands_with_data(source: SceneSource) -> NDArray[np.int64]:
    """Indices of the good bands that hold data in a sample of the scene.

    Raises
    ------
    BandError
        There is none.
    """
    every: NDArray[Any] = np.arange(len(source.bands), dtype=np.int64)
    measured = sample_scene(source, every).measured.any(axis=0)
    found = every[measured & source.bands.good]
    if not len(found):
        raise BandError(f"{source.name} has no good band that holds data", "check its nodata value and bad-band list")
    return found
