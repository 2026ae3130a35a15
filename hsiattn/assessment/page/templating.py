"""Templates of self-contained pages, and the style sheet that they share."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from hsiattn.assessment.formatting import sentence

_HERE = "hsiattn.assessment.page"


def fill_template(package: str, template: str, **names: Any) -> str:
    """The page that a template of a package gives with these names; texts are escaped.

    Parameters
    ----------
    package, template
        Name of the package, and path of the template inside it.
    names
        What the template may use; beside that, `as_sentence`.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined  # takes a while to load, and text does without it

    environment = Environment(
        loader=PackageLoader(package, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["sentence"] = as_sentence
    return environment.get_template(template).render(names)


def inlined(*files: str) -> str:
    """Style sheets or scripts of the folder `templates`, one after the other."""
    folder = resources.files(_HERE) / "templates"
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in files)


def script_data(value: Any) -> str:
    r"""A value as JSON for a script element, which no text in it can end.

    >>> print(script_data({"name": "</script>"}))
    {"name":"\u003c/script\u003e"}
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for mark in "<>&\u2028\u2029":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return text


def as_sentence(text: str) -> str:
    """A text as a sentence, with a capital at its start and a full stop at its end; see `formatting.sentence`.

    >>> as_sentence("label every class in more places"), as_sentence("Leakage 0 %.")
    ('Label every class in more places.', 'Leakage 0 %.')
    """
    text = sentence(text.strip())
    return text if not text or text.endswith((".", "!", "?", ":")) else f"{text}."
