"""Public scenes as DataArrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsiattn.datasets.cards import DatasetCard, DatasetFile, DatasetRaster, dataset_card
from hsiattn.datasets.downloading import download_dataset
from hsiattn.datasets.label_maps import majority, read_codes
from hsiattn.datasets.numpy_cube import NumpyCube
from hsiattn.datasets.places import check_released, find_file, folders_of, how_to_get, present_files
from hsiattn.errors import DatasetError, LabelError, SceneError
from hsiattn.files.paths import StrPath
from hsiattn.scenes import SceneSource, SpectralBands, georeference, grid_of, open_source, to_scene


def open_dataset(
    name: str, root: StrPath | None = None, *, download: bool = False
) -> tuple[xr.DataArray, xr.DataArray]:
    """Open a public scene and its label map.

    Parameters
    ----------
    name
        One of `dataset_names()`.
    root
        Folder that holds the files, or a folder named like the scene with the files inside. Default: `$HSIATTN_DATA`,
        else the platform's cache folder; see `dataset_root`.
    download
        Download what is not there, see `download_dataset`.

    Returns
    -------
    scene : DataArray
        As from `open_scene`, with the card's wavelengths and bad bands; bands for a natural-colour picture (counted
        from 1 in this cube, as in the coordinate `band`) are in the attribute `rgb`.
    labels : DataArray
        Dims ("y", "x"), int32, the original codes, 0 = unlabelled; the class table is in the attributes. Of a label
        map that is finer than the cube, every pixel has the most frequent class, and 0 where two are equally frequent.

    Raises
    ------
    DatasetError
        Unknown name; files that are missing (the message says which, and where to get them), or not those released.

    Examples
    --------
    >>> scene, labels = open_dataset("indian-pines", download=True)  # doctest: +SKIP
    """
    card = dataset_card(name)
    if download:
        download_dataset(name, root)
    folders = folders_of(card, root)
    present = present_files(card, folders)
    cube, cube_paths = _found(card, card.cube, present, folders)
    label_map, label_paths = _found(card, card.labels, present, folders)
    for file, paths in ((cube, cube_paths), (label_map, label_paths)):
        for part, path in zip((file, *file.with_files), paths, strict=True):
            check_released(card, path, part)
    scene = _open_cube(card, cube_paths[0], cube.key or card.cube.key)
    return scene, _open_label_map(card, label_paths, label_map.key or card.labels.key, scene)


def _found(
    card: DatasetCard, raster: DatasetRaster, present: dict[str, Path], folders: Sequence[Path]
) -> tuple[DatasetFile, list[Path]]:
    found = find_file(raster, present)
    if found is not None:
        return found
    names = " or ".join(" with ".join(part.name for part in (file, *file.with_files)) for file in raster.files)
    raise DatasetError(f"{card.name} needs {names}, which is not in {folders[0]} nor {folders[1]}", how_to_get(card))


def _open_cube(card: DatasetCard, path: Path, key: str | None) -> xr.DataArray:
    try:
        is_numpy = path.suffix.lower() == ".npy"
        source: SceneSource = NumpyCube(path) if is_numpy else open_source(path, _key_of(path, key))
    except SceneError as error:
        raise _unusable(card, error) from error
    if (source.height, source.width) != (card.height, card.width):
        raise _wrong_size(card, path, (source.height, source.width), (card.height, card.width))
    spectra = len(source.bands) - card.appended_bands
    bands = card.spectral_bands(spectra)
    scene = to_scene(source.with_bands(_with_appended(bands, card.appended_bands))).isel(band=slice(spectra))
    present = range(card.bands) if len(bands) == card.bands else card.kept_bands.tolist()
    return scene.assign_attrs(rgb=[list(present).index(band - 1) + 1 for band in card.rgb])


def _with_appended(bands: SpectralBands, count: int) -> SpectralBands:
    """These bands, and `count` behind them of which nothing is known."""
    blank = np.full(count, np.nan)
    return SpectralBands.build(
        len(bands) + count,
        names=[*bands.names, *[None] * count],
        wavelength=[*bands.wavelength, *blank],
        fwhm=[*bands.fwhm, *blank],
        good=[*bands.good, *[False] * count],
        nominal=bands.nominal,
    )


def _key_of(path: Path, key: str | None) -> str | None:
    """The variable that is meant, for a format that has variables."""
    return key if path.suffix.lower() == ".mat" else None


def _open_label_map(card: DatasetCard, paths: Sequence[Path], key: str | None, scene: xr.DataArray) -> xr.DataArray:
    finer = card.labels.finer
    shape = (card.height * finer, card.width * finer)
    try:
        codes: NDArray[Any] = read_codes(paths, key, shape)
    except (SceneError, LabelError) as error:
        raise _unusable(card, error) from error
    if codes.shape != shape:
        raise _wrong_size(card, paths[0], codes.shape, shape)
    attrs: dict[str, Any] = {"name": str(paths[0]), **card.class_table.to_attrs()}
    whole = codes.astype(np.int32) if finer == 1 else majority(codes, finer)
    return georeference(xr.DataArray(whole, dims=("y", "x"), attrs=attrs, name=paths[0].stem), grid_of(scene))


def _unusable(card: DatasetCard, error: SceneError | LabelError) -> DatasetError:
    return DatasetError(error.problem, f"{error.remedy}; the released files are at {card.source.page}")


def _wrong_size(card: DatasetCard, path: Path, found: tuple[int, ...], released: tuple[int, int]) -> DatasetError:
    sizes = ["×".join(map(str, size)) for size in (found, released)]
    return DatasetError(
        f"{path} has {sizes[0]} pixels, that of {card.name} has {sizes[1]}",
        f"get the file again from {card.source.page}",
    )
