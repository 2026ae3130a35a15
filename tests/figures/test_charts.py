"""Charts show the numbers of their records, and stand what records may lack."""

from __future__ import annotations

import numpy as np
import pytest

from hsiattn.figures import (
    confusion_size,
    draw_areas,
    draw_attention,
    draw_confusion,
    draw_learning_curve,
    draw_reliability,
    new_figure,
)
from hsiattn.figures.files import to_png


@pytest.fixture
def axes():
    return new_figure().subplots()


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


# -- confusion ---------------------------------------------------------------------------------------------------------

MATRIX = np.array([[90, 10, 0], [1, 999, 0], [0, 3, 0]])


def cells(axes):
    return {tuple(map(round, text.get_position()[::-1])): text.get_text() for text in axes.texts}


def test_cells_hold_counts_and_nothing_where_there_are_none(axes):
    draw_confusion(axes, MATRIX, ["a", "b", "c"])
    assert cells(axes) == {(0, 0): "90", (0, 1): "10", (1, 0): "1", (1, 1): "999", (2, 1): "3"}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "c"]
    assert axes.get_images()[0].get_array().tolist()[0] == [0.9, 0.1, 0.0]


def test_shares_are_of_rows_or_of_columns_and_never_look_like_all_or_none_of_it(axes):
    draw_confusion(axes, MATRIX, ["a", "b", "c"], shares="rows")
    assert cells(axes) == {(0, 0): "90", (0, 1): "10", (1, 0): "<1", (1, 1): ">99", (2, 1): "100"}
    columns = new_figure().subplots()
    draw_confusion(columns, MATRIX, ["a", "b", "c"], shares="columns")
    assert cells(columns)[0, 0] == f"{100 * 90 / 91:.0f}"
    assert columns.get_images()[0].get_array()[:, 2].tolist() == [0, 0, 0]


def test_pixels_that_the_map_leaves_unclassified_have_a_column_where_there_are_any(axes):
    draw_confusion(axes, MATRIX, ["a", "b", "c"], unclassified=[0, 0, 9])
    assert cells(axes)[2, 3] == "9"
    assert axes.get_xticklabels()[-1].get_text() == "Unclassified"
    without = new_figure().subplots()
    draw_confusion(without, MATRIX, ["a", "b", "c"], unclassified=[0, 0, 0])
    assert len(without.get_xticks()) == 3


def test_numbers_stand_out_from_their_cells(axes):
    draw_confusion(axes, [[100, 0], [45, 55]], ["a", "b"])
    colors = {text.get_text(): text.get_color() for text in axes.texts}
    assert colors["100"] == "#ffffff"
    assert colors["45"] == "#000000"


@pytest.mark.parametrize("count", [1, 2, 33, 60])
def test_any_number_of_classes_is_drawn(count):
    figure = new_figure(*confusion_size(count))
    draw_confusion(figure.subplots(), np.eye(count) * 5, [f"$class$ with a long name {n}" for n in range(count)])
    assert to_png(figure, 30).startswith(b"\x89PNG")
    assert len(figure.axes[0].texts) == (count if count <= 40 else 0)


def test_a_matrix_without_its_names_is_refused(axes):
    with pytest.raises(ValueError, match="there are 2 names"):
        draw_confusion(axes, MATRIX, ["a", "b"])


# -- attention ---------------------------------------------------------------------------------------------------------


def attention(classes, wavelength):
    bands = len(wavelength)
    curve = {"mean": [1 / bands] * bands, "lower": [0.5 / bands] * bands, "upper": [2 / bands] * bands}
    items = [{"code": n, "name": f"c{n}", "color": "#112233", "pixels": 9, **curve} for n in range(classes)]
    return {"bands": ["b"] * bands, "wavelength": wavelength, "classes": items}


def test_attention_is_in_per_cent_against_the_weight_that_all_bands_would_share(axes):
    draw_attention(axes, attention(2, [400.0, 410.0, 420.0, 430.0]))
    assert axes.lines[0].get_ydata().tolist() == [25] * 4
    assert legend(axes) == ["c0 (9 px)", "c1 (9 px)", "All bands alike"]
    assert axes.lines[2].get_ydata()[0] == 25
    assert len(axes.collections) == 2


