"""Networks that are not of this package: found by entry point or import path, plain modules wrapped."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import torch
from torch import Tensor, nn

from hsiattn.core.block import only
from hsiattn.errors import ModelFileError, RecipeError
from hsiattn.files.text import printable
from hsiattn.networks.base import SpectralSpatialNetwork

GROUP = "hsiattn.networks"
"""Entry points of this group are networks, by the names that recipes may use."""
ALLOWED = "HSIATTN_NETWORKS"
"""Environment variable: import paths, or modules, whose networks model files may ask for."""
SIZES = ("bands", "channels", "classes", "patch_size")

_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
_SPECTRA_AT_ONCE = 8192

_used: set[str] = set()
"""Import paths that this process was given by a recipe or a caller, not by a model file."""
_in_file: ContextVar[bool] = ContextVar("in_file", default=False)


@contextmanager
def named_by_a_file() -> Iterator[None]:
    """Mark names of networks as those of a model file, which may import only what somebody on this machine allows."""
    token = _in_file.set(True)
    try:
        yield
    finally:
        _in_file.reset(token)


def registered() -> dict[str, EntryPoint]:
    """Networks that installed packages offer, by name."""
    return {point.name: point for point in entry_points(group=GROUP)}


def own_network(name: str) -> type[nn.Module] | None:
    """The class that an installed package registers under a name, or that at an import path; None for other names.

    Importing runs the code of an installed module. A recipe is the user's own word for it. A model file may come from
    anybody, so an import path in it counts only where an installed package registers it, `$HSIATTN_NETWORKS` names it
    or its module, or the running program has used it before without a file.

    Parameters
    ----------
    name
        Of an entry point of the group `hsiattn.networks`, or an import path `package.module:Class`.

    Raises
    ------
    RecipeError
        It cannot be imported, or is no `torch.nn.Module`.
    ModelFileError
        The same where a model file names it, or it is not allowed there.
    """
    points = registered()
    if name not in points and not _PATH.fullmatch(name):
        return None
    path = _path_of(points[name]) if name in points else name
    if name not in points and _in_file.get() and not _is_allowed(path, points):
        shown = printable(path, 100)
        raise ModelFileError(
            f"its network {shown} is not part of hsiattn, and model files may not import it here",
            f"if you trust that package, set {ALLOWED}={shown}",
        )
    kind = _imported(path)
    if not _in_file.get():
        _used.add(path)
    return kind


def not_usable(problem: str, remedy: str, *, in_file: str | None = None) -> RecipeError | ModelFileError:
    """The error for a network that is asked for; `in_file` is the remedy where a model file does."""
    return ModelFileError(problem, in_file or remedy) if _in_file.get() else RecipeError(problem, remedy)


class ModuleNetwork(SpectralSpatialNetwork):
    """A plain `torch.nn.Module` as a network.

    Its constructor is given, by name, what it asks for of `bands`, `channels`, `classes` and `patch_size`, and that
    says what it reads: with `bands` alone spectra (N, B), with `channels` alone patches (N, C, w, w), with both
    `module(spectra, patches)`. It returns logits (N, K). It gets no masks: neighbours that are missing are 0.

    Parameters
    ----------
    kind
        Class of the module.
    bands, channels, classes, patch_size
        See `SpectralSpatialNetwork`.
    arguments
        Of the module's constructor beyond the sizes.

    Raises
    ------
    ValueError
        Its constructor asks for neither bands nor channels.

    Examples
    --------
    >>> class Perceptron(nn.Sequential):
    ...     def __init__(self, bands: int, classes: int, hidden: int = 16) -> None:
    ...         super().__init__(nn.Linear(bands, hidden), nn.ReLU(), nn.Linear(hidden, classes))
    >>> network = ModuleNetwork(Perceptron, bands=30, channels=0, classes=3, patch_size=1, hidden=8)
    >>> network(torch.randn(5, 30), torch.empty(5, 0, 1, 1)).shape
    torch.Size([5, 3])
    """

    def __init__(
        self, kind: type[nn.Module], /, bands: int, channels: int, classes: int, patch_size: int, **arguments: Any
    ) -> None:
        super().__init__(bands, channels, classes, patch_size)
        asked = inspect.signature(kind).parameters.keys() & set(SIZES)
        self.reads_spectra, self.reads_patches = "bands" in asked, "channels" in asked
        if not (self.reads_spectra or self.reads_patches):
            raise ValueError(f"the constructor of {kind.__name__} asks for neither bands nor channels")
        self.dense_capable = not self.reads_patches
        self.module = kind(**{size: getattr(self, size) for size in asked}, **arguments)

    def forward(self, spectra: Tensor, patches: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits (N, K); see `SpectralSpatialNetwork.forward`."""
        read = [spectra] if self.reads_spectra else []
        if self.reads_patches:
            read.append(only(patches, None if valid is None else valid[:, None]))
        logits: Tensor = self.module(*read)
        return logits

    def dense(self, spectra: Tensor, components: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits of a tile's core (K, h, w'), where patches do not count; see `SpectralSpatialNetwork.dense`."""
        if not self.dense_capable:
            return super().dense(spectra, components, valid)
        pixels = spectra.flatten(1)
        if torch.compiler.is_exporting():  # a graph has one piece, or the number of pieces of its example
            logits: Tensor = self.module(pixels.T).T
            return logits.reshape(self.classes, *spectra.shape[1:])
        parts = [self.module(few.T).T for few in torch.split(pixels, _SPECTRA_AT_ONCE, dim=1)]
        return torch.cat(parts, dim=1).reshape(self.classes, *spectra.shape[1:])


def _path_of(point: EntryPoint) -> str:
    return f"{point.module}:{point.attr}"


def _is_allowed(path: str, points: dict[str, EntryPoint]) -> bool:
    if path in _used or path in map(_path_of, points.values()):
        return True
    allowed = re.split(r"[,\s]+", os.environ.get(ALLOWED, ""))
    return any(path == each or path.startswith((f"{each}.", f"{each}:")) for each in allowed if each)


def _imported(path: str) -> type[nn.Module]:
    module, _, name = path.partition(":")
    try:
        kind = getattr(import_module(module), name)
    except Exception as error:  # whatever its code may raise
        raise not_usable(
            f"the network {printable(path, 100)} cannot be imported: {printable(str(error), 200)}",
            "install the package that has it, or put its folder on PYTHONPATH",
        ) from error
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise not_usable(f"the network {printable(path, 100)} is no torch.nn.Module", "name a class that is one")
    return kind
