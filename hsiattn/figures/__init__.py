"""Figures for papers and reports, drawn on the axes of matplotlib from plain data: records and arrays, never files.

Every function takes axes first, whether of a figure of this package or of the user's own. None of them needs pyplot.

Examples
--------
>>> import numpy as np
>>> from hsiattn.figures import Place, draw_map, new_figure
>>> figure = new_figure(4, 3)
>>> classes = [{"name": "soil", "color": "#a1662f"}, {"name": "water", "color": "#1e88e5"}]
>>> draw_map(figure.subplots(), np.array([[1, 2, 0]]), classes, Place(width=3, height=1))
>>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
['soil', 'water', 'Unclassified']
"""

from __future__ import annotations

from hsiattn.figures.areas import draw_areas
from hsiattn.figures.attention import draw_attention
from hsiattn.figures.confusion import confusion_size, draw_confusion
from hsiattn.figures.learning import draw_learning_curve
from hsiattn.figures.maps import draw_map, draw_quicklook, draw_split
from hsiattn.figures.place import Place
from hsiattn.figures.reliability import draw_reliability
from hsiattn.figures.spectra import draw_spectra
from hsiattn.figures.style import new_figure
from hsiattn.figures.svg import inline_svg, to_svg

__all__ = [
    "Place",
    "confusion_size",
    "draw_areas",
    "draw_attention",
    "draw_confusion",
    "draw_learning_curve",
    "draw_map",
    "draw_quicklook",
    "draw_reliability",
    "draw_spectra",
    "draw_split",
    "inline_svg",
    "new_figure",
    "to_svg",
]
