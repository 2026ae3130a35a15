"""What is printed names options, steers no terminal and fits any encoding."""

from __future__ import annotations

import ast
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import hsiattn
from hsiattn.cli.main import COMMANDS
from hsiattn.cli.wording import FUNCTIONS, LEGIBLE, OPTIONS, escaped, in_options, one_line

PACKAGE = Path(hsiattn.__file__).parent


@pytest.mark.parametrize(
    ("library", "command_line"),
    [
        ("leave out key=", "leave out --key"),
        ("give overwrite=True", "give --overwrite"),
        ('give device="cpu", or a smaller window_size=', "give --device cpu, or a smaller --window-size"),
        ("give another random_state= or buffer=4.", "give another --seed or --buffer 4."),
        ("give training.max_epochs=0", "give --set training.max_epochs=0"),
        ("leave int8= out", "leave --int8 out"),
        ("give a file of write_split()", "give a file of --write-split"),
        ("see /data/key=3/a.tif, year=2024/b.tif or split=train/c.tif", None),
        ("install tables==3.9 or pandas>=2", None),
    ],
)
def test_settings_of_the_library_become_options(library, command_line):
    assert in_options(library) == (command_line or library)


def test_an_argument_may_stand_for_another_option_than_usual():
    assert in_options("name one by key=", {"key": "--label-key"}) == "name one by --label-key"


def remedies() -> list[tuple[str, str]]:
    """Place and text of the remedy of every error that the library raises, fields of f-strings left out."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if "cli" in path.relative_to(PACKAGE).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and len(node.args) == 2 and ast.unparse(node.func).endswith("Error"):
                texts = [part.value for part in ast.walk(node.args[1]) if isinstance(part, ast.Constant)]
                found.append((f"{path.name}:{node.lineno}", "".join(text for text in texts if isinstance(text, str))))
    return found


def test_no_remedy_of_the_library_names_an_option():
    places = [place for place, text in remedies() if re.search(r"(?<![\w`-])-(m|o|v|q|f)\b|--[a-z]", text)]
    assert len(remedies()) > 150
    assert not places


def test_every_setting_in_a_remedy_of_the_library_has_its_option():
    recipe = ("training", "network", "preprocessing", "patch_size")
    alone = ("root", "scene", "folds", "n_splits", "bad_bands", "crs")  # no command gets as far as these
    for place, text in remedies():
        for name in re.findall(r"(?<![\w./-])([a-z_]+(?:\.[a-z_]+)*)=(?!=)", text):
            known = name in OPTIONS or name.split(".")[0] in recipe
            assert known or name in alone, f"{place}: {name}="


def test_every_option_that_remedies_name_is_one(hsiattn):
    commands = [[name] for name in COMMANDS] + [["qgis", "install"]]
    texts = [hsiattn(*command, "--help").stdout for command in commands]
    for option in (*OPTIONS.values(), *FUNCTIONS.values()):
        assert any(re.search(rf"(^|\s){option}\b", text) for text in texts), option


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("a\x1b[2J\x07b", r"a\x1b[2J\x07b"),
        ("a\nb\r\x85", r"a\nb\r\x85"),
        ("gpj.\u202efit", r"gpj.\u202efit"),
        ("c\udcff.tif", r"c\xff.tif"),
        ("Grünland\t× µ …", "Grünland\t× µ …"),
        ("\u06af\u200c\u06cc", "\u06af\u200c\u06cc"),
    ],
)
def test_what_could_steer_a_terminal_is_escaped_and_letters_of_any_language_stay(text, printed):
    assert escaped(text) == printed


def test_an_error_is_one_line_whatever_it_says():
    assert one_line(" a.tif is\n\ttruncated:  \x1b[31m ") == r"a.tif is truncated:  \x1b[31m"


def test_letters_that_an_encoding_lacks_become_alike_or_escapes():
    assert "9 × 9 … 93–95 µm Ж".encode("ascii", LEGIBLE) == rb"9 x 9 ... 93-95 um \u0416"
    assert "9 × 9 … ä".encode("latin-1", LEGIBLE) == "9 × 9 ... ä".encode("latin-1")


def run(*arguments: object, shell: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, its streams redirected as a shell does it."""
    command = [sys.executable, "-m", "hsiattn", *map(str, arguments)]
    words = ["bash", "-c", f'exec "$@" {shell}', "bash", *command] if shell else command
    return subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def test_a_terminal_without_our_letters_gets_others(desk):
    plain, told = run("info", "scene.tif", PYTHONIOENCODING="ascii"), run("info", "scene.tif")
    assert (plain.returncode, told.returncode) == (0, 0)
    assert "24 bands, 450-910 nm" in plain.stdout
    assert "24 bands, 450–910 nm" in told.stdout


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [("info", "scene.tif"), ("info", "scene.tif", "--json"), ("--help",)])
def test_a_result_that_cannot_be_printed_is_one_line(desk, arguments, unbuffered, monkeypatch):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)  # a buffer is written once more when the process ends
    try:
        os.mknod("full", 0o666 | stat.S_IFCHR, os.makedev(1, 7))  # a device whose disk is always full
        os.close(os.open("full", os.O_WRONLY))
    except OSError:
        pytest.skip("no device can be made here")
    done = run(*arguments, shell=">full")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert re.match(r"hsiattn: error: the (result|text) cannot be printed \(No space left on device\); ", line)


def test_a_reader_that_leaves_early_is_told_nothing(desk):
    done = run("datasets", "--json", shell="| head -1; exit ${PIPESTATUS[1]}")
    assert (done.stdout, done.stderr) == ("{\n", "")


def test_closed_streams_leave_the_outputs_whole(desk, model):
    done = run("classify", "scene.tif", "-m", model, "--device", "cpu", shell="<&- >&- 2>&-")
    assert done.returncode == 0
    assert run("classify", "scene.tif", "open.tif", "-m", model, "--device", "cpu").returncode == 0
    assert (desk / "scene_classes.tif").read_bytes() == (desk / "open.tif").read_bytes()


def test_names_of_files_are_printed_as_escapes_and_given_whole_in_json(desk, hsiattn):
    name = "a\n\x1b[31mb.tif"
    (desk / "scene.tif").rename(name)
    assert "\\n\\x1b[31mb.tif\n" in hsiattn("info", name).stdout
    assert r'"path": "a\n\u001b[31mb.tif"' in hsiattn("info", name, "--json").stdout
    for arguments in (("info", f"no{name}"), (f"no{name}",), ("info", f"--no{name}")):
        assert r"\x1b[31mb" in hsiattn(*arguments).stderr
        assert "\x1b" not in hsiattn(*arguments).stderr


def test_a_name_that_gdal_cannot_take_is_told_as_such(desk, refused, tiny):
    name = os.fsdecode(b"c\xff.tif")
    os.rename("scene.tif", name)
    for arguments in (("info", name), ("train", name, "--labels", "labels.tif", "-o", "m.hsiattn")):
        assert r"c\xff.tif is not a name in UTF-8, which GDAL needs; rename" in refused(*arguments)
