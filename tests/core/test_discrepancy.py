"""Maximum mean discrepancy: against a loop over pairs, and as the estimate that it is."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import rbf_kernel

from hsiattn.core.discrepancy import maximum_mean_discrepancy


def _samples(n, m, features=3, shift=0.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, features, generator=generator), torch.randn(m, features, generator=generator) + shift


def _by_loop(x, y, sigmas):
    """Pair by pair, as the definition has it."""

    def kernel(a, b):
        square = sum((p - q) ** 2 for p, q in zip(a, b, strict=True))
        return sum(math.exp(-square / (2 * sigma**2)) for sigma in sigmas)

    x, y = x.tolist(), y.tolist()
    n, m = len(x), len(y)
    within_x = sum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    within_y = sum(kernel(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return within_x + within_y - 2 * sum(kernel(a, b) for a in x for b in y) / (n * m)


@pytest.mark.parametrize(("n", "m", "shift"), [(6, 6, 0.0), (9, 4, 0.0), (5, 8, 2.0), (2, 2, 1.0)])
def test_it_is_the_sum_over_pairs_of_the_definition(n, m, shift):
    x, y = _samples(n, m, shift=shift)
    sigmas = (0.3, 1.0, 2.5)
    found = maximum_mean_discrepancy(x, y, bandwidths=sigmas)
    assert found.item() == pytest.approx(_by_loop(x, y, sigmas), abs=1e-5)


def test_bandwidths_follow_from_the_median_distance():
    x, y = _samples(12, 9, shift=0.5)
    both = torch.cat([x, y]).numpy()
    distances = sorted(np.linalg.norm(both[i] - both[j]) for i in range(21) for j in range(i))
    median = distances[(len(distances) - 1) // 2]
    sigmas = [median * scale for scale in (0.25, 0.5, 1, 2, 4)]
    assert maximum_mean_discrepancy(x, y).item() == pytest.approx(_by_loop(x, y, sigmas), abs=1e-5)
    scaled = maximum_mean_discrepancy(100 * x, 100 * y).item()  # no unit of features decides
    assert scaled == pytest.approx(maximum_mean_discrepancy(x, y).item(), abs=1e-5)


def test_it_is_the_kernel_of_scikit_learn_with_gamma_of_the_bandwidth():
    x, y = _samples(30, 40, features=5, shift=0.4)
    kernel = lambda a, b: rbf_kernel(a.numpy(), b.numpy(), gamma=1 / (2 * 1.5**2))  # noqa: E731
    within_x, within_y = kernel(x, x), kernel(y, y)
    expected = (within_x.sum() - 30) / (30 * 29) + (within_y.sum() - 40) / (40 * 39) - 2 * kernel(x, y).mean()
    assert maximum_mean_discrepancy(x, y, bandwidths=[1.5]).item() == pytest.approx(expected, abs=1e-5)


def test_samples_of_one_distribution_have_none_on_the_mean_and_others_have_some():
    same, apart = [], []
    for seed in range(200):
        x, y = _samples(16, 16, seed=seed)
        same.append(maximum_mean_discrepancy(x, y, bandwidths=[1.0]).item())
        apart.append(maximum_mean_discrepancy(x, y + 0.7, bandwidths=[1.0]).item())
    error = np.std(same) / np.sqrt(len(same))
    assert abs(np.mean(same)) < 3 * error  # a biased estimate is 2/16 · (1 - E k) too high, 13 errors away
    assert min(same) < 0
    assert np.mean(apart) > 20 * error


def test_gradients_draw_a_sample_towards_the_other():
    x, y = _samples(64, 64, shift=3.0)
    y.requires_grad_(True)
    optimizer = torch.optim.Adam([y], lr=0.1)
    before = maximum_mean_discrepancy(x, y).item()
    for _ in range(100):
        optimizer.zero_grad()
        loss = maximum_mean_discrepancy(x, y)
        loss.backward()
        assert torch.isfinite(y.grad).all()
        optimizer.step()
    assert loss.item() < 0.05 * before
    assert (y.mean(dim=0) - x.mean(dim=0)).abs().max() < 1.0  # from 3


def test_equal_vectors_give_neither_infinity_nor_nan():
    x = torch.ones(4, 3, requires_grad=True)
    found = maximum_mean_discrepancy(x, torch.ones(5, 3))
    found.backward()
    assert found.item() == pytest.approx(0, abs=1e-6)
    assert torch.isfinite(x.grad).all()


def test_half_precision_is_computed_in_single():
    x, y = _samples(20, 20, shift=1.0)
    exact = maximum_mean_discrepancy(x.bfloat16().float(), y.bfloat16().float())
    assert torch.equal(maximum_mean_discrepancy(x.bfloat16(), y.bfloat16()), exact)


@pytest.mark.parametrize("shapes", [((1, 3), (4, 3)), ((4, 3), (4, 2)), ((4,), (4,))])
def test_samples_that_cannot_be_compared_are_refused(shapes):
    with pytest.raises(ValueError, match="samples must be"):
        maximum_mean_discrepancy(torch.ones(shapes[0]), torch.ones(shapes[1]))
