"""Products of a GeoTIFF and an XML file with what is known of its bands, as DLR delivers those of EnMAP and DESIS."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from hsiattn.errors import SceneError
from hsiattn.files.text import printable
from hsiattn.scenes.gdal_metadata import radiometry_of
from hsiattn.scenes.geotiff import GdalSource, open_raster
from hsiattn.scenes.products import metadata_xml
from hsiattn.scenes.products.archives import refuse_archive
from hsiattn.scenes.products.raster_flags import DEFECTIVE_SHARE, raster_flag
from hsiattn.scenes.quality import QualityLayer
from hsiattn.scenes.spectral import SpectralBands
from hsiattn.scenes.validity import clean_nodata

_IMAGE, _METADATA = "SPECTRAL_IMAGE", "METADATA"
_TIFF_SUFFIXES = (".tif", ".tiff")
_SNIFFED = 16
_MOST_FILES = 20_000
"""Entries of a folder that are looked at."""


@dataclass(frozen=True)
class Flag:
    """What values of a raster beside the image say of a pixel.

    Attributes
    ----------
    name
        Name of the quality layer, see `hsiattn.scenes.quality`.
    companion
        What the raster is called in the place of SPECTRAL_IMAGE.
    values
        Those that say so.
    bands
        Numbers of its bands; one that says so suffices.
    """

    name: str
    companion: str
    values: tuple[int, ...] = (1,)
    bands: tuple[int, ...] = (1,)


@dataclass(frozen=True)
class ImageProduct:
    """How a sensor's products of this kind are laid out.

    Attributes
    ----------
    name
        Of the sensor.
    mark
        Beginning of the names of products, with the processing level as group.
    reflectance
        Levels whose values are reflectance; those of others are radiance.
    band
        Element of a band, below `bandCharacterisation`.
    number, wavelength, fwhm, gain, offset
        Its attribute or children: number (1 …), centre and width in nm, and the two of reflectance = value × gain +
        offset.
    background
        Path of the value of pixels without measurement.
    nodata
        The same as published, where neither the image nor the XML file has it.
    statistics
        Path of the elements that tell, by band, mean and standard deviation of the measurements.
    detectors
        Names of the spectrometers, each with the path of the list of its bands.
    flags
        Quality layers.
    defects
        Companion with a band for every band of the image, 1 where a value is defective.
    """

    name: str
    mark: re.Pattern[bytes]
    reflectance: tuple[str, ...]
    band: str
    number: str
    wavelength: str
    fwhm: str
    gain: str
    offset: str
    background: str
    nodata: float
    flags: tuple[Flag, ...]
    statistics: str = ""
    detectors: tuple[tuple[str, str], ...] = ()
    defects: str = ""


class ImageProductSource(GdalSource):
    """The image of a product, with all that the files beside it say.

    Parameters
    ----------
    metadata
        The XML file.
    product
        Layout of the product.

    Raises
    ------
    SceneError
        A file is missing, damaged or of another product.
    """

    def __init__(self, metadata: Path, product: ImageProduct) -> None:
        content = metadata_xml.read_start(metadata, metadata_xml.MOST_BYTES + 1)
        root = metadata_xml.parse(content, metadata)
        elements = _band_elements(root, product, metadata)
        image = _image_of(metadata, len(elements))
        super().__init__(str(image))
        if len(elements) != len(self.bands):
            raise SceneError(
                f"{metadata} describes {len(elements)} bands, and {image} has {len(self.bands)}",
                "put the files of one product into one folder",
            )
        level = _level((content, metadata.name.encode(errors="replace"), image.name.encode(errors="replace")), product)
        self.bands = _bands_of(root, elements, product)
        notes = [self._take_nodata(root, product), self._take_radiometry(elements, product, level)]
        missing: list[str] = []
        self.quality, files = self._layers(metadata, product, missing)
        if missing:
            notes.append(f"beside {metadata.name} there is no {', '.join(missing)}: nothing is left out by it")
        self.files = (*self.files, str(metadata), *files)
        self.notes = (*self.notes, *(note for note in notes if note), *_overlap(root, self.bands, product))

    def _take_nodata(self, root: ElementTree.Element, product: ImageProduct) -> str:
        """Set nodata: of the image, else of the XML file, else as published; and what the user should know of it.

        The XML file comes second, and a 0 in it counts for nothing: products have been seen in which it is wrong for
        this level, and the image's own tag is what other programs go by.
        """
        told = clean_nodata(root.findtext(product.background), self.dtype) if product.background else None
        if any(value is not None for value in self.nodata_of()):
            return ""
        value = told if told else clean_nodata(product.nodata, self.dtype)
        self._set_nodata([value] * len(self.bands))
        return ""

    def _take_radiometry(self, elements: list[ElementTree.Element], product: ImageProduct, level: str) -> str:
        if level not in product.reflectance:
            self._radiometry = None
            return f"{self.name} is of level {level}: its values stand for radiance, not for reflectance"
        gain, offset = (np.array(metadata_xml.numbers(elements, name)) for name in (product.gain, product.offset))
        offset[np.isnan(offset)] = 0.0
        radiometry, note = radiometry_of(self.name, gain, offset)
        self._radiometry = radiometry
        return note

    def _layers(
        self, metadata: Path, product: ImageProduct, missing: list[str]
    ) -> tuple[tuple[QualityLayer, ...], list[str]]:
        """Quality layers and their files; companions that are not there are added to `missing`."""
        layers: list[QualityLayer] = []
        files: list[str] = []
        shape = (self.height, self.width)
        for flag in product.flags:
            path = _companion(metadata, flag.companion)
            if path is None:
                missing += [flag.companion] if flag.companion not in missing else []
                continue
            layers.append(QualityLayer(flag.name, raster_flag(path, shape, flag.bands, flag.values), path))
            files += [path] if path not in files else []
        defects = _companion(metadata, product.defects) if product.defects else None
        good = tuple((np.flatnonzero(self.bands.good) + 1).tolist())
        if defects is not None and good:
            layers.append(QualityLayer("defective", raster_flag(defects, shape, good, share=DEFECTIVE_SHARE), defects))
            files.append(defects)
        elif product.defects and defects is None:
            missing.append(product.defects)
        return tuple(layers), files


def open_image_product(path: Path, product: ImageProduct) -> GdalSource | None:
    """Open a product by its folder, its XML file or its image; None where the path belongs to no such product.

    An image without the XML file beside it is opened as it is, with a note of what that costs.

    Raises
    ------
    SceneError
        The folder holds several such products, the path is an archive of one, or a file of it is missing or damaged.
    """
    try:
        is_folder = path.is_dir()
    except (OSError, ValueError):
        return None  # no such path, as whoever opens it next will say
    if is_folder:
        return _open_folder(path, product)
    refuse_archive(path, product.name)
    start = metadata_xml.read_start(path, _SNIFFED)
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return ImageProductSource(path, product) if _describes(path, product) else None
    return _open_image(path, product) if start else None


def _open_folder(folder: Path, product: ImageProduct) -> GdalSource | None:
    files = _files_in(folder)
    found = [file for file in files if _is_candidate(file) and _describes(file, product)]
    if len(found) > 1:
        names = ", ".join(printable(file.name, 120) for file in found[:5])
        raise SceneError(f"{folder} holds {len(found)} {product.name} products: {names}", "give one of them")
    if found:
        return None if _holds_tiles(found[0], product) else ImageProductSource(found[0], product)
    images = [file for file in files if _IMAGE in file.name.upper() and _is_named(file, product)]
    sources = [source for source in (_open_image(file, product) for file in images) if source is not None]
    return sources[0] if len(sources) == 1 else None


def _open_image(path: Path, product: ImageProduct) -> GdalSource | None:
    """Open a product by its image; None where it is not called as such."""
    stem = re.search(_IMAGE, path.name, re.IGNORECASE)
    if stem is None or path.suffix.lower() not in _TIFF_SUFFIXES:
        return None
    prefix = path.name[: stem.start()] + _METADATA
    metadata = _named(path.parent, prefix, (".xml",))
    if metadata is not None and (_describes(metadata, product) or _is_named(path, product)):
        return ImageProductSource(metadata, product)
    if not _is_named(path, product):
        return None
    source = GdalSource(str(path))
    lost = "wavelengths, scale and quality layers are unknown"
    source.notes = (*source.notes, f"{path.name} has no {prefix}.XML beside it: {lost}")
    return source


def _is_named(path: Path, product: ImageProduct) -> bool:
    return product.mark.search(path.name.encode(errors="replace")) is not None


def _describes(path: Path, product: ImageProduct) -> bool:
    """Whether an XML file is the metadata of such a product, by the elements in it; its name says nothing."""
    content = metadata_xml.read_start(path, metadata_xml.MOST_BYTES)
    return b"bandCharacterisation" in content and f"{product.gain}>".encode() in content


def _is_candidate(file: Path) -> bool:
    return file.suffix.lower() == ".xml" and not file.name.lower().endswith(".aux.xml")


def _level(texts: Iterable[bytes], product: ImageProduct) -> str:
    """The processing level, by the first text that names a product."""
    found = next((match for match in map(product.mark.search, texts) if match), None)
    return found[1].decode("ascii", "replace") if found else "unknown"


def _files_in(folder: Path) -> list[Path]:
    return sorted(Path(entry.path) for entry in _entries(folder) if entry.is_file())


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number == _MOST_FILES:
                    return
                yield entry
    except OSError:
        return


def _named(folder: Path, name: str, suffixes: tuple[str, ...]) -> Path | None:
    """The file of that name in a folder, whatever its case, also in the spelling of cloud-optimised copies (`_COG`)."""
    wanted = [f"{name}{cog}{suffix}".lower() for cog in ("", "_COG") for suffix in suffixes]
    there = {file.name.lower(): file for file in _files_in(folder)}
    return next((there[text] for text in wanted if text in there), None)


def _companion(metadata: Path, key: str) -> str | None:
    """The raster of a product that is called `key` where its metadata are called METADATA; None if it is not there."""
    place = metadata.name.upper().rfind(_METADATA)
    if place >= 0:
        found = _named(metadata.parent, metadata.name[:place] + key, _TIFF_SUFFIXES)
        return str(found) if found is not None else None
    # The XML file was renamed: what ends like the companion, if it is the only one.
    ending = re.compile(rf"(^|[-_.]){key}(_COG)?\.TIFF?$", re.IGNORECASE)
    fitting = [file for file in _files_in(metadata.parent) if ending.search(file.name)]
    return str(fitting[0]) if len(fitting) == 1 else None


def _image_of(metadata: Path, bands: int) -> Path:
    """The image of a product: by its name, else the only GeoTIFF beside the XML file with so many bands."""
    named = _companion(metadata, _IMAGE)
    if named is not None:
        return Path(named)
    fitting = _of_so_many_bands(metadata.parent, bands)
    if len(fitting) == 1:
        return fitting[0]
    raise SceneError(
        f"the {_IMAGE} of {metadata} is not beside it", "put all files of the product into one folder, as delivered"
    )


def _of_so_many_bands(folder: Path, bands: int) -> list[Path]:
    """GeoTIFFs with so many bands that may be measurements."""
    fitting = []
    for file in _files_in(folder):
        if file.suffix.lower() in _TIFF_SUFFIXES and "QL_" not in file.name.upper():
            with suppress(SceneError), open_raster(str(file)) as dataset:
                if dataset.count == bands and "int8" not in dataset.dtypes[0]:
                    fitting.append(file)
    return fitting


def _holds_tiles(metadata: Path, product: ImageProduct) -> bool:
    """Whether a folder holds tiles that were cut from a product beside its XML file, not the product."""
    if _companion(metadata, _IMAGE) is not None:
        return False
    root = metadata_xml.parse(metadata_xml.read_start(metadata, metadata_xml.MOST_BYTES + 1), metadata)
    return len(_of_so_many_bands(metadata.parent, len(_band_elements(root, product, metadata)))) > 1


def _band_elements(root: ElementTree.Element, product: ImageProduct, metadata: Path) -> list[ElementTree.Element]:
    """The elements of the bands, in the order of their numbers."""
    listed = [element for parent in root.iter("bandCharacterisation") for element in parent.findall(product.band)]
    if not listed:
        raise SceneError(f"{metadata} describes no bands", "copy or download the product again")
    given = [element.get(product.number) or element.findtext(product.number) or "" for element in listed]
    if all(text.strip().isdecimal() and len(text) < 10 for text in given):
        order = sorted(range(len(listed)), key=lambda i: int(given[i]))
        return [listed[i] for i in order]
    return listed


def _bands_of(root: ElementTree.Element, elements: list[ElementTree.Element], product: ImageProduct) -> SpectralBands:
    """Wavelengths, FWHM and names; a band that the statistics say to hold no measurement is bad."""
    count = len(elements)
    centres, widths = (np.array(metadata_xml.numbers(elements, name)) for name in (product.wavelength, product.fwhm))
    centres[~(centres > 0)] = np.nan
    widths[~(widths > 0)] = np.nan
    detector = _detectors(root, count, product)
    names = [f"band {i + 1} ({detector[i]})" if detector[i] else None for i in range(count)]
    return SpectralBands.build(count, names=names, wavelength=centres, fwhm=widths, good=~_empty(root, count, product))


def _detectors(root: ElementTree.Element, count: int, product: ImageProduct) -> list[str]:
    """The spectrometer of every band, empty where it is not told."""
    found = [""] * count
    for name, path in product.detectors:
        for number in metadata_xml.integers(root.findtext(path)):
            if 1 <= number <= count:
                found[number - 1] = name
    return found


def _empty(root: ElementTree.Element, count: int, product: ImageProduct) -> NDArray[np.bool_]:
    """Bands of whose values the product's statistics say that there are none: no spread about an impossible mean."""
    listed = root.findall(product.statistics) if product.statistics else []
    if len(listed) != count:
        return np.zeros(count, dtype=bool)
    mean, spread = (np.array(metadata_xml.numbers(listed, name)) for name in ("mean", "stdDeviation"))
    with np.errstate(invalid="ignore"):
        return np.asarray((spread == 0) & (mean < np.iinfo(np.int16).min))


def _overlap(root: ElementTree.Element, bands: SpectralBands, product: ImageProduct) -> list[str]:
    """What the user should know of spectrometers that measure the same wavelengths."""
    detector = np.array(_detectors(root, len(bands), product))
    spans = []
    for name, _ in product.detectors:
        centres = bands.wavelength[(detector == name) & np.isfinite(bands.wavelength)]
        if not centres.size:
            return []
        spans.append((float(centres.min()), float(centres.max())))
    if len(spans) < 2:
        return []
    low, high = max(first for first, _ in spans), min(last for _, last in spans)
    inside = int(np.count_nonzero((bands.wavelength >= low) & (bands.wavelength <= high)))
    if low > high or not inside:
        return []
    both = " and ".join(name for name, _ in product.detectors)
    return [f"{both} overlap from {low:.0f} to {high:.0f} nm, where all {inside} bands of both are kept"]
