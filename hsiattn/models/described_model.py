"""A model without what evaluates it: bands, preprocessing, classes and history. No torch is needed for these."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from hsiattn.classes import ClassTable
from hsiattn.errors import BandError
from hsiattn.preprocessing import Preprocessing, TrainingDomain
from hsiattn.scenes import BandMatch, SceneSource, SpectralBands, find_band_match
from hsiattn.scenes.band_resampling import ResampledSource, can_resample

if TYPE_CHECKING:
    from hsiattn.open_set import OpenSet


@dataclass(frozen=True, eq=False, kw_only=True)
class DescribedModel:
    """All that mapping knows of a model, whether torch or ONNX Runtime evaluates it.

    Attributes
    ----------
    arguments
        Arguments of `create_network`, name included.
    preprocessing
        Fitted on the training scene.
    bands
        All bands of the training scene; the preprocessing says which of them it uses.
    classes
        Original codes, names and colours, in the order of the logits.
    recipe
        The recipe as a dictionary.
    split
        Record of the split, leakage included.
    accuracy
        Figures on the held-out pixels; None where all pixels trained.
    training
        Epochs, seconds, device, seed.
    data
        Fingerprint of the scene and the labels.
    versions
        Packages that made the model.
    created
        Time in UTC, ISO 8601.
    temperature
        Calibration temperature: logits are divided by it before their softmax gives probabilities.
    domain
        Statistics of the training scene; None in files of older versions.
    open_set
        Tells pixels of unknown materials from those of the classes; None where the model was trained without it.
    digest
        SHA-256 of header and tensors; empty before the model is written.
    """

    arguments: dict[str, Any]
    preprocessing: Preprocessing
    bands: SpectralBands
    classes: ClassTable
    recipe: dict[str, Any]
    split: dict[str, Any] = field(default_factory=dict)
    accuracy: dict[str, Any] | None = None
    training: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    created: str = ""
    temperature: float = 1.0
    domain: TrainingDomain | None = None
    open_set: OpenSet | None = None
    digest: str = ""

    @property
    def patch_size(self) -> int:
        """Side of the network's window in pixels."""
        return int(self.arguments["patch_size"])

    @property
    def edge(self) -> Literal["reflect", "zero"]:
        """What lies beyond the edge of a scene, see `read_tile`."""
        return "reflect"

    @property
    def evaluates_tiles(self) -> bool:
        """Whether it sees a tile as a whole, rather than every pixel's patch."""
        return True

    @property
    def rejects(self) -> bool:
        """Whether pixels that look like no class stay unclassified though nobody asks for it."""
        return self.open_set is not None and bool(self.open_set.record.get("unclassified"))

    @property
    def used_bands(self) -> SpectralBands:
        """The bands that the network reads."""
        return self.bands.subset(self.preprocessing.bands)

    def find_match(self, source: SceneSource) -> BandMatch:
        """Which band of a scene stands for every band that the network reads, and by which rule.

        Raises
        ------
        BandError
            They do not fit; the message names both lists.
        """
        try:
            return find_band_match(self.bands, source.bands, needed=self.preprocessing.bands)
        except BandError as error:
            if not can_resample(self.used_bands, source.bands):
                raise
            offer = "or give resample=True, by which the model's bands are computed from those of the scene"
            raise BandError(error.problem, f"{error.remedy}, {offer}") from error

    def resampled(self, source: SceneSource) -> SceneSource:
        """Give a scene with bands that the network reads: itself where they match, else resampled ones.

        Raises
        ------
        BandError
            The scene does not cover them, or wavelengths are unknown.
        """
        try:
            find_band_match(self.bands, source.bands, needed=self.preprocessing.bands)
        except BandError:
            return ResampledSource(source, self.used_bands)
        return source

    def match(self, source: SceneSource) -> NDArray[np.int64]:
        """The `indices` of `find_match`."""
        return self.find_match(source).indices


def description_of(
    header: Mapping[str, Any], preprocessing: Mapping[str, NDArray[Any]], domain: Mapping[str, NDArray[Any]]
) -> dict[str, Any]:
    """The fields of a `DescribedModel` from a header that `check_header` has passed, and the arrays beside it.

    Parameters
    ----------
    preprocessing, domain
        See `Preprocessing.from_arrays` and `TrainingDomain.from_arrays`.

    Raises
    ------
    HsiattnError, KeyError, TypeError, ValueError
        They do not fit each other.
    """
    prepared = Preprocessing.from_arrays(preprocessing, header.get("spectral_transform", "none"))
    _check_sizes(header, prepared)
    record = header.get("domain")
    return {
        "arguments": header["network"],
        "preprocessing": prepared,
        "bands": SpectralBands.from_dict(header["bands"]),
        "classes": ClassTable.from_records(header["classes"]),
        **{name: header[name] for name in _AS_THEY_ARE},
        "temperature": checked_temperature(header.get("temperature", 1.0)),
        "domain": TrainingDomain.from_arrays(domain, record, len(prepared.bands)) if record else None,
    }


_AS_THEY_ARE = ("recipe", "split", "accuracy", "training", "data", "versions", "created")


def checked_temperature(value: Any) -> float:
    """The calibration temperature; files from before temperatures have none.

    Raises
    ------
    ValueError
        It is not a positive number.
    """
    temperature = float(value)
    if not 0 < temperature < math.inf:
        raise ValueError(f"its temperature {value} is not a positive number")
    return temperature


def _check_sizes(header: Mapping[str, Any], preprocessing: Preprocessing) -> None:
    """See that the network reads what the preprocessing makes of the bands."""
    network, bands = header["network"], len(header["bands"]["names"])
    read = {"bands": len(preprocessing.bands), "channels": preprocessing.channels}
    for what, count in read.items():
        if network[what] != count:
            raise ValueError(f"its network reads {network[what]} {what}, its preprocessing makes {count}")
    if preprocessing.bands.max() >= bands:
        raise ValueError(f"its preprocessing uses band {preprocessing.bands.max() + 1} of {bands}")
