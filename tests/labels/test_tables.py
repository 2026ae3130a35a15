"""Class tables in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from hsiattn.classes import ClassTable
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
