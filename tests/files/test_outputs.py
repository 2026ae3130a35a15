"""Outputs appear whole or not at all, and replace nothing that somebody else made."""

import os
import socket
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from hsiattn.errors import OutputError
from hsiattn.files.kinds import LOG_COLUMNS, FileKind
from hsiattn.files.outputs import Output, check_output, check_outputs, wanted, whole_file, write_bytes


def test_a_file_appears_when_the_block_ends(tmp_path):
    final = tmp_path / "map.txt"
    with whole_file(final) as temporary:
        temporary.write_text("new")
        assert not final.exists()
    assert final.read_text() == "new"
    assert list(tmp_path.iterdir()) == [final]


@pytest.mark.parametrize(
    "failure", [KeyboardInterrupt, OSError(28, "No space left on device"), ValueError("bad value")]
)
def test_whatever_goes_wrong_the_old_file_stays_and_nothing_else(tmp_path, failure):
    final = tmp_path / "map.txt"
    final.write_text("old")

    def write():
        with whole_file(final, ValueError) as temporary:
            temporary.write_text("half")
            raise failure

    with pytest.raises((KeyboardInterrupt, OutputError)):
        write()
    assert final.read_text() == "old"
    assert list(tmp_path.iterdir()) == [final]


def test_the_reason_is_told_in_one_line(tmp_path):
    with (
        pytest.raises(OutputError, match=r"map\.txt cannot be written") as caught,
        whole_file(tmp_path / "no" / "map.txt") as t,
    ):
        t.write_text("x")
    assert "\n" not in str(caught.value)


@pytest.fixture
def table(tmp_path):
    """A training log: a small file of ours."""
    path = tmp_path / "log.csv"
    path.write_text(",".join(LOG_COLUMNS) + "\n1,2,3,4,5,6,7,8\n")
    return path


def check_log(path, **options):
    check_output(path, FileKind.LOG, **options)


def test_a_file_of_ours_gives_way_with_overwrite_and_only_then(table):
    check_log(table, overwrite=True)
    with pytest.raises(OutputError, match=r"log\.csv exists already; .*overwrite=True"):
        check_log(table)


@pytest.mark.parametrize("content", [b"", b"date,price\n", b"epoch\n"])
def test_a_file_that_somebody_else_wrote_never_does(tmp_path, content):
    path = tmp_path / "log.csv"
    path.write_bytes(content)
    for overwrite in (False, True):
        with pytest.raises(OutputError, match=r"log\.csv exists already"):
            check_log(path, overwrite=overwrite)
    assert path.read_bytes() == content


def test_a_file_of_ours_of_another_kind_never_does(table):
    with pytest.raises(OutputError, match="exists already and is not an accuracy report that hsiattn wrote"):
        check_output(table, FileKind.REPORT, overwrite=True)


def test_a_leftover_gives_way_without_overwrite_if_it_is_ours(table):
    check_log(table, leftover=True)
    table.write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        check_log(table, leftover=True)


def test_what_is_read_is_never_written_by_whatever_path(table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hard.csv").hardlink_to(table)
    (tmp_path / "soft.csv").symlink_to(table)
    (tmp_path / "folder").symlink_to(tmp_path)
    for read in (table, "log.csv", "./folder/./log.csv", "hard.csv", "soft.csv", "folder/log.csv"):
        for path in (table, "log.csv", "hard.csv", "folder/log.csv", "soft.csv"):
            with pytest.raises(OutputError, match="is the class table itself"):
                check_log(path, overwrite=True, inputs={"labels": None, "class table": read})


def test_links_pipes_sockets_and_devices_are_refused_at_once(table, tmp_path):
    (tmp_path / "link").symlink_to(table)
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
    names = ["pipe", "socket"]
    with suppress(PermissionError):  # for root alone
        os.mknod(tmp_path / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        names.append("null")
    before = {path.name: path.lstat().st_mode for path in tmp_path.iterdir()}
    for overwrite in (False, True):
        for name in names:
            with pytest.raises(OutputError, match=f"{name} is a pipe, a socket or a device"):
                check_log(tmp_path / name, overwrite=overwrite)
        for name in ("link", "dangling"):
            with pytest.raises(OutputError, match=f"{name} is a link"):
                check_log(tmp_path / name, overwrite=overwrite)
    assert {path.name: path.lstat().st_mode for path in tmp_path.iterdir()} == before


def test_two_outputs_under_one_path_are_refused(tmp_path):
    outputs = [Output(tmp_path / "a.tif", FileKind.LAND_COVER), Output(f"{tmp_path}/./a.tif", FileKind.CONFIDENCE)]
    with pytest.raises(OutputError, match="would be written twice"):
        check_outputs(outputs, overwrite=True)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(OutputError, match="does not exist"):
        check_log(tmp_path / "nowhere" / "log.csv")


def test_files_beside_the_temporary_one_come_along(tmp_path):
    with whole_file(tmp_path / "map.tif") as temporary:
        temporary.write_text("map")
        temporary.with_suffix(".qml").write_text("style")
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"map.tif": "map", "map.qml": "style"}


KILLED = """
import os, sys
from pathlib import Path
from hsiattn.files.outputs import whole_file
with whole_file(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print(flush=True)
    sys.stdin.read() if sys.argv[2] == "wait" else os._exit(9)
"""


def start(path, what):
    """A process that writes a file and is killed or waits before it is whole."""
    command = [sys.executable, "-c", KILLED, str(path), what]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1])
    process.stdout.readline()
    return process


def test_what_a_killed_process_has_left_goes_and_what_a_living_one_needs_stays(tmp_path):
    path = tmp_path / "model"
    start(path, "exit").communicate()
    assert [file.name.endswith(".staged") for file in tmp_path.iterdir()] == [True]
    check_output(path, FileKind.MODEL)
    assert list(tmp_path.iterdir()) == []
    living = start(path, "wait")
    check_output(path, FileKind.MODEL)
    with whole_file(path) as temporary:
        temporary.write_text("ours")
    living.communicate(b"")
    assert living.returncode == 0
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"model": "half"}


def test_only_outputs_that_are_asked_for_are_checked(tmp_path):
    path = tmp_path / "log.csv"
    assert wanted((None, FileKind.MODEL), (path, FileKind.LOG)) == [Output(path, FileKind.LOG)]


def test_a_failed_write_keeps_the_earlier_file_and_leaves_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OutputError, match="No space left on device"):
        write_bytes(path, b"new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
