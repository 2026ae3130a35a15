"""The registry of models: those that are installed, and the one that a scene is mapped with.

Models are listed, and compared with a scene, by their headers alone. Only the one that is used is read whole, and it is
then seen whether it is what was written.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from hsiattn.classes import ClassTable
from hsiattn.errors import BandError, ModelFileError, OutputError
from hsiattn.files.kinds import MODEL_SUFFIX, FileKind, kind_of, looks_like_onnx
from hsiattn.files.outputs import check_output, make_folder, whole_file
from hsiattn.files.paths import StrPath
from hsiattn.models.builtin import NAME as BUILTIN
from hsiattn.models.container import FAILURES, PREPROCESSING, open_container
from hsiattn.scenes import SceneSource, SpectralBands, find_band_match

if TYPE_CHECKING:
    from hsiattn.models.described_model import DescribedModel
    from hsiattn.models.model_file import TrainedModel

_BUILT_IN = "model: built-in, since no model is named and no installed one fits; -m names another, --labels trains one"
Model = TypeVar("Model", bound="DescribedModel")


@dataclass(frozen=True, eq=False)
class ModelSummary:
    """Summary of a model file from its header; whether the file is sound is not checked.

    Attributes
    ----------
    path
        The file.
    bands
        All bands of the training scene.
    used
        Numbers of those that the network reads.
    classes
        Codes, names and colours.
    """

    path: Path
    bands: SpectralBands
    used: NDArray[np.int64]
    classes: ClassTable

    def fits(self, source: SceneSource) -> bool:
        """Whether the scene has the bands that the model reads."""
        try:
            find_band_match(self.bands, source.bands, needed=self.used)
        except BandError:
            return False
        return True

    def __str__(self) -> str:
        return f"{len(self.bands)} bands, {len(self.classes)} classes: {', '.join(self.classes.names)}"


def read_summary(path: StrPath) -> ModelSummary:
    """Read the header of a model file; once in a process, as long as size and time of the file stay.

    Raises
    ------
    ModelFileError
        It is missing, no model or of a newer format, or its header says what cannot be.
    """
    return _summary(*_state(Path(path)))


# -- installed models --------------------------------------------------------------------------------------------------


def models_folder() -> Path:
    """Folder of the installed models: `$HSIATTN_HOME/models`, by default in the user's data folder."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(os.environ.get("HSIATTN_HOME") or Path(data) / "hsiattn") / "models"


def installed_models() -> list[Path]:
    """Model files in the models folder, sorted by name."""
    return sorted(models_folder().glob(f"*{MODEL_SUFFIX}"))


def is_name(name: str) -> bool:
    """Whether a model can be installed under a name: it leads to no other folder and hides no file."""
    return name == os.path.basename(name) and not name.startswith(".")


def installed_path(name: str) -> Path:
    """Path of the installed model of a name, which need not exist; the suffix may be left out."""
    return models_folder() / f"{name.removesuffix(MODEL_SUFFIX)}{MODEL_SUFFIX}"


def install_model(model: StrPath, name: str | None = None, *, overwrite: bool = False) -> Path:
    """Copy a model file, once it has been read whole, to the installed ones.

    Parameters
    ----------
    name
        Name to install it under, see `is_name`; None for that of the file.

    Returns
    -------
    Path
        Its path among the installed ones.

    Raises
    ------
    ModelFileError
        It is damaged or no model.
    OutputError
        Another one of that name is installed and `overwrite` is False, or the folder cannot be written to.
    """
    from hsiattn.models.model_file import read_model

    read_model(model)
    target = installed_path(Path(model).stem if name is None else name)
    make_folder(target.parent)
    check_output(target, FileKind.MODEL, overwrite=overwrite, inputs={"model": model})
    with whole_file(target) as temporary:
        temporary.write_bytes(Path(model).read_bytes())
    return target


def remove_model(name: str) -> Path:
    """Delete an installed model.

    Returns
    -------
    Path
        Path that it had.

    Raises
    ------
    ModelFileError
        There is none of that name, or what is there is no model of ours.
    OutputError
        It cannot be deleted.
    """
    path = installed_path(name)
    if not is_name(name) or not os.path.lexists(path):
        names = ", ".join(file.stem for file in installed_models()) or "none"
        raise ModelFileError(f"no model {name} is installed", f"give one of the installed ones: {names}")
    if path.is_symlink() or kind_of(path) is not FileKind.MODEL:
        raise ModelFileError(f"{path} is not a model file that hsiattn wrote", "delete it by hand")
    try:
        path.unlink()
    except OSError as error:
        raise OutputError(f"{path} cannot be deleted ({error.strerror})", "check the rights of its folder") from error
    return path


# -- the model of a scene ----------------------------------------------------------------------------------------------


def named_model(name: StrPath | None) -> Path | None:
    """The file of the model that is named, else of `$HSIATTN_MODEL`; None where neither names one.

    A name is the path of a file or, where there is no such file, the name of an installed model.
    """
    text = os.fspath(name or os.environ.get("HSIATTN_MODEL") or "")
    if not text:
        return None
    if is_name(text) and not os.path.lexists(text) and installed_path(text).is_file():
        return installed_path(text)
    return Path(text)


def is_builtin(path: Path) -> bool:
    """Whether what is named is the built-in model, and no file of its name."""
    return str(path) == BUILTIN and not os.path.lexists(path)


