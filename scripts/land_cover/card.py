"""What the built-in model says of itself."""

from __future__ import annotations

from typing import Any

DESCRIPTION = "Broad land cover from a single spectrum of any sensor between 420 and 2425 nm"

CLASSES: list[dict[str, Any]] = [
    {"code": 10, "name": "water", "color": "#2b6cb0"},
    {"code": 20, "name": "green vegetation", "color": "#3f9b46"},
    {"code": 21, "name": "tree", "color": "#14562a"},
    {"code": 22, "name": "low vegetation", "color": "#9bd770"},
    {"code": 30, "name": "dry vegetation", "color": "#e3c567"},
    {"code": 40, "name": "soil and rock", "color": "#9c6b3f"},
    {"code": 50, "name": "built-up", "color": "#b04a5a"},
    {"code": 51, "name": "roof", "color": "#e4572e"},
    {"code": 52, "name": "pavement", "color": "#77767b"},
]

CARD: dict[str, Any] = {
    "reads": "surface reflectance of a pixel alone, at the wavelengths of the scene but those in water vapour",
    "sources": [
        "Santa Barbara urban spectra, AVIRIS pixels of 7.5 m and a field spectrometer (Roberts et al. 2017)",
        "Berlin urban spectral library, airborne image spectra (EnMAP-Box)",
        "Gamsberg field spectra (EnMAP-Box)",
        "canopies by PROSPECT-5 and SAIL (package prosail)",
        "soils by a simple model of their curves",
        "water by the model of Gordon et al. 1988, absorption roughly after Pope and Fry 1997 and Kou et al. 1993",
    ],
    "licence": "Santa Barbara and Berlin: GPL-3 where they were taken from; the model file holds no spectrum",
    "known_failures": [
        "bright soil, gravel and concrete are alike, most of all without bands beyond 1000 nm",
        "dark roofs, asphalt, shade and turbid water are alike where a pixel is dark",
        "vegetation is told high from low by few spectra of one region",
        "snow, ice, clouds, minerals and uncorrected scenes should stay unclassified; some kinds of them will not: "
        "without bands beyond 1000 nm grey clouds, dirty snow and thin ice are like roofs",
        "pixels that mix several covers get the one that has most",
    ],
}
