"""Matching of the bands of a scene with those of a model: by wavelength, by name, by position, or not at all."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hsiattn.errors import BandError
from hsiattn.scenes.spectral import SpectralBands

Rule = Literal["wavelength", "name", "count"]


@dataclass(frozen=True, eq=False)
class BandMatch:
    """Which bands of a scene stand for the wanted ones, and how that was decided.

    Attributes
    ----------
    indices
        Position among the offered bands of every needed band, int64 (B,).
    rule
        What decided first: "wavelength", where any band was found by it; else "name", where any was; else "count".
    largest_difference
        Largest distance in nm between a wanted centre and the one taken for it; NaN unless the rule is "wavelength".
    by_name, by_position
        Bands that were found by their name, and by their place among the others, because they have no wavelength.
    """

    indices: NDArray[np.int64]
    rule: Rule
    largest_difference: float = math.nan
    by_name: int = 0
    by_position: int = 0

    @property
    def shared(self) -> int:
        """How many bands have no offered band of their own, because another one is read from it too."""
        return len(self.indices) - len(np.unique(self.indices))

    def describe(self) -> str:
        """The rule in a few words, for messages and tags.

        >>> BandMatch(np.arange(13), "wavelength", 0.42, by_position=1).describe()
        'wavelength, at most 0.4 nm apart, 1 band without wavelength by position'
        >>> BandMatch(np.arange(3), "count", by_position=3).describe()
        'count alone'
        """
        if self.rule == "count":
            return "count alone"
        words = "name" if self.rule == "name" else f"wavelength, at most {self.largest_difference:.1f} nm apart"
        for count, what in ((self.by_name if self.rule != "name" else 0, "name"), (self.by_position, "position")):
            if count:
                words += f", {count} band{'' if count == 1 else 's'} without wavelength by {what}"
        return words


def match_bands(
    wanted: SpectralBands, offered: SpectralBands, *, wanted_name: str = "model", offered_name: str = "scene"
) -> NDArray[np.int64]:
    """Index into `offered` for every wanted band, int64 (B,): the `indices` of `find_band_match`.

    Raises
    ------
    BandError
        No rule fits; the message names both lists.

    Examples
    --------
    >>> scene = SpectralBands.build(4, wavelength=[450, 550, 660, 860], fwhm=[10] * 4)
    >>> match_bands(SpectralBands.build(2, wavelength=[862, 548], fwhm=[10, 10]), scene)
    array([3, 1])
    """
    return find_band_match(wanted, offered, wanted_name=wanted_name, offered_name=offered_name).indices


def find_band_match(
    wanted: SpectralBands,
    offered: SpectralBands,
    *,
    needed: NDArray[np.int64] | None = None,
    wanted_name: str = "model",
    offered_name: str = "scene",
) -> BandMatch:
    """Match bands by wavelength, the others by name, else by position, and say which of these it was.

    By wavelength, where both sides know some: the nearest offered band, which must lie within the FWHM of the wanted
    band, or within half the distance to its neighbour where the FWHM is unknown. Two wanted bands may share one offered
    band, unless there is one for each at the same centre. A band without a wavelength on one side is matched by its
    name, where it has one that is more than "band 7", else by its position: between the same neighbours, or at the same
    place of lists of equal length.

    Where one side knows no wavelength: by names, if all are unique and more than numbers, else by count, if both sides
    have as many bands and names do not stand in another order.

    Parameters
    ----------
    needed
        Indices of the wanted bands that must be found; None for all. The others help to tell places.

    Raises
    ------
    BandError
        No rule fits, or the wavelengths are known and do not agree; the message names both lists.

    Examples
    --------
    >>> find_band_match(SpectralBands.unknown(3), SpectralBands.unknown(3)).describe()
    'count alone'
    """
    needed = np.arange(len(wanted), dtype=np.int64) if needed is None else np.asarray(needed, dtype=np.int64)
    names = (wanted_name, offered_name)
    if np.isfinite(wanted.wavelength).any() and np.isfinite(offered.wavelength).any():
        return _match_by_wavelength(wanted, offered, needed, names)
    places = {name: index for index, name in enumerate(offered.names)}
    of_needed = [wanted.names[i] for i in needed]
    unique = len(_unique_names(wanted)) == len(wanted) and len(places) == len(offered)
    if unique and all(name in places for name in of_needed):
        indices = np.array([places[name] for name in of_needed], dtype=np.int64)
        return BandMatch(indices, "name", by_name=len(indices))
    by_count = _places_by_count(wanted, offered, needed)
    if by_count is None:
        raise BandError(
            f"the bands of the {offered_name} do not fit the {wanted_name}: the {wanted_name} has "
            f"{legible_bands(wanted)}, the {offered_name} has {legible_bands(offered)}",
            "use a scene of the same sensor, or add wavelengths to both so that bands can be matched by them",
        )
    _check_names(wanted, offered, needed, by_count, names)
    return BandMatch(by_count, "count", by_position=len(by_count))


def _places_by_count(
    wanted: SpectralBands, offered: SpectralBands, needed: NDArray[np.int64]
) -> NDArray[np.int64] | None:
    """Places of the needed bands in a scene with all of the wanted bands, or with just these; None in any other."""
    if len(wanted) == len(offered):
        return needed
    return np.arange(len(needed), dtype=np.int64) if len(needed) == len(offered) else None


def _check_names(
    wanted: SpectralBands,
    offered: SpectralBands,
    needed: NDArray[np.int64],
    places: NDArray[np.int64],
    names: tuple[str, str],
) -> None:
    """Refuse to go by count where a name stands at another place."""
    own, known = _unique_names(wanted), _unique_names(offered)
    for i, place in zip(needed.tolist(), places.tolist(), strict=True):
        elsewhere = known.get(wanted.names[i], place) if wanted.names[i] in own else place
        if elsewhere != place:
            raise BandError(
                f"the bands of the {names[1]} stand in another order than those of the {names[0]}: "
                f"{wanted.names[i]} is band {i + 1} of the {names[0]} and band {elsewhere + 1} of the {names[1]}",
                "add wavelengths to both, or give all bands the same names, so that they can be matched",
            )


# ------------------------------------------------------------------------------------------------------ by wavelength


def _match_by_wavelength(
    wanted: SpectralBands, offered: SpectralBands, needed: NDArray[np.int64], names: tuple[str, str]
) -> BandMatch:
    places, difference = _nearest(wanted.wavelength, offered.wavelength)
    with np.errstate(invalid="ignore"):
        found = difference <= _tolerance(wanted)
    places = np.where(found, places, -1)
    named = _by_name(wanted, offered, places)
    placed = _by_position(wanted, offered, named)
    lost = needed[placed[needed] < 0]
    if lost.size:
        raise _no_counterpart(wanted, offered, lost, len(needed), names)
    by_wavelength, by_name = places[needed] >= 0, (places[needed] < 0) & (named[needed] >= 0)
    rule: Rule = "wavelength" if by_wavelength.any() else "name" if by_name.any() else "count"
    return BandMatch(
        placed[needed],
        rule,
        float(difference[needed][by_wavelength].max()) if by_wavelength.any() else math.nan,
        by_name=int(np.count_nonzero(by_name)),
        by_position=int(np.count_nonzero(named[needed] < 0)),
    )


def _nearest(
    wanted: NDArray[np.float64], offered: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Index and distance of the nearest offered centre; distance inf where the wanted one is unknown.

    Where several offered bands have that same centre (spectrometers overlap), wanted ones of one centre take one each,
    in their order, or against it where the scene's order is reversed.
    """
    known = np.flatnonzero(np.isfinite(offered))
    known = known[np.argsort(offered[known], kind="stable")]
    centres, starts, counts = np.unique(offered[known], return_index=True, return_counts=True)
    asked = np.where(np.isfinite(wanted), wanted, centres[0])
    above = np.searchsorted(centres, asked).clip(0, len(centres) - 1)
    below = (above - 1).clip(0)
    nearest = np.where(np.abs(centres[below] - asked) <= np.abs(centres[above] - asked), below, above)
    distance = np.where(np.isfinite(wanted), np.abs(centres[nearest] - asked), np.inf)
    rank = np.zeros(len(wanted), dtype=np.int64)
    if counts.max() > 1:
        steps = np.sign(np.diff(known[starts][nearest])).sum()
        order = range(len(wanted))[:: -1 if steps < 0 else 1]
        seen: dict[float, int] = {}
        for i in order:
            rank[i] = seen.get(float(asked[i]), 0)
            seen[float(asked[i])] = int(rank[i]) + 1
    return known[starts[nearest] + np.minimum(rank, counts[nearest] - 1)].astype(np.int64), distance


