from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError

from hsiattn.settings import Settings, first_mistake


class Early(Settings):
    method: Literal["early-stopping"]
    max_epochs: int = 200
    patience: int = Field(default=50, ge=1)


class Pseudo(Settings):
    method: Literal["pseudo-labels"]
    max_epochs: int = 200
    pixels: int = 400


class Part(Settings):
    share: float = 0.5


class Whole(Settings):
    name: str = ""
    training: Early | Pseudo = Field(default=Early(method="early-stopping"), discriminator="method")
    fallback_training: Annotated[Early | Pseudo, Field(discriminator="method")] | None = None
    parts: tuple[Part, ...] = ()
    several: tuple[Annotated[Early | Pseudo, Field(discriminator="method")], ...] = ()
    changes: tuple[str, ...] = Field(default=(), alias="set")


@pytest.mark.parametrize(
    ("values", "problem", "remedy"),
    [
        ({"nam": "x"}, "nam: there is no such key", "did you mean name?"),
        ({"parts": [{}, {"shar": 1}]}, "parts.2.shar: there is no such key", "the keys there are share; did you mean"),
        ({"parts": [{"share": "much"}]}, "parts.1.share: should be a valid number", "correct it"),
        ({"training": {"method": "early-stoping"}}, "training.method: must be one of early-stopping, pseudo-lab", ""),
        ({"training": 3}, "training: should be a mapping of keys and values, not 3", "correct it"),
        ({"training": {"patience": 3}}, "training.method: must be one of early-stopping, pseudo-labels", "correct it"),
        ({"several": [{}]}, "several.1.method: must be one of early-stopping, pseudo-labels", "correct it"),
        ({"training": {"method": "early-stopping", "patience": 0}}, "training.patience: should be greater", ""),
        (
            {"fallback_training": {"method": "pseudo-labels", "pixels": "all"}},
            "fallback_training.pixels: should be a valid integer",
            "",
        ),
        (
            {"training": {"method": "pseudo-labels", "pixel": 1}},
            "training.pixel: there",
            "did you mean training.pixels",
        ),
        ({"epochs": 3}, "epochs: there is no such key", "did you mean training.max_epochs?"),
        ({"sets": []}, "sets: there is no such key", "did you mean set?"),
        ({"set": [3]}, "set.1: should be a valid string, not 3", ""),
        ({"name": 1, "parts": 2}, "(and 1 more)", ""),
    ],
)
def test_a_mistake_is_told_by_the_key_as_it_is_written(values, problem, remedy):
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate(values)
    mistake = first_mistake(caught.value, Whole)
    assert problem in mistake.problem
    assert remedy in mistake.remedy


@pytest.mark.parametrize("place", ["training", "fallback_training"])
def test_a_setting_of_another_kind_is_said_to_have_no_effect(place):
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate({place: {"method": "pseudo-labels", "patience": 3}})
    assert first_mistake(caught.value, Whole) == (
        f"{place}.patience: has no effect with method: pseudo-labels",
        "leave it out, or take method: early-stopping",
    )


def test_settings_show_what_differs_from_the_defaults():
    assert repr(Part()) == "Part()"
    assert repr(Whole(parts=(Part(share=0.25),))) == "Whole(parts=(Part(share=0.25),))"
    assert repr(Early(method="early-stopping")) == "Early(method='early-stopping')"


@pytest.mark.parametrize("share", [float("nan"), float("inf")])
def test_a_number_must_be_finite(share):
    with pytest.raises(ValidationError):
        Part(share=share)
