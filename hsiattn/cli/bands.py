"""`hsiattn bands`: which bands a model's decisions rest on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hsiattn.cli import options
from hsiattn.files.outputs import check_outputs, wanted

if TYPE_CHECKING:
    from hsiattn.explanations.band_ranking import BandRanking


@click.command(short_help="Rank the bands by what a model reads of them.")
@click.argument("model")
@click.option("-o", "--output", metavar="FILE", help="Draw them too: a PNG, SVG or PDF by its suffix.")
@click.option(
    "--top", type=click.IntRange(1), default=10, show_default=True, metavar="N", help="Print the first N bands."
)
@options.overwrite
@options.as_json
@options.common
def bands(model: str, output: str | None, top: int, overwrite: bool, as_json: bool) -> None:
    """Rank the bands of MODEL by how much its decisions would change without them.

    No scene is needed: the model file keeps spectra of its training scene. Neighbouring bands share what they say. With
    --json all bands are printed.

    \b
        hsiattn bands fields.hsiattn
        hsiattn bands small.hsiattn -o bands.png
    """
    from hsiattn.models.registry import named_model

    path = named_model(model) or Path(model)
    if output is not None:
        from hsiattn.figures.files import kind_of_figure

        check_outputs(wanted((output, kind_of_figure(output))), overwrite=overwrite, inputs={"model": path})
    from hsiattn.explanations.band_ranking import rank_bands
    from hsiattn.models.model_file import read_model

    ranking = rank_bands(read_model(path))
    records = ranking.to_records()
    if output is not None:
        from hsiattn.figures.composed import band_ranking_figure
        from hsiattn.figures.files import write_figure

        write_figure(output, band_ranking_figure(records), overwrite=overwrite)
    if as_json:
        options.print_json({"model": model, "bands": records, **({"figure": output} if output else {})})
        return
    options.show(*lines_of(ranking, records[:top]), *([f"drawn     {output}"] if output else []))


def lines_of(ranking: BandRanking, records: list[dict[str, Any]]) -> list[str]:
    """The first bands as a table, and which ones the network reads in the pixel's spectrum."""
    from hsiattn.scenes.spectral import ranges

    lines = [f"{'rank':>4}  {'band':>4}  {'nm':>8}  importance"]
    for record in records:
        wavelength = record["wavelength_nm"]
        place = "–" if wavelength is None else f"{wavelength:.1f}"
        lines.append(f"{record['rank']:>4}  {record['band']:>4}  {place:>8}  {100 * record['importance']:>8.2f} %")
    if ranking.in_spectrum.all():
        return lines
    read = ranking.numbers[ranking.in_spectrum]
    return [
        *lines,
        f"a pixel's spectrum is read at {len(read)} of {len(ranking.numbers)} bands: {ranges(read)}",
        "components are made of all of them",
    ]
