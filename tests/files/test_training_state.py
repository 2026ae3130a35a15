"""The folder of an interrupted training is checked before it is used, and cleared of nothing but that."""

from __future__ import annotations

import pytest

from hsiattn.errors import OutputError
from hsiattn.files.training_state import check_state_folder, is_begun, remove_state_folder


@pytest.fixture
def folder(tmp_path):
    """That of an ensemble whose second member was killed while it wrote."""
    for name in ("", "member-0", "member-1"):
        (tmp_path / "m.training" / name).mkdir(exist_ok=True, parents=True)
        (tmp_path / "m.training" / name / "run.json").write_text('{"hsiattn": "training state"}')
    (tmp_path / "m.training" / "member-0" / "last.ckpt").write_bytes(b"weights")
    (tmp_path / "m.training" / "member-1" / ".last.ckpt.abcd1234.staged").mkdir()
    (tmp_path / "m.training" / "member-1" / ".last.ckpt.77.tmp").touch()
    return tmp_path / "m.training"


def test_the_state_of_a_training_goes_as_a_whole(folder):
    check_state_folder(folder)
    assert is_begun(folder)
    remove_state_folder(folder)
    assert not folder.exists()


@pytest.mark.parametrize("name", ["notes.txt", "member-0/thesis.doc", "member-9", "best/run.json", "epoch=3.ckpt"])
def test_what_somebody_else_put_there_is_refused_and_stays(folder, name):
    foreign = folder / name
    foreign.parent.mkdir(exist_ok=True)
    foreign.write_text("mine")
    with pytest.raises(OutputError, match="which is no part of one"):
        check_state_folder(folder)
    assert not is_begun(folder)
    remove_state_folder(folder)
    assert foreign.read_text() == "mine"


def test_a_checkpoint_without_a_note_of_ours_is_somebody_elses(tmp_path):
    (tmp_path / "last.ckpt").write_bytes(b"weights of another program")
    with pytest.raises(OutputError, match=r"holds last\.ckpt"):
        check_state_folder(tmp_path)
    remove_state_folder(tmp_path)
    assert (tmp_path / "last.ckpt").read_bytes() == b"weights of another program"


def test_a_file_or_a_link_of_that_name_is_refused(folder, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(folder)
    for name in ("file", "link"):
        with pytest.raises(OutputError, match="is not a folder"):
            check_state_folder(tmp_path / name)
        remove_state_folder(tmp_path / name)
    assert (folder / "run.json").exists()
