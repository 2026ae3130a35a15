"""One battery of checks that every attention and mixing block must pass, in each of its forms."""

import copy
from dataclasses import dataclass, field
from typing import Any

import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hsiattn.core import BLOCKS, FeatureBlock, create_block

CHANNELS = 6


@dataclass(frozen=True)
class Variant:
    """A block with its arguments, and what it can and cannot do."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    forms: tuple[int, ...] = (1, 2)

    def create(self, dimensions: int, *, size: int = 9, seed: int = 0, fresh: bool = False, **more) -> FeatureBlock:
        torch.manual_seed(seed)
        block = create_block(self.name, CHANNELS, size=size, dimensions=dimensions, **self.arguments, **more)
        if not fresh:  # away from special starts, so that every part has an influence
            for parameter in block.parameters():
                parameter.data += 0.3 * torch.randn_like(parameter)
        return block.eval()


VARIANTS = [
    Variant("additive"),
    Variant("spatial-gate"),
    Variant("spatial-gate", {"broadcast": "released"}),
    Variant("nl-sam", {"form": "pairwise", "reduction": 2}),
    Variant("nl-sam", {"form": "query-independent"}),
    Variant("spatial-channel", {"kernel": 3}, forms=(2,)),
    Variant("cra", {"kernel": 3}),
    Variant("gsa", {"heads": 2, "head_features": 3}),
    Variant("gsa", {"heads": 1, "head_features": 4, "positional": False}),
    Variant("self-attention", {"reduction": 2}),
    Variant("self-attention", {"reduction": 2, "value": "reduced", "spectral_norm": True}),
    Variant("condenser", {"reduction": 2}),
    Variant("condenser", {"reduction": 2, "selection": "add"}),
    Variant("se", {"reduction": 2}),
    Variant("eca"),
    Variant("smlp"),
    Variant("pepe", {"reduction": 2}),
]
CASES = [
    pytest.param(variant, dimensions, id="-".join(map(str, [variant.name, *variant.arguments.values(), dimensions])))
    for variant in VARIANTS
    for dimensions in variant.forms
]
every_block = pytest.mark.parametrize(("variant", "dimensions"), CASES)


def _features(dimensions: int, *, samples: int = 3, sides: tuple[int, ...] = (9, 9), seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(samples, CHANNELS, *sides[:dimensions], generator=generator)


def _mask(x: torch.Tensor, share: float = 0.3) -> torch.Tensor:
    mask = torch.rand(len(x), 1, *x.shape[2:], generator=torch.Generator().manual_seed(2)) >= share
    mask.flatten(1)[:, 0] = True
    return mask


def test_the_battery_knows_every_block_and_form():
    assert {variant.name for variant in VARIANTS} == set(BLOCKS)
    for variant in VARIANTS:
        assert set(variant.forms) == set(BLOCKS[variant.name].forms)


@every_block
@settings(max_examples=8, deadline=None)
@given(samples=st.integers(1, 3), height=st.integers(1, 9), width=st.integers(1, 9))
def test_the_shape_stays_at_odd_and_even_sizes(variant, dimensions, samples, height, width):
    if variant.name == "smlp":  # parameters fix both sides of the map
        width = height
    x = _features(dimensions, samples=samples, sides=(height, width))
    block = variant.create(dimensions, size=max(x.shape[2:]))
    assert block(x).shape == x.shape
    assert torch.isfinite(block(x, _mask(x))).all()


@every_block
def test_a_sample_does_not_depend_on_the_others_in_its_batch(variant, dimensions):
    block, x = variant.create(dimensions), _features(dimensions)
    mask = _mask(x)
    alone = torch.cat([block(x[i : i + 1], mask[i : i + 1]) for i in range(len(x))])
    torch.testing.assert_close(block(x, mask), alone, atol=1e-5, rtol=1e-4)


@every_block
def test_a_missing_position_has_no_influence_whatever_stands_there(variant, dimensions):
    x = _features(dimensions)
    mask = _mask(x)
    for block in (variant.create(dimensions), variant.create(dimensions).train()):
        results = []
        for filling in (0.0, 1e6, float("nan"), float("inf")):
            torch.manual_seed(0)
            results.append(copy.deepcopy(block)(torch.where(mask, x, filling), mask))
        assert (results[0][~mask.expand_as(x)] == 0).all()
        for result in results[1:]:
            assert torch.equal(result, results[0])


@every_block
@pytest.mark.parametrize("training", [False, True])
def test_what_stands_in_a_missing_position_cannot_spoil_a_gradient(variant, dimensions, training):
    x = _features(dimensions)
    mask = _mask(x)
    block = variant.create(dimensions).train(training)
    spoiled = torch.where(mask, x, float("nan")).requires_grad_()
    block(spoiled, mask).square().sum().backward()
    assert torch.isfinite(spoiled.grad).all()
    assert all(torch.isfinite(parameter.grad).all() for parameter in block.parameters())


@every_block
def test_a_mask_that_is_true_everywhere_is_no_mask(variant, dimensions):
    x = _features(dimensions)
    block = variant.create(dimensions)
    torch.testing.assert_close(block(x, torch.ones_like(x[:, :1], dtype=torch.bool)), block(x), atol=1e-5, rtol=1e-4)


@every_block
def test_an_empty_mask_gives_zeros_and_finite_gradients(variant, dimensions):
    x = _features(dimensions).requires_grad_()
    block = variant.create(dimensions)
    result = block(x, torch.zeros_like(x[:, :1], dtype=torch.bool))
    assert (result == 0).all()
    result.sum().backward()
    assert torch.isfinite(x.grad).all()


@every_block
def test_with_identity_start_the_fresh_block_returns_its_input(variant, dimensions):
    x = _features(dimensions)
    mask = _mask(x)
    block = variant.create(dimensions, fresh=True, identity_start=True)
    for each in (block.eval(), block.train()):
        torch.testing.assert_close(each(x), x, atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(each(x, mask), torch.where(mask, x, 0.0), atol=1e-6, rtol=1e-6)


@every_block
def test_what_identity_start_leaves_at_zero_can_learn(variant, dimensions):
    block, x = variant.create(dimensions, fresh=True, identity_start=True).train(), _features(dimensions)
    # the shift of a normalisation may lie before the part that starts at 0, and waits for it
    zero = [parameter for name, parameter in block.named_parameters() if not parameter.any() and name != "norm.shift"]
    result = block(x)
    if variant.name != "additive":  # whose weights sum to 1 but for rounding
        assert torch.equal(result, x)
    (result * torch.randn(x.shape, generator=torch.Generator().manual_seed(4))).sum().backward()
    assert zero
    assert all(parameter.grad.abs().sum() > 0 for parameter in zero)


@pytest.mark.parametrize("name", ["condenser", "pepe"])
def test_along_a_sequence_a_block_of_convolutions_equals_its_image_of_one_row(name):
    block, image = Variant(name).create(1), Variant(name).create(2)
    state = block.state_dict()
    for key, value in image.state_dict().items():
        if value.ndim == 4:
            widened = torch.zeros_like(value)
            widened[..., value.shape[2] // 2, :] = state[key]
            state[key] = widened
    image.load_state_dict(state)
    x = _features(1)
    torch.testing.assert_close(block(x), image(x[:, :, None]).squeeze(2))


@every_block
def test_it_does_not_return_its_input(variant, dimensions):
    """A public version of the condenser computes its branch and returns the input; a trained block must act."""
    x = _features(dimensions)
    assert (variant.create(dimensions)(x) - x).abs().max() > 1e-2


@every_block
def test_every_parameter_learns(variant, dimensions):
    x = _features(dimensions)
    block = variant.create(dimensions).train()
    (block(x) * torch.randn(x.shape, generator=torch.Generator().manual_seed(4))).sum().backward()
    silent = [name for name, p in block.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


@every_block
def test_bfloat16_stays_close(variant, dimensions):
    block, x = variant.create(dimensions), _features(dimensions)
    mask = _mask(x)
    exact = block(x, mask)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = block(x, mask).float()
    assert (mixed - exact).abs().max() < 0.05 * (1 + exact.abs().max())


# What torch does with any module is asked of few: of one with a mask in a softmax, and of those that index and cut.
@pytest.mark.parametrize("name", ["nl-sam", "condenser"])
def test_the_compiler_takes_it_whole(name):
    block, x = Variant(name).create(2), _features(2)
    mask = _mask(x)
    torch.compiler.reset()
    compiled = torch.compile(block, backend="aot_eager", fullgraph=True)  # no C++ compiler needed
    torch.testing.assert_close(compiled(x, mask), block(x, mask), atol=1e-5, rtol=1e-4)


# Cells of a kernel of 4 do not divide the sides.
@pytest.mark.parametrize(("name", "arguments"), [("gsa", {}), ("condenser", {}), ("cra", {"kernel": 4})])
@pytest.mark.filterwarnings("ignore")  # the exporter's own
def test_onnx_runtime_computes_the_same(name, arguments):
    block, x = Variant(name, arguments).create(2), _features(2)
    program = torch.onnx.export(block, (x,), dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    result = session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]
    torch.testing.assert_close(torch.from_numpy(result), block(x).detach(), atol=1e-4, rtol=1e-4)


@every_block
def test_a_block_is_called_pixelwise_where_a_position_depends_on_itself_alone(variant, dimensions):
    block, x = variant.create(dimensions), _features(dimensions)
    changed = x.clone()
    changed[..., ::2] += 1.0
    others_change = (block(changed) - block(x))[..., 1::2].abs().max() > 1e-6
    assert bool(others_change) is not block.pixelwise


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("additive", {"attention_features": 0}, "attention_features must be at least 1, not 0"),
        ("condenser", {"kernel": 2}, "kernel must be odd"),
        ("condenser", {"reduction": 0}, "reduction must be at least 1"),
        ("condenser", {"selection": "mean"}, "gate or add, not 'mean'"),
        ("cra", {"kernel": 0}, "kernel must be at least 1, not 0"),
        ("eca", {"kernel": 4}, "kernel must be odd and positive, not 4"),
        ("gsa", {"positional": False, "content": False}, "both be False"),
        *(("gsa", {number: 0}, "at least 1") for number in ("size", "heads", "head_features")),
        ("nl-sam", {"form": "global"}, "form must be 'pairwise' or 'query-independent', not 'global'"),
        ("nl-sam", {"reduction": 0}, "reduction must be at least 1, not 0"),
        ("pepe", {"expansion": 0}, "expansion must be at least 1"),
        ("pepe", {"kernel": 4}, "kernel must be odd"),
        ("pepe", {"reduction": 0}, "reduction must be at least 1"),
        ("se", {"reduction": 0}, "reduction must be at least 1, not 0"),
        ("self-attention", {"reduction": 0}, "reduction must be at least 1"),
        ("self-attention", {"value": "half"}, "full or reduced, not 'half'"),
        ("smlp", {"size": 0}, "size must be at least 1"),
        ("spatial-channel", {"dimensions": 1}, "dimensions must be 2, not 1"),
        ("spatial-channel", {"kernel": 4}, "kernel must be odd"),
        ("spatial-gate", {"broadcast": "tiled"}, "broadcast must be"),
        ("spatial-gate", {"merge": "add"}, "merge must be"),
        ("spatial-gate", {"merge": "residual", "identity_start": True}, "merge must be"),
    ],
)
def test_arguments_without_meaning_are_refused(name, arguments, message):
    size = {"size": 9} if name in ("gsa", "smlp") else {}
    with pytest.raises(ValueError, match=message):
        BLOCKS[name](CHANNELS, **size | arguments)
