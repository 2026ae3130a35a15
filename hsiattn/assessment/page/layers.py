"""Pictures of a page: every raster as a small file inside it, thinned until the page is small enough to be mailed."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.assessment.formatting import format_count
from hsiattn.assessment.page.png import data_uri, palette_png
from hsiattn.assessment.supplement import NO_CONFIDENCE, Pictures
from hsiattn.classes import parse_color

MOST_BYTES = 4_300_000
"""Most bytes of all pictures of a page together, so that the page stays below 5 MB."""

QUICKLOOK_SIZE = 1200
"""Most pixels of the longer side of the quick-look."""

_EXACT_QUICKLOOK = 60_000
"""Pixels up to which the quick-look is not blurred by JPEG."""

ROLES = ("not labelled", "training", "validation", "test", "buffer or unused")
"""What the values of a split raster mean, in words."""

ROLE_COLORS = ((0, 0, 0, 0), (0, 114, 178, 255), (86, 180, 233, 255), (213, 94, 0, 255), (74, 79, 84, 255))
"""Colours of the roles, those of `hsiattn.figures`."""

_CONFIDENCE_COLORS = ((0, 34, 78), (87, 93, 109), (165, 156, 116), (254, 232, 56))
"""From no confidence to full confidence: dark blue to yellow, which colour-blind readers can tell apart (cividis)."""


@dataclass(frozen=True)
class Layer:
    """One picture of a page.

    Attributes
    ----------
    name
        `map`, `reference`, `confidence`, `split` or `quicklook`.
    title
        What it shows, in words.
    uri
        The file, as an address that holds its content.
    alternative
        What is to be seen, in words, for those who do not see it.
    """

    name: str
    title: str
    uri: str
    alternative: str


@dataclass(frozen=True)
class Layers:
    """All pictures of a page, and what its viewer must know of them.

    Attributes
    ----------
    pictures
        The pictures.
    width, height
        Columns and rows of pictures.
    step
        Rows and columns of the map per row and column of pictures.
    confidence_step
        Confidence is rounded to so many per cent.
    confidence_factor
        Rows and columns of pictures per row and column of the picture of confidence.
    """

    pictures: tuple[Layer, ...]
    width: int
    height: int
    step: int
    confidence_step: int
    confidence_factor: int

    @property
    def bytes(self) -> int:
        """Number of characters of all pictures."""
        return sum(len(layer.uri) for layer in self.pictures)

    @property
    def thinned(self) -> str:
        """Which pixels are shown, as a sentence; "" where all are."""
        if self.step == 1:
            return ""
        ending = {2: "nd", 3: "rd"}.get(self.step % 10 if self.step % 100 not in (11, 12, 13) else 0, "th")
        ending = "st" if self.step % 10 == 1 and self.step % 100 != 11 else ending
        return (
            f"To keep the page small, pictures show every {self.step}{ending} row and column; figures count all pixels."
        )


def make_layers(pictures: Pictures, classes: Sequence[Mapping[str, Any]], most_bytes: int = MOST_BYTES) -> Layers:
    """The pictures of a page with as much detail as its size allows.

    First confidence becomes coarser, then all pictures do: every 2nd row and column, every 3rd, and so on.

    Parameters
    ----------
    pictures
        The rasters.
    classes
        Part of `AccuracyReport.to_dict`: names and colours.
    most_bytes
        Most characters of all pictures together.
    """
    quicklook = _quicklook(pictures)
    for factor in range(1, max(pictures.land_cover.shape) + 1):
        fixed = [*_class_layers(pictures, classes, factor), *_split_layer(pictures, factor), *quicklook]
        confidence: list[Layer] = []
        for step, coarser in ((5, 1), (10, 1), (10, 2)) if pictures.confidence is not None else ((5, 1),):
            if pictures.confidence is not None:
                confidence = [_confidence_layer(pictures.confidence[:: factor * coarser, :: factor * coarser], step)]
            height, width = pictures.land_cover[::factor, ::factor].shape
            layers = Layers((*fixed, *confidence), width, height, pictures.step * factor, step, coarser)
            if layers.bytes <= most_bytes:
                return layers
    return layers


def describe_shares(values: NDArray[np.uint8], names: Sequence[str], what: str) -> str:
    """What a raster of classes holds, in words: its size, and its most frequent classes.

    >>> describe_shares(np.array([[1, 1, 1, 2]], np.uint8), ["water", "soil"], "Map")
    'Map, 4 × 1 pixels: water 75 %, soil 25 %'
    """
    counts = np.bincount(values.ravel(), minlength=len(names) + 1)[1 : len(names) + 1]
    height, width = values.shape
    text = f"{what}, {format_count(width)} × {format_count(height)} pixels"
    total = int(counts.sum())
    if not total:
        return f"{text}: no pixel has a class"
    order = [int(place) for place in np.argsort(-counts, kind="stable") if counts[place]]
    parts = [f"{names[place]} {100 * counts[place] / total:.0f} %" for place in order[:5]]
    more = f" and {len(order) - 5} more" if len(order) > 5 else ""
    return f"{text}: {', '.join(parts)}{more}"


def _class_layers(pictures: Pictures, classes: Sequence[Mapping[str, Any]], factor: int) -> list[Layer]:
    colors = [(0, 0, 0, 0), *((*parse_color(row["color"]), 255) for row in classes)]
    palette = np.array(colors, dtype=np.uint8)[:256]
    names = [row["name"] for row in classes]
    layers = []
    for name, title, raster in (("map", "Map", pictures.land_cover), ("reference", "Reference", pictures.reference)):
        values = np.where(raster < len(palette), raster, 0).astype(np.uint8)
        uri = data_uri(palette_png(values[::factor, ::factor], palette))
        layers.append(Layer(name, title, uri, describe_shares(values, names, title)))
    return layers


def _split_layer(pictures: Pictures, factor: int) -> list[Layer]:
    if pictures.split is None:
        return []
    values = np.where(pictures.split < len(ROLES), pictures.split, 0).astype(np.uint8)
    uri = data_uri(palette_png(values[::factor, ::factor], np.array(ROLE_COLORS, dtype=np.uint8)))
    return [Layer("split", "Split", uri, describe_shares(values, ROLES[1:], "Training, validation and test pixels"))]


def _confidence_layer(confidence: NDArray[np.uint8], step: int) -> Layer:
    """Confidence in steps; the value after the last step stands for "not known"."""
    levels = 100 // step
    known = confidence != NO_CONFIDENCE
    values = np.minimum((confidence.astype(np.uint16) + step // 2) // step, levels)
    values = np.where(known, values, levels + 1).astype(np.uint8)
    at, anchors = np.linspace(0, 1, levels + 1), np.linspace(0, 1, len(_CONFIDENCE_COLORS))
    colors = np.array(_CONFIDENCE_COLORS, dtype=np.float64)
    palette = np.zeros((levels + 2, 4), dtype=np.uint8)
    palette[:-1, :3] = np.stack([np.interp(at, anchors, colors[:, part]) for part in range(3)], axis=1).round()
    palette[:-1, 3] = 255
    mean = f"mean {confidence[known].mean():.0f} %" if known.any() else "not known anywhere"
    return Layer("confidence", "Confidence", data_uri(palette_png(values, palette)), f"Confidence of the map: {mean}")


def _quicklook(pictures: Pictures) -> list[Layer]:
    """The quick-look: a small one exactly, a larger one as JPEG on white."""
    if pictures.quicklook is None:
        return []
    from PIL import Image  # takes a while to load

    picture = Image.fromarray(np.ascontiguousarray(pictures.quicklook), "RGBA")
    scale = max(picture.size) / QUICKLOOK_SIZE
    if scale > 1:
        size = tuple(max(1, round(side / scale)) for side in picture.size)
        picture = picture.resize((size[0], size[1]), Image.Resampling.BOX)
    content, kind = io.BytesIO(), "image/png"
    if picture.width * picture.height <= _EXACT_QUICKLOOK:
        picture.save(content, "PNG", optimize=True)
    else:
        ground = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        ground.alpha_composite(picture)
        ground.convert("RGB").save(content, "JPEG", quality=85)
        kind = "image/jpeg"
    words = pictures.quicklook_description
    title = f"Quick-look: {words}" if words else "Quick-look"
    return [Layer("quicklook", "Scene", data_uri(content.getvalue(), kind), title)]
