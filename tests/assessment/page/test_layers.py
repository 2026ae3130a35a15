"""Pictures of a page: exact, described in words, and small enough."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from hsiattn.assessment.page.layers import ROLE_COLORS, Layers, make_layers
from hsiattn.assessment.page.png import palette_png
from hsiattn.assessment.supplement import NO_CONFIDENCE, Pictures
from hsiattn.figures.maps import ROLE_STYLES

CLASSES = [{"name": f"class {code}", "color": f"#{code * 13:02x}40{code * 7:02x}"} for code in range(1, 17)]
GRID = (10.0, 0.0, 0.0, 0.0, -10.0, 0.0)


def opened(layer) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(layer.uri.partition(",")[2])))


def pictures(side: int, *, noise: bool = False, **more) -> Pictures:
    rng = np.random.default_rng(3)
    rows, columns = np.indices((side, side))
    truth = ((rows // 8 + columns // 8) % 16 + 1).astype(np.uint8)
    mapped = rng.integers(0, 17, truth.shape).astype(np.uint8) if noise else truth
    return Pictures(mapped, rng.permutation(mapped) if noise else truth, 1, side, side, GRID, **more)


@pytest.mark.parametrize("colours", [1, 2, 17, 256])
def test_another_program_reads_the_same_values_and_colours(colours):
    rng = np.random.default_rng(colours)
    values = rng.integers(0, colours, (7, 13)).astype(np.uint8)
    palette = rng.integers(0, 256, (colours, 4)).astype(np.uint8)
    image = Image.open(io.BytesIO(palette_png(values, palette)))
    assert image.mode == "P"
    assert np.array_equal(np.asarray(image), values)
    assert np.array_equal(np.asarray(image.convert("RGBA")), palette[values])


def test_values_beyond_the_palette_are_refused():
    with pytest.raises(ValueError, match="the value 3 is beyond a palette of 3 colours"):
        palette_png(np.full((1, 1), 3, np.uint8), np.zeros((3, 4), np.uint8))


def test_small_pictures_are_whole():
    layers = make_layers(pictures(40), CLASSES)
    assert (layers.width, layers.height, layers.step, layers.thinned) == (40, 40, 1, "")
    assert [layer.name for layer in layers.pictures] == ["map", "reference"]
    assert np.array_equal(np.asarray(opened(layers.pictures[0])), pictures(40).land_cover)
    assert layers.pictures[0].alternative.startswith("Map, 40 × 40 pixels: class ")


def test_pure_noise_of_many_classes_is_thinned_and_says_so():
    rng = np.random.default_rng(0)
    confidence = rng.integers(0, 101, (2000, 2000)).astype(np.uint8)
    noisy = pictures(2000, noise=True, confidence=confidence)
    layers = make_layers(noisy, CLASSES)
    assert layers.bytes <= 4_300_000
    assert layers.step == 2
    assert layers.thinned == (
        "To keep the page small, pictures show every 2nd row and column; figures count all pixels."
    )
    assert np.array_equal(np.asarray(opened(layers.pictures[0])), noisy.land_cover[::2, ::2])


def test_confidence_becomes_coarser_before_pictures_are_thinned():
    rng = np.random.default_rng(0)
    confidence = rng.integers(0, 101, (300, 300)).astype(np.uint8)
    given = pictures(300, confidence=confidence)
    full = make_layers(given, CLASSES)
    assert (full.confidence_step, full.confidence_factor) == (5, 1)
    less = make_layers(given, CLASSES, full.bytes - 1)
    assert (less.step, less.confidence_step, less.confidence_factor) == (1, 10, 1)
    least = make_layers(given, CLASSES, less.bytes - 1)
    assert (least.step, least.confidence_step, least.confidence_factor) == (1, 10, 2)


def test_confidence_is_rounded_and_unknown_where_it_is_not_known():
    confidence = np.array([[0, 2, 3, 52, 53, 98, 100, NO_CONFIDENCE]], np.uint8)
    one = np.ones(confidence.shape, np.uint8)
    layer = make_layers(Pictures(one, one, 1, 8, 1, GRID, confidence=confidence), CLASSES).pictures[-1]
    assert layer.name == "confidence"
    assert np.asarray(opened(layer)).tolist() == [[0, 0, 1, 10, 11, 20, 20, 21]]
    assert np.asarray(opened(layer).convert("RGBA"))[0, :, 3].tolist() == [255] * 7 + [0]
    assert layer.alternative == "Confidence of the map: mean 44 %"


def test_the_quicklook_is_bounded_and_white_where_there_is_no_data():
    look = np.zeros((3000, 1500, 4), np.uint8)
    look[:1500] = (200, 30, 30, 255)
    one = np.ones((3000, 1500), np.uint8)
    layer = make_layers(Pictures(one, one, 1, 1500, 3000, GRID, quicklook=look), CLASSES).pictures[-1]
    picture = opened(layer)
    assert (picture.format, picture.size) == ("JPEG", (600, 1200))
    assert np.abs(np.asarray(picture)[100, 100].astype(int) - (200, 30, 30)).max() < 8
    assert np.asarray(picture)[-1, -1].min() > 250


def test_codes_beyond_the_class_table_count_as_none():
    strange = np.array([[1, 200]], np.uint8)
    layers = make_layers(Pictures(strange, strange, 1, 2, 1, GRID), CLASSES)
    assert np.asarray(opened(layers.pictures[0])).tolist() == [[1, 0]]


@pytest.mark.parametrize(
    ("step", "words"), [(2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (21, "21st"), (113, "113th")]
)
def test_ordinals(step, words):
    assert f"every {words} row" in Layers((), 1, 1, step, 5, 1).thinned


def test_roles_have_the_colours_of_figures():
    assert [f"#{r:02x}{g:02x}{b:02x}" for r, g, b, _ in ROLE_COLORS[1:]] == [style[2] for style in ROLE_STYLES.values()]


def test_a_small_quicklook_is_exact():
    look = np.random.default_rng(0).integers(0, 256, (50, 40, 4)).astype(np.uint8)
    look[..., 3] = 255
    one = np.ones((50, 40), np.uint8)
    layer = make_layers(Pictures(one, one, 1, 40, 50, GRID, quicklook=look), CLASSES).pictures[-1]
    assert np.array_equal(np.asarray(opened(layer).convert("RGBA")), look)
