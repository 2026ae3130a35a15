"""The command line as a whole: it starts at once, and every mistake is one line."""

from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from hsiattn.cli import main as cli_main
from hsiattn.cli.main import COMMANDS, main
from hsiattn.errors import SceneError


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_help_names_every_subcommand():
    result = run("--help")
    assert result.exit_code == 0
    for name in COMMANDS:
        assert name in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_subcommand_explains_itself_with_an_example(name):
    result = run(name, "--help")
    assert result.exit_code == 0
    assert f"    hsiattn {name}" in result.output


def test_the_list_of_commands_says_what_they_say_themselves():
    context = click.Context(main)
    assert main.list_commands(context) == list(COMMANDS)
    for name, help_text in COMMANDS.items():
        assert main.get_command(context, name).short_help == help_text


def test_a_command_loads_no_other():
    code = "import sys; from hsiattn.cli.main import main; main(['models', '--help'], standalone_mode=False)"
    loaded = f"{code}; print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert {f"hsiattn.cli.{name}" for name in COMMANDS} & set(done.stderr.split()) == {"hsiattn.cli.models"}


def test_help_loads_no_heavy_library():
    code = (
        "import sys\n"
        "from hsiattn.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "rasterio", "xarray", "rich", "yaml", "pydantic"} & set(done.stderr.split())


def test_help_answers_at_once():
    def seconds() -> float:
        """Of computation, which a busy machine does not stretch."""
        before = os.times()
        subprocess.run([sys.executable, "-m", "hsiattn", "--help"], capture_output=True, check=True)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    assert min(seconds() for _ in range(3)) < 0.3


def test_version_is_the_package_version():
    import hsiattn

    assert run("--version").output.split() == ["hsiattn", hsiattn.__version__]


def test_a_misunderstood_command_exits_with_2():
    assert run("clasify").exit_code == 2
    assert run("classify").exit_code == 2


@pytest.fixture
def failing(monkeypatch):
    """Adds a subcommand `fail` that raises what the test wants."""

    def arm(error: BaseException) -> None:
        @click.command("fail")
        @cli_main.options.common
        def fail() -> None:
            raise error

        monkeypatch.setitem(main.commands, "fail", fail)

    return arm


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (SceneError("a.tif is\ntruncated", "copy it again"), "a.tif is truncated; copy it again"),
        (KeyboardInterrupt(), "interrupted"),
        (MemoryError(), "out of memory"),
        (ZeroDivisionError("division by zero"), "unexpected ZeroDivisionError: division by zero; run again with -v"),
    ],
)
def test_every_mistake_is_one_line_and_exit_1(failing, error, words):
    failing(error)
    result = run("fail")
    assert result.exit_code == 1
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("hsiattn: error: ")
    assert words in lines[0]


@pytest.mark.parametrize("arguments", [("-v", "fail"), ("fail", "-v")])
def test_verbose_shows_the_traceback_before_the_line(failing, arguments):
    failing(SceneError("a.tif is truncated", "copy it again"))
    result = run(*arguments)
    assert "Traceback" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("hsiattn: error: ")


def test_the_commands_are_a_rasterio_plugin():
    from importlib.metadata import entry_points

    (plugin,) = entry_points(group="rasterio.rio_plugins", name="hsiattn")
    assert plugin.load() is main
