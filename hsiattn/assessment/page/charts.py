"""Charts of the page: figures of `hsiattn.figures` as SVG inside it, each with a title and a description in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from hsiattn.assessment.formatting import format_calibration

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH = 5.4
"""Width of charts in inches: their text is readable on a telephone too."""


def make_charts(record: Mapping[str, Any]) -> dict[str, str | None]:
    """The charts that the parts of a report allow, as SVG elements; None for those without data.

    Parameters
    ----------
    record
        Result of `AccuracyReport.to_dict`.
    """
    supplement = record.get("supplement") or {}
    areas, calibration = record.get("areas"), record.get("calibration")
    spectra, attention, learning = (supplement.get(name) for name in ("spectra", "attention", "learning"))
    unknown = (supplement.get("unknown") or {}).get("spectra")
    return {
        "areas": _areas(areas) if areas and areas["classes"] else None,
        "calibration": _calibration(calibration) if calibration and calibration["pixels"] else None,
        "spectra": _spectra(spectra) if spectra and spectra["classes"] else None,
        "unknown": _spectra(unknown, "Mean spectra of unknown material") if unknown and unknown["classes"] else None,
        "attention": _attention(attention) if attention and attention["classes"] else None,
        "learning": _learning(learning, "accuracy") if learning and learning["epoch"] else None,
        "loss": _learning(learning, "loss") if learning and learning["epoch"] else None,
    }


def _areas(record: Any) -> str:
    from hsiattn.figures import draw_areas, inline_svg, new_figure  # matplotlib takes a while to load

    figure = new_figure(_WIDTH, 1.1 + 0.26 * len(record["classes"]))
    draw_areas(figure.subplots(), record)
    return inline_svg(
        figure,
        title="Areas of the classes",
        description="For every class its area on the map, and the estimate with its interval; see the table below.",
    )


def _calibration(record: Mapping[str, Any]) -> str:
    from hsiattn.figures import draw_reliability, inline_svg, new_figure

    figure = new_figure(3.9, 3.9)
    draw_reliability(figure.subplots(), record)
    return inline_svg(figure, title="Reliability diagram", description=f"{format_calibration(record)}.")


def _spectra(record: Any, title: str = "Mean spectra of the classes") -> str:
    from hsiattn.figures import draw_spectra, inline_svg, new_figure

    figure = new_figure(_WIDTH, _height(record["classes"]))
    axes = figure.subplots()
    draw_spectra(axes, record, legend=False)
    _name_classes(figure)
    return inline_svg(figure, title=title, description=_over_bands(record, "Means"))


def _attention(record: Any) -> str:
    from hsiattn.figures import draw_attention, inline_svg, new_figure

    figure = new_figure(_WIDTH, _height(record["classes"]))
    axes = figure.subplots()
    draw_attention(axes, record, legend=False)
    _name_classes(figure)
    strongest = ", ".join(_strongest(item, record) for item in record["classes"][:12])
    description = f"{_over_bands(record, 'Weights')} Strongest band: {strongest}."
    return inline_svg(figure, title="Attention to the bands by class", description=description)


def _learning(record: Any, measure: Literal["accuracy", "loss"]) -> str:
    from hsiattn.figures import draw_learning_curve, inline_svg, new_figure

    figure = new_figure(4.6, 3.2)
    draw_learning_curve(figure.subplots(), record, measure=measure)
    epochs, best, last = record["epoch"], record.get("best_epoch"), record[f"training_{measure}"][-1]
    kept = "" if best is None else f"; epoch {best} was kept"
    figures = f"{100 * last:.1f} % of the training pixels were right" if measure == "accuracy" else f"it was {last:.3g}"
    description = f"{len(epochs)} epochs{kept}. In the last one {figures}."
    return inline_svg(figure, title=f"Learning curve: {measure}", description=description)


def _name_classes(figure: Figure) -> None:
    """Set the legend below all else, in two columns: beside the axes it would leave them little room."""
    handles, _ = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=min(2, len(handles)),
        frameon=False,
        fontsize=8,
        handlelength=2.6,
    )


def _height(classes: Sequence[Any]) -> float:
    """Height of a chart in inches, with the names of all classes below it."""
    return 3.1 + 0.17 * -(-len(classes) // 2)


def _over_bands(record: Mapping[str, Any], what: str) -> str:
    known = [centre for centre in record["wavelength"] if centre is not None]
    names = ", ".join(item["name"] for item in record["classes"][:12])
    span = f" from {min(known):.0f} to {max(known):.0f} nm" if known else ""
    return f"{what} over {len(record['bands'])} bands{span}. Classes: {names}."


def _strongest(item: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    """A class, and where its weights are largest."""
    weights = [-1.0 if weight is None else weight for weight in item["mean"]]
    place = weights.index(max(weights))
    centre = record["wavelength"][place]
    return f"{item['name']} {record['bands'][place] if centre is None else f'{centre:.0f} nm'}"
