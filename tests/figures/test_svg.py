"""SVG of figures is the same each time; in a page it keeps to itself and is told to screen readers."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from hsiattn.errors import OutputError
from hsiattn.figures import draw_learning_curve, inline_svg, new_figure, to_svg
from hsiattn.figures.files import to_pdf, to_png, write_figure
from hsiattn.files.kinds import FileKind, kind_of

RECORD = {
    "epoch": [1, 2, 3],
    "training_loss": [2.0, 1.0, 0.5],
    "training_accuracy": [0.3, 0.6, 0.9],
    "validation_loss": [2.1, 1.2, 0.8],
    "validation_accuracy": [0.3, 0.5, 0.7],
    "best_epoch": 3,
}
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def figure():
    figure = new_figure()
    axes = figure.subplots()
    draw_learning_curve(axes, RECORD)
    axes.fill_between([1, 3], [0, 0], [50, 90], hatch="//")  # a pattern, which is referred to by its id
    return figure


def test_the_same_figure_gives_the_same_bytes(figure):
    for write in (to_svg, to_png, to_pdf):
        assert write(figure) == write(figure)


def test_an_element_of_a_page_has_ids_of_its_own_that_lead_somewhere(figure):
    text = inline_svg(figure, title="Learning curve")
    ids = re.findall(r'\bid="([^"]+)"', text)
    used = re.findall(r'(?:href="#|url\(#)([^")]+)', text)
    assert len(set(ids)) == len(ids)
    assert used
    assert set(used) <= set(ids)
    other = inline_svg(figure, title="Another")
    assert not set(ids) & set(re.findall(r'\bid="([^"]+)"', other))


def test_an_element_of_a_page_says_what_it_is_and_styles_nothing_else(figure):
    text = inline_svg(figure, title="Losses < gains", description="Accuracy & loss")
    assert text.startswith("<svg ")
    assert "<style" not in text
    assert "<metadata" not in text
    root = ET.fromstring(text)
    named = {element.get("id"): element.text for element in root if element.tag in (f"{SVG}title", f"{SVG}desc")}
    assert root.get("role") == "img"
    assert [named[name] for name in root.get("aria-labelledby").split()] == ["Losses < gains", "Accuracy & loss"]
    assert root.get("width") is None
    assert root.get("viewBox")
    assert "Epoch" in {element.text for element in root.iter(f"{SVG}text")}


def test_rounded_paths_lie_where_the_exact_ones_do(figure):
    figure.axes[0].lines[0].set_gid("curve")

    def numbers(text):
        group = text[re.search(r'id="[^"]*curve"', text).start() :]
        return np.array([float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", re.search(r'\bd="([^"]*)"', group)[1])])

    exact, rounded = numbers(to_svg(figure).decode()), numbers(inline_svg(figure, title="x"))
    assert len(exact) == 2 * len(RECORD["epoch"])
    assert np.abs(exact - rounded).max() < 0.01


@pytest.mark.parametrize(
    ("suffix", "kind"), [("png", FileKind.PICTURE), ("svg", FileKind.PLOT), ("pdf", FileKind.PLOT)]
)
def test_only_a_figure_of_ours_is_replaced(figure, suffix, kind, tmp_path):
    path = tmp_path / f"figure.{suffix}"
    write_figure(path, figure)
    assert kind_of(path) is kind
    with pytest.raises(OutputError, match="exists already"):
        write_figure(path, figure)
    write_figure(path, figure, overwrite=True)
    figure.savefig(path)
    with pytest.raises(OutputError, match="that hsiattn wrote"):
        write_figure(path, figure, overwrite=True)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_other_suffixes_are_refused(figure, tmp_path):
    with pytest.raises(OutputError, match=r"call it figure\.png, \.svg or \.pdf"):
        write_figure(tmp_path / "figure.jpg", figure)
