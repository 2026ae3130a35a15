"""Attribute aware pooling against loops, and its prior against counting labels one by one."""

import inspect
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import hsiattn.core.pooling.attribute_aware
from hsiattn.core.pooling import AttributeAwarePooling

POOLS = ["mean", "max", "certainty"]


def _probabilities(*shape, seed=0):
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def _table(classes, attributes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    table = torch.rand(classes, attributes, generator=generator) < 0.5
    return table, torch.randint(0, 40, (classes,), generator=generator)


def _fitted(attributes, **arguments):
    pooling = AttributeAwarePooling(attributes, **arguments).double()
    pooling.fit_prior(*_table(6, attributes))
    return pooling


def _context(pooling, p):
    """One sample's and branch's q by explicit loops over the attributes."""
    result = []
    for a in range(len(p)):
        terms = [
            pooling.given_present[a, b].item() * p[b] + pooling.given_absent[a, b].item() * (1 - p[b])
            for b in range(len(p))
            if b != a
        ]
        result.append(sum(terms) / len(terms) if terms else p[a])
    return result


def _united(pool, scores):
    if pool == "mean":
        return sum(scores) / len(scores)
    if pool == "max":
        return max(scores)
    weights = [math.exp(abs(s - 0.5)) for s in scores]
    return sum(w * s for w, s in zip(weights, scores, strict=True)) / sum(weights)


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("balance", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize(("branches", "attributes"), [(3, 5), (1, 2), (2, 1)])
def test_it_equals_the_formula_by_loops(pool, balance, branches, attributes):
    pooling = _fitted(attributes, balance=balance, pool=pool)
    p = _probabilities(4, branches, attributes)
    result, context = pooling(p), pooling.context(p)
    assert result.shape == (4, attributes)
    for n in range(4):
        q = [_context(pooling, p[n, r].tolist()) for r in range(branches)]
        torch.testing.assert_close(context[n], torch.tensor(q, dtype=torch.float64))
        for a in range(attributes):
            scores = [balance * p[n, r, a].item() + (1 - balance) * q[r][a] for r in range(branches)]
            assert result[n, a].item() == pytest.approx(_united(pool, scores), abs=1e-12)


def test_an_attribute_is_no_context_of_its_own():
    """Known-bad: a mean over all b lets an attribute confirm itself."""
    pooling = _fitted(4)
    p = _probabilities(2, 3, 4)
    changed = p.clone()
    changed[..., 1] = 1 - changed[..., 1]
    assert torch.equal(pooling.context(p)[..., 1], pooling.context(changed)[..., 1])
    bad = [
        (values @ pooling.given_present.T + (1 - values) @ pooling.given_absent.T)[..., 1] for values in (p, changed)
    ]
    assert not torch.allclose(*bad)


@pytest.mark.parametrize("pool", POOLS)
def test_with_balance_1_it_is_the_pooled_probabilities_bit_for_bit(pool):
    p = _probabilities(5, 3, 4).float()
    pooling = AttributeAwarePooling(4, balance=1, pool=pool)
    pooling.fit_prior(*_table(6, 4))
    weights = torch.softmax((p - 0.5).abs(), dim=1)
    expected = {"mean": p.mean(1), "max": p.max(1).values, "certainty": (weights * p).sum(1)}[pool]
    assert torch.equal(pooling(p), expected)
    nothing = AttributeAwarePooling(4, balance=1, pool=pool)  # whatever the prior, even a broken one
    nothing.given_present.fill_(float("nan"))
    assert torch.equal(nothing(p), expected)


@settings(max_examples=30, deadline=None)
@given(
    attributes=st.integers(1, 7),
    smoothing=st.sampled_from([1e-9, 0.1, 1.0]),
    extreme=st.booleans(),
    seed=st.integers(0, 99),
)
def test_context_and_result_are_probabilities(attributes, smoothing, extreme, seed):
    p = _probabilities(3, 2, attributes, seed=seed).float()
    p = p.round() if extreme else p
    for pool in POOLS:
        pooling = AttributeAwarePooling(attributes, pool=pool)
        pooling.fit_prior(*_table(4, attributes, seed=seed), smoothing=smoothing)
        for result in (pooling.context(p), pooling(p)):
            assert torch.isfinite(result).all()
            assert result.min() >= 0
            assert result.max() <= 1


@pytest.mark.parametrize("smoothing", [0.5, 1.0])
def test_the_prior_is_what_counting_labels_gives(smoothing):
    table, counts = _table(5, 4)
    counts[2] = 0
    labels = [k for k in range(5) for _ in range(int(counts[k]))]
    pooling = AttributeAwarePooling(4).double()
    pooling.fit_prior(table, counts, smoothing=smoothing)
    for a in range(4):
        for b in range(4):
            having = [bool(table[k, a]) for k in labels if table[k, b]]
            lacking = [bool(table[k, a]) for k in labels if not table[k, b]]
            present = (sum(having) + smoothing) / (len(having) + 2 * smoothing)
            absent = (sum(lacking) + smoothing) / (len(lacking) + 2 * smoothing)
            assert pooling.given_present[a, b].item() == pytest.approx(present, abs=1e-12)
            assert pooling.given_absent[a, b].item() == pytest.approx(absent, abs=1e-12)


def test_asphalt_excludes_vegetation():
    """Two attributes that never occur together: certainty of one lowers the other, its absence raises it."""
    pooling = AttributeAwarePooling(2, balance=0.5)
    pooling.fit_prior(torch.tensor([[True, False], [False, True]]), torch.tensor([500, 500]))
    p = torch.tensor([[[0.95, 0.5]], [[0.05, 0.5]]])
    assert pooling(p)[0, 1] < 0.35
    assert pooling(p)[1, 1] > 0.65


def test_before_it_is_fitted_the_prior_says_nothing():
    assert (AttributeAwarePooling(3).context(_probabilities(2, 2, 3).float()) == 0.5).all()


def test_the_certain_branch_weighs_more():
    p = torch.tensor([[[0.99], [0.5]]])
    assert AttributeAwarePooling(1, pool="certainty")(p) > AttributeAwarePooling(1, pool="mean")(p)


def test_the_prior_is_saved_and_nothing_is_learned():
    pooling, other = _fitted(3), AttributeAwarePooling(3).double()
    assert list(pooling.parameters()) == []
    other.load_state_dict(pooling.state_dict())
    p = _probabilities(2, 2, 3)
    assert torch.equal(other(p), pooling(p))


@pytest.mark.parametrize("arguments", [{"attributes": 0}, {"balance": 1.1}, {"balance": -0.1}, {"pool": "median"}])
def test_bad_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match="must be"):
        AttributeAwarePooling(**{"attributes": 3, **arguments})


@pytest.mark.parametrize(
    ("table", "counts", "smoothing"),
    [
        (torch.ones(4, 2), torch.ones(4), 1.0),
        (torch.ones(4, 3), torch.ones(3), 1.0),
        (torch.ones(3), torch.ones(3), 1.0),
        (torch.ones(4, 3), -torch.ones(4), 1.0),
        (torch.ones(4, 3), torch.ones(4), 0.0),
    ],
)
def test_a_prior_that_cannot_be_had_is_refused(table, counts, smoothing):
    with pytest.raises(ValueError, match=r"needed|must"):
        AttributeAwarePooling(3).fit_prior(table, counts, smoothing=smoothing)


def test_the_module_says_that_it_is_a_reconstruction():
    assert "reconstruction" in inspect.getdoc(hsiattn.core.pooling.attribute_aware)


def test_the_prior_halves_the_contradictory_sets_of_attributes_and_keeps_the_classes():
    """Three noisy branches; a set of attributes contradicts itself where no class has exactly those."""
    table = torch.tensor([[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1], [0, 0, 0, 0]], dtype=torch.bool)
    torch.manual_seed(3)
    truth = torch.arange(2000) % 5
    branches = (table[truth, None] * 0.6 + 0.2 + 0.35 * torch.randn(2000, 3, 4)).clamp(0, 1)
    contradictory, sets_right, classes_right = {}, {}, {}
    for balance in (1.0, 0.8):
        pooling = AttributeAwarePooling(4, balance=balance)
        pooling.fit_prior(table, torch.full((5,), 50))
        pooled = pooling(branches).clamp(1e-4, 1 - 1e-4)
        likely = pooled > 0.5
        contradictory[balance] = (likely[:, None] != table).any(dim=2).all(dim=1).float().mean()
        sets_right[balance] = (likely == table[truth]).all(dim=1).float().mean()
        scores = pooled.log() @ table.T.float() + (1 - pooled).log() @ (~table).T.float()
        classes_right[balance] = (scores.argmax(dim=1) == truth).float().mean()
    assert contradictory[0.8] < 0.6 * contradictory[1.0]
    assert sets_right[0.8] > sets_right[1.0] + 0.04
    assert classes_right[0.8] > classes_right[1.0] - 0.02
