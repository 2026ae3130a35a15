"""Texts as LaTeX sets them."""

from __future__ import annotations

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$", "|": r"\textbar{}", "±": r"$\pm$",
    "×": r"$\times$", "Δ": r"$\Delta$", "χ": r"$\chi$", "²": "$^2$", "…": r"\ldots{}", "–": "--", "−": "$-$",
    "[": "{[}", "]": "{]}",  # at the beginning of a row a bracket would be taken for an argument of the break before
}  # fmt: skip
"""Characters that mean something to LaTeX, or that its usual fonts lack."""


def escape(text: str) -> str:
    r"""Give text as LaTeX sets it: no character of it is a command, and line breaks are blanks.

    >>> print(escape("roof_2 & 50 % < R^2"))
    roof\_2 \& 50 \% $<$ R\textasciicircum{}2
    """
    return "".join(_SPECIAL.get(character, character) for character in " ".join(text.split()))
