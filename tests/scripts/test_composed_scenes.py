"""Scenes composed for the accuracy benchmark, from a library made up here."""

from __future__ import annotations

import numpy as np
import pytest

from hsiattn import open_labels, open_scene
from scripts.benchmarks.accuracy import composed_scenes


@pytest.fixture(scope="module")
def library():
    """Covers of which one polygon is dark and another bright, flat spectra, no two covers alike."""
    levels = {"roof": (0.05, 0.5), "soil": (0.2, 0.3), "turf": (0.35, 0.4)}
    polygons = {
        cover: [np.full((3, 20), level, np.float32) for level in values] for cover, values in sorted(levels.items())
    }
    return composed_scenes.Library(np.linspace(500, 1200, 20), polygons)


@pytest.fixture(scope="module")
def codes():
    codes = np.zeros((60, 60), dtype=np.int64)
    codes[2:28, 2:28], codes[32:58, 2:28], codes[2:28, 32:58] = 3, 3, 7
    codes[40, 40:45] = 9  # too small to be a class
    return codes


def test_fields_are_filled_with_one_polygon_of_their_cover_each(library, codes):
    values, labels, covers = composed_scenes.compose(codes, library, 0)
    np.testing.assert_array_equal(labels, np.select([codes == 3, codes == 7], [1, 2]))
    assert len(set(covers)) == 2
    for field in (np.s_[6:24, 6:24], np.s_[36:54, 6:24], np.s_[6:24, 36:54]):
        inside = values[:, *field].mean()
        levels = [spectra.mean() for spectra in library.polygons[covers[labels[field][0, 0] - 1]]]
        assert min(abs(inside / level - 1) for level in levels) < 0.15  # uneven light


def test_a_seed_is_a_scene(library, codes):
    first, again, other = (composed_scenes.compose(codes, library, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first[0], again[0])
    assert not np.array_equal(first[0], other[0])


def test_land_without_labels_has_many_covers(library, codes):
    values, labels, _ = composed_scenes.compose(codes, library, 0)
    found = np.unique(np.round(values.mean(axis=0)[labels == 0], 1))
    assert len(found) >= 4


def test_written_scenes_are_read_as_any_other(library, codes, tmp_path):
    values, labels, _ = composed_scenes.compose(codes, library, 0)
    composed_scenes.write_scene(tmp_path, values, labels, library)
    scene = open_scene(tmp_path / "scene.tif")
    np.testing.assert_allclose(scene.wavelength, library.wavelengths, atol=0.06)
    np.testing.assert_allclose(scene.values / 10_000, values, atol=1e-4)  # as stored
    np.testing.assert_array_equal(open_labels(tmp_path / "labels.tif", like=scene).values, labels)
