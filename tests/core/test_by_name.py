import pytest
import torch

from hsiattn.core import ATTENTION, BLOCKS, MIXING, POOLING, FeatureBlock, Pooling, create_block, create_pooling
from hsiattn.core import by_name as module
from hsiattn.core.attention import SqueezeExcitation


class _Sized(FeatureBlock):
    """A block that needs to know the size."""

    def __init__(self, channels, *, size, dimensions=2):
        super().__init__()
        self.told = (channels, size, dimensions)


class _Images(FeatureBlock):
    """A block for images alone."""

    forms = (2,)

    def __init__(self, channels, *, dimensions=2):
        super().__init__()


class _Halves(Pooling):
    """A pooling for sequences alone."""

    forms = (1,)

    def __init__(self, channels, *, share=0.5, dimensions=2):
        super().__init__()
        self.told = (channels, share, dimensions)


@pytest.fixture(autouse=True)
def _known(monkeypatch):
    monkeypatch.setitem(module.BLOCKS, "sized", _Sized)
    monkeypatch.setitem(module.BLOCKS, "images", _Images)
    monkeypatch.setitem(module.POOLING, "halves", _Halves)


def test_a_block_is_what_its_name_says_with_its_arguments():
    block = create_block("se", 8, size=9, reduction=2, dimensions=1)
    assert type(block) is SqueezeExcitation
    assert block.squeeze.weight.shape == (4, 8)
    assert block(torch.randn(2, 8, 5)).shape == (2, 8, 5)


def test_every_attention_and_mixing_block_has_its_own_name():
    assert set(ATTENTION) | set(MIXING) == set(BLOCKS) - {"sized", "images"}
    assert not set(ATTENTION) & set(MIXING)
    assert set(POOLING) >= {"halves"}


def test_a_block_is_told_the_size_where_it_asks():
    assert create_block("sized", 4, size=27, dimensions=1).told == (4, 27, 1)
    assert isinstance(create_block("images", 4, size=27), _Images)


def test_a_pooling_is_what_its_name_says_with_its_arguments():
    assert create_pooling("halves", 4, dimensions=1, share=0.3).told == (4, 0.3, 1)


@pytest.mark.parametrize(
    ("create", "message"),
    [
        (lambda: create_block("senet", 4, size=9), r"there is no attention 'senet'; choose one of none, .*\bse\b"),
        (lambda: create_pooling("maxi", 4), r"there is no pooling 'maxi'; choose one of none, .*halves"),
        (lambda: create_block("images", 4, size=9, dimensions=1), "images has no form with 1 dimension$"),
        (lambda: create_block("se", 4, size=9, dimensions=3), "se has no form with 3 dimensions"),
        (lambda: create_pooling("halves", 4), "halves has no form with 2 dimensions"),
        (
            lambda: create_block("se", 4, size=9, ratio=2, heads=3),
            "se has no argument heads, ratio; it takes reduction, identity_start",
        ),
        (
            lambda: create_pooling("halves", 4, dimensions=1, size=3),
            "halves has no argument size; it takes share",
        ),
        (lambda: create_block("se", 4, size=9, reduction=0), "reduction must be at least 1, not 0"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(create, message):
    with pytest.raises(ValueError, match=message):
        create()
