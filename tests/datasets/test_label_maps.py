"""Label maps in the formats of the providers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hsiattn.datasets.label_maps import majority, read_codes, read_regions
from hsiattn.errors import LabelError

REGIONS = """; ENVI Output of ROIs (4.7) [Tue Apr 02 10:11:12 2013]
; Number of ROIs: 3
; File Dimension: 5 x 4
;
; ROI name: grass_healthy
; ROI rgb value: {0, 205, 0}
; ROI npts: 2
;
; ROI name: nothing here
; ROI rgb value: {0, 0, 0}
; ROI npts: 0
;
; ROI name: water
; ROI rgb value: {0, 0, 255}
; ROI npts: 3
;   ID    X    Y        Lat         Lon
     1    1    1  29.723791  -95.354720
     2    5    1  29.723791  -95.354720

     1    2    4  29.723791  -95.354720
     2    3    4  29.723791  -95.354720
     3    4    4  29.723791  -95.354720
"""


@pytest.fixture
def regions(tmp_path) -> Path:
    path = tmp_path / "samples.txt"
    path.write_text(REGIONS)
    return path


def test_regions_of_envi_are_numbered_in_their_order(regions):
    codes = read_codes([regions], None, (4, 5))
    np.testing.assert_array_equal(codes, [[1, 0, 0, 0, 1], [0] * 5, [0] * 5, [0, 3, 3, 3, 0]])
    assert codes.dtype == np.int32


def test_two_lists_are_one_label_map(regions, tmp_path):
    other = tmp_path / "other.txt"
    other.write_bytes(b"\xef\xbb\xbf; ROI name: a\r\n; ROI npts: 0\r\n; ROI npts: 1\r\n; ID X Y\r\n 1 3 2\r\n")
    codes = read_codes([regions, other], None, (4, 5))
    assert codes[1, 2] == 2
    assert (codes > 0).sum() == 6


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("     2    5    1", "     2    6    1", "line 18 of .* names a pixel outside the scene"),
        ("     2    5    1", "     2    0    1", "outside the scene"),
        ("npts: 3", "npts: 4", "lists 5 pixels instead of 6"),
        ("npts: 3", "npts: many", "is not as ENVI writes"),
        ("     2    5    1", "     2    5", "is not as ENVI writes|outside"),
        ("     2    5    1", "     two  5    1", "line 18 of .* is not as ENVI writes"),
        ("     2    5    1", "     2    5    1e999", "is not as ENVI writes"),
        (REGIONS, "<html>moved</html>", "is not as ENVI writes"),
        (REGIONS, "", "lists 0 pixels instead of 0"),
        (REGIONS, "\0\0\0", "is not as ENVI writes|text|NUL"),
    ],
)
def test_a_damaged_list_is_refused_in_one_line(regions, before, after, message):
    assert before in REGIONS
    regions.write_text(REGIONS.replace(before, after))
    with pytest.raises(LabelError, match=message) as caught:
        read_regions(regions, np.zeros((4, 5), dtype=np.int32))
    assert "\n" not in str(caught.value)


@given(arrays(np.uint8, st.tuples(st.integers(1, 4), st.integers(1, 4)).map(lambda s: (2 * s[0], 2 * s[1])),
              elements=st.integers(0, 3)))  # fmt: skip
def test_the_majority_is_that_of_a_count_of_every_block(codes):
    expected = np.zeros((codes.shape[0] // 2, codes.shape[1] // 2), dtype=np.int32)
    for row, column in np.ndindex(expected.shape):
        block = codes[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].ravel().tolist()
        ranking = Counter(code for code in block if code).most_common(2)
        if len(ranking) == 1 or (len(ranking) == 2 and ranking[0][1] > ranking[1][1]):
            expected[row, column] = ranking[0][0]
    np.testing.assert_array_equal(majority(codes, 2), expected)
