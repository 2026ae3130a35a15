"""Fixtures that many tests share: the real scenes beside the repository, and a tiny scene that is generated."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from hypothesis import settings
from rasterio.crs import CRS

# A busy machine makes any test slow. The same examples each time: a check that passes once passes again.
settings.register_profile("hsiattn", deadline=None, derandomize=True)
settings.load_profile("hsiattn")

# As the command line does, and before torch is loaded: waiting threads sleep, so tests stay quick on a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# A shell that runs the tests in the background has them, and the programs that they start, ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

if TYPE_CHECKING:
    from hsiattn import SpectralSpatialClassifier
    from hsiattn.training import Recipe

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="session", autouse=True)
def _small_forests() -> Iterator[None]:
    """Forests of pseudo-labels are half of what training takes on tiny scenes, where they only have to take part."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hsiattn.pseudo_labels.discriminants._TREES", 10)
        yield


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real scenes, as its README describes it."""
    folder = Path(os.environ.get("HSIATTN_REAL_DATA") or REPOSITORY.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"the real scenes are not at {folder}; set HSIATTN_REAL_DATA")
    return folder


@dataclass(frozen=True)
class TinyScene:
    """A generated scene of 48×40 pixels and 24 bands with three classes, and its labels."""

    scene: Path
    labels: Path
    spectra: np.ndarray  # (24, 40, 48) float32
    codes: np.ndarray  # (40, 48) uint8: 1, 4 and 7; 0 is unlabelled
    crs: str
    transform: Affine
    nodata: float


def _write_scene(path: Path, values: np.ndarray, *, crs: str | None, transform: Affine, nodata: float | None) -> Path:
    """A GeoTIFF with wavelengths as band tags, values of shape (B, H, W)."""
    count, height, width = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", count=count, height=height, width=width, dtype=values.dtype, crs=crs,
        transform=transform, nodata=nodata,
    ) as dataset:  # fmt: skip
        dataset.write(values)
        for band in range(count):
            dataset.update_tags(band + 1, wavelength=str(450.0 + 20.0 * band), wavelength_units="nm")
    return path


def _write_labels(path: Path, codes: np.ndarray, *, crs: str | None, transform: Affine) -> Path:
    """A GeoTIFF of class codes, shape (H, W)."""
    height, width = codes.shape
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=height, width=width, dtype=codes.dtype, crs=crs, transform=transform,
        nodata=0,
    ) as dataset:  # fmt: skip
        dataset.write(codes, 1)
    return path


@pytest.fixture(scope="session")
def write_scene() -> Callable[..., Path]:
    """The function that writes a GeoTIFF scene."""
    return _write_scene


@pytest.fixture(scope="session")
def write_labels() -> Callable[..., Path]:
    """The function that writes a GeoTIFF of class codes."""
    return _write_labels


def _make_scene(
    values: np.ndarray, *, nodata: float | None = None, scale: float = 1.0, transform: Affine | None = None,
    crs: str | None = "EPSG:32633", name: str = "made scene",
) -> xr.DataArray:  # fmt: skip
    """A scene in memory from values (B, H, W), bands every 10 nm from 400 nm on."""
    from hsiattn.scenes import Grid, georeference

    count, height, width = values.shape
    attrs = {"name": name} | ({} if nodata is None else {"_FillValue": nodata})
    attrs |= {"scale_factor_reflectance": scale} if scale != 1.0 else {}
    scene = xr.DataArray(
        values,
        dims=("band", "y", "x"),
        coords={"wavelength": ("band", 400.0 + 10.0 * np.arange(count), {"units": "nm"})},
        attrs=attrs,
    )
    transform = transform or Affine(10.0, 0.0, 360000.0, 0.0, -10.0, 5810000.0)
    return georeference(scene, Grid(height, width, CRS.from_string(crs) if crs else None, transform))


@pytest.fixture(scope="session")
def make_scene() -> Callable[..., xr.DataArray]:
    """The function that makes a scene in memory."""
    return _make_scene


@pytest.fixture(scope="session")
def quick_recipe() -> Recipe:
    """The default recipe, so small that training takes about a second."""
    from hsiattn.training import load_recipe

    changes = [
        "patch_size=5",
        "training.max_epochs=4",
        "training.max_per_class=30",
        "training.batch_size=32",
        "training.pseudo_labels.pixels=200",
    ]
    sizes = "network.arguments={group: 8, embedding: 4, hidden: 4, width: 4, dropout: 0.3}"
    return load_recipe("default", [*changes, sizes])


@pytest.fixture(scope="session")
def check_item() -> Callable[[dict], None]:
    """The function that checks a STAC item against STAC and every extension that it names; nothing is fetched."""
    import pystac
    from jsonschema import Draft7Validator
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT7

    extensions = REPOSITORY / "tests" / "models" / "stac_schemas"
    core = Path(pystac.__file__).parent / "validation" / "jsonschemas"
    resources = []
    for file in [*core.rglob("*.json"), *extensions.glob("*.json")]:
        schema = json.loads(file.read_text())
        address = schema["$id"].rstrip("#")
        if file.parent == extensions:
            name, version = file.stem.rsplit("-", 1)
            address = f"https://stac-extensions.github.io/{name}/{version}/schema.json"
        elif address.endswith("commonjson"):  # a slip in STAC 1.1.0
            address = address.replace("commonjson", "common.json")
        schema["$id"] = address
        resources.append((address, Resource.from_contents(schema, default_specification=DRAFT7)))
    registry = Registry().with_resources(resources)

    def check(item: dict) -> None:
        base = "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/item.json"
        for address in (base, *item["stac_extensions"]):
            validator = Draft7Validator({"$ref": address}, registry=registry)
            errors = [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(item)]
            assert errors == [], address

    return check


@pytest.fixture(scope="session")
def fitted(tiny: TinyScene, quick_recipe: Recipe) -> SpectralSpatialClassifier:
    """A classifier fitted on the tiny scene; tests never fit it again."""
    from hsiattn import SpectralSpatialClassifier, open_labels, open_scene
    from hsiattn.splits import RandomPixels

    classifier = SpectralSpatialClassifier(quick_recipe, split=RandomPixels(train_size=20), device="cpu")
    return classifier.fit(open_scene(tiny.scene), open_labels(tiny.labels))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyScene:
    """The tiny scene on disk. Session-wide: tests read it and never write to it."""
    folder = tmp_path_factory.mktemp("tiny")
    rng = np.random.default_rng(7)
    rows, columns = np.indices((40, 48))
    field = (columns // 8 + rows // 10) % 3  # 8×10-pixel fields, so that every class lies in many places
    axis = np.linspace(0, 1, 24)
    signatures = np.stack([0.2 + 0.3 * axis, 0.5 - 0.3 * axis, 0.3 + 0.2 * np.sin(6 * axis)])
    spectra = (1000 * signatures[field].transpose(2, 0, 1) + rng.normal(0, 15, (24, 40, 48))).astype(np.float32)
    grid = {"crs": "EPSG:32633", "transform": Affine(10.0, 0.0, 360000.0, 0.0, -10.0, 5810000.0)}
    nodata = -9999.0
    spectra[:, 0, :5] = nodata
    codes = np.array([1, 4, 7], dtype=np.uint8)[field]
    codes[rng.random(codes.shape) < 0.1] = 0
    scene = _write_scene(folder / "scene.tif", spectra, **grid, nodata=nodata)
    labels = _write_labels(folder / "labels.tif", codes, **grid)
    return TinyScene(scene, labels, spectra, codes, **grid, nodata=nodata)


@pytest.fixture(autouse=True)
def _own_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test sees, or leaves, installed models of the person who runs it."""
    monkeypatch.setenv("HSIATTN_HOME", str(tmp_path_factory.getbasetemp() / "home"))
    monkeypatch.delenv("HSIATTN_MODEL", raising=False)
