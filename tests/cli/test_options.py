"""Shared options and habits of the subcommands."""

from __future__ import annotations

import json

import click
import numpy as np
import pytest
from click.testing import CliRunner

from hsiattn.cli import options


def test_json_carries_numpy_values_and_turns_nan_into_null():
    @click.command()
    def show():
        options.print_json({"a": np.array([1, 2]), "b": float("nan"), "c": np.float32(0.5), 4: (True, None)})

    result = CliRunner().invoke(show)
    assert json.loads(result.output) == {"a": [1, 2], "b": None, "c": 0.5, "4": [True, None]}


@click.command()
@options.creation_options
def with_creation_options(creation_options):
    options.print_json(creation_options)


def test_creation_options_become_a_mapping_with_gdal_names():
    result = CliRunner().invoke(with_creation_options, ["--co", "compress=zstd", "--co", "PREDICTOR=2=3"])
    assert json.loads(result.output) == {"COMPRESS": "zstd", "PREDICTOR": "2=3"}


@pytest.mark.parametrize("pair", ["compress", "=zstd"])
def test_a_creation_option_without_name_or_value_is_a_usage_error(pair):
    result = CliRunner().invoke(with_creation_options, ["--co", pair])
    assert result.exit_code == 2
    assert "NAME=VALUE" in result.stderr


def test_notices_go_to_stderr_and_quiet_silences_them():
    @click.command()
    @options.common
    def speak():
        options.say("a notice")
        click.echo("a result")

    loud, silent = CliRunner().invoke(speak), CliRunner().invoke(speak, ["-q"])
    assert (loud.stdout, loud.stderr) == ("a result\n", "a notice\n")
    assert (silent.stdout, silent.stderr) == ("a result\n", "")
