"""Scenes as a satellite sees towns and the country around them: most pixels of a town hold several covers.

Land is laid out on a grid three to six times finer than the pixel (`town_layout`), each of its fields is filled with
spectra of one polygon of a library (`composed_scenes`), and the cells of a pixel are averaged. Covers are grouped to
classes of several kinds, such as roofs of all colours; a pixel is of the class that has the largest share of it.
Sizes of pixels and fields, the share of town, light, noise, bands and classes are drawn from the seed, so that scenes
differ as those of different sensors over different places do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from hsiattn.simulation.landscape import smooth_noise
from hsiattn.simulation.sensor import noise_of_bands
from scripts.benchmarks.accuracy.composed_scenes import Library, patchwork, read_library, write_classes, write_scene
from scripts.benchmarks.accuracy.plan_runner import need_folders
from scripts.benchmarks.accuracy.town_layout import Layout, LayoutSettings, lay_out_town

SEEDS = range(500, 508)
"""Of the scenes of the plan `composed-towns`. They decide nothing; those of other seeds may."""

COVERS = {
    "trees": ("GV tree",),
    "shrubs": ("GV shrub",),
    "green herbs": ("GV herb", "turf other"),
    "dry herbs": ("NPV herb", "NPV bark"),
    "soil": ("SOIL dirt", "SOIL na", "SOIL soil"),
    "sand and rock": ("SOIL sand", "ROCK na"),
    "roads": ("paved road", "paved bridge", "paved airport_runway"),
    "squares": ("paved parking_lot", "paved sidewalk", "paved other"),
    "mineral roofs": ("roof tile", "roof concrete", "roof gravel"),
    "coated roofs": ("roof comp_shingle", "roof paint", "roof unknown"),
    "water": ("water lake",),
}
"""The finest classes, and their covers in the library."""
_BROADEST = ("woody plants", "herbaceous plants", "bare ground", "sealed ground", "water")
_PARTS = {
    "woody plants": ("trees", "shrubs"),
    "herbaceous plants": ("green herbs", "dry herbs"),
    "bare ground": ("soil", "sand and rock"),
    "sealed ground": ("paved ground", "roofs"),
    "paved ground": ("roads", "squares"),
    "roofs": ("mineral roofs", "coated roofs"),
}
"""Classes that can be divided, and what into."""
_COVERED_BY = {
    "field": {"green herbs": 3.0, "dry herbs": 2.0, "soil": 2.0, "sand and rock": 0.7, "shrubs": 0.7},
    "wood": {"trees": 3.0, "shrubs": 1.5},
    "tree": {"trees": 4.0, "shrubs": 1.0},
    "garden": {"green herbs": 4.0, "dry herbs": 2.0, "soil": 1.5, "squares": 1.5, "shrubs": 1.0},
    "square": {"squares": 3.0, "soil": 0.5, "roads": 0.5},
    "road": {"roads": 1.0},
    "roof": {"mineral roofs": 1.0, "coated roofs": 1.0},
    "lake": {"water": 1.0},
}
"""What land of each use may be covered by: concentrations of the Dirichlet distribution of a scene's shares."""

_LEAST_PIXELS = 60
"""Labelled pixels of a class; rarer ones are no class."""
_LABELLED = 2 / 3
"""Of the land."""
_SENSORS = ((48, 1050.0), (48, np.inf), (103, np.inf), (None, np.inf))
"""Bands, None for all of the library, and the longest wavelength in nm, where silicon ends."""


@dataclass(frozen=True)
class TownSettings:
    """What a scene is like.

    Attributes
    ----------
    side
        Pixels along each side.
    cells
        Cells of the fine grid along each side of a pixel.
    classes
        Number of classes before the rare ones are left out.
    layout
        What the land is like.
    bands, longest
        Number of bands, at most, and the longest wavelength in nm.
    kinds
        Polygons of the library of each cover that are in the scene, at most.
    grain
        Typical size in cells of the spots that a field is made of.
    strays
        Share of spots that are of another polygon than their field, of the same cover.
    weeds
        Share of spots of which up to a half is of any cover.
    shading, patchiness
        Deviation of the logarithm of the brightness, of fields and of the spots of a field.
    light
        Deviation of the smooth variation of light, relative.
    optics
        Deviation in pixels of the Gaussian by which the optics mix neighbours.
    noise
        Deviation of the noise, relative to that of `noise_of_bands`.
    """

    side: int
    cells: int
    classes: int
    layout: LayoutSettings
    bands: int | None
    longest: float
    kinds: int
    grain: float
    strays: float
    weeds: float
    shading: float
    patchiness: float
    light: float
    optics: float
    noise: float


