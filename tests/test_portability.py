"""The package works where parts of POSIX are missing, as on Windows: they are hidden from it here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import rasterio
from click.testing import CliRunner

from hsiattn.cli.main import main

PACKAGE = Path(__file__).parent.parent / "hsiattn"

HIDDEN = '''
import os, shutil, signal, stat, sys
os.environ["OMP_NUM_THREADS"] = "1"
MODULES = ("fcntl", "resource", "termios", "pwd", "grp", "pty", "tty")
NAMES = ("O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "pread", "preadv", "pwrite", "pwritev", "fork",
         "sched_getaffinity", "getuid", "geteuid", "getgid", "mkfifo", "statvfs", "posix_fadvise", "sysconf")
for name in MODULES:
    sys.modules[name] = None
for name in NAMES:
    delattr(os, name)
for name in ("pthread_sigmask", "SIGKILL", "SIGHUP", "SIGALRM", "alarm", "setitimer"):
    delattr(signal, name)
shutil._use_fd_functions = False

def open_files():
    for link in os.scandir("/proc/self/fd"):
        try:
            yield os.readlink(link.path)
        except OSError:
            pass

def refuse_open(function):
    """No open file, and no folder with one in it, can be renamed, deleted or replaced."""
    def run(*paths, **options):
        here = [os.path.realpath(path) for path in paths]
        for file in open_files():
            if any(file == path or file.startswith(path + os.sep) for path in here):
                raise PermissionError(13, "open in this process", file)
        return function(*paths, **options)
    return run

def refuse_folder(function):
    def run(path, *rest, **options):
        if not isinstance(path, int) and os.path.isdir(path):
            raise PermissionError(13, "a folder", path)
        return function(path, *rest, **options)
    return run

for name in ("replace", "rename", "unlink", "remove", "rmdir"):
    setattr(os, name, refuse_open(getattr(os, name)))
os.open = refuse_folder(os.open)
'''
"""What Windows lacks, and what it does not let happen."""


def run(code: str, folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run code in a process from which these things are hidden."""
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), "HSIATTN_HOME": str(folder / "home")}
    command = [sys.executable, "-W", "ignore", "-c", HIDDEN + code, *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def hsiattn(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return run("from hsiattn.cli.main import main\nmain(sys.argv[1:])", folder, *arguments)


def test_every_module_is_imported(tmp_path):
    parts = [path.relative_to(PACKAGE.parent).with_suffix("").parts for path in sorted(PACKAGE.rglob("*.py"))]
    names = [".".join(part for part in name if part != "__init__") for name in parts]
    programs = {"hsiattn.__main__"}  # run, never imported
    names = [name for name in names if not name.startswith("hsiattn.qgis.plugin")]  # that is QGIS's to import
    code = "import importlib, json\nfor name in json.loads(sys.argv[1]): importlib.import_module(name)\nprint('all')"
    result = run(code, tmp_path, json.dumps([name for name in names if name not in programs]))
    assert result.stdout == "all\n", result.stderr


def visible(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name != "home"}


def test_a_model_is_trained_and_a_scene_mapped_to_the_same_map(tiny, tmp_path):
    training = ("train", tiny.scene, "--labels", tiny.labels, "-o", "lda.hsiattn", "--recipe", "lda", "--per-class", 20)
    result = hsiattn(tmp_path, *training)
    assert result.returncode == 0, result.stderr
    assert visible(tmp_path) == {"lda.hsiattn"}
    for _ in range(2):
        mapping = ("classify", tiny.scene, "map.tif", "-m", "lda.hsiattn", "--confidence", "--overwrite")
        result = hsiattn(tmp_path, *mapping)
        assert result.returncode == 0, result.stderr
        files = visible(tmp_path)
        assert {"map.tif", "map_confidence.tif", "map.qml"} <= files
        assert not [name for name in files if name.startswith(".")]
    here = ("classify", tiny.scene, tmp_path / "posix.tif", "-m", tmp_path / "lda.hsiattn", "--confidence")
    assert CliRunner().invoke(main, [*map(str, here)]).exit_code == 0
    for name in ("map.tif", "map_confidence.tif"):
        with rasterio.open(tmp_path / name) as one, rasterio.open(tmp_path / name.replace("map", "posix")) as other:
            np.testing.assert_array_equal(one.read(), other.read())


JOURNAL = """
import sys
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[1])))
from hsiattn.errors import OutputError
from hsiattn.files.outputs import StagingFolder, remove_abandoned, whole_file
from hsiattn.mapping.journal import Journal

path = Path(".map.tif.journal")
for _ in range(2):  # new, and in the place of an earlier one
    journal = Journal.create(path, {"a": 1})
    for other in (Journal.create, Journal.resume):
        try:
            other(path, {"a": 1})
        except OutputError as error:
            print(str(error).partition(";")[0])
    journal.close()
journal = Journal.resume(path, {"a": 1})
journal.remove()
try:
    Journal.resume(path, {"a": 1})
except OutputError as error:
    print(str(error).partition(";")[0])
target = Path("model")
with whole_file(target) as temporary:
    temporary.write_text("whole")
    remove_abandoned(target)
    print(temporary.parent.is_dir())
print(*sorted(file.name for file in Path().iterdir()))
"""


def test_locks_journals_and_staged_files_do_as_elsewhere(tmp_path):
    result = run(JOURNAL, tmp_path, PACKAGE.parent)
    assert result.stdout.splitlines() == [
        *["another hsiattn is writing map.tif"] * 4,
        "there is nothing of map.tif to resume",
        "True",
        "model",
    ], result.stderr
