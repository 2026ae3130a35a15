"""Variation of training pixels: each against a plain loop, its draws against their distribution, and all together."""

import itertools

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import stats
from torch.nn import functional

from hsiattn.networks import create_network
from hsiattn.preprocessing import Preprocessing
from hsiattn.training.augmentation import Lighting, drop_bands, mix, orient, partners_of, shift, vary
from hsiattn.training.early_stopping import EarlyStoppingTraining
from hsiattn.training.module import PixelClassification
from hsiattn.training.settings import AugmentationSettings

BANDS = 24
QUIET = {"flips_and_rotations": False}
EVERYTHING = AugmentationSettings(
    spectral_noise=0.02, component_noise=0.1, band_drop=0.3, illumination=0.05, mixup=0.4, patch_shift=1
)
RNG = np.random.default_rng(0)
PREPARATION = Preprocessing(
    bands=np.arange(BANDS),
    offset=RNG.uniform(0.1, 0.5, BANDS).astype(np.float32),
    gain=RNG.uniform(5, 30, BANDS).astype(np.float32),
    projection=(RNG.normal(size=(3, BANDS)) / 5).astype(np.float32),
    shift=RNG.normal(size=3).astype(np.float32),
)


def _batch(count=10, size=5, classes=3):
    """Pixels whose middle is there, and some of whose neighbours are not."""
    torch.manual_seed(0)
    valid = torch.rand(count, size, size) > 0.3
    valid[:, size // 2, size // 2] = True
    patches = torch.randn(count, 2, size, size) * valid[:, None]
    return torch.randn(count, BANDS), patches, valid, torch.arange(count) % classes


def _varied(batch, seed=5, lighting=None, **settings):
    torch.manual_seed(seed)
    return vary(*batch, AugmentationSettings(**{**QUIET, **settings}), lighting)


def _scene(seed, count, size):
    """Reflectance (N, B, w, w), which neighbours are there, and both prepared: spectra of the middle and patches."""
    rng = np.random.default_rng(seed)
    reflectance = rng.uniform(0.02, 0.9, (count, BANDS, size, size))
    valid = rng.random((count, size, size)) > 0.2
    valid[:, size // 2, size // 2] = True
    return reflectance, valid, *_prepared(reflectance, valid)


def _prepared(reflectance, valid):
    middle, pairs = valid.shape[-1] // 2, []
    for pixel, mask in zip(reflectance, valid, strict=True):
        spectra, components = PREPARATION.transform(pixel, mask)
        pairs.append((spectra[:, middle, middle], components))
    return tuple(torch.from_numpy(np.stack(part)) for part in zip(*pairs, strict=True))


# -- what was there before ---------------------------------------------------------------------------------------------


def test_without_variation_a_batch_stays_as_it_is_and_no_number_is_drawn():
    batch = _batch()
    for varied, plain in zip(_varied(batch, seed=5), batch, strict=True):
        assert torch.equal(varied, plain)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(3))


def test_orientation_and_noise_draw_in_the_order_in_which_they_always_did():
    spectra, patches, valid, targets = _batch(50)
    settings = AugmentationSettings(spectral_noise=0.3, component_noise=0.7)
    torch.manual_seed(8)
    varied = vary(spectra, patches, valid, targets, settings)
    torch.manual_seed(8)
    numbers = torch.randint(8, (50,))
    turned = torch.stack([orient(patches[n], int(numbers[n])) for n in range(50)])
    mask = torch.stack([orient(valid[n], int(numbers[n])) for n in range(50)])
    assert torch.equal(varied[0], spectra + 0.3 * torch.randn_like(spectra))
    assert torch.equal(varied[1], turned + 0.7 * torch.randn_like(turned) * mask[:, None])
    assert torch.equal(varied[2], mask)


def test_the_eight_orientations_are_different_and_form_a_group():
    square = torch.arange(9.0).reshape(1, 1, 3, 3)
    images = [orient(square, number).flatten().tolist() for number in range(8)]
    assert len({tuple(image) for image in images}) == 8
    for i, j in itertools.product(range(8), repeat=2):
        assert orient(orient(square, i), j).flatten().tolist() in images
    for i in range(8):  # and every one has an inverse
        assert any(torch.equal(orient(orient(square, i), j), square) for j in range(8))


def test_orientations_are_those_of_numpy():
    square = np.random.default_rng(0).normal(size=(2, 5, 5))
    for number in range(8):
        expected = np.rot90(square, number % 4, axes=(1, 2))
        expected = expected if number < 4 else np.flip(expected, axis=2)
        np.testing.assert_array_equal(orient(torch.from_numpy(square), number).numpy(), expected)


def test_orientation_never_moves_the_centre_and_turns_patch_and_mask_together():
    spectra, patches, valid, targets = _batch(200)
    varied_spectra, varied, mask, same = _varied((spectra, patches, valid, targets), flips_and_rotations=True)
    torch.testing.assert_close(varied[:, :, 2, 2], patches[:, :, 2, 2], rtol=0, atol=0)
    assert torch.equal(varied_spectra, spectra)
    assert torch.equal(same, targets)
    seen = set()
    for n in range(200):
        orientation = [i for i in range(8) if torch.equal(orient(patches[n], i), varied[n])]
        assert orientation
        assert any(torch.equal(orient(valid[n], i), mask[n]) for i in orientation)
        seen |= set(orientation)
    assert seen == set(range(8))


def test_noise_has_the_deviation_asked_for_and_spares_missing_pixels():
    batch = spectra, patches, valid, _ = _batch(400)
    varied_spectra, varied, mask, _ = _varied(batch, spectral_noise=0.3, component_noise=0.7)
    assert (varied_spectra - spectra).std().item() == pytest.approx(0.3, rel=0.05)
    noise = (varied - patches).transpose(1, 0)[:, valid]
    assert noise.std().item() == pytest.approx(0.7, rel=0.05)
    assert abs(noise.mean().item()) < 0.05
    assert not varied.transpose(1, 0)[:, ~valid].any()
    assert torch.equal(mask, valid)


# -- band drop ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_the_bands_of_the_run_are_zero_and_the_others_stay(seed):
    rng = np.random.default_rng(seed)
    spectra = rng.normal(size=(30, BANDS))
    starts, lengths = rng.integers(0, BANDS, 30), rng.integers(0, BANDS, 30)
    expected = spectra.copy()
    for n in range(30):
        for band in range(starts[n], min(BANDS, starts[n] + lengths[n])):
            expected[n, band] = 0
    dropped = drop_bands(*(torch.from_numpy(array) for array in (spectra, starts, lengths)))
    np.testing.assert_array_equal(dropped.numpy(), expected)


def test_a_share_of_pixels_loses_one_run_of_up_to_an_eighth_of_the_bands_anywhere():
    batch = _batch(3000)
    spectra, *rest = _varied(batch, band_drop=0.4, spectral_noise=0.5)
    runs = [tuple(np.flatnonzero(spectrum == 0)) for spectrum in spectra.numpy()]
    assert np.mean([bool(run) for run in runs]) == pytest.approx(0.4, abs=0.03)
    possible = {tuple(range(i, i + n)) for n in (1, 2, 3) for i in range(BANDS - n + 1)}
    assert {run for run in runs if run} == possible
    for varied, plain in zip(rest, batch[1:], strict=True):
        assert torch.equal(varied, plain)


@pytest.mark.parametrize("bands", [1, 2, 7])
def test_of_few_bands_one_is_dropped(bands):
    spectra, *rest = _batch(50)
    varied = _varied((spectra[:, :bands], *rest), band_drop=1.0)[0]
    assert ((varied == 0).sum(dim=1) == 1).all()


# -- illumination ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_illumination_is_what_preparing_the_relit_reflectance_gives(seed):
    reflectance, valid, spectra, patches = _scene(seed, 8, 5)
    rng = np.random.default_rng(seed + 100)
    gains, offsets = rng.lognormal(0, 0.3, 8), rng.normal(0, 0.05, 8)
    relit = gains[:, None, None, None] * reflectance + offsets[:, None, None, None]
    expected_spectra, expected_patches = _prepared(relit, valid)
    lighting = Lighting(PREPARATION, spectra.numpy())
    gains, offsets = torch.from_numpy(gains).float(), torch.from_numpy(offsets).float()
    found_spectra, found_patches = lighting(spectra, patches, torch.from_numpy(valid), gains, offsets)
    torch.testing.assert_close(found_spectra, expected_spectra, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found_patches, expected_patches, rtol=1e-4, atol=1e-4)
    assert not found_patches.transpose(1, 0)[:, ~torch.from_numpy(valid)].any()


def test_gain_and_offset_have_the_deviations_of_the_recipe_and_are_shared_by_a_pixel_and_its_patch():
    reflectance, valid, spectra, patches = _scene(0, 1500, 3)
    lighting = Lighting(PREPARATION, spectra.numpy())
    level = reflectance[:, :, 1, 1].mean()
    assert lighting.level == pytest.approx(level, rel=1e-4)
    batch = spectra, patches, torch.from_numpy(valid), torch.zeros(1500, dtype=torch.int64)
    varied = _varied(batch, lighting=lighting, illumination=0.2)
    seen = varied[0].double().numpy() / PREPARATION.gain + PREPARATION.offset
    lines = [np.polyfit(before, after, 1) for before, after in zip(reflectance[:, :, 1, 1], seen, strict=True)]
    gains, offsets = np.array(lines).T
    assert stats.kstest(np.log(gains), stats.norm(0, 0.2).cdf).pvalue > 0.01
    assert stats.kstest(offsets, stats.norm(0, 0.02 * level).cdf).pvalue > 0.01
    assert abs(np.corrcoef(gains, offsets)[0, 1]) < 0.1
    relit = gains[:, None, None, None] * reflectance + offsets[:, None, None, None]
    torch.testing.assert_close(varied[1], _prepared(relit, valid)[1], rtol=1e-3, atol=1e-3)


def test_lighting_moves_with_the_module_and_stays_out_of_its_checkpoint():
    lighting = Lighting(PREPARATION, np.zeros((2, BANDS), np.float32))
    assert lighting.state_dict() == {}
    assert all(buffer.dtype == torch.float64 for buffer in lighting.double().buffers())
    assert len(list(lighting.buffers())) == 4


# -- mix-up ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("soft", [False, True])
def test_a_pixel_is_blended_with_its_partner_wherever_both_have_a_neighbour(soft):
    spectra, patches, valid, targets = _batch(12)
    targets = torch.softmax(torch.randn(12, 4), dim=1) if soft else targets
    partners, shares = torch.randperm(12), torch.rand(12)
    shares[0] = 1.0
    found = mix(spectra, patches, valid, targets, partners, shares)
    for n in range(12):
        p, own = int(partners[n]), shares[n]
        torch.testing.assert_close(found[0][n], own * spectra[n] + (1 - own) * spectra[p])
        for row, column in itertools.product(range(5), range(5)):
            expected = patches[n, :, row, column]
            if valid[n, row, column] and valid[p, row, column]:
                expected = own * expected + (1 - own) * patches[p, :, row, column]
            torch.testing.assert_close(found[1][n, :, row, column], expected)
        expected = own * targets[n] + (1 - own) * targets[p] if soft else targets[n]
        torch.testing.assert_close(found[2][n], expected)
    for varied, plain in zip(found, (spectra, patches, targets), strict=True):
        assert torch.equal(varied[0], plain[0])


def test_partners_are_of_the_same_class_and_every_pixel_is_one_once():
    targets = torch.tensor([2, 0, 1, 0, 2, 0, 2, 7])
    seen = set()
    for seed in range(400):
        torch.manual_seed(seed)
        partners = partners_of(targets)
        assert sorted(partners.tolist()) == list(range(8))
        assert torch.equal(targets[partners], targets)
        seen.add(tuple(partners.tolist()))
    assert len(seen) == 6 * 6  # every permutation of both triples; the others are alone in their classes


def test_pixels_with_probabilities_are_partners_of_any():
    seen = set()
    for seed in range(200):
        torch.manual_seed(seed)
        seen.add(tuple(partners_of(torch.eye(4)).tolist()))
    assert len(seen) == 24


@pytest.mark.parametrize("alpha", [0.01, 0.2, 1.0, 5.0])
def test_the_share_of_a_pixel_follows_the_beta_distribution(alpha):
    spectra = torch.zeros(4000, BANDS)
    targets = torch.eye(4000)  # every pixel says whom it was mixed with
    patches, valid = torch.zeros(4000, 0, 1, 1), torch.ones(4000, 1, 1, dtype=torch.bool)
    mixed = _varied((spectra, patches, valid, targets), mixup=alpha)[3]
    assert torch.allclose(mixed.sum(dim=1), torch.ones(4000))
    shares = mixed.diagonal().double().clamp(1e-7, 1 - 1e-7).numpy()
    ranks = np.linspace(0.05, 0.95, 7)
    below = [(shares <= level).mean() for level in ranks]
    np.testing.assert_allclose(below, stats.beta(alpha, alpha).cdf(ranks), atol=0.03)


def test_hard_targets_stay_and_soft_ones_stay_probabilities():
    batch = _batch(40)
    assert torch.equal(_varied(batch, mixup=0.5)[3], batch[3])
    soft = torch.softmax(torch.randn(40, 3), dim=1)
    mixed = _varied((*batch[:3], soft), mixup=0.5)[3]
    assert not torch.equal(mixed, soft)
    torch.testing.assert_close(mixed.sum(dim=1), torch.ones(40))
    assert (mixed >= 0).all()


# -- shift -------------------------------------------------------------------------------------------------------------


def _moved(patch, mask, step):
    """The same by loops, or None where the middle would be missing."""
    size = len(mask)
    moved, there = np.zeros_like(patch), np.zeros_like(mask)
    for row, column in itertools.product(range(size), range(size)):
        y, x = row + step[0], column + step[1]
        if 0 <= y < size and 0 <= x < size and mask[row, column]:
            moved[:, y, x], there[y, x] = patch[:, row, column], True
    return (moved, there) if there[size // 2, size // 2] else None


@pytest.mark.parametrize("size", [1, 3, 5])
def test_a_patch_moves_by_its_step_unless_that_leaves_the_middle_empty(size):
    _, patches, valid, _ = _batch(60, size)
    steps = torch.randint(-3, 4, (60, 2))
    found, masks = shift(patches, valid, steps)
    stays = 0
    for n in range(60):
        patch, mask = patches[n].numpy(), valid[n].numpy()
        expected = _moved(patch, mask, steps[n].tolist())
        stays += expected is None
        moved, there = expected or (patch, mask)
        np.testing.assert_array_equal(found[n].numpy(), moved)
        np.testing.assert_array_equal(masks[n].numpy(), there)
    assert 0 < stays < 60


def test_steps_reach_as_far_as_the_recipe_says_in_both_directions_and_the_spectrum_stays():
    count, size, reach = 500, 7, 2
    spectra = torch.randn(count, BANDS)
    numbers = torch.arange(1.0, size * size + 1).reshape(1, 1, size, size).expand(count, -1, -1, -1)
    batch = spectra, numbers, torch.ones(count, size, size, dtype=torch.bool), torch.zeros(count, dtype=torch.int64)
    varied = _varied(batch, patch_shift=reach)
    assert torch.equal(varied[0], spectra)
    middles = varied[1][:, 0, size // 2, size // 2].int() - 1
    steps = {(size // 2 - int(m) // size, size // 2 - int(m) % size) for m in middles}
    assert steps == set(itertools.product(range(-reach, reach + 1), repeat=2))
    assert torch.equal(varied[1] == 0, ~varied[2][:, None])


# -- all together ------------------------------------------------------------------------------------------------------


def _pixels(soft):
    """Three classes that differ in reflectance, prepared."""
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 3, 48)
    means = rng.uniform(0.2, 0.6, (3, BANDS))
    reflectance = means[codes][:, :, None, None] * rng.uniform(0.9, 1.1, (48, BANDS, 5, 5))
    spectra, patches = _prepared(reflectance, valid := np.ones((48, 5, 5), dtype=bool))
    targets = torch.from_numpy(codes)
    return spectra, patches, torch.from_numpy(valid), torch.eye(3)[targets] if soft else targets


def _trained(batch, seed):
    torch.manual_seed(0)
    sizes = {"bands": BANDS, "channels": 3, "classes": 3, "patch_size": 5}
    network = create_network("grouped-ssan", **sizes, group=6, embedding=4, hidden=4, width=4, dropout=0.1)
    settings = EarlyStoppingTraining(augmentation=EVERYTHING, learning_rate=0.01)
    lighting = Lighting(PREPARATION, batch[0].numpy())
    module = PixelClassification(network, settings, torch.ones(3), seed, lighting)
    module.log_dict = lambda *a, **k: None  # figures go nowhere without a trainer
    optimizer = module.configure_optimizers()
    before = [_loss(network, batch)]
    module.on_train_batch_start(batch, 0)
    for step in range(60):
        optimizer.zero_grad()
        module.training_step(batch, step).backward()
        optimizer.step()
    return network, before[0], _loss(network, batch)


def _loss(network, batch):
    with torch.no_grad():
        network.eval()
        loss = functional.cross_entropy(network(*batch[:3]), batch[3]).item()
        network.train()
    return loss


@pytest.mark.parametrize("soft", [False, True])
def test_a_network_learns_under_all_variations_together_as_its_seed_says(soft):
    batch = _pixels(soft)
    (network, before, after), (again, *_), (other, *_) = (_trained(batch, seed) for seed in (1, 1, 2))
    assert after < 0.5 * before
    weights = [torch.cat([p.flatten() for p in net.parameters()]) for net in (network, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


# -- recipes -----------------------------------------------------------------------------------------------------------


def test_the_further_variations_are_off_unless_they_are_named():
    settings = AugmentationSettings()
    assert (settings.band_drop, settings.illumination, settings.mixup, settings.patch_shift) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"band_drop": -0.1}, {"band_drop": 1.1}, {"band_drop": float("nan")}, {"illumination": -1},
        {"illumination": 1.5}, {"mixup": -0.2}, {"mixup": float("inf")}, {"patch_shift": -1}, {"patch_shift": 1.5},
        {"cutout": 0.1},
    ],
)  # fmt: skip
def test_values_out_of_range_and_unknown_names_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        AugmentationSettings(**wrong)
