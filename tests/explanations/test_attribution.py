"""Integrated gradients add up to what they explain; occlusion is what a loop by hand finds."""

import sys

import numpy as np
import pytest
import torch

from hsiattn.errors import RecipeError
from hsiattn.explanations import attribution
from hsiattn.explanations.attribution import integrated_gradients, occlusion
from hsiattn.explanations.windows import Decision, read_windows


def _windows(model, source, pixels):
    decision = Decision(model)
    (windows,) = read_windows(model, source, pixels, decision.device)
    windows = windows.part(windows.measured)
    with torch.no_grad():
        target = decision.probabilities(windows.bands, windows.valid).argmax(dim=1)
    return decision, windows, target


def test_integrated_gradients_add_up_to_the_change_of_the_probability(known_model, noise_source, some_pixels):
    decision, windows, target = _windows(known_model(neighbours=0.1), noise_source, some_pixels)
    found = integrated_gradients(decision, windows, target)
    with torch.no_grad():
        change = decision(windows.bands, windows.valid, target) - decision(
            torch.zeros_like(windows.bands), windows.valid, target
        )
    np.testing.assert_allclose(found.bands.sum(axis=1), change, atol=1e-3)
    np.testing.assert_allclose(found.neighbours.sum(axis=(1, 2)), change, atol=1e-3)
    np.testing.assert_allclose(found.error, found.bands.sum(axis=1) - change.numpy(), atol=1e-5)
    assert np.abs(found.error).max() < 1e-3


def test_integrated_gradients_are_the_integral_of_the_gradients_along_the_path(known_model, noise_source, some_pixels):
    decision, windows, target = _windows(known_model(neighbours=0.1), noise_source, some_pixels[:6])
    total = torch.zeros_like(windows.bands)
    for share in (np.arange(2000) + 0.5) / 2000:  # the midpoint rule
        point = (float(share) * windows.bands).requires_grad_()
        (gradient,) = torch.autograd.grad(decision(point, windows.valid, target).sum(), point)
        total += gradient / 2000
    expected = (total * windows.bands).sum(dim=(2, 3))
    found = integrated_gradients(decision, windows, target)
    np.testing.assert_allclose(found.bands, expected, atol=1e-4)


def test_bands_that_no_weight_reads_get_nothing(known_model, noise_source, some_pixels):
    decision, windows, target = _windows(known_model(), noise_source, some_pixels)
    found = integrated_gradients(decision, windows, target)
    used = np.isin(np.arange(20), (4, 5, 12))
    assert (found.bands[:, ~used] == 0).all()
    assert (np.abs(found.bands[:, used]).max(axis=0) > 0).all()
    off_centre = np.delete(found.neighbours.reshape(-1, 9), 4, axis=1)
    assert (off_centre == 0).all()


def test_occlusion_is_the_fall_that_a_loop_by_hand_finds(known_model, noise_source, some_pixels):
    decision, windows, target = _windows(known_model(neighbours=0.1), noise_source, some_pixels)
    groups = [np.array([0, 1, 2]), np.array([12, 4]), np.array([19])]
    found = occlusion(decision, windows, target, groups)
    assert found.shape == (len(windows), 3)
    for pixel in range(len(windows)):
        one, valid, wanted = windows.bands[pixel : pixel + 1], windows.valid[pixel : pixel + 1], target[pixel]
        before = decision(one, valid, wanted[None]).item()
        for number, members in enumerate(groups):
            without = one.clone()
            without[:, members] = 0
            assert found[pixel, number] == pytest.approx(
                before - decision(without, valid, wanted[None]).item(), abs=1e-5
            )


def test_batches_change_nothing(known_model, noise_source, some_pixels, monkeypatch):
    decision, windows, target = _windows(known_model(neighbours=0.1), noise_source, some_pixels)
    groups = [np.arange(10), np.arange(10, 20)]
    whole = integrated_gradients(decision, windows, target), occlusion(decision, windows, target, groups)
    monkeypatch.setattr("hsiattn.explanations.windows._WINDOWS_PER_BATCH", 5)
    parts = integrated_gradients(decision, windows, target), occlusion(decision, windows, target, groups)
    np.testing.assert_allclose(parts[0].bands, whole[0].bands, atol=1e-6)
    np.testing.assert_allclose(parts[1], whole[1], atol=1e-6)


def test_a_missing_captum_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(
        RecipeError, match=r"captum, which is not installed; install it with: pip install 'hsiattn\[exp"
    ):
        attribution.load_captum()
