"""What our docstrings have beyond numpydoc, for the reader of docstrings that mkdocstrings uses (griffe).

Fields of recipes and other settings are described as parameters, since one gives them by name; they are annotations of
the class, which griffe takes for attributes. Short docstrings have an example without a heading of its own.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_PARAMETERS = re.compile(r"^Parameters\n-{10}\n", re.MULTILINE)
_FIRST_EXAMPLE = re.compile(r"^(?=>>> )", re.MULTILINE)

_SETTINGS = ("Settings", "Training", "Method", "BaseModel", "Split")
"""Ends of the names of classes whose fields pydantic turns into arguments."""


class HouseDocstrings(griffe.Extension):
    """Rewrites docstrings so that griffe reads them as numpydoc."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Give the examples of a docstring their heading."""
        docstring = obj.docstring
        if docstring is not None and "Examples\n--------" not in docstring.value:
            docstring.value = _FIRST_EXAMPLE.sub("Examples\n--------\n", docstring.value, count=1)

    def on_class(self, *, cls: griffe.Class, **kwargs: Any) -> None:
        """Describe the fields of settings as attributes."""
        if cls.docstring is not None and any(str(base).endswith(_SETTINGS) for base in cls.bases):
            cls.docstring.value = _PARAMETERS.sub("Attributes\n----------\n", cls.docstring.value)
