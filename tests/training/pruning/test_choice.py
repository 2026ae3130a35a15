"""Which units stay: within the limit, the most useful ones, and no set empty."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsiattn.errors import TrainingError
from hsiattn.networks import create_network
from hsiattn.networks.units import Costs
from hsiattn.training.pruning.choice import Choice

NETWORK = create_network("grouped-ssan", bands=40, channels=6, classes=4, patch_size=7, hidden=9, embedding=8, width=7)


def _choice(measure="flops"):
    anatomy = NETWORK.anatomy()
    return Choice(Costs(NETWORK, anatomy), {each.name: each.count for each in anatomy.units}, measure)


@given(seed=st.integers(0, 10_000), share=st.floats(0.05, 0.99), measure=st.sampled_from(["flops", "parameters"]))
def test_the_cost_is_within_its_limit_and_no_set_is_empty(seed, share, measure):
    choice = _choice(measure)
    utilities = np.random.default_rng(seed).random(len(choice.sets))
    kept = choice.within(utilities, share * choice.whole)
    assert choice.cost(kept) <= share * choice.whole
    assert all(len(units) for units in choice.by_set(kept).values())
    filled = choice.within(utilities, share * choice.whole, filled=True)
    assert (filled | ~kept).all()  # what stays without filling stays with it
    assert choice.cost(kept) <= choice.cost(filled) <= share * choice.whole


@given(seed=st.integers(0, 10_000), share=st.floats(0.1, 0.9))
def test_what_goes_is_less_useful_than_what_stays_but_for_the_best_of_a_set(seed, share):
    choice = _choice()
    utilities = np.random.default_rng(seed).random(len(choice.sets))
    kept = choice.within(utilities, share * choice.whole)
    alone = choice.fewest(utilities)
    assert utilities[~kept].max(initial=0.0) <= utilities[kept & ~alone].min(initial=1.0)
    order = np.argsort(utilities)
    last = order[~kept[order]][-1:]
    back = kept.copy()
    back[last] = True
    assert not len(last) or choice.cost(back) > share * choice.whole  # one unit fewer goes, and it costs too much


@given(seed=st.integers(0, 10_000), share=st.floats(0.2, 0.9), least=st.floats(0.1, 0.5))
def test_a_share_of_every_set_stays_unless_the_limit_is_lower(seed, share, least):
    choice = _choice()
    utilities = np.random.default_rng(seed).random(len(choice.sets)) * np.where(choice.sets == 1, 1e-6, 1.0)
    kept = choice.within(utilities, share * choice.whole, least=least)
    assert choice.cost(kept) <= share * choice.whole
    counts, all_of_them = choice.counts(kept), np.bincount(choice.sets)
    floors = [np.maximum(1, (least / 2**halved * all_of_them).astype(int)) for halved in range(8)]
    halved = next(n for n, floor in enumerate(floors) if choice.costs.of(floor)[1] <= share * choice.whole)
    assert (counts >= floors[halved]).all()


def test_a_target_out_of_reach_names_the_nearest():
    choice = _choice()
    utilities = np.linspace(0, 1, len(choice.sets))
    with pytest.raises(
        TrainingError, match=r"no network of this kind has 0\.001 of the flops; give a target of 0\.0"
    ) as error:
        choice.within(utilities, 0.001 * choice.whole)
    nearest = float(str(error.value).split("target of ")[1].split()[0])
    assert choice.cost(choice.within(utilities, nearest * choice.whole)) <= nearest * choice.whole


def test_savings_are_what_the_network_costs_less_without_a_unit():
    choice = _choice("parameters")
    for name, units in (("hidden", 9), ("width.1", 7)):
        smaller = {**{each.name: np.arange(each.count) for each in NETWORK.anatomy().units}, name: np.arange(units - 1)}
        without = create_network(**NETWORK.slimmed_arguments(
            {"name": "grouped-ssan", "bands": 40, "channels": 6, "classes": 4, "patch_size": 7}, smaller
        ))  # fmt: skip
        lost = sum(p.numel() for p in NETWORK.parameters()) - sum(p.numel() for p in without.parameters())
        index = choice.costs.names.index(name)
        assert choice.savings[choice.sets == index] == pytest.approx(lost / choice.whole)
    assert (choice.savings[choice.sets == 0] == 0).all()  # groups of bands have no weights of their own
