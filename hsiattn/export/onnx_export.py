"""Writing of a model as an ONNX file that maps tiles, checked against the model before it appears under its name."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from hsiattn.errors import ModelFileError
from hsiattn.export.metadata import metadata
from hsiattn.export.quantisation import in_int8, products_of
from hsiattn.export.stac import ITEM_SUFFIX, onnx_item
from hsiattn.export.tile_graph import TileGraph
from hsiattn.files.kinds import FileKind
from hsiattn.files.outputs import check_output, whole_file
from hsiattn.files.paths import StrPath
from hsiattn.models.model_file import TrainedModel
from hsiattn.models.onnx_graph import UnfitGraphError, checked_metadata, sealed
from hsiattn.models.onnx_model import INPUT, MOST_SIDE, OUTPUT
from hsiattn.models.onnx_runtime import failures, open_session
from hsiattn.models.stac import item_text
from hsiattn.version import __version__

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET, FORMAT = 18, 8
"""Versions of the operators and of the file's format (IR): read by ONNX Runtime 1.14 and newer."""
MOST_DIFFERENCE = 1e-4
"""Largest difference of a probability between graph and model."""
LEAST_EQUAL = 0.97
"""Least share of pixels that a graph in int8 must give the class that the model gives."""
_SIZES = ((29, 37), (96, 101))
"""Height and width of the tiles by which the graph is checked: more pixels than networks take at once among them."""
_FIELDS = (1, 12, 5)
"""Sides in pixels of the fields of alike spectra in tiles that decide the scales of int8."""


@dataclass(frozen=True)
class Exported:
    """What an export yields.

    Attributes
    ----------
    size
        Of the file in bytes.
    bands, classes
        B of the input (1, B, H, W); K of the output (1, K + 1, H, W).
    difference
        Largest difference of a probability between graph and model on tiles that were tried.
    equal
        Share of their pixels that have the same class by both.
    item
        The STAC item beside the file.
    precision
        `32` for float32, or `int8`.
    side
        Height and width of the only tiles that it takes; None for tiles of any size.
    """

    size: int
    bands: int
    classes: int
    difference: float
    equal: float
    item: Path
    precision: Literal["32", "int8"]
    side: int | None = None


def export_onnx(
    model: TrainedModel,
    path: StrPath,
    *,
    tile: int = 128,
    fixed: bool = False,
    scale: float = 1.0,
    nodata: float | None = None,
    int8: bool = False,
    overwrite: bool = False,
) -> Exported:
    """Write a model as an ONNX file, from tiles of a scene to class probabilities; see `TileGraph`.

    A STAC item lies beside it, `fields.onnx.stac.json` beside `fields.onnx`.

    The graph is run by ONNX Runtime on tiles of several sizes, with pixels of no data in them, and compared with the
    model: a graph that computes something else is not written.

    Parameters
    ----------
    path
        Usually `*.onnx`.
    tile
        Side of the tiles in pixels that the file advises; any other serves as well.
    fixed
        Whether the graph takes tiles of that side alone, as the QGIS plugin Deepness wants it; at most `MOST_SIDE`.
    scale, nodata
        See `TileGraph`.
    int8
        Whether convolutions and matrix products of the network compute in int8, on scales from spectra of the training
        scene. Preprocessing, softmax and recurrent parts stay float32. Such a graph must give at least `LEAST_EQUAL` of
        the pixels the class that the model gives.
    overwrite
        Whether an ONNX file of ours may be replaced.

    Raises
    ------
    ModelFileError
        The model has no such graph or none for tiles of that side alone, ONNX is not installed, the graph computes
        something else, or int8 is too coarse.
    OutputError
        The file cannot be written, or is there already.
    """
    path = Path(path)
    item = path.with_name(f"{path.name}{ITEM_SUFFIX}")
    check_output(path, FileKind.ONNX_MODEL, overwrite=overwrite)
    check_output(item, FileKind.STAC_ITEM, overwrite=overwrite, leftover=not path.exists())
    graph = TileGraph(model, scale=scale, nodata=nodata).eval()
    side = _fixed_side(graph, tile) if fixed else None
    count = len(model.bands)
    made = _without_traces(_made(graph, count, model.arguments["name"]))
    precision: Literal["32", "int8"] = "int8" if int8 else "32"
    told = metadata(model, tile=tile, scale=scale, nodata=nodata, precision=precision)
    content = _written(made, told, model, side)
    agreement = _agreement(graph, content, model, scale, nodata, side)
    if not agreement.difference <= MOST_DIFFERENCE:
        raise ModelFileError(
            f"the graph of {model.arguments['name']} differs from the model by {agreement.difference:.2g} in a "
            "probability",
            "use other versions of torch, onnxscript and onnxruntime, and report this",
        )
    if int8:
        content = _written(_quantised(made, graph, model, scale, nodata), told, model, side)
        agreement = _agreement(graph, content, model, scale, nodata, side, field=_FIELDS[1])
        if not agreement.equal >= LEAST_EQUAL:
            raise ModelFileError(
                f"in int8 the graph of {model.arguments['name']} gives {agreement.equal:.1%} of pixels the class that "
                f"the model gives, which is less than {LEAST_EQUAL:.0%}",
                "leave int8= out",
            )
    with whole_file(path) as temporary:
        temporary.write_bytes(content)
        item_now = onnx_item(model, temporary, scale=scale, nodata=nodata, precision=precision, side=side)
        text = item_text(item_now)
        temporary.with_name(item.name).write_text(text, encoding="utf-8")
    return Exported(
        len(content), count, len(model.classes), agreement.difference, agreement.equal, item, precision, side
    )


