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
    document = json.loads(result.output)
    assert document == {"schema": 1, "a": [1, 2], "b": None, "c": 0.5, "4": [True, None]}
    assert next(iter(document)) == "schema"


@click.command()
@options.creation_options
def with_creation_options(creation_options):
    click.echo(json.dumps(creation_options))


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


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("500MB", 500_000_000),
        ("1.5GB", 1_500_000_000),
        ("2GiB", 2 * 2**30),
        ("64kib", 65536),
        ("1tb", 10**12),
        ("4096b", 4096),
        ("250", 250_000_000),
    ],
)
def test_memory_is_given_in_units_and_plain_numbers_are_megabytes(text, amount):
    assert options.bytes_of(None, None, text) == amount


@pytest.mark.parametrize("text", ["", "GB", "1.5.2GB", "-1GB", "1 GB", "2G", "1e9", "0", "0.1b", "nanGB", "1,5GB"])
def test_anything_else_is_no_amount_of_memory(text):
    with pytest.raises(click.BadParameter, match="give 500MB"):
        options.bytes_of(None, None, text)


@click.command()
@options.bounds
def with_bounds(bounds):
    click.echo(json.dumps(bounds))


def test_bounds_may_be_negative_but_not_infinite():
    result = CliRunner().invoke(with_bounds, ["--bounds", "-10.5", "-20", "3e2", "-1"])
    assert json.loads(result.output) == [-10.5, -20, 300, -1]
    assert CliRunner().invoke(with_bounds, ["--bounds", "0", "0", "inf", "1"]).exit_code == 2
    assert json.loads(CliRunner().invoke(with_bounds, []).output) is None
