"""What is said of labels from a vector file: one sentence with all that was left out, repaired or found doubtful."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from hsiattn.errors import LabelError
from hsiattn.labels.vector_layers import VectorLayer
from hsiattn.labels.vector_options import VectorOptions
from hsiattn.scenes.grid import Grid

_MOST_NUMBERS = 5


@dataclass(frozen=True)
class Account:
    """What became of the features of a layer.

    Attributes
    ----------
    source, column
        File and column.
    tally
        How many features were what, see `lay_on_pixels`.
    features
        Features of the layer.
    classes, pixels
        Features in the scene, and labelled pixels, by class code.
    overlap
        Pixels left unlabelled since features of different classes cover them.
    too_small
        Numbers of the features that cover no pixel.
    has_points, has_polygons
        What lies in the scene.
    """

    source: str
    column: str
    tally: Counter[str] = field(default_factory=Counter)
    features: int = 0
    classes: Mapping[int, int] = field(default_factory=dict)
    pixels: Mapping[int, int] = field(default_factory=dict)
    overlap: int = 0
    too_small: list[int] = field(default_factory=list)
    has_points: bool = False
    has_polygons: bool = True

    @property
    def what(self) -> str:
        """What the features are called."""
        if self.has_points and self.has_polygons:
            return "polygons and points"
        return "points" if self.has_points else "polygons"


def account_in_words(account: Account, options: VectorOptions, unit: str) -> tuple[str, ...]:
    """The account as one sentence; an option that has no effect is refused.

    Raises
    ------
    LabelError
        There are no points for a radius, or no polygons for what is said of polygons.
    """
    if options.radius and not account.has_points:
        raise LabelError(
            f"{account.source} has no points in the scene, so that a radius does nothing", "leave out radius="
        )
    if not account.has_polygons:
        for name, given in (("all_touched", options.all_touched), ("inner_buffer", options.inner_buffer)):
            if given:
                raise LabelError(f"{account.source} has no polygons in the scene", f"leave out {name}=")
    total = sum(account.classes.values()) - len(account.too_small)
    labelled = _counted(sum(account.pixels.values()), "pixel")
    classes = _counted(len(account.pixels), "class")
    head = f"{account.source}: {total} {account.what} of {classes} (column {account.column}) label {labelled}"
    parts = _parts(account, options, unit)
    return (head + (f"; of {account.features} features " + ", ".join(parts) if parts else ""),)


def nothing_labelled(
    name: str, scene: str, tally: Counter[str], layer: VectorLayer, grid: Grid, account: Account | None = None
) -> LabelError:
    """Why a file labels no pixel of a scene."""
    if not layer.count:
        return LabelError(f"{name} has no features", "give a file with polygons or points")
    if account is not None and account.overlap:
        return LabelError(
            f"wherever {name} covers the scene, features of different classes overlap", "correct the polygons"
        )
    if account is not None and account.too_small:
        return LabelError(
            f"the {len(account.too_small)} polygons of {name} in the scene hold no pixel centre",
            "draw larger ones, or give all_touched=True",
        )
    if tally["shrunk away"]:
        return LabelError(f"the inner buffer leaves none of the polygons of {name}", "give a smaller inner_buffer=")
    outside = tally["outside"] + tally["outside or missing"]
    if outside:
        bounds = layer.bounds()
        where = "" if bounds is None else f": it lies in {_box(bounds, layer.crs)}"
        return LabelError(
            f"no feature of {name} lies in {scene}{where}, the scene in {_box(grid.bounds, grid.crs)}",
            "check the CRS of both, and that they show the same ground",
        )
    if tally["lines"]:
        return LabelError(f"{name} has lines, which label no pixel", "give polygons or points")
    if tally["without class"] and not tally["missing"] + tally["broken"] + tally["without area"]:
        return LabelError(f"no feature of {name} has a class", "name another column with column=")
    return LabelError(f"{name} has no polygon or point that can be used", "give a file that has some")


def _parts(account: Account, options: VectorOptions, unit: str) -> list[str]:
    tally = account.tally
    counted = [
        (tally["outside"], "lie outside the scene"),
        (tally["outside or missing"], "lie outside the scene or have no geometry"),
        (tally["missing"], "have no geometry"),
        (tally["broken"], "have broken coordinates"),
        (tally["without class"], "have no class"),
        (tally["unlabelled"], "have the value of unlabelled ones"),
        (tally["lines"], "are lines, which label nothing"),
        (tally["without area"], "have no area"),
        (tally["shrunk away"], f"are gone with the inner buffer of {options.inner_buffer:g} {unit}"),
        (tally["repaired"], "were invalid and are repaired"),
        (tally["raised"], "are three-dimensional, their heights do not matter"),
        (tally["collections"], "are collections, of which polygons and points count"),
        (len(account.too_small), f"hold no pixel{_centre(options)} ({_numbers(account.too_small)})"),
    ]
    parts = [f"{count} {what}" for count, what in counted if count]
    if account.overlap:
        parts.append(f"some of different classes overlap in {account.overlap} pixels, which are left unlabelled")
    return parts


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "es" if what.endswith("s") else "s")


def _centre(options: VectorOptions) -> str:
    return "" if options.all_touched else " centre"


def _numbers(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:_MOST_NUMBERS]))
    return f"number {shown}" + (", …" if len(numbers) > _MOST_NUMBERS else "")


def _box(bounds: tuple[float, float, float, float], crs: object) -> str:
    text = " ".join(f"{number:.10g}" for number in bounds)
    named = "no CRS" if crs is None else str(getattr(crs, "to_string", lambda: crs)())
    return f"{text} ({named if len(named) <= 40 else named[:37] + '...'})"
