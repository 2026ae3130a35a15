"""Damaged and hostile inputs, made from valid ones by changes that know the formats; and the readers they are for.

Used by `scripts/fuzz`, which runs tens of thousands in children with limits, and by `tests/test_fuzz.py`, which runs a
few hundred in process. All chance comes from the `random.Random` that is handed in, so a seed names an input.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import re
import struct
import tempfile
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import yaml
from affine import Affine
from numpy.typing import NDArray
from scipy.io import savemat

Files = dict[str, bytes]
"""An input: the file that is read stands first, what lies beside it follows."""

NUMBERS = (
    *(0, 1, -1, 2, 3, 7, 255, 256, 400, 65_535, 65_536, 100_000, 10**6, 10**8, 2**31 - 1, 2**31, 2**32 - 1, 10**9),
    *(10**12, 2**63 - 1, 2**63, 10**30, -(2**31), -(2**63), 0.5, -0.5, 1e-320, 1e39, 1e308),
    *(math.nan, math.inf, -math.inf),
)
WORDS = (
    *("", "x", "none", "null", "true", "nan", "inf", "0", "-1", "10", "1e999", "0x10", "1_000", "٣", "é", "\U0001f600"),
    *(
        "\0",
        "\x1b[31m",
        "\n",
        "=1+1",
        "#",
        "a" * 300,
        "../x",
        "/",
        "2001-02-30",
        "1:60",
        "default",
        "lda",
        "[",
        "{",
        "*a",
    ),
)


@dataclass(frozen=True)
class Reader:
    """What reads one kind of input, and how such inputs are damaged.

    Attributes
    ----------
    samples
        Valid inputs.
    damage
        Makes of a valid input a damaged one.
    read
        Reads the first file of an input as the commands do, down to the values.
    """

    name: str
    samples: tuple[Files, ...]
    damage: Callable[[random.Random, Files], Files]
    read: Callable[[Path], object]

    def make(self, rng: random.Random) -> Files:
        """A damaged input."""
        return self.damage(rng, rng.choice(self.samples))


def write(files: Files, folder: Path) -> Path:
    """Put the files of an input into a folder, which then holds nothing else; the path of the first."""
    for path in folder.iterdir():
        path.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder / next(iter(files))


# -- damage to bytes and text ------------------------------------------------------------------------------------------


def damaged_bytes(rng: random.Random, content: bytes, *, head: int = 400) -> bytes:
    """A few changes, most of them among the first `head` bytes, where headers are."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        if not changed:
            break
        end = min(head, len(changed)) if rng.random() < 0.7 else len(changed)
        place = rng.randrange(end)
        match rng.choice(("bit", "byte", "integer", "integer", "cut", "remove", "insert", "splice")):
            case "bit":
                changed[place] ^= 1 << rng.randrange(8)
            case "byte":
                changed[place] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            case "integer":
                kind = rng.choice(("<H", ">H", "<I", "<I", ">I", "<Q", "<d"))
                place -= place % rng.choice((1, 2, 4, 8))
                changed[place : place + struct.calcsize(kind)] = _packed(rng, kind)
            case "cut":
                del changed[place if rng.random() < 0.5 else rng.randrange(len(changed)) :]
            case "remove":
                del changed[place : place + rng.choice((1, 2, 4, 8, 100))]
            case "insert":
                changed[place:place] = rng.randbytes(rng.choice((1, 2, 4, 8, 100)))
            case "splice":
                start = rng.randrange(len(changed))
                part = bytes(changed[start : start + rng.choice((2, 4, 8, 64))])
                changed[place : place + len(part)] = part
    return bytes(changed)


def _packed(rng: random.Random, kind: str) -> bytes:
    if kind.endswith("d"):
        return struct.pack(kind, float(rng.choice(NUMBERS)))
    whole = [number for number in NUMBERS if isinstance(number, int)]
    return struct.pack(kind, rng.choice(whole) % 256 ** struct.calcsize(kind))


