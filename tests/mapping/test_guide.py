"""Places to label: the rule by which they are chosen, the sample of the scene, the file."""

from __future__ import annotations

import numpy as np
import pyogrio
import pytest
import rasterio.features
import shapely
from affine import Affine
from rasterio.windows import Window

from hsiattn.errors import OutputError
from hsiattn.files.kinds import FileKind, kind_of
from hsiattn.mapping.guide import Places, choose_places, suggest_places
from hsiattn.mapping.place_files import write_places
from hsiattn.scenes import Grid, as_source, open_source

NORTH_UP = Affine(10.0, 0.0, 360000.0, 0.0, -10.0, 5810000.0)
ROTATED = NORTH_UP @ Affine.rotation(31.0) @ Affine.scale(0.5, 0.7)
FOUND = Places(np.array([[1, 1], [10, 20], [38, 7]]), ["maize", "unclassified", "Wasser, tief"], np.array([0.5, 0, 1]))


def candidates(count=300, seed=0):
    """Uncertainty, spectra, positions and homogeneity."""
    rng = np.random.default_rng(seed)
    places = rng.choice(120 * 90, count, replace=False)
    return (
        rng.random(count), rng.normal(size=(count, 6)) * [5, 2, 1, 1, 0.5, 0.1],
        np.stack(np.divmod(places, 90), axis=1), rng.uniform(0.1, 1, count),
    )  # fmt: skip


def nearest(positions):
    apart = np.hypot(*(positions[:, None] - positions[None]).transpose(2, 0, 1)).astype(float)
    np.fill_diagonal(apart, np.inf)
    return apart.min(axis=1)


def overlap(positions):
    steps = np.abs(positions[:, None] - positions[None]).max(axis=2)
    np.fill_diagonal(steps, 99)
    return (steps < 3).any()


# -- the choice --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_the_choice_is_that_of_its_formula(seed):
    uncertainty, spectra, positions, homogeneity = candidates(80, seed)
    typical = np.median(np.linalg.norm(spectra - spectra.mean(axis=0), axis=1))
    even = np.sqrt(np.prod(np.ptp(positions, axis=0) + 3) / 12)
    expected = []
    for _ in range(12):
        scores = []
        for i in range(80):
            score = (1 + uncertainty[i]) / 2 * homogeneity[i]
            if expected:
                unlike = min(np.linalg.norm(spectra[i] - spectra[j]) for j in expected)
                away = min(np.hypot(*(positions[i] - positions[j])) for j in expected)
                score *= unlike / (unlike + typical) * away / (away + even)
            taken = any(np.abs(positions[i] - positions[j]).max() < 3 for j in expected)
            scores.append(-1 if taken else score)
        expected.append(int(np.argmax(scores)))
    assert choose_places(uncertainty, spectra, positions, homogeneity, 12).tolist() == expected


def test_no_place_comes_twice_or_overlaps_and_the_choice_is_always_the_same():
    given = candidates()
    chosen = choose_places(*given, 40)
    assert len(set(chosen.tolist())) == 40
    assert not overlap(given[2][chosen])
    np.testing.assert_array_equal(choose_places(*given, 40), chosen)
    np.testing.assert_array_equal(choose_places(*given, 10)[:1], chosen[:1])


def test_places_lie_farther_apart_than_at_random_in_space_and_in_features():
    uncertainty, spectra, positions, homogeneity = candidates()
    chosen = choose_places(uncertainty, spectra, positions, homogeneity, 30)
    rng = np.random.default_rng(1)
    drawn = [rng.choice(300, 30, replace=False) for _ in range(20)]
    assert nearest(positions[chosen]).mean() > 1.2 * np.mean([nearest(positions[i]).mean() for i in drawn])

    def unlike(i):
        apart = np.linalg.norm(spectra[i][:, None] - spectra[i][None], axis=2)
        np.fill_diagonal(apart, np.inf)
        return apart.min(axis=1).mean()

    assert unlike(chosen) > 1.1 * np.mean([unlike(i) for i in drawn])


def test_certain_and_mixed_places_are_chosen_less():
    uncertainty, spectra, positions, homogeneity = candidates()
    uncertainty[:150], uncertainty[150:] = 0, 1
    chosen = choose_places(uncertainty, spectra, positions, homogeneity, 30)
    assert (chosen >= 150).sum() > 18
    homogeneity[:150], homogeneity[150:] = 1, 0.2
    chosen = choose_places(np.ones(300), spectra, positions, homogeneity, 30)
    assert (chosen < 150).sum() > 24


def test_equal_candidates_are_still_spread():
    positions = np.stack(np.divmod(np.arange(900), 30), axis=1)
    chosen = choose_places(np.zeros(900), np.ones((900, 4)), positions, np.ones(900), 9)
    assert len(set(chosen.tolist())) == 9
    assert nearest(positions[chosen]).min() > 6


