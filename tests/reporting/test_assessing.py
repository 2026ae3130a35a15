"""`hsiattn.assess` knows by itself what the map says of its window and of its model."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

import hsiattn
from hsiattn.classes import ClassTable
from hsiattn.errors import AssessmentError
from hsiattn.scenes import grid_of
from hsiattn.splits import ROLES, SplitRaster, write_split


@pytest.fixture(scope="module")
def labels(tiny):
    return hsiattn.open_labels(tiny.labels)


@pytest.fixture(scope="module")
def predicted(fitted, tiny):
    return fitted.predict(hsiattn.open_scene(tiny.scene), smoothing=1)


@pytest.fixture(scope="module")
def files(predicted, fitted, labels, tmp_path_factory):
    """`map.tif` and `split.tif` of the same map and split as in memory."""
    folder = tmp_path_factory.mktemp("files")
    grid = grid_of(labels)
    hsiattn.write_map(predicted, folder / "map.tif")
    write_split(folder / "split.tif", fitted.split_.roles, crs=grid.crs, transform=grid.transform)
    return folder


def brute_force(roles, window):
    """Share of the test pixels that have a pixel of training or validation in their window."""
    radius, seen = window // 2, []
    for i, j in np.argwhere(roles == ROLES["test"]):
        around = roles[max(0, i - radius) : i + radius + 1, max(0, j - radius) : j + radius + 1]
        seen.append(np.isin(around, (ROLES["training"], ROLES["validation"])).any())
    return np.mean(seen)


def test_window_leakage_and_notes_come_from_the_map_in_memory(predicted, labels, fitted):
    roles = fitted.split_.roles
    report = hsiattn.assess(predicted, labels, split=fitted.split_)
    assert report.window == 5 + 2
    assert report.leakage == pytest.approx(brute_force(roles, 7))
    assert report.test_pixels == (roles == ROLES["test"]).sum()
    unlabelled, smoothed = report.notes
    assert unlabelled.startswith("unlabelled pixels took part in the training of the model")
    assert smoothed.startswith("the map was smoothed (1 steps")


def test_paths_datasets_splits_and_arrays_give_the_same_report(predicted, labels, fitted, tiny, files):
    split = fitted.split_

    def figures(land_cover, reference, split):
        record = hsiattn.assess(land_cover, reference, split=split).to_dict()
        # its identity names the files; the confidence of a Dataset is calibrated, and the map was written without
        return {**record, "supplement": record["supplement"]["split"], "calibration": None}

    expected = figures(predicted, labels, split)
    for land_cover in (predicted, files / "map.tif"):
        for given in (split.roles, files / "split.tif", str(files / "split.tif"), SplitRaster(files / "split.tif")):
            assert figures(land_cover, tiny.labels, given) == expected
    as_array = xr.DataArray(split.roles, dims=("y", "x")).assign_coords(labels.coords)
    assert figures(predicted, labels, as_array) == expected


def test_a_window_that_is_given_counts_and_notes_add_up(predicted, labels, fitted):
    report = hsiattn.assess(predicted, labels, split=fitted.split_, window=1, notes=["drawn by hand"])
    assert (report.window, report.leakage) == (1, 0)
    assert report.notes[-1] == "drawn by hand"
    assert len(report.notes) == 3


def test_without_a_split_neither_window_nor_leakage_is_known(predicted, labels):
    report = hsiattn.assess(predicted, labels)
    assert (report.window, report.leakage) == (None, None)
    assert report.test_pixels == int((labels > 0).sum())


def test_a_map_that_does_not_state_its_patch_size_needs_a_window_for_the_leakage(labels, fitted, tiny):
    codes = labels.copy(data=np.full(labels.shape, 1)).assign_attrs(ClassTable.from_codes([1, 4, 7]).to_attrs())
    for land_cover, name in ((codes, "the map"), (tiny.labels, str(tiny.labels))):
        with pytest.raises(AssessmentError) as caught:
            hsiattn.assess(land_cover, labels, split=fitted.split_)
        assert str(caught.value).startswith(f"{name} does not say which patch size it was made with; name it with")
    assert hsiattn.assess(codes, labels, split=fitted.split_, window=3).window == 3


def test_maps_are_assessed_without_torch(files, tiny):
    code = (
        "import sys, hsiattn\n"
        f"hsiattn.assess({str(files / 'map.tif')!r}, {str(tiny.labels)!r}, split={str(files / 'split.tif')!r})\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
