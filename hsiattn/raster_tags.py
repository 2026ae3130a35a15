"""Names of the tags by which rasters that hsiattn writes say what they are; they live inside the file."""

from __future__ import annotations

from typing import Literal

KIND = "HSIATTN_KIND"
"""Tag with the `Kind` of the raster."""

CLASSES = "HSIATTN_CLASSES"
"""Tag with the classes of a map or of labels: a JSON list of `{"value", "code", "name", "color"}`.

`value` is the pixel value, `code` the class's code in the reference data, `color` is written as `#rrggbb`; classes with
attributes have them as the list `attributes`.
"""

Kind = Literal["land-cover", "confidence", "probabilities", "split", "scene", "labels"]
"""What a raster holds."""


def kind_tag(kind: Kind) -> dict[str, str]:
    """The tag that says what a raster holds."""
    return {KIND: kind}
