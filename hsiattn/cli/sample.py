"""`hsiattn sample`: a reference sample of a map for photo-interpretation, and the plan of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from hsiattn.cli import options
from hsiattn.files.text import printable

if TYPE_CHECKING:
    from hsiattn.assessment.class_totals import ClassTotals
    from hsiattn.assessment.sample_size import Allocation
    from hsiattn.classes import ClassTable

ALLOCATIONS = ("olofsson", "proportional", "equal", "neyman")
PLANNING = ("size", "min_per_class", "target_error", "expected")
"""Parameters of a plan."""


def _accuracies(ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]) -> dict[str | None, float]:
    """User's accuracies by name or code of the class as it was written, None for all others."""
    found: dict[str | None, float] = {}
    for text in texts:
        name, sign, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            raise click.BadParameter(f"{text!r} is neither a number nor CLASS=NUMBER", ctx=ctx, param=param) from None
        if not 0 <= value <= 1:
            raise click.BadParameter(f"{number} is no share 0 … 1", ctx=ctx, param=param)
        found[name.strip() if sign else None] = value
    return found


planning = options.use(
    click.option(
        "--target-se", "target_error", type=click.FloatRange(0, 1, min_open=True, max_open=True), metavar="SHARE",
        default=0.01, show_default=True, help="Standard error that the overall accuracy is to have.",
    ),
    click.option(
        "--expect", "expected", multiple=True, metavar="[CLASS=]SHARE", callback=_accuracies,
        help="Expected user's accuracy of all classes, or of one by name or code; may be repeated. Default: 0.85.",
    ),
    click.option(
        "--size", type=click.IntRange(1), metavar="N", help="Reference pixels; default: as many as --target-se needs."
    ),
    click.option(
        "--min-per-class", type=click.IntRange(0), default=50, show_default=True, metavar="N",
        help="Reference pixels of a rare class, with the allocation olofsson.",
    ),
)  # fmt: skip
"""Options of a plan, of which the allocations are compared."""


@click.command(short_help="Draw reference pixels of a map for photo-interpretation.")
@click.argument("land_cover_map", metavar="MAP")
@click.option(
    "-o", "--output", metavar="FILE", help="GeoPackage with the sample, in which the classes are then filled in."
)
@click.option("--plan", is_flag=True, help="Draw nothing: compare sizes and allocations.")
@planning
@click.option(
    "--allocation", type=click.Choice(ALLOCATIONS), default=ALLOCATIONS[0], show_default=True,
    help="How the pixels are divided: a least number for rare classes and the rest in proportion; in proportion to the "
    "classes' areas; the same number for each; or so that the overall accuracy becomes most certain.",
)  # fmt: skip
@click.option("--per-class", type=click.IntRange(1), metavar="N", help="Reference pixels of every class.")
@click.option(
    "--distance", type=click.FloatRange(0), default=0.0, metavar="M", callback=options.finite,
    help="Least distance between two pixels in metres; in pixels where the map has no place on the ground.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the draw.")
@options.as_json
@options.overwrite
@options.common
@click.pass_context
def sample(
    ctx: click.Context,
    /,
    land_cover_map: str,
    output: str | None,
    plan: bool,
    target_error: float,
    expected: dict[str | None, float],
    size: int | None,
    min_per_class: int,
    allocation: str,
    per_class: int | None,
    distance: float,
    seed: int,
    as_json: bool,
    overwrite: bool,
) -> None:
    """Draw a stratified random sample of the pixels of MAP, whose strata are its classes.

    Somebody then looks at every pixel, on the ground or in better pictures, and fills in the column class of the layer
    sample, without seeing what the map says. The filled-in file is the reference by which the accuracies of this map,
    or of another one of the area, and the areas of the classes can be estimated with their standard errors.

    \b
        hsiattn sample land_cover.tif --plan --expect 0.9 --expect water=0.98
        hsiattn sample land_cover.tif -o sample.gpkg --size 600
        hsiattn assess land_cover.tif --reference sample.gpkg
    """
    if plan:
        drawing = ["output", "overwrite", "allocation", "per_class", "distance", "seed"]
        options.refuse_without_effect(ctx, drawing, "with --plan, which draws nothing")
        show_plan(land_cover_map, target_error, expected, size, min_per_class, as_json)
        return
    if output is None:
        raise click.UsageError("name the sample with -o sample.gpkg, or compare sizes with --plan", ctx)
    if per_class is not None:
        others = ["size", "allocation", "min_per_class", "target_error", "expected"]
        options.refuse_without_effect(ctx, others, "with --per-class")
    if size is not None:
        options.refuse_without_effect(ctx, ["target_error"], "with --size")
    from hsiattn.assessment.drawing import draw_sample
    from hsiattn.assessment.sample_files import check_sample_output, write_sample
    from hsiattn.labels.rasters import LabelRaster

    check_sample_output(output, overwrite=overwrite, inputs={"map": land_cover_map})
    raster = LabelRaster(land_cover_map)
    drawn = draw_sample(
        raster, size=size, per_class=per_class, allocation=allocation, min_per_class=min_per_class,
        target_error=target_error, expected=_by_code(raster, expected), distance=distance, random_state=seed,
    )  # fmt: skip
    write_sample(drawn, output, overwrite=overwrite)
    for note in (*raster.notes, *drawn.notes):
        options.say(note)
    rows = zip(drawn.classes, drawn.totals.of(list(drawn.classes.codes)).tolist(), drawn.drawn.tolist(), strict=True)
    strata = [{"code": item.code, "name": item.name, "pixels": n, "drawn": m} for item, n, m in rows]
    if as_json:
        about = {"map": land_cover_map, "sample": output, "pixels": len(drawn), "allocation": drawn.allocation}
        options.print_json({**about, "seed": seed, "strata": strata, "notes": list(drawn.notes)})
        return
    lines = [[row["name"], f"{row['pixels']:,}".replace(",", " "), str(row["drawn"])] for row in strata]
    options.show(*_table([["Class", "Pixels", "Drawn"], *lines, ["all", _total(strata, "pixels"), str(len(drawn))]]))
    options.show(f"sample: {output}")


