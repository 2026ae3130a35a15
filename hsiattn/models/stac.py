"""Models as items of a STAC catalogue, in the words of the Machine Learning Model extension.

The item is plain JSON: STAC 1.1.0 with the extensions mlm 1.5.2, eo 2.0.0 and file 2.1.0
(https://github.com/stac-extensions).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsiattn.classes import UNLABELLED
from hsiattn.files.kinds import GENERATOR, FileKind
from hsiattn.files.paths import StrPath
from hsiattn.scenes import SpectralBands
from hsiattn.version import __version__

if TYPE_CHECKING:
    from hsiattn.models.model_file import TrainedModel

_EXTENSIONS = "https://stac-extensions.github.io/{}/schema.json"
_MLM, _EO, _FILE = "mlm/v1.5.2", "eo/v2.0.0", "file/v2.1.0"

_SEMANTIC = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")
_SHA256 = "1220"
"""What a multihash begins with: SHA-256, 32 bytes."""

_FIGURES = ("overall_accuracy", "average_accuracy", "kappa", "mcc", "leakage", "test_pixels", "confidence_level")
"""What an item tells of the accuracy; the model file has it all."""


def stac_item(model: TrainedModel, path: StrPath, *, href: str | None = None) -> dict[str, Any]:
    """A model as a STAC item, JSON-ready.

    It tells the bands that the network reads with their wavelengths, the scaling, the classes with the values by which
    they stand in a map, settings, accuracy, and the model file with its checksum. Its geometry is the outline of the
    training scene where the model knows it, else null; its time is that of the training.

    Parameters
    ----------
    path
        The model file.
    href
        How the item refers to it; its path as given by default.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    file = Path(path)
    ring = (model.data.get("place") or {}).get("footprint")
    bands = bands_in_words(model.used_bands)
    extensions = [_MLM, _FILE] + ([_EO] if any(len(band) > 2 for band in bands) else [])
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [_EXTENSIONS.format(name) for name in extensions],
        "id": f"{_plain(file.stem)}-{model.digest[:12]}".strip("-"),
        "geometry": {"type": "Polygon", "coordinates": [ring]} if ring else None,
    }
    if ring:
        xs, ys = [x for x, _ in ring], [y for _, y in ring]
        item["bbox"] = [min(xs), min(ys), max(xs), max(ys)]
    item["properties"] = _properties(model, file, bands)
    item["links"] = []
    item["assets"] = {"model": {**file_in_words(file, href or os.fspath(path), bands), **_FORMAT}}
    return item


def item_text(item: Mapping[str, Any]) -> str:
    r"""An item as the text of its file.

    >>> item_text({"type": "Feature"})
    '{\n  "type": "Feature"\n}\n'
    """
    return f"{json.dumps(item, indent=2, ensure_ascii=False, allow_nan=False)}\n"


# -- properties --------------------------------------------------------------------------------------------------------


def _properties(model: TrainedModel, file: Path, bands: list[dict[str, Any]]) -> dict[str, Any]:
    network, made = str(model.arguments["name"]), _utc(model.created)
    parameters = sum(tensor.numel() for tensor in model.network.state_dict().values())
    size = sum(tensor.numel() * tensor.element_size() for tensor in model.network.state_dict().values())
    torch_version = model.versions.get("torch", "")
    return {
        "title": f"Land cover of {len(model.classes)} classes from {len(bands)} bands",
        "description": f"Trained by hsiattn on {model.data.get('scene', 'a scene')}; classes: "
        f"{', '.join(model.classes.names)}.",
        "datetime": made,
        "created": made,
        "bands": bands,
        "mlm:name": f"hsiattn {_plain(file.stem)}",
        "mlm:architecture": network,
        "mlm:tasks": ["semantic-segmentation", "classification"],
        "mlm:framework": "PyTorch",
        **({"mlm:framework_version": torch_version} if _SEMANTIC.fullmatch(torch_version) else {}),
        "mlm:total_parameters": parameters,
        "mlm:memory_size": size,
        "mlm:pretrained_source": None,
        "mlm:accelerator": None,
        "mlm:accelerator_constrained": False,
        "mlm:input": [_input(model, bands)],
        "mlm:output": _outputs(model),
        "mlm:hyperparameters": _plain_json({"patch_size": model.patch_size, **model.recipe}),
        **{f"{GENERATOR}:{name}": value for name, value in _own(model).items() if value not in (None, {})},
    }


def _own(model: TrainedModel) -> dict[str, Any]:
    """What no extension has words for."""
    accuracy, split = model.accuracy or {}, model.split
    return {
        "kind": FileKind.STAC_ITEM.value,
        "version": model.versions.get("hsiattn", __version__),
        "sha256": model.digest,
        "accuracy": _plain_json({name: accuracy[name] for name in _FIGURES if accuracy.get(name) is not None}),
        "split": _plain_json({name: split[name] for name in ("in_words", "leakage") if split.get(name) is not None}),
    }


def bands_in_words(bands: SpectralBands) -> list[dict[str, Any]]:
    """Bands by name; wavelengths in micrometres."""
    described = []
    for name, wavelength, fwhm in zip(bands.names, bands.wavelength, bands.fwhm, strict=True):
        known = {"eo:center_wavelength": wavelength, "eo:full_width_half_max": fwhm}
        figures = {key: round(float(value) / 1000, 6) for key, value in known.items() if np.isfinite(value)}
        described.append({"name": name, "data_type": "float32", **figures})
    return described


