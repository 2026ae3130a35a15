"""Attacks stay within their limits, and find what is known to be the worst."""

import numpy as np
import pytest
import torch

from hsiattn.robustness.attacks import fgsm, pgd
from hsiattn.robustness.victims import Victim


@pytest.fixture(scope="module")
def windows():
    draw = torch.Generator().manual_seed(2)
    valid = torch.rand(40, 3, 3, generator=draw) > 0.15
    valid[:, 1, 1] = True
    return 0.5 * torch.rand(40, 12, 3, 3, generator=draw) * valid[:, None], valid


@pytest.fixture(scope="module")
def limits():
    return torch.linspace(0.0, 0.02, 12)


class Curved(torch.nn.Module):
    """Three classes behind a network with random weights, whose gradient turns."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(4)
        self.layers = torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(108, 24), torch.nn.Tanh(), torch.nn.Linear(24, 3)
        ).requires_grad_(False)

    def forward(self, windows, valid):
        return self.layers(20 * windows)


def margin(logits, targets):
    others = logits.clone()
    others[torch.arange(len(logits)), targets] = -torch.inf
    return others.max(dim=1).values - logits[torch.arange(len(logits)), targets]


@pytest.mark.parametrize("attack", [fgsm, pgd])
def test_no_band_changes_by_more_than_its_limit_and_missing_pixels_not_at_all(attack, windows, limits):
    reflectance, valid = windows
    victim, targets = Curved(), torch.arange(40) % 3
    change = attack(victim, reflectance, valid, targets, limits) - reflectance
    assert (change.abs() <= limits[:, None, None] + 1e-7).all()
    assert not change[(~valid)[:, None].expand_as(change)].any()
    assert change.abs().max() > 0.01


@pytest.mark.parametrize("attack", [fgsm, pgd])
def test_without_room_nothing_changes(attack, windows):
    reflectance, valid = windows
    assert torch.equal(attack(Curved(), reflectance, valid, torch.arange(40) % 3, torch.zeros(12)), reflectance)


def test_one_step_against_a_linear_model_is_the_worst_there_is(model_of, windows, limits):
    model = model_of()
    victim, (reflectance, valid) = Victim(model), windows
    targets = torch.arange(40) % 2
    before, after = (margin(victim(x, valid), targets) for x in (
        reflectance, fgsm(victim, reflectance, valid, targets, limits)
    ))  # fmt: skip
    network, prepared = model.network, model.preprocessing
    gain, projection = torch.from_numpy(prepared.gain), torch.from_numpy(prepared.projection)
    slope = torch.einsum("chw,cb->bhw", network.kernel.detach(), projection)
    slope[:, 1, 1] += network.weights.detach()
    worst = 2 * (slope * gain[:, None, None] * limits[:, None, None]).abs() * valid[:, None]  # two logits, ± the score
    assert after - before == pytest.approx(worst.sum(dim=(1, 2, 3)).numpy(), rel=1e-4)


def test_many_steps_against_a_linear_model_find_the_same(model_of, windows, limits):
    victim, (reflectance, valid) = Victim(model_of()), windows
    targets = victim(reflectance, valid).argmax(dim=1)
    worst = margin(victim(fgsm(victim, reflectance, valid, targets, limits), valid), targets)
    found = margin(victim(pgd(victim, reflectance, valid, targets, limits), valid), targets)
    assert torch.equal(worst >= 0, found >= 0)
    assert found[found < 0] == pytest.approx(worst[worst < 0].numpy(), abs=1e-4)


def test_many_steps_do_no_less_damage_than_one_and_no_less_than_nothing(windows):
    victim, (reflectance, valid) = Curved(), windows
    targets, limits = torch.randint(0, 3, (40,), generator=torch.Generator().manual_seed(0)), torch.full((12,), 0.004)
    wrong = {
        "none": margin(victim(reflectance, valid), targets) > 0,
        "fgsm": margin(victim(fgsm(victim, reflectance, valid, targets, limits), valid), targets) > 0,
        "pgd": margin(victim(pgd(victim, reflectance, valid, targets, limits, steps=20), valid), targets) > 0,
    }
    assert (wrong["pgd"] | ~wrong["none"]).all()
    assert (wrong["pgd"] | ~wrong["fgsm"]).all()
    assert wrong["none"].sum() < wrong["fgsm"].sum() < 40


def test_the_same_seed_gives_the_same_attack(windows, limits):
    victim, (reflectance, valid) = Curved(), windows
    targets = victim(reflectance, valid).argmax(dim=1)
    first, again, other = (pgd(victim, reflectance, valid, targets, limits / 9, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_what_was_found_before_is_kept(windows):
    victim, (reflectance, valid) = Curved(), windows
    targets, little = victim(reflectance, valid).argmax(dim=1), torch.full((12,), 0.002)
    before = pgd(victim, reflectance, valid, targets, little, steps=20)
    after = pgd(victim, reflectance, valid, targets, 2 * little, tried=[before], steps=1)
    wrong = [margin(victim(found, valid), targets) > 0 for found in (before, after)]
    assert wrong[0].any()
    assert (wrong[1] | ~wrong[0]).all()


def test_another_guide_reaches_what_a_flat_victim_hides(windows):
    class Rounded(Curved):
        """Decides the same, but its logits stand on steps."""

        def forward(self, windows, valid):
            logits = super().forward(windows, valid)
            return logits.detach().mul(50).round() / 50 + 0 * logits

    reflectance, valid = windows
    flat, guide = Rounded(), Curved()
    targets, limits = flat(reflectance, valid).argmax(dim=1), torch.full((12,), 0.004)
    alone, guided = (
        (flat(pgd(flat, reflectance, valid, targets, limits, guides=guides), valid).argmax(dim=1) != targets).sum()
        for guides in ((), (flat, guide))
    )
    assert guided > alone


@pytest.mark.parametrize(
    "transform", ["none", "first-derivative", "second-derivative", "unit-length", "absorbance", "continuum-removal"]
)
def test_the_gradient_is_that_of_small_differences(model_of, transform, windows):
    victim, (reflectance, valid) = Victim(model_of(transform=transform)), windows
    reflectance = (reflectance + 0.2) * valid[:, None]
    seen = reflectance.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(victim(seen, valid)[:, 0].sum(), seen)
    random, step = np.random.default_rng(0), 2e-3
    agreed = []
    for _ in range(30):
        n, band, row, column = (int(random.integers(size)) for size in reflectance.shape)
        if not valid[n, row, column]:
            continue
        ahead, behind = reflectance.clone(), reflectance.clone()
        ahead[n, band, row, column] += step
        behind[n, band, row, column] -= step
        change = (victim(ahead, valid) - victim(behind, valid))[n, 0] / (2 * step)
        tolerance = 0.02 * abs(float(change)) + 0.05
        agreed.append(abs(float(change - slope[n, band, row, column])) < tolerance)
    assert np.mean(agreed) >= (0.4 if transform == "continuum-removal" else 0.95)


def test_a_victim_decides_as_the_map_does(model_of, scene):
    from hsiattn.mapping import predict_array
    from hsiattn.robustness.victims import reflectance_windows

    for transform in ("none", "absorbance", "continuum-removal"):
        model = model_of(transform=transform)
        mapped = predict_array(model, scene)["land_cover"].values
        positions = np.argwhere(np.nan_to_num(mapped) > 0)[::7]
        victim = Victim(model)
        for part in reflectance_windows(model, scene, positions, victim.device):
            found = np.array(model.classes.codes)[victim(part.bands, part.valid).argmax(dim=1).numpy()]
            assert np.mean(found == mapped[tuple(positions[part.members].T)]) > 0.995
