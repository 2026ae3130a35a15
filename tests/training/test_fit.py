"""Training: repeatable, interruptible, and ending with the best weights."""

import csv
import math
import signal
import threading

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional

from hsiattn.errors import OutputError, TrainingError
from hsiattn.networks import create_network
from hsiattn.training import checkpoints as checkpointing
from hsiattn.training.checkpoints import Checkpoints
from hsiattn.training.early_stopping import EarlyStoppingTraining
from hsiattn.training.fit import class_weights, train_network
from hsiattn.training.patches import LabelledPatches
from hsiattn.training.results import FitOptions
from hsiattn.training.settings import AugmentationSettings

NOISE = AugmentationSettings(spectral_noise=0.05, component_noise=0.1)
SETTINGS = EarlyStoppingTraining(
    learning_rate=0.01, batch_size=16, max_epochs=6, patience=6, precision="32", augmentation=NOISE
)


def _pixels(count, seed):
    """Pixels of three classes that overlap, a few neighbours missing."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 3, count)
    spectra = (np.eye(3, 9)[targets] + rng.normal(0, 0.7, (count, 9))).astype(np.float32)
    valid = rng.random((count, 3, 3)) < 0.9
    valid[:, 1, 1] = True
    patches = (np.eye(3, 2)[targets][:, :, None, None] + rng.normal(0, 1, (count, 2, 3, 3))) * valid[:, None]
    return LabelledPatches(spectra, patches.astype(np.float32), valid, targets)


TRAINING, VALIDATION = _pixels(70, 0), _pixels(40, 1)


def _network(dropout=0.2):
    torch.manual_seed(0)
    sizes = {"bands": 9, "channels": 2, "classes": 3, "patch_size": 3}
    return create_network("grouped-ssan", **sizes, group=3, embedding=4, hidden=4, width=4, dropout=dropout)


def _run(network, pixels=TRAINING, settings=SETTINGS, *, validation=VALIDATION, epochs=None, **options):
    """As the method early-stopping does; without validation pixels, as pseudo-labels does but for the balance."""
    return train_network(
        network, pixels, settings, FitOptions(device="cpu", **options), validation=validation,
        patience=settings.patience, class_balance=settings.class_balance, epochs=epochs,
    )  # fmt: skip


def _train(settings=SETTINGS, **options):
    network = _network()
    return network, _run(network, settings=settings, **options)


def _same(one, two):
    weights = one.state_dict(), two.state_dict()
    return all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def _loss(network):
    """Validation loss, computed without Lightning."""
    inputs = [torch.from_numpy(a) for a in (VALIDATION.spectra, VALIDATION.patches, VALIDATION.valid)]
    with torch.no_grad():
        return functional.cross_entropy(network(*inputs), torch.from_numpy(VALIDATION.targets)).item()


def test_one_seed_gives_one_result_bit_for_bit_and_another_another():
    (first, _), (second, _), (other, _) = (_train(seed=s) for s in (1, 1, 2))
    assert _same(first, second)
    assert not _same(first, other)


def test_the_result_does_not_depend_on_torchs_own_seed():
    first, _ = _train()
    network = _network()
    torch.manual_seed(999)
    _run(network)
    assert _same(first, network)


def _rows(log):
    """Figures of every epoch; those that are left empty are None."""
    with log.open(newline="") as file:
        return [{name: float(value) if value else None for name, value in row.items()} for row in csv.DictReader(file)]


def test_the_log_has_one_row_per_epoch_with_what_the_listener_hears(tmp_path):
    heard = []
    _, record = _train(log=tmp_path / "log.csv", listener=heard.append)
    rows = _rows(tmp_path / "log.csv")
    assert [row["epoch"] for row in rows] == list(range(1, 7)) == [figures.epoch for figures in heard]
    assert record.epochs == 6
    for row, figures in zip(rows, heard, strict=True):
        assert row["validation_loss"] == pytest.approx(figures.validation_loss)
        assert row["training_loss"] > 0
        assert 0 <= row["training_accuracy"] <= 1
        assert row["of_epochs"] == 6
    assert [row["seconds"] for row in rows] == sorted(row["seconds"] for row in rows)
    for name in ("epoch", "training_loss", "training_accuracy", "validation_loss", "validation_accuracy"):
        assert record.history[name] == pytest.approx([row[name] for row in rows], rel=1e-4)


@pytest.mark.parametrize("rate", [0.003, 0.05, 3.0])
def test_the_weights_kept_are_those_of_the_least_validation_loss(tmp_path, rate):
    settings = SETTINGS.model_copy(update={"learning_rate": rate, "max_epochs": 12, "patience": 12})
    network, record = _train(settings, log=tmp_path / "log.csv")
    losses = [row["validation_loss"] for row in _rows(tmp_path / "log.csv")]
    everything = [_loss(_network().eval()), *losses]
    assert not network.training
    assert _loss(network) == pytest.approx(min(everything), rel=1e-5)
    assert record.best_validation_loss == pytest.approx(min(everything), rel=1e-5)
    assert record.best_epoch == int(np.argmin(everything))
    last_row = _rows(tmp_path / "log.csv")[-1]
    assert last_row["best_epoch"] == record.best_epoch


def test_training_that_only_spoils_the_start_leaves_the_start():
    settings = SETTINGS.model_copy(update={"learning_rate": 30.0})
    network, record = _train(settings)
    assert record.best_epoch == 0
    assert _same(network, _network())


def test_training_stops_once_patience_is_used_up(tmp_path):
    settings = SETTINGS.model_copy(update={"learning_rate": 1.0, "max_epochs": 60, "patience": 3})
    _, record = _train(settings, log=tmp_path / "log.csv")
    losses = [row["validation_loss"] for row in _rows(tmp_path / "log.csv")]
    assert record.epochs == len(losses) < 60
    assert int(np.argmin(losses)) == len(losses) - 1 - 3


def test_without_validation_pixels_the_last_weights_stay():
    trained, record = _train(validation=None)
    assert record.epochs == record.best_epoch == 6
    assert record.best_validation_loss is None
    assert "best_validation_loss" not in record.to_dict()
    fewer, _ = _train(validation=None, epochs=5)
    assert not _same(trained, fewer)


def test_without_validation_pixels_their_figures_are_empty_in_the_log(tmp_path):
    heard = []
    _train(validation=None, log=tmp_path / "log.csv", listener=heard.append)
    empty = ("validation_loss", "validation_accuracy", "best_epoch")
    for row, figures in zip(_rows(tmp_path / "log.csv"), heard, strict=True):
        assert [row[name] for name in empty] == [getattr(figures, name) for name in empty] == [None, None, None]
        assert math.isfinite(row["training_loss"])


def test_so_many_epochs_are_trained_as_asked_and_none_leaves_the_initial_weights():
    _, record = _train(validation=None, epochs=2)
    assert record.epochs == 2
    network, record = _train(validation=None, epochs=0)
    assert (record.epochs, record.best_epoch) == (0, 0)
    assert not network.training
    assert _same(network, _network())


def test_a_network_hears_how_many_pixels_every_class_has_before_its_first_step(monkeypatch):
    heard, counts = [], np.bincount(TRAINING.targets).tolist()
    for pixels in (TRAINING, _softened(TRAINING, 0.6)):
        network = _network()
        monkeypatch.setattr(network, "set_class_counts", lambda counts: heard.append(counts.tolist()), raising=False)
        _run(network, pixels, UNBALANCED, validation=None, listener=lambda figures: heard.append(figures.epoch))
    assert heard == 2 * [counts, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(("steps", "epochs"), [(1, 1), (5, 1), (7, 2)])
def test_most_steps_are_a_limit_at_the_end_of_an_epoch(steps, epochs):
    settings = SETTINGS.model_copy(update={"max_steps": steps})
    heard = []
    _train(settings, listener=heard.append)
    assert len(heard) == epochs  # of five batches


def test_class_weights_are_scikit_learns_balanced_ones():
    expected = compute_class_weight("balanced", classes=np.arange(3), y=TRAINING.targets)
    counts = torch.from_numpy(np.bincount(TRAINING.targets))
    torch.testing.assert_close(class_weights(counts), torch.from_numpy(expected).float())


def test_the_loss_is_weighted_by_class_where_the_settings_say_so():
    (_, balanced), (_, plain) = (_train(SETTINGS.model_copy(update={"class_balance": b})) for b in (True, False))
    assert balanced.best_validation_loss != plain.best_validation_loss


def test_the_record_is_json_ready_and_counts_parameters():
    network, record = _train()
    values = record.to_dict()
    assert values["parameters"] == sum(p.numel() for p in network.parameters())
    assert (values["device"], values["precision"]) == ("cpu", "32")
    assert values["seconds"] > 0


def test_weights_that_grow_beyond_all_bounds_are_refused():
    settings = SETTINGS.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(TrainingError, match="learning_rate"):
        _train(settings, validation=None)


def test_training_leaves_the_callers_settings_of_torch_alone():
    def settings():
        deterministic = torch.are_deterministic_algorithms_enabled()
        return torch.get_num_threads(), deterministic, torch.utils.deterministic.fill_uninitialized_memory

    own = torch.get_num_threads()
    torch.set_num_threads(3)  # one, which training takes, would not show whether it is given back
    try:
        before = settings()
        _train()
        assert settings() == before
    finally:
        torch.set_num_threads(own)


def test_the_number_of_threads_makes_no_difference():
    own, trained, threads = torch.get_num_threads(), [], set()
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            network = _network()
            network.spatial.register_forward_hook(lambda *_: threads.add(threading.current_thread().name))
            _run(network)
            trained.append(network)
    finally:
        torch.set_num_threads(own)
    assert _same(trained[0], trained[1])
    assert _same(trained[0], trained[2])
    assert {name.split("_")[0] for name in threads} == {"MainThread", "part"}


def test_a_log_in_no_folder_is_refused_before_training(tmp_path):
    with pytest.raises(OutputError, match="log"):
        _train(log=tmp_path / "no" / "log.csv", listener=lambda figures: pytest.fail("it trained"))


# -- interruption ------------------------------------------------------------------------------------------------------


def _interrupt_at(epoch):
    def listen(figures):
        if figures.epoch == epoch:
            raise KeyboardInterrupt

    return listen


def _kept(folder, *, resume, identity=None):
    return Checkpoints(folder / "run", identity or {"seed": 0}, resume)


@pytest.mark.parametrize(  # every pair of choices once
    ("schedule", "validation", "epoch", "interval"),
    [
        ("constant", VALIDATION, 1, 0.0),
        ("constant", None, 3, 3600.0),
        ("constant", VALIDATION, 6, 3600.0),
        ("cosine", VALIDATION, 3, 0.0),
        ("cosine", None, 1, 3600.0),
        ("cosine", None, 6, 0.0),
    ],
)
def test_interrupted_and_resumed_is_as_good_as_uninterrupted_bit_for_bit(
    tmp_path, monkeypatch, schedule, validation, epoch, interval
):
    settings = SETTINGS.model_copy(update={"schedule": schedule})
    monkeypatch.setattr(checkpointing, "_INTERVAL", interval)
    log = tmp_path / "log.csv"
    with pytest.raises(KeyboardInterrupt):
        _train(
            settings, validation=validation, log=log, listener=_interrupt_at(epoch),
            checkpoints=_kept(tmp_path, resume=False),
        )  # fmt: skip
    assert (tmp_path / "run" / "last.ckpt").exists()
    torch.manual_seed(77)
    resumed, record = _train(settings, validation=validation, log=log, checkpoints=_kept(tmp_path, resume=True))
    expected, uninterrupted = _train(settings, validation=validation, log=tmp_path / "whole.csv")
    assert _same(resumed, expected)
    assert (record.epochs, record.best_epoch) == (uninterrupted.epochs, uninterrupted.best_epoch)
    assert record.best_validation_loss == uninterrupted.best_validation_loss
    assert record.history == uninterrupted.history
    rows, whole = (
        [{k: v for k, v in row.items() if k != "seconds"} for row in _rows(file)]
        for file in (log, tmp_path / "whole.csv")
    )
    assert rows == whole


def test_an_interruption_in_the_middle_of_an_epoch_repeats_that_epoch(tmp_path, monkeypatch):
    from hsiattn.training.module import PixelClassification

    original, calls = PixelClassification.training_step, []

    def stumble(self, batch, batch_index):
        calls.append(batch_index)
        if len(calls) == 13:  # third batch of the third epoch
            raise KeyboardInterrupt
        return original(self, batch, batch_index)

    monkeypatch.setattr(PixelClassification, "training_step", stumble)
    with pytest.raises(KeyboardInterrupt):
        _train(checkpoints=_kept(tmp_path, resume=False))
    resumed, _ = _train(checkpoints=_kept(tmp_path, resume=True))
    assert len(calls) == 13 + 4 * 5
    assert _same(resumed, _train()[0])


def test_a_killed_process_loses_no_more_than_the_interval(tmp_path, monkeypatch):
    """Nobody tells the process: whatever lies on disk then must do, and rows of the log that came later must go."""
    monkeypatch.setattr(checkpointing, "_INTERVAL", 0.0)
    monkeypatch.setattr(checkpointing.KeepState, "on_exception", lambda *arguments: None)
    log = tmp_path / "log.csv"
    with pytest.raises(KeyboardInterrupt):
        _train(log=log, listener=_interrupt_at(4), checkpoints=_kept(tmp_path, resume=False))
    with log.open("a") as file:
        file.write("4,6,0,0,0,0,0,0\n")
    resumed, _ = _train(log=log, checkpoints=_kept(tmp_path, resume=True))
    assert _same(resumed, _train()[0])
    assert [row["epoch"] for row in _rows(log)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("settings", [SETTINGS, SETTINGS.model_copy(update={"patience": 1, "learning_rate": 1.0})])
def test_resuming_a_finished_run_gives_its_result_again(tmp_path, settings):
    done, record = _train(settings, checkpoints=_kept(tmp_path, resume=False))
    again, repeated = _train(settings, checkpoints=_kept(tmp_path, resume=True))
    assert _same(done, again)
    assert repeated.epochs == record.epochs


def test_a_run_with_another_identity_is_not_resumed(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        _train(listener=_interrupt_at(2), checkpoints=_kept(tmp_path, resume=False, identity={"seed": 1}))
    with pytest.raises(TrainingError, match="another scene, labels, split, recipe or seed"):
        _train(checkpoints=_kept(tmp_path, resume=True, identity={"seed": 2}))
    (tmp_path / "run" / "run.json").unlink()
    with pytest.raises(OutputError, match=r"holds last\.ckpt, which is no part of one"):  # whose it is nobody knows
        _train(checkpoints=_kept(tmp_path, resume=True, identity={"seed": 1}))


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: b"not a checkpoint", lambda data: data[:-900]])
def test_a_damaged_checkpoint_is_one_error(tmp_path, damage):
    with pytest.raises(KeyboardInterrupt):
        _train(listener=_interrupt_at(2), checkpoints=_kept(tmp_path, resume=False))
    checkpoint = tmp_path / "run" / "last.ckpt"
    checkpoint.write_bytes(damage(checkpoint.read_bytes()))
    with pytest.raises(TrainingError, match=r"last\.ckpt"):
        _train(checkpoints=_kept(tmp_path, resume=True))


def test_without_resume_a_folder_is_begun_anew(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        _train(listener=_interrupt_at(4), checkpoints=_kept(tmp_path, resume=False))
    heard = []
    _train(listener=heard.append, checkpoints=_kept(tmp_path, resume=False, identity={"seed": 9}))
    assert heard[0].epoch == 1


def test_with_nothing_to_resume_training_begins_at_the_start(tmp_path):
    resumed, _ = _train(checkpoints=_kept(tmp_path, resume=True))
    assert _same(resumed, _train()[0])


def test_a_second_interruption_is_heard_too():
    """Lightning goes deaf to Ctrl-C after the first one; a notebook that lives on must not."""
    assert threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        _train(listener=_interrupt_at(1))
    assert signal.getsignal(signal.SIGINT) is before


def test_checkpoints_in_a_place_that_cannot_be_written_are_one_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="no checkpoint can be kept"):
        _train(checkpoints=Checkpoints(tmp_path / "file" / "run", {}, False))


# -- probabilities instead of classes ----------------------------------------------------------------------------------

UNBALANCED = SETTINGS.model_copy(update={"class_balance": False})


def _softened(pixels, sure=1.0):
    """The same pixels; their targets are probabilities, so sure of the class and of the others alike."""
    shares = np.full((len(pixels), 3), (1 - sure) / 2)
    shares[np.arange(len(pixels)), pixels.targets] = sure
    return LabelledPatches(pixels.spectra, pixels.patches, pixels.valid, shares.astype(np.float32))


def _fit(pixels, settings=UNBALANCED, **options):
    heard, network = [], _network()
    _run(network, pixels, settings, validation=None, listener=heard.append, **options)
    return network, heard


def test_certain_probabilities_train_as_classes_do():
    (network, heard), (other, others) = _fit(TRAINING), _fit(_softened(TRAINING))
    for mine, theirs in zip(heard, others, strict=True):
        assert mine.training_loss == pytest.approx(theirs.training_loss, rel=1e-4)
        assert mine.training_accuracy == pytest.approx(theirs.training_accuracy)
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], tensor, rtol=1e-3, atol=1e-4)


def test_uncertain_probabilities_make_a_network_less_sure():
    inputs = [torch.from_numpy(a) for a in (VALIDATION.spectra, VALIDATION.patches, VALIDATION.valid)]
    longer = UNBALANCED.model_copy(update={"max_epochs": 30})
    sureness = []
    for sure in (1.0, 0.6):
        network, _ = _fit(_softened(TRAINING, sure), longer)
        with torch.no_grad():
            sureness.append(float(network(*inputs).softmax(dim=1).max(dim=1).values.mean()))
    assert sureness[1] < sureness[0] - 0.1
    assert sureness[1] < 0.75


@pytest.mark.parametrize("epoch", [1, 3, 6])
def test_one_cycle_is_resumed_in_the_middle_bit_for_bit(tmp_path, epoch):
    settings, pixels = UNBALANCED.model_copy(update={"schedule": "one-cycle"}), _softened(TRAINING, 0.8)
    with pytest.raises(KeyboardInterrupt):
        _run(
            _network(), pixels, settings, validation=None, listener=_interrupt_at(epoch),
            checkpoints=_kept(tmp_path, resume=False),
        )  # fmt: skip
    resumed, _ = _fit(pixels, settings, checkpoints=_kept(tmp_path, resume=True))
    assert _same(resumed, _fit(pixels, settings)[0])


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_one_cycle_takes_any_number_of_steps(epochs):
    """Of five batches each; with ten steps in all, PyTorch's own schedule divides by zero."""
    settings = UNBALANCED.model_copy(update={"schedule": "one-cycle", "max_epochs": epochs})
    _, heard = _fit(TRAINING, settings)
    assert len(heard) == epochs
