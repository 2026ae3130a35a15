"""YAML of strangers is read as plain data, or refused at once and in one line."""

from __future__ import annotations

import subprocess
import sys

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hsiattn.files.bounded_yaml import MAX_CHARACTERS, MAX_DEPTH, MAX_NODES, YamlError, load_yaml

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner), max_leaves=9
)

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
)
MERGES = "a0: &a0 {k: v, l: w}\n" + "".join(
    f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}\n" for i in range(1, 12)
)
CHAIN = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 3000))


@given(VALUES)
def test_what_pyyaml_writes_is_read_as_it_was(value: object) -> None:
    text = yaml.safe_dump(value, allow_unicode=True)
    assert load_yaml(text) == yaml.safe_load(text)


@given(st.dictionaries(st.text(max_size=9), st.text(max_size=9)))
def test_quoted_texts_are_the_same_as_text_and_as_values(value: dict[str, str]) -> None:
    text = yaml.safe_dump(value, default_style='"')
    assert load_yaml(text, as_text=True) == load_yaml(text) == value


def test_scalars_can_be_left_as_they_are_written() -> None:
    text = "[no, 1.0, 010, 0x10, 2001-01-01, 1:30, .nan, 'null', null, ~, ]"
    expected = ["no", "1.0", "010", "0x10", "2001-01-01", "1:30", ".nan", "null", None, None]
    assert load_yaml(text, as_text=True) == expected


def test_aliases_and_merges_are_followed() -> None:
    text = "- &base {color: red, name: oak}\n- {<<: *base, name: ash}\n- *base\n"
    expected = [{"color": "red", "name": "oak"}, {"color": "red", "name": "ash"}, {"color": "red", "name": "oak"}]
    assert load_yaml(text) == load_yaml(text, as_text=True) == expected


def test_an_empty_document_is_nothing() -> None:
    assert load_yaml("") is None
    assert load_yaml("# no content\n") is None


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: 1\nb: 2\na: 3\n", r"the key a is there twice \(line 3\)"),
        ("a: [1, 2\n", r"\(line 2\)"),
        ("a: b: c", r"mapping values are not allowed"),
        ("--- 1\n--- 2\n", "another document"),
        ("? [a, b]\n: 1\n", "a key is a list or a mapping"),
        ("a: \x01", "cannot be parsed|not allowed|acceptable"),
        ("*nothing", "undefined alias"),
        ("&a [*a]", "an alias lies inside of what it stands for"),
        (BOMB, "aliases unfold"),
        (MERGES, "aliases unfold"),
        (CHAIN, "aliases unfold"),
        ("[" * 100_000, "more than 50 deep"),
        ("- " * 100_000, "more than 50 deep"),
        ("{a: " * 100_000, "more than 50 deep"),
        ("[" + "a," * MAX_NODES + "]", "more than 250000 values"),
        ("x" * (MAX_CHARACTERS + 1), "characters, more than"),
        ("a\ud800", "cannot be understood"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else None,
)
def test_what_is_no_yaml_or_beyond_the_bounds_is_refused_in_one_line(text: str, reason: str, as_text: bool) -> None:
    with pytest.raises(YamlError, match=reason) as caught:
        load_yaml(text, as_text=as_text)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 200


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("day: 2001-99-99", "cannot be understood"),
        ("!!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("!a%1b x", "could not determine a constructor"),
        (f"n: {'9' * 5000}", "a value of 5000 characters is not text"),
        (f"n: 1{':59' * 5000}", "is not text"),
        ("1: a\n01: b\n", "the key 01 is there twice"),
        ("!!binary 'é'", "base64|convert"),
    ],
)
def test_values_without_a_meaning_are_refused_in_one_line(text: str, reason: str) -> None:
    with pytest.raises(YamlError, match=reason) as caught:
        load_yaml(text)
    assert str(caught.value).isprintable()


def test_nesting_is_allowed_up_to_its_bound() -> None:
    value = load_yaml("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    for _ in range(MAX_DEPTH - 1):
        value = value[0]
    assert value == []


LARGEST = """
import resource, sys
from hsiattn.files.bounded_yaml import YamlError, load_yaml
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
many = "x," * 240_000
for text in ("[" + "a," * 2_000_000 + "]", "[" + "&a [*b]," * 500_000 + "]", f"a: &a [{many}]\\nb: [*a, *a]"):
    try:
        load_yaml(text)
    except YamlError as error:
        print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_refusing_takes_little_memory() -> None:
    result = subprocess.run([sys.executable, "-c", LARGEST], capture_output=True, text=True, check=True)
    *reasons, megabytes = result.stdout.splitlines()
    assert len(reasons) == 3
    assert int(megabytes) < 200