def _free(offered: SpectralBands, places: NDArray[np.int64]) -> NDArray[np.bool_]:
    free = np.ones(len(offered), dtype=bool)
    free[places[places >= 0]] = False
    return free


def _may_stand(wanted: SpectralBands, offered: SpectralBands, i: int, place: int) -> bool:
    """Whether no known wavelengths contradict: two of them would have been matched by them."""
    return not (math.isfinite(wanted.wavelength[i]) and math.isfinite(offered.wavelength[place]))


def _by_name(wanted: SpectralBands, offered: SpectralBands, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """The places, with those of bands that only their name tells."""
    result, free = places.copy(), _free(offered, places)
    own, known = _unique_names(wanted), _unique_names(offered)
    for i in np.flatnonzero(places < 0).tolist():
        place = known.get(wanted.names[i], -1) if wanted.names[i] in own else -1
        if place >= 0 and free[place] and _may_stand(wanted, offered, i, place):
            result[i] = place
    return result


def _by_position(wanted: SpectralBands, offered: SpectralBands, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """The places, with those of bands that stand between the same neighbours, or at the same place of equal lists."""
    result, free = places.copy(), _free(offered, places)
    for run, candidates in _runs(places, len(offered)):
        left = [place for place in candidates if free[place]]
        left = [place for place in left if len(left) == len(run) or not math.isfinite(offered.wavelength[place])]
        if len(left) == len(run) and all(_may_stand(wanted, offered, *pair) for pair in zip(run, left, strict=True)):
            result[run] = left
    lost = np.flatnonzero(result < 0).tolist()
    free = _free(offered, result)
    if len(wanted) == len(offered) and all(free[i] and _may_stand(wanted, offered, i, i) for i in lost):
        result[lost] = lost
    return result


def _runs(places: NDArray[np.int64], count: int) -> Iterator[tuple[list[int], range]]:
    """Neighbouring bands without a place, and the range of places between those of their neighbours.

    None where the bands with a place stand in another order than their places, neither the same nor its reverse.
    """
    found = np.flatnonzero(places >= 0)
    steps = np.diff(places[found])
    forward = bool((steps >= 0).all())
    if not forward and not (steps <= 0).all():
        return
    lost = np.flatnonzero(places < 0)
    for run in np.split(lost, np.flatnonzero(np.diff(lost) > 1) + 1) if lost.size else []:
        before, after = found[found < run[0]], found[found > run[-1]]
        if forward:
            first = int(places[before[-1]]) + 1 if before.size else 0
            yield run.tolist(), range(first, int(places[after[0]]) if after.size else count)
        else:
            last = int(places[before[-1]]) - 1 if before.size else count - 1
            yield run.tolist(), range(last, int(places[after[0]]) if after.size else -1, -1)


def _no_counterpart(
    wanted: SpectralBands, offered: SpectralBands, lost: NDArray[np.int64], needed: int, names: tuple[str, str]
) -> BandError:
    lists = f"the {names[0]} has {legible_bands(wanted)}, the {names[1]} has {legible_bands(offered)}"
    known = lost[np.isfinite(wanted.wavelength[lost])]
    if known.size:
        lacking = _shorten([f"{wanted.wavelength[i]:.1f}" for i in known])
        return BandError(
            f"the {names[1]} has no band near {lacking} nm ({known.size} of {needed} bands): {lists}",
            "use a scene that covers these wavelengths",
        )
    lacking = _shorten([f"{wanted.names[i]} (number {i + 1})" for i in lost])
    return BandError(
        f"{lacking} of the {names[0]} has no wavelength, and neither name nor place tells which band of the "
        f"{names[1]} it is: {lists}",
        "give it a wavelength on both sides, or train without it",
    )


_LONE_BAND_TOLERANCE = 5.0  # nm: half of the 10 nm that imaging spectrometers usually have between bands
_ROUNDING = 0.05  # nm: centres are often printed with one decimal


def _tolerance(bands: SpectralBands) -> NDArray[np.float64]:
    """Allowed distance in nm for every band: its FWHM, else half the distance to the nearer neighbour in file order."""
    half = np.full(len(bands), _LONE_BAND_TOLERANCE)
    known = np.flatnonzero(np.isfinite(bands.wavelength))
    steps = np.abs(np.diff(bands.wavelength[known]))
    steps = np.where(steps > 0, steps, np.inf)
    spacing = np.minimum(np.append(steps, np.inf), np.insert(steps, 0, np.inf))
    half[known] = np.where(np.isfinite(spacing), spacing / 2, _LONE_BAND_TOLERANCE)
    return np.where(bands.fwhm > 0, bands.fwhm, half) + _ROUNDING


_GENERIC_NAME = re.compile(r"(band|layer|channel)?[\s_-]*\d+", re.IGNORECASE)


def _unique_names(bands: SpectralBands) -> dict[str, int]:
    """Names that are more than numbers and occur once, with the index of their band."""
    places: dict[str, int] = {}
    repeated: set[str] = set()
    for index, name in enumerate(bands.names):
        if name in places:
            repeated.add(name)
        places[name] = index
    return {n: i for n, i in places.items() if n not in repeated and not _GENERIC_NAME.fullmatch(n)}


def legible_bands(bands: SpectralBands) -> str:
    """The list of bands as it fits into one line: count, then wavelengths or names."""
    if np.isfinite(bands.wavelength).any():
        centres = [f"{value:.1f}" if math.isfinite(value) else "unknown" for value in bands.wavelength]
        return f"{len(bands)} bands at {_shorten(centres)} nm"
    return f"{len(bands)} bands without wavelengths ({_shorten(list(bands.names))})"


def _shorten(items: Sequence[Any], ends: int = 3) -> str:
    """Join all items, or the first and last few of a long list.

    >>> _shorten(["1", "2", "3", "4", "5", "6", "7", "8"])
    '1, 2, 3, …, 6, 7, 8'
    """
    if len(items) <= 2 * ends + 1:
        return ", ".join(items)
    return ", ".join([*items[:ends], "…", *items[-ends:]])