def _input(model: TrainedModel, bands: list[dict[str, Any]]) -> dict[str, Any]:
    preprocessing = model.preprocessing
    recoloured = preprocessing.recolouring is not None
    plain = preprocessing.spectral_transform is None
    straight = plain and not recoloured
    steps = [] if plain else [f"the spectral transform {preprocessing.transform_name}"]
    steps.append("scaling per band")
    steps += ["an affine map of the scaled bands"] if recoloured else []
    if preprocessing.channels:
        steps.append(f"{preprocessing.channels} components of the scaled bands for the patches")
    return {
        "name": "reflectance",
        "description": f"Reflectance, 1 for a perfect reflector, of an image of at least {model.patch_size} pixels a "
        f"side. Every pixel is classified by its spectrum and its neighbours in {model.patch_size} × "
        f"{model.patch_size} pixels.",
        "bands": [band["name"] for band in bands],
        "input": {
            "shape": [len(bands), -1, -1],
            "dim_order": ["bands", "height", "width"],
            "data_type": "float32",
        },
        "value_scaling": _scaling(model) if straight else None,
        "resize_type": None,
        "pre_processing_function": {
            "format": "python",
            "expression": "hsiattn.preprocessing:Preprocessing.transform",
            "description": f"{', '.join(steps)}; all figures are in the model file",
        },
    }


def _scaling(model: TrainedModel) -> list[dict[str, Any]]:
    """Scaling of every band: (value - mean) / stddev, or (value - minimum) / (maximum - minimum)."""
    low, spread = (
        model.preprocessing.offset.astype(np.float64),
        1.0 / model.preprocessing.gain.astype(np.float64),
    )
    if (model.recipe.get("preprocessing") or {}).get("scaling") == "minmax":
        return [
            {"type": "min-max", "minimum": float(a), "maximum": float(a + b)} for a, b in zip(low, spread, strict=True)
        ]
    return [{"type": "z-score", "mean": float(a), "stddev": float(b)} for a, b in zip(low, spread, strict=True)]


def classes_in_words(model: TrainedModel, values: Sequence[int]) -> list[dict[str, Any]]:
    """Unclassified, which is 0, and the classes by these values."""
    unclassified = {
        "value": UNLABELLED,
        "name": "unclassified",
        "description": "No data, or outside of the mask",
        "nodata": True,
    }
    classes = (
        {
            "value": value,
            "name": item.name,
            "description": item.name,
            "color_hint": "{:02X}{:02X}{:02X}".format(*item.color),
        }
        for value, item in zip(values, model.classes, strict=True)
    )
    return [unclassified, *classes]


def _outputs(model: TrainedModel) -> list[dict[str, Any]]:
    tasks = ["semantic-segmentation", "classification"]
    unclassified, *classes = classes_in_words(model, model.classes.values)
    dtype = str(np.min_scalar_type(model.classes.values[-1]))
    return [
        {
            "name": "land cover",
            "tasks": tasks,
            "result": {"shape": [-1, -1], "dim_order": ["height", "width"], "data_type": dtype},
            "classification:classes": [unclassified, *classes],
        },
        {
            "name": "class probabilities",
            "tasks": tasks,
            "result": {
                "shape": [len(classes), -1, -1], "dim_order": ["class", "height", "width"], "data_type": "float32",
            },
            "classification:classes": classes,
            "post_processing_function": {
                "format": "python",
                "expression": "torch.softmax",
                "description": f"of the logits divided by the temperature {model.temperature:g}",
            },
        },
    ]  # fmt: skip


_FORMAT = {
    "type": "application/octet-stream; framework=pytorch; format=safetensors",
    "title": "Model file of hsiattn",
    "description": "A safetensors file with the weights, and as JSON in its header all that is needed to use them; "
    "loading it runs no code.",
    "mlm:artifact_type": "safetensors.torch.save_file",
}


def file_in_words(file: Path, href: str, bands: list[dict[str, Any]]) -> dict[str, Any]:
    """A model's file as an asset, without its format."""
    with file.open("rb") as stream:
        checksum = hashlib.file_digest(stream, "sha256").hexdigest()
    return {
        "href": href,
        "roles": ["mlm:model", "mlm:weights"],
        "file:size": file.stat().st_size,
        "file:checksum": f"{_SHA256}{checksum}",
        "bands": [{"name": band["name"]} for band in bands],
    }


def _utc(created: str) -> str:
    """A time as RFC 3339 has it, in UTC.

    >>> _utc("2026-03-01T12:00:00+00:00")
    '2026-03-01T12:00:00Z'
    """
    from datetime import UTC, datetime

    try:
        time = datetime.fromisoformat(created)
    except ValueError:  # a header may say anything
        time = datetime.fromtimestamp(0, UTC)
    return time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _plain(text: str) -> str:
    """A text of letters, digits, dots, hyphens and underscores that begins and ends with a letter or digit.

    >>> _plain("Felder (2024)"), _plain("…")
    ('Felder-2024', 'model')
    """
    return re.sub(r"[^A-Za-z0-9_.]+", "-", text).strip("-_.") or "model"


def _plain_json(value: Any) -> Any:
    """JSON without NaN and infinity, with keys of letters, digits, underscores, dots and hyphens."""
    if isinstance(value, Mapping):
        return {re.sub(r"[^0-9A-Za-z_.-]", "_", str(key)) or "_": _plain_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_json(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
