"""Every mistake a user can make, as one small tree of exceptions.

An error carries two sentences: what is wrong (`problem`) and what to do about it (`remedy`). A Python caller catches
`HsiattnError` or the kind of interest.

================== ================================================================================== =========
Error              Raised when                                                                        Exit code
================== ================================================================================== =========
`SceneError`       a scene is missing, truncated, ambiguous, not a raster, or holds no data           1
`ArrayError`       an array cannot be taken for a scene, a table of pixels or their labels            1
`BandError`        the bands of a scene are not those that are asked for, or none serves              1
`DomainError`      a scene looks like nothing that the model was trained on                           1
`GridError`        two rasters that should lie on the same grid do not                                1
`LabelError`       reference data or a class table cannot be used                                     1
`DatasetError`     a public scene is unknown, or its files are missing or not those released          1
`SplitError`       labels do not suffice for a split, or a split or its file is not well formed       1
`RecipeError`      a recipe is unknown, not well formed, or contradicts itself                        1
`PlanError`        the same of a plan of experiments                                                  1
`TrainingError`    nothing can be fitted on the training pixels, or training diverges or cannot go on 1
`OtherRunError`    training is to go on from the state of another run                                 1
`AdaptationError`  a model cannot be adapted to a scene                                               1
`ModelFileError`   a model file is missing, damaged, too new or not a model                           1
`AssessmentError`  a map cannot be compared with its reference                                        1
`ClusterError`     worker processes cannot be started, reached or used                                1
`DeviceError`      a device is unknown, not there, or too small                                       1
`OutputError`      an output exists already or cannot be written                                      1
================== ================================================================================== =========

The command line prints problem and remedy on one line and exits with the status above; options that do not exist or
contradict each other end it with status 2 before anything is read. Errors that other modules define (`TextFileError`,
`YamlError`, `MatFileError`, …) are caught where a file is known by name, and never reach a user.

Remedies name settings as Python writes them: `key=`, `overwrite=True`, `training.max_epochs=50`. The command line puts
its options in their place (`hsiattn.cli.wording`), so that both kinds of user read what they can type.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping


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


class ArrayError(SceneError, ValueError):
    """An array cannot be taken for a scene, a table of pixels or their labels: its shape, dims or type.

    A `ValueError` too, as scikit-learn has it.
    """


class BandError(HsiattnError):
    """The bands of a scene do not fit those that are asked for, or none of them serves."""


class DomainError(HsiattnError):
    """A scene looks like nothing that the model was trained on: another sensor, unit or scale."""


class GridError(HsiattnError):
    """Two rasters that should lie on the same grid differ in size, transform or CRS."""


class LabelError(HsiattnError):
    """Reference data or a class table cannot be used."""


class DatasetError(HsiattnError):
    """A public scene is unknown, or its files are not there or not the expected ones."""


class SplitError(HsiattnError):
    """The labelled pixels do not suffice for a split, or a split or its file is not well formed.

    Parameters
    ----------
    problem
        What is wrong; of classes, what is said after their names, such as "has no pixel in any group".
    remedy
        What the user can do about it.
    classes
        Codes of the classes that it is about.
    names
        What these are called in the message; a class without name goes by its code.

    Examples
    --------
    >>> error = SplitError("has no pixel in any group", "draw polygons", classes=[3, 11])
    >>> error.problem, error.classes
    ('class 3, 11 has no pixel in any group', (3, 11))
    >>> error.named({3: "maize (code 3)"}).problem
    'class maize (code 3), 11 has no pixel in any group'
    """

    def __init__(
        self, problem: str, remedy: str, *, classes: Iterable[int] = (), names: Mapping[int, str] | None = None
    ) -> None:
        self.classes = tuple(int(code) for code in classes)
        self._of_classes = problem
        if self.classes:
            listed = ", ".join((names or {}).get(code, str(code)) for code in self.classes)
            problem = f"class {listed} {problem}"
        super().__init__(problem, remedy)

    def named(self, names: Mapping[int, str]) -> SplitError:
        """Return the error with names of classes in the place of their codes."""
        return SplitError(self._of_classes, self.remedy, classes=self.classes, names=names)


class RecipeError(HsiattnError):
    """A recipe is unknown, not well formed, or contradicts itself."""


class PlanError(HsiattnError):
    """A plan of experiments is missing, not well formed, or contradicts itself."""


class TrainingError(HsiattnError):
    """Nothing can be fitted on the training pixels, or training diverges or cannot go on."""


class OtherRunError(TrainingError):
    """A training is to go on from a folder that holds the state of another run."""


class AdaptationError(HsiattnError):
    """A model cannot be adapted to a scene by the method that is asked for, or by any."""


class ModelFileError(HsiattnError):
    """A model file is missing, damaged, too new or not a model."""


class AssessmentError(HsiattnError):
    """A map cannot be compared with its reference."""


class ClusterError(HsiattnError):
    """Worker processes cannot be started, reached or used."""


class DeviceError(HsiattnError):
    """A device is unknown, not there, or cannot run a network."""


class OutputError(HsiattnError):
    """An output exists already or cannot be written."""
