"""Assessing maps by probability samples, from the draw to the report."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio
from affine import Affine

import hsiattn
from hsiattn import AccuracyReport
from hsiattn.assessment import write_sample
from hsiattn.errors import AssessmentError, GridError, LabelError

SHAPE = (120, 150)
TRANSFORM = Affine(10, 0, 4e5, 0, -10, 5.8e6)
NAMES = {1: "soil", 2: "water", 3: "roof"}


def write(path: Path, codes: np.ndarray, *, crs: str | None = "EPSG:32633", transform: Affine = TRANSFORM) -> Path:
    profile: dict[str, Any] = {"driver": "GTiff", "height": codes.shape[0], "width": codes.shape[1], "count": 1}
    with rasterio.open(path, "w", dtype="uint8", nodata=0, crs=crs, transform=transform, **profile) as file:
        file.write(codes.astype(np.uint8), 1)
    text = "".join(f"<Category>{name}</Category>" for name in ("unclassified", *NAMES.values()))
    Path(f"{path}.aux.xml").write_text(
        f'<PAMDataset><PAMRasterBand band="1"><CategoryNames>{text}</CategoryNames></PAMRasterBand></PAMDataset>'
    )
    return path


@pytest.fixture
def truth() -> np.ndarray:
    return np.random.default_rng(0).choice([1, 2, 3], SHAPE, p=[0.6, 0.3, 0.1])


@pytest.fixture
def mapped(truth: np.ndarray, tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    codes = np.where(rng.random(SHAPE) < 0.8, truth, rng.integers(1, 4, SHAPE))
    codes[:5] = 0
    return write(tmp_path / "map.tif", codes)


@pytest.fixture
def filled(mapped: Path, truth: np.ndarray, tmp_path: Path) -> Callable[..., Path]:
    """Draw a sample of the map and fill it in by the truth."""

    def fill(as_text: Callable[[int], str | None] = NAMES.__getitem__, **options: Any) -> Path:
        path = tmp_path / "sample.gpkg"
        drawn = hsiattn.draw_sample(mapped, **options)
        write_sample(drawn, path)
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("CREATE INDEX by_id ON sample (id)")  # else each row is looked for among all
            for number, (row, column) in enumerate(zip(drawn.rows, drawn.columns, strict=True), start=1):
                text = as_text(int(truth[row, column]))
                database.execute("UPDATE sample SET class = ? WHERE id = ?", (text, number))
            database.execute("DROP INDEX by_id")
        return path

    return fill


def test_a_sample_of_every_pixel_gives_the_truth(mapped: Path, truth: np.ndarray, filled: Callable[..., Path]) -> None:
    report = hsiattn.assess(mapped, filled(per_class=100_000))
    codes = rasterio.open(mapped).read(1)
    there = codes > 0
    assert report.areas is not None
    assert not report.areas["assumed"]
    assert report.areas["standard_error"] == 0
    assert report.overall_accuracy.value == pytest.approx((codes == truth)[there].mean())
    for row in report.areas["classes"]:
        assert row["hectares"]["value"] == pytest.approx(0.01 * (truth[there] == row["code"]).sum())
        assert row["mapped_hectares"] == pytest.approx(0.01 * (codes == row["code"]).sum())


@pytest.mark.parametrize("as_text", [NAMES.__getitem__, str])
def test_a_small_sample_holds_the_truth_in_its_intervals(
    mapped: Path, truth: np.ndarray, filled: Callable[..., Path], as_text: Callable[[int], str]
) -> None:
    report = hsiattn.assess(mapped, filled(as_text, size=400))
    codes = rasterio.open(mapped).read(1)
    right = (codes == truth)[codes > 0].mean()
    assert report.test_pixels == 400
    assert report.overall_accuracy.lower <= right <= report.overall_accuracy.upper
    assert report.classes.names == tuple(NAMES.values())
    assert "Stratified random sample of 400 pixels" in report.to_text()


def test_another_map_of_the_area_is_assessed_by_the_same_sample(
    mapped: Path, truth: np.ndarray, filled: Callable[..., Path], tmp_path: Path
) -> None:
    """Stehman 2014: the strata are the classes of the map that was sampled. Here the other map is the truth."""
    other = write(tmp_path / "other.tif", truth)
    report = hsiattn.assess(other, filled(size=300))
    assert report.overall_accuracy.value == 1
    assert report.overall_accuracy.lower < 1
    assert any("Stehman 2014" in note for note in report.notes)


def test_a_map_in_another_crs_is_reached_by_coordinates(
    truth: np.ndarray, filled: Callable[..., Path], tmp_path: Path
) -> None:
    sample = filled(size=300)
    left, top = pyproj.Transformer.from_crs(32633, 4326, always_xy=True).transform(4e5, 5.8e6)
    right, bottom = pyproj.Transformer.from_crs(32633, 4326, always_xy=True).transform(4e5 + 1500, 5.8e6 - 1200)
    half = write(
        tmp_path / "half.tif",
        np.full((10, 10), 1),
        crs="EPSG:4326",
        transform=Affine((right - left) / 20, 0, left, 0, (bottom - top) / 10, top),
    )
    report = hsiattn.assess(half, sample)
    outside = 300 - report.test_pixels
    assert 100 < outside < 200
    assert any(f"{outside} reference pixels lie outside of the map" in note for note in report.notes)


def test_a_map_that_has_changed_since_is_told_apart(
    mapped: Path, truth: np.ndarray, filled: Callable[..., Path]
) -> None:
    sample = filled(size=100)
    assert not any("changed" in note for note in hsiattn.assess(mapped, sample).notes)
    write(mapped, truth)
    assert any(
        "map.tif has changed since the sample was drawn" in note for note in hsiattn.assess(mapped, sample).notes
    )


def test_pixels_that_nobody_looked_at_do_not_count(mapped: Path, filled: Callable[..., Path]) -> None:
    answers = iter(range(10_000))
    report = hsiattn.assess(mapped, filled(lambda code: NAMES[code] if next(answers) % 3 else None, size=120))
    assert report.test_pixels == 80
    assert any(note.startswith("40 of 120 reference pixels have no class") for note in report.notes)


def test_nothing_filled_in_is_an_error(mapped: Path, filled: Callable[..., Path]) -> None:
    with pytest.raises(AssessmentError, match="is filled in"):
        hsiattn.assess(mapped, filled(lambda _: None, size=20))


def test_classes_that_the_map_lacks_are_errors_of_it(mapped: Path, filled: Callable[..., Path]) -> None:
    report = hsiattn.assess(mapped, filled(lambda code: "snow" if code == 3 else NAMES[code], size=200))
    assert report.classes.names[-1] == "snow"
    assert report.per_class[-1].producers_accuracy.value == 0
    assert report.per_class[-1].support > 0


def test_names_of_which_the_map_has_none_are_refused(mapped: Path, filled: Callable[..., Path]) -> None:
    with pytest.raises(LabelError, match="is among those of the map"):
        hsiattn.assess(mapped, filled(lambda code: f"Klasse {code}", size=20))


def test_a_map_without_a_place_must_have_the_size_of_the_sampled_one(
    truth: np.ndarray, filled: Callable[..., Path], tmp_path: Path
) -> None:
    sample = filled(size=100)
    np.save(tmp_path / "whole.npy", truth)
    np.save(tmp_path / "part.npy", truth[:50])
    assert hsiattn.assess(str(tmp_path / "whole.npy"), sample).overall_accuracy.value == 1
    with pytest.raises(GridError, match="differ in size"):
        hsiattn.assess(str(tmp_path / "part.npy"), sample)


def test_a_sample_takes_no_split_and_no_groups(mapped: Path, filled: Callable[..., Path]) -> None:
    sample = filled(size=100)
    with pytest.raises(AssessmentError, match="leave out groups="):
        hsiattn.assess(mapped, sample, groups="fields")
    with pytest.raises(AssessmentError, match="leave out strata="):
        hsiattn.assess(mapped, sample, strata=mapped)


@pytest.mark.parametrize(
    ("name", "value"),
    [("against", "map.tif"), ("confidence", "map.tif"), ("all_touched", True), ("inner_buffer", 5.0), ("radius", 5.0)],
)
def test_no_argument_goes_without_effect_beside_a_sample(
    mapped: Path, filled: Callable[..., Path], name: str, value: Any
) -> None:
    with pytest.raises(AssessmentError, match=f"leave out {name}="):
        hsiattn.assess(mapped, filled(size=90), **{name: value})


# -- points of one's own -----------------------------------------------------------------------------------------------


@pytest.fixture
def points(truth: np.ndarray, tmp_path: Path) -> Path:
    """A simple random sample of pixels as a table of coordinates."""
    rng = np.random.default_rng(3)
    places = rng.choice(truth.size, 400, replace=False)
    rows, columns = np.divmod(places, SHAPE[1])
    lines = [
        f"{4e5 + 10 * c + 5},{5.8e6 - 10 * r - 5},{NAMES[int(truth[r, c])]}" for r, c in zip(rows, columns, strict=True)
    ]
    (tmp_path / "points.csv").write_text("\n".join(["x,y,class", *lines]))
    return tmp_path / "points.csv"


def test_own_points_with_the_raster_that_stratified_them(mapped: Path, truth: np.ndarray, points: Path) -> None:
    report = hsiattn.assess(mapped, points, strata=mapped)
    codes = rasterio.open(mapped).read(1)
    assert report.areas is not None
    assert not report.areas["assumed"]
    assert sum(row["pixels"] for row in report.areas["strata"]) == (codes > 0).sum()
    assert report.overall_accuracy.lower < (codes == truth)[codes > 0].mean() < report.overall_accuracy.upper
    assert any("lie in no class of" in note for note in report.notes)


def test_strata_may_be_those_of_another_map(mapped: Path, truth: np.ndarray, points: Path, tmp_path: Path) -> None:
    strata = write(tmp_path / "strata.tif", np.repeat(np.arange(SHAPE[0])[:, None] // 60 + 1, SHAPE[1], axis=1))
    report = hsiattn.assess(mapped, points, strata=strata)
    assert report.unclassified_pixels > 0  # the first rows of the map, which the strata reach
    assert report.areas is not None
    assert [row["pixels"] for row in report.areas["strata"]] == [9000, 9000]
    codes = rasterio.open(mapped).read(1)
    assert report.overall_accuracy.lower < (codes == truth).mean() < report.overall_accuracy.upper


def test_polygons_have_no_strata(mapped: Path, tmp_path: Path) -> None:
    shape = {"type": "Polygon", "coordinates": [[[13, 52], [13.1, 52], [13, 52.1], [13, 52]]]}
    feature = {"type": "Feature", "properties": {"class": "soil"}, "geometry": shape}
    (tmp_path / "fields.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    with pytest.raises(LabelError, match="no points"):
        hsiattn.assess(mapped, tmp_path / "fields.geojson", strata=mapped)
    with pytest.raises(AssessmentError, match="strata need points"):
        hsiattn.assess(mapped, mapped, strata=mapped)


# -- labels of unknown design ------------------------------------------------------------------------------------------


def test_labels_give_areas_as_an_assumption(mapped: Path, truth: np.ndarray, tmp_path: Path) -> None:
    labels = np.where(np.random.default_rng(2).random(SHAPE) < 0.05, truth, 0)
    report = hsiattn.assess(mapped, write(tmp_path / "labels.tif", labels))
    assert report.areas is not None
    assert report.areas["assumed"]
    assert report.areas["hectares"] == pytest.approx(0.01 * 115 * 150)
    text = " ".join(report.to_text().split())
    assert "hold only if the test pixels were a random sample" in text
    right = np.trace(report.confusion) / report.test_pixels
    assert report.overall_accuracy.value == pytest.approx(right)  # that of the test pixels as they are
    assert AccuracyReport.from_dict(report.to_dict()).areas == report.areas