def fitting_models(source: SceneSource) -> list[Path]:
    """The installed models whose bands match those of a scene."""
    return [path for path in installed_models() if _fits(path, source)]


def find_model(source: SceneSource) -> Path:
    """The model for a scene when none is named: `$HSIATTN_MODEL`, else the one installed model whose bands match.

    Raises
    ------
    ModelFileError
        None or several match.
    """
    named = named_model(None)
    if named is not None:
        return named
    fitting = fitting_models(source)
    if len(fitting) > 1:
        fitting = [path for path in fitting if _is_sound(*_state(path))]
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


def read_trained(path: StrPath) -> TrainedModel:
    """Read a model file; torch is loaded for it.

    Raises
    ------
    ModelFileError
        It is damaged, no model or an ONNX file.
    """
    from hsiattn.models.model_file import read_model

    return read_model(path)


def read_for_mapping(path: StrPath) -> DescribedModel:
    """Read a model file, or an ONNX file, which does without torch.

    Raises
    ------
    ModelFileError
        It is damaged, no model, or another program's ONNX file.
    """
    if looks_like_onnx(path):
        from hsiattn.models.onnx_model import read_onnx

        return read_onnx(path)
    return read_trained(path)


class ModelFinder(Generic[Model]):
    """Finds the model of every scene, the one that is named, else the one that fits; reads each once.

    Parameters
    ----------
    name
        File or name of the model, see `named_model`; None where environment and scenes decide.
    read
        Reads a file: `read_trained` or `read_for_mapping`.
    tell
        Called with a notice when a model is found that nobody named, and with what is to be known of the built-in one.
    fallback
        Whether the built-in model is taken where no installed one fits.
    classes_from
        Names for the classes of the built-in model, see `builtin_model`.

    Raises
    ------
    ModelFileError
        The named model cannot be used.
    """

    def __init__(
        self,
        name: StrPath | None,
        read: Callable[[Path], Model],
        tell: Callable[[str], None] = lambda text: None,
        *,
        fallback: bool = False,
        classes_from: StrPath | None = None,
    ) -> None:
        self._tell, self._read = tell, read
        path = named_model(name) if name is not None else None
        self._builtin = path is not None and is_builtin(path)
        self._named = read(path) if path is not None and not self._builtin else None
        self._found: dict[Path, Model] = {}
        self._fallback, self._classes_from = fallback, classes_from
        if self._named is not None:
            self._refuse_names()

    def model_for(self, source: SceneSource) -> Model:
        """The model for a scene.

        Raises
        ------
        BandError, SceneError
            The built-in model is to be used, and cannot read the scene.
        ModelFileError
            None is named, and none or several of the installed ones fit; or the one that fits cannot be used.
        """
        if self._named is not None:
            return self._named
        if self._builtin:
            return self._fitted(source)
        if self._fallback and not fitting_models(source) and named_model(None) is None:
            return self._fitted(source, _BUILT_IN)
        self._refuse_names()
        path = find_model(source)
        if path not in self._found:
            self._found[path] = self._read(path)
            self._tell(f"model: {path}")
        return self._found[path]

    def _refuse_names(self) -> None:
        if self._classes_from is not None:
            raise ModelFileError(
                "another model than the built-in one has classes of its own", "leave classes_from= out, or name builtin"
            )

    def _fitted(self, source: SceneSource, *notices: str) -> Model:
        from hsiattn.models.builtin import builtin_model

        model, notes = builtin_model(source, classes_from=self._classes_from)
        for note in (*notices, *notes):
            self._tell(note)
        return model  # type: ignore[return-value]  # whoever reads models takes trained ones


# -- files -------------------------------------------------------------------------------------------------------------


def _state(path: Path) -> tuple[Path, int, int]:
    """A path with what changes when the file does."""
    try:
        state = path.stat()
    except (OSError, ValueError):  # the reader says what is wrong
        return path, -1, -1
    return path, state.st_size, state.st_mtime_ns


@lru_cache(maxsize=1024)
def _summary(path: Path, size: int, mtime: int) -> ModelSummary:
    with open_container(path, "numpy") as container:
        file = container.tensors
        try:
            header, names = container.upgraded({name: name for name in file.keys()})  # noqa: SIM118  (no dictionary)
            used = file.get_tensor(names[f"{PREPROCESSING}bands"])
            bands = SpectralBands.from_dict(header["bands"])
            _check_used(used, len(bands), header["network"]["bands"])
            return ModelSummary(path, bands, used.astype(np.int64), ClassTable.from_records(header["classes"]))
        except FAILURES as error:
            raise container.unusable(error) from error


def _check_used(used: NDArray[Any], bands: int, read: int) -> None:
    if used.ndim != 1 or used.dtype.kind != "i" or not used.size or used.min() < 0 or used.max() >= bands:
        raise ValueError(f"its preprocessing does not say which of the {bands} bands it uses")
    if len(used) != read:
        raise ValueError(f"its network reads {read} bands, its preprocessing makes {len(used)}")


def _fits(path: Path, source: SceneSource) -> bool:
    try:
        return read_summary(path).fits(source)
    except ModelFileError:
        return False


@lru_cache(maxsize=1024)
def _is_sound(path: Path, size: int, mtime: int) -> bool:
    """Whether the whole file is what was written; asked only where several models fit a scene."""
    from hsiattn.models.model_file import read_model

    try:
        read_model(path)
    except ModelFileError:
        return False
    return True
