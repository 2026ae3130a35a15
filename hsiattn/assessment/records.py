"""The shape of a report as plain data: what `AccuracyReport.to_dict` gives, what renderers take, what its JSON holds.

Shares are 0 … 1, areas are hectares, wavelengths nanometres. None stands for what is not known or not defined.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class EstimateRecord(TypedDict):
    """A figure with the bounds of its interval."""

    value: float | None
    lower: float | None
    upper: float | None


class IdentityRecord(TypedDict, total=False):
    """What was assessed, by what and when; what is not known is left out."""

    scene: str
    map: str
    reference: str
    split: str
    model: str
    model_sha256: str
    recipe: str
    seed: int
    versions: dict[str, str]
    command: str
    created: str
    """Date and time in UTC, ISO 8601."""
    author: str
    crs: str
    pixel_size: list[float]
    """Width and height of a pixel in units of the CRS."""
    pixel_unit: str
    width: int
    height: int


class ClassAreaRecord(TypedDict):
    """Area of one class: as mapped, and as estimated from the reference."""

    code: int
    name: str
    mapped_hectares: float | None
    mapped_share: float
    hectares: EstimateRecord
    share: EstimateRecord
    standard_error: float | None
    """Of the share."""
    producers_accuracy: EstimateRecord
    users_accuracy: EstimateRecord


class AreasRecord(TypedDict):
    """Areas of the classes and accuracies weighted by area."""

    design: str
    """How the reference pixels were drawn, in words; estimates hold for that design alone."""
    assumed: bool
    """Whether that design is an assumption, since nothing tells how the pixels were drawn."""
    overall_accuracy: EstimateRecord
    standard_error: float | None
    hectares: float | None
    classes: list[ClassAreaRecord]


class BordersRecord(TypedDict):
    """Accuracy of pixels at borders between classes of the reference or the map, and of those in the interior."""

    border_pixels: int
    interior_pixels: int
    border_accuracy: EstimateRecord
    interior_accuracy: EstimateRecord


class AgainstRecord(TypedDict, total=False):
    """Comparison with another map on the same test pixels."""

    map: str
    overall_accuracy: EstimateRecord
    gain: EstimateRecord
    """Overall accuracy of the map less that of the other."""
    only_this_right: int
    only_other_right: int
    p_value: float
    test: str
    changed_pixels: int
    changed_hectares: float | None


class FoldsRecord(TypedDict, total=False):
    """Accuracy over folds that leave out whole groups."""

    folds: int
    by: str
    overall_accuracy: dict[str, Any]
    average_accuracy: dict[str, Any]
    each: list[dict[str, Any]]


class ClassSpectrumRecord(TypedDict):
    """Mean spectrum of a class and its standard deviation; None at bands without measurements."""

    code: int
    name: str
    color: str
    pixels: int
    mean: list[float | None]
    std: list[float | None]


class SpectraRecord(TypedDict):
    """Mean spectra of the reference pixels of every class."""

    bands: list[str]
    wavelength: list[float | None]
    good: list[bool]
    unit: str
    """`reflectance`, or `value as stored`."""
    classes: list[ClassSpectrumRecord]
    sample: NotRequired[str]
    """Which pixels these are, in words."""


class ClassAttentionRecord(TypedDict):
    """Mean weights of the bands at pixels of a class, and quartiles over its pixels."""

    code: int
    name: str
    color: str
    pixels: int
    mean: list[float | None]
    lower: list[float | None]
    upper: list[float | None]


class AttentionRecord(TypedDict):
    """Weights that the network gives to bands; those of a pixel have the sum 1."""

    bands: list[str]
    wavelength: list[float | None]
    classes: list[ClassAttentionRecord]
    sample: NotRequired[str]
    """Which pixels these are, in words."""
    trust: NotRequired[str]
    """How far the weights may be trusted, by a deletion test, in words."""


class LearningRecord(TypedDict):
    """Figures of every epoch of the training, lists of one length; None where no pixels validate."""

    epoch: list[int]
    training_loss: list[float | None]
    training_accuracy: list[float | None]
    validation_loss: list[float | None]
    validation_accuracy: list[float | None]
    best_epoch: int
    note: NotRequired[str]
    """What the reader should know: of which network of an ensemble these are, or that some epochs are left out."""


class SplitRecord(TypedDict, total=False):
    """How the labelled pixels were divided."""

    in_words: str
    leakage: float | None
    window: int | None
    pixels: dict[str, int]
    """Pixels of each role: training, validation, test, buffer."""
    per_class: dict[str, dict[str, int]]


class SupplementRecord(TypedDict, total=False):
    """What stands beside the figures; parts that are not known are left out."""

    identity: IdentityRecord
    spectra: SpectraRecord
    attention: AttentionRecord
    learning: LearningRecord
    split: SplitRecord
    messages: list[str]
    """What training and mapping warned of."""
    absent: list[str]
    """Parts that are not there, and why or by what they would be, one sentence each."""
