import numpy as np
import pytest

from hsiattn.adaptation.translation import TranslatedSource, train_translation
from hsiattn.errors import BandError, SceneError, TrainingError
from hsiattn.scenes import as_scene, as_source
from hsiattn.training.checkpoints import Checkpoints
from tests.adaptation.translation.conftest import TINY, WAVELENGTHS, Place, hazy


def _changed(**changes):
    return TINY.model_copy(update=changes)


def _whole(translator):
    source = TranslatedSource(translator)
    return source.read(source.extent)


def _angles(first, second):
    lengths = np.linalg.norm(first, axis=0) * np.linalg.norm(second, axis=0)
    return np.degrees(np.arccos(np.clip((first * second).sum(axis=0) / lengths, -1, 1)))


@pytest.fixture(scope="module")
def translator(here, there):
    return train_translation(here.source(), there.source(), TINY, device="cpu")


def test_untrained_it_is_the_identity_or_the_matching_of_moments(here, there):
    same = _whole(train_translation(here.source(), there.source(), _changed(start="identity", epochs=0)))
    np.testing.assert_allclose(same, here.cube, atol=1e-5)
    matched = _whole(train_translation(here.source(), there.source(), _changed(epochs=0)))
    axes = (1, 2)
    expected = (here.cube - here.cube.mean(axes, keepdims=True)) / here.cube.std(axes, keepdims=True)
    expected = expected * there.cube.std(axes, keepdims=True) + there.cube.mean(axes, keepdims=True)
    np.testing.assert_allclose(matched, expected, atol=1e-4)


def test_a_scene_translated_onto_itself_keeps_its_spectra_after_training(here):
    made = _whole(train_translation(here.source(), here.source(), _changed(epochs=6, learning_rate=3e-4)))
    assert _angles(made, here.cube).mean() < 2


def test_the_cycle_comes_back_and_its_loss_falls(here, there):
    settings = _changed(epochs=10, tiles=8, adversarial_weight=0.1, start="none", learning_rate=3e-3)
    losses = train_translation(here.source(), there.source(), settings, device="cpu").record["losses"]
    assert losses[-1]["cycle"] < 0.8 * losses[0]["cycle"]
    assert losses[-1]["image"] < 0.8 * losses[0]["image"]


def test_the_spectral_angle_of_the_cycle_stays_below_five_degrees(translator):
    assert all(np.degrees(row["angle"] / 2) < 5 for row in translator.record["losses"])


def test_the_same_seed_gives_the_same_translation_and_another_seed_another(here, there, translator):
    again = train_translation(here.source(), there.source(), TINY, device="cpu")
    np.testing.assert_array_equal(_whole(translator), _whole(again))
    other = train_translation(here.source(), there.source(), TINY, seed=1, device="cpu")
    assert not np.allclose(_whole(translator), _whole(other), atol=1e-6)


def test_an_interrupted_training_ends_as_the_uninterrupted_one(here, there, translator, tmp_path):
    def stop(figures):
        if figures.epoch == 2:
            raise InterruptedError

    def train(resume, listener=None):
        kept = Checkpoints(tmp_path / "state", {"translation": 1}, resume)
        return train_translation(here.source(), there.source(), TINY, device="cpu", checkpoints=kept, listener=listener)

    with pytest.raises(InterruptedError):
        train(False, stop)
    told = []
    resumed = train(True, told.append)
    assert [figures.epoch for figures in told] == [2]
    np.testing.assert_array_equal(_whole(resumed), _whole(translator))
    assert resumed.record["losses"] == translator.record["losses"]


def test_a_listener_hears_of_losses_and_of_how_often_the_discriminators_are_right(here, there):
    told = []
    train_translation(here.source(), there.source(), TINY, device="cpu", listener=told.append)
    assert [(each.epoch, each.of_epochs, each.stage) for each in told] == [(1, 2, "translation"), (2, 2, "translation")]
    assert all(0 <= each.training_accuracy <= 1 and each.training_loss > 0 for each in told)


def test_missing_pixels_have_no_say(here, there):
    broken = here.cube.copy()
    broken[:, 3:6, 4:9] = np.nan
    broken[2, 20, 20] = np.nan
    source = Place(broken, here.codes).source()
    made = _whole(train_translation(source, there.source(), TINY, device="cpu"))
    missing = np.isnan(broken).any(axis=0)
    assert np.isnan(made[:, missing]).all()
    assert np.isfinite(made[:, ~missing]).all()
    filled = np.where(np.isnan(broken), -9999, broken)
    marked = as_source(as_scene(filled.transpose(1, 2, 0), wavelengths=WAVELENGTHS, scale=1.0, nodata=-9999))
    again = _whole(train_translation(marked, there.source(), TINY, device="cpu"))
    np.testing.assert_array_equal(made, again)


def test_bands_that_can_be_resampled_keep_the_short_cut_and_others_lose_it(here, there):
    centres = np.linspace(450, 900, 19)
    fine = np.repeat(there.cube, 2, axis=0)[:19]
    target = as_source(as_scene(fine.transpose(1, 2, 0), wavelengths=centres, fwhm=[60] * 19, scale=1.0))
    learnt = train_translation(here.source(), target, TINY, device="cpu")
    assert learnt.record["start"] == "moments"
    assert "resampling" in learnt.record["bands"]
    assert _whole(learnt).shape == (19, *here.codes.shape)
    unknown = as_source(as_scene(fine[:5].transpose(1, 2, 0), scale=1.0))
    learnt = train_translation(here.source(), unknown, TINY, device="cpu")
    assert learnt.record["start"] == "none"
    made = _whole(learnt)
    assert made.shape == (5, *here.codes.shape)
    assert np.isfinite(made).all()


def test_bad_bands_take_no_part_and_are_missing_in_the_result(here, there):
    bad = there.source(bad_bands=[3])
    translator = train_translation(here.source(), bad, _changed(epochs=0))
    made = _whole(translator)
    assert np.isnan(made[2]).all()
    assert np.isfinite(np.delete(made, 2, axis=0)).all()


def test_what_cannot_be_learnt_from_is_refused_in_one_line(here, there):
    small = Place(here.cube[:, :6], here.codes[:6]).source()
    with pytest.raises(SceneError, match="6 × 21 pixels, fewer than a tile of 8 × 8"):
        train_translation(small, there.source(), TINY)
    empty = Place(np.full_like(here.cube, np.nan), here.codes).source()
    with pytest.raises(BandError, match="no good band that holds data"):
        train_translation(empty, there.source(), TINY)
    with pytest.raises(TrainingError, match="learning_rate"):
        train_translation(here.source(), there.source(), _changed(learning_rate=1e30), device="cpu")


def test_the_identity_start_moves_towards_the_target(here, there):
    """On the same place in other light the mean spectrum comes nearer; the adversarial loss alone can do that."""
    target = Place(hazy(here.cube), here.codes)
    settings = _changed(start="identity", epochs=10, tiles=8, learning_rate=1e-2, halve_after=100)
    made = _whole(train_translation(here.source(), target.source(), settings, device="cpu"))
    before = np.abs(here.cube.mean(axis=(1, 2)) - target.cube.mean(axis=(1, 2))).mean()
    after = np.abs(made.mean(axis=(1, 2)) - target.cube.mean(axis=(1, 2))).mean()
    assert after < 0.9 * before
