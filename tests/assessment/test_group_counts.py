"""Counts by polygon are those of a loop over pixels, whole or window by window."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hsiattn.assessment import GroupCounts
from hsiattn.assessment.group_counts import GroupedCodes
from hsiattn.classes import ClassTable

CODES = [0, 3, 9]
TABLE = ClassTable.from_codes([3, 9])
rasters = st.integers(1, 30).flatmap(
    lambda n: st.tuples(*(hnp.arrays(np.int32, n, elements=st.sampled_from(v)) for v in ([0, 5, 70], CODES, CODES)))
)


def looped(ids, reference, mapped):
    counts = {}
    for group, row, column in zip(ids.tolist(), reference.tolist(), mapped.tolist(), strict=True):
        if row:
            key = group, CODES.index(row) - 1, CODES.index(column) - 1 if column else 2
            counts[key] = counts.get(key, 0) + 1
    return counts


def as_dict(counts):
    keys = zip(counts.ids.tolist(), counts.reference.tolist(), counts.mapped.tolist(), strict=True)
    return dict(zip(keys, counts.pixels.tolist(), strict=True))


@given(rasters, st.integers(0, 30))
def test_counts_by_polygon_are_those_of_a_loop(pixels, cut):
    ids, reference, mapped = pixels
    found = GroupedCodes()
    for part in (slice(None, cut), slice(cut, None)):
        found.add(ids[part], reference[part], mapped[part])
    expected = looped(*pixels)
    assert as_dict(found.counts(TABLE)) == expected
    labelled = reference > 0
    answers = TABLE.to_indices(mapped[labelled])
    whole = GroupCounts.of_pixels(ids[labelled], TABLE.to_indices(reference[labelled]), answers, 2)
    assert as_dict(whole) == expected


def test_ids_below_one_mean_no_polygon():
    assert GroupCounts.of_pixels([-1, 0, 4], [0, 0, 0], [0, 0, 0], 1).ids.tolist() == [0, 4]
