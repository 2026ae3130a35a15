"""Files from servers that stall, break off, lead elsewhere, or send something else."""

from __future__ import annotations

import errno
import json
import socket

import numpy as np
import pytest

from hsiattn.datasets import transfer as module
from hsiattn.datasets.transfer import TransferError, check_redirect, part_of, transfer
from hsiattn.errors import DatasetError

CONTENT = np.random.default_rng(3).bytes(300_000)


@pytest.fixture
def bring(web, tmp_path):
    """Brings /cube.mat from the server; returns the bytes that have come."""
    web.files["/cube.mat"] = CONTENT
    part = part_of(tmp_path / "cube.mat")

    def run(trusted=False, path="/cube.mat", told=None):
        transfer(web.address + path, part, name="cube.mat", trusted=trusted, told=told)
        return part.read_bytes()

    run.part = part
    return run


def test_a_file_comes_whole_and_its_progress_is_told(bring, web):
    heard = []
    assert bring(told=lambda *progress: heard.append(progress)) == CONTENT
    assert heard[-1] == ("cube.mat", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in heard] == sorted({done for _, done, _ in heard})
    assert len(web.asked) == 1


@pytest.mark.parametrize("trusted", [False, True])
@pytest.mark.parametrize("fault", ["cut", "stall"])
def test_a_server_that_breaks_off_or_stalls_is_asked_for_the_rest(bring, web, fault, trusted):
    web.faults["/cube.mat"] = [(fault, 100_000)]
    assert bring(trusted) == CONTENT
    whole, rest = web.ranges("/cube.mat")
    assert whole is None
    assert 80_000 < int(rest.removeprefix("bytes=").removesuffix("-")) <= 100_000


@pytest.mark.parametrize("trusted", [False, True])
def test_a_download_goes_on_after_the_process_has_ended(bring, web, trusted):
    web.faults["/cube.mat"] = [("cut", 100_000), *[("status", 503)] * 5]
    with pytest.raises(TransferError, match=r"127\.0\.0\.1 answers 503 Service Unavailable"):
        bring(trusted)
    web.faults.clear()
    assert bring.part.stat().st_size == 100_000
    assert bring(trusted) == CONTENT
    assert web.ranges("/cube.mat")[-1] == "bytes=100000-"


def test_a_file_that_has_changed_on_the_server_is_brought_from_its_beginning(bring, web):
    web.faults["/cube.mat"] = [("cut", 100_000), *[("status", 503)]]
    with pytest.raises(TransferError):
        bring()
    web.files["/cube.mat"] = CONTENT[::-1]
    assert bring() == CONTENT[::-1]


def test_a_part_from_another_server_is_gone_on_with_only_if_the_checksum_is_known(bring, web):
    web.files["/mirror.mat"] = CONTENT
    for trusted, asked in ((True, "bytes=100000-"), (False, None)):
        web.faults["/cube.mat"] = [("cut", 100_000), ("status", 503)]
        with pytest.raises(TransferError):
            bring(trusted)
        assert bring(trusted, "/mirror.mat") == CONTENT
        assert web.ranges("/mirror.mat")[-1] == asked
        module.discard(bring.part)


def test_a_server_that_knows_no_parts_sends_all_again(bring, web):
    web.faults["/cube.mat"] = [("cut", 100_000), "without_parts"]
    assert bring(True) == CONTENT


def test_a_server_that_sends_another_part_is_asked_from_the_beginning(bring, web):
    web.faults["/cube.mat"] = [("cut", 100_000), "another_part"]
    assert bring(True) == CONTENT
    assert web.ranges("/cube.mat") == [None, "bytes=100000-", None]


@pytest.mark.parametrize("surplus", [0, 7])
def test_a_part_that_is_whole_or_longer_is_noticed(bring, web, surplus):
    bring.part.write_bytes(CONTENT + bytes(surplus))
    assert bring(True) == CONTENT
    assert len(web.asked) == (2 if surplus else 1)


def test_a_server_that_does_not_say_the_size_is_believed(bring, web):
    web.faults["/cube.mat"] = ["without_length"]
    heard = []
    assert bring(told=lambda *progress: heard.append(progress)) == CONTENT
    assert heard[-1] == ("cube.mat", len(CONTENT), None)


def test_a_server_that_breaks_off_again_and_again_is_given_up_and_the_part_kept(bring, web):
    web.faults["/cube.mat"] = [("cut", 100_000)] * 9
    with pytest.raises(TransferError, match=r"^127\.0\.0\.1 broke off$"):
        bring(True)
    assert len(web.asked) <= 5
    assert bring.part.stat().st_size == 100_000


