"""Warnings of a map that is worse than it looks, and how right it was on labels that were left out.

All functions take plain figures and give sentences without a final full stop, with the problem and the remedy; none
where all is well. Pixels of a polygon are right or wrong together, so intervals count left-out groups, not pixels.
"""

from __future__ import annotations

from collections.abc import Mapping

from hsiattn.assessment.intervals import wilson_interval

_MUCH_BETTER = 0.02
"""Less is what the best of four classifiers gains by chance; nor does less than one group tell anything."""
_FAR_ABOVE = 0.1
"""Calibration error up to which a confidence is of use."""
_MUCH_UNLIKE = 0.15
"""Ten pixels per class drawn at random leave 2 to 13 % of a scene outside (four scenes), polygons of pure fields up to
28 %: beyond what chance leaves out, labels are of another kind than the scene."""
_FOLLOWS = 0.8
"""A network may differ where its window tells more than the mixture, but not on every fifth pixel."""
_SEVERAL = 1.5
"""Mean number of pixels from which on groups are called polygons."""


def describe_choice(
    name: str,
    accuracy: float | None,
    rivals: Mapping[str, float],
    *,
    chance: float | None,
    pixels: int,
    groups: int,
    taken_alone: str | None = None,
    agreement: float | None = None,
) -> str:
    """Say what was built from which classifiers, and how right they were on left-out groups.

    Parameters
    ----------
    name
        Name of the recipe.
    accuracy
        Share of the left-out pixels that its mixture has right, 0 … 1; None where none could be left out.
    rivals
        The same of other classifiers, by name.
    chance
        Share of the most frequent class among the left-out pixels.
    pixels, groups
        Number of left-out pixels, and of groups that they were left out in.
    taken_alone
        Name of the classifier that stands in place of the mixture; None for the mixture.
    agreement
        Share of unlabelled pixels where the network says the same, 0 … 1; None if not known.

    Examples
    --------
    >>> describe_choice("default", 0.57, {"lda": 0.56, "svm": 0.47}, chance=0.31, pixels=54, groups=54, agreement=0.9)
    'on 54 left-out pixels: mixture of default 57 %, lda 56 %, svm 47 % (most frequent class alone: 31 %); the network follows the mixture on 90 % of unlabelled pixels'
    """  # noqa: E501
    if accuracy is None or chance is None or not groups:
        return f"no group of labels could be left out, so nothing tells how good {name}'s choice of classifiers is"
    ordered = [f"{rival} {_whole(share)}" for rival, share in sorted(rivals.items(), key=lambda item: -item[1])]
    own = [] if taken_alone else [f"mixture of {name} {_whole(accuracy)}"]
    text = (
        f"on {_left_out(pixels, groups)}: {', '.join([*own, *ordered])} (most frequent class alone: {_whole(chance)})"
    )
    followed = "the mixture"
    if taken_alone:
        text += f"; {taken_alone} was clearly better than the mixture of {name} and is followed alone"
        followed = taken_alone
    if agreement is not None:
        text += f"; the network follows {followed} on {_whole(agreement)} of unlabelled pixels"
    return text


def warn_of_chance(accuracies: Mapping[str, float], chance: float, *, pixels: int, groups: int) -> list[str]:
    """Warn where no classifier is clearly better on left-out groups than the most frequent class alone.

    That is where the 95 % interval (Wilson) of the best one reaches down to it.

    Parameters
    ----------
    accuracies
        Share of the left-out pixels that is right, 0 … 1, by classifier.
    chance, pixels, groups
        See `describe_choice`.

    Examples
    --------
    >>> warn_of_chance({"lda": 0.6}, 0.3, pixels=100, groups=100)
    []
    >>> warn_of_chance({"lda": 0.5}, 0.3, pixels=100, groups=10)[0].partition(": ")[0]
    'nothing here is clearly better than calling every pixel by the most frequent class'
    """
    if not accuracies or groups < 1:
        return []
    best, accuracy = max(accuracies.items(), key=lambda item: item[1])
    lower, upper = _bounds(accuracy, groups)
    if lower > chance:
        return []
    return [
        "nothing here is clearly better than calling every pixel by the most frequent class: on "
        f"{_left_out(pixels, groups)} {best} is right in {_whole(accuracy)} ({_range(lower, upper)}), that class in "
        f"{_whole(chance)}; label every class in more places, or merge classes that look alike"
    ]


