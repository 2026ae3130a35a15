"""Maps show every pixel where it lies, with what a reader needs to measure and to find north."""

from __future__ import annotations

import math

import numpy as np
import pytest
from affine import Affine
from matplotlib.patches import Rectangle
from rasterio.crs import CRS

from hsiattn.figures import Place, draw_map, draw_quicklook, draw_split, new_figure
from hsiattn.figures.composed import Sheet, map_figure, split_figure
from hsiattn.figures.furniture import length_in_words, round_length
from hsiattn.figures.style import settle
from hsiattn.scenes import Grid

CLASSES = [
    {"code": 3, "name": "soil", "color": "#a1662f"},
    {"code": 7, "name": "$wa$ter", "color": "#1e88e5"},
    {"code": 9, "name": "absent", "color": "#00ff00"},
]
NORTH_UP = Affine(10, 0, 360_000, 0, -10, 5_810_000)


def place_of(height, width, transform=NORTH_UP, crs="EPSG:32633"):
    return Place.of_grid(Grid(height, width, CRS.from_string(crs) if crs else None, transform))


def drawn(indices, place, **options):
    axes = new_figure(5, 4).subplots()
    draw_map(axes, np.asarray(indices), CLASSES, place, **options)
    return axes


def color_at(axes, x, y):
    """Colour "#rrggbb" that the figure shows at a place in data coordinates."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    settle(axes.figure)
    canvas = FigureCanvasAgg(axes.figure)
    canvas.draw()
    column, row = axes.transData.transform((x, y))
    pixels = np.asarray(canvas.buffer_rgba())
    return "#{:02x}{:02x}{:02x}".format(*pixels[pixels.shape[0] - 1 - int(row), int(column), :3])


def texts(axes):
    return [text.get_text() for text in axes.texts]


def bars(axes):
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


@pytest.mark.parametrize("upright", [True, False])
def test_each_class_has_its_colour_at_its_place(upright):
    values, transform = np.array([[1, 2, 2], [0, 1, 2]]), NORTH_UP
    if not upright:  # rows run northwards
        values, transform = values[::-1], Affine(10, 0, 360_000, 0, 10, 5_809_980)
    axes = drawn(values, place_of(2, 3, transform))
    assert color_at(axes, 360_005, 5_809_993) == "#a1662f"
    assert color_at(axes, 360_015, 5_809_993) == "#1e88e5"
    assert color_at(axes, 360_003, 5_809_988) == "#f2f2f2"
    assert axes.get_xlabel() == "Easting, m (EPSG:32633)"


def test_the_legend_names_the_classes_that_occur():
    axes = drawn([[1, 2], [0, 1]], place_of(2, 2))
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["soil", r"\$wa\$ter", "Unclassified"]
    assert [text.get_text() for text in drawn([[2]], place_of(1, 1)).get_legend().get_texts()] == [r"\$wa\$ter"]
    assert drawn([[1]], place_of(1, 1), legend=False).get_legend() is None


@pytest.mark.parametrize(
    ("transform", "crs", "metres"),
    [
        (NORTH_UP, "EPSG:32633", 1.0),
        (Affine(10, 0, 0, 0, -10, 0), "EPSG:2263", 1200 / 3937),  # US survey feet
        (Affine(1e-3, 0, 13.0, 0, -1e-3, 60.1), "EPSG:4326", 111_320 * math.cos(math.radians(60.0))),
    ],
)
def test_the_scale_bar_is_as_long_as_it_says(transform, crs, metres):
    place = place_of(200, 400, transform, crs)
    axes = drawn(np.ones((200, 400), int), place)
    low, high = axes.get_xlim()
    length = sum(bar.get_width() for bar in bars(axes)) * (high - low) * metres
    (said,) = (text for text in texts(axes) if text != "N")
    number, unit = said.split()
    assert float(number) * {"m": 1, "km": 1000}[unit] == pytest.approx(length, rel=1e-3)
    assert 0.1 < sum(bar.get_width() for bar in bars(axes)) < 0.3


def test_a_degree_of_longitude_is_drawn_shorter_than_one_of_latitude():
    place = place_of(200, 400, Affine(1e-3, 0, 13.0, 0, -1e-3, 60.1), "EPSG:4326")
    assert drawn(np.ones((200, 400), int), place).get_aspect() == pytest.approx(2.0, rel=1e-3)
    assert place.shape_on_ground == pytest.approx(1.0, rel=1e-3)


def test_a_rotated_grid_has_pixel_axes_a_scale_bar_and_no_arrow():
    turned = Affine.translation(5e5, 4e6) @ Affine.rotation(30) @ Affine.scale(20, -20)
    axes = drawn(np.ones((50, 100), int), place_of(50, 100, turned))
    assert axes.get_xlabel() == "Column"
    assert axes.get_ylim() == (50, 0)
    assert texts(axes) == ["500 m"]
    assert sum(bar.get_width() for bar in bars(axes)) * 100 * 20 == pytest.approx(500)


def test_an_upright_grid_has_an_arrow_and_one_without_a_crs_neither_arrow_nor_bar():
    assert sorted(texts(drawn([[1]], place_of(1, 1)))) == ["2 m", "N"]
    assert texts(drawn([[1]], place_of(1, 1, crs=None))) == []
    assert texts(drawn([[1]], Place(1, 1))) == []


def test_bars_have_round_lengths():
    assert [length_in_words(round_length(most)) for most in (0.07, 1.0, 49.9, 51, 1999, 2000, 7e5)] == [
        "5 cm", "1 m", "20 m", "50 m", "1 km", "2 km", "500 km",
    ]  # fmt: skip


def test_roles_have_their_colours_and_the_legend_counts_them():
    roles = np.array([[1, 2, 3, 4, 0]])
    axes = new_figure().subplots()
    draw_split(axes, roles, Place(5, 1))
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "Training (1 px)", "Validation (1 px)", "Test (1 px)", "Not used (buffer) (1 px)",
    ]  # fmt: skip
    assert len({color_at(axes, column + 0.5, 0.5) for column in range(5)}) == 5
    axes = new_figure().subplots()
    draw_split(axes, roles, Place(5, 1), pixels={"training": 10, "validation": 0, "test": 2000, "dropped": 7})
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "Training (10 px)", "Test (2000 px)", "Not used (buffer) (7 px)",
    ]  # fmt: skip


def test_a_quicklook_is_drawn_as_it_is_and_pale_beneath_a_split():
    picture = np.zeros((2, 2, 4), np.uint8)
    picture[..., 3] = 255
    picture[0, 0, :3] = (200, 30, 40)
    axes = new_figure().subplots()
    draw_quicklook(axes, picture, place_of(2, 2))
    assert color_at(axes, 360_005, 5_809_993) == "#c81e28"
    figure = split_figure(np.array([[0, 1], [0, 0]]), {"training": 1}, place_of(2, 2), quicklook=picture)
    shown = color_at(figure.axes[0], 360_003, 5_809_988)
    assert shown[1:3] == shown[3:5] == shown[5:7]
    assert shown > "#909090"
    assert color_at(figure.axes[0], 360_013, 5_809_995) == "#0072b2"


@pytest.mark.parametrize("shape", [(40, 48), (3, 300), (300, 3)])
def test_labels_stay_inside_the_figure(shape):
    figure = map_figure(np.ones(shape, int), CLASSES, place_of(*shape), sheet=Sheet("Land cover"))
    settle(figure)
    for axes in figure.axes:
        box = axes.get_tightbbox()
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.width
        assert box.y1 <= figure.bbox.height


def test_a_figure_has_the_size_and_the_title_that_are_asked_for():
    figure = map_figure(np.ones((4, 6), int), CLASSES, Place(6, 4), sheet=Sheet("$5 a$cre", 3.5, 2.5))
    assert figure.get_size_inches().tolist() == [3.5, 2.5]
    assert figure.get_suptitle() == r"\$5 a\$cre"