def damaged_text(rng: random.Random, text: str) -> str:
    """A few changes of words, numbers and lines."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        match rng.choice(("token", "token", "token", "line", "line", "character", "cut", "repeat")):
            case "token":
                tokens = list(re.finditer(r"[\w.+-]+|[^\w\s]", text))
                if tokens:
                    token = rng.choice(tokens)
                    text = text[: token.start()] + _word(rng) + text[token.end() :]
            case "line":
                lines = text.split("\n")
                place, other = rng.randrange(len(lines)), rng.randrange(len(lines))
                match rng.choice(("remove", "double", "swap")):
                    case "remove":
                        del lines[place]
                    case "double":
                        lines.insert(other, lines[place])
                    case "swap":
                        lines[place], lines[other] = lines[other], lines[place]
                text = "\n".join(lines)
            case "character":
                place = rng.randrange(len(text) + 1)
                text = (
                    text[:place] + rng.choice("{}[]:,;=\"'#&*!|>%@`\t\0\r\ufeff-.0") + text[place + rng.randrange(2) :]
                )
            case "cut":
                text = text[: rng.randrange(len(text) + 1)]
            case "repeat":
                place = rng.randrange(len(text) + 1)
                text = (
                    text[:place] + rng.choice(("[", "{", "- ", "(", "9", "a: ")) * rng.choice((50, 5000)) + text[place:]
                )
    return text


def _word(rng: random.Random) -> str:
    return str(rng.choice(NUMBERS)) if rng.random() < 0.6 else rng.choice(WORDS)


def either(rng: random.Random, content: bytes) -> bytes:
    """Damage to a text file: mostly as text, now and then as bytes."""
    if rng.random() < 0.15:
        return damaged_bytes(rng, content)
    return damaged_text(rng, content.decode(errors="replace")).encode(errors="surrogatepass")


def damaged_tree(rng: random.Random, tree: Any) -> Any:
    """A copy of what JSON or YAML holds, with a few values replaced, removed, doubled, nested or exchanged."""
    tree = json.loads(json.dumps(tree))
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = list(_places(tree))
        if not places:
            return tree
        holder, key = rng.choice(places)
        match rng.choice(("number", "number", "value", "word", "remove", "nest", "exchange", "rename", "add")):
            case "number":
                holder[key] = rng.choice(NUMBERS)
            case "value":
                holder[key] = rng.choice((None, True, False, [], {}, [[]], {"": None}, [None], {"a": {"b": [1]}}))
            case "word":
                holder[key] = rng.choice(WORDS)
            case "remove":
                del holder[key]
            case "nest":
                for _ in range(rng.choice((1, 2, 100))):
                    holder[key] = [holder[key]] if rng.random() < 0.5 else {str(key): holder[key]}
            case "exchange":
                other, place = rng.choice(places)
                try:
                    holder[key] = json.loads(json.dumps(other[place]))
                except (LookupError, RecursionError):
                    continue
            case "rename" if isinstance(holder, dict):
                holder[rng.choice((*WORDS, "member", "members"))] = holder.pop(key)
            case "add" if isinstance(holder, list):
                holder += [holder[key]] * rng.choice((1, 10, 1000))
            case _:
                continue
    return tree


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    pending = [tree]
    while pending:
        node = pending.pop()
        keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
        for key in keys:
            yield node, key
            pending.append(node[key])


def _first(change: Callable[[random.Random, bytes], bytes]) -> Callable[[random.Random, Files], Files]:
    """Damage to the first file of an input."""

    def damage(rng: random.Random, files: Files) -> Files:
        name = next(iter(files))
        return {**files, name: change(rng, files[name])}

    return damage


def _last(change: Callable[[random.Random, bytes], bytes]) -> Callable[[random.Random, Files], Files]:
    """Damage to the file beside the first."""

    def damage(rng: random.Random, files: Files) -> Files:
        name = list(files)[-1]
        return {**files, name: change(rng, files[name])}

    return damage


# -- rasters -----------------------------------------------------------------------------------------------------------

_SHAPE = (6, 9, 11)
_GRID = {"crs": "EPSG:32633", "transform": Affine(10.0, 0.0, 360000.0, 0.0, -10.0, 5810000.0)}


def _saved(name: str, save: Callable[[Path], object]) -> Files:
    """What a function writes under a name in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder) / name)
        paths = sorted(Path(folder).iterdir(), key=lambda path: (path.name != name, path.name))
        return {path.name: path.read_bytes() for path in paths}


