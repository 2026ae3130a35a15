"""The container of a model file: one safetensors file, whose metadata hold a JSON header and a checksum.

Reading the header costs next to nothing and needs no torch; whether header and tensors are what was written is seen
only by `hsiattn.models.model_file.read_model`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open

from hsiattn.errors import HsiattnError, ModelFileError
from hsiattn.files.inputs import open_regular
from hsiattn.files.kinds import MODEL_FORMAT, looks_like_onnx
from hsiattn.files.text import printable
from hsiattn.models.header import HeaderError, check_header, parse_json
from hsiattn.models.upgrade import upgraded

FORMAT_VERSION = 6
"""Raised when an older hsiattn could no longer read a file that this one writes.

2 has a spectral transform, which 1 would leave out unnoticed; 3 and 4 have recipes in other words
(`hsiattn.models.upgrade`); 5 has a detector of unknown materials or a preprocessing that recolours spectra, 6 has
weights in half precision or a pruned network. A file is of the lowest of these formats that can hold it.
"""
PLAIN_VERSION, OPEN_SET_VERSION = 4, 5
"""Formats of models without anything that an older hsiattn does not know, and of those without half precision."""

WEIGHTS, PREPROCESSING, DOMAIN, OPEN_SET = "network.", "preprocessing.", "domain.", "open_set."
"""Beginnings of the names of tensors."""

FAILURES = (ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RuntimeError, HsiattnError)
"""Exceptions of a header that does not fit itself or its tensors; anybody can give such a file a valid checksum."""

_LONGEST_LIST = 2**25
"""Bytes of the list of tensors, our own header in it."""

Tensor = TypeVar("Tensor")


@dataclass(frozen=True)
class Container:
    """An open model file.

    Attributes
    ----------
    path
        The file.
    text
        Its header as it stands there, of which the checksum is.
    stated
        The same parsed; it has a format version that is known, and no more is checked.
    digest
        The checksum that it states.
    tensors
        The open file, see `safe_open`.
    """

    path: Path
    text: str
    stated: dict[str, Any]
    digest: str
    tensors: Any

    def upgraded(self, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Header and tensors as this version would have written them, with all in the header that a model needs.

        Raises
        ------
        HeaderError
            It lacks something, or something is of the wrong kind.
        """
        header, renamed = upgraded(self.stated, tensors)
        check_header(header)
        return header, renamed

    def unusable(self, error: Exception) -> ModelFileError:
        """The complaint that an error among `FAILURES` means."""
        reason = printable(error.problem if isinstance(error, HsiattnError) else str(error), 300)
        remedy = error.remedy if isinstance(error, ModelFileError) else "train again with this version"
        return ModelFileError(f"{self.path} is not a usable model: {reason}", remedy)


@contextmanager
def open_container(path: Path, framework: str) -> Iterator[Container]:
    """Open a model file, for tensors of a framework, "pt" or "numpy".

    Raises
    ------
    ModelFileError
        Missing, truncated, of a newer format, or no model; also where the block fails to read a tensor.
    """
    _check_file(path)
    try:
        with safe_open(path, framework=framework) as file:
            yield _container(path, file)
    # Of types that torch does not have, and of shapes beyond its numbers, safetensors complains in ways of its own.
    except (SafetensorError, OSError, AttributeError, ValueError, TypeError, OverflowError, RuntimeError) as error:
        raise ModelFileError(
            f"{path} is not a model file, or is truncated ({printable(str(error), 200)})",
            "get the file again, or train again",
        ) from error


def no_model(path: Path) -> ModelFileError:
    """The complaint on a safetensors file of something else."""
    return ModelFileError(
        f"{path} is a safetensors file, but not a model of hsiattn", "give a file that hsiattn train wrote"
    )


def _container(path: Path, file: Any) -> Container:
    metadata = file.metadata() or {}
    if metadata.get("format") != MODEL_FORMAT or "header" not in metadata or "sha256" not in metadata:
        raise no_model(path)
    try:
        stated = parse_json(metadata["header"])
    except HeaderError as error:
        raise no_model(path) from error
    if type(stated.get("format_version")) is not int:
        raise no_model(path)
    if stated["format_version"] > FORMAT_VERSION:
        raise ModelFileError(
            f"{path} has format {stated['format_version']}, this hsiattn reads up to {FORMAT_VERSION}",
            "update hsiattn; the model was made with a newer version",
        )
    return Container(path, metadata["header"], stated, metadata["sha256"], file)


def _check_file(path: Path) -> None:
    """See that there is a file that can be one, before safetensors reads its list of tensors."""
    try:
        with open_regular(path) as file:
            start = file.read(8)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ModelFileError(
            f"there is no model file {path}", "check the path, or list models with: hsiattn models"
        ) from error
    except IsADirectoryError as error:
        raise ModelFileError(f"{path} is a folder", "give the model file itself") from error
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        reason = getattr(error, "strerror", None) or str(error)
        raise ModelFileError(f"{path} cannot be read ({reason})", "check the path and its permissions") from error
    if looks_like_onnx(path):
        raise ModelFileError(
            f"{path} is an ONNX file, of use for nothing but maps",
            "give the model file that it was exported from, or map with: hsiattn classify",
        )
    if int.from_bytes(start, "little") > _LONGEST_LIST:
        raise ModelFileError(f"{path} is not a model file, or is truncated", "get the file again, or train again")
