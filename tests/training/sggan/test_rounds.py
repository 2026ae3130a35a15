"""Training in rounds: the same result every time, whether interrupted or not, of a network that grows."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch

from hsiattn.networks import create_network, load_network
from hsiattn.training import checkpoints as checkpointing
from hsiattn.training.checkpoints import Checkpoints
from hsiattn.training.patches import LabelledPatches
from hsiattn.training.results import FitOptions
from hsiattn.training.settings import AugmentationSettings
from hsiattn.training.sggan import SGGANTraining
from hsiattn.training.sggan.rounds import train_in_rounds

NOISE = AugmentationSettings(spectral_noise=0.05, component_noise=0.1)
SETTINGS = SGGANTraining(
    learning_rate=0.01, batch_size=16, max_epochs=3, rounds=2, threshold=0.3, first_share=0.3, precision="32",
    augmentation=NOISE, latent=4,
)  # fmt: skip
ARGUMENTS = {
    "name": "grouped-ssan", "bands": 9, "channels": 2, "classes": 3, "patch_size": 3, "group": 3, "embedding": 4,
    "hidden": 4, "width": 4, "dropout": 0.2,
}  # fmt: skip


def _pixels(count, seed):
    """Pixels of three classes, a few neighbours missing."""
    rng = np.random.default_rng(seed)
    targets = np.arange(count) % 3
    spectra = (2 * np.eye(3, 9)[targets] + rng.normal(0, 0.5, (count, 9))).astype(np.float32)
    valid = rng.random((count, 3, 3)) < 0.9
    valid[:, 1, 1] = True
    patches = (np.eye(3, 2)[targets][:, :, None, None] + rng.normal(0, 1, (count, 2, 3, 3))) * valid[:, None]
    return LabelledPatches(spectra, patches.astype(np.float32), valid, targets)


LABELLED, POOL = _pixels(9, 0), _pixels(49, 1)  # the last batch holds one pixel
TRUTH = POOL.targets
POOL = replace(POOL, targets=np.full(49, -1))


def _train(settings=SETTINGS, arguments=ARGUMENTS, **options):
    torch.manual_seed(0)
    network = create_network(**arguments)
    options = {"device": "cpu", **options}
    return train_in_rounds(network, arguments, LABELLED, POOL, settings, FitOptions(**options), preprocessing=None)


def _same(one, two):
    weights = one.network.state_dict(), two.network.state_dict()
    assert weights[0].keys() == weights[1].keys()
    return all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A training that nothing interrupts, what its listener heard, and its log."""
    heard, log = [], tmp_path_factory.mktemp("whole") / "log.csv"
    return _train(listener=heard.append, log=log), heard, log


def _rows(log):
    with log.open(newline="") as file:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]


def test_epochs_are_counted_on_from_round_to_round(whole):
    fitted, heard, log = whole
    assert [figures.epoch for figures in heard] == list(range(1, 10)) == [int(row["epoch"]) for row in _rows(log)]
    assert {figures.of_epochs for figures in heard} == {9}
    assert [figures.stage for figures in heard][::3] == ["round 1 of 3", "round 2 of 3", "round 3 of 3"]
    assert fitted.record.epochs == fitted.record.best_epoch == 9
    assert fitted.record.history["epoch"] == list(range(1, 10))
    assert heard[-1].training_loss < heard[0].training_loss


def test_every_round_makes_the_network_deeper_and_its_arguments_say_so(whole):
    fitted = whole[0]
    assert fitted.blocks == 2
    assert fitted.arguments == {**ARGUMENTS, "residual_blocks": 2, "spatial_blocks": 2}
    assert not fitted.network.training
    again = load_network(fitted.network.state_dict(), **fitted.arguments)
    seen = [torch.from_numpy(each) for each in (POOL.spectra, POOL.patches, POOL.valid)]
    assert torch.equal(again(*seen), fitted.network(*seen))
    assert fitted.network.residuals[0].outer.weight.abs().sum() > 0  # the new blocks learned


def test_rounds_take_in_more_and_more_pixels_of_every_class_and_label_them_anew(whole):
    first, second = whole[0].rounds
    assert (first.share, second.share) == (0.3, 0.35)
    for taken in (first, second):
        assert len(taken) > 0
        counts = np.bincount(taken.targets, minlength=3)
        assert counts.max() <= np.ceil(taken.share * len(POOL) / 3)
        assert (taken.targets == TRUTH[taken.indices]).mean() > 0.4  # chance is a third


def test_one_seed_gives_one_result_bit_for_bit_and_another_another():
    short = SETTINGS.model_copy(update={"max_epochs": 1, "rounds": 1})
    torch.rand(5)
    first = _train(short, seed=1)
    torch.rand(3)
    assert _same(first, _train(short, seed=1))
    assert not _same(first, _train(short, seed=2))


def test_the_pool_has_no_labels_that_could_be_learned():
    short = SETTINGS.model_copy(update={"max_epochs": 1, "rounds": 1})
    first = _train(short)
    told = train_in_rounds(
        _fresh(), ARGUMENTS, LABELLED, replace(POOL, targets=TRUTH), short, FitOptions(device="cpu"),
        preprocessing=None,
    )  # fmt: skip
    assert _same(first, told)


def _fresh():
    torch.manual_seed(0)
    return create_network(**ARGUMENTS)


def _interrupt_at(epoch):
    def listen(figures):
        if figures.epoch == epoch:
            raise KeyboardInterrupt

    return listen


@pytest.mark.parametrize("epoch", [2, 3, 9])  # within a round, at its end, and at the very end
def test_interrupted_and_resumed_is_as_good_as_uninterrupted_bit_for_bit(tmp_path, monkeypatch, whole, epoch):
    monkeypatch.setattr(checkpointing, "_INTERVAL", 3600.0)
    fitted, _, whole_log = whole
    log = tmp_path / "log.csv"
    with pytest.raises(KeyboardInterrupt):
        _train(listener=_interrupt_at(epoch), log=log, checkpoints=Checkpoints(tmp_path / "run", {"seed": 0}, False))
    heard = []
    torch.manual_seed(77)
    resumed = _train(listener=heard.append, log=log, checkpoints=Checkpoints(tmp_path / "run", {"seed": 0}, True))
    assert heard[0].epoch in (epoch, epoch + 1)
    assert _same(resumed, fitted)
    assert resumed.arguments == fitted.arguments
    assert [each.indices.tolist() for each in resumed.rounds] == [each.indices.tolist() for each in fitted.rounds]
    assert resumed.record.epochs == 9
    assert resumed.record.history == fitted.record.history
    assert _rows(log) == _rows(whole_log)


@pytest.mark.parametrize(
    "changes", [{"matching": "mean"}, {"adversarial_weight": 0.0}, {"schedule": "one-cycle"}, {"schedule": "cosine"}]
)
def test_every_choice_of_the_method_trains(changes):
    fitted = _train(SETTINGS.model_copy(update={"max_epochs": 1, "rounds": 0, **changes}))
    assert fitted.rounds == ()
    assert fitted.blocks == 0
    assert fitted.arguments == ARGUMENTS


def test_a_network_that_cannot_grow_keeps_its_depth():
    arguments = {
        "name": "ssan",
        "bands": 9,
        "channels": 2,
        "classes": 3,
        "patch_size": 3,
        "hidden": 2,
        "pooling": "max",
    }
    fitted = _train(SETTINGS.model_copy(update={"max_epochs": 1, "rounds": 1}), arguments)
    assert fitted.blocks == 0
    assert fitted.arguments == arguments
