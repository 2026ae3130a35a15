"""Towns composed for the accuracy benchmark, from a library made up here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hsiattn import open_labels, open_scene
from hsiattn.experiments.plan import load_plan
from scripts.benchmarks.accuracy import composed_towns, town_layout
from scripts.benchmarks.accuracy.composed_scenes import Library, write_classes, write_scene

NAMES = [cover for covers in composed_towns.COVERS.values() for cover in covers]
LEVELS = dict(zip(NAMES, np.linspace(0.05, 0.6, len(NAMES)), strict=True))
PLAIN = {"strays": 0.0, "weeds": 0.0, "shading": 0.0, "patchiness": 0.0}


@pytest.fixture(scope="module")
def library():
    """Covers of two polygons each, spectra flat and equal, no two covers alike."""
    polygons = {cover: [np.full((3, 60), level, np.float32)] * 2 for cover, level in LEVELS.items()}
    return Library(np.linspace(400, 2400, 60), polygons)


@pytest.fixture(scope="module")
def town(library):
    return composed_towns.compose_town(library, 0)


@pytest.fixture
def layout():
    """Four fields on 8 × 8 cells, the first of them on three quarters of the upper half."""
    region = np.repeat(np.repeat(np.array([[0, 0, 0, 1], [2, 2, 3, 3]]), 4, axis=0), 2, axis=1)
    return town_layout.Layout(region.astype(np.int32), ["field", "road", "lake", "roof"])


def covers_of(layout):
    by_use = {"field": "GV herb", "road": "paved road", "lake": "water lake", "roof": "roof tile"}
    return np.array([by_use[use] for use in layout.uses])


def test_a_third_of_the_land_has_no_label_and_every_class_enough(town):
    values, labels, names = town
    assert np.mean(labels > 0) == pytest.approx(2 / 3, abs=0.02)
    counts = np.bincount(labels.ravel())
    assert len(counts) == len(names) + 1
    assert 5 <= len(names) <= 8
    assert counts.min() >= 60
    assert values.shape[1:] == labels.shape


def test_a_seed_is_a_scene(library, town):
    again = composed_towns.compose_town(library, 0)
    np.testing.assert_array_equal(town[0], again[0])
    np.testing.assert_array_equal(town[1], again[1])


def test_scenes_differ_in_pixels_bands_classes_and_share_of_town():
    drawn = [composed_towns.draw_settings(seed) for seed in range(60)]
    assert {settings.cells for settings in drawn} == {3, 4, 5, 6}
    assert {settings.classes for settings in drawn} == {5, 6, 7, 8}
    assert {settings.bands for settings in drawn} == {48, 103, None}
    assert all(100 <= settings.side <= 160 for settings in drawn)
    shares = [settings.layout.town for settings in drawn]
    assert min(shares) < 0.15
    assert max(shares) > 0.6


def test_a_pixel_is_the_mean_of_its_cells(library, layout):
    settings = replace(composed_towns.draw_settings(0), side=2, cells=4, **PLAIN)
    covers = covers_of(layout)
    values = composed_towns.mix_cells(layout, covers, library, settings, np.random.default_rng(0))
    cells = np.vectorize(LEVELS.get)(covers)[layout.region]
    expected = [[cells[row : row + 4, column : column + 4].mean() for column in (0, 4)] for row in (0, 4)]
    np.testing.assert_allclose(values, np.broadcast_to(expected, (60, 2, 2)), rtol=1e-5)


def test_fields_have_spots_and_lakes_have_none(library):
    region = np.zeros((40, 40), dtype=np.int32)
    region[:, 20:] = 1
    land = town_layout.Layout(region, ["field", "lake"])
    settings = replace(composed_towns.draw_settings(0), side=10, cells=4, grain=2.0, **PLAIN | {"weeds": 1.0})
    values = composed_towns.mix_cells(land, covers_of(land), library, settings, np.random.default_rng(0))[0]
    assert values[:, :5].std() > 0.01
    np.testing.assert_allclose(values[:, 5:], LEVELS["water lake"], rtol=1e-5)
    # the cover of the field keeps at least a half of every spot
    assert values[:, :5].max() < (LEVELS["GV herb"] + max(LEVELS.values())) / 2


def test_shares_of_classes_are_counted_in_cells(layout):
    legend = {"plants": ["GV herb"], "sealed": ["paved road", "roof tile"], "water": ["water lake"]}
    shares = composed_towns.class_shares(layout, covers_of(layout), legend, 4)
    np.testing.assert_array_equal(shares[0], [[1, 0.5], [0, 0]])
    np.testing.assert_array_equal(shares[1], [[0, 0.5], [0, 1]])
    np.testing.assert_array_equal(shares.sum(axis=0), np.ones((2, 2)))


def test_pixels_of_a_town_are_mixed(library):
    """Of a city more than of open country."""
    mixed = []
    for share in (0.05, 0.85):
        settings = composed_towns.draw_settings(3).layout
        land = town_layout.lay_out_town(400, replace(settings, town=share), np.random.default_rng(0))
        tiles = land.region.reshape(100, 4, 100, 4).swapaxes(1, 2).reshape(100, 100, 16)
        mixed.append(np.mean(tiles.min(axis=2) != tiles.max(axis=2)))
    assert mixed[1] > max(mixed[0], 0.5)


def test_land_has_every_use_in_the_shares_that_were_set():
    settings = replace(composed_towns.draw_settings(3).layout, town=0.5, lake=0.1, trees=0.002)
    land = town_layout.lay_out_town(400, settings, np.random.default_rng(0))
    uses = np.array(land.uses)[land.region]
    assert set(uses.ravel()) == set(town_layout.USES)
    assert np.mean(uses == "lake") == pytest.approx(0.1, abs=0.001)
    assert np.mean(np.isin(uses, ["garden", "roof", "square", "road"])) == pytest.approx(0.5, abs=0.12)


def test_bands_are_means_of_neighbours(library):
    settings = replace(composed_towns.draw_settings(0), bands=7, longest=np.inf)
    spectra = np.random.default_rng(0).random((5, 60), dtype=np.float32)
    seen = composed_towns.seen_by_sensor(Library(library.wavelengths, {"soil": [spectra]}), settings)
    parts = np.array_split(np.arange(60), 7)
    np.testing.assert_allclose(seen.wavelengths, [library.wavelengths[part].mean() for part in parts])
    expected = np.stack([spectra[:, part].mean(axis=1) for part in parts], axis=1)
    np.testing.assert_allclose(seen.polygons["soil"][0], expected, rtol=1e-5)


def test_a_sensor_sees_no_further_than_its_longest_wavelength(library):
    settings = replace(composed_towns.draw_settings(0), bands=48, longest=1050.0)
    seen = composed_towns.seen_by_sensor(library, settings)
    np.testing.assert_array_equal(seen.wavelengths, library.wavelengths[library.wavelengths <= 1050])


def test_written_towns_are_read_as_any_other(library, town, tmp_path):
    values, labels, names = town
    seen = composed_towns.seen_by_sensor(library, composed_towns.draw_settings(0))
    write_scene(tmp_path, values, labels, seen)
    write_classes(tmp_path, names)
    scene = open_scene(tmp_path / "scene.tif")
    np.testing.assert_allclose(scene.wavelength, seen.wavelengths, atol=0.06)
    np.testing.assert_array_equal(open_labels(tmp_path / "labels.tif", like=scene).values, labels)
    rows = (tmp_path / "classes.csv").read_text(encoding="utf-8").splitlines()
    assert rows == ["code,name", *(f"{code},{name}" for code, name in enumerate(names, start=1))]


def test_the_plan_names_the_scenes_that_are_composed():
    plan = load_plan("composed-towns")
    assert plan.names["scenes"] == [f"composed-town-{seed}" for seed in composed_towns.SEEDS]
