"""Class tables in files."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hsiattn.classes import ClassTable, LandCoverClass, distinct_names, format_color
from hsiattn.errors import LabelError
from hsiattn.labels import open_class_table

EXPECTED = ClassTable.from_records(
    [{"code": 1, "name": "roof", "color": "#ff0010"}, {"code": 10, "name": "low vegetation", "color": "#00ff00"}]
)

FORMS = {
    "list.yaml": '- {code: 10, name: low vegetation, color: "#00ff00"}\n- {code: 1, name: roof, color: "#ff0010"}\n',
    "mapping.yml": '1: {name: roof, color: "#ff0010"}\n10: {name: low vegetation, color: [0, 255, 0]}\n',
    "nested.yaml": (
        'classes:\n  - {value: 1, class: roof, color: "#ff0010"}\n'
        '  - {value: 10, label: low vegetation, color: "#00ff00"}\n'
    ),
    "plain.csv": "code,name,color\n1,roof,#ff0010\n10,low vegetation,#00ff00\n",
    "bom.csv": "\ufeffcode,name,color\n1,roof,#ff0010\n10,low vegetation,#00ff00\n",
    "semicolon.csv": "Value;Class;R;G;B\n0;nothing;0;0;0\n1;roof;255;0;16\n10;low vegetation;0;255;0\n",
    "class_as_code.csv": "class,name,red,green,blue\n1, roof, 255, 0, 16\n10, low vegetation, 0, 255, 0\n",
    "tab.tsv": "id\tlabel\thex\n1\troof\tff0010\n10\tlow vegetation\t00ff00\n",
    "gdal.clr": "0 0 0 0 0 nothing\n1 255 0 16 255 roof\n10 0 255 0 255 low vegetation\n",
    "qgis.txt": (
        "# QGIS Generated Color Map Export File\nINTERPOLATION:EXACT\n"
        "1,255,0,16,255,roof\n10,0,255,0,255,low vegetation\n"
    ),
    "without_alpha.clr": "1 255 0 16 roof\n10 0 255 0 low vegetation\n",
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_table(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text(FORMS[name], encoding="utf-8")
    assert open_class_table(file) == EXPECTED


def test_a_mapping_from_code_to_name_is_enough(tmp_path: Path) -> None:
    file = tmp_path / "names.yaml"
    file.write_text("1: roof\n10: low vegetation\n", encoding="utf-8")
    table = open_class_table(file)
    assert dict(zip(table.codes, table.names, strict=True)) == {1: "roof", 10: "low vegetation"}
    assert len(set(table.colors)) == 2


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.yaml", "- {code: 1\n", "not valid YAML"),
        ("a.yaml", "just words", "no classes are listed"),
        ("a.yaml", "- {name: roof}", "no integer code"),
        ("a.yaml", "", "no classes are listed"),
        ("a.csv", "", "empty"),
        ("a.csv", "name,color\nroof,#000000\n", "no column with codes among name, color"),
        ("a.csv", "code,name\n1,roof\n1,tree\n", "code 1 more than once"),
        ("a.csv", "code,name\n1.5,roof\n", "no integer code"),
        ("a.csv", "code,name,color\n1,roof,reddish\n", "'reddish' is not a colour"),
        ("a.clr", "1 red\n", "line 1 of the colour map"),
        ("a.shp", "", "not a class table"),
    ],
)
def test_a_broken_table_is_refused_and_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    with pytest.raises(LabelError, match=message) as raised:
        open_class_table(file)
    assert str(file) in raised.value.problem
    assert "\n" not in str(raised.value)


def test_a_missing_table_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="does not exist"):
        open_class_table(tmp_path / "none.csv")


def test_a_table_in_another_encoding_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "latin.csv"
    file.write_bytes("code,name\n1,Gehölz\n".encode("latin-1"))
    with pytest.raises(LabelError, match="UTF-8"):
        open_class_table(file)


ATTRIBUTE_FORMS = {
    "list.yaml": "- {code: 1, name: roof, attributes: [Metal, building]}\n- {code: 2, name: cloud}\n",
    "text.yaml": "1: {name: roof, attributes: building; metal}\n2: cloud\n",
    "comma.csv": "code,name,attributes\n1,roof,metal;building\n2,cloud,\n",
    "short_row.csv": "code,name,attributes\n1,roof,metal;building\n2,cloud\n",
    "semicolon.csv": 'code;Attributes;name\n1;"metal;building";roof\n2;;cloud\n',
    "trailing.csv": 'code;name;attributes\n1;roof;"metal;building";;\n2;cloud;;\n',
    "tab.tsv": "code\tname\tattributes\n1\troof\tbuilding; metal;\n2\tcloud\t\n",
}


@pytest.mark.parametrize("name", ATTRIBUTE_FORMS)
def test_attributes_of_classes_are_read_from_yaml_and_csv(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text(ATTRIBUTE_FORMS[name], encoding="utf-8")
    table = open_class_table(file)
    assert {item.name: item.attributes for item in table} == {"roof": ("building", "metal"), "cloud": ()}


@pytest.mark.parametrize("name", FORMS)
def test_a_table_without_the_column_has_no_attributes(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text(FORMS[name], encoding="utf-8")
    assert open_class_table(file).attribute_names == ()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "code,name,attributes\n1,roof,metal/zinc\n", "'metal/zinc' is not an attribute"),
        ("a.yaml", "- {code: 1, attributes: [metal, 3]}", "3 is not an attribute"),
        ("a.csv", "code;name;attributes\n1;roof;building;metal\n", "1;roof;building has more cells than the header"),
    ],
)
def test_broken_attributes_are_refused_and_the_table_is_named(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    with pytest.raises(LabelError, match=message) as raised:
        open_class_table(file)
    assert str(file) in raised.value.problem


# -- columns and codes -------------------------------------------------------------------------------------------------


def codes_and_names(file: Path, text: str) -> dict[int, str]:
    file.write_text(text, encoding="utf-8")
    table = open_class_table(file)
    return dict(zip(table.codes, table.names, strict=True))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "id,DN,name\n1,3,Water\n2,1,Forest\n3,2,Urban\n"),
        ("a.csv", "id,code,name\n1,3,Water\n2,1,Forest\n"),
        ("a.csv", "Value;Code;Class\n1;2;Water\n2;3;Forest\n"),
        ("a.csv", "id,value,name\n1,3,Water\n2,,Forest\n"),
        ("a.csv", "id,class,name\n1,3,Water\n2,1,Forest\n"),
        ("a.csv", "pixel value,gridcode,label\n1,311,Water\n2,312,Forest\n"),
        ("a.yaml", "1: {name: Water, value: 3}\n2: {name: Forest, value: 1}\n"),
        ("a.yaml", "- {id: 1, dn: 3, name: Water}\n- {id: 2, dn: 1, name: Forest}\n"),
    ],
)
def test_two_columns_that_could_hold_the_codes_are_refused_where_they_differ(
    tmp_path: Path, name: str, text: str
) -> None:
    with pytest.raises(LabelError, match=r"the columns \w+ and \w+ could both hold the codes, and differ"):
        codes_and_names(tmp_path / name, text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("same.csv", "id,value,name\n3,3,Water\n1,1,Forest\n"),
        ("words.csv", "code,id,name\nWAT,3,Water\nFOR,1,Forest\n"),
        ("class.csv", "value,class\n3,Water\n1,Forest\n"),
        ("row.csv", "OBJECTID,Value,Count,Class\n1,3,900,Water\n2,1,800,Forest\n"),
        ("entries.yaml", "- {value: 3, name: Water}\n- {code: 1, label: Forest}\n"),
        ("twice.yaml", "3: {code: 3, name: Water}\n1: {code: 1, name: Forest}\n"),
        ("zeros.csv", "code,name\n003,Water\n01,Forest\n00,nothing\n"),
        ("decimals.csv", "code,name\n3.0,Water\n1.00,Forest\n0.0,nothing\n"),
        ("exponents.csv", "code,name\n3e0,Water\n1E+0,Forest\n"),
        ("hexadecimal.yaml", "0x3: Water\n0x01: Forest\n"),
        ("octal.yaml", "03: Water\n001: Forest\n"),
        ("quoted.csv", '"code";"name, long"\n"3";"Water"\n"1";"Forest"\n'.replace('"name, long"', '"name"')),
        ("comment.csv", '# made, by; "hand\n\ncode;name\n3;Water\n\n1;Forest\n'),
        ("crlf.csv", "code,name\r\n3,Water\r\n1,Forest\r\n"),
    ],
)
def test_codes_are_found_and_read_whatever_they_look_like(tmp_path: Path, name: str, text: str) -> None:
    assert codes_and_names(tmp_path / name, text) == {3: "Water", 1: "Forest"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.yaml", "yes: Forest", r"no integer code \('yes'\)"),
        ("a.yaml", "2001-01-01: Forest", "no integer code"),
        ("a.yaml", "1: Forest\n1: Water", "the key 1 is there twice"),
        ("a.yaml", "1: Forest\n01: Water", "code 1 more than once"),
        ("a.yaml", "- {code: 1, Code: 2}", "some twice"),
        ("a.yaml", "-1: Forest", "negative code -1"),
        ("a.yaml", "3000000000: Forest", "number the classes below 2 147 483 648"),
        ("a.yaml", "a: &a [*a]", "not valid YAML: an alias"),
        ("a.yaml", "[" * 10**5, "not valid YAML: .* 50 deep"),
        ("a.csv", "code,name\nnan,Forest\n", "no integer code"),
        ("a.csv", "code,name\ninf,Forest\n", "no integer code"),
        ("a.csv", f"code,name\n{'9' * 5000},Forest\n", "no integer code"),
        ("a.csv", "code,name\n1_0,Forest\n", "no integer code"),
        ("a.csv", "code,name\n٣,Forest\n", "no integer code"),
        ("a.csv", "code,name\n,Forest\n", "no integer code"),
        ("a.csv", "code,name\n", "empty"),
        ("a.csv", "code,name\n1,Forest, mixed\n", "1,Forest has more cells than the header"),
        ("a.csv", "code,name,code\n1,Forest,2\n", "has a column twice"),
        ("a.csv", 'code,name\n1,"Forest\n', "not valid CSV"),
        ("a.csv", f"code,name\n1,{'x' * 200_000}\n", "not valid CSV: field larger"),
        ("a.csv", "code,name\n" + "1,a\n" * 70_000, "there are 70001 lines; give at most 65535 classes"),
        ("a.clr", "1 2 3 4 255 a\r" * 70_000, "there are 70000 lines; give at most 65535 classes"),
        ("a.csv", "code,name" + ",x" * 10**6 + "\n1,a\n", "the header has 1000002 columns"),
        ("a.csv", "code,name,r,g,b\n1,Forest,256,0,0\n", "not a colour"),
        ("a.csv", "code,name,r,g,b\n1,Forest,0.5,0.1,0.2\n", "not a colour"),
        ("a.yaml", "1: {name: Forest, color: '#f00'}", "'#f00' is not a colour"),
        ("a.yaml", f"1: {{name: Forest, color: [{'1, ' * 1000}]}}", "is not a colour"),
        ("a.clr", "1 1000 0 0 Forest\n", "not a colour"),
        ("a.clr", "\x7fELF\x02\x01", "line 1 of the colour map"),
    ],
    ids=lambda value: value[:20],
)
def test_what_cannot_be_meant_is_refused_in_one_short_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(LabelError, match=message) as raised:
        codes_and_names(tmp_path / name, text)
    said = str(raised.value).replace(str(tmp_path), "")
    assert said.isprintable()
    assert len(said) < 250


def test_a_table_that_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "utf16.csv").write_text("code,name\n1,a\n", encoding="utf-16")
    (tmp_path / "large.csv").write_bytes(b"code,name\n" + b"x" * 2**23)
    for path, reason in (
        ("pipe.csv", "is not a file on a disk"),
        ("utf16.csv", "is text in UTF-16; save it as UTF-8"),
        ("large.csv", "is larger than 8 MB"),
    ):
        with pytest.raises(LabelError, match=reason):
            open_class_table(tmp_path / path)
    with pytest.raises(LabelError, match="lies inside an archive"):
        open_class_table("/vsizip/legend.zip/legend.csv")


def test_names_of_yaml_are_texts(tmp_path: Path) -> None:
    text = "1: no\n2: 1.0\n3: 2001-01-01\n4: 010\n5: null\n6: 'null'\n7: ~\n8: .nan\n9: 12:30\n"
    assert codes_and_names(tmp_path / "a.yaml", text) == {
        1: "no", 2: "1.0", 3: "2001-01-01", 4: "010", 5: "class 5", 6: "null", 7: "class 7", 8: ".nan", 9: "12:30",
    }  # fmt: skip


# -- colour maps -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("1 255 0 0 255 12 Urban\n2 0 255 0 255 2 Forest\n", ["12 Urban", "2 Forest"]),
        ("1 255 0 0 12 Urban\n2 0 255 0 2 Forest\n", ["12 Urban", "2 Forest"]),
        ("1 255 0 0 128 Urban\n2 0 255 0 255 Forest\n", ["Urban", "Forest"]),
        ("1 255 0 0 12 Urban\n2 0 255 0 Forest\n", ["12 Urban", "Forest"]),
        ("1 255 0 0 300 m\n2 0 255 0 100 m\n", ["300 m", "100 m"]),
        ('1 255 0 0 "12 Urban"\n2 0 255 0 "2 Forest"\n', ["12 Urban", "2 Forest"]),
        ("1 255 0 0\n2 0 255 0\n", ["class 1", "class 2"]),
        ("1 255 0 0 100\n2 0 255 0 90\n", ["class 1", "class 2"]),
        ("nv 0 0 0 0\n1 255 0 0 255 Urban\n2 0 255 0 255 Forest\n", ["Urban", "Forest"]),
        ("1,255,0,0,128,Urban, dense\n2,0,255,0,90,2 Forest\n", ["Urban, dense", "2 Forest"]),
        ("1,255,0,0,12 Urban\n2,0,255,0,2 Forest\n", ["12 Urban", "2 Forest"]),
        ("1\t255\t0\t0\t255\tUrban\n2\t0\t255\t0\t255\tForest\n", ["Urban", "Forest"]),
        ("1, 255 0 0, 255 Urban\n2, 0 255 0, 255 Forest\n", ["255 Urban", "255 Forest"]),
        ("1 255 0 0 255 Urban, dense\n2 0 255 0 255 Forest\n", ["Urban, dense", "Forest"]),
        ("1 255 0 0 Urban, dense\n2 0 255 0 Forest\n", ["Urban, dense", "Forest"]),
        ("1.0 255 0 0 255 Urban\n2.000 0 255 0 255 Forest\n", ["Urban", "Forest"]),
    ],
)
def test_a_colour_map_tells_opacities_from_names_that_begin_with_numbers(
    tmp_path: Path, text: str, names: list[str]
) -> None:
    assert codes_and_names(tmp_path / "a.clr", text) == dict(enumerate(names, start=1))
    assert open_class_table(tmp_path / "a.clr").colors == ((255, 0, 0), (0, 255, 0))


# -- round trips -------------------------------------------------------------------------------------------------------

NAMES = st.text(max_size=30)
COLORS = st.tuples(*[st.integers(0, 255)] * 3)
WORDS = st.lists(st.sampled_from(["vegetation", "crop", "low-rise", "öl"]), max_size=3).map(tuple)


@st.composite
def tables(draw: st.DrawFn) -> ClassTable:
    codes = draw(st.lists(st.integers(1, 2**31 - 1), min_size=1, max_size=6, unique=True))
    classes = [LandCoverClass(code, draw(NAMES), draw(COLORS), draw(WORDS)) for code in codes]
    return distinct_names(classes)


def as_csv(table: ClassTable, separator: str) -> str:
    text = io.StringIO()
    rows = csv.writer(text, delimiter=separator)
    rows.writerow(["code", "name", "color", "attributes"])
    rows.writerows([c.code, c.name, format_color(c.color), ";".join(c.attributes)] for c in table)
    return text.getvalue()


def as_color_map(table: ClassTable, separator: str) -> str:
    return "".join(f"{separator.join(map(str, [c.code, *c.color, 255]))}{separator}{c.name}\n" for c in table)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(table=tables())
def test_a_table_that_is_written_in_any_form_is_read_as_it_was(tmp_path: Path, table: ClassTable) -> None:
    forms = {
        "comma.csv": as_csv(table, ","),
        "semicolon.csv": as_csv(table, ";"),
        "tab.tsv": as_csv(table, "\t"),
        "list.yaml": yaml.safe_dump(table.to_records(), allow_unicode=True),
        "mapping.yml": yaml.safe_dump({c.code: {"name": c.name, "color": list(c.color)} for c in table}),
    }
    for name, text in forms.items():
        (tmp_path / name).write_text(text, encoding="utf-8", newline="")
        again = open_class_table(tmp_path / name)
        plain = [(c.code, c.name, c.color) for c in table]
        assert [(c.code, c.name, c.color) for c in again] == plain
        if name != "mapping.yml":
            assert again == table


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(table=tables())
def test_a_colour_map_that_is_written_is_read_as_it_was(tmp_path: Path, table: ClassTable) -> None:
    for separator in (" ", ","):
        unquoted = [c for c in table if c.name == c.name.strip('"') and not c.name.startswith(",")]
        if not unquoted:
            continue
        plain = ClassTable(tuple(replace(c, attributes=()) for c in unquoted))
        (tmp_path / "a.clr").write_text(as_color_map(plain, separator), encoding="utf-8")
        assert open_class_table(tmp_path / "a.clr") == plain


def refusal(file: Path) -> str:
    """Why a file is refused; nothing where it is read."""
    try:
        open_class_table(file)
    except LabelError as error:
        return str(error)
    return ""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(
    content=st.binary(max_size=60) | st.text("code,nam;\t\n\"'#:{}[]-&*!1e9.x ", max_size=60).map(str.encode),
    suffix=st.sampled_from([".yaml", ".csv", ".tsv", ".clr", ".txt"]),
)
def test_any_file_is_a_table_or_refused_in_one_line(tmp_path: Path, content: bytes, suffix: str) -> None:
    file = tmp_path / f"a{suffix}"
    for start in (b"", b"code,name\n1,", b"- {code: 1, name: "):
        file.write_bytes(start + content)
        assert refusal(file).isprintable()
