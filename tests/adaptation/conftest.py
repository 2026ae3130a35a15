"""A scene of three materials in two kinds of light, and a model of the first."""

from dataclasses import dataclass

import numpy as np
import pytest

from hsiattn.classes import ClassTable
from hsiattn.scenes import as_source
from hsiattn.splits import RandomPixels
from hsiattn.training import load_recipe
from hsiattn.training.modelling import fit_model

BANDS = 12


@dataclass(frozen=True, eq=False)
class Pair:
    """Cubes (B, H, W) of the same ground in two kinds of light, codes (H, W), and the gain and offset between them."""

    first: np.ndarray
    second: np.ndarray
    codes: np.ndarray
    gain: np.ndarray
    offset: np.ndarray


@pytest.fixture(scope="session")
def pair():
    rng = np.random.default_rng(4)
    codes = np.kron(rng.integers(1, 4, (6, 7)), np.ones((8, 8), int))
    place = np.linspace(0, 1, BANDS)
    like_haze = 0.1 * (1 - place) ** 2
    means = np.stack(
        [0.1 + 0.2 * place, 0.1 + 0.2 * place + like_haze, 0.15 + 0.3 * np.exp(-(((place - 0.5) / 0.2) ** 2))]
    )
    share = rng.normal(size=(*codes.shape, 1)) * 0.03
    cube = (means[codes - 1] * (1 + share) + 0.004 * rng.normal(size=(*codes.shape, BANDS))).transpose(2, 0, 1)
    gain, offset = 0.7 + 0.2 * place, 1.2 * like_haze
    second = cube * gain[:, None, None] + offset[:, None, None]
    return Pair(cube.astype(np.float32), second.astype(np.float32), codes, gain, offset)


@pytest.fixture(scope="session")
def first(pair, make_scene):
    return as_source(make_scene(pair.first, name="first"))


@pytest.fixture(scope="session")
def second(pair, make_scene):
    return as_source(make_scene(pair.second, name="second"))


@pytest.fixture(scope="session")
def model(pair, first):
    """Linear discriminants, fitted on 20 pixels per class."""
    classes = ClassTable.from_codes([1, 2, 3])
    split = RandomPixels(train_size=20)
    return fit_model(first, pair.codes, classes, load_recipe("lda"), split, device="cpu").model
