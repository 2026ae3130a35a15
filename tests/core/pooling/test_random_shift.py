"""Random shifts against padding and cropping by hand, and how they are drawn."""

import inspect
import itertools

import pytest
import torch
from torch.nn import functional

import hsiattn.core.pooling.random_shift
from hsiattn.core import create_pooling
from hsiattn.core.pooling import AveragePooling, HybridPooling, MaxPooling, Pooling, RandomShift, WaveletPooling
from hsiattn.core.pooling.random_shift import shifted

STEPS = (-1, 0, 1)


def _map(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _cropped(x, offsets):
    """x padded by one position on every side and cropped at the offsets."""
    padded = functional.pad(x.float(), (1, 1) * len(offsets), mode="replicate").to(x.dtype)
    starts = (slice(1 + d, 1 + d + side) for d, side in zip(offsets, x.shape[2:], strict=True))
    return padded[(..., *starts)]


class _Fixed(RandomShift):
    """With an offset that the test chooses."""

    def draw(self, x):
        return torch.tensor([self.chosen])


@pytest.mark.parametrize("sides", [(27, 27), (14, 14), (5, 4), (1, 1), (9,), (2,)])
@pytest.mark.parametrize("kind", [MaxPooling, AveragePooling, WaveletPooling, HybridPooling])
@pytest.mark.parametrize("masked", [False, True])
def test_every_shift_is_the_pooling_of_the_padded_and_cropped_input(sides, kind, masked):
    pooling = kind(3, dimensions=len(sides))
    x = _map(2, 3, *sides)
    mask = _map(2, 1, *sides, seed=1) > 0 if masked else None
    wrapped = _Fixed(pooling).train()
    for offsets in itertools.product(STEPS, repeat=len(sides)):
        wrapped.chosen = offsets
        values, cells, _ = wrapped(x, mask)
        expected = pooling(_cropped(x, offsets), None if mask is None else _cropped(mask, offsets))
        assert torch.equal(values, expected.values)
        assert values.shape == (2, pooling.outputs, *((side + 1) // 2 for side in sides))
        assert mask is None or torch.equal(cells, expected.mask)


def test_details_are_shifted_along():
    pooling = HybridPooling(3, detail="skip", detail_channels=2)
    x, details = _map(2, 3, 7, 6), _map(2, 2, 7, 6, seed=1)
    wrapped = _Fixed(pooling).train()
    wrapped.chosen = (1, -1)
    expected = pooling(_cropped(x, (1, -1)), None, _cropped(details, (1, -1)))
    assert torch.equal(wrapped(x, None, details).details, expected.details)


def test_a_shift_around_the_edge_would_be_noticed():
    """Known-bad: rolling brings values of the opposite edge."""
    x = _map(1, 1, 6)
    steps = torch.tensor([[1]])
    assert not torch.equal(torch.roll(x, -1, dims=2), shifted(x, steps))
    assert torch.equal(shifted(x, steps)[..., :-1], x[..., 1:])
    assert shifted(x, steps)[..., -1] == x[..., -1]


@pytest.mark.parametrize(
    ("offsets", "axes", "allowed"),
    [
        ("paper", 2, {(d, d) for d in STEPS}),
        ("full", 2, set(itertools.product(STEPS, STEPS))),
        ("paper", 1, {(d,) for d in STEPS}),
        ("full", 1, {(d,) for d in STEPS}),
    ],
)
def test_exactly_the_named_offsets_are_drawn_each_about_equally_often(offsets, axes, allowed):
    torch.manual_seed(0)
    x = torch.zeros(900, 1, *(4,) * axes)
    shift = RandomShift(MaxPooling(1), offsets=offsets, per_sample=True)
    drawn = [tuple(each) for each in shift.draw(x).tolist()]
    assert len(drawn) == 900
    assert set(drawn) == allowed
    assert max(drawn.count(each) for each in allowed) < 1.4 * 900 / len(allowed)
    shift.per_sample = False
    assert {tuple(shift.draw(x)[0].tolist()) for _ in range(200)} == allowed


@pytest.mark.parametrize("per_sample", [False, True])
def test_samples_share_their_shift_unless_told_otherwise(per_sample):
    x = _map(1, 2, 8, 8).expand(40, -1, -1, -1)
    torch.manual_seed(0)
    values = RandomShift(MaxPooling(2), offsets="full", per_sample=per_sample).train()(x)
    assert len(torch.unique(values, dim=0)) == (9 if per_sample else 1)


def test_each_sample_is_shifted_by_its_own_offset():
    x, mask = _map(3, 2, 7, 6), _map(3, 1, 7, 6, seed=1) > 0
    steps = torch.tensor([[1, -1], [0, 1], [-1, -1]])
    for each in (x, mask):
        expected = [_cropped(each[i : i + 1], steps[i].tolist()) for i in range(3)]
        assert torch.equal(shifted(each, steps), torch.cat(expected))


def test_it_differs_in_training_and_not_in_evaluation():
    x = _map(2, 3, 9, 9)
    for wrapped in (RandomShift(MaxPooling(3)), create_pooling("max", 3, random_shift="paper")):
        torch.manual_seed(0)
        assert len({wrapped.train()(x).sum().item() for _ in range(30)}) == 3
        assert torch.equal(wrapped.eval()(x), MaxPooling(3)(x))


def test_it_adds_no_parameters_and_keeps_the_outputs():
    pooling = HybridPooling(8)
    wrapped = RandomShift(pooling)
    assert isinstance(wrapped, Pooling)
    assert wrapped.outputs == pooling.outputs
    assert [id(p) for p in wrapped.parameters()] == [id(p) for p in pooling.parameters()]


def test_create_pooling_wraps_where_a_shift_is_asked_for():
    assert isinstance(create_pooling("average", 4), AveragePooling)
    assert create_pooling("average", 4, dimensions=1, random_shift="full").offsets == "full"
    with pytest.raises(ValueError, match="paper, full"):
        create_pooling("average", 4, random_shift="diagonal")
    with pytest.raises(ValueError, match="no pooling 'mean'"):
        create_pooling("mean", 4)
    with pytest.raises(ValueError, match="no argument heads"):
        create_pooling("max", 4, heads=2)


def test_the_module_says_that_it_is_a_reconstruction():
    assert "reconstruction" in inspect.getdoc(hsiattn.core.pooling.random_shift)
