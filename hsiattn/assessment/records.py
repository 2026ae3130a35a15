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
    f1: EstimateRecord
    iou: EstimateRecord


class StratumRecord(TypedDict):
    """Part of the area of which pixels were drawn, and how many of them count."""

    code: int
    name: str
    pixels: int
    hectares: float | None
    sampled: int


class AreasRecord(TypedDict):
    """Areas of the classes and accuracies weighted by area."""

    design: str
    """How the reference pixels were drawn, in words; estimates hold for that design alone."""
    assumed: bool
    """Whether that design is an assumption, since nothing tells how the pixels were drawn."""
    intervals: str
    """What the intervals rest on, in words."""
    overall_accuracy: EstimateRecord
    standard_error: float | None
    average_accuracy: EstimateRecord
    kappa: EstimateRecord
    mcc: NotRequired[EstimateRecord]
    """This and the two below by a known design alone."""
    quantity_disagreement: NotRequired[EstimateRecord]
    allocation_disagreement: NotRequired[EstimateRecord]
    hectares: float | None
    """Of the strata that the estimates hold for."""
    pixels: int
    strata: list[StratumRecord]
    classes: list[ClassAreaRecord]
    notes: list[str]
    """What a reader must know before relying on the figures, one sentence each."""


class BordersRecord(TypedDict):
    """Accuracy of pixels at borders between classes of the reference or the map, and of those in the interior."""

    border_pixels: int
    interior_pixels: int
    border_accuracy: EstimateRecord
    interior_accuracy: EstimateRecord
    from_map: int
    """Test pixels whose neighbours the reference does not label, so that the map tells whether they lie at a border."""


class NamedCode(TypedDict):
    """Code and name of a class."""

    code: int
    name: str


class AgainstRecord(TypedDict, total=False):
    """Comparison with another map on the same test pixels, and on the whole area."""

    map: str
    """The other map."""
    overall_accuracy: EstimateRecord
    """Of the other map."""
    gain: EstimateRecord
    """Overall accuracy of the map less that of the other."""
    only_this_right: int
    only_other_right: int
    p_value: float
    test: str
    """Which test the p-value is of, in words."""
    matched_by_name: bool
    """Whether the classes of the other map, numbered otherwise, were matched by their names."""
    compared_pixels: int
    """Pixels of the whole area in which both maps have a class."""
    changed_pixels: int
    """Those of them whose class differs."""
    changed_hectares: float | None
    classes: list[NamedCode]
    """Classes of the rows and columns of `change_matrix`."""
    change_matrix: list[list[int]]
    """Pixels of the whole area; a row for each class of the other map, in it a number for each class of this one."""


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


class PlaceRecord(TypedDict):
    """A pixel of a map."""

    row: int
    column: int
    x: float | None
    """Coordinates of its centre in the CRS of the map; None without one."""
    y: float | None


class UnknownKindRecord(TypedDict):
    """Pixels of unknown material that look alike."""

    name: str
    share: float
    """Of the sampled pixels of unknown material."""
    pixels: int
    nearest: NamedCode | None
    """Class of the legend whose mean spectrum is most alike; None where no spectra of classes are known."""
    angle: float | None
    """Spectral angle to it, in degrees."""
    place: PlaceRecord
    """A pixel where they lie most densely."""


class UnknownRecord(TypedDict):
    """Material that no class of the legend stands for, as a map shows it."""

    code: int
    name: str
    color: str
    detector: str
    accept: float
    """Share of the pixels of known classes that was to get a class."""
    threshold: float
    pixels: int
    share: float
    """Of the pixels of the map that have a class or are unknown."""
    hectares: float | None
    test_pixels: int
    """Test pixels of the legend's classes that the map calls unknown; they count as wrong."""
    accuracy_of_known: float | None
    """Share of the test pixels of these classes with a class in the map that is right."""
    foreign_pixels: int
    """Test pixels of classes that the legend lacks."""
    foreign_found: int
    """Those of them that the map calls unknown; they count as wrong, since that is no class of the reference."""
    sample: NotRequired[str]
    """Of which pixels the kinds and their spectra are, in words."""
    kinds: NotRequired[list[UnknownKindRecord]]
    spectra: NotRequired[SpectraRecord]
    """Mean spectra of the kinds."""


