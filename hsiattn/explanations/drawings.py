"""The figures of an explanation, with what they show in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.figures.attention import draw_attention
from hsiattn.figures.explanations import (
    draw_agreement,
    draw_by_wavelength,
    draw_deletion,
    draw_occlusion,
    draw_window,
)
from hsiattn.figures.style import SMALL, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from hsiattn.assessment.records import AttentionRecord
    from hsiattn.explanations.explanation import Explanation

_ACROSS = 4


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure of an explanation.

    Attributes
    ----------
    name
        Of its files, without suffix.
    title
        What it is.
    description
        What it shows, for those who cannot see it.
    reading
        How to read it.
    figure
        The figure itself.
    """

    name: str
    title: str
    description: str
    reading: str
    figure: Figure


def drawings_of(explanation: Explanation) -> list[Drawing]:
    """All figures that there are: those of attention are left out where the network has none."""
    drawn = [_attention(explanation), _gates(explanation), _attribution(explanation), _deletion(explanation)]
    return [drawing for drawing in (*drawn, _stability(explanation)) if drawing is not None]


def attention_record(explanation: Explanation) -> AttentionRecord:
    """Mean attention of every class with its quartiles, as a report holds it."""
    data = explanation.data
    of_pixel, weights = data["class_name"].to_numpy(), data["attention"].to_numpy().astype(np.float64)
    colors = _colors(explanation)
    codes = {item.name: item.code for item in explanation.classes}
    classes: list[Any] = []
    for name in dict.fromkeys(of_pixel):
        own = weights[of_pixel == name]
        lower, upper = np.quantile(own, [0.25, 0.75], axis=0)
        classes.append(
            {
                "code": codes[str(name)], "name": str(name), "color": colors[str(name)], "pixels": len(own),
                "mean": own.mean(axis=0).tolist(), "lower": lower.tolist(), "upper": upper.tolist(),
            }
        )  # fmt: skip
    return {
        "bands": [str(name) for name in data["band"].to_numpy()],
        "wavelength": _wavelengths(explanation),
        "classes": classes,
        "trust": explanation.deletion.in_words,
    }


def _attention(explanation: Explanation) -> Drawing | None:
    if "attention" not in explanation.data:
        return None
    figure = new_figure(7.2, 3.4)
    record = attention_record(explanation)
    draw_attention(figure.subplots(), record)
    peaks = [f"{item['name']} at {_band(explanation, np.array(item['mean']))}" for item in record["classes"]]
    return Drawing(
        "attention", "Attention by wavelength", f"Mean attention of every class; the greatest: {'; '.join(peaks)}.",
        "The weights that the network gives to the bands; those of a pixel have the sum 100 %.",
        figure,
    )  # fmt: skip


def _gates(explanation: Explanation) -> Drawing | None:
    kinds = [
        (name, signed, what)
        for name, signed, what in (
            ("neighbours", False, "attention"),
            ("integrated_gradients_neighbours", True, "integrated gradients"),
        )
        if name in explanation.data and explanation.data.sizes["dy"] > 1
    ]
    if not kinds:
        return None
    names = list(explanation.means(kinds[0][0]))
    across = min(_ACROSS, len(names))
    down = math.ceil(len(names) / across)
    figure = new_figure(1.6 * across + 1.2, 1.9 * down * len(kinds) + 0.3)
    parts: Any = figure.subfigures(len(kinds), 1, squeeze=False)
    for part, (name, signed, what) in zip(parts[:, 0], kinds, strict=True):
        _draw_windows(part, explanation.means(name), across, down, signed, what.capitalize())
    return Drawing(
        "gates", "Neighbours", f"Heat maps of the window of every class: {' and '.join(what for _, _, what in kinds)}.",
        "The pixel that is explained is framed; axes are pixels from it. Attention has the sum 1; integrated gradients "
        "add up to the probability, and are negative where a neighbour speaks against the class.",
        figure,
    )  # fmt: skip


