"""Scenes, labels and splits as rasters."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import rasterio

from scripts.benchmarks.robustness.fuzz import inputs
from scripts.benchmarks.robustness.fuzz.damage import damaged_bytes, either


def geotiff() -> inputs.Reader:
    """Scenes as GeoTIFF, in several layouts."""
    tiles = {"compress": "deflate", "tiled": True, "blockxsize": 16, "blockysize": 16}
    layouts: tuple[dict[str, Any], ...] = (
        {},
        {"interleave": "band", "compress": "lzw"},
        tiles,
        {"BIGTIFF": "YES", "nodata": -9999},
    )
    samples = [
        inputs.raster_files("scene.tif", inputs.scene_values(), {"scale": "0.0001"}, **layout) for layout in layouts
    ]
    samples.append(inputs.raster_files("scene.tif", inputs.scene_values("float32"), {}, nodata=math.nan))
    return inputs.Reader(tuple(samples), inputs.in_file(0, damaged_bytes), inputs.read_scene)


def envi() -> inputs.Reader:
    """Scenes in ENVI's format: header and data, both damaged."""
    values = ", ".join(str(400 + 10 * band) for band in range(inputs.SHAPE[0]))
    more = (
        f"wavelength = {{{values}}}\nwavelength units = Nanometers\nfwhm = {{{values}}}\nbbl = {{1, 1, 0, 1, 1, 1}}\n"
        f"data ignore value = -9999\nreflectance scale factor = 10000\ndata gain values = {{{values}}}\n"
        "default bands = {1, 2, 3}\nmap info = {UTM, 1, 1, 360000, 5810000, 10, 10, 33, North, WGS-84}\n"
    )
    samples = []
    for interleave in ("bsq", "bil", "bip"):
        written = inputs.raster_files("scene.img", inputs.scene_values(), driver="ENVI", interleave=interleave)
        header = next(name for name in written if name.endswith(".hdr"))
        text = written[header] + more.encode()
        samples += [
            {header: text, "scene.img": written["scene.img"]},
            {"scene.img": written["scene.img"], header: text},
        ]

    def damage(rng: random.Random, files: inputs.Files) -> inputs.Files:
        name = next(name for name in files if name.endswith(".hdr"))
        changed = {**files, name: either(rng, files[name])}
        if rng.random() < 0.2:
            changed["scene.img"] = damaged_bytes(rng, files["scene.img"])
        return changed

    return inputs.Reader(tuple(samples), damage, inputs.read_scene)


def label_rasters() -> inputs.Reader:
    """Labels and maps as GeoTIFF with palettes."""
    palette = {0: (0, 0, 0, 0), 1: (200, 0, 0, 255), 2: (0, 200, 0, 255), 3: (0, 0, 200, 255)}

    colors = {1: "#c80000", 2: "#00c800", 3: "#0000c8"}
    classes = [{"value": v, "code": v + 10, "name": f"class {v}", "color": color} for v, color in colors.items()]

    def painted(path: Path) -> None:
        with rasterio.open(
            path, "w", driver="GTiff", count=1, height=9, width=11, dtype="uint8", **inputs.GRID
        ) as file:
            file.write(inputs.label_codes(), 1)
            file.write_colormap(1, palette)
            file.update_tags(HSIATTN_KIND="land-cover", HSIATTN_CLASSES=json.dumps(classes))

    kinds = ("uint8", "uint16", "int32", "float32")
    samples = [inputs.raster_files("labels.tif", inputs.label_codes(kind)[None], nodata=0) for kind in kinds]
    samples += [
        inputs.saved_files("map.tif", painted),
        inputs.raster_files("labels.tif", inputs.label_codes()[None], compress="deflate"),
    ]
    return inputs.Reader(tuple(samples), inputs.in_file(0, damaged_bytes), _read_map)


def split_rasters() -> inputs.Reader:
    """Rasters of roles."""
    kinds = ("uint8", "uint16", "float32")
    samples = tuple(
        inputs.raster_files("split.tif", inputs.label_codes(kind)[None], compress="deflate") for kind in kinds
    )
    return inputs.Reader(samples, inputs.in_file(0, damaged_bytes), _read_split)


_PAM = """<PAMDataset>
  <PAMRasterBand band="1">
    <NoDataValue>255</NoDataValue>
    <Offset>0</Offset>
    <Scale>0.0001</Scale>
    <CategoryNames>
      <Category>unclassified</Category>
      <Category>maize</Category>
      <Category>oats</Category>
      <Category>water</Category>
    </CategoryNames>
    <ColorInterp>Palette</ColorInterp>
    <GDALRasterAttributeTable tableType="thematic">
      <FieldDefn index="0"><Name>Value</Name><Type>0</Type><Usage>5</Usage></FieldDefn>
      <FieldDefn index="1"><Name>Count</Name><Type>0</Type><Usage>1</Usage></FieldDefn>
      <FieldDefn index="2"><Name>Class</Name><Type>2</Type><Usage>2</Usage></FieldDefn>
      <FieldDefn index="3"><Name>R</Name><Type>0</Type><Usage>6</Usage></FieldDefn>
      <FieldDefn index="4"><Name>G</Name><Type>0</Type><Usage>7</Usage></FieldDefn>
      <FieldDefn index="5"><Name>B</Name><Type>0</Type><Usage>8</Usage></FieldDefn>
      <FieldDefn index="6"><Name>Code</Name><Type>0</Type><Usage>0</Usage></FieldDefn>
      <Row index="0"><F>1</F><F>40</F><F>maize</F><F>200</F><F>0</F><F>0</F><F>11</F></Row>
      <Row index="1"><F>2</F><F>30</F><F>oats</F><F>0</F><F>200</F><F>0</F><F>12</F></Row>
      <Row index="2"><F>3</F><F>20</F><F>water</F><F>0</F><F>0</F><F>200</F><F>13</F></Row>
    </GDALRasterAttributeTable>
    <Metadata><MDI key="STATISTICS_MAXIMUM">3</MDI></Metadata>
  </PAMRasterBand>
</PAMDataset>
"""


def auxiliary_files() -> inputs.Reader:
    """GDAL's `.aux.xml` beside labels."""
    files = inputs.raster_files("labels.tif", inputs.label_codes()[None]) | {"labels.tif.aux.xml": _PAM.encode()}
    return inputs.Reader((files,), inputs.in_file(-1, either), _read_map)


def _read_map(path: Path) -> object:
    from hsiattn.mapping.description import describe_map

    return describe_map(str(path)), inputs.read_labels(path)


def _read_split(path: Path) -> object:
    from hsiattn.splits import read_split

    return read_split(path)