def _raster(name: str, values: NDArray[Any], tags: Mapping[str, str] | None = None, **profile: Any) -> Files:
    def save(path: Path) -> None:
        count, height, width = values.shape
        sizes = {"count": count, "height": height, "width": width, "dtype": values.dtype}
        with rasterio.open(path, "w", **{"driver": "GTiff", **_GRID, **sizes, **profile}) as file:
            file.write(values)
            for band in range(count if tags is not None else 0):
                file.update_tags(band + 1, wavelength=str(450.0 + 20.0 * band), wavelength_units="nm", **(tags or {}))

    return _saved(name, save)


def _cube(dtype: str = "int16") -> NDArray[Any]:
    return np.random.default_rng(5).integers(0, 10_000, _SHAPE).astype(dtype)


def _codes(dtype: str = "uint8") -> NDArray[Any]:
    return np.random.default_rng(6).integers(0, 4, _SHAPE[1:]).astype(dtype)


def _read_scene(path: Path) -> object:
    """Open a scene and read as much of it as one window of a mapping has."""
    from rasterio.windows import Window

    from hsiattn.scenes import open_source

    source = open_source(path)
    values = source.read(Window(0, 0, min(source.width, 64), min(source.height, 64)))
    return source.bands.describe(), repr(source), source.missing(values).sum()


def _read_labels(path: Path) -> object:
    from hsiattn.labels import open_labels

    return open_labels(path).values.max()


def _read_map(path: Path) -> object:
    from hsiattn.mapping.description import describe_map

    return describe_map(str(path)), _read_labels(path)


def _read_split(path: Path) -> object:
    from hsiattn.sampling import read_split

    return read_split(path)


def geotiff() -> Reader:
    """Scenes as GeoTIFF, in several layouts."""
    tiles = {"compress": "deflate", "tiled": True, "blockxsize": 16, "blockysize": 16}
    layouts = ({}, {"interleave": "band", "compress": "lzw"}, tiles, {"BIGTIFF": "YES", "nodata": -9999})
    samples = [_raster("scene.tif", _cube(), {"scale": "0.0001"}, **layout) for layout in layouts]
    samples.append(_raster("scene.tif", _cube("float32"), {}, nodata=math.nan))
    return Reader("geotiff", tuple(samples), _first(damaged_bytes), _read_scene)


def envi() -> Reader:
    """Scenes in ENVI's format: header and data, both damaged."""
    values = ", ".join(str(400 + 10 * band) for band in range(_SHAPE[0]))
    more = (
        f"wavelength = {{{values}}}\nwavelength units = Nanometers\nfwhm = {{{values}}}\nbbl = {{1, 1, 0, 1, 1, 1}}\n"
        f"data ignore value = -9999\nreflectance scale factor = 10000\ndata gain values = {{{values}}}\n"
        "default bands = {1, 2, 3}\nmap info = {UTM, 1, 1, 360000, 5810000, 10, 10, 33, North, WGS-84}\n"
    )
    samples = []
    for interleave in ("bsq", "bil", "bip"):
        written = _raster("scene.img", _cube(), driver="ENVI", interleave=interleave)
        header = next(name for name in written if name.endswith(".hdr"))
        text = written[header] + more.encode()
        samples += [
            {header: text, "scene.img": written["scene.img"]},
            {"scene.img": written["scene.img"], header: text},
        ]

    def damage(rng: random.Random, files: Files) -> Files:
        name = next(name for name in files if name.endswith(".hdr"))
        changed = {**files, name: either(rng, files[name])}
        if rng.random() < 0.2:
            changed["scene.img"] = damaged_bytes(rng, files["scene.img"])
        return changed

    return Reader("envi", tuple(samples), damage, _read_scene)