def test_a_server_that_stalls_each_time_is_given_up(bring, web):
    web.faults["/cube.mat"] = [("stall", 0)] * 9
    with pytest.raises(TransferError, match=r"^127\.0\.0\.1 stopped sending$"):
        bring()
    assert len(web.asked) == 2


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream"])
def test_a_web_page_in_place_of_the_file_is_not_kept(bring, web, kind):
    web.faults["/cube.mat"] = [("page", kind)]
    with pytest.raises(TransferError, match=r"^127\.0\.0\.1 sends a web page instead of the file$"):
        bring(True)
    assert not bring.part.exists() or not bring.part.stat().st_size
    assert bring(True) == CONTENT


@pytest.mark.parametrize("status", [403, 404, 410, 500])
def test_a_refusal_is_told_and_not_repeated(bring, web, status):
    web.faults["/cube.mat"] = [("status", status)]
    with pytest.raises(TransferError, match=f"answers {status} "):
        bring()
    assert len(web.asked) == 1


def test_a_redirect_to_another_host_is_followed(bring, web):
    web.faults["/old.mat"] = [("redirect", web.address.replace("127.0.0.1", "localhost") + "/cube.mat")]
    assert bring(path="/old.mat") == CONTENT
    assert web.asked[-1][1]["host"].startswith("localhost")


def test_a_relative_redirect_is_followed_and_gone_on_with(bring, web):
    web.files["/new/cube.mat"] = CONTENT
    web.faults["/old.mat"] = [("redirect", "new/cube.mat")] * 2
    web.faults["/new/cube.mat"] = [("cut", 100_000)]
    assert bring(path="/old.mat") == CONTENT
    assert web.ranges("/new/cube.mat") == [None, "bytes=100000-"]


def test_redirects_in_circles_end(bring, web):
    web.faults["/old.mat"] = [("redirect", "/old.mat")] * 99
    with pytest.raises(TransferError, match="leads in circles"):
        bring(path="/old.mat")
    assert len(web.asked) < 10


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://example.org/cube.mat", "data:,x"])
def test_a_redirect_to_something_else_than_the_web_is_refused(bring, web, target):
    web.faults["/old.mat"] = [("redirect", target)]
    with pytest.raises(TransferError, match="no web address"):
        bring(path="/old.mat")


def test_a_redirect_that_gives_up_encryption_is_refused():
    with pytest.raises(TransferError, match="not encrypted"):
        check_redirect("https://example.org/a", "http://example.org/a")
    check_redirect("https://example.org/a", "https://elsewhere.org/a")


def test_a_server_that_hangs_up_or_is_not_there_is_named(bring, web, tmp_path):
    web.faults["/cube.mat"] = ["hang_up"] * 9
    with pytest.raises(TransferError, match=r"127\.0\.0\.1 (cannot be reached|broke off)"):
        bring()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/cube.mat"
    with pytest.raises(TransferError, match=r"^127\.0\.0\.1 cannot be reached$"):
        transfer(url, tmp_path / "part", name="cube.mat", trusted=False)
    with pytest.raises(TransferError, match=r"^no-such-host\.invalid cannot be reached$"):
        transfer("https://no-such-host.invalid/cube.mat", tmp_path / "part", name="cube.mat", trusted=False)


def test_a_full_disk_is_told_and_what_came_is_kept(bring, web, monkeypatch):
    opened = module._written

    class Full:
        def __init__(self, file):
            self.file, self.left = file, 2

        def write(self, piece):
            self.left -= 1
            if not self.left:
                raise OSError(errno.ENOSPC, "No space left on device")
            return self.file.write(piece)

    @module.contextmanager
    def full(part, start):
        with opened(part, start) as file:
            yield Full(file)

    monkeypatch.setattr(module, "_written", full)
    with pytest.raises(DatasetError, match="No space left on device") as caught:
        bring(True)
    assert "\n" not in str(caught.value)
    kept = bring.part.stat().st_size
    assert kept
    monkeypatch.setattr(module, "_written", opened)
    assert bring(True) == CONTENT
    assert web.ranges("/cube.mat")[-1] == f"bytes={kept}-"


def test_ctrl_c_leaves_a_part_that_is_gone_on_with(bring, web):
    def interrupt(name, done, total):
        if done >= 150_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bring(told=interrupt)
    kept = bring.part.stat().st_size
    assert 0 < kept < len(CONTENT)
    assert bring() == CONTENT
    assert web.ranges("/cube.mat")[-1] == f"bytes={kept}-"


@pytest.mark.parametrize("record", ["", "{", "[]", '{"url": 3}', "\0"])
def test_a_damaged_record_costs_what_had_come_and_nothing_else(bring, record):
    bring.part.write_bytes(b"something else")
    bring.part.with_name(f"{bring.part.name}.json").write_text(record)
    assert bring() == CONTENT
    assert json.loads(bring.part.with_name(f"{bring.part.name}.json").read_text())["validator"]
