"""Model files."""

from __future__ import annotations

import hashlib
import json
import math
import random
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine

from scripts.benchmarks.robustness.fuzz.damage import damaged_bytes, damaged_text, damaged_tree, packed
from scripts.benchmarks.robustness.fuzz.inputs import Files, Reader, in_file, saved_files


def models() -> Reader:
    """Model files, read and used on a few pixels. A damaged header gets its checksum anew, as an attacker would."""
    from hsiattn.mapping import predict_array

    scene, fitted = _tiny_models()
    samples = tuple(fitted)

    def read(path: Path) -> object:
        from hsiattn.cli.info import describe_model, lines_of
        from hsiattn.models.model_file import read_model

        lines_of(describe_model(str(path)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return predict_array(read_model(path), scene, device="cpu")

    return Reader(samples, in_file(0, _damaged_model), read)


def _tiny_models() -> tuple[Any, list[Files]]:
    """A scene of 12 × 12 pixels, and models of it: one of each kind of network."""
    import torch
    import xarray as xr

    from hsiattn import SpectralSpatialClassifier
    from hsiattn.models.model_file import write_model
    from hsiattn.networks import create_network
    from hsiattn.scenes import Grid, as_source, georeference
    from hsiattn.splits import AllPixels
    from hsiattn.training import load_recipe

    rng = np.random.default_rng(3)
    codes = (np.indices((12, 12)).sum(axis=0) // 4 % 3 + 1).astype(np.int32)
    spectra = (codes * 100 + rng.normal(0, 10, (8, 12, 12))).astype(np.float32)
    grid = Grid(12, 12, None, Affine.identity())
    wavelength = ("band", 400.0 + 50.0 * np.arange(8), {"units": "nm"})
    scene = georeference(xr.DataArray(spectra, dims=("band", "y", "x"), coords={"wavelength": wavelength}), grid)
    labels = georeference(xr.DataArray(codes, dims=("y", "x")), grid)
    recipes = {
        "lda": [],
        "lda-means": ["patch_size=3"],
        "random-forest": ["network.arguments={trees: 3}"],
        "svm": ["network.arguments={penalties: [1.0], gammas: [0.01]}"],
    }
    bundles = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, changes in recipes.items():
            classifier = SpectralSpatialClassifier(load_recipe(name, changes), split=AllPixels(), device="cpu")
            bundles.append(classifier.fit(scene, labels).model_)
    frame = bundles[1]
    sizes = {"bands": 8, "channels": frame.preprocessing.channels, "classes": 3, "patch_size": 5}
    small = {"group": 4, "embedding": 4, "hidden": 4, "width": 4}
    networks: tuple[dict[str, Any], ...] = (
        {"name": "grouped-ssan", **small},
        {"name": "ensemble", "member": "grouped-ssan", "members": 2, "member_arguments": small},
        {"name": "test-time-augmentation", "member": "grouped-ssan", "member_arguments": small, "orientations": 4},
        {"name": "ssan", "hidden": 4},
        {"name": "gsa", "width": 8, "depth": 1, "heads": 2, "spectral": {"hidden": 4, "embedding": 4}},
        {"name": "smlp", "width": 4, "depths": [1], "spectral": {"hidden": 4, "embedding": 4}},
        {"name": "attendnet", "width": 4, "depth": 1},
        {"name": "attendnet-local", "width": 4, "depth": 1, "spatial_width": 4},
        {"name": "hierarchical", "width": 8, "heads": 2, "feedforward": 8, "depth": 1, "groups": 2},
    )
    for arguments in networks:
        torch.manual_seed(0)
        complete = {**arguments, **sizes}
        bundles.append(replace(frame, network=create_network(**complete).eval(), arguments=complete))
    files = [saved_files("fields.hsiattn", partial(write_model, model)) for model in bundles]
    return as_source(scene), files


def _damaged_model(rng: random.Random, content: bytes) -> bytes:
    """Damage to bytes; to our header; or to the list of tensors. The last two with the right checksum."""
    way = rng.random()
    if way < 0.15:
        return damaged_bytes(rng, content, head=2000)
    length = int.from_bytes(content[:8], "little")
    listed, body = json.loads(content[8 : 8 + length]), bytearray(content[8 + length :])
    metadata = listed.pop("__metadata__")
    if way < 0.8:
        header = json.loads(metadata["header"])
        part = rng.choice(("network", "network", "network", "bands", "classes", None))
        if part is None:
            header = damaged_tree(rng, header)
        else:
            header[part] = damaged_tree(rng, header[part])
        metadata["header"] = json.dumps(header) if rng.random() < 0.9 else damaged_text(rng, json.dumps(header))
    elif way < 0.9:
        name = rng.choice(sorted(listed))
        start, end = listed[name]["data_offsets"]
        if end > start:
            for _ in range(rng.choice((1, 4))):
                place = rng.randrange(start, end)
                body[place : place + 4] = packed(rng, "<I")
            del body[listed_end(listed) :]
    else:
        listed = _damaged_list(rng, listed)
    metadata["sha256"] = _digest(metadata["header"], listed, bytes(body))
    text = json.dumps({"__metadata__": metadata, **listed}).encode(errors="surrogatepass")
    return len(text).to_bytes(8, "little") + text + bytes(body)


def listed_end(listed: dict[str, Any]) -> int:
    """Where the last tensor ends."""
    return int(max(entry["data_offsets"][1] for entry in listed.values()))


def _damaged_list(rng: random.Random, listed: dict[str, Any]) -> dict[str, Any]:
    """Other shapes, types and names of tensors."""
    name = rng.choice(sorted(listed))
    entry = listed[name]
    match rng.choice(("shape", "type", "rename", "any")):
        case "shape":
            count = math.prod(entry["shape"])
            entry["shape"] = rng.choice(([count], [count, 1], [1, count], [count, 1, 1], entry["shape"][::-1], [1] * 9))
        case "type":
            size = {"F32": 4, "I64": 8, "I32": 4, "F64": 8, "F16": 2, "BF16": 2, "U8": 1, "BOOL": 1, "F8_E4M3": 1}
            bytes_ = entry["data_offsets"][1] - entry["data_offsets"][0]
            entry["dtype"] = rng.choice(sorted(size))
            entry["shape"] = [bytes_ // size[entry["dtype"]]]
        case "rename":
            listed[rng.choice((name + "x", "network.x", "preprocessing.centres", "x"))] = listed.pop(name)
        case "any":
            listed = damaged_tree(rng, listed)
    return listed


def _digest(header: str, listed: dict[str, Any], body: bytes) -> str:
    """The checksum that `hsiattn.models` computes of a file, as far as the file is sound enough to have one."""
    sizes = (("float", 16), ("float", 32), ("float", 64), ("int", 32), ("int", 64), ("uint", 8))
    kinds = {"BOOL": "bool"} | {f"{kind[0].upper()}{size}": f"{kind}{size}" for kind, size in sizes}
    total = hashlib.sha256(header.encode(errors="surrogatepass"))
    try:
        for name in sorted(listed):
            entry = listed[name]
            start, end = entry["data_offsets"]
            total.update(f"{name} {kinds.get(entry['dtype'], 'float32')} {tuple(entry['shape'])}".encode())
            total.update(body[start:end])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        pass  # nothing that a reader could take for whole
    return total.hexdigest()
