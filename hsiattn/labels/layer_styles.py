"""How QGIS shows what is no map of classes: polygons of classes, and rasters of shares such as confidence."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence

from hsiattn.classes import ClassTable, Color, format_color
from hsiattn.files.kinds import GENERATOR

DOCTYPE = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"

CERTAINTY: Sequence[tuple[float, Color]] = (
    (0.0, (68, 1, 84)),
    (0.25, (59, 82, 139)),
    (0.5, (33, 145, 140)),
    (0.75, (94, 201, 98)),
    (1.0, (253, 231, 37)),
)
"""Colours of shares 0 … 1, dark to light in even steps of lightness: five points of matplotlib's viridis."""


def style_text(root: ET.Element) -> str:
    """A style as the text of its file."""
    ET.indent(root)
    return f"{DOCTYPE}{ET.tostring(root, encoding='unicode')}\n"


def share_style(band: int = 1) -> str:
    """The style of a raster of shares 0 … 1: a continuous ramp, the light end certain; pixels without value are clear.

    Parameters
    ----------
    band
        Number of the band that is shown first.
    """
    root = ET.Element("qgis", version="3.28.0", styleCategories="AllStyleCategories", generator=GENERATOR)
    pipe = ET.SubElement(root, "pipe")
    renderer = ET.SubElement(
        pipe, "rasterrenderer", type="singlebandpseudocolor", band=str(band), opacity="1", alphaBand="-1",
        nodataColor="", classificationMin="0", classificationMax="1",
    )  # fmt: skip
    ET.SubElement(renderer, "rasterTransparency")
    shader = ET.SubElement(ET.SubElement(renderer, "rastershader"), "colorrampshader")
    for name, value in {
        "colorRampType": "INTERPOLATED", "classificationMode": "1", "minimumValue": "0", "maximumValue": "1",
        "clip": "0", "labelPrecision": "2",
    }.items():  # fmt: skip
        shader.set(name, value)
    for share, color in CERTAINTY:
        ET.SubElement(
            shader, "item", value=f"{share:g}", label=f"{100 * share:.0f} %", color=format_color(color), alpha="255"
        )
    ET.SubElement(pipe, "brightnesscontrast", brightness="0", contrast="0", gamma="1")
    ET.SubElement(pipe, "huesaturation", saturation="0", grayscaleMode="0", colorizeOn="0")
    ET.SubElement(pipe, "rasterresampler", maxOversampling="2")
    ET.SubElement(root, "blendMode").text = "0"
    return style_text(root)


def polygon_style(classes: ClassTable, column: str) -> str:
    """The style of polygons: names and colours of classes by the codes in a column, without outlines."""
    root = ET.Element("qgis", version="3.28.0", styleCategories="Symbology", generator=GENERATOR)
    renderer = ET.SubElement(
        root, "renderer-v2", type="categorizedSymbol", attr=column, enableorderby="0", forceraster="0",
        symbollevels="0",
    )  # fmt: skip
    categories, symbols = ET.SubElement(renderer, "categories"), ET.SubElement(renderer, "symbols")
    for number, item in enumerate(classes):
        ET.SubElement(
            categories,
            "category",
            value=str(item.code),
            label=item.name,
            symbol=str(number),
            render="true",
            type="long",
        )
        symbol = ET.SubElement(symbols, "symbol", name=str(number), type="fill", alpha="1", clip_to_extent="1")
        layer = ET.SubElement(symbol, "layer", {"class": "SimpleFill", "enabled": "1", "locked": "0", "pass": "0"})
        options = ET.SubElement(layer, "Option", type="Map")
        settings = {"color": ",".join(map(str, (*item.color, 255))), "style": "solid", "outline_style": "no"}
        for name, value in settings.items():
            ET.SubElement(options, "Option", name=name, value=value, type="QString")
            ET.SubElement(layer, "prop", k=name, v=value)  # as QGIS before 3.20 reads it
    return style_text(root)
