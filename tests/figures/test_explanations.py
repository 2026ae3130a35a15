"""Figures of explanations show the values that they are given."""

import numpy as np
import pytest

from hsiattn.figures.explanations import (
    draw_agreement,
    draw_by_wavelength,
    draw_deletion,
    draw_occlusion,
    draw_window,
)
from hsiattn.figures.style import new_figure


@pytest.fixture
def axes():
    return new_figure().subplots()


def test_curves_stand_at_their_wavelengths_in_the_colours_of_the_classes(axes):
    curves = {"crop": ("#112233", np.array([0.1, -0.2, 0.3])), "soil": ("#445566", np.zeros(3))}
    draw_by_wavelength(axes, [500.0, 510.0, 520.0], curves, ylabel="Integrated gradients")
    line = next(line for line in axes.get_lines() if line.get_label() == "crop")
    np.testing.assert_allclose(line.get_xdata(), [500, 510, 520])
    np.testing.assert_allclose(line.get_ydata(), [0.1, -0.2, 0.3])
    assert line.get_color() == "#112233"
    assert axes.get_xlabel() == "Wavelength, nm"


def test_windows_are_centred_on_the_pixel_with_the_row_above_on_top(axes):
    weights = np.arange(9.0).reshape(3, 3)
    image = draw_window(axes, weights, title="crop")
    np.testing.assert_array_equal(image.get_array(), weights)
    assert image.get_extent() == [-1.5, 1.5, 1.5, -1.5]
    assert image.get_clim() == (0, 8)
    assert draw_window(axes, weights - 4, signed=True).get_clim() == (-4, 4)


def test_occlusion_writes_its_numbers(axes):
    draw_occlusion(axes, ["NIR", "SWIR 1"], ["crop", "soil"], np.array([[0.5, -0.25], [0, 1]]))
    assert [text.get_text() for text in axes.texts] == ["0.50", "-0.25", "0.00", "1.00"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["crop", "soil"]


def test_the_deletion_test_shows_its_orders_against_those_by_chance(axes):
    record = {
        "share": [0.0, 0.5, 1.0],
        "random": np.array([[1, 0.5, 0.1], [1, 0.7, 0.1]]),
        "attribution": "integrated gradients",
        "curves": {"attention": [1, 0.4, 0.1], "attribution": [1, 0.2, 0.1]},
    }
    draw_deletion(axes, record, subject="bands")
    lines = {line.get_label(): line.get_ydata() for line in axes.get_lines()}
    np.testing.assert_allclose(lines["Random orders, mean"], [1, 0.6, 0.1])
    np.testing.assert_allclose(lines["Attention, greatest first"], [1, 0.4, 0.1])
    np.testing.assert_allclose(lines["Integrated gradients, greatest first"], [1, 0.2, 0.1])


def test_agreement_leaves_out_what_is_not_defined(axes):
    draw_agreement(axes, ["crop", "soil"], {"attention": [0.5, None], "attribution": [None, None]})
    points = [line for line in axes.get_lines() if line.get_label() == "Attention"]
    np.testing.assert_allclose(points[0].get_xydata(), [[0.5, 0]])
