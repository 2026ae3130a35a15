"""Scenes composed by `scripts/composed_scenes.py`, from a library made up here."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from hsiattn import open_labels, open_scene

SCRIPT = Path(__file__).parents[1] / "scripts" / "composed_scenes.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("composed_scenes", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def library(script):
    """Covers of which one polygon is dark and another bright, flat spectra, no two covers alike."""
    levels = {"roof": (0.05, 0.5), "soil": (0.2, 0.3), "turf": (0.35, 0.4)}
    polygons = {
        cover: [np.full((3, 20), level, np.float32) for level in values] for cover, values in sorted(levels.items())
    }
    return script.Library(np.linspace(500, 1200, 20), polygons)


@pytest.fixture(scope="module")
def codes():
    codes = np.zeros((60, 60), dtype=np.int64)
    codes[2:28, 2:28], codes[32:58, 2:28], codes[2:28, 32:58] = 3, 3, 7
    codes[40, 40:45] = 9  # too small to be a class
    return codes


def test_fields_are_filled_with_one_polygon_of_their_cover_each(script, library, codes):
    values, labels, covers = script.compose(codes, library, 0)
    np.testing.assert_array_equal(labels, np.select([codes == 3, codes == 7], [1, 2]))
    assert len(set(covers)) == 2
    for field in (np.s_[6:24, 6:24], np.s_[36:54, 6:24], np.s_[6:24, 36:54]):
        inside = values[:, *field].mean()
        levels = [spectra.mean() for spectra in library.polygons[covers[labels[field][0, 0] - 1]]]
        assert min(abs(inside / level - 1) for level in levels) < 0.15  # uneven light


def test_a_seed_is_a_scene(script, library, codes):
    first, again, other = (script.compose(codes, library, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first[0], again[0])
    assert not np.array_equal(first[0], other[0])


def test_land_without_labels_has_many_covers(script, library, codes):
    values, labels, _ = script.compose(codes, library, 0)
    found = np.unique(np.round(values.mean(axis=0)[labels == 0], 1))
    assert len(found) >= 4


def test_written_scenes_are_read_as_any_other(script, library, codes, tmp_path):
    values, labels, _ = script.compose(codes, library, 0)
    script.write_scene(tmp_path, values, labels, library)
    scene = open_scene(tmp_path / "scene.tif")
    np.testing.assert_allclose(scene.wavelength, library.wavelengths, atol=0.06)
    np.testing.assert_allclose(scene.values / 10_000, values, atol=1e-4)  # as stored
    np.testing.assert_array_equal(open_labels(tmp_path / "labels.tif", like=scene).values, labels)
