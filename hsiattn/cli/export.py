"""`hsiattn export`: a model for programs that have neither hsiattn nor torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hsiattn.cli import options
from hsiattn.files.kinds import FileKind
from hsiattn.files.outputs import check_outputs, wanted

if TYPE_CHECKING:
    from hsiattn.export.onnx_export import Exported


@click.command(short_help="Write a model for programs without hsiattn and torch.")
@click.argument("model")
@click.option("-o", "--output", required=True, metavar="FILE", help="File to write, usually *.onnx.")
@click.option(
    "--to", "form", type=click.Choice(["onnx"]), default="onnx", show_default=True, help="Format of the file."
)
@click.option(
    "--tile", type=click.IntRange(16, 65_536), default=128, show_default=True, metavar="PX",
    help="Side of the tiles that the file advises; it serves for any other too. Memory grows with its square.",
)  # fmt: skip
@click.option(
    "--fixed", is_flag=True,
    help="Take tiles of --tile pixels a side and no others, as the QGIS plugin Deepness wants it.",
)  # fmt: skip
@click.option(
    "--scale", type=click.FloatRange(0, min_open=True), default=1.0, metavar="NUMBER", callback=options.finite,
    help="Stored values of the scenes are NUMBER times reflectance; default: 1. No scale in a scene is read later; "
    "QGIS applies one that a file has.",
)  # fmt: skip
@click.option(
    "--nodata", type=float, metavar="VALUE", callback=options.finite,
    help="Value of pixels without a measurement in the scenes, beside NaN.",
)  # fmt: skip
@click.option(
    "--int8", is_flag=True,
    help="Compute convolutions and matrix products in int8, on scales from spectra of the training scene; recurrent "
    "parts, preprocessing and softmax stay float32. The file is smaller and its classes are nearly the same.",
)  # fmt: skip
@options.overwrite
@options.as_json
@options.common
def export(model: str, output: str, as_json: bool, overwrite: bool, **given: Any) -> None:
    """Write MODEL, a file or an installed model, as one graph from a tile of a scene to class probabilities.

    Preprocessing, edges, pixels without data and calibrated confidence are in the graph. It takes all bands of the
    training scene, 1 × bands × height × width, and gives 1 × (classes + 1) × height × width: unclassified first. Before
    the file is written the graph is run and compared with the model. With --fixed it is a file for the QGIS plugin
    Deepness, whose metadata it has. Beside it stands FILE.stac.json, an item for a STAC catalogue (MLM). `hsiattn
    classify -m FILE` maps with it without torch.

    \b
        hsiattn export fields.hsiattn -o fields.onnx
        hsiattn export fields.hsiattn -o fields.onnx --scale 10000 --nodata -9999 --tile 256
        hsiattn export fields.hsiattn -o qgis.onnx --fixed --scale 10000 --nodata -9999
        hsiattn export fields.hsiattn -o small.onnx --int8
    """
    from hsiattn.models.model_file import read_model
    from hsiattn.models.registry import named_model

    del given["form"]  # there is one
    path = named_model(model) or model
    options.check_suffix(output, "graph")
    check_outputs(wanted((output, FileKind.ONNX_MODEL)), overwrite=overwrite, inputs={"model": path})
    from hsiattn.export.onnx_export import export_onnx, inputs_and_outputs

    exported = export_onnx(read_model(path), output, overwrite=overwrite, **given)
    shapes = inputs_and_outputs(exported)
    if as_json:
        options.print_json({
            "export": output, "item": str(exported.item), "bytes": exported.size,
            "precision": exported.precision, "largest_difference": exported.difference, "equal_classes": exported.equal,
            "shapes": shapes,
        })  # fmt: skip
        return
    options.show(
        f"export: {output}, {exported.size / 1e6:.1f} MB",
        *(f"  {name:14} {shape}" for name, shape in shapes.items()),
        f"  {'values':14} reflectance × {given['scale']:g}; without data: "
        + ("NaN" if given["nodata"] is None else f"{given['nodata']:g}, NaN"),
        f"  item           {exported.item}",
        *agreement_in_words(exported),
    )


def agreement_in_words(exported: Exported) -> list[str]:
    """Lines on how far the file agrees with the model."""
    differs = f"  differs from the model by at most {exported.difference:.1e} in a probability"
    if exported.precision == "32":
        return [differs]
    return [
        f"  gives {100 * exported.equal:.1f} % of pixels of trial tiles the class that the model gives",
        differs,
        "  computes in int8, but for preprocessing, recurrent parts and softmax",
    ]
