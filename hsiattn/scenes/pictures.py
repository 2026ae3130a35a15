"""Pictures in PNG files: quick-looks of scenes and plots of spectra."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.files.kinds import SOFTWARE, FileKind
from hsiattn.files.outputs import Inputs, check_output, whole_file
from hsiattn.version import __version__

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

_HEADROOM = 1.4
"""How far the axis reaches beyond all but a fiftieth of the values."""
_GAP = 4.0
"""Steps between neighbouring bands, in units of the median one, over which no line is drawn."""


def write_picture(
    path: str | Path, pixels: NDArray[np.uint8], *, overwrite: bool = False, inputs: Inputs | None = None
) -> None:
    """Write a picture (h, w, 4) as PNG, whole or not at all.

    Raises
    ------
    OutputError
        The file may not be replaced or cannot be written.
    """
    from matplotlib.image import imsave

    def save(file: Path, metadata: dict[str, str]) -> None:
        imsave(file, pixels, format="png", metadata=metadata)

    _write(path, save, overwrite, inputs)


def write_figure(path: str | Path, figure: Figure, *, overwrite: bool = False, inputs: Inputs | None = None) -> None:
    """Write a figure as PNG, whole or not at all; errors as `write_picture`."""

    def save(file: Path, metadata: dict[str, str]) -> None:
        figure.savefig(file, format="png", dpi=130, metadata=metadata)

    _write(path, save, overwrite, inputs)


def spectra_figure(spectra: xr.Dataset) -> Figure:
    """Draw the mean spectrum of every class and a band of one standard deviation around it, in the class's colour.

    Lines have gaps at bad bands, at bands without data, and where bands are far apart.

    Parameters
    ----------
    spectra
        As `class_spectra` gives it.
    """
    from matplotlib.figure import Figure

    wavelength = spectra["wavelength"].to_numpy()
    known = bool(np.isfinite(wavelength).all())
    place = wavelength if known else np.arange(1.0, len(wavelength) + 1)
    figure = Figure(figsize=(8.5, 4.8), layout="constrained")
    axes = figure.subplots()
    good = spectra["good"].to_numpy()
    for name, color, pixels, mean, std in zip(
        spectra["class"].values, spectra["color"].values, spectra["pixels"].values, spectra["mean"].to_numpy(),
        spectra["std"].to_numpy(), strict=True,
    ):  # fmt: skip
        x, center, spread = _with_gaps(place, np.where(good, mean, np.nan), std)
        literal = str(name).replace("$", r"\$")
        axes.plot(x, center, color=color, linewidth=1.5, label=f"{literal} ({pixels} px)")
        axes.fill_between(x, center - spread, center + spread, color=color, alpha=0.18, linewidth=0)
    axes.set_xlabel("wavelength, nm" if known else "band")
    axes.set_ylabel("reflectance" if spectra.attrs["reflectance"] else "value as stored")
    axes.set_title("mean spectra ± 1 standard deviation", fontsize=10)
    axes.margins(x=0.01)
    reach = (spectra["mean"] + spectra["std"].fillna(0)).where(spectra["good"]).to_numpy()
    if np.isfinite(reach).any() and np.nanmax(reach) > (top := _HEADROOM * float(np.nanquantile(reach, 0.98))) > 0:
        axes.set_ylim(top=top)  # one band at the edge of an absorption must not flatten all others
    axes.grid(color="#d8dde2", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    columns = 1 + (len(spectra["class"]) - 1) // 20
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False, ncols=columns)
    return figure


def _with_gaps(place: NDArray[Any], mean: NDArray[Any], std: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Insert a NaN wherever neighbouring bands are far apart, as where the producer has taken bands out.

    Where two spectrometers overlap, wavelengths step back, and one line ends where the other begins.
    """
    steps = np.diff(place)
    usual = float(np.median(steps)) if steps.size else 0.0
    apart = np.flatnonzero((steps * np.sign(usual) <= 0) | (np.abs(steps) > _GAP * abs(usual))) + 1
    std = np.nan_to_num(std)  # one pixel has no spread
    return np.insert(place, apart, np.nan), np.insert(mean, apart, np.nan), np.insert(std, apart, np.nan)


def _write(
    path: str | Path, save: Callable[[Path, dict[str, str]], None], overwrite: bool, inputs: Inputs | None
) -> None:
    check_output(path, FileKind.PICTURE, overwrite=overwrite, inputs=inputs)
    with whole_file(path) as temporary:
        save(temporary, {"Software": f"{SOFTWARE}{__version__}"})