def label_rasters() -> Reader:
    """Labels and maps as GeoTIFF with palettes."""
    palette = {0: (0, 0, 0, 0), 1: (200, 0, 0, 255), 2: (0, 200, 0, 255), 3: (0, 0, 200, 255)}

    colors = {1: "#c80000", 2: "#00c800", 3: "#0000c8"}
    classes = [{"value": v, "code": v + 10, "name": f"class {v}", "color": color} for v, color in colors.items()]

    def painted(path: Path) -> None:
        with rasterio.open(path, "w", driver="GTiff", count=1, height=9, width=11, dtype="uint8", **_GRID) as file:
            file.write(_codes(), 1)
            file.write_colormap(1, palette)
            file.update_tags(HSIATTN_KIND="land-cover", HSIATTN_CLASSES=json.dumps(classes))

    kinds = ("uint8", "uint16", "int32", "float32")
    samples = [_raster("labels.tif", _codes(kind)[None], nodata=0) for kind in kinds]
    samples += [_saved("map.tif", painted), _raster("labels.tif", _codes()[None], compress="deflate")]
    return Reader("label rasters", tuple(samples), _first(damaged_bytes), _read_map)


def split_rasters() -> Reader:
    """Rasters of roles."""
    kinds = ("uint8", "uint16", "float32")
    samples = tuple(_raster("split.tif", _codes(kind)[None], compress="deflate") for kind in kinds)
    return Reader("split rasters", samples, _first(damaged_bytes), _read_split)


_PAM = """<PAMDataset>
  <PAMRasterBand band="1">
    <NoDataValue>255</NoDataValue>
    <Offset>0</Offset>
    <Scale>0.0001</Scale>
    <CategoryNames>
      <Category>unclassified</Category>
      <Category>maize</Category>
      <Category>oats</Category>
      <Category>water</Category>
    </CategoryNames>
    <ColorInterp>Palette</ColorInterp>
    <GDALRasterAttributeTable tableType="thematic">
      <FieldDefn index="0"><Name>Value</Name><Type>0</Type><Usage>5</Usage></FieldDefn>
      <FieldDefn index="1"><Name>Count</Name><Type>0</Type><Usage>1</Usage></FieldDefn>
      <FieldDefn index="2"><Name>Class</Name><Type>2</Type><Usage>2</Usage></FieldDefn>
      <FieldDefn index="3"><Name>R</Name><Type>0</Type><Usage>6</Usage></FieldDefn>
      <FieldDefn index="4"><Name>G</Name><Type>0</Type><Usage>7</Usage></FieldDefn>
      <FieldDefn index="5"><Name>B</Name><Type>0</Type><Usage>8</Usage></FieldDefn>
      <FieldDefn index="6"><Name>Code</Name><Type>0</Type><Usage>0</Usage></FieldDefn>
      <Row index="0"><F>1</F><F>40</F><F>maize</F><F>200</F><F>0</F><F>0</F><F>11</F></Row>
      <Row index="1"><F>2</F><F>30</F><F>oats</F><F>0</F><F>200</F><F>0</F><F>12</F></Row>
      <Row index="2"><F>3</F><F>20</F><F>water</F><F>0</F><F>0</F><F>200</F><F>13</F></Row>
    </GDALRasterAttributeTable>
    <Metadata><MDI key="STATISTICS_MAXIMUM">3</MDI></Metadata>
  </PAMRasterBand>
</PAMDataset>
"""


def auxiliary_files() -> Reader:
    """GDAL's `.aux.xml` beside labels."""
    raster = _raster("labels.tif", _codes()[None])
    samples = ({**raster, "labels.tif.aux.xml": _PAM.encode()},)
    return Reader("auxiliary files", samples, _last(either), _read_map)


