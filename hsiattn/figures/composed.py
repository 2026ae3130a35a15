"""Whole figures: panels, sizes and titles around what the other modules draw on axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from hsiattn.figures.attention import draw_attention
from hsiattn.figures.band_ranking import draw_band_ranking
from hsiattn.figures.confusion import confusion_size, draw_confusion
from hsiattn.figures.learning import draw_learning_curve
from hsiattn.figures.maps import draw_map, draw_quicklook, draw_split
from hsiattn.figures.spectra import draw_spectra
from hsiattn.figures.style import SMALL, SOFT, literal, new_figure, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from hsiattn.assessment.records import AttentionRecord, LearningRecord, SpectraRecord
    from hsiattn.figures.place import Place

_LEGEND = 2.4
"""Inches beside a map for its legend and coordinates."""
_AROUND = 0.8
"""Inches above and below a map."""
_TALLEST = 9.5
_TITLE = 10.0


@dataclass(frozen=True)
class Sheet:
    """What is asked for of a figure.

    Attributes
    ----------
    title
        None for none.
    width, height
        Inches; None for what suits the content.
    """

    title: str | None = None
    width: float | None = None
    height: float | None = None

    def figure(self, width: float, height: float) -> Figure:
        """A figure of the size asked for, else of that given here."""
        figure = new_figure(self.width or width, self.height or height)
        if self.title:
            figure.suptitle(literal(self.title), fontsize=_TITLE)
        return figure

    def map_figure(self, place: Place, panels: int) -> Figure:
        """A figure whose height suits maps beside each other."""
        width = self.width or (7.2 if panels == 1 else 10.0)
        share = place.shape_on_ground
        height = (width - _LEGEND) / panels * share + _AROUND + (0.3 if self.title else 0)
        if height > _TALLEST and self.width is None:  # narrower, as a swath is
            height = _TALLEST
            width = (_TALLEST - _AROUND) / share * panels + _LEGEND
        return self.figure(width, min(max(height, 1.8), 4 * _TALLEST))


def map_figure(
    indices: NDArray[Any],
    classes: Sequence[Mapping[str, Any]],
    place: Place,
    *,
    quicklook: NDArray[np.uint8] | None = None,
    shows: str = "",
    unclassified: str = "Unclassified",
    sheet: Sheet | None = None,
) -> Figure:
    """Draw a map, to the right of a quick-look of the scene if there is one; see `draw_map`.

    Parameters
    ----------
    indices, classes, place
        See `draw_map`.
    quicklook
        (h, w, 4); None without.
    shows
        What the quick-look shows, in words.
    unclassified
        What the legend calls pixels without a class.
    sheet
        Title and size.
    """
    panels = 1 if quicklook is None else 2
    figure = (sheet or Sheet()).map_figure(place, panels)
    axes = np.atleast_1d(np.asarray(figure.subplots(1, panels, sharey=panels > 1)))
    if quicklook is not None:
        draw_quicklook(axes[0], quicklook, place)
        axes[0].set_title(_capital(shows), fontsize=SMALL)
    draw_map(axes[-1], indices, classes, place, unclassified=unclassified)
    if panels > 1:
        axes[-1].set_title("Classes", fontsize=SMALL)
        axes[-1].set_ylabel("")
    return figure


def split_figure(
    roles: NDArray[Any],
    pixels: Mapping[str, int],
    place: Place,
    *,
    quicklook: NDArray[np.uint8] | None = None,
    sheet: Sheet | None = None,
) -> Figure:
    """Draw the roles of labelled pixels, above a pale quick-look of the scene if there is one; see `draw_split`."""
    figure = (sheet or Sheet()).map_figure(place, 1)
    draw_split(figure.subplots(), roles, place, pixels=pixels, beneath=quicklook)
    return figure


def spectra_figure(record: SpectraRecord, sheet: Sheet | None = None) -> Figure:
    """Draw mean spectra; see `draw_spectra`."""
    figure = (sheet or Sheet("Mean spectra ± 1 standard deviation")).figure(8.5, 4.8)
    draw_spectra(figure.subplots(), record)
    return figure


def attention_figure(record: AttentionRecord, sheet: Sheet | None = None) -> Figure:
    """Draw the attention to bands by class; see `draw_attention`. How far it may be trusted stands below."""
    figure = (sheet or Sheet()).figure(8.0, 4.2)
    draw_attention(figure.subplots(), record)
    trust = record.get("trust")
    if trust:
        figure.supxlabel(literal(trust), fontsize=SMALL - 1, color=SOFT, wrap=True)
    return figure


def band_ranking_figure(records: Sequence[Mapping[str, Any]], sheet: Sheet | None = None) -> Figure:
    """Importance of bands; see `draw_band_ranking`."""
    figure = (sheet or Sheet()).figure(7.2, 3.2)
    draw_band_ranking(figure.subplots(), records)
    return figure


def learning_figure(record: LearningRecord, sheet: Sheet | None = None) -> Figure:
    """Draw accuracy and loss of training and validation beside each other; see `draw_learning_curve`."""
    figure = (sheet or Sheet()).figure(7.6, 3.2)
    left, right = figure.subplots(1, 2)
    draw_learning_curve(left, record)
    draw_learning_curve(right, record, measure="loss", legend=False)
    return figure


def confusion_figure(
    matrix: NDArray[np.int64],
    names: Sequence[str],
    *,
    shares: Literal["rows", "columns"] | None = None,
    unclassified: NDArray[np.int64] | None = None,
    sheet: Sheet | None = None,
) -> Figure:
    """Draw a confusion matrix; see `draw_confusion`."""
    longest = max(len(shortened(name)) for name in names)
    width, height = confusion_size(len(names))
    letters = 0.065 * longest
    figure = (sheet or Sheet()).figure(width + letters, height + letters)
    draw_confusion(figure.subplots(), matrix, names, shares=shares, unclassified=unclassified)
    return figure


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
