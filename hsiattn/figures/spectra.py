"""Mean spectra of classes and their spread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hsiattn.figures.bands import as_numbers, places_of, with_gaps
from hsiattn.figures.style import add_legend, line_style, tidy, wrapped

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from hsiattn.assessment.records import SpectraRecord

_HEADROOM = 1.4
"""How far the axis reaches beyond all but a fiftieth of the values of every class."""
_FEW = 8
"""Classes up to which their spreads are drawn boldly."""


def draw_spectra(axes: Axes, record: SpectraRecord, *, legend: bool = True) -> None:
    """Draw the mean spectrum of every class and a band of one standard deviation around it, in the class's colour.

    Lines have gaps at bad bands, at bands without data, and where bands are far apart. Classes differ in dashes and
    markers too.

    Parameters
    ----------
    axes
        Where to draw.
    record
        Mean spectra, as a report holds them.
    legend
        Whether the classes are named to the right of the axes.
    """
    place, label = places_of(record["wavelength"])
    good = np.asarray(record["good"], dtype=bool)
    reach: list[NDArray[np.float64]] = []
    alpha = 0.18 if len(record["classes"]) <= _FEW else 0.07
    for number, item in enumerate(record["classes"]):
        mean, std = np.where(good, as_numbers(item["mean"]), np.nan), np.nan_to_num(as_numbers(item["std"]))
        x, center, spread = with_gaps(place, mean, std)  # one pixel has no spread
        style = line_style(number, item["color"], points=len(x))
        axes.plot(x, center, label=f"{wrapped(item['name'])} ({item['pixels']} px)", **style)
        axes.fill_between(x, center - spread, center + spread, color=item["color"], alpha=alpha, linewidth=0)
        if np.isfinite(mean).any():
            reach.append((mean + std)[np.isfinite(mean)])
    axes.set_xlabel(label)
    unit = record["unit"]
    axes.set_ylabel(unit[:1].upper() + unit[1:])
    axes.margins(x=0.01)
    highest = max((float(values.max()) for values in reach), default=0.0)
    usual = max((float(np.quantile(values, 0.98)) for values in reach), default=0.0)
    if highest > _HEADROOM * usual > 0:
        axes.set_ylim(top=_HEADROOM * usual)  # one band at the edge of an absorption must not flatten all others
    tidy(axes)
    if legend:
        add_legend(axes)


def spectra_record(spectra: xr.Dataset) -> SpectraRecord:
    """Mean spectra as plain data.

    Parameters
    ----------
    spectra
        As `hsiattn.scenes.class_spectra` gives them.
    """

    def plain(values: xr.DataArray) -> list[float | None]:
        return [float(value) if np.isfinite(value) else None for value in values.to_numpy()]

    columns = (spectra[name].to_numpy().tolist() for name in ("code", "class", "color", "pixels"))
    return {
        "bands": [str(name) for name in spectra["band"].to_numpy()],
        "wavelength": plain(spectra["wavelength"]),
        "good": spectra["good"].to_numpy().tolist(),
        "unit": "reflectance" if spectra.attrs["reflectance"] else "value as stored",
        "classes": [
            {
                "code": code, "name": str(name), "color": color, "pixels": pixels,
                "mean": plain(spectra["mean"][place]), "std": plain(spectra["std"][place]),
            }
            for place, (code, name, color, pixels) in enumerate(zip(*columns, strict=True))
        ],
    }  # fmt: skip
