"""A land-cover map of a scene, window by window, in memory that does not grow with the scene."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.bundle import Bundle
from hsiattn.devices import Precision, choose_device
from hsiattn.errors import GridError
from hsiattn.mapping.evaluation import evaluate_tile
from hsiattn.mapping.writer import BLOCK, LandCoverWriter
from hsiattn.sampling import read_tile, tile_windows
from hsiattn.scenes import Grid, SceneSource, find_band_match, georeference

Progress = Callable[[int, int], None]
"""Called with the number of pixels done and of all pixels."""

_TILE_BYTES = 128 * 2**20
"""Most memory of one tile of prepared spectra; a handful of such arrays exist at a time."""


@dataclass
class MappingRecord:
    """What was mapped, and where the time went (seconds)."""

    pixels: int
    counts: dict[str, int] = field(default_factory=dict)
    unclassified: int = 0
    messages: list[str] = field(default_factory=list)
    seconds: float = 0.0
    seconds_reading: float = 0.0
    seconds_preparing: float = 0.0
    seconds_computing: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """All figures by name, JSON-ready."""
        return asdict(self)


def classify_scene(
    bundle: Bundle,
    source: SceneSource,
    map_path: str | os.PathLike[str],
    *,
    mask: NDArray[np.bool_] | None = None,
    confidence: str | os.PathLike[str] | None = None,
    probabilities: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    driver: str = "GTiff",
    creation_options: Mapping[str, Any] | None = None,
    window_size: int | None = None,
    device: str = "auto",
    precision: Precision | None = None,
    progress: Progress | None = None,
) -> MappingRecord:
    """Write the land-cover map of a scene.

    Parameters
    ----------
    map_path, confidence, probabilities
        Rasters to write; see `LandCoverWriter`. Confidence is the highest class probability.
    mask
        (H, W), False where no class is wanted.
    window_size
        Side in pixels of the windows in which the scene is read; chosen by the number of bands where None.
    precision
        See `evaluate_tile`; None for the one the model was trained in.

    Raises
    ------
    BandError
        The scene's bands do not fit the model.
    GridError
        The mask has another size than the scene.
    OutputError
        An output exists already or cannot be written.
    SceneError
        The scene is smaller than the patch, or cannot be read.
    """
    began = time.monotonic()
    run = _Windows(bundle, source, mask, window_size, device, precision, progress)
    tags = {"HSIATTN_MODEL_SHA256": bundle.digest, "HSIATTN_PATCH_SIZE": str(bundle.patch_size)}
    tags |= {f"HSIATTN_MADE_WITH_{name.upper().replace('-', '_')}": text for name, text in bundle.versions.items()}
    with LandCoverWriter(
        map_path,
        height=source.height,
        width=source.width,
        crs=source.crs,
        transform=source.transform,
        classes=bundle.classes,
        overwrite=overwrite,
        driver=driver,
        creation_options=creation_options,
        confidence=confidence,
        probabilities=probabilities,
        tags=tags,
    ) as writer:
        for window, indices, shares in run:
            writer.write(
                window,
                indices,
                confidence=shares.max(axis=0) if confidence is not None else None,
                probabilities=shares if probabilities is not None else None,
            )
    run.record.seconds = round(time.monotonic() - began, 3)
    return run.record


def predict_array(
    bundle: Bundle,
    source: SceneSource,
    *,
    mask: NDArray[np.bool_] | None = None,
    probabilities: bool = False,
    device: str = "auto",
    precision: Precision | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """The land cover of a scene in memory.

    Returns
    -------
    xarray.Dataset
        `land_cover` (y, x) original codes, 0 = unclassified, with the class table in its attributes; `confidence`
        (y, x) float32, the highest class probability, NaN where unclassified; with `probabilities`, also that variable
        (class, y, x) with the class names as coordinate. CRS and transform are the scene's.

    Raises
    ------
    BandError, GridError, SceneError
        As in `classify_scene`.
    """
    run = _Windows(bundle, source, mask, None, device, precision, progress)
    grid = Grid(source.height, source.width, source.crs, source.transform)
    codes = np.zeros((grid.height, grid.width), dtype=np.int32)
    likeliest = np.full(codes.shape, np.nan, dtype=np.float32)
    of_classes = np.full((len(bundle.classes), *codes.shape), np.nan, dtype=np.float32) if probabilities else None
    for window, indices, shares in run:
        place = window.toslices()
        codes[place] = bundle.classes.to_codes(indices)
        likeliest[place] = np.where(indices >= 0, shares.max(axis=0), np.nan)
        if of_classes is not None:
            of_classes[(slice(None), *place)] = np.where(indices >= 0, shares, np.nan)
    land_cover = xr.DataArray(codes, dims=("y", "x"), attrs={"long_name": "land cover", **bundle.classes.to_attrs()})
    variables = {
        "land_cover": georeference(land_cover, grid),
        "confidence": georeference(xr.DataArray(likeliest, dims=("y", "x")), grid),
    }
    if of_classes is not None:
        stack = xr.DataArray(of_classes, dims=("class", "y", "x"), coords={"class": list(bundle.classes.names)})
        variables["probabilities"] = georeference(stack, grid)
    return xr.Dataset(variables, attrs={"model_sha256": bundle.digest, "patch_size": bundle.patch_size})


class _Windows:
    """Iterates over a scene: window, class indices (h, w) with -1 = unclassified, probabilities (K, h, w)."""

    def __init__(
        self,
        bundle: Bundle,
        source: SceneSource,
        mask: NDArray[np.bool_] | None,
        window_size: int | None,
        device: str,
        precision: Precision | None,
        progress: Progress | None,
    ) -> None:
        if mask is not None and mask.shape != (source.height, source.width):
            raise GridError(
                f"the mask has {' × '.join(map(str, mask.shape))} pixels, the scene {source.height} × {source.width}",
                "give a mask on the scene's grid",
            )
        chosen = choose_device(device)
        self.network = bundle.network if chosen.type == "cpu" else copy.deepcopy(bundle.network).to(chosen)
        self.bundle = bundle
        self.source = source
        self.bands = bundle.match(source)
        self.mask = mask
        self.size = window_size or _window_size(len(source.bands))
        self.precision: Precision = precision or bundle.training.get("precision", "32")
        self.progress = progress
        self.record = MappingRecord(source.height * source.width, messages=_notes(bundle, source))

    def __iter__(self) -> Iterator[tuple[Window, NDArray[np.int64], NDArray[np.float32]]]:
        record, done = self.record, 0
        counts = np.zeros(len(self.bundle.classes) + 1, dtype=np.int64)
        missing = 0
        for window in tile_windows(self.source.height, self.source.width, self.size):
            shape = int(window.height), int(window.width)
            allowed = np.ones(shape, dtype=bool) if self.mask is None else self.mask[window.toslices()]
            indices, shares = (
                np.full(shape, -1, dtype=np.int64),
                np.zeros((len(self.bundle.classes), *shape), np.float32),
            )
            if allowed.any():
                indices, shares, measured = self._classify(window, allowed)
                missing += int(np.count_nonzero(~measured))
            counts += np.bincount(indices.ravel() + 1, minlength=len(counts))
            yield window, indices, shares
            done += shape[0] * shape[1]
            if self.progress:
                self.progress(done, record.pixels)
        record.unclassified = int(counts[0])
        record.counts = {name: int(count) for name, count in zip(self.bundle.classes.names, counts[1:], strict=True)}
        if missing:
            record.messages.append(f"{missing} pixels hold no data (nodata, NaN or infinite) and stay 0")

    def _classify(
        self, window: Window, allowed: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.bool_]]:
        network, record = self.network, self.record
        halo = network.patch_size // 2
        core = slice(halo, halo + int(window.height)), slice(halo, halo + int(window.width))
        clock = time.monotonic()
        tile = read_tile(self.source, window, halo, self.bands, network.edge)
        record.seconds_reading += (read := time.monotonic()) - clock
        measured = tile.valid[core]
        wanted = allowed & measured
        if not wanted.any():
            nothing = np.zeros((network.classes, *wanted.shape), dtype=np.float32)
            return np.full(wanted.shape, -1, dtype=np.int64), nothing, measured
        spectra, components = self.bundle.preparation.transform(tile.values, tile.valid, self.source.scale)
        record.seconds_preparing += (prepared := time.monotonic()) - read
        inside = spectra[(slice(None), *core)]
        shares = evaluate_tile(network, inside, components, tile.valid, wanted, precision=self.precision)
        record.seconds_computing += time.monotonic() - prepared
        return np.where(wanted, shares.argmax(axis=0), -1), shares, measured


def _window_size(bands: int) -> int:
    """The largest of the writer's block size and its halves and quarters whose tile stays small enough."""
    size = BLOCK
    while size > BLOCK // 4 and bands * size * size * 4 > _TILE_BYTES:
        size //= 2
    return size


def _notes(bundle: Bundle, source: SceneSource) -> list[str]:
    """What the user should know about how the scene's bands were matched."""
    match = find_band_match(bundle.used_bands, source.bands) if len(bundle.bands) != len(source.bands) else None
    if match is not None and match.rule == "wavelength":
        return [
            f"{len(match.indices)} of {len(source.bands)} bands matched to the model by wavelength, "
            f"at most {match.largest_difference:.1f} nm apart"
        ]
    return [] if match is None else [f"{len(match.indices)} bands matched to the model by {match.rule}"]