def draw_settings(seed: int) -> TownSettings:
    """What the scene of a seed is like."""
    rng = np.random.default_rng([seed, 0])
    cells = int(rng.integers(3, 7))
    bands, longest = _SENSORS[rng.integers(len(_SENSORS))]
    return TownSettings(
        side=int(rng.integers(100, 161)),
        cells=cells,
        classes=int(rng.integers(5, 9)),
        layout=LayoutSettings.draw(rng),
        bands=bands,
        longest=longest,
        kinds=int(rng.integers(1, 9)),
        grain=cells * rng.uniform(0.5, 3),
        strays=rng.uniform(0, 1),
        weeds=rng.uniform(0, 1),
        shading=rng.uniform(0.03, 0.15),
        patchiness=rng.uniform(0, 0.3),
        light=rng.uniform(0.02, 0.08),
        optics=rng.uniform(0.35, 0.75),
        noise=float(np.exp(rng.uniform(np.log(0.5), np.log(8)))),
    )


def compose_town(library: Library, seed: int) -> tuple[NDArray[np.float32], NDArray[np.uint8], list[str]]:
    """Reflectance (B, H, W), class codes 1 … K (H, W) with 0 where unlabelled, and the names of classes 1 … K.

    The bands are those of `seen_by_sensor`. A third of the land has no label. The optics mix the means of pixels, not
    the cells: the fine grid of all bands would take up to 0.7 GB.
    """
    settings = draw_settings(seed)
    library = seen_by_sensor(library, settings)
    rng = np.random.default_rng([seed, 1])
    legend = _draw_legend(settings.classes, rng)
    layout = lay_out_town(settings.side * settings.cells, settings.layout, rng)
    covers = _draw_covers(layout, library, rng)
    labels, names = _label(class_shares(layout, covers, legend, settings.cells), list(legend), rng)
    values = mix_cells(layout, covers, library, settings, rng)
    values = ndimage.gaussian_filter(values, (0, settings.optics, settings.optics), mode="reflect")
    values *= 1 + settings.light * smooth_noise(rng, (settings.side, settings.side), settings.side / 4)
    deviation = np.float32(settings.noise) * noise_of_bands(library.wavelengths)[:, None, None]
    values += deviation * rng.standard_normal(values.shape, dtype=np.float32)
    return values, labels, names