def _fixed_side(graph: TileGraph, tile: int) -> int:
    least = 2 * graph.halo + 2
    if not least <= tile <= MOST_SIDE:
        raise ModelFileError(
            f"a graph for tiles of {tile} pixels alone takes too much memory or has no room for the network's window",
            f"give tile= a number of {least} to {MOST_SIDE}",
        )
    return tile


def _made(graph: TileGraph, bands: int, name: str) -> ModelProto:
    """The graph as torch traces it, with free height and width."""
    least = 2 * graph.halo + 2
    example = torch.rand(1, bands, least + 6, least + 9)
    sizes = {2: torch.export.Dim("height", min=least), 3: torch.export.Dim("width", min=least)}
    try:
        with _quietly():
            program = torch.onnx.export(
                graph, (example,), dynamo=True, input_names=[INPUT], output_names=[OUTPUT], dynamic_shapes=(sizes,),
                opset_version=OPSET, verbose=False,
            )  # fmt: skip
    except ImportError as error:
        raise _not_installed() from error
    except (torch.onnx.OnnxExporterError, RuntimeError) as error:
        raise _no_graph(name) from error
    assert program is not None
    return program.model_proto


def _without_traces(made: ModelProto) -> ModelProto:
    """The model without what the exporter notes of where each node comes from: paths of this machine, and long."""
    for node in made.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    return made


def _written(made: ModelProto, told: dict[str, str], model: TrainedModel, side: int | None) -> bytes:
    """The bytes of the file: the graph and what it says of itself, sealed, as they will be read."""
    made = copy.deepcopy(made)
    made.ir_version = FORMAT
    if side is not None:
        del made.graph.value_info[:]  # which tells shapes by free sizes
        for value in (*made.graph.input, *made.graph.output):
            for size in value.type.tensor_type.shape.dim[2:]:
                size.dim_value = side
    made.producer_name, made.producer_version = "hsiattn", __version__
    del made.metadata_props[:]
    for name, text in told.items():
        made.metadata_props.add(key=name, value=text)
    content = sealed(made.SerializeToString(deterministic=True))
    try:
        checked_metadata(content)
    except UnfitGraphError as error:  # what would not be read again is not written
        raise _no_graph(model.arguments["name"]) from error
    return content


