"""Wherever `classify` and `train` are killed, the next run ends well and leaves nothing behind.

`scripts/check_kills` does the same at every system call, GDAL's included.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

KILLER = '''
"""Runs a command again and again, each time in a process that ends before the next call that changes a file."""
import builtins, json, os, shutil, sys

import hsiattn.classifier, hsiattn.training.fit
from hsiattn.cli.main import main
from hsiattn.mapping import publication

command, again, same_bytes, step = json.loads(sys.argv[1])


def run(arguments, number=None):
    child = os.fork()
    if child == 0:
        said = os.open("../said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(said, 1)
        os.dup2(said, 2)
        if number is not None:
            kill_at(number)
        try:
            main(arguments, standalone_mode=True)
        except SystemExit as end:
            os._exit(end.code or 0)
        os._exit(98)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_at(number):
    calls = [0]

    def counted(original, changes=lambda *arguments, **options: True):
        def call(*arguments, **options):
            if changes(*arguments, **options):
                calls[0] += 1
                if calls[0] > number:
                    os._exit(77)
            return original(*arguments, **options)

        return call

    for name in ("replace", "rename", "unlink", "rmdir", "mkdir", "pwrite", "fsync", "ftruncate", "remove"):
        setattr(os, name, counted(getattr(os, name)))
    os.open = counted(os.open, lambda path, flags, *rest, **options: flags & os.O_CREAT)


def fresh():
    os.chdir("..")
    shutil.rmtree("work", ignore_errors=True)
    shutil.copytree("start", "work")
    os.chdir("work")


def content():
    found = {}
    for folder, folders, files in os.walk("."):
        found |= {os.path.join(folder, name): None for name in folders}
        for name in files:
            with open(os.path.join(folder, name), "rb") as file:
                found[os.path.join(folder, name)] = file.read() if same_bytes else None
    return found


fresh()
assert run(command) == 0, open("../said").read()
expected, number, bad = content(), 0, []
while True:
    fresh()
    status = run(command, number)
    if status != 77:
        break
    second = run(again)
    if second != 0 or content() != expected:
        bad.append([number, second, open("../said").read()[-300:], sorted(content().keys() ^ expected.keys())])
    number += step
print(json.dumps([status, number, bad]))
'''

MAPPING = ("classify", "scene.tif", "map.x", "-m", "m.hsiattn", "--device", "cpu", "-q")
TRAINING = (
    "train", "scene.tif", "--labels", "labels.tif", "-o", "n.hsiattn", "--recipe", "lda", "--device", "cpu", "--log",
    "log.csv", "--write-split", "split.tif", "-q",
)  # fmt: skip


@pytest.mark.parametrize(
    ("command", "before", "same_bytes", "step"),
    [
        pytest.param((*MAPPING, "--overwrite"), True, True, 9, id="every ninth call"),
        pytest.param((*MAPPING, "--overwrite"), True, True, 3, id="every third call", marks=pytest.mark.slow),
        pytest.param((*MAPPING, "-f", "ENVI", "--confidence"), False, True, 1, id="ENVI", marks=pytest.mark.slow),
        pytest.param(TRAINING, False, False, 1, id="train", marks=pytest.mark.slow),
    ],
)
def test_after_a_kill_at_any_point_resume_ends_well_and_leaves_nothing(
    desk, hsiattn, command, before, same_bytes, step
):
    arguments = ("train", "scene.tif", "--labels", "labels.tif", "-o", "m.hsiattn", "--recipe", "lda")
    assert hsiattn(*arguments, "--device", "cpu").exit_code == 0
    if before:
        assert hsiattn(*command).exit_code == 0
    start = desk.parent / f"{desk.name}-kills"
    (start / "work").mkdir(parents=True)
    desk.rename(start / "start")
    again = (*(text for text in command if text != "--overwrite"), "--resume")
    done = subprocess.run(
        [sys.executable, "-c", KILLER, json.dumps([command, again, same_bytes, step])],
        capture_output=True,
        text=True,
        cwd=start / "work",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    status, points, bad = json.loads(done.stdout)
    assert bad == []
    assert status == 0
    assert points > 10
    assert Path(start, "work").is_dir()