def seen_by_sensor(library: Library, settings: TownSettings) -> Library:
    """The library in the bands of a scene: those up to the longest wavelength, neighbours averaged."""
    kept = library.wavelengths <= settings.longest
    wavelengths = library.wavelengths[kept]
    count = min(settings.bands or len(wavelengths), len(wavelengths))
    starts = np.array([part[0] for part in np.array_split(np.arange(len(wavelengths)), count)])
    sizes = np.diff(np.append(starts, len(wavelengths)))

    def averaged(spectra: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(np.add.reduceat(spectra[:, kept], starts, axis=1) / sizes, dtype=np.float32)

    polygons = {cover: [averaged(spectra) for spectra in places] for cover, places in library.polygons.items()}
    return Library(np.add.reduceat(wavelengths, starts) / sizes, polygons)


def compose_towns(data: Path, folder: Path) -> None:
    """The scenes of `SEEDS`, each in a folder of its own; those that are there already stay."""
    need_folders(data, ("roberts2017-urban",))
    library = read_library(data / "roberts2017-urban")
    for seed in SEEDS:
        place = folder / f"composed-town-{seed}"
        if (place / "classes.csv").is_file():
            continue
        values, labels, names = compose_town(library, seed)
        write_scene(place, values, labels, seen_by_sensor(library, draw_settings(seed)))
        write_classes(place, names)


# ------------------------------------------------------------------------------------------------ covers and classes


def _draw_legend(count: int, rng: np.random.Generator) -> dict[str, list[str]]:
    """Covers of each class: the broadest classes, some divided at random until there are so many."""
    names = list(_BROADEST)
    while len(names) < count:
        divided = str(rng.choice([name for name in names if name in _PARTS]))
        place = names.index(divided)
        names[place : place + 1] = _PARTS[divided]
    return {name: [cover for finest in _finest(name) for cover in COVERS[finest]] for name in names}


def _finest(name: str) -> list[str]:
    return [finest for part in _PARTS[name] for finest in _finest(part)] if name in _PARTS else [name]


def _draw_covers(layout: Layout, library: Library, rng: np.random.Generator) -> NDArray[np.str_]:
    """Cover of every field."""
    uses = np.array(layout.uses)
    covers = np.empty(len(uses), dtype="U32")
    for use, classes in _COVERED_BY.items():
        often = {
            cover: weight / len(COVERS[name])
            for name, weight in classes.items()
            for cover in COVERS[name]
            if cover in library.polygons
        }
        shares = rng.dirichlet(list(often.values()))
        fields = uses == use
        covers[fields] = rng.choice(list(often), size=np.count_nonzero(fields), p=shares)
    return covers


def class_shares(
    layout: Layout, covers: NDArray[np.str_], legend: Mapping[str, Sequence[str]], cells: int
) -> NDArray[np.float64]:
    """Share (K, H, W) of each class of the legend in each pixel."""
    class_of = {cover: number for number, members in enumerate(legend.values()) for cover in members}
    side = len(layout.region) // cells
    fine = np.array([class_of[cover] for cover in covers])[layout.region].reshape(side, cells, side, cells)
    return np.stack([(fine == number).mean(axis=(1, 3)) for number in range(len(legend))])


def _label(
    shares: NDArray[np.float64], names: Sequence[str], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], list[str]]:
    """Code of the class of the largest share, in the part of the land that was surveyed, and the names of classes."""
    largest = shares.argmax(axis=0)
    unknown = smooth_noise(rng, (len(largest), len(largest)), len(largest) / rng.uniform(3, 12))
    surveyed = unknown <= np.quantile(unknown, _LABELLED)
    kept = np.flatnonzero(np.bincount(largest[surveyed], minlength=len(names)) >= _LEAST_PIXELS)
    code = np.zeros(len(names), dtype=np.uint8)
    code[kept] = np.arange(1, len(kept) + 1)
    return np.where(surveyed, code[largest], 0).astype(np.uint8), [
        name for number, name in enumerate(names) if number in kept
    ]


# ---------------------------------------------------------------------------------------------------- mixed spectra


def mix_cells(
    layout: Layout, covers: NDArray[np.str_], library: Library, settings: TownSettings, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Reflectance (B, H, W) of the pixels: the mean of their cells, each a mixture of two spectra.

    A field is of one polygon of its cover, with spots of others unless it is a lake.
    """
    spectra: list[NDArray[np.float32]] = []
    first, count = np.zeros((2, len(covers)), dtype=np.int64)  # of the polygons of each field's cover
    for cover in np.unique(covers):
        places = library.polygons[cover]
        first[covers == cover], count[covers == cover] = len(spectra), min(len(places), settings.kinds)
        spectra += [places[place] for place in rng.permutation(len(places))[: settings.kinds]]
    size = np.array([len(polygon) for polygon in spectra])
    start = np.cumsum(size) - size

    region, side = layout.region, settings.side
    spot = patchwork(region.shape, settings.grain**2, rng) - 1
    spots, fields = spot.max() + 1, len(covers)
    rough = (np.array(layout.uses) != "lake")[region]
    stray, weedy = (rough & (rng.random(spots) < share)[spot] for share in (settings.strays, settings.weeds))
    kind = np.where(stray, rng.random(spots)[spot], rng.random(fields)[region])
    polygon = first[region] + (kind * count[region]).astype(np.int64)
    polygons = np.stack([polygon, np.where(weedy, rng.integers(len(size), size=spots)[spot], polygon)])
    rows = start[polygons] + (rng.random(polygons.shape) * size[polygons]).astype(np.int64)

    bright = settings.shading * rng.standard_normal(fields)[region]
    bright += rough * settings.patchiness * rng.standard_normal(spots)[spot]
    minor = rng.random(spots)[spot] / 2
    weights = np.stack([1 - minor, minor]) * np.exp(bright) / settings.cells**2
    place = np.arange(len(region)) // settings.cells
    pixels = np.broadcast_to(place[:, None] * side + place, rows.shape)
    mixing = sparse.coo_array(
        (weights.ravel().astype(np.float32), (pixels.ravel(), rows.ravel())), shape=(side**2, size.sum())
    )
    return np.ascontiguousarray((mixing.tocsr() @ np.concatenate(spectra)).T.reshape(-1, side, side))
