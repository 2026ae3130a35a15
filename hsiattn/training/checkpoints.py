"""Training that survives an interruption: its state is kept, and a later run goes on from there."""

from __future__ import annotations

import copy
import json
import pickle
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from hsiattn.errors import OtherRunError, OutputError, TrainingError
from hsiattn.files.kinds import GENERATOR, FileKind
from hsiattn.files.outputs import whole_file
from hsiattn.files.training_state import CHECKPOINT, NOTE, check_state_folder

_INTERVAL = 20.0
"""Seconds between checkpoints on disk: what a killed process loses at most, beside the epoch it was in."""


@dataclass(frozen=True)
class Checkpoints:
    """Where an interrupted run is kept, and what identifies it.

    Attributes
    ----------
    folder
        Holds `last.ckpt` and `run.json`.
    identity
        Everything the result depends on; a run with another identity is not resumed.
    resume
        Go on from the folder's checkpoint, if there is one.
    """

    folder: Path
    identity: dict[str, Any]
    resume: bool

    @property
    def file(self) -> Path:
        """The checkpoint."""
        return self.folder / CHECKPOINT

    def of_member(self, number: int) -> Checkpoints:
        """Those of a member of an ensemble, in a folder of their own."""
        return Checkpoints(self.folder / f"member-{number}", {**self.identity, "member": number}, self.resume)

    def of_round(self, number: int) -> Checkpoints:
        """Those of a round of a training in several, in a folder of their own."""
        return Checkpoints(self.folder / f"round-{number}", {**self.identity, "round": number}, self.resume)

    def of_companion(self, number: int) -> Checkpoints:
        """Those of a network that is trained without some groups, in a folder of their own."""
        return Checkpoints(self.folder / f"companion-{number}", {**self.identity, "companion": number}, self.resume)

    def open(self) -> Path | None:
        """The checkpoint to go on from; None, and an empty folder, where training begins anew.

        Raises
        ------
        OtherRunError
            The folder holds another run.
        TrainingError
            It holds a damaged checkpoint.
        OutputError
            The folder cannot be written, or holds other files.
        """
        check_state_folder(self.folder)
        note = self.folder / NOTE
        identity = json.loads(json.dumps(self.identity))
        if self.resume and self.file.exists():
            kept = _read_json(note)
            if {name: value for name, value in kept.items() if name != GENERATOR} != identity:
                raise OtherRunError(
                    f"{self.folder} holds a run with another scene, labels, split, recipe or seed",
                    "repeat the options of that run, or leave out resume=",
                )
            try:
                torch.load(self.file, map_location="cpu", weights_only=True)
            except (OSError, EOFError, KeyError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
                raise TrainingError(
                    f"the checkpoint {self.file} is damaged", "leave out resume= to begin anew"
                ) from error
            return self.file
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.file.unlink(missing_ok=True)
            with whole_file(note) as temporary:
                marked = {GENERATOR: FileKind.TRAINING_STATE.value, **identity}
                temporary.write_text(json.dumps(marked, indent=1), encoding="utf-8")
        except OSError as error:
            raise OutputError(
                f"no checkpoint can be kept in {self.folder}: {error.strerror}", "check folder and rights"
            ) from error
        return None


class KeepState(Checkpoint):
    """Remembers the state between epochs; writes it now and then, at the end, and on an interruption.

    Only there is it complete: order of pixels, variation and dropout of an epoch follow from its number, so a run that
    goes on from there ends as the uninterrupted one does, bit for bit. Lightning's own `ModelCheckpoint` would write
    after every epoch, which for large networks and few pixels takes longer than the epoch, or in the middle of one.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.storage = InMemory()
        self._written = time.monotonic()

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Remember the state before the first step."""
        trainer.save_checkpoint(self.file)  # goes to the storage, not to the file

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Remember the state, and write it if the last time was long ago.

        Not after the epoch that stops training early: whoever goes on repeats it, and stops again.
        """
        if trainer.should_stop:
            return
        trainer.save_checkpoint(self.file)
        if time.monotonic() - self._written >= _INTERVAL:
            self._write()

    def on_train_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Write the latest state."""
        self._write()

    def on_exception(self, trainer: lightning.Trainer, pl_module: Any, exception: BaseException) -> None:
        """Write the state before the epoch that was interrupted."""
        self._write()

    def _write(self) -> None:
        if self.storage.latest is None:
            return
        with whole_file(self.file, RuntimeError) as temporary:  # RuntimeError: how torch reports a full disk
            torch.save(self.storage.latest, temporary)
        self._written = time.monotonic()


def _read_json(path: Path) -> dict[str, Any]:
    """What a JSON file holds; nothing where there is none that can be read."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


class InMemory(TorchCheckpointIO):
    """Where Lightning puts the checkpoints that it saves; it reads them from files as usual."""

    latest: dict[str, Any] | None = None

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Keep a copy: the tensors of the checkpoint are those that training goes on to change."""
        self.latest = copy.deepcopy(checkpoint)
