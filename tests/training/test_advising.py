from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hsiattn.splits import Split
from hsiattn.training import advising

SCENE: Any = SimpleNamespace(
    recipe=SimpleNamespace(name="mine", patch_size=7),
    bands=range(200),
    classes=SimpleNamespace(names=("roof", "grass", "water")),
    positions=lambda *_: (np.zeros((60, 2), int), np.zeros(60, int)),
    groups_of=lambda positions, _: np.arange(len(positions)),
    share_unlike=lambda *_: 0.0,
)
POLYGONS: Any = SimpleNamespace(**{**vars(SCENE), "groups_of": lambda positions, _: np.arange(len(positions)) // 10})
CONFUSION = np.array([[100, 60, 60], [60, 100, 60], [60, 60, 100]])
NOISY: Any = SimpleNamespace(by="validation", targets=np.zeros(20), accuracy=0.8)


def _split(counts: tuple[int, int, int], leakage: float) -> Split:
    per_class = {name: {"training": n, "validation": 0} for name, n in zip(SCENE.classes.names, counts, strict=True)}
    return Split(np.zeros((1, 1), np.uint8), {"per_class": per_class, "leakage": leakage})


def _advise(split: Split, **given: Any) -> list[str]:
    return advising.advise(SCENE, split, **{"held_out": None, "pseudo_labels": None, "confusion": None} | given)


def test_advice_comes_in_order_of_importance_and_five_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advising, "_separability", lambda *_: np.full((3, 3), 2.0))
    sentences = _advise(_split((3, 500, 20), 0.4), held_out=NOISY, confusion=CONFUSION)
    starts = ("accuracy is optimistic", "too few", "training pixels are unbalanced", "roof and grass", "roof and water")
    assert len(sentences) == 5
    assert all(sentence.startswith(start) for sentence, start in zip(sentences, starts, strict=True))
    assert all("; " in sentence and "\n" not in sentence for sentence in sentences)
    some = _advise(_split((3, 500, 20), 0.0), held_out=NOISY)
    assert [sentence.split()[0] for sentence in some] == ["too", "training", "the"]


def test_where_all_is_well_there_is_no_advice() -> None:
    assert _advise(_split((50, 50, 50), 0.0)) == []


def test_without_a_test_the_pixels_left_out_in_turn_are_all_that_is_known() -> None:
    known: Any = SimpleNamespace(by="cross-validation", targets=np.zeros(60), accuracy=0.9)
    (untested,) = _advise(_split((20, 20, 20), 0.0), held_out=known)
    assert untested.startswith("accuracy is not known")
    (pseudo,) = _advise(_split((20, 20, 20), 0.0), pseudo_labels=_record(0.9))
    assert pseudo == untested
    assert _advise(_split((20, 20, 20), 0.0), pseudo_labels=_record(None, pixels=0, groups=0)) == []


def test_left_out_pixels_of_a_polygon_are_one_trial() -> None:
    known: Any = SimpleNamespace(by="cross-validation", targets=np.zeros(60), accuracy=0.9)
    given = {"held_out": known, "pseudo_labels": None, "confusion": None}
    (sentence,) = advising.advise(POLYGONS, _split((20, 20, 20), 0.0), **given)
    assert "60 training pixels in 6 polygons" in sentence


def _record(accuracy: float | None, *, pixels: int = 60, groups: int = 60, **given: Any) -> dict[str, Any]:
    """What a training on pseudo-labels records, all of it well but for what is given."""
    rivals = {"lda": 0.8, "svm": 0.7} if pixels else {}
    left_out = {"pixels": pixels, "groups": groups, "chance": 0.3 if pixels else None, "accuracy": rivals}
    others = {"taken_alone": None, "network_agreement": 0.9, "mean_confidence": 0.9}
    return {"cross_validated_accuracy": accuracy, "left_out": left_out} | others | given


def _warn(record: dict[str, Any] | None = None, held_out: Any = None, scene: Any = SCENE) -> list[str]:
    account = {} if record is None else {"pseudo_labels": record}
    fitted: Any = SimpleNamespace(
        account=account, held_out=held_out, preprocessing=None, record=SimpleNamespace(epochs=20)
    )
    return advising.warn(scene, _split((20, 20, 20), 0.0), fitted)


def test_nothing_is_warned_of_where_left_out_groups_bear_the_map_out() -> None:
    assert _warn(_record(0.9)) == []
    assert _warn(_record(None, pixels=0, groups=0)) == []
    assert _warn() == []


@pytest.mark.parametrize(
    ("record", "start"),
    [
        (_record(0.3, mean_confidence=0.3), "lda is 50 points better"),
        (_record(0.7, mean_confidence=0.95), "the map claims more than it can"),
        (_record(0.9, network_agreement=0.7), "the network follows its pseudo-labels on 70 %"),
        (_record(0.8, groups=3), "nothing here is clearly better"),
    ],
)
def test_each_figure_of_the_record_has_its_warning(record: dict[str, Any], start: str) -> None:
    assert any(sentence.startswith(start) for sentence in _warn(record))


def test_a_classifier_that_is_followed_alone_is_not_better_than_what_was_built() -> None:
    assert _warn(_record(0.75, taken_alone="lda", mean_confidence=0.75)) == []


def test_recipes_in_closed_form_are_warned_of_chance_by_groups() -> None:
    targets = np.repeat([0, 1, 2], 20)
    known: Any = SimpleNamespace(by="cross-validation", targets=targets, accuracy=0.6)
    assert _warn(held_out=known) == []
    (sentence,) = _warn(held_out=known, scene=POLYGONS)
    assert "on 6 left-out polygons (60 pixels) mine is right in 60 %" in sentence
