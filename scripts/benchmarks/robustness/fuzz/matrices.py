"""MAT files and NumPy files."""

from __future__ import annotations

import random
import struct
import zlib
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
from scipy.io import savemat

from scripts.benchmarks.robustness.fuzz import inputs
from scripts.benchmarks.robustness.fuzz.damage import damaged_bytes, damaged_text


def matlab(version: str) -> inputs.Reader:
    """MAT files of version 5 or 7.3 with a cube and a label map."""
    cube, codes = inputs.scene_values().transpose(1, 2, 0), inputs.label_codes()
    variables = {"cube": cube, "gt": codes, "wavelengths": np.arange(6.0), "note": "from a survey"}

    def save(path: Path) -> None:
        import h5py

        with h5py.File(path, "w", userblock_size=512) as file:
            file.create_dataset("cube", data=cube.T, chunks=(2, 4, 4), compression="gzip")
            file["gt"] = codes.T
            file["cube"].attrs["MATLAB_class"] = np.bytes_("int16")
        with path.open("r+b") as stream:
            stream.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\2IM")

    if version == "7.3":
        samples: tuple[inputs.Files, ...] = (inputs.saved_files("scene.mat", save),)
    else:
        structure = {**variables, "info": {"a": np.eye(2), "b": ["x", "yy"]}, "z": np.array([1 + 2j])}
        samples = (
            inputs.saved_files("scene.mat", lambda path: savemat(path, variables, do_compression=True)),
            inputs.saved_files("scene.mat", lambda path: savemat(path, variables)),
            inputs.saved_files("scene.mat", lambda path: savemat(path, structure)),
            inputs.saved_files("scene.mat", lambda path: savemat(path, {"gt": codes}, format="4")),
        )

    def read(path: Path) -> object:
        from hsiattn.errors import SceneError
        from hsiattn.scenes import read_matlab_variable

        try:
            labels = read_matlab_variable(path, 2).max()
        except SceneError:
            return inputs.read_scene(path)
        with suppress(SceneError):  # version 4 has no cubes
            return labels, inputs.read_scene(path)
        return labels

    return inputs.Reader(samples, inputs.in_file(0, _damaged_mat), read)


def _damaged_mat(rng: random.Random, content: bytes) -> bytes:
    """Damage to the file, or, in compressed variables of version 5, to what was compressed."""
    place = 128
    if rng.random() < 0.5 or len(content) < 136 or content[:10] != b"MATLAB 5.0":
        return damaged_bytes(rng, content, head=2500)
    elements = []
    while place + 8 <= len(content):
        kind, size = struct.unpack_from("<II", content, place)
        elements.append((kind, content[place + 8 : place + 8 + size]))
        place += 8 + size
    number = rng.randrange(len(elements))
    kind, body = elements[number]
    if kind == 15:
        elements[number] = (kind, zlib.compress(damaged_bytes(rng, zlib.decompress(body), head=100)))
    else:
        elements[number] = (kind, damaged_bytes(rng, body, head=100))
    return content[:128] + b"".join(struct.pack("<II", kind, len(body)) + body for kind, body in elements)


def numpy_files() -> inputs.Reader:
    """Labels as `.npy`."""
    arrays = [inputs.label_codes(kind) for kind in ("uint8", "int64", "float64", ">i4")]
    arrays += [np.asfortranarray(inputs.label_codes()), inputs.label_codes().astype(bool)]
    samples = tuple(inputs.saved_files("labels.npy", partial(np.save, arr=array)) for array in arrays)

    def damage(rng: random.Random, content: bytes) -> bytes:
        if rng.random() < 0.5:
            return damaged_bytes(rng, content, head=128)
        end = 10 + int.from_bytes(content[8:10], "little")
        header = damaged_text(rng, content[10:end].decode("latin1")).encode("utf-8")
        version = rng.choice((b"\x01\0", b"\x02\0", b"\x03\0"))
        length = len(header).to_bytes(2 if version[0] == 1 else 4, "little") if len(header) < 65_536 else b"\xff\xff"
        return content[:6] + version + length + header + content[end:]

    return inputs.Reader(samples, inputs.in_file(0, damage), inputs.read_labels)
