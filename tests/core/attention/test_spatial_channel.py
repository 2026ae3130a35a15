import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from hsiattn.core.attention import SpatialChannelAttention
from hsiattn.core.attention import spatial_channel as module


def _block(channels: int, **options) -> SpatialChannelAttention:
    torch.manual_seed(0)
    block = SpatialChannelAttention(channels, **options)
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter)
    return block.eval()


def _convolved(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Cross-correlation with zeros beyond the edges, term by term."""
    radius = len(kernel) // 2
    result = np.zeros_like(image)
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            for a in range(-radius, radius + 1):
                for b in range(-radius, radius + 1):
                    if 0 <= i + a < image.shape[0] and 0 <= j + b < image.shape[1]:
                        result[i, j] += kernel[a + radius, b + radius] * image[i + a, j + b]
    return result


@pytest.mark.parametrize(("channels", "height", "width", "kernel"), [(4, 5, 6, 3), (2, 3, 1, 7)])
def test_the_gates_equal_loops_over_channels_rows_and_columns(channels, height, width, kernel):
    block, x = _block(channels, kernel=kernel), torch.randn(2, channels, height, width)
    block.norm.running_mean += 0.2
    block.norm.running_variance *= 3.0
    weights = block.convolution.weight.detach().numpy()[0, 0].astype(float)
    scale, shift = block.norm.scale.item(), block.norm.shift.item()

    def gate(image: np.ndarray) -> np.ndarray:
        normalised = (_convolved(image, weights) - 0.2) / math.sqrt(3.0 + 1e-5)
        return 1 / (1 + np.exp(-(scale * normalised + shift)))

    result = block(x).detach().numpy()
    for n in range(2):
        values = x[n].numpy().astype(float)
        rows, columns = gate(values.mean(axis=2)), gate(values.mean(axis=1))
        np.testing.assert_allclose(result[n], values * rows[:, :, None] * columns[:, None, :], rtol=1e-4, atol=1e-6)


def test_one_normalisation_takes_the_values_of_both_parts_together():
    block, x = _block(4, kernel=3).train(), torch.randn(3, 4, 5, 7)
    rows, columns = x.mean(dim=3), x.mean(dim=2)
    seen = [functional.conv2d(part[:, None], block.convolution.weight, padding=1).flatten() for part in (rows, columns)]
    together = torch.cat(seen)
    scale, shift = block.norm.scale, block.norm.shift
    normalised = scale * (together - together.mean()) / (together.var(correction=0) + 1e-5).sqrt() + shift
    row_gate, column_gate = block.gates(x)
    both = torch.cat([row_gate.flatten(), column_gate.flatten()])
    torch.testing.assert_close(both, torch.sigmoid(normalised), atol=1e-5, rtol=1e-4)


class _AcrossTheSeam(SpatialChannelAttention):
    """What must not happen: rows and columns convolved as one image, so that the last row sees the first column."""

    def gates(self, x, mask=None):
        joined = torch.cat([x.mean(dim=3), x.mean(dim=2)], dim=2)
        gates = torch.sigmoid(self.norm(self.convolution(joined[:, None]))[:, 0])
        return gates[:, :, : x.shape[2], None], gates[:, :, None, x.shape[2] :]


class _OnTheWrongAxis(SpatialChannelAttention):
    """What must not happen: the gate of the rows is applied along the columns; shapes do not tell on square maps."""

    def gates(self, x, mask=None):
        rows, columns = super().gates(x, mask)
        return columns.mT, rows.mT


def _parts_are_apart(block: SpatialChannelAttention) -> bool:
    """Whether the gate of the last row ignores what moves along the row, and the gate of the first column likewise."""
    x = torch.randn(1, 4, 6, 6)
    turned = x.roll(2, dims=3)  # the means of the rows stay
    lifted = x.roll(2, dims=2)
    return torch.allclose(block.gates(x)[0][:, :, -1], block.gates(turned)[0][:, :, -1], atol=1e-6) and torch.allclose(
        block.gates(x)[1][..., 0], block.gates(lifted)[1][..., 0], atol=1e-6
    )


def _rows_gate_rows(block: SpatialChannelAttention) -> bool:
    """Whether a change that moves the means of the rows alone changes the first gate alone."""
    x = torch.randn(1, 4, 6, 6)
    change = torch.zeros_like(x)
    change[:, :, 1], change[:, :, 4] = 1.0, -1.0  # the means of the columns stay
    before, after = block.gates(x), block.gates(x + change)
    return not torch.allclose(before[0], after[0], atol=1e-3) and torch.allclose(before[1], after[1], atol=1e-5)


def test_rows_and_columns_do_not_see_each_other():
    bad = _AcrossTheSeam(4, kernel=3)
    bad.load_state_dict(_block(4, kernel=3).state_dict())
    assert _parts_are_apart(_block(4, kernel=3))
    assert not _parts_are_apart(bad.eval())


def test_the_gate_of_the_rows_stands_on_the_rows():
    bad = _OnTheWrongAxis(4, kernel=3)
    bad.load_state_dict(_block(4, kernel=3).state_dict())
    assert _rows_gate_rows(_block(4, kernel=3))
    assert not _rows_gate_rows(bad.eval())


def test_the_gates_vary_along_channels_and_along_both_axes():
    rows, columns = _block(5).gates(torch.randn(2, 5, 6, 7))
    assert rows.shape == (2, 5, 6, 1)
    assert columns.shape == (2, 5, 1, 7)
    for gate, axis in ((rows, 2), (columns, 3), (rows, 1), (columns, 1)):
        assert gate.std(dim=axis).min() > 1e-4


def test_empty_rows_and_columns_are_zeros_beyond_an_edge():
    """A mask that leaves a rectangle gives the gates, also in training, of that rectangle alone."""
    block, x = _block(4, kernel=3).train(), torch.randn(2, 4, 6, 7)
    mask = torch.zeros(2, 1, 6, 7, dtype=torch.bool)
    mask[:, :, 2:, :4] = True
    torch.testing.assert_close(block(x, mask)[..., 2:, :4], block(x[..., 2:, :4]), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kernel", [1, 3, 7])
@pytest.mark.parametrize("channels", [1, 4, 200])
def test_the_parameters_do_not_depend_on_the_channels(channels, kernel):
    count = sum(parameter.numel() for parameter in SpatialChannelAttention(channels, kernel=kernel).parameters())
    assert count == kernel * kernel + 2


def test_it_says_that_it_is_a_reconstruction():
    assert "reconstruction" in module.__doc__