def warn_of_better(accuracy: float, rivals: Mapping[str, float], *, pixels: int, groups: int) -> list[str]:
    """Warn where another classifier is better on left-out groups than what was built.

    Parameters
    ----------
    accuracy, rivals, pixels, groups
        See `describe_choice`.

    Examples
    --------
    >>> warn_of_better(0.5, {"lda": 0.56}, pixels=54, groups=54)
    ['lda is 6 points better than what was built: 56 % against 50 % on 54 left-out pixels; take recipe="lda", or compare both maps']
    """  # noqa: E501
    if not rivals or groups < 1:
        return []
    best, highest = max(rivals.items(), key=lambda item: item[1])
    gained = highest - accuracy
    if gained <= max(_MUCH_BETTER, 1 / groups):
        return []
    return [
        f"{best} is {100 * gained:.0f} points better than what was built: {_whole(highest)} against {_whole(accuracy)} "
        f'on {_left_out(pixels, groups)}; take recipe="{best}", or compare both maps'
    ]


def warn_of_overconfidence(confidence: float, accuracy: float, *, pixels: int, groups: int) -> list[str]:
    """Warn of a confidence far above what left-out groups bear out, and above the interval of their accuracy.

    Parameters
    ----------
    confidence
        Mean confidence of the network on unlabelled pixels, 0 … 1.
    accuracy, pixels, groups
        See `describe_choice`.

    Examples
    --------
    >>> warn_of_overconfidence(0.9, 0.85, pixels=100, groups=100)
    []
    >>> warn_of_overconfidence(0.9, 0.5, pixels=500, groups=20)[0].partition(";")[0]
    'the map claims more than it can: mean confidence 90 %, but 50 % of 20 left-out polygons (500 pixels) are right'
    """
    if groups < 1 or confidence - accuracy <= _FAR_ABOVE or confidence <= _bounds(accuracy, groups)[1]:
        return []
    return [
        f"the map claims more than it can: mean confidence {_whole(confidence)}, but {_whole(accuracy)} of "
        f"{_left_out(pixels, groups)} are right; do not rely on its confidence, and label in more places"
    ]


def warn_of_unlike_pixels(share: float | None) -> list[str]:
    """Warn where much of a scene looks like none of its labelled pixels.

    Parameters
    ----------
    share
        Share of the scene outside of what the labelled pixels show, 0 … 1; None if not known.

    Examples
    --------
    >>> warn_of_unlike_pixels(0.4)[0].partition(";")[0]
    '40 % of the scene look like no labelled pixel, and their classes are guesses'
    """
    if share is None or share <= _MUCH_UNLIKE:
        return []
    return [
        f"{_whole(share)} of the scene look like no labelled pixel, and their classes are guesses; label what is there "
        "too, at borders and in small patches, or mask it"
    ]


def warn_of_disagreement(agreement: float, epochs: int) -> list[str]:
    """Warn of a network that does not follow the pseudo-labels it was trained on.

    Parameters
    ----------
    agreement
        See `describe_choice`.
    epochs
        How long it was trained.

    Examples
    --------
    >>> warn_of_disagreement(0.7, 20)[0].partition(";")[0]
    'the network follows its pseudo-labels on 70 % of unlabelled pixels alone, so their accuracy is not its own'
    """
    if agreement >= _FOLLOWS:
        return []
    return [
        f"the network follows its pseudo-labels on {_whole(agreement)} of unlabelled pixels alone, so their accuracy "
        f'is not its own; train it longer than {epochs} epochs, or take recipe="lda"'
    ]


def are_polygons(pixels: int, groups: int) -> bool:
    """Whether groups of labels hold several pixels, as polygons do; of pixels drawn one by one, a few touch by chance.

    Examples
    --------
    >>> are_polygons(pixels=80, groups=79), are_polygons(pixels=80, groups=20)
    (False, True)
    """
    return pixels >= _SEVERAL * groups


def _bounds(accuracy: float, groups: int) -> tuple[float, float]:
    """Wilson's interval (95 %) of an accuracy, with groups as trials."""
    lower, upper = (float(bound) for bound in wilson_interval(accuracy * groups, groups))
    return lower, upper


def _left_out(pixels: int, groups: int) -> str:
    """What was left out, as a noun."""
    if not are_polygons(pixels, groups):
        return f"{pixels} left-out pixel{'s' if pixels > 1 else ''}"
    return f"{groups} left-out polygon{'s' if groups > 1 else ''} ({pixels} pixels)"


def _whole(share: float) -> str:
    """A share in whole per cent: left-out groups tell no more."""
    return f"{100 * share:.0f} %"


def _range(lower: float, upper: float) -> str:
    return f"{100 * lower:.0f}–{100 * upper:.0f} %"
