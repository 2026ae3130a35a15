"""Every mistake a user can make, as one small tree of exceptions.

An error carries two sentences: what is wrong (`problem`) and what to do about it (`remedy`). The command line prints
them on one line and exits with status 1; a Python caller catches `HsiattnError` or the kind of interest.

Remedies name settings as Python writes them: `key=`, `overwrite=True`, `training.max_epochs=50`. The command line puts
its options in their place (`hsiattn.cli.wording`), so that both kinds of user read what they can type.
"""

from __future__ import annotations


class HsiattnError(Exception):
    """Base of all errors that hsiattn raises on purpose.

    Parameters
    ----------
    problem
        What is wrong, naming the file, band, class or option; no final full stop.
    remedy
        What the user can do about it, settings as `name=` or `name=value`; no final full stop.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem}; {self.remedy}"


class SceneError(HsiattnError):
    """A scene cannot be opened or read: missing, truncated, ambiguous or not a raster."""


class BandError(HsiattnError):
    """The bands of a scene do not fit those that are asked for."""


class DomainError(HsiattnError):
    """A scene looks like nothing that the model was trained on: another sensor, unit or scale."""


class GridError(HsiattnError):
    """Two rasters that should lie on the same grid differ in size, transform or CRS."""


class LabelError(HsiattnError):
    """Reference data or a class table cannot be used."""


class DatasetError(HsiattnError):
    """A public scene is unknown, or its files are not there or not the expected ones."""


class SplitError(HsiattnError):
    """The labelled pixels do not suffice for the split that is asked for."""


class RecipeError(HsiattnError):
    """A recipe is unknown, or one of its values is out of range."""


class TrainingError(HsiattnError):
    """Training cannot start or go on."""


class ModelFileError(HsiattnError):
    """A model file is missing, damaged, too new or not a model."""


class AssessmentError(HsiattnError):
    """A map cannot be compared with its reference."""


class ClusterError(HsiattnError):
    """Worker processes cannot be started, reached or used."""


class DeviceError(HsiattnError):
    """A device cannot run a network."""


class OutputError(HsiattnError):
    """An output exists already or cannot be written."""
