"""Check of a scene before it is mapped: whether a sample of it lies in the domain of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from hsiattn.errors import DomainError, GridError, HsiattnError, SceneError
from hsiattn.mapping.window_classifier import WindowClassifier
from hsiattn.models.described_model import DescribedModel
from hsiattn.scenes import BandMatch, SceneSource
from hsiattn.scenes.band_resampling import ResampledSource
from hsiattn.scenes.scene_sample import sample_scene
from hsiattn.scenes.spectral import ranges
from hsiattn.scenes.tiles import check_size, read_measured, tile_windows

MOSTLY = 2 / 3
"""Share of the sampled pixels outside of the model's domain from which on a scene is refused."""
_LEAST_CLEAR = 0.4
"""Share of the sampled pixels that must be no clouds for the clouds not to count."""
_WORTH_SAYING = 0.1
_LEAST_PIXELS = 20
_TILE = 256
_NOT_CHECKED = "not checked"

ANYWAY = "to map it all the same, give force=True"


@dataclass(frozen=True)
class SceneCheck:
    """Result of comparing a sample of a scene with the training scene.

    Attributes
    ----------
    messages
        What the user should know of the match of the bands and of the sample.
    bands
        Rule by which the bands were matched, in short.
    domain
        What the sample says, in short.
    problem
        Why the scene should not be mapped; None where nothing speaks against it.
    concerns
        Those of the messages that tell of a doubt.
    """

    messages: tuple[str, ...] = ()
    bands: str = ""
    domain: str = _NOT_CHECKED
    problem: HsiattnError | None = None
    concerns: tuple[str, ...] = ()

    def insist(self, force: bool) -> SceneCheck:
        """The check, where the scene may be mapped or is to be; its problem is then one of the messages.

        Raises
        ------
        DomainError, SceneError
            The problem, unless `force`.
        """
        if self.problem is None:
            return self
        if not force:
            raise self.problem
        told = f"mapped all the same: {self.problem.problem}"
        return replace(self, messages=(*self.messages, told), problem=None, concerns=(*self.concerns, told))


