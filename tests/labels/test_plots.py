"""Pictures of maps: every pixel in the colour of its class, where it lies on the ground."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from affine import Affine
from rasterio.crs import CRS

from hsiattn.classes import ClassTable
from hsiattn.errors import ArrayError, LabelError
from hsiattn.labels.plots import plot_classes
from hsiattn.scenes import Grid, georeference

TABLE = ClassTable.from_records(
    [
        {"code": 3, "name": "soil", "color": "#a1662f"},
        {"code": 7, "name": "water", "color": "#1e88e5"},
        {"code": 9, "name": "absent", "color": "#ffffff"},
    ]
)


@pytest.fixture(autouse=True)
def _no_windows(monkeypatch):
    plt.switch_backend("agg")
    yield
    plt.close("all")


def _codes(values, transform=None, crs="EPSG:32633"):
    array = xr.DataArray(np.asarray(values), dims=("y", "x"), attrs=TABLE.to_attrs())
    if transform is None:
        return array
    return georeference(array, Grid(*array.shape, CRS.from_string(crs) if crs else None, transform))


def _color_at(axes, x, y):
    """Colour "#rrggbb" that the figure shows at a place in data coordinates."""
    figure = axes.figure
    figure.canvas.draw()
    column, row = axes.transData.transform((x, y))
    pixels = np.asarray(figure.canvas.buffer_rgba())
    return "#{:02x}{:02x}{:02x}".format(*pixels[pixels.shape[0] - 1 - int(row), int(column), :3])


@pytest.mark.parametrize("upright", [True, False])
def test_each_class_has_its_colour_at_its_place(upright):
    values = np.array([[3, 7, 7], [0, 3, 7]])
    transform = Affine(10, 0, 360_000, 0, -10, 5_810_020)
    if not upright:  # rows run northwards
        values, transform = values[::-1], Affine(10, 0, 360_000, 0, 10, 5_810_000)
    axes = plot_classes(_codes(values, transform))
    assert _color_at(axes, 360_005, 5_810_015) == "#a1662f"
    assert _color_at(axes, 360_025, 5_810_005) == "#1e88e5"
    assert _color_at(axes, 360_005, 5_810_005) == "#f2f2f2"
    assert axes.get_xlabel() == "x (m)"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["soil", "water", "unclassified"]
    first = axes.get_legend().get_patches()[0].get_facecolor()
    assert first[:3] == pytest.approx(np.array([0xA1, 0x66, 0x2F]) / 255)


def test_floats_with_nan_and_dims_in_another_order_are_drawn_alike():
    axes = plot_classes(_codes([[3.0, np.nan]]).transpose("x", "y"))
    assert _color_at(axes, 0.5, 0.5) == "#a1662f"
    assert axes.get_xlabel() == "column"


def test_codes_without_a_table_get_colours_and_axes_and_legend_can_be_chosen():
    figure, axes = plt.subplots()
    assert plot_classes(xr.DataArray([[1, 2]], dims=("y", "x")), axes, legend=False, title="mine") is axes
    assert axes.get_legend() is None
    assert axes.get_title() == "mine"
    assert len(figure.axes) == 1


def test_a_huge_map_is_thinned():
    axes = plot_classes(_codes(np.full((10, 9000), 7)))
    assert axes.images[0].get_array().shape == (2, 1800)
    assert axes.images[0].get_extent() == [0, 9000, 10, 0]


def test_geographic_maps_say_degrees():
    assert plot_classes(_codes([[3]], Affine(0.1, 0, 13, 0, -0.1, 52), "EPSG:4326")).get_ylabel() == "y (°)"


def test_what_is_no_map_is_refused():
    with pytest.raises(LabelError, match="no class codes"):
        plot_classes(_codes([[0.5]]))
    with pytest.raises(ArrayError, match="dims a, b"):
        plot_classes(xr.DataArray([[1]], dims=("a", "b")))