def _quantised(
    made: ModelProto, graph: TileGraph, model: TrainedModel, scale: float, nodata: float | None
) -> ModelProto:
    """The graph in int8, on scales that suit tiles of the training scene's spectra."""
    if not products_of(made):
        raise ModelFileError(f"nothing in the graph of {model.arguments['name']} has a use for int8", "leave int8= out")
    height, width = (max(length, 2 * graph.halo + 2) for length in _SIZES[1])
    tiles = [
        _tile(model, height, width, scale, nodata, len(_SIZES) + number, field) for number, field in enumerate(_FIELDS)
    ]
    try:
        return _without_traces(in_int8(made, tiles))
    except ImportError as error:
        raise _not_installed() from error


@dataclass(frozen=True)
class _Agreement:
    """How far a graph in ONNX Runtime agrees with torch.

    Attributes
    ----------
    difference
        Largest difference of a probability.
    equal
        Share of the pixels with a measurement that have the same class.
    """

    difference: float
    equal: float


def _agreement(
    graph: TileGraph,
    content: bytes,
    model: TrainedModel,
    scale: float,
    nodata: float | None,
    side: int | None,
    field: int = 1,
) -> _Agreement:
    """Compare what ONNX Runtime and torch compute of tiles, of that side where it is fixed; `field` as in `_tile`."""
    worst, equal = 0.0, []
    try:
        session = open_session(content)
        for number, size in enumerate(_SIZES if side is None else [(side, side)]):
            height, width = (max(length, 2 * graph.halo + 2) for length in size)
            tile = _tile(model, height, width, scale, nodata, number, field)
            with torch.inference_mode():
                expected = graph(torch.from_numpy(tile)).numpy()
            found = session.run([OUTPUT], {INPUT: tile})[0]
            worst = max(worst, float(np.abs(found - expected).max()))
            equal.append((found.argmax(axis=1) == expected.argmax(axis=1))[expected[:, 0] < 0.5])
    except ModelFileError:
        raise
    except failures() as error:
        raise _no_graph(model.arguments["name"]) from error
    return _Agreement(worst, float(np.concatenate(equal).mean()))


def _tile(
    model: TrainedModel, height: int, width: int, scale: float, nodata: float | None, seed: int, field: int = 1
) -> NDArray[np.float32]:
    """A tile (1, B, h, w) of spectra like those of the training scene, with pixels of no data in it.

    Squares of `field` pixels a side are alike but for noise: neighbours of one kind make larger sums than mixed ones.
    """
    random, bands = np.random.default_rng(seed), model.preprocessing.bands
    if model.domain is not None:
        known = model.domain.examples.astype(np.float64)
        kinds = random.integers(len(known), size=(-(-height // field), -(-width // field)))
        spectra = known[kinds.repeat(field, 0).repeat(field, 1)[:height, :width].reshape(-1)]
    else:
        spectra = random.uniform(0, 0.6, (height * width, len(bands)))
    spectra = spectra * random.normal(1, 0.05, spectra.shape)
    tile = np.zeros((len(model.bands), height * width), dtype=np.float32)
    tile[bands] = spectra.T * scale
    missing = random.random(height * width) < 0.05
    tile[:, missing] = np.nan if nodata is None else nodata
    return tile.reshape(1, -1, height, width)


def _no_graph(name: str) -> ModelFileError:
    return ModelFileError(
        f"the network {name} cannot be written as a graph for tiles of any size",
        "train with a recipe such as default or lda",
    )


def _not_installed() -> ModelFileError:
    return ModelFileError("the export needs packages that are not installed", "install hsiattn[onnx]")


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep the exporter's talk away: it prints, logs and warns of what it does."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def inputs_and_outputs(exported: Exported) -> dict[str, Any]:
    """Shapes of input and output in words, for people."""
    sizes = "height × width" if exported.side is None else f"{exported.side} × {exported.side}"
    return {
        INPUT: f"1 × {exported.bands} bands × {sizes}, float32",
        OUTPUT: f"1 × {exported.classes + 1} (unclassified, then the classes) × {sizes}, float32",
    }