def check_scene(
    model: DescribedModel,
    source: SceneSource,
    *,
    area: Window | None = None,
    wanted: Callable[[Window], NDArray[np.bool_]] | None = None,
) -> SceneCheck:
    """Compare a sample of a scene with what the model was trained on.

    Parameters
    ----------
    area, wanted
        See `sample_scene`.

    Raises
    ------
    BandError
        The scene's bands do not fit the model.
    SceneError
        The scene is smaller than the patch, or cannot be read.
    """
    check_size(source, model.patch_size // 2)
    match = model.find_match(source)
    sample = sample_scene(source, match.indices, area=area, wanted=wanted)
    messages, domain = [message_of(match, model, source)], _NOT_CHECKED
    # Arrays without wavelengths have nothing but the order of their bands, which whoever made them knows.
    in_memory = not source.files and not np.isfinite(model.bands.wavelength).any()
    concerns = list(messages) if match.rule == "count" and not in_memory else []
    suspect = len(sample.measured) > 0 and not sample.measured.all(axis=1).any()
    problem: HsiattnError | None = find_empty_bands(model, source, area or source.extent) if suspect else None
    if problem is None and len(complete := sample.complete) >= _LEAST_PIXELS:
        message, domain, problem = _compare(complete, model, source, match)
        messages += [message] if message else []
        concerns += [message] if message and model.domain is not None else []
    return SceneCheck(tuple(messages), _rule_of(match, source), domain, problem, tuple(concerns))


def message_of(match: BandMatch, model: DescribedModel, source: SceneSource) -> str:
    """Say in a sentence by which rule the bands of a scene were matched."""
    if isinstance(source, ResampledSource):
        return f"the {len(source.bands)} bands that the model reads are made by {source.describe()} of {source.name}"
    of_model = "the model" if not match.shared else f"the model's {len(match.indices)}"
    text = f"{len(np.unique(match.indices))} of {len(source.bands)} bands matched to {of_model} by {match.describe()}"
    if match.shared:
        text += f"; {match.shared} of the model's bands are read from a band that stands for another one too"
    if match.rule == "count":
        lacking = [
            name
            for name, bands in (("the scene", source.bands), ("the model", model.bands))
            if not np.isfinite(bands.wavelength).any()
        ]
        if lacking:
            text += f", because {' and '.join(lacking)} {'has' if len(lacking) == 1 else 'have'} no wavelengths"
        text += "; make sure that the bands stand in the order of the training scene"
    return text


def _rule_of(match: BandMatch, source: SceneSource) -> str:
    return source.describe() if isinstance(source, ResampledSource) else match.describe()


def _compare(
    stored: NDArray[np.generic], model: DescribedModel, source: SceneSource, match: BandMatch
) -> tuple[str | None, str, DomainError | None]:
    """A message, the text of the tag, and the problem, if there is any, from stored values (n, B) of the scene."""
    domain = model.domain
    if domain is None and model.rejects:
        return None, "told pixel by pixel", None
    if domain is None:
        return (
            "the model keeps nothing of its training scene: whether this scene is like it cannot be checked",
            _NOT_CHECKED,
            None,
        )
    radiometry = source.radiometry.subset(match.indices)
    reflectance = radiometry.reflectance(stored.astype(np.float64))
    outside = domain.outside(reflectance, model.preprocessing)
    if not np.ptp(reflectance, axis=0).any():
        outside[:] = True  # one value everywhere is no scene, wherever it lies
    share, clear = float(outside.mean()), ~(outside & domain.clouded(reflectance))
    tag = f"{share:.1%} of {len(reflectance)} sampled pixels outside"
    power = domain.power_of_ten(reflectance, model.preprocessing)
    if power:
        return None, f"{tag}; values 10^{power} times those of the training scene", _wrong_scale(source, power)
    told = f"{share:.0%} of the sampled pixels of {source.name} look like nothing in the model's training scene"
    judged = outside[clear] if clear.mean() > _LEAST_CLEAR else outside
    if judged.mean() > MOSTLY:
        return None, tag, DomainError(told, f"check sensor, bands and units of the scene, and its scale=; {ANYWAY}")
    return (f"{told}; their classes are guesses" if share > _WORTH_SAYING else None), tag, None


def _wrong_scale(source: SceneSource, power: int) -> DomainError:
    radiometry = source.radiometry
    factor = f"{10**power}" if power > 0 else f"1/{10**-power}"
    stated = f"it is read as {radiometry.describe()}" if radiometry.stated else "it states no scale"
    offer = "correct gain and offset of its bands"
    if radiometry.scale is not None:
        scale = f"{radiometry.scale * 10.0**power:.10g}"
        offer = f"give scale={scale}, by which values are divided"
    return DomainError(
        f"the values of {source.name} are about {factor} times those of the model's training scene ({stated})",
        f"{offer}; {ANYWAY}",
    )


def why_empty(classifier: WindowClassifier, missing: int, unscored: int) -> HsiattnError | None:
    """Find out why a map has no classified pixel; None where the scene holds no data at all.

    Parameters
    ----------
    missing, unscored
        Pixels that were wanted and hold no data, and those that got no finite score.
    """
    model, source, mask, area = classifier.model, classifier.source, classifier.mask, classifier.plan.area
    if unscored:
        return DomainError(
            f"no pixel of {source.name} got a finite score from the network",
            "check the values of the scene, and the model on its training scene",
        )
    if not missing:
        which = f"the mask {mask.name}" if isinstance(mask, SceneSource) else "the mask"
        return GridError(
            f"{which} leaves no pixel of {source.name}",
            "give a mask that is neither 0 nor nodata where a class is wanted",
        )
    problem = find_empty_bands(model, source, area)
    if problem is None and mask is not None and _holds_data(model, source, area):
        return SceneError(f"no pixel of {source.name} that the mask leaves holds data", "check the mask")
    return problem


def find_empty_bands(model: DescribedModel, source: SceneSource, area: Window) -> SceneError | None:
    """The problem that no pixel of an area holds data in all bands that the model reads; None where one does, or where
    no band holds any data at all: the map of an empty scene is empty.

    Reads until a pixel is found, all of the area where there is none.
    """
    indices = np.unique(model.match(source))
    with_data = np.zeros(len(indices), dtype=bool)
    for there in _data_in_windows(source, indices, area):
        if there.all(axis=0).any():
            return None
        with_data |= there.any(axis=(1, 2))
    if not with_data.any():
        return None
    if with_data.all():
        return SceneError(
            f"no pixel of {source.name} holds data in all {len(indices)} bands that the model reads",
            f"check the nodata value of the scene; {ANYWAY} and get an empty map",
        )
    lost = indices[~with_data] + 1
    which, them = (f"band {lost[0]}", "it") if len(lost) == 1 else (f"bands {ranges(lost)}", "them")
    return SceneError(
        f"{which} of {source.name} hold{'s' if len(lost) == 1 else ''} no data, and the model reads {them}: no pixel "
        "can be classified",
        f"train a model without {them} (marked bad in the training scene, bbl = 0), or repair the scene; {ANYWAY} and "
        "get an empty map",
    )


def _holds_data(model: DescribedModel, source: SceneSource, area: Window) -> bool:
    """Whether any pixel of an area holds data in all bands that the model reads."""
    return any(there.all(axis=0).any() for there in _data_in_windows(source, model.match(source), area))


def _data_in_windows(source: SceneSource, bands: NDArray[np.int64], area: Window) -> Iterator[NDArray[np.bool_]]:
    """Masks (B, h, w) of where the bands hold data, window by window of an area."""
    for tile in tile_windows(int(area.height), int(area.width), _TILE):
        window = Window(int(area.col_off) + tile.col_off, int(area.row_off) + tile.row_off, tile.width, tile.height)
        yield read_measured(source, window, bands)[1]
