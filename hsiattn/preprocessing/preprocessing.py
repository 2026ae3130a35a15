"""The fitted preprocessing: application to a tile, and arrays for the model file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.preprocessing.spectral_transforms import SpectralTransform, create_transform
from hsiattn.scenes import Radiometry

_ARRAYS = ("bands", "offset", "gain", "projection", "shift")


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """A spectral transform and an affine map, from reflectance to scaled spectra (B) and components (C).

    Attributes
    ----------
    bands
        (B,) indices of the used bands in the scene it was fitted on.
    offset, gain
        (B,) float32: scaled spectrum = (spectrum - offset) · gain.
    projection, shift
        (C, B) and (C,) float32: components = projection · scaled spectrum + shift.
    spectral_transform
        Applied to the reflectance of the used bands first; None where reflectance itself is scaled.
    recolouring
        (B, B + 1) float32, by which scaled spectra s become A s + b, A the first B columns and b the last, before
        components are made of them: what adaptation to another scene adds (`hsiattn.adaptation`). None for none.
    """

    bands: NDArray[np.int64]
    offset: NDArray[np.float32]
    gain: NDArray[np.float32]
    projection: NDArray[np.float32]
    shift: NDArray[np.float32]
    spectral_transform: SpectralTransform | None = None
    recolouring: NDArray[np.float32] | None = None

    @property
    def channels(self) -> int:
        """C, number of components."""
        return len(self.shift)

    @property
    def transform_name(self) -> str:
        """Name of the spectral transform, `none` without one."""
        return self.spectral_transform.name if self.spectral_transform is not None else "none"

    @cached_property
    def _hands_bands_on(self) -> bool:
        """Whether components are the scaled bands and nothing else, which takes no product and no memory of its own."""
        identity = np.eye(len(self.bands), dtype=np.float32)
        return bool(np.array_equal(self.projection, identity) and not self.shift.any())

    def transform(
        self, values: NDArray[Any], valid: NDArray[np.bool_], radiometry: Radiometry | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Scaled spectra (B, H, W) and components (C, H, W) of a tile, both 0 where not valid.

        Parameters
        ----------
        values
            (B, H, W) stored values of the used bands, in their order.
        valid
            (H, W), True where there is a measurement.
        radiometry
            Gain and offset from stored values of these bands to reflectance; None where they are reflectance.
        """
        radiometry = radiometry or Radiometry.unknown(len(self.bands))
        spectra = np.array(values, dtype=np.float32, order="C").reshape(len(self.bands), -1)
        missing = ~valid.reshape(-1)
        some_missing = bool(missing.any())
        if some_missing:
            spectra[:, missing] = 0.0  # before arithmetic: NaN and infinities would warn and spread
        if self.spectral_transform is None:
            gain, shift = self._from_stored(radiometry)
        else:
            _to_reflectance(spectra, radiometry)
            self.spectral_transform.apply(spectra)
            gain, shift = self.gain, self.offset * self.gain
        spectra *= gain[:, None]
        spectra -= shift[:, None]
        if self.recolouring is not None:
            spectra = self.recolouring[:, :-1] @ spectra + self.recolouring[:, -1:]
        components = spectra if self._hands_bands_on else self.projection @ spectra + self.shift[:, None]
        if some_missing:
            spectra[:, missing] = 0.0
            components[:, missing] = 0.0
        shape = valid.shape
        return spectra.reshape(-1, *shape), components.reshape(-1, *shape)

    def _from_stored(self, radiometry: Radiometry) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Gain and shift (B,) of the one affine map from stored values: scaled spectrum = value · gain - shift."""
        if (scale := radiometry.scale) is not None:
            return self.gain / np.float32(scale), self.offset * self.gain
        gain = self.gain.astype(np.float64)
        shift = (self.offset - radiometry.offset) * gain
        return (radiometry.gain * gain).astype(np.float32), shift.astype(np.float32)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name, for the model file; with a spectral transform also the `centres` of its bands.

        `recolouring` is there where there is one.
        """
        arrays: dict[str, NDArray[Any]] = {name: getattr(self, name) for name in _ARRAYS}
        if self.spectral_transform is not None:
            arrays["centres"] = self.spectral_transform.centres
        if self.recolouring is not None:
            arrays["recolouring"] = self.recolouring
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], transform_name: str = "none") -> Preprocessing:
        """The inverse of `to_arrays`, which do not hold the name of the spectral transform.

        Raises
        ------
        KeyError, ValueError
            An array is missing, has another type or shape than it must have, or there is no such transform.
        """
        needed = {name: np.asarray(arrays[name]) for name in _ARRAYS}
        count, channels = needed["bands"].size, needed["shift"].size
        shapes = {"bands": (count,), "offset": (count,), "gain": (count,), "projection": (channels, count)}
        for name, shape in {**shapes, "shift": (channels,)}.items():
            kind = np.int64 if name == "bands" else np.float32
            if needed[name].shape != shape or needed[name].dtype != kind:
                raise ValueError(f"the preprocessing's {name} is {needed[name].dtype} {needed[name].shape}")
        if not count or len(np.unique(needed["bands"])) < count or needed["bands"].min() < 0:
            raise ValueError("the preprocessing uses no band, or one twice")
        centres = arrays.get("centres")
        if transform_name != "none" and (
            centres is None
            or centres.shape != (count,)
            or centres.dtype != np.float64
            or not np.isfinite(centres).all()
        ):
            raise ValueError(f"the spectral transform {transform_name} lacks the centres of its bands")
        recolouring = arrays.get("recolouring")
        if recolouring is not None and (recolouring.shape != (count, count + 1) or recolouring.dtype != np.float32):
            raise ValueError(f"the preprocessing's recolouring is {recolouring.dtype} {recolouring.shape}")
        transform = create_transform(transform_name, centres)
        return cls(**needed, spectral_transform=transform, recolouring=recolouring)


def _to_reflectance(spectra: NDArray[np.float32], radiometry: Radiometry) -> None:
    """Turn stored spectra (B, N) into reflectance in place."""
    if (scale := radiometry.scale) is not None:
        spectra /= np.float32(scale)
        return
    spectra *= radiometry.gain.astype(np.float32)[:, None]
    spectra += radiometry.offset.astype(np.float32)[:, None]