def test_quartiles_of_many_classes_are_left_out_and_bands_without_wavelength_counted(axes):
    draw_attention(axes, attention(9, [None, 410.0]))
    assert len(axes.collections) == 0
    assert axes.get_xlabel() == "Band"


def test_water_vapour_is_shaded_where_the_spectrum_spans_it():
    for wavelength, shaded in (([1000.0, 1300.0, 1500.0, 1700.0], 1), ([400.0, 500.0], 0), ([400.0, 2400.0], 2)):
        axes = new_figure().subplots()
        draw_attention(axes, attention(1, wavelength))
        assert len(axes.patches) == shaded


# -- learning curve ----------------------------------------------------------------------------------------------------


def learning(validation):
    return {
        "epoch": [1, 2, 3, 4],
        "training_loss": [2.0, 1.0, 0.5, None],
        "training_accuracy": [0.1, 0.2, 0.4, 0.8],
        "validation_loss": validation,
        "validation_accuracy": validation,
        "best_epoch": 3,
    }


def test_a_learning_curve_shows_per_cent_and_the_epoch_that_was_kept(axes):
    draw_learning_curve(axes, learning([0.1, 0.3, 0.5, 0.4]))
    assert axes.lines[0].get_ydata().tolist() == pytest.approx([10, 20, 40, 80])
    assert axes.lines[1].get_ydata().tolist() == pytest.approx([10, 30, 50, 40])
    assert axes.lines[2].get_xdata()[0] == 3
    assert [text.get_text() for text in axes.texts] == ["Epoch 3 kept"]


def test_a_training_without_validation_has_one_curve(axes):
    draw_learning_curve(axes, learning([None] * 4), measure="loss")
    assert legend(axes) == ["Training pixels"]
    assert axes.get_ylabel() == "Cross-entropy, nats"


# -- areas and reliability ---------------------------------------------------------------------------------------------


def estimate(value, half):
    lower, upper = (None, None) if half is None else (value - half, value + half)
    return {"value": value, "lower": lower, "upper": upper}


def area(name, hectares):
    return {
        "code": 1, "name": name, "mapped_hectares": hectares, "mapped_share": 0.25,
        "hectares": estimate(120.0, 150.0), "share": estimate(0.3, None), "standard_error": 0.1,
        "producers_accuracy": estimate(0.5, 0.1), "users_accuracy": estimate(0.5, 0.1),
    }  # fmt: skip


def areas(*classes):
    accuracy = {"overall_accuracy": estimate(0.5, 0.1), "standard_error": None, "hectares": None}
    return {"design": "", "assumed": False, **accuracy, "classes": list(classes)}


def test_areas_are_hectares_where_all_are_known_and_their_intervals_are_shown_whole(axes):
    draw_areas(axes, areas(area("a", 100.0), area("b", 50.0)))
    assert axes.get_xlabel() == "Area, ha"
    assert axes.lines[0].get_xdata().tolist() == [-30.0, 270.0]
    assert axes.get_xlim()[0] <= -30
    assert legend(axes) == ["Estimated, with its interval", "Mapped"]


def test_areas_are_shares_of_the_map_otherwise(axes):
    draw_areas(axes, areas(area("a", None), area("b", 50.0)))
    assert axes.get_xlabel() == "Area, % of the map"
    assert sorted(line.get_xdata()[0] for line in axes.lines) == pytest.approx([25, 25, 30, 30])
    assert axes.get_xlim()[0] == 0


def test_bins_with_pixels_are_points_of_a_reliability_diagram(axes):
    part = {"lower": 0.0, "upper": 0.5}
    bins = [{**part, "pixels": 0, "mean_confidence": None, "accuracy": None},
            {**part, "pixels": 8, "mean_confidence": 0.75, "accuracy": 0.5}]  # fmt: skip
    draw_reliability(axes, {"bins": bins, "expected_calibration_error": 0.25, "pixels": 8})
    assert axes.collections[0].get_offsets().tolist() == [[75, 50]]
    assert any("25.0 %" in text.get_text() for text in axes.texts)
    empty = new_figure().subplots()
    draw_reliability(empty, {"bins": bins[:1], "expected_calibration_error": None, "pixels": 0})
    assert len(empty.collections) == 0
