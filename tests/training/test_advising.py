from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hsiattn.splits import Split
from hsiattn.training import advising

SCENE: Any = SimpleNamespace(
    recipe=SimpleNamespace(patch_size=7), bands=range(200), classes=SimpleNamespace(names=("roof", "grass", "water"))
)
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
    (pseudo,) = _advise(_split((20, 20, 20), 0.0), pseudo_labels={"cross_validated_accuracy": 0.9})
    assert pseudo == untested
    assert _advise(_split((20, 20, 20), 0.0), pseudo_labels={"cross_validated_accuracy": None}) == []
