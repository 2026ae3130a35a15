"""An explanation as files: arrays as netCDF, the summary as JSON, figures, and one page with all of it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsiattn.errors import OutputError
from hsiattn.explanations.drawings import Drawing, drawings_of
from hsiattn.figures.files import write_figure
from hsiattn.figures.svg import inline_svg
from hsiattn.files.kinds import EXPLANATION_TITLE, FileKind
from hsiattn.files.outputs import Inputs, Output, check_outputs, make_folder, whole_file, write_bytes
from hsiattn.files.paths import StrPath
from hsiattn.version import __version__

if TYPE_CHECKING:
    from hsiattn.explanations.explanation import Explanation

ARRAYS, SUMMARY, PAGE = "explanation.nc", "explanation.json", "explanation.html"
FIGURES = ("attention", "gates", "attribution", "deletion", "stability")
"""Names of the figures that there may be."""


def outputs_in(folder: StrPath) -> list[Output]:
    """Every file that an explanation may have in a folder."""
    place = Path(folder)
    documents = [Output(place / name, FileKind.EXPLANATION) for name in (ARRAYS, SUMMARY, PAGE)]
    kinds = {".png": FileKind.PICTURE, ".svg": FileKind.PLOT}
    return documents + [Output(place / f"{name}{suffix}", kinds[suffix]) for name in FIGURES for suffix in kinds]


def check_folder(folder: StrPath, *, overwrite: bool = False, inputs: Inputs | None = None) -> None:
    """Refuse a folder whose files may not be replaced, before any work; it is made if it is missing.

    Raises
    ------
    OutputError
        A file is there already, or the folder is a file or cannot be made or written to.
    """
    if Path(folder).exists() and not Path(folder).is_dir():
        raise OutputError(f"{folder} is a file", "give the name of a folder")
    make_folder(Path(folder))
    check_outputs(outputs_in(folder), overwrite=overwrite, inputs=inputs)


def write_explanation(
    explanation: Explanation, folder: StrPath, *, overwrite: bool = False, inputs: Inputs | None = None
) -> list[Path]:
    """Write all files of an explanation to a folder, which is made if it is missing; each whole or not at all.

    Figures of an earlier explanation that this one does not have are removed with `overwrite`.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    OutputError
        As `check_folder`; or a file cannot be written.
    """
    check_folder(folder, overwrite=overwrite, inputs=inputs)
    place, drawings = Path(folder), drawings_of(explanation)
    with whole_file(place / ARRAYS) as temporary:
        named = explanation.data.assign_attrs(title=EXPLANATION_TITLE, source=f"hsiattn {__version__}")
        named.to_netcdf(temporary, engine="scipy", format="NETCDF3_64BIT")  # for which no other library is needed
    write_bytes(place / SUMMARY, to_json(explanation).encode())
    written = [place / ARRAYS, place / SUMMARY]
    for drawing in drawings:
        for suffix in (".png", ".svg"):
            path = place / f"{drawing.name}{suffix}"
            write_figure(path, drawing.figure, overwrite=overwrite, inputs=inputs)
            written.append(path)
    write_bytes(place / PAGE, to_html(explanation, drawings).encode())
    written.append(place / PAGE)
    for output in outputs_in(folder):
        if Path(output.path) not in written:
            Path(output.path).unlink(missing_ok=True)
    return written


def to_json(explanation: Explanation) -> str:
    """The summary as JSON."""
    return json.dumps(_without_nan(explanation.to_dict()), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_html(explanation: Explanation, drawings: Sequence[Drawing] | None = None) -> str:
    """One page that needs nothing else: verdict, figures, how to read them, what to know of them."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("hsiattn.explanations", "."), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    shown = drawings_of(explanation) if drawings is None else drawings
    charts = [
        (drawing, inline_svg(drawing.figure, title=drawing.title, description=drawing.description)) for drawing in shown
    ]
    return environment.get_template("page.html.jinja").render(
        title=EXPLANATION_TITLE, record=explanation.to_dict(), charts=charts, version=__version__
    )


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
