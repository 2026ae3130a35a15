r"""Tables of experiments for papers, in LaTeX with the rules of the package booktabs.

A document that takes the file in, `\input{report.tex}`, needs `\usepackage{booktabs}` and reads UTF-8, as LaTeX does by
itself since 2018.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from hsiattn.experiments.tables import Entry, Table
from hsiattn.files.latex import escape

_NUMBER = re.compile(r"[-+<]? ?\d.*")


def table_to_latex(table: Table, caption: str, label: str) -> str:
    r"""Give a table as a floating one with caption; the best figures are bold, columns of figures on the right.

    Parameters
    ----------
    table
        Its texts are escaped.
    caption
        A sentence, which is escaped too.
    label
        Name for `\ref`, letters, digits and dashes.
    """
    columns = ["r" if _are_figures(row[place] for row in table.rows) else "l" for place in range(len(table.heads))]
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{escape(caption)}}}",
        rf"  \label{{tab:{label}}}",
        rf"  \begin{{tabular}}{{{''.join(columns)}}}",
        r"    \toprule",
        f"    {_row(map(escape, table.heads))}",
        r"    \midrule",
        *(f"    {_row(map(_entry, row))}" for row in table.rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines)


def _row(texts: Iterable[str]) -> str:
    return " & ".join(texts) + r" \\"


def _entry(entry: Entry) -> str:
    text = escape(entry.text)
    return rf"\textbf{{{text}}}" if entry.best and text else text


def _are_figures(entries: Iterable[Entry]) -> bool:
    """Whether a column holds figures, or nothing."""
    return all(not entry.text or _NUMBER.fullmatch(entry.text) for entry in entries)