def show_plan(
    path: str,
    target_error: float,
    expected: Mapping[str | None, float],
    size: int | None,
    min_per_class: int,
    as_json: bool,
) -> None:
    """Print the size of a sample of a map, and what each allocation of it promises."""
    from hsiattn.assessment.class_totals import class_totals
    from hsiattn.assessment.drawing import EXPECTED_ACCURACY, class_names
    from hsiattn.assessment.sample_size import expected_accuracies, plan_sample
    from hsiattn.errors import AssessmentError
    from hsiattn.labels.rasters import LabelRaster

    raster = LabelRaster(path)
    given = _by_code(raster, expected)
    totals = class_totals(raster)
    if not totals.all_pixels:
        raise AssessmentError(f"{path} has no classified pixel", "give a map with classes")
    if size is not None and size > totals.all_pixels:
        raise AssessmentError(f"{path} has {totals.all_pixels} classified pixels", "choose a smaller size=")
    users = expected_accuracies(totals.codes, given, EXPECTED_ACCURACY)
    number, allocations = plan_sample(totals.pixels, users, target_error=target_error, size=size, minimum=min_per_class)
    classes = class_names(raster, totals.codes.tolist())
    for note in raster.notes:
        options.say(note)
    if as_json:
        options.print_json(
            _plan_record(path, target_error if size is None else None, classes, totals, users, allocations)
        )
        return
    reason = f"for a standard error of {100 * target_error:g} % of the overall accuracy" if size is None else "as given"
    options.show(f"Sample size: {number} pixels, {reason}", "")
    options.show(*_table(_plan_rows(classes, totals, users, allocations)), "")
    options.show(
        "Pixels of each class by allocation, ± standard error of its user's accuracy in %; in the last line of the",
        "overall accuracy, as far as user's accuracies are those that are expected (Olofsson et al. 2014, section 5).",
    )


def _plan_rows(
    classes: ClassTable, totals: ClassTotals, users: Any, allocations: tuple[Allocation, ...]
) -> list[list[str]]:
    rows = [["Class", "Area, %", "Expected, %", *(item.name for item in allocations)]]
    for k, name in enumerate(classes.names):
        share = f"{100 * totals.pixels[k] / totals.all_pixels:.1f}"
        cells = [f"{item.pixels[k]} ± {_percent(item.users_errors[k])}" for item in allocations]
        rows.append([name, share, f"{100 * users[k]:.0f}", *cells])
    overall = [f"{item.total} ± {_percent(item.overall_error)}" for item in allocations]
    return [*rows, ["all", "100.0", "", *overall]]


def _plan_record(
    path: str,
    target_error: float | None,
    classes: ClassTable,
    totals: ClassTotals,
    users: Any,
    allocations: tuple[Allocation, ...],
) -> dict[str, Any]:
    return {
        "map": path,
        "target_standard_error": target_error,
        "pixels": allocations[0].total,
        "classes": [
            {"code": item.code, "name": item.name, "pixels": totals.pixels[k], "expected_users_accuracy": users[k]}
            for k, item in enumerate(classes)
        ],
        "allocations": [
            {
                "name": item.name,
                "pixels": item.pixels,
                "overall_standard_error": item.overall_error,
                "users_standard_errors": item.users_errors,
            }
            for item in allocations
        ],
    }


def _by_code(raster: Any, expected: Mapping[str | None, float]) -> dict[int | None, float]:
    """Accuracies by the code of the class that is meant by its name or code, None for all others."""
    from hsiattn.errors import AssessmentError
    from hsiattn.labels.feature_classes import codes_by_name, normal_name

    table = raster.class_table([])
    names = {} if table is None else codes_by_name(table)
    found: dict[int | None, float] = {}
    for name, value in expected.items():
        if name is None:
            found[None] = value
        elif normal_name(name) in names:
            found[names[normal_name(name)]] = value
        elif name.isdecimal() and (table is None or int(name) in table.codes):
            found[int(name)] = value
        else:
            known = ", ".join(printable(text, 40) for text in (table.names if table else ()))
            raise AssessmentError(
                f"{raster.name} has no class {name!r}", f"it has {known}" if known else "give its code"
            )
    return found


def _percent(share: float) -> str:
    return "–" if share != share else f"{100 * share:.1f}"


def _total(rows: list[dict[str, Any]], key: str) -> str:
    return f"{sum(row[key] for row in rows):,}".replace(",", " ")


def _table(rows: list[list[str]]) -> list[str]:
    """Rows with aligned columns: the first to the left, the others to the right; a rule under the heads."""
    rows = [[row[0] if len(row[0]) <= 28 else f"{row[0][:27]}…", *row[1:]] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if k else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    rule = "-" * len(lines[0])
    return [lines[0], rule, *(line.rstrip() for line in lines[1:-1]), rule, lines[-1].rstrip()]
