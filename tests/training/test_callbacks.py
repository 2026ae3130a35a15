"""Whether training has improved upon its start, or only seems to have."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hsiattn.training.callbacks import is_proven

gains = st.lists(st.floats(-5, 5), min_size=2, max_size=30)


@settings(max_examples=100, deadline=None)
@given(values=gains, errors=st.floats(0.1, 4))
def test_a_gain_is_proven_where_the_paired_t_statistic_exceeds_the_errors_asked_for(values, errors):
    values = np.array(values)
    if np.ptp(values) < 1e-6:
        return
    statistic = stats.ttest_1samp(values, 0.0).statistic
    if abs(statistic - errors) > 1e-6:
        assert is_proven(torch.tensor(values), errors) == (statistic > errors)


def test_one_pixel_that_was_wrong_proves_nothing_however_wrong_it_was():
    assert not is_proven(torch.tensor([145.0] + 11 * [0.0]), 1.0)
    assert is_proven(torch.tensor(6 * [0.5] + 6 * [0.1]), 1.0)


@pytest.mark.parametrize("values", [[], [3.0]])
def test_without_a_spread_nothing_is_proven(values):
    assert not is_proven(torch.tensor(values), 1.0)


def test_without_a_demand_every_gain_counts():
    assert is_proven(torch.tensor([1e-9]), 0.0)