def matlab(version: str) -> Reader:
    """MAT files of version 5 or 7.3 with a cube and a label map."""
    cube, codes = _cube().transpose(1, 2, 0), _codes()
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
        samples = (_saved("scene.mat", save),)
    else:
        structure = {**variables, "info": {"a": np.eye(2), "b": ["x", "yy"]}, "z": np.array([1 + 2j])}
        samples = (
            _saved("scene.mat", lambda path: savemat(path, variables, do_compression=True)),
            _saved("scene.mat", lambda path: savemat(path, variables)),
            _saved("scene.mat", lambda path: savemat(path, structure)),
            _saved("scene.mat", lambda path: savemat(path, {"gt": codes}, format="4")),
        )

    def read(path: Path) -> object:
        from hsiattn.errors import SceneError
        from hsiattn.scenes import read_matlab_variable

        try:
            labels = read_matlab_variable(path, 2).max()
        except SceneError:
            return _read_scene(path)
        with suppress(SceneError):  # version 4 has no cubes
            return labels, _read_scene(path)
        return labels

    return Reader(f"mat {version}", samples, _first(_damaged_mat), read)


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


def numpy_files() -> Reader:
    """Labels as `.npy`."""

    def saved(values: NDArray[Any]) -> Files:
        return _saved("labels.npy", lambda path: np.save(path, values))

    samples = tuple(saved(_codes(kind)) for kind in ("uint8", "int64", "float64", ">i4"))
    samples += (saved(np.asfortranarray(_codes())), saved(_codes().astype(bool)))

    def damage(rng: random.Random, content: bytes) -> bytes:
        if rng.random() < 0.5:
            return damaged_bytes(rng, content, head=128)
        end = 10 + int.from_bytes(content[8:10], "little")
        header = damaged_text(rng, content[10:end].decode("latin1")).encode("utf-8")
        version = rng.choice((b"\x01\0", b"\x02\0", b"\x03\0"))
        length = len(header).to_bytes(2 if version[0] == 1 else 4, "little") if len(header) < 65_536 else b"\xff\xff"
        return content[:6] + version + length + header + content[end:]

    return Reader("npy", samples, _first(damage), _read_labels)


# -- tables, recipes, plans and cards ----------------------------------------------------------------------------------

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
"""Nine levels of nine aliases each."""

_TABLES = {
    "classes.yaml": '- {code: 1, name: Brocoli green weeds 1, color: "#1f7a3a", attributes: [crop, vegetation]}\n'
    '- {code: 10, name: Corn senesced, color: "#aa7a3a"}\n- {code: 3, name: water}\n',
    "classes.yml": "classes:\n  1: maize\n  2: {name: oats, color: [1, 2, 3]}\n  3: water\n",
    "classes.csv": 'code,name,color,attributes\n1,maize,#ff0000,"crop;vegetation"\n2,oats,#00ff00,crop\n3,water\n',
    "classes.tsv": "value\tclass\tr\tg\tb\n1\tmaize\t255\t0\t0\n2\toats\t0\t255\t0\n3\twater\t0\t0\t255\n",
    "classes.clr": "0 0 0 0 0 none\n1 255 0 0 255 maize\n2 0 255 0 255 oats\n3 0 0 255 water\n",
    "classes.txt": "# QGIS\nINTERPOLATION:EXACT\n1,255,0,0,255,maize\n2,0,255,0,255,oats\n",
}


def class_tables() -> Reader:
    """Class tables in all forms."""
    samples = tuple({name: text.encode()} for name, text in _TABLES.items())

    def damage(rng: random.Random, content: bytes) -> bytes:
        return BOMB.encode() if rng.random() < 0.01 else either(rng, content)

    def read(path: Path) -> object:
        from hsiattn.labels import open_class_table

        return open_class_table(path).to_records()

    return Reader("class tables", samples, _first(damage), read)


def _yaml_tree(rng: random.Random, content: bytes) -> bytes:
    """Damage to what a YAML file holds, or to its text."""
    if rng.random() < 0.01:
        return BOMB.encode()
    if rng.random() < 0.4:
        return either(rng, content)
    return yaml.safe_dump(damaged_tree(rng, yaml.safe_load(content)), allow_unicode=True).encode(errors="surrogatepass")


