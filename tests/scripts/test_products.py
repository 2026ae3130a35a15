"""The table of what products say and what is read of them."""

from __future__ import annotations

import sys

import pytest

from scripts.benchmarks.products import __main__ as table


def test_every_product_is_read_as_it_says(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["products", "--data", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        table.main()
    printed = capsys.readouterr().out
    assert ended.value.code == 0
    assert printed.count("| read |") == len(table.PRODUCTS)


def test_a_cell_that_differs_is_marked(capsys):
    said = dict.fromkeys(table.COLUMNS, "1")
    assert table._print_rows("sensor", said, said | {"nodata": "2"}) == 1
    assert "2 ✗" in capsys.readouterr().out
