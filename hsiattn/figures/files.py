"""Figures in files: PNG, SVG and PDF, whole or not at all; the same figure gives the same bytes."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from hsiattn.errors import OutputError
from hsiattn.figures.style import settle
from hsiattn.figures.svg import to_svg
from hsiattn.files.kinds import GENERATOR, SOFTWARE, FileKind
from hsiattn.files.outputs import Inputs, check_output, write_bytes
from hsiattn.files.paths import StrPath
from hsiattn.version import __version__

DPI = 200
"""Pixels per inch of a picture, unless something else is asked for."""

KINDS: Mapping[str, FileKind] = {".png": FileKind.PICTURE, ".svg": FileKind.PLOT, ".pdf": FileKind.PLOT}
"""Forms of figures by the suffixes of their files."""


def kind_of_figure(path: StrPath) -> FileKind:
    """What a figure of that name will be.

    Raises
    ------
    OutputError
        The suffix stands for no form of figure.
    """
    stem, suffix = os.path.splitext(os.path.basename(path))
    if suffix.lower() not in KINDS:
        raise OutputError(f"the suffix of {path} stands for no form of figure", f"call it {stem}.png, .svg or .pdf")
    return KINDS[suffix.lower()]


def write_figure(
    path: StrPath, figure: Figure, *, dpi: float = DPI, overwrite: bool = False, inputs: Inputs | None = None
) -> None:
    """Write a figure as PNG, SVG or PDF, by the suffix of the file.

    Parameters
    ----------
    path
        The file.
    figure
        The figure.
    dpi
        Pixels per inch, for PNG.
    overwrite
        Whether a figure of that name that this package wrote is replaced.
    inputs
        Files that the same call reads, which are never replaced.

    Raises
    ------
    OutputError
        The suffix stands for no form of figure, or the file may not be replaced or cannot be written.
    """
    check_output(path, kind_of_figure(path), overwrite=overwrite, inputs=inputs)
    suffix = Path(path).suffix.lower()
    content = to_svg(figure) if suffix == ".svg" else to_pdf(figure) if suffix == ".pdf" else to_png(figure, dpi)
    write_bytes(path, content)


def to_png(figure: Figure, dpi: float = DPI) -> bytes:
    """Write a figure as PNG."""
    settle(figure)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=dpi, metadata={"Software": f"{SOFTWARE}{__version__}"})
    return content.getvalue()


def to_pdf(figure: Figure) -> bytes:
    """Write a figure as PDF, with its fonts in it as TrueType, so that text stays text."""
    settle(figure)
    content = io.BytesIO()
    with matplotlib.rc_context({"pdf.fonttype": 42}):
        figure.savefig(content, format="pdf", metadata={"Creator": GENERATOR, "CreationDate": None})
    return content.getvalue()
