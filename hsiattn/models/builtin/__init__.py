"""The built-in land-cover model, which maps a scene of any sensor whose wavelengths are known.

`land-cover.hsiattn` is a model file like any other, made by `scripts/land_cover`; its network, `any-sensor`, has
weights that belong to wavelengths. `fitting` makes of it the model of one scene, with its bands and its scale. `trust`
says how far its classes can be told by such a sensor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsiattn.lazy import lazily

if TYPE_CHECKING:
    from hsiattn.models.builtin.fitting import builtin_model, read_builtin

NAME = "builtin"
"""The name by which it is asked for."""

__all__ = ["NAME", "builtin_model", "read_builtin"]

__getattr__, __dir__ = lazily(
    __name__,
    {"builtin_model": "hsiattn.models.builtin.fitting", "read_builtin": "hsiattn.models.builtin.fitting"},
)
