"""The report that the one-step form of `hsiattn classify` writes: of the map that it makes, and of its training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from hsiattn.cli import fitting, options
from hsiattn.cli.report_context import command_line
from hsiattn.cli.reports import choose_format, render
from hsiattn.files.kinds import FileKind
from hsiattn.files.outputs import Inputs, check_outputs, wanted, write_bytes

if TYPE_CHECKING:
    from hsiattn.assessment import AccuracyReport
    from hsiattn.mapping.request import MappingRequest
    from hsiattn.scenes import SceneSource

WISHED = ("report", "author")
"""Options of the report."""


def wished_report(ctx: click.Context, training: dict[str, Any]) -> WishedReport | None:
    """Take the options of the report out of those of the training; None where no report is wanted.

    Raises
    ------
    click.UsageError
        No label would be held out for it, or there is an author without a report.
    OutputError
        The suffix stands for no form.
    """
    path, author = (training.pop(name) for name in WISHED)
    if path is None:
        if ctx.params["labels"] is not None:
            options.refuse_without_effect(ctx, ["author"], "without --report, whose author it names")
        return None
    if ctx.params["split"] == "none" and ctx.params["split_file"] is None:
        raise click.UsageError("--report has no effect with --split none, which holds no label out", ctx)
    return WishedReport(path, choose_format(None, path, as_json=False), author)


def not_told(messages: Sequence[str], trained: fitting.Trained) -> list[str]:
    """Those messages of a mapping that the training, which came just before, has not given."""
    from hsiattn.mapping.classification import TRAINING_WARNS

    told = {*trained.classifier.messages_, *trained.scene.notes}
    return [text for text in messages if text.removeprefix(TRAINING_WARNS) not in told]


@dataclass(frozen=True)
class WishedReport:
    """A report that is wanted.

    Attributes
    ----------
    path, form
        The file, and one of `hsiattn.cli.reports.FORMATS`.
    author
        Who makes it; None where nobody is named.
    """

    path: str
    form: str
    author: str | None = None

    def check(self, inputs: Inputs, *, overwrite: bool) -> None:
        """Refuse a file that may not be replaced.

        Raises
        ------
        OutputError
            It may not, or cannot be written.
        """
        check_outputs(wanted((self.path, FileKind.REPORT)), overwrite=overwrite, inputs=inputs)

    def write(
        self,
        trained: fitting.Trained,
        training: fitting.Training,
        request: MappingRequest,
        source: SceneSource,
        land_cover: str,
        model: str,
    ) -> None:
        """Write the report of a map.

        Its figures are those of the training where the map is just what the model says, else those of the map: of
        smoothing, unknown material, masks and bounds the training knows nothing.

        Raises
        ------
        HsiattnError
            The map has no test pixel, or the file cannot be written.
        """
        if trained.classifier.report_ is None:
            options.say("no label was held out, so there is no report")
            return
        if request.smooth or request.unknown or request.mask is not None or request.bounds is not None:
            report = self._of_map(trained, training, request, source, land_cover, model)
        else:
            report = self._of_training(trained, training, land_cover, model)
        write_bytes(self.path, render(fitting.in_words_of_options(report), self.form).encode())
        options.say(f"report: {self.path}")

    def _of_training(
        self, trained: fitting.Trained, training: fitting.Training, land_cover: str, model: str
    ) -> AccuracyReport:
        from hsiattn import reporting

        return reporting.report_of(
            trained.classifier, trained.scene, trained.labels, land_cover=land_cover, reference=training.labels_name,
            model=model, author=self.author, command=command_line(),
        )  # fmt: skip

    def _of_map(
        self,
        trained: fitting.Trained,
        training: fitting.Training,
        request: MappingRequest,
        source: SceneSource,
        land_cover: str,
        model: str,
    ) -> AccuracyReport:
        from hsiattn import reporting

        classifier = trained.classifier
        rows, columns = (request.part_of(source) or source.extent).toslices()
        labels = trained.labels.transpose("y", "x").isel(y=rows, x=columns)
        report = reporting.assess(
            land_cover, labels, split=classifier.split_.roles[rows, columns], scene=trained.scene, model=classifier,
            author=self.author, command=command_line(),
        )  # fmt: skip
        if report.supplement is not None and "identity" in report.supplement.record:
            report.supplement.record["identity"] |= {"reference": training.labels_name, "model": model}
        own = classifier.report_.advice if classifier.report_ is not None else ()
        return replace(report, advice=tuple(dict.fromkeys((*own, *report.advice))))
