r"""Tables of experiments for papers, in LaTeX with the rules of the package booktabs.

A document that takes the file in, `\input{report.tex}`, needs `\usepackage{booktabs}` and reads UTF-8, as LaTeX does by
itself since 2018.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from hsiattn.experiments.tables import Entry, Table

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$", "|": r"\textbar{}", "±": r"$\pm$",
    "×": r"$\times$", "Δ": r"$\Delta$", "χ": r"$\chi$", "²": "$^2$", "…": r"\ldots{}", "–": "--", "−": "$-$",
    "[": "{[}", "]": "{]}",  # at the beginning of a row a bracket would be taken for an argument of the break before
}  # fmt: skip
"""Characters that mean something to LaTeX, or that its usual fonts lack."""

_NUMBER = re.compile(r"[-+<]? ?\d.*")


def escape(text: str) -> str:
    r"""Give text as LaTeX sets it: no character of it is a command, and line breaks are blanks.

    >>> print(escape("roof_2 & 50 % < R^2"))
    roof\_2 \& 50 \% $<$ R\textasciicircum{}2
    """
    return "".join(_SPECIAL.get(character, character) for character in " ".join(text.split()))


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
