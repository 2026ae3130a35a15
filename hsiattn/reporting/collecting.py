"""What stands beside the figures of a report, collected from the rasters, the scene and the model at hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hsiattn.assessment.records import (
    IdentityRecord,
    SpectraRecord,
    SplitRecord,
    SupplementRecord,
    UnknownRecord,
)
from hsiattn.assessment.supplement import Pictures, Supplement
from hsiattn.classes import ClassTable
from hsiattn.errors import BandError
from hsiattn.reporting.labelled_pixels import LabelledPixels, survey_labels
from hsiattn.reporting.learning import describe_learning
from hsiattn.reporting.pictures import MOST_CLASSES, Layers
from hsiattn.reporting.spectra import describe_spectra
from hsiattn.reporting.split import describe_counts

if TYPE_CHECKING:
    from hsiattn.models.model_file import TrainedModel

WITH_SCENE = "with scene= this report would show a quick-look of the scene and the spectra of the classes"
WITH_MODEL = "with scene= and model= it would show the learning curve and which bands the network looks at"


@dataclass(frozen=True, eq=False)
class Collection:
    """What a report is made from.

    Attributes
    ----------
    layers
        Reference, and as far as there are any map, split, confidence and scene.
    classes
        Of the report.
    identity
        See `describe_identity`.
    model
        By which the map was made; None where it is not at hand.
    leakage, window
        Of the split of the layers.
    own_split
        Record of a split that is known without its raster.
    messages
        What training and mapping warned of.
    said
        What stands in the report already.
    absent
        Why parts are not there, beside the reasons that are found here.
    draw
        Gives the pictures, where they are not just those of the layers.
    look_for_unknown
        Describes the unknown material of the map, given the spectra of the classes; None where it tells none.
    """

    layers: Layers
    classes: ClassTable
    identity: IdentityRecord
    model: TrainedModel | None = None
    leakage: float | None = None
    window: int | None = None
    own_split: SplitRecord | None = None
    messages: Sequence[str] = ()
    said: Sequence[str] = ()
    absent: Sequence[str] = ()
    draw: Callable[[], Pictures] | None = None
    look_for_unknown: Callable[[SpectraRecord | None], UnknownRecord | None] | None = None

    def supplement(self) -> Supplement:
        """Collect it all but the pictures, which are read when a page is made.

        Raises
        ------
        HsiattnError
            Scene, reference or split cannot be read.
        """
        record: SupplementRecord = {"identity": self.identity}
        absent = list(self.absent)
        scene, roles = self.layers.scene, self.layers.roles
        pixels: LabelledPixels | None = None
        if scene is not None or roles is not None:
            pixels = survey_labels(self.layers.reference, roles, len(self.classes))
        if self.own_split is not None:
            record["split"] = self.own_split
        elif roles is not None and pixels is not None:
            record["split"] = describe_counts(pixels.counts, self.classes, leakage=self.leakage, window=self.window)
        if scene is None:
            absent.append(WITH_SCENE)
        elif pixels is not None:
            record["spectra"] = describe_spectra(scene, pixels, self.classes)
        unknown = None if self.look_for_unknown is None else self.look_for_unknown(record.get("spectra"))
        if unknown is not None:
            record["unknown"] = unknown
        if self.model is None:
            absent.append(WITH_MODEL)
        else:
            self._look_into(self.model, record, absent, pixels)
        messages = [text for text in dict.fromkeys(self.messages) if text not in self.said]
        if messages:
            record["messages"] = messages
        pictures = self.draw or self.layers.pictures
        if len(self.classes) > MOST_CLASSES:
            absent.append(f"there are no pictures, since they show {MOST_CLASSES} classes at most")
            return Supplement(_with(record, absent))
        return Supplement(_with(record, absent), pictures)

    def _look_into(
        self, model: TrainedModel, record: SupplementRecord, absent: list[str], pixels: LabelledPixels | None
    ) -> None:
        """Add what the model tells: the course of its training, and what it looks at."""
        learning = describe_learning(model)
        if learning is not None:
            record["learning"] = learning
        elif model.training.get("epochs"):
            absent.append("there is no learning curve: the model was written by a version that kept no figures")
        if self.layers.scene is None or pixels is None:
            return
        from hsiattn.reporting.attention import describe_attention  # brings torch

        network = model.arguments.get("name")
        try:
            attention = describe_attention(model, self.layers.scene, pixels, self.classes)
        except BandError as error:
            absent.append(f"there is no attention of the network: {error.problem}")
            return
        if attention is not None:
            record["attention"] = attention
        else:
            absent.append(f"there is no attention by band: the network {network} weighs no bands")


def _with(record: SupplementRecord, absent: list[str]) -> SupplementRecord:
    return {**record, "absent": absent} if absent else record
