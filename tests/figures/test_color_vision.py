"""Differences of colours agree with published ones; the colours of classes can be told apart by everybody."""

from __future__ import annotations

import numpy as np
import pytest

from hsiattn.classes import ClassTable, LandCoverClass, distinct_color
from hsiattn.figures.color_vision import VISIONS, ciede2000, differences, hard_to_tell, pairs_in_words, seen, to_lab

# Sharma, Wu and Dalal 2005, Color Research and Application 30, 21-30, table 1.
PUBLISHED = [
    ((50.0000, 2.6772, -79.7751), (50.0000, 0.0000, -82.7485), 2.0425),
    ((50.0000, 3.1571, -77.2803), (50.0000, 0.0000, -82.7485), 2.8615),
    ((50.0000, 2.8361, -74.0200), (50.0000, 0.0000, -82.7485), 3.4412),
    ((50.0000, -1.3802, -84.2814), (50.0000, 0.0000, -82.7485), 1.0000),
    ((50.0000, 0.0000, 0.0000), (50.0000, -1.0000, 2.0000), 2.3669),
    ((50.0000, 2.4900, -0.0010), (50.0000, -2.4900, 0.0009), 7.1792),
    ((50.0000, 2.4900, -0.0010), (50.0000, -2.4900, 0.0011), 7.2195),
    ((50.0000, -0.0010, 2.4900), (50.0000, 0.0009, -2.4900), 4.8045),
    ((50.0000, -0.0010, 2.4900), (50.0000, 0.0011, -2.4900), 4.7461),
    ((50.0000, 2.5000, 0.0000), (50.0000, 0.0000, -2.5000), 4.3065),
    ((50.0000, 2.5000, 0.0000), (73.0000, 25.0000, -18.0000), 27.1492),
    ((50.0000, 2.5000, 0.0000), (61.0000, -5.0000, 29.0000), 22.8977),
    ((50.0000, 2.5000, 0.0000), (56.0000, -27.0000, -3.0000), 31.9030),
    ((50.0000, 2.5000, 0.0000), (58.0000, 24.0000, 15.0000), 19.4535),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((63.0109, -31.0961, -5.8663), (62.8187, -29.7946, -4.0864), 1.2630),
    ((61.2901, 3.7196, -5.3901), (61.4292, 2.2480, -4.9620), 1.8731),
    ((35.0831, -44.1164, 3.7933), (35.0232, -40.0716, 1.5901), 1.8645),
    ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ((90.8027, -2.0831, 1.4410), (91.1528, -1.6435, 0.0447), 1.4441),
    ((6.7747, -0.2908, -2.4247), (5.8714, -0.0985, -2.2286), 0.6377),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]


@pytest.mark.parametrize(("first", "second", "difference"), PUBLISHED)
def test_differences_are_the_published_ones(first, second, difference):
    assert ciede2000(np.array(first), np.array(second)) == pytest.approx(difference, abs=1e-4)
    assert ciede2000(np.array(second), np.array(first)) == pytest.approx(difference, abs=1e-4)


@pytest.mark.parametrize(
    ("color", "lab"),
    [((255, 255, 255), (100, 0, 0)), ((255, 0, 0), (53.24, 80.09, 67.20)), ((0, 0, 255), (32.30, 79.19, -107.86))],
)
def test_lightness_and_hue_of_the_primaries(color, lab):
    assert to_lab(seen(np.array(color, float), "normal vision")) == pytest.approx(lab, abs=0.05)


def test_greys_look_the_same_to_everybody():
    grey = np.full(3, 128.0)
    for vision in VISIONS:
        assert seen(grey, vision) == pytest.approx(seen(grey, "normal vision"), abs=1e-4)


def colors(count):
    return np.array([distinct_color(position) for position in range(count)], float)


@pytest.mark.parametrize(("count", "least"), [(8, 16), (12, 12), (16, 11), (30, 8)])
@pytest.mark.parametrize("vision", VISIONS)
def test_colours_of_classes_differ_to_everybody(count, least, vision):
    apart = differences(colors(count), colors(count), vision)
    assert apart[~np.eye(count, dtype=bool)].min() > least


@pytest.mark.parametrize(("count", "least"), [(8, 8), (12, 3.9)])
def test_colours_of_few_classes_differ_in_grey(count, least):
    lightness = to_lab(seen(colors(count), "normal vision"))[:, 0]
    assert np.diff(np.sort(lightness)).min() > least


def test_colours_of_classes_stand_out_from_paper_and_from_pixels_without_a_class():
    for ground in ((255, 255, 255), (242, 242, 242)):
        assert differences(colors(36), [ground]).min() > 20


def test_colours_never_end_and_never_return():
    assert len({distinct_color(position) for position in range(300)}) == 300


def test_classes_that_readers_take_for_each_other_are_named():
    red, green, blue = (LandCoverClass(1, "red", (160, 90, 40)), LandCoverClass(2, "green", (104, 110, 40)),
                        LandCoverClass(3, "blue", (20, 40, 200)))  # fmt: skip
    assert hard_to_tell([red, green, blue]) == [("red", "green", "deuteranopia")]
    assert hard_to_tell([red, red, blue]) == [("red", "red", "normal vision")]
    assert hard_to_tell([]) == hard_to_tell([red]) == []
    assert pairs_in_words([red, blue]) == []
    (note,) = pairs_in_words([red] * 4)
    assert note.count("red and red") == 3
    assert "and 3 more pairs" in note


def test_made_up_classes_need_no_note():
    assert hard_to_tell(ClassTable.from_codes(range(1, 31)).classes) == []
