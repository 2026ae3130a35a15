"""Scenes that are not rectified keep what leads to the ground: checked against GDAL's own transformers."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.rpc import RPC
from rasterio.transform import GCPTransformer, RPCTransformer
from rasterio.windows import Window

from hsiattn.scenes import as_source, check_same_grid, georeference, grid_of, open_scene, open_source
from hsiattn.scenes.ground_control import GroundControl

POINTS = [
    GroundControlPoint(row=r, col=c, x=380_000 + 30 * c + 5 * r, y=5_820_000 - 30 * r) for r in (0, 9) for c in (0, 11)
]
UTM = CRS.from_epsg(32633)
COEFFICIENTS = RPC(
    height_off=40, height_scale=500, lat_off=52.5, lat_scale=0.1, long_off=13.3, long_scale=0.1, line_off=4.0,
    line_scale=5.0, samp_off=5.0, samp_scale=6.0, line_num_coeff=[0, 0.02, -1, 0.01] + [0.0] * 16,
    line_den_coeff=[1.0] + [0.0] * 19, samp_num_coeff=[0, 1, 0.03, 0.02] + [0.0] * 16,
    samp_den_coeff=[1.0] + [0.0] * 19,
)  # fmt: skip
PARTS = [Window(3, 2, 5, 4), Window(0, 0, 11, 9), Window(10, 8, 1, 1)]


@pytest.fixture
def by_points(geotiff):
    def edit(dataset):
        dataset.gcps = (POINTS, UTM)

    return geotiff(crs=None, transform=None, edit=edit)


@pytest.fixture
def by_rpcs(geotiff):
    def edit(dataset):
        dataset.rpcs = COEFFICIENTS

    return geotiff(crs=None, transform=None, edit=edit)


def ground(control: GroundControl, rows, columns) -> np.ndarray:
    """Where pixels lie on the ground by GDAL."""
    if control.points:
        with GCPTransformer(control.as_rasterio()) as transformer:
            return np.array(transformer.xy(rows, columns))
    with RPCTransformer(control.rpcs) as transformer:
        return np.array(transformer.xy(rows, columns))


ROWS, COLUMNS = np.array([0, 0, 3, 3]), np.array([0, 4, 0, 4])


@pytest.mark.parametrize("kind", ["by_points", "by_rpcs"])
@pytest.mark.parametrize("part", PARTS)
def test_a_part_lies_where_it_lies_in_the_whole(kind, part, request):
    source = pickle.loads(pickle.dumps(open_source(request.getfixturevalue(kind))))
    expected = ground(source.control, ROWS + part.row_off, COLUMNS + part.col_off)
    grid = source.grid.window(part)
    np.testing.assert_allclose(ground(grid.control, ROWS, COLUMNS), expected)
    assert (grid.transform, grid.crs) == (Affine.identity(), None)
    rows, columns = part.toslices()
    scene = open_scene(request.getfixturevalue(kind)).isel(y=rows, x=columns)
    for here in (as_source(scene), as_source(scene.load())):
        assert (here.transform, here.crs) == (Affine.identity(), None)
        np.testing.assert_allclose(ground(here.control, ROWS, COLUMNS), expected)


@pytest.mark.parametrize("kind", ["by_points", "by_rpcs"])
def test_a_thinned_scene_lies_where_every_third_pixel_lay(kind, request):
    scene = open_scene(request.getfixturevalue(kind))
    whole, thinned = grid_of(scene).control, grid_of(scene[:, 1::3, 1::3]).control
    np.testing.assert_allclose(ground(thinned, [0, 1, 2], [0, 1, 2]), ground(whole, [1, 4, 7], [1, 4, 7]))


def test_points_are_those_of_the_file(by_points):
    control = open_source(by_points).control
    assert [(p.row, p.col, p.x, p.y) for p in control.points] == [(p.row, p.col, p.x, p.y) for p in POINTS]
    assert control.crs == UTM
    assert control.describe() == "4 ground control points in EPSG:32633"


def test_coefficients_are_those_of_the_file(by_rpcs):
    control = open_source(by_rpcs).control
    expected = {name: value for name, value in COEFFICIENTS.to_dict().items() if not name.startswith("err")}
    assert expected.items() <= control.rpcs.to_dict().items()
    assert control.describe() == "rational polynomial coefficients"


def test_a_rectified_scene_has_no_points_but_its_transform(geotiff):
    assert open_source(geotiff()).control is None
    assert as_source(open_scene(geotiff())).control is None


def test_grids_with_control_agree_by_their_size(by_points, geotiff):
    first, second = open_source(by_points), open_source(geotiff("other.tif", crs=None, transform=None))
    check_same_grid(first, second)
    check_same_grid(georeference(open_scene(by_points)[0, :, :], first.grid), second)
