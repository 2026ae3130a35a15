"""What every detector of unknown materials has in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class KnownPixels(NamedTuple):
    """Labelled pixels as a network sees them, from which a detector learns what is known.

    Attributes
    ----------
    features
        (N, F) float32, see `SpectralSpatialNetwork.forward_with_features`.
    logits
        (N, K) float32.
    look
        (N, B) or (N, B + C) float32, see `hsiattn.open_set.look`.
    targets
        (N,) int64, class indices.
    bands
        B.
    """

    features: Tensor
    logits: Tensor
    look: Tensor
    targets: Tensor
    bands: int


@dataclass(frozen=True, eq=False)
class Detector:
    """Tells how unlike all known classes a pixel is.

    A detector is a frozen dataclass of float32 tensors on the CPU, which are its arrays in the model file, and of
    numbers, which stand in the header.
    """

    name: ClassVar[str]
    """The name by which it is chosen."""
    reads_network: ClassVar[bool] = True
    """Whether it reads features or logits; one that does not may be given any."""

    @classmethod
    def fit(cls, known: KnownPixels, settings: Any, *, seed: int) -> Self:
        """Learn what known pixels look like.

        Parameters
        ----------
        settings
            `OpenSetSettings`.
        seed
            Decides everything random.
        """
        raise NotImplementedError(cls.__name__)

    def score(self, features: Tensor, logits: Tensor, look: Tensor) -> Tensor:
        """Score (N,) float32 of N pixels, higher where they are more likely of no known class.

        Parameters
        ----------
        features, logits, look
            As in `KnownPixels`, on one device; the score is there too.
        """
        raise NotImplementedError(type(self).__name__)

    def check(self, *, features: int, classes: int, bands: int, look: int) -> None:
        """See that the arrays fit a network of F features, K classes and B bands, and the width of its pixels' looks.

        Raises
        ------
        ValueError
            They do not, or contradict each other.
        """

    def to_arrays(self) -> dict[str, NDArray[np.float32]]:
        """Its tensors by name."""
        return {name: value.cpu().numpy() for name, value in self._values().items() if isinstance(value, Tensor)}

    def to_dict(self) -> dict[str, Any]:
        """Its name and its numbers, JSON-ready."""
        numbers = {name: value for name, value in self._values().items() if not isinstance(value, Tensor)}
        return {"name": self.name, **numbers}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], record: Mapping[str, Any]) -> Self:
        """The detector that `to_arrays` and `to_dict` describe.

        Raises
        ------
        ValueError
            Arrays or numbers are missing, are too many, are not of type float32, or not finite.
        """
        numbers = {name: value for name, value in record.items() if name != "name"}
        names = {field.name for field in fields(cls)}
        if {*arrays, *numbers} != names or len(arrays) + len(numbers) != len(names):
            raise ValueError(f"its detector {cls.name} lacks some of its arrays, or has others")
        for name, array in arrays.items():
            if array.dtype != np.float32 or not np.isfinite(array).all():
                raise ValueError(f"the array {name} of its detector is not of finite numbers of 32 bits")
        if any(type(value) not in (int, float) for value in numbers.values()):
            raise ValueError(f"its detector {cls.name} has settings that are no numbers")
        return cls(**{name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}, **numbers)

    def _values(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


def need_shape(name: str, array: Tensor, *shape: int | None) -> None:
    """See that an array has a shape, in which None stands for any length but 0.

    Raises
    ------
    ValueError
        It has another one.

    Examples
    --------
    >>> need_shape("means", torch.zeros(3, 8), None, 8)
    """
    fits = array.ndim == len(shape) and all(n and want in (None, n) for n, want in zip(array.shape, shape, strict=True))
    if not fits:
        wanted = " × ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(f"the array {name} of its detector has shape {tuple(array.shape)}, not {wanted}")
