"""Provenance of a map: what made it, as tags of a raster in a file or attributes of an `xarray.Dataset`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, cast

from hsiattn.files.kinds import TAG_PREFIX

if TYPE_CHECKING:
    from typing import Self

    from hsiattn.assessment.code_rasters import Raster
    from hsiattn.labels.rasters import LabelRaster
    from hsiattn.models.described_model import DescribedModel

_MADE_WITH = "made_with_"
_UNKNOWN = "unknown_"
_WARNING = "warning_"
_YES = "yes"
_MOST_WARNINGS = 20
"""Warnings that are written and read: whoever warns more often is not heard."""


@dataclass(frozen=True)
class UnknownTags:
    """How a map tells unknown material; in its tags these names begin with `HSIATTN_UNKNOWN_`.

    Attributes
    ----------
    code
        Code of unknown material, which no class has; 0 where it stays unclassified.
    detector
        Name of the detector.
    accept
        Share of the known pixels that were to get a class, 0 … 1.
    threshold
        Score of the detector above which a pixel is of unknown material.
    """

    code: int
    detector: str
    accept: float
    threshold: float

    @classmethod
    def from_entries(cls, entries: Mapping[str, str]) -> Self | None:
        """The inverse of `to_attrs`; None where there is no such material, or entries that are no numbers."""
        try:
            accept, threshold = (float(entries[f"{_UNKNOWN}{name}"]) for name in ("accept", "threshold"))
        except (KeyError, ValueError):
            return None
        return cls(_whole(entries, f"{_UNKNOWN}code"), entries.get(f"{_UNKNOWN}detector", ""), accept, threshold)

    def to_attrs(self) -> dict[str, str]:
        """The entries of the tags of a map."""
        return {f"{_UNKNOWN}{name}": str(value) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Provenance:
    """Origin of a map: model, settings and checks. Fields are empty where they are not known.

    Its tags in a file are `HSIATTN_` and the name of the field, its attributes in memory the name alone. Empty
    fields are not written.

    Attributes
    ----------
    model_sha256
        Digest of the model.
    patch_size
        Side of the network's window in pixels; None where it is not known.
    versions
        Packages that made the model, as tags `HSIATTN_MADE_WITH_<PACKAGE>`.
    sees_unlabelled
        Whether unlabelled pixels of the training scene took part in the training.
    confidence
        Change of the confidences, in words.
    confidence_kind
        What the confidence beside the map measures where it is no probability: `margin` or `entropy`.
    smoothing
        Steps by which class probabilities were smoothed; 0 for none.
    precision
        `int8` where the network's recurrent part, or an ONNX file, computed in it; "" for floating types.
    unknown
        How the map tells unknown material; None where it does not.
    bands
        Rule by which the scene's bands were matched to the model's, in words.
    domain
        Share of a sample of the scene that lies outside of the training data, in words.
    left_out
        Flags of the scene's product whose pixels got no class, in words.
    scene
        Name of the mapped scene's file or folder; "" for a scene that has none.
    recipe, seed
        Name of the recipe that the model was trained by, and the seed of its training; "" and None where not known.
    warnings
        What the training of the model and the check of the scene warned of, as tags `HSIATTN_WARNING_1`, … .
    """

    model_sha256: str = ""
    patch_size: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    sees_unlabelled: bool = False
    confidence: str = ""
    confidence_kind: str = ""
    smoothing: int = 0
    precision: str = ""
    unknown: UnknownTags | None = None
    bands: str = ""
    domain: str = ""
    left_out: str = ""
    scene: str = ""
    recipe: str = ""
    seed: int | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def of_model(
        cls,
        model: DescribedModel,
        *,
        confidence_kind: str = "",
        smoothing: int = 0,
        precision: str = "",
        unknown: UnknownTags | None = None,
        bands: str = "",
        domain: str = "",
        left_out: str = "",
        scene: str = "",
        concerns: Sequence[str] = (),
    ) -> Self:
        """Provenance of a map that a model is about to make.

        Parameters
        ----------
        concerns
            What the check of the scene warns of, beside what the model's training did.
        """
        seed, warnings = model.training.get("seed"), model.training.get("warnings")
        divided = "divided by the distance from the training scene where that exceeds 1"
        return cls(
            model_sha256=model.digest,
            patch_size=model.patch_size,
            versions=model.versions,
            sees_unlabelled=bool(model.training.get("sees_unlabelled")),
            confidence=divided if model.domain is not None else "",
            confidence_kind=confidence_kind,
            smoothing=smoothing,
            precision=precision,
            unknown=unknown,
            bands=bands,
            domain=domain,
            left_out=left_out,
            scene=scene,
            recipe=str(model.recipe.get("name") or ""),
            seed=seed if isinstance(seed, int) else None,
            warnings=tuple(map(one_line, (*_texts(warnings), *concerns)))[:_MOST_WARNINGS],
        )

    @classmethod
    def of(cls, land_cover: Raster) -> Self:
        """Provenance of a map in a file or in memory; a missing file has none."""
        if isinstance(land_cover, str | os.PathLike):
            return cls.read(land_cover)
        attrs: Mapping[Any, Any] | None = getattr(land_cover, "attrs", None)
        if attrs is None:  # told apart without the module of LabelRaster, which brings xarray: mapping does without
            return cls.read(cast("LabelRaster", land_cover).name)
        return cls._from_entries({str(name): str(value) for name, value in attrs.items()})

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Provenance from the tags of a raster; empty where there is no raster."""
        from hsiattn.errors import SceneError
        from hsiattn.scenes import open_raster

        try:
            with open_raster(os.fspath(path)) as raster:
                return cls.from_tags(raster.tags())
        except SceneError:  # missing, or an array in a MATLAB or NumPy file, which has no tags
            return cls()

    @classmethod
    def from_tags(cls, tags: Mapping[str, str]) -> Self:
        """Provenance from tags; what is none of ours, or is no number where one belongs, is passed over."""
        return cls._from_entries(
            {name.removeprefix(TAG_PREFIX).lower(): text for name, text in tags.items() if name.startswith(TAG_PREFIX)}
        )

    def to_tags(self) -> dict[str, str]:
        """Tags for a raster."""
        return {f"{TAG_PREFIX}{name.upper()}": str(value) for name, value in self.to_attrs().items()}

    def to_attrs(self) -> dict[str, str | int]:
        """Attributes for an `xarray.Dataset`."""
        versions = {f"{_MADE_WITH}{name.lower().replace('-', '_')}": text for name, text in self.versions.items()}
        entries: dict[str, Any] = {
            "model_sha256": self.model_sha256,
            "patch_size": self.patch_size,
            **versions,
            "sees_unlabelled": _YES if self.sees_unlabelled else "",  # the leakage figure knows nothing of it
            "confidence": self.confidence,
            "confidence_kind": self.confidence_kind,
            "smoothing": self.smoothing,
            "precision": self.precision,
            **({} if self.unknown is None else self.unknown.to_attrs()),
            "bands": self.bands,
            "domain": self.domain,
            "left_out": self.left_out,
            "scene": self.scene,
            "recipe": self.recipe,
            "seed": "" if self.seed is None else str(self.seed),
            **{f"{_WARNING}{number}": text for number, text in enumerate(self.warnings, start=1)},
        }
        return {name: value for name, value in entries.items() if value}

    @property
    def window(self) -> int | None:
        """Side in pixels of the window that decides a pixel; None where the patch size is not known.

        It holds the network's patch and, where the map was smoothed, the patches of all pixels that took part in that.
        """
        return None if self.patch_size is None else self.patch_size + 2 * self.smoothing

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that the reader of an accuracy report should know, one for each."""
        notes = []
        if self.sees_unlabelled:
            notes.append(
                "unlabelled pixels took part in the training of the model: in its training scene the spectra of test "
                "pixels, not their labels, may have been seen; leakage counts labelled pixels alone"
            )
        if self.smoothing:
            notes.append(
                f"the map was smoothed ({self.smoothing} steps between alike neighbours): its figures are those of the "
                "model and the smoothing together"
            )
        return tuple(notes)

    @classmethod
    def _from_entries(cls, entries: Mapping[str, str]) -> Self:
        versions = {
            name.removeprefix(_MADE_WITH).replace("_", "-"): text
            for name, text in entries.items()
            if name.startswith(_MADE_WITH)
        }
        seed = entries.get("seed", "")
        numbered = (entries.get(f"{_WARNING}{number}", "") for number in range(1, _MOST_WARNINGS + 1))
        return cls(
            patch_size=_whole(entries, "patch_size") or None,
            versions=versions,
            sees_unlabelled=entries.get("sees_unlabelled") == _YES,
            smoothing=_whole(entries, "smoothing"),
            unknown=UnknownTags.from_entries(entries),
            seed=int(seed) if seed.isdecimal() and len(seed) < 20 else None,
            warnings=tuple(text for text in numbered if text),
            **{name: entries.get(name, "") for name in _TEXTS},
        )


_TEXTS = (
    "model_sha256",
    "confidence",
    "confidence_kind",
    "precision",
    "bands",
    "domain",
    "left_out",
    "scene",
    "recipe",
)
"""Fields that are texts, in tags as they are."""


def name_in_tags(scene: str) -> str:
    """The name by which a scene stands in the tags of its map: that of its file or folder, not where it lies.

    >>> name_in_tags("flights/may/strip_7.hdr"), name_in_tags("/vsizip/may.zip/strip_7.hdr"), name_in_tags("tiles/")
    ('strip_7.hdr', 'strip_7.hdr', 'tiles')
    >>> name_in_tags("the scene")  # what an array without a name is called
    ''
    """
    return "" if scene.startswith("the ") else PurePath(scene).name


def one_line(text: str) -> str:
    """A text without line breaks and without space at its ends: raster headers hold one line for each."""
    return " ".join(text.split())


def _texts(values: Any) -> list[str]:
    """The texts of a list; a stranger's model file may hold anything there."""
    return [value for value in values if isinstance(value, str)] if isinstance(values, list | tuple) else []


def _whole(entries: Mapping[str, str], name: str) -> int:
    text = entries.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 10 else 0