class SupplementRecord(TypedDict, total=False):
    """What stands beside the figures; parts that are not known are left out."""

    identity: IdentityRecord
    unknown: UnknownRecord
    spectra: SpectraRecord
    attention: AttentionRecord
    learning: LearningRecord
    split: SplitRecord
    messages: list[str]
    """What training and mapping warned of."""
    absent: list[str]
    """Parts that are not there, and why or by what they would be, one sentence each."""


class ReliabilityBinRecord(TypedDict):
    """Pixels whose confidence lies in one interval; the upper bound belongs to it."""

    lower: float
    upper: float
    pixels: int
    mean_confidence: float | None
    accuracy: float | None


class ClassCalibrationRecord(TypedDict):
    """Calibration of the test pixels that the map gives to one class."""

    code: int
    name: str
    pixels: int
    expected_calibration_error: float | None
    mean_confidence: float | None
    accuracy: float | None
    """User's accuracy of the class."""


class CalibrationRecord(TypedDict):
    """Agreement between the confidence of test pixels and the share of them that is right."""

    expected_calibration_error: float | None
    pixels: int
    mean_confidence: float | None
    accuracy: float | None
    temperature: float | None
    """Number that the logits were divided by before they gave the confidence."""
    bins: list[ReliabilityBinRecord]
    classes: list[ClassCalibrationRecord]
    """Empty where it was not measured by class."""


class GroupsRecord(TypedDict):
    """What the intervals are over, where that is polygons."""

    polygons: int
    single_pixels: int
    """Test pixels outside of all polygons, each of which counts as one."""


class WorstClassRecord(TypedDict):
    """The class with the lowest producer's accuracy."""

    code: int
    name: str
    measure: str
    accuracy: EstimateRecord


class ClassRecord(TypedDict):
    """Figures of one class."""

    code: int
    name: str
    color: str
    attributes: NotRequired[list[str]]
    """Properties that the class shares with others, such as "vegetation"; absent without any."""
    support: int
    """Test pixels of the class in the reference."""
    mapped: int
    """Test pixels that the map gives to the class."""
    unclassified: int
    """Test pixels of the class that the map leaves unclassified."""
    groups: int | None
    """Polygons and single pixels of the class; None where intervals are over pixels."""
    producers_accuracy: EstimateRecord
    users_accuracy: EstimateRecord
    f1: EstimateRecord
    iou: EstimateRecord


class ReportRecord(TypedDict):
    """A whole report."""

    test_pixels: int
    unclassified_pixels: int
    """Test pixels that the map leaves unclassified."""
    overall_accuracy: EstimateRecord
    average_accuracy: EstimateRecord
    """Mean producer's accuracy of the classes."""
    kappa: EstimateRecord
    mcc: EstimateRecord
    """Matthews correlation coefficient of several classes."""
    quantity_disagreement: EstimateRecord
    allocation_disagreement: EstimateRecord
    worst_class: WorstClassRecord | None
    leakage: float | None
    """Share of the test pixels whose window holds a training pixel; None where no split is known."""
    window: int | None
    """Side of that window in pixels."""
    groups: GroupsRecord | None
    """None where intervals are over pixels."""
    classes: list[ClassRecord]
    confusion_matrix: list[list[int]]
    """Pixels; a row for each class of the reference, in it a number for each class of the map."""
    calibration: CalibrationRecord | None
    advice: list[str]
    notes: list[str]
    confidence_level: float
    resamples: int
    """Resamples of the bootstrap."""
    random_state: int
    """Seed of the bootstrap."""
    supplement: SupplementRecord | None
    borders: BordersRecord | None
    areas: AreasRecord | None
    against: AgainstRecord | None
    folds: FoldsRecord | None