def test_there_are_no_more_places_than_have_room():
    positions = np.stack(np.divmod(np.arange(36), 6), axis=1)
    chosen = choose_places(np.ones(36), np.ones((36, 2)), positions, np.ones(36), 30)
    assert 1 <= len(chosen) <= 4
    assert not overlap(positions[chosen])
    assert not len(choose_places(np.ones(0), np.ones((0, 2)), np.ones((0, 2), int), np.ones(0), 3))


# -- the scene ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(fitted):
    """A model of the tiny scene."""
    return fitted.model_


def test_places_of_a_scene_are_measured_apart_and_named_as_in_its_map(trained, tiny):
    source = open_source(tiny.scene)
    found = suggest_places(trained, source, 20, device="cpu")
    assert len(found.positions) == len(found.suggestions) == len(found.confidence) == 20
    assert not overlap(found.positions)
    measured = (tiny.spectra != tiny.nodata).all(axis=0)
    for row, column in found.positions:
        square = measured[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        assert square.shape == (3, 3)
        assert square.all()
    from hsiattn.mapping.classification import predict_array

    land_cover = predict_array(trained, source, device="cpu")
    names = dict(zip(trained.classes.codes, trained.classes.names, strict=True))
    for (row, column), suggestion, confidence in zip(found.positions, found.suggestions, found.confidence, strict=True):
        square = slice(row - 1, row + 2), slice(column - 1, column + 2)
        codes, counts = np.unique(land_cover["land_cover"].values[square], return_counts=True)
        assert suggestion in [names[code] for code in codes[counts == counts.max()]]
        np.testing.assert_allclose(confidence, land_cover["confidence"].values[square].mean(), rtol=1e-4)


def test_pixels_outside_the_mask_and_the_part_are_in_no_place(trained, tiny):
    mask = np.zeros((40, 48), dtype=bool)
    mask[5:25, 10:40] = True
    found = suggest_places(
        trained, open_source(tiny.scene), 30, mask=mask, part=Window(0, 0, 30, 40), device="cpu"
    ).positions
    assert len(found) > 5
    assert found.min(axis=0).tolist() >= [6, 11]
    assert (found.max(axis=0) <= [23, 28]).all()
    nothing = suggest_places(trained, open_source(tiny.scene), 30, mask=np.zeros_like(mask), device="cpu")
    assert nothing.suggestions == []


def test_a_scene_of_any_size_costs_a_bounded_number_of_windows(trained, tiny, make_scene, monkeypatch):
    from hsiattn.mapping import guide

    tile = tiny.spectra[:, 10:40]

    def like_tiny(values):
        bands = ("band", 450.0 + 20 * np.arange(24), {"units": "nm"})
        return as_source(make_scene(values, nodata=tiny.nodata).assign_coords(wavelength=bands))

    scene = like_tiny(np.tile(tile, (1, 20, 12)))
    looked, look = [], guide._look

    def counted(classifier, number, labelled):
        looked.append(number)
        return look(classifier, number, labelled)

    monkeypatch.setattr(guide, "_look", counted)
    monkeypatch.setattr(guide, "_WINDOWS", 8)
    found = suggest_places(trained, scene, 10, device="cpu")
    assert len(looked) == len(set(looked)) == 10
    assert len(found.positions) == 10
    spread = np.ptp(found.positions, axis=0) / [scene.height, scene.width]
    assert (spread > 0.5).all()
    np.testing.assert_array_equal(suggest_places(trained, scene, 10, device="cpu").positions, found.positions)
    looked.clear()
    empty = like_tiny(np.full((24, 400, 400), tiny.nodata, np.float32))
    assert not len(suggest_places(trained, empty, 10, device="cpu").positions)
    assert len(looked) == 40


def test_unknown_material_counts_as_fully_uncertain(trained, tiny):
    from dataclasses import replace

    from hsiattn.open_set import OpenSet
    from hsiattn.open_set.logit_scores import MaxSoftmax

    strict = replace(trained, open_set=OpenSet.of_scores(MaxSoftmax(), np.linspace(-9, -8, 50), {}))
    source = open_source(tiny.scene)
    found = suggest_places(strict, source, 10, accept=0.95, coded=True, device="cpu")
    assert set(found.suggestions) == {"unknown"}
    assert not found.confidence.any()
    found = suggest_places(strict, source, 10, accept=0.95, coded=False, device="cpu")
    assert set(found.suggestions) == {"unclassified"}


# -- the file ----------------------------------------------------------------------------------------------------------


def written(path):
    info, _, shapes, columns = pyogrio.raw.read(path)
    return info, shapely.from_wkb(shapes), dict(zip(info["fields"], columns, strict=True))


@pytest.mark.parametrize("transform", [NORTH_UP, ROTATED, Affine.identity()], ids=["north-up", "rotated", "none"])
def test_squares_lie_exactly_on_the_grid(tmp_path, transform):
    crs = None if transform == Affine.identity() else rasterio.crs.CRS.from_epsg(32633)
    notes = write_places(tmp_path / "p.gpkg", FOUND, Grid(40, 30, crs, transform), wanted=3)
    info, shapes, columns = written(tmp_path / "p.gpkg")
    assert list(columns) == ["place", "class", "suggestion", "confidence"]
    assert columns["place"].tolist() == [1, 2, 3]
    assert columns["class"].tolist() == [None] * 3
    assert columns["suggestion"].tolist() == FOUND.suggestions
    assert columns["confidence"].tolist() == [0.5, 0, 1]
    for shape, (row, column) in zip(shapes, FOUND.positions, strict=True):
        corners = [(column + x, row + y) for x in (-1, 2) for y in (-1, 2)]
        expected = sorted(transform @ corner for corner in corners)
        np.testing.assert_allclose(sorted(set(shape.exterior.coords)), expected, rtol=1e-12)
        burned = rasterio.features.rasterize([shape], out_shape=(40, 30), transform=transform)
        assert burned[row - 1 : row + 2, column - 1 : column + 2].all()
        assert burned.sum() == 9
    assert (info["crs"] or None) == (None if crs is None else "EPSG:32633")
    assert notes[0].startswith(f"3 places to label: {tmp_path / 'p.gpkg'}; fill in the column class")
    assert ("columns and rows" in notes[-1]) == (crs is None)


def test_a_geotransform_without_crs_gives_map_coordinates_and_a_word(tmp_path):
    notes = write_places(tmp_path / "p.gpkg", FOUND, Grid(40, 30, None, NORTH_UP), wanted=3)
    assert notes[-1] == "the places have no CRS, since the scene has none"
    assert written(tmp_path / "p.gpkg")[1][0].bounds == (360000.0, 5809970.0, 360030.0, 5810000.0)


def test_too_few_places_are_told_and_none_gives_no_file(tmp_path):
    grid = Grid(40, 30, rasterio.crs.CRS.from_epsg(32633), NORTH_UP)
    assert "fewer than 30" in write_places(tmp_path / "p.gpkg", FOUND, grid, wanted=30)[1]
    nothing = Places(np.empty((0, 2), int), [], np.empty(0))
    (note,) = write_places(tmp_path / "none.gpkg", nothing, grid, wanted=30)
    assert note.startswith("there is no place to label")
    assert not (tmp_path / "none.gpkg").exists()


def test_a_file_in_which_somebody_filled_in_a_class_is_never_replaced(tmp_path):
    import sqlite3
    from contextlib import closing

    path, grid = tmp_path / "p.gpkg", Grid(40, 30, rasterio.crs.CRS.from_epsg(32633), NORTH_UP)
    write_places(path, FOUND, grid, wanted=3)
    assert kind_of(path) is FileKind.PLACES
    with pytest.raises(OutputError, match="exists already"):
        write_places(path, FOUND, grid, wanted=3)
    write_places(path, FOUND, grid, wanted=3, overwrite=True)
    with closing(sqlite3.connect(path)) as database, database:
        database.create_function("ST_IsEmpty", 1, lambda _: 0)
        for trigger in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{trigger[0]}"')
        database.execute("UPDATE places SET class = 'maize' WHERE place = 2")
    assert kind_of(path) is None
    with pytest.raises(OutputError, match="not a file of places still to be labelled"):
        write_places(path, FOUND, grid, wanted=3, overwrite=True)
    assert written(path)[2]["class"].tolist() == [None, "maize", None]


def test_another_suffix_and_an_input_are_refused(tmp_path):
    grid = Grid(40, 30, rasterio.crs.CRS.from_epsg(32633), NORTH_UP)
    with pytest.raises(OutputError, match=r"call it p\.gpkg"):
        write_places(tmp_path / "p.shp", FOUND, grid, wanted=3)
    write_places(tmp_path / "p.gpkg", FOUND, grid, wanted=3)
    with pytest.raises(OutputError, match="is the mask itself"):
        write_places(tmp_path / "p.gpkg", FOUND, grid, wanted=3, overwrite=True, inputs={"mask": tmp_path / "p.gpkg"})


def test_no_place_holds_a_pixel_that_is_labelled(trained, tiny):
    labelled = np.zeros((40, 48), dtype=bool)
    labelled[:, :24] = True
    found = suggest_places(trained, open_source(tiny.scene), 20, labelled=labelled, device="cpu")
    assert len(found.positions) == 20
    assert found.positions[:, 1].min() > 24