def recipes() -> Reader:
    """Recipes and `--set`, up to the network that they ask for."""
    from hsiattn.resources import resource_folder

    texts = [path.read_bytes() for path in sorted(resource_folder("configs").glob("*.yaml"))]
    texts.append(b"name: mine\ndescription: quick\nextends: default\ntraining: {max_epochs: 3}\n")
    samples = tuple({"recipe.yaml": text, "set": b""} for text in texts)
    keys = sorted({key for text in texts for key in _keys(yaml.safe_load(text))})

    def damage(rng: random.Random, files: Files) -> Files:
        if rng.random() < 0.5:
            return {**files, "recipe.yaml": _yaml_tree(rng, files["recipe.yaml"])}
        lines = []
        for _ in range(rng.choice((1, 1, 2, 3))):
            key = rng.choice(keys)
            if rng.random() < 0.4:
                key = rng.choice(
                    (key[:-1], key + "s", key.rpartition(".")[2], f"{key}.x", f"training.{key}", _word(rng))
                )
            lines.append(
                f"{key}={_word(rng) if rng.random() < 0.8 else rng.choice(('[[[', '{a: 1}', '[1, 2]', '&a [*a]'))}"
            )
        return {**files, "set": "\n".join(lines).encode(errors="surrogatepass")}

    def read(path: Path) -> object:
        from hsiattn.networks import check_arguments, create_network
        from hsiattn.training import load_recipe

        changes = (path.parent / "set").read_bytes().decode(errors="surrogateescape").split("\n")
        recipe = load_recipe(path, [change for change in changes if change])
        preparation = recipe.preparation
        channels = min(9, preparation.principal_components) + min(9, preparation.noise_components)
        channels += 9 * preparation.bands_as_components + 2 * preparation.discriminant
        sizes = {"bands": 9, "channels": channels, "classes": 3, "patch_size": recipe.patch_size}
        check_arguments(recipe.network.name, recipe.network.arguments)
        return recipe.model_dump_json(), create_network(recipe.network.name, **sizes, **recipe.network.arguments)

    return Reader("recipes and --set", samples, damage, read)


def _keys(tree: Any, prefix: str = "") -> Iterator[str]:
    for key, value in tree.items() if isinstance(tree, dict) else ():
        yield f"{prefix}{key}"
        yield from _keys(value, f"{prefix}{key}.")


def plans() -> Reader:
    """Plans of benchmarks, up to the list of their runs."""
    from hsiattn.resources import resource_folder

    samples = tuple(
        {"plan.yaml": path.read_bytes()} for path in sorted(resource_folder("configs/benchmarks").glob("*.yaml"))
    )

    def read(path: Path) -> object:
        from hsiattn.experiments.plan import load_plan
        from hsiattn.experiments.runs import runs_of

        return len(runs_of(load_plan(path), beside=path.parent))

    return Reader("plans", samples, _first(_yaml_tree), read)


def cards() -> Reader:
    """Cards of benchmark scenes."""
    from hsiattn.resources import resource_folder

    texts = [path.read_bytes() for path in sorted(resource_folder("datasets").glob("*.yaml"))]

    def read(path: Path) -> object:
        import hsiattn.benchmarks

        with _instead(hsiattn.benchmarks, "resource_folder", lambda _: path.parent):
            card = hsiattn.benchmarks.benchmark_card("salinas")
        return card.class_table, card.spectral_bands(card.bands)

    return Reader("cards", tuple({"salinas.yaml": text} for text in texts), _first(_yaml_tree), read)


@contextmanager
def _instead(place: object, name: str, value: object) -> Iterator[None]:
    before = getattr(place, name)
    setattr(place, name, value)
    try:
        yield
    finally:
        setattr(place, name, before)


# -- models ------------------------------------------------------------------------------------------------------------


