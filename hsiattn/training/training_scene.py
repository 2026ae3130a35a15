"""A scene and its labels as training sees them: which bands serve, and the spectra and patches of labelled pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.classes import ClassTable
from hsiattn.errors import BandError, LabelError
from hsiattn.labels.group_rasters import group_ids
from hsiattn.networks import network_class
from hsiattn.preprocessing import (
    Convert,
    Preprocessing,
    RegionStatistics,
    TrainingDomain,
    fit_domain,
    fit_preprocessing,
)
from hsiattn.preprocessing.noise import noise_covariance
from hsiattn.preprocessing.spectral_transforms import band_centres
from hsiattn.pseudo_labels import SceneRegion, read_region
from hsiattn.scenes import SceneSource
from hsiattn.scenes.footprints import footprint, pixel_side
from hsiattn.scenes.pixels import gather_spectra
from hsiattn.scenes.scene_sample import sample_scene
from hsiattn.scenes.spectral import ranges
from hsiattn.scenes.tiles import check_size, read_tile, tile_windows
from hsiattn.splits import Split, label_groups
from hsiattn.splits.groups import digest_of
from hsiattn.training.patches import LabelledPatches, gather_patches
from hsiattn.training.settings import RecipeSettings
from hsiattn.training.starts import Start

_PIXELS_AT_ONCE = 50_000
_LABELLED_PIXELS_OF_DOMAIN = 1000


@dataclass
class TrainingScene:
    """A scene, its labels, and the recipe by which patches are made of them.

    Attributes
    ----------
    source
        The scene.
    codes
        (H, W) class codes, 0 = unlabelled.
    classes
        Those with at least one labelled pixel.
    recipe
        Says patch size, preprocessing and network.
    bands
        Indices of the bands that hold data and are not marked bad, and that the recipe wants.
    usable
        (H, W), True for the labelled pixels that hold data in all such bands, whatever the recipe wants: models of a
        few bands learn from the same pixels, and are tested on the same.
    messages
        What was left out and why, one sentence each.
    groups
        (H, W) polygon ids, 0 = none; None where no polygons are known.
    drawn_groups
        (H, W) group of every pixel that was drawn for training, 0 elsewhere, where some of them were dropped; see
        `Split.groups`. None otherwise.
    further
        Scenes without labels that lend unlabelled pixels to methods that learn from some.
    tested_later
        (H, W), True for pixels that no split calls test, and that the model is tested on all the same; None for none.
    seen
        (H, W), False for pixels that the region leaves out, since nothing may be learned from them; None for none.
    start
        What networks start from; None for what the recipe names, with fresh weights.
    """

    source: SceneSource
    codes: NDArray[Any]
    classes: ClassTable
    recipe: RecipeSettings
    bands: NDArray[np.int64]
    usable: NDArray[np.bool_]
    messages: list[str] = field(default_factory=list)
    groups: NDArray[np.int32] | None = None
    drawn_groups: NDArray[np.int64] | None = None
    further: tuple[SceneSource, ...] = ()
    tested_later: NDArray[np.bool_] | None = None
    seen: NDArray[np.bool_] | None = None
    start: Start | None = None
    _region: SceneRegion | None = field(default=None, repr=False)

    @classmethod
    def of(
        cls,
        source: SceneSource,
        codes: NDArray[Any],
        classes: ClassTable,
        recipe: RecipeSettings,
        groups: NDArray[Any] | None = None,
    ) -> TrainingScene:
        """Check scene and labels, and polygon ids where there are any, and choose the bands.

        Raises
        ------
        SceneError
            The scene is smaller than the patch.
        LabelError
            No labelled pixel holds data, or all are of one class; or groups are no whole numbers.
        GridError
            Groups have another size than the labels.
        BandError
            No band serves.
        """
        check_size(source, recipe.patch_size // 2)
        ids = None if groups is None else group_ids(groups, codes.shape)
        present = _present(classes, codes)
        messages = [*source.notes, *_absent_classes(classes, present)]
        bands, usable = _choose_bands(source, codes, present, messages)
        bands = _only(bands, recipe.preprocessing.only_bands, len(source.bands), messages)
        return cls(source, codes, present, recipe, bands, usable, messages, ids)

    def positions(self, split: Split, *roles: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Row and column (N, 2), and class index (N,), of the pixels with those roles."""
        chosen = np.logical_or.reduce([split.mask(role) for role in roles])
        return np.argwhere(chosen), self.classes.to_indices(self.codes[chosen])

    def groups_of(self, positions: NDArray[np.int64], targets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Number of the group (N,) of every one of those training pixels, which no fold may divide.

        See `label_groups`. Pixels of a polygon of which others were dropped stay together.
        """
        ids = self.groups if self.drawn_groups is None else self.drawn_groups
        given = None if ids is None else ids[tuple(positions.T)]
        return label_groups(positions, targets, given)

    def fit_preprocessing(self, positions: NDArray[np.int64], targets: NDArray[np.int64]) -> Preprocessing:
        """The recipe's preprocessing, fitted on those pixels (or the whole scene, where the recipe says so)."""
        values, _ = gather_spectra(self.source, positions)
        spectra = self.source.radiometry.subset(self.bands).reflectance(values[:, self.bands])
        whole = self._all_spectra if self.recipe.preprocessing.fit_on == "scene" else None
        noisy = self.recipe.preprocessing.noise_components > 0
        region_statistics = partial(self._region_statistics, positions, targets) if noisy else None
        centres = band_centres(self.source.bands.wavelength, self.bands)
        preprocessing, constant = fit_preprocessing(
            self.recipe.preprocessing, self.bands, spectra, whole, region_statistics, centres
        )
        if constant:
            numbers = ranges(np.array(constant) + 1)
            self.say(f"{len(constant)} bands do not vary over the training pixels and are left out: {numbers}")
        return preprocessing

    def domain(self, preprocessing: Preprocessing) -> TrainingDomain | None:
        """What the scene looks like, its labelled pixels and those without labels; None where they are too few."""
        bands = preprocessing.bands
        labelled = np.argwhere(self.usable)
        some = np.random.default_rng(5).permutation(len(labelled))[:_LABELLED_PIXELS_OF_DOMAIN]
        values, _ = gather_spectra(self.source, labelled[np.sort(some)])
        stored = np.concatenate([sample_scene(self.source, bands).complete, values[:, bands]])
        reflectance = self.source.radiometry.subset(bands).reflectance(stored.astype(np.float64))
        return fit_domain(reflectance, preprocessing, band_centres(self.source.bands.wavelength, bands))

    def share_unlike(self, positions: NDArray[np.int64], preprocessing: Preprocessing) -> float | None:
        """Share, 0 … 1, of a sample of the scene outside of what those labelled pixels show.

        None where they are too few to tell. This is what `hsiattn classify` asks of another scene, asked of labelled
        pixels in their own; see `fit_domain`.
        """
        bands = preprocessing.bands
        some = np.random.default_rng(7).permutation(len(positions))[:_LABELLED_PIXELS_OF_DOMAIN]
        values, _ = gather_spectra(self.source, positions[np.sort(some)])
        radiometry = self.source.radiometry.subset(bands)
        labelled = radiometry.reflectance(values[:, bands].astype(np.float64))
        domain = fit_domain(labelled, preprocessing, band_centres(self.source.bands.wavelength, bands))
        sample = sample_scene(self.source, bands).complete
        if domain is None or not len(sample):
            return None
        reflectance = radiometry.reflectance(sample.astype(np.float64))
        return float(domain.outside(reflectance, preprocessing).mean())

    def region(self, positions: NDArray[np.int64], targets: NDArray[np.int64]) -> SceneRegion:
        """The pixels around those and elsewhere, labelled or not; read once, for the first that ask."""
        if self._region is None:
            most = self.recipe.training.region_size
            region = read_region(self.source, self.bands, positions, targets, most=most)
            self._region = region if self.seen is None else region.where(self.seen)
        return self._region

    def gather(
        self,
        positions: NDArray[np.int64],
        targets: NDArray[Any],
        preprocessing: Preprocessing,
        *,
        source: SceneSource | None = None,
    ) -> LabelledPatches:
        """Prepared spectra and patches of those pixels, of another source than the scene's own where one is given."""
        edge, size = network_class(self.recipe.network.name).edge, self.recipe.patch_size
        return gather_patches(source or self.source, positions, targets, preprocessing, patch_size=size, edge=edge)

    def say(self, message: str) -> None:
        """Add a message unless it is there already."""
        if message not in self.messages:
            self.messages.append(message)

    def fingerprint(self, split: Split) -> dict[str, Any]:
        """What identifies the training data: a model made from other pixels has another fingerprint."""
        positions, targets = self.positions(split, "training", "validation")
        values, _ = gather_spectra(self.source, positions)
        labels = np.column_stack([positions, targets]).astype("<i8")
        known = self.groups is not None or self.drawn_groups is not None
        grouped = {"training_groups_sha256": self._groups_sha256(positions, targets)} if known else {}
        return {
            "scene": Path(self.source.name).name,
            "height": self.source.height,
            "width": self.source.width,
            "bands": len(self.source.bands),
            **self._place(),
            "training_spectra_sha256": hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest(),
            "training_labels_sha256": hashlib.sha256(labels.tobytes()).hexdigest(),
            **grouped,
            **({"unlabelled": [fingerprint_of_scene(source) for source in self.further]} if self.further else {}),
        }

    def _place(self) -> dict[str, Any]:
        """Where the scene lies and how large its pixels are, if it says so."""
        ring, crs, side = footprint(self.source.grid), self.source.grid.crs, pixel_side(self.source.grid)
        if ring is None or crs is None:
            return {}
        return {"place": {"crs": crs.to_string(), "footprint": ring, **({} if side is None else {"pixel_m": side})}}

    def _groups_sha256(self, positions: NDArray[np.int64], targets: NDArray[np.int64]) -> str:
        return digest_of(self.groups_of(positions, targets))

    def _region_statistics(
        self, positions: NDArray[np.int64], targets: NDArray[np.int64], convert: Convert
    ) -> RegionStatistics:
        region = self.region(positions, targets)
        spectra = np.ascontiguousarray(convert(region.spectra))
        noise = noise_covariance(spectra, region.side_neighbours)
        covariance = np.cov(spectra.T, dtype=np.float64)
        return RegionStatistics(spectra.mean(axis=0, dtype=np.float64), np.atleast_2d(covariance), noise)

    def _all_spectra(self) -> Iterator[NDArray[np.float64]]:
        """Reflectance of all valid pixels of the scene, window by window."""
        radiometry = self.source.radiometry.subset(self.bands)
        for window in tile_windows(self.source.height, self.source.width, 128):
            tile = read_tile(self.source, window, 0, self.bands, "reflect")
            if tile.valid.any():
                yield radiometry.reflectance(tile.values[:, tile.valid].T)


def fingerprint_of_scene(source: SceneSource) -> dict[str, Any]:
    """What identifies a scene that lends unlabelled pixels: name, size, and a sample of its values."""
    values = sample_scene(source, np.arange(len(source.bands))).values
    return {
        "scene": Path(source.name).name,
        "height": source.height,
        "width": source.width,
        "bands": len(source.bands),
        "sample_sha256": hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest(),
    }


def _present(classes: ClassTable, codes: NDArray[Any]) -> ClassTable:
    found = set(np.unique(codes).tolist()) & set(classes.codes)
    if not found:
        raise LabelError("no pixel is labelled", "draw labels inside the scene; 0 means unlabelled")
    if len(found) < 2:
        raise LabelError("all labelled pixels are of one class", "label at least two classes")
    return classes.subset(found)


def _absent_classes(given: ClassTable, present: ClassTable) -> list[str]:
    absent = [c.name for c in given if c.code not in present.codes]
    return [f"no pixel is labelled {', '.join(absent)}: the model will not know it"] if absent else []


def _choose_bands(
    source: SceneSource, codes: NDArray[Any], classes: ClassTable, messages: list[str]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The bands that serve, and which labelled pixels (H, W) hold data in all of them; says what is left out."""
    positions = np.argwhere(np.isin(codes, classes.codes))
    with_data = np.zeros(len(source.bands), dtype=bool)
    parts = []
    for chunk in np.array_split(positions, max(1, len(positions) // _PIXELS_AT_ONCE)):
        _, measured = gather_spectra(source, chunk)
        with_data |= measured.any(axis=0)
        parts.append(measured)
    if not with_data.any():
        raise LabelError("no labelled pixel holds data", "check that labels and scene lie on the same ground")
    chosen = with_data & source.bands.good
    if not chosen.any():
        raise BandError("every band with data is marked bad", "check the bad-band list (bbl) of the scene")
    bad, empty = np.flatnonzero(with_data & ~source.bands.good), np.flatnonzero(~with_data)
    for numbers, why in ((bad, "are marked bad"), (empty, "hold no data at the labelled pixels")):
        if len(numbers):
            messages.append(
                f"{len(numbers)} of {len(source.bands)} bands {why} and are left out: {ranges(numbers + 1)}"
            )
    complete = np.concatenate([measured[:, chosen].all(axis=1) for measured in parts])
    if not complete.all():
        messages.append(f"{np.count_nonzero(~complete)} labelled pixels hold no data and are left out")
    usable = np.zeros(codes.shape, dtype=bool)
    usable[tuple(positions[complete].T)] = True
    return np.flatnonzero(chosen), usable


def _only(
    bands: NDArray[np.int64], numbers: tuple[int, ...] | None, count: int, messages: list[str]
) -> NDArray[np.int64]:
    """Those bands that have one of the numbers, which begin with 1, of so many; all where None. Says how many stay."""
    if numbers is None:
        return bands
    chosen = bands[np.isin(bands + 1, numbers)]
    if not len(chosen) or max(numbers) > count:
        raise BandError(
            f"preprocessing.only_bands names no band that serves, or one beyond the {count} of the scene",
            "give numbers of bands of this scene, from 1, that are not marked bad",
        )
    messages.append(f"{len(chosen)} of {count} bands are read: {ranges(chosen + 1)}")
    return chosen
