"""One battery of checks that every pooling must pass, in each of its forms, with and without a random shift."""

import dataclasses
import itertools
from dataclasses import dataclass, field
from typing import Any

import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hsiattn.core import POOLING, Pooled, Pooling, create_pooling

CHANNELS = 6
DETAIL_CHANNELS = 2


@dataclass(frozen=True)
class Variant:
    """A pooling with its arguments, in one form and with one kind of random shift."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    dimensions: int = 2
    random_shift: str | None = None

    def create(self, *, seed: int = 0) -> Pooling:
        torch.manual_seed(seed)
        pooling = create_pooling(
            self.name, CHANNELS, dimensions=self.dimensions, random_shift=self.random_shift, **self.arguments
        )
        for parameter in pooling.parameters():  # away from special starts, so that every part has an influence
            parameter.data += 0.3 * torch.randn_like(parameter)
        return pooling.eval()

    def features(self, *, samples: int = 3, sides: tuple[int, ...] = (9, 6), seed: int = 1) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(samples, CHANNELS, *sides[: self.dimensions], generator=generator)

    def details(self, x: torch.Tensor) -> torch.Tensor | None:
        """What an earlier pooling would have handed on."""
        if self.arguments.get("detail") != "skip":
            return None
        generator = torch.Generator().manual_seed(3)
        return torch.randn(len(x), DETAIL_CHANNELS, *x.shape[2:], generator=generator).to(x.dtype)

    def active(self) -> Pooling:
        """With the shift, if any: in evaluation a shifted pooling is the plain one, as a test of its own shows."""
        return self.create().train()


KINDS = [
    ("max", {}),
    ("average", {}),
    ("wavelet", {"wavelet": "db2"}),
    ("wavelet", {"wavelet": "haar", "weighted": True, "mean_preserving": True}),
    ("hybrid", {"wavelet": "bior2.2", "detail": "concat"}),
    ("hybrid", {"wavelet": "haar", "detail": "skip", "detail_channels": DETAIL_CHANNELS}),
]
VARIANTS = [
    *(Variant(name, arguments, dimensions) for (name, arguments), dimensions in itertools.product(KINDS, (1, 2))),
    # a shift does not look at what it wraps
    Variant("average", {}, 1, "paper"),
    Variant(*KINDS[-1], 2, "full"),
]


def _name(variant: Variant) -> str:
    arguments = [str(value) for value in variant.arguments.values()]
    return "-".join([variant.name, *arguments, f"{variant.dimensions}d", str(variant.random_shift)])


every_pooling = pytest.mark.parametrize("variant", VARIANTS, ids=_name)
shifted = pytest.mark.parametrize("variant", VARIANTS[-2:], ids=_name)


def _pool(pooling, x, mask=None, details=None, *, seed=5) -> Pooled:
    torch.manual_seed(seed)  # the same shift at every call
    return pooling(x, mask, details)


def _mask(x: torch.Tensor) -> torch.Tensor:
    """Cells that count in whole, in part and not at all."""
    mask = torch.rand(len(x), 1, *x.shape[2:], generator=torch.Generator().manual_seed(2)) >= 0.3
    mask[:, :, :4] = False
    mask.flatten(1)[:, 0] = True
    return mask


def test_the_battery_knows_every_pooling_and_form():
    assert {variant.name for variant in VARIANTS} == set(POOLING)
    assert {kind.forms for kind in POOLING.values()} == {(1, 2)}


@every_pooling
@settings(max_examples=8, deadline=None)
@given(samples=st.integers(1, 3), height=st.integers(1, 9), width=st.integers(1, 9), masked=st.booleans())
def test_every_side_is_halved_and_an_odd_one_rounded_up(variant, samples, height, width, masked):
    x = variant.features(samples=samples, sides=(height, width))
    half = tuple((side + 1) // 2 for side in x.shape[2:])
    pooling = variant.active()
    values, mask, details = _pool(pooling, x, _mask(x) if masked else None, variant.details(x))
    assert values.shape == (samples, pooling.outputs, *half)
    assert torch.isfinite(values).all()
    assert (mask is None) == (not masked)
    if masked:
        assert mask.shape == (samples, 1, *half)
        assert mask.dtype == torch.bool
    assert (details is None) == (variant.arguments.get("detail") != "skip")
    if details is not None:
        assert details.shape == (samples, DETAIL_CHANNELS, *half)


@shifted
def test_in_evaluation_a_shifted_pooling_is_the_plain_one_bit_for_bit(variant):
    x = variant.features()
    mask, details = _mask(x), variant.details(x)
    plain = dataclasses.replace(variant, random_shift=None).create()
    shifted = variant.create()
    state = torch.get_rng_state()
    for case in ((x, None, details), (x, mask, details)):
        for one, other in zip(shifted(*case), plain(*case), strict=True):
            assert (one is None and other is None) or torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)


@every_pooling
def test_a_sample_does_not_depend_on_the_others_in_its_batch(variant):
    x = variant.features()
    mask, details = _mask(x), variant.details(x)
    pooling = variant.active()
    alone = [
        _pool(pooling, x[i : i + 1], mask[i : i + 1], None if details is None else details[i : i + 1]).values
        for i in range(len(x))
    ]
    together = _pool(pooling, x, mask, details).values
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-4)


@every_pooling
def test_a_missing_position_has_no_influence_whatever_stands_there(variant):
    x = variant.features()
    mask, details = _mask(x), variant.details(x)
    results = []
    for filling in (0.0, 1e6, float("nan"), float("inf"), -float("inf")):
        earlier = None if details is None else torch.where(mask, details, filling)
        results.append(_pool(variant.active(), torch.where(mask, x, filling), mask, earlier))
    values, cells, _ = results[0]
    assert (values[~cells.expand_as(values)] == 0).all()
    for result in results[1:]:
        assert torch.equal(result.values, values)
        assert torch.equal(result.mask, cells)


@every_pooling
def test_a_cell_counts_where_any_of_its_positions_does(variant):
    x = variant.features(sides=(9, 7))
    mask = _mask(x)
    cells = _pool(variant.create(), x, mask).mask
    for sample in range(len(x)):
        for cell in itertools.product(*(range(side) for side in cells.shape[2:])):
            window = mask[sample, 0][tuple(slice(2 * i, 2 * i + 2) for i in cell)]
            assert cells[sample, 0][cell] == any(window.flatten().tolist())
    assert 0 < cells.sum() < cells.numel()


@every_pooling
def test_a_mask_that_is_true_everywhere_is_no_mask(variant):
    x = variant.features()
    full = torch.ones_like(x[:, :1], dtype=torch.bool)
    masked = _pool(variant.active(), x, full, variant.details(x))
    torch.testing.assert_close(masked.values, _pool(variant.active(), x, None, variant.details(x)).values)
    assert masked.mask.all()


@every_pooling
def test_an_empty_mask_gives_zeros_and_finite_gradients(variant):
    x = variant.features().requires_grad_()
    pooling = variant.active()
    values, cells, _ = _pool(pooling, x, torch.zeros_like(x[:, :1], dtype=torch.bool), variant.details(x))
    assert (values == 0).all()
    assert not cells.any()
    values.sum().backward()
    assert torch.isfinite(x.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in pooling.parameters())


@every_pooling
def test_the_input_and_every_parameter_learn(variant):
    x = variant.features().requires_grad_()
    pooling = variant.active()
    values = _pool(pooling, x, None, variant.details(x)).values
    (values * torch.randn(values.shape, generator=torch.Generator().manual_seed(4))).sum().backward()
    silent = [name for name, p in pooling.named_parameters() if p.grad is None or not (p.grad != 0).all()]
    assert silent == []
    assert (x.grad != 0).any()


@every_pooling
def test_bfloat16_stays_close(variant):
    x = variant.features()
    mask, details = _mask(x), variant.details(x)
    pooling = variant.active()
    exact = _pool(pooling, x, mask, details).values
    with torch.autocast("cpu", dtype=torch.bfloat16):
        short = [x.bfloat16(), mask, None if details is None else details.bfloat16()]
        results = [_pool(pooling, x, mask, details).values, _pool(pooling, *short).values]
    for result in results:
        assert (result.float() - exact).abs().max() < 0.03 * (1 + exact.abs().max())


# What torch does with any module is asked of one: with details and a shift, and with filters wider than a cell.
def test_the_compiler_takes_it_whole():
    variant = VARIANTS[-1]
    x = variant.features()
    mask, details = _mask(x), variant.details(x)
    pooling = variant.active()
    torch.compiler.reset()
    compiled = torch.compile(pooling, backend="aot_eager", fullgraph=True)  # no C++ compiler needed
    torch.testing.assert_close(_pool(compiled, x, mask, details), _pool(pooling, x, mask, details))


@pytest.mark.filterwarnings("ignore")  # the exporter's own
def test_onnx_runtime_computes_the_same():
    variant = Variant("wavelet", {"wavelet": "db2"})
    pooling, x = variant.create(), variant.features(sides=(9, 7))
    program = torch.onnx.export(pooling, (x,), dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    result = session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]
    torch.testing.assert_close(torch.from_numpy(result), pooling(x).detach(), atol=1e-5, rtol=1e-4)