def models() -> Reader:
    """Model files, read and used on a few pixels. A damaged header gets its checksum anew, as an attacker would."""
    from hsiattn.mapping import predict_array

    scene, fitted = _tiny_models()
    samples = tuple(fitted)

    def read(path: Path) -> object:
        from hsiattn.bundle import read_bundle

        from hsiattn.cli.info import describe_model, lines_of

        lines_of(describe_model(str(path)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return predict_array(read_bundle(path), scene, device="cpu")

    return Reader("models", samples, _first(_damaged_model), read)


def _tiny_models() -> tuple[Any, list[Files]]:
    """A scene of 12 × 12 pixels, and models of it: one of each kind of network."""
    import torch
    import xarray as xr
    from hsiattn.bundle import write_bundle
    from hsiattn.sampling import AllPixels

    from hsiattn import SpectralSpatialClassifier
    from hsiattn.networks import create_network
    from hsiattn.scenes import Grid, as_source, georeference
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
            bundles.append(classifier.fit(scene, labels).bundle_)
    frame = bundles[1]
    sizes = {"bands": 8, "channels": frame.preparation.channels, "classes": 3, "patch_size": 5}
    small = {"group": 4, "embedding": 4, "hidden": 4, "width": 4}
    for arguments in (
        {"name": "grouped-ssan", **small},
        {"name": "ensemble", "member": "grouped-ssan", "members": 2, "member_arguments": small},
        {"name": "test-time-augmentation", "member": "grouped-ssan", "member_arguments": small, "orientations": 4},
        {"name": "ssan", "hidden": 4},
        {"name": "gsa", "width": 8, "depth": 1, "heads": 2, "spectral": {"hidden": 4, "embedding": 4}},
        {"name": "smlp", "width": 4, "depths": [1], "spectral": {"hidden": 4, "embedding": 4}},
        {"name": "attendnet", "width": 4, "depth": 1},
        {"name": "hierarchical", "width": 8, "heads": 2, "feedforward": 8, "depth": 1, "groups": 2},
    ):
        torch.manual_seed(0)
        complete = {**arguments, **sizes}
        bundles.append(replace(frame, network=create_network(**complete).eval(), arguments=complete))
    files = [_saved("fields.hsiattn", partial(write_bundle, bundle)) for bundle in bundles]
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
                body[place : place + 4] = _packed(rng, "<I")
            del body[listed_end(listed) :]
    else:
        listed = _damaged_list(rng, listed)
    metadata["sha256"] = _digest(metadata["header"], listed, bytes(body))
    text = json.dumps({"__metadata__": metadata, **listed}).encode(errors="surrogatepass")
    return len(text).to_bytes(8, "little") + text + bytes(body)


def listed_end(listed: dict[str, Any]) -> int:
    """Where the last tensor ends."""
    return max(entry["data_offsets"][1] for entry in listed.values())


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
            listed[rng.choice((name + "x", "network.x", "preparation.centres", "x"))] = listed.pop(name)
        case "any":
            listed = damaged_tree(rng, listed)
    return listed


def _digest(header: str, listed: dict[str, Any], body: bytes) -> str:
    """The checksum that `hsiattn.bundle` computes of a file, as far as the file is sound enough to have one."""
    kinds = {
        "F32": "float32",
        "I64": "int64",
        "I32": "int32",
        "F64": "float64",
        "F16": "float16",
        "U8": "uint8",
        "BOOL": "bool",
    }
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


SLOW = ("mat-7.3",)
"""Readers that start a process for every input."""

READERS: dict[str, Callable[[], Reader]] = {
    "geotiff": geotiff,
    "envi": envi,
    "mat-5": lambda: matlab("5"),
    "mat-7.3": lambda: matlab("7.3"),
    "npy": numpy_files,
    "labels": label_rasters,
    "splits": split_rasters,
    "auxiliary": auxiliary_files,
    "tables": class_tables,
    "recipes": recipes,
    "plans": plans,
    "cards": cards,
    "models": models,
}