def _draw_windows(
    part: Any, means: dict[str, NDArray[np.float64]], across: int, down: int, signed: bool, what: str
) -> None:
    grid = part.subplots(down, across, squeeze=False).ravel()
    most = max(float(np.abs(values).max()) for values in means.values()) or 1.0
    image = None
    for axes, (name, values) in zip(grid, means.items(), strict=False):
        image = draw_window(axes, values, title=name, signed=signed, most=most)
    for axes in grid[len(means) :]:
        axes.set_visible(False)
    bar = part.colorbar(image, ax=list(grid), shrink=0.8)
    bar.set_label(what, fontsize=SMALL)
    bar.ax.tick_params(labelsize=SMALL)


def _attribution(explanation: Explanation) -> Drawing:
    fall = explanation.means("occlusion")
    names, colors = list(fall), _colors(explanation)
    gradients = "integrated_gradients" in explanation.data
    figure = new_figure(7.2, (3.2 if gradients else 0) + 0.24 * len(names) + 1.1)
    if gradients:
        upper, lower = figure.subplots(2, 1, height_ratios=[3.2, 0.24 * len(names) + 1.1])
        means = explanation.means("integrated_gradients")
        curves = {name: (colors[name], means[name]) for name in names}
        draw_by_wavelength(upper, _wavelengths(explanation), curves, ylabel="Integrated gradients")
    else:
        lower = figure.subplots()
    groups = [group.name for group in explanation.groups]
    image = draw_occlusion(lower, groups, names, np.stack([fall[name] for name in names]))
    bar = figure.colorbar(image, ax=lower)
    bar.set_label("Fall of the\nprobability", fontsize=SMALL)
    bar.ax.tick_params(labelsize=SMALL)
    most = [f"{name} without {groups[int(fall[name].argmax())]}, {fall[name].max():.2f}" for name in names]
    return Drawing(
        "attribution", "Attribution",
        f"Integrated gradients by wavelength and occlusion by group of bands. Greatest falls: {'; '.join(most)}.",
        "Integrated gradients of all bands add up to the probability of the chosen class less that of the mean "
        "spectrum. Occlusion is the fall of that probability when a group of bands has the values of the mean spectrum."
        if gradients
        else "Occlusion is the fall of the probability of the chosen class when a group of bands has the values of the "
        "mean spectrum.",
        figure,
    )  # fmt: skip


def _deletion(explanation: Explanation) -> Drawing:
    subjects = explanation.deletion.subjects
    figure = new_figure(3.6 * len(subjects) + 0.6, 4.2)
    panels = figure.subplots(1, len(subjects), squeeze=False).ravel()
    for axes, curves in zip(panels, subjects, strict=True):
        draw_deletion(axes, curves.to_dict() | {"random": curves.random}, subject=curves.subject, legend=False)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(subjects), frameon=False, fontsize=SMALL)
    return Drawing(
        "deletion", "Deletion test", explanation.deletion.in_words,
        "The sooner a curve falls, the better its order names what the decision rests on. Attention that explains lies "
        "below the random orders. Read from the right, the reversed orders show the probability when only the greatest "
        "are there.",
        figure,
    )  # fmt: skip


def _stability(explanation: Explanation) -> Drawing | None:
    if explanation.stability is None:
        return None
    agreement = explanation.stability.agreement
    names = [name for name in next(iter(agreement.values())) if name]
    figure = new_figure(6.0, 0.26 * len(names) + 1.0)
    draw_agreement(
        figure.subplots(), names, {kind: [values[name] for name in names] for kind, values in agreement.items()}
    )
    return Drawing(
        "stability", "Stability", explanation.stability.in_words,
        "Mean rank correlation of the weights of the bands between networks that differ in their seed: 1 where all "
        "name the same bands, 0 where they agree no better than by chance.",
        figure,
    )  # fmt: skip


def _colors(explanation: Explanation) -> dict[str, str]:
    return {item.name: "#{:02x}{:02x}{:02x}".format(*item.color) for item in explanation.classes}


def _wavelengths(explanation: Explanation) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in explanation.data["wavelength"].to_numpy()]


def _band(explanation: Explanation, weights: NDArray[np.float64]) -> str:
    place = int(weights.argmax())
    wavelength = _wavelengths(explanation)[place]
    return str(explanation.data["band"].to_numpy()[place]) if wavelength is None else f"{wavelength:.0f} nm"
