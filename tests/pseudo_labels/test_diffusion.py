"""Averaging that stops at the edges of fields, against dense systems of equations."""

from __future__ import annotations

import numpy as np
import pytest

from hsiattn.pseudo_labels.diffusion import EdgePreservingDiffusion


@pytest.fixture
def area(make_area):
    rng = np.random.default_rng(5)
    valid = rng.random((7, 9)) > 0.15
    return make_area(rng.normal(size=(7, 9, 3)), valid)


def _dense(area, guide, values, hold):
    """The minimum of the quadratic form, term by term."""
    distance = [float(((guide[i] - guide[j]) ** 2).sum()) for i, j in area.neighbours]
    typical = np.median(distance)
    system = hold * np.eye(len(area))
    for (i, j), d in zip(area.neighbours, distance, strict=True):
        weight = np.exp(-d / typical) + 1e-4
        system[i, i] += weight
        system[j, j] += weight
        system[i, j] -= weight
        system[j, i] -= weight
    return np.linalg.solve(system, hold * values)


@pytest.mark.parametrize("hold", [1.0, 0.1, 0.03])
def test_the_result_solves_the_dense_system(area, hold):
    values = np.random.default_rng(1).normal(size=(len(area), 4))
    spread = EdgePreservingDiffusion(area.neighbours, area.spectra).spread(values, hold)
    assert spread.dtype == np.float32
    np.testing.assert_allclose(spread, _dense(area, area.spectra.astype(float), values, hold), atol=1e-5)


def test_the_result_is_the_least_of_what_it_minimises(area):
    values, hold = np.random.default_rng(1).normal(size=(len(area), 1)), 0.2
    first, second = area.neighbours.T
    distance = ((area.spectra[first] - area.spectra[second]).astype(float) ** 2).sum(axis=1)
    weights = np.exp(-distance / np.median(distance)) + 1e-4

    def cost(result):
        return hold * ((result - values) ** 2).sum() + weights @ ((result[first] - result[second]) ** 2)[:, 0]

    spread = EdgePreservingDiffusion(area.neighbours, area.spectra).spread(values, hold).astype(float)
    rng = np.random.default_rng(0)
    assert all(cost(spread) < cost(spread + 0.01 * rng.normal(size=spread.shape)) for _ in range(50))


def test_one_diffusion_spreads_with_any_hold_in_any_order(area):
    values = np.random.default_rng(1).normal(size=(len(area), 2))
    one, other = (EdgePreservingDiffusion(area.neighbours, area.spectra) for _ in range(2))
    first = [one.spread(values, hold) for hold in (1.0, 0.1, 1.0)]
    second = [other.spread(values, hold) for hold in (0.1, 1.0)]
    for mine, theirs in zip(first, (second[1], second[0], second[1]), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_constant_fields_stay_and_the_mean_does_too(area):
    diffusion = EdgePreservingDiffusion(area.neighbours, area.spectra)
    np.testing.assert_allclose(diffusion.spread(np.full((len(area), 2), 3.5), 0.03), 3.5, rtol=1e-6)
    values = np.random.default_rng(1).normal(size=(len(area), 2))
    np.testing.assert_allclose(diffusion.spread(values, 0.03).mean(axis=0), values.mean(axis=0), atol=1e-6)


def test_the_more_is_held_the_less_is_spread_until_the_values_come_back(area):
    diffusion = EdgePreservingDiffusion(area.neighbours, area.spectra)
    values = np.random.default_rng(1).normal(size=(len(area), 2))
    moved = [float(np.abs(diffusion.spread(values, hold) - values).max()) for hold in (0.01, 1.0, 100.0, 1e9)]
    assert moved == sorted(moved, reverse=True)
    assert moved[-1] < 1e-6


def test_values_do_not_cross_a_strong_edge(make_area):
    """Two fields with noise of their own: within each everything mixes, and nothing comes over."""
    rng = np.random.default_rng(0)
    left = np.arange(12) < 6
    area = make_area(np.where(left[None, :, None], 0.0, 40.0) + rng.normal(size=(10, 12, 4)))
    values = np.tile(left, 10).astype(float)[:, None] + 0.3 * rng.normal(size=(120, 1))
    spread = EdgePreservingDiffusion(area.neighbours, area.spectra).spread(values, 0.01).reshape(10, 12)
    assert np.abs(spread[:, left] - values.reshape(10, 12)[:, left].mean()).max() < 0.15
    assert np.abs(spread[:, ~left] - values.reshape(10, 12)[:, ~left].mean()).max() < 0.15
    alike = (
        EdgePreservingDiffusion(area.neighbours, np.zeros((120, 1), np.float32)).spread(values, 0.01).reshape(10, 12)
    )
    assert np.ptp(alike.mean(axis=0)) < 0.2  # without a guide they do cross


def test_rows_of_probabilities_stay_probabilities(area):
    shares = np.random.default_rng(1).dirichlet(np.full(5, 0.1), len(area))
    spread = EdgePreservingDiffusion(area.neighbours, area.spectra).spread(shares, 0.03)
    np.testing.assert_allclose(spread.sum(axis=1), 1, atol=1e-6)
    assert spread.min() >= 0  # an average of probabilities: the inverse of the system has no negative entry


def test_pixels_without_neighbours_keep_their_values(make_area):
    lonely = (np.indices((9, 9)) % 2 == 0).all(axis=0)
    area = make_area(np.random.default_rng(0).normal(size=(9, 9, 3)), lonely)
    assert not len(area.neighbours)
    values = np.arange(25.0)[:, None]
    np.testing.assert_allclose(EdgePreservingDiffusion(area.neighbours, area.spectra).spread(values, 0.1), values)


def test_spectra_that_are_all_alike_spread_everywhere_and_any_difference_among_them_is_an_edge(make_area):
    cube = np.zeros((6, 8, 2))
    cube[:, 6:] = 1e-3
    area = make_area(cube)
    values = np.random.default_rng(0).normal(size=(48, 1))
    spread = EdgePreservingDiffusion(area.neighbours, area.spectra).spread(values, 1e-3).reshape(6, 8)
    means = values.reshape(6, 8)[:, :6].mean(), values.reshape(6, 8)[:, 6:].mean()
    np.testing.assert_allclose(spread[:, :6], means[0], atol=0.1)
    assert abs(spread[:, 6:].mean() - means[1]) < abs(means[0] - means[1]) / 3
