"""`hsiattn classify --guide` writes places to label, and `hsiattn train` learns from those that were."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely

CLASSIFY = ("classify", "scene.tif", "map.tif", "--device", "cpu")
NAMES = np.array([None, "water", None, None, "crop land", None, None, "wood"], dtype=object)


def places_in(path):
    info, _, shapes, columns = pyogrio.raw.read(path)
    return dict(zip(info["fields"], columns, strict=True)) | {"shape": shapely.from_wkb(shapes)}


def rows_and_columns(shapes, transform):
    """Row and column of the centres of squares."""
    centers = [~transform @ (shape.centroid.x, shape.centroid.y) for shape in shapes]
    return np.floor([(y, x) for x, y in centers]).astype(int)


def test_places_are_written_filled_in_and_trained_on(desk, hsiattn, model, tiny, quick):
    result = hsiattn(*CLASSIFY, "-m", model, "--guide", "--places", 24)
    assert result.exit_code == 0, result.stderr
    line = (
        "24 places to label: map_places.gpkg; fill in the column class, then hsiattn train SCENE --labels "
        "map_places.gpkg --column class"
    )
    assert line in result.stderr.splitlines()
    found = places_in("map_places.gpkg")
    assert found["place"].tolist() == list(range(1, 25))
    assert set(found["suggestion"]) <= {"class 1", "class 4", "class 7"}
    at = rows_and_columns(found["shape"], tiny.transform)
    fields = (np.indices((40, 48))[1] // 8 + np.indices((40, 48))[0] // 10) % 3
    names = NAMES[np.array([1, 4, 7])[fields[tuple(at.T)]]]
    names[-3:] = None  # the last three could not be told
    names[-1] = ""
    columns = [found[name] if name != "class" else names for name in ("place", "class", "suggestion", "confidence")]
    pyogrio.raw.write(
        "filled.gpkg", shapely.to_wkb(found["shape"]), columns, ["place", "class", "suggestion", "confidence"],
        geometry_type="Polygon", crs=tiny.crs,
    )  # fmt: skip
    options = ("--column", "class", "--split", "none", "--recipe", "lda", "--set", "patch_size=3", "--json")
    result = hsiattn("train", "scene.tif", "--labels", "filled.gpkg", "-o", "m.hsiattn", *options)
    assert result.exit_code == 0, result.stderr
    assert "21 " in next(line for line in result.stderr.splitlines() if "label" in line)
    assert hsiattn("classify", "scene.tif", "again.tif", "-m", "m.hsiattn").exit_code == 0
    with rasterio.open("again.tif") as land_cover:
        mapped = land_cover.read(1)
    codes = {name: code for code, name in enumerate(sorted({"water", "crop land", "wood"}), start=1)}
    truth = np.array([codes[NAMES[code]] for code in (1, 4, 7)])[fields]
    assert (mapped == truth)[1:].mean() > 0.95


def test_trained_and_mapped_in_one_step_the_next_places_are_none_that_have_labels(desk, hsiattn, quick, tiny):
    with rasterio.open("labels.tif") as raster:
        codes, profile = raster.read(1), raster.profile
    codes[:, 24:] = 0
    with rasterio.open("half.tif", "w", **profile) as raster:
        raster.write(codes, 1)
    result = hsiattn(*CLASSIFY, "--labels", "half.tif", "--recipe", "lda", "--split", "none", "--guide", "next.gpkg")
    assert result.exit_code == 0, result.stderr
    at = rows_and_columns(places_in("next.gpkg")["shape"], tiny.transform)
    assert len(at) > 10
    squares = np.stack([codes[row - 1 : row + 2, column - 1 : column + 2] for row, column in at])
    assert not squares.any()


def test_masked_pixels_are_never_suggested(desk, hsiattn, model, tiny, write_labels):
    allowed = np.zeros((40, 48), dtype="uint8")
    allowed[8:30, 4:30] = 1
    write_labels(desk / "mask.tif", allowed, crs=tiny.crs, transform=tiny.transform)
    result = hsiattn(*CLASSIFY, "-m", model, "--guide", "p.gpkg", "--mask", "mask.tif")
    assert result.exit_code == 0, result.stderr
    shapes = places_in("p.gpkg")["shape"]
    burned = rasterio.features.rasterize(shapes, out_shape=(40, 48), transform=tiny.transform)
    assert burned.sum() == 9 * len(shapes) > 90  # no two overlap
    assert not burned[allowed == 0].any()


def test_a_scene_with_room_for_fewer_gives_fewer_and_says_so(desk, hsiattn, model):
    result = hsiattn(*CLASSIFY, "-m", model, "--guide", "p.gpkg", "--places", 500)
    assert result.exit_code == 0, result.stderr
    assert "fewer than 500" in result.stderr
    assert 50 < len(places_in("p.gpkg")["shape"]) < 500


def test_a_map_that_is_left_alone_gets_the_places_that_it_lacks(desk, hsiattn, model):
    assert hsiattn(*CLASSIFY, "-m", model).exit_code == 0
    made = (desk / "map.tif").stat().st_mtime_ns
    result = hsiattn(*CLASSIFY, "-m", model, "--resume", "--guide")
    assert result.exit_code == 0, result.stderr
    assert "30 places to label: map_places.gpkg" in result.stderr
    assert (desk / "map.tif").stat().st_mtime_ns == made
    written = (desk / "map_places.gpkg").stat().st_mtime_ns
    assert hsiattn(*CLASSIFY, "-m", model, "--resume", "--guide").exit_code == 0
    assert (desk / "map_places.gpkg").stat().st_mtime_ns == written


def test_every_scene_of_an_archive_has_its_own(desk, hsiattn, model):
    shutil.copy("scene.tif", "other.tif")
    arguments = ("classify", "scene.tif", "other.tif", "--out-dir", "maps", "-m", model)
    result = hsiattn(*arguments, "--guide", "--places", 5, "--json")
    assert result.exit_code == 0, result.stderr
    assert any("5 places to label" in line for line in json.loads(result.stdout)["maps"][0]["messages"])
    names = [f"{name}_classes_places.gpkg" for name in ("scene", "other")]
    assert all(len(places_in(desk / "maps" / name)["place"]) == 5 for name in names)
    (desk / "maps" / names[1]).unlink()
    assert hsiattn(*arguments, "--guide", "--places", 4, "--resume").exit_code == 0
    assert [len(places_in(desk / "maps" / name)["place"]) for name in names] == [5, 4]


def test_places_that_cannot_be_written_are_refused_before_mapping(desk, hsiattn, refused, model):
    assert hsiattn(*CLASSIFY, "-m", model, "--guide", "p.gpkg").exit_code == 0
    other = ("classify", "scene.tif", "other.tif", "-m", model, "--guide")
    assert "give --overwrite" in refused(*other, "p.gpkg")
    assert "call it a.gpkg" in refused(*other, "a.shp")
    assert "nowhere" in refused(*other, "nowhere/a.gpkg")
    assert "would be written twice" in refused(*other, "a.gpkg", "--polygons", "a.gpkg")
    shutil.copy("labels.tif", "mask.gpkg")
    assert "is the mask itself" in refused(*other, "mask.gpkg", "--mask", "mask.gpkg", "--overwrite")
    assert hsiattn(*other, "p.gpkg", "--overwrite").exit_code == 0


def test_a_full_disk_leaves_no_part_of_a_file_and_resume_writes_it(desk, hsiattn, model, monkeypatch):
    from hsiattn.mapping import place_files

    def full(path, *_, **__):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(place_files, "write", full)
        result = hsiattn(*CLASSIFY, "-m", model, "--guide")
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if "error" in line]
    assert "map_places.gpkg cannot be written (No space left on device)" in line
    assert not list(desk.glob("*.gpkg"))
    assert hsiattn(*CLASSIFY, "-m", model, "--guide", "--resume").exit_code == 0
    assert (desk / "map_places.gpkg").exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("map.tif", "--places", 3), "--places has no effect without --guide"),
        (("map.tif", "--guide", "--places", 0), "0 is not in the range"),
        (("--out-dir", "maps", "--guide", "p.gpkg"), "with --out-dir --guide takes no path"),
    ],
)
def test_what_contradicts_itself_is_a_wrong_command(desk, hsiattn, model, arguments, line):
    result = hsiattn("classify", "scene.tif", *arguments, "-m", model)
    assert result.exit_code == 2
    assert line in result.stderr
