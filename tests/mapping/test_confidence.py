"""Kinds of confidence, against their definitions in numpy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hsiattn.errors import OutputError
from hsiattn.mapping.confidence import check_kind
from hsiattn.mapping.logit_scores import confidence_of


def _by_definition(logits, kind):
    shares = np.exp(logits - logits.max(axis=0))
    shares /= shares.sum(axis=0)
    if kind == "max":
        return shares.max(axis=0)
    if kind == "margin":
        ordered = np.sort(shares, axis=0)
        return ordered[-1] - ordered[-2]
    logarithms = np.log(np.where(shares > 0, shares, 1.0))
    return 1 + (shares * logarithms).sum(axis=0) / np.log(len(logits))


@settings(max_examples=40, deadline=None)
@given(
    logits=hnp.arrays(np.float64, st.tuples(st.integers(2, 6), st.integers(1, 5)), elements=st.floats(-60, 60)),
    kind=st.sampled_from(["max", "margin", "entropy"]),
)
def test_confidence_is_what_its_definition_says(logits, kind):
    found = confidence_of(torch.from_numpy(logits), kind).numpy()
    np.testing.assert_allclose(found, _by_definition(logits, kind), atol=1e-9)
    assert ((found >= 0) & (found <= 1)).all()


@pytest.mark.parametrize(("kind", "least"), [("max", 1 / 3), ("margin", 0.0), ("entropy", 0.0)])
def test_equal_classes_give_the_least_confidence_and_a_single_one_the_most(kind, least):
    assert confidence_of(torch.zeros(3, 2), kind).tolist() == pytest.approx([least, least], abs=1e-6)
    certain = torch.tensor([[1e4], [0.0], [0.0]])
    assert confidence_of(certain, kind).item() == pytest.approx(1.0)
    assert confidence_of(torch.tensor([[3.0]]), kind).item() == 1.0


def test_a_kind_that_is_not_there_is_refused():
    assert check_kind("margin") == "margin"
    with pytest.raises(OutputError, match="no confidence of the kind 'sure'; give max, margin, entropy"):
        check_kind("sure")
