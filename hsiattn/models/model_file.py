"""The model file: a trained network with everything needed to use it on the next scene.

One safetensors file. Its tensors are the network's weights and the preprocessing's arrays; its metadata hold a JSON
header and a SHA-256 over header and tensors, so that a damaged or altered file is recognised. Loading runs no code from
the file.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor

from hsiattn.errors import ModelFileError
from hsiattn.files.kinds import MODEL_FORMAT, FileKind
from hsiattn.files.outputs import check_output, whole_file
from hsiattn.files.paths import StrPath
from hsiattn.models.container import (
    DOMAIN,
    FAILURES,
    FORMAT_VERSION,
    OPEN_SET,
    OPEN_SET_VERSION,
    PLAIN_VERSION,
    PREPROCESSING,
    WEIGHTS,
    Container,
    no_model,
    open_container,
)
from hsiattn.models.described_model import DescribedModel, checked_temperature, description_of
from hsiattn.models.storage import HALVES, Storage, restored, stored
from hsiattn.networks import SpectralSpatialNetwork, check_allowed, load_network
from hsiattn.open_set import OpenSet
from hsiattn.open_set.look import look_of_patches
from hsiattn.scenes.description import known_wavelengths
from hsiattn.version import __version__

_TYPES = (torch.float32, torch.float64, torch.int32, torch.int64, torch.bool)
"""Types of tensors that models have; those of `_ROUNDED` may have half precision too."""
_ROUNDED = (WEIGHTS, f"{DOMAIN}examples")
"""Beginnings of the names of tensors that half precision is meant for: weights, and spectra of the training scene."""


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainedModel(DescribedModel):
    """A trained network, ready for use, with its history; further fields are those of `DescribedModel`.

    Attributes
    ----------
    network
        Network on the CPU, in evaluation mode.
    storage
        How the file that it was read from stores its weights; see `hsiattn.models.storage`.
    """

    network: SpectralSpatialNetwork
    storage: Storage = "fp32"

    @property
    def patch_size(self) -> int:
        """Side of the network's window in pixels."""
        return self.network.patch_size

    @property
    def edge(self) -> Literal["reflect", "zero"]:
        """What lies beyond the edge of a scene, see `read_tile`."""
        return self.network.edge

    @property
    def in_spectrum(self) -> NDArray[np.bool_]:
        """Which of the used bands (B,) the network reads in a pixel's own spectrum: pruning may leave some out.

        Components are made of all of them.
        """
        places = np.arange(len(self.preprocessing.bands))
        arguments = self.arguments
        while isinstance(inner := arguments.get("member_arguments"), dict):
            arguments = inner
        if (kept := arguments.get("kept_bands")) is not None:
            return np.isin(places, kept)
        if isinstance(of_branch := arguments.get("spectral"), dict):  # where a network takes them apart
            arguments = of_branch
        kept = arguments.get("kept_groups")
        return np.ones(len(places), dtype=bool) if kept is None else np.isin(places // arguments.get("group", 8), kept)

    @property
    def only_bands(self) -> tuple[int, ...] | None:
        """Numbers of the bands, from 1, to which its recipe keeps it; None for all that serve."""
        numbers = self.recipe.get("preprocessing", {}).get("only_bands")
        return None if numbers is None else tuple(numbers)

    @property
    def evaluates_tiles(self) -> bool:
        """Whether the network sees a tile as a whole, rather than every pixel's patch."""
        return self.network.dense_capable

    def describe(self) -> dict[str, Any]:
        """Origin and abilities of the model, JSON-ready."""
        return {
            "created": self.created,
            "bands": self.bands.describe(),
            "wavelength_nm": known_wavelengths(self.bands),
            "spectral_transform": self.preprocessing.transform_name,
            "patch_size": self.patch_size,
            "classes": self.classes.to_records(),
            "network": self.arguments,
            "recipe": self.recipe,
            "training": self.training,
            "temperature": self.temperature,
            "open_set": self.open_set.describe() if self.open_set is not None else None,
            "split": self.split,
            "accuracy": self.accuracy,
            "data": self.data,
            "versions": self.versions,
            "storage": self.storage,
            "sha256": self.digest,
        }

    def header(self, storage: Storage = "fp32") -> dict[str, Any]:
        """Everything but arrays, JSON-ready, of a file with that storage."""
        transform = self.preprocessing.transform_name
        more: dict[str, Any] = {"open_set": self.open_set.to_dict()} if self.open_set is not None else {}
        oldest = OPEN_SET_VERSION if more or self.preprocessing.recolouring is not None else PLAIN_VERSION
        if storage != "fp32":
            more = {**more, "storage": storage}
        if storage != "fp32" or "pruning" in self.training:
            oldest = FORMAT_VERSION
        return {
            "format_version": oldest,
            "created": self.created,
            "recipe": self.recipe,
            "network": self.arguments,
            "spectral_transform": transform,
            "bands": self.bands.to_dict(),
            "classes": self.classes.to_records(),
            "split": self.split,
            "accuracy": self.accuracy,
            "training": self.training,
            "temperature": self.temperature,
            "domain": self.domain.to_dict() if self.domain is not None else None,
            **more,
            "data": self.data,
            "versions": self.versions,
        }


def write_model(model: TrainedModel, path: StrPath, *, overwrite: bool = False, storage: Storage = "fp32") -> str:
    """Write a model file, whole or not at all; return its digest.

    Parameters
    ----------
    storage
        Of the weights and of the spectra that show what the training scene looks like; all else is stored in full.

    Raises
    ------
    ModelFileError
        A weight, the preprocessing or the temperature is not finite: its maps would be wrong. Or one is too large for
        the storage.
    OutputError
        The file exists and `overwrite` is False, or it cannot be written.
    """
    check_output(path, FileKind.MODEL, overwrite=overwrite)
    tensors = {WEIGHTS + name: value.contiguous() for name, value in model.network.state_dict().items()}
    arrays = model.preprocessing.to_arrays()
    tensors |= {PREPROCESSING + name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
    of_domain = model.domain.to_arrays() if model.domain is not None else {}
    tensors |= {DOMAIN + name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in of_domain.items()}
    of_open_set = model.open_set.to_arrays() if model.open_set is not None else {}
    tensors |= {OPEN_SET + name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in of_open_set.items()}
    try:
        _check_finite(tensors)
        checked_temperature(model.temperature)
    except ValueError as error:
        raise ModelFileError(f"the model is of no use: {error}", "train again, with a lower learning rate") from error
    tensors |= stored({name: tensor for name, tensor in tensors.items() if name.startswith(_ROUNDED)}, storage)
    text = header_text(model, storage)
    digest = _digest(text, tensors)
    with whole_file(path) as temporary:  # save_file would give the file rights of its own
        temporary.write_bytes(save(tensors, metadata={"format": MODEL_FORMAT, "header": text, "sha256": digest}))
    return digest


def header_text(model: TrainedModel, storage: Storage = "fp32") -> str:
    """The header of a model as JSON, of a file with that storage."""
    return json.dumps(_without_nan(model.header(storage)), sort_keys=True)


def read_model(path: StrPath) -> TrainedModel:
    """Read a model file.

    Raises
    ------
    ModelFileError
        Missing, truncated, altered, of a newer format, no model, or one whose parts do not fit each other. No network
        is made, and no memory asked for, beyond what the size of the file allows.
    """
    container, tensors = _read_whole(Path(path))
    if _digest(container.text, tensors) != container.digest:
        raise ModelFileError(
            f"{path} is damaged or was altered: its contents do not have the SHA-256 that it states",
            "get the file again, or train again",
        )
    try:
        return _assemble(*container.upgraded(tensors), container.digest)
    except FAILURES as error:
        raise container.unusable(error) from error


def package_versions() -> dict[str, str]:
    """Versions of the packages that decide a result; of torch with its build (`+cpu`, `+cu130`), which decides too."""
    versions = {"hsiattn": __version__, "torch": str(torch.__version__)}
    for name in ("numpy", "scikit-learn", "lightning", "rasterio"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def timestamp() -> str:
    """Now, in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _read_whole(path: Path) -> tuple[Container, dict[str, Tensor]]:
    """A model file with all its tensors; whether they are what was written is not checked."""
    with open_container(path, "pt") as container:
        file = container.tensors
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dictionary)
    if any(
        tensor.dtype not in (_TYPES + HALVES if name.startswith(_ROUNDED) else _TYPES)
        for name, tensor in tensors.items()
    ):
        raise no_model(path)
    return container, tensors


def _assemble(header: dict[str, Any], tensors: dict[str, Tensor], digest: str) -> TrainedModel:
    _check_finite(tensors)
    storage = header.get("storage", "fp32")
    tensors = restored(tensors, storage)
    arrays, of_domain = (
        {name: tensor.numpy() for name, tensor in _under(prefix, tensors).items()} for prefix in (PREPROCESSING, DOMAIN)
    )
    described = description_of(header, arrays, of_domain)
    if isinstance(named := header["recipe"].get("network"), dict):  # which is made again when the model is fitted anew
        check_allowed(named.get("name"), named.get("arguments"))
    network = load_network(_under(WEIGHTS, tensors), **header["network"])
    open_set = _open_set(header, _under(OPEN_SET, tensors), network)
    return TrainedModel(network=network, open_set=open_set, storage=storage, digest=digest, **described)


def _open_set(header: dict[str, Any], tensors: dict[str, Tensor], network: SpectralSpatialNetwork) -> OpenSet | None:
    """The detector of unknown materials, which must read as many features as the network gives."""
    record = header.get("open_set")
    if record is None:
        return None
    open_set = OpenSet.from_arrays({name: tensor.numpy() for name, tensor in tensors.items()}, record)
    size = network.patch_size
    with torch.inference_mode():
        spectra, patch = torch.zeros(1, network.bands), torch.zeros(1, network.channels, size, size)
        features = network.eval().forward_with_features(spectra, patch)[1].shape[1]
    width = look_of_patches(spectra, patch, torch.ones(1, size, size, dtype=torch.bool)).shape[1]
    open_set.detector.check(features=features, classes=network.classes, bands=network.bands, look=width)
    return open_set


def _check_finite(tensors: Mapping[str, Tensor]) -> None:
    """NaN and infinite numbers would make every pixel the first class."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ValueError(f"its {name} has values that are NaN or infinite")


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _digest(header: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the header and, by name, type, shape and bytes of every tensor."""
    total = hashlib.sha256(header.encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().contiguous()
        kind = str(tensor.dtype).removeprefix("torch.")
        array = (
            tensor.view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor
        ).numpy()  # numpy has no bfloat16
        total.update(f"{name} {kind} {array.shape}".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def _without_nan(value: Any) -> Any:
    """JSON knows no NaN: null instead."""
    if isinstance(value, dict):
        return {str(key): _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    if isinstance(value, float | np.floating):
        return None if math.isnan(value) else float(value)
    if isinstance(value, np.integer):
        return int(value)
    return value
