"""Weights in half precision: half the bytes, nearly the same map, and refused where they are not what was written."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from hsiattn.errors import ModelFileError
from hsiattn.mapping import predict_array
from hsiattn.models import container
from hsiattn.models.model_file import read_model, write_model
from hsiattn.models.registry import read_summary
from hsiattn.models.storage import restored, stored
from hsiattn.networks import create_network

HALVES = ["fp16", "bf16"]


@pytest.fixture
def large(model):
    """The model with a network of the size of the default's."""
    sizes = {name: getattr(model.network, name) for name in ("bands", "channels", "classes", "patch_size")}
    torch.manual_seed(0)
    network = create_network("grouped-ssan", **sizes).eval()
    return replace(model, network=network, arguments={"name": "grouped-ssan", **sizes})


@pytest.mark.parametrize("storage", HALVES)
def test_the_file_is_about_half_as_large_and_the_logits_nearly_the_same(large, tmp_path, storage):
    write_model(large, tmp_path / "full.hsiattn")
    digest = write_model(large, tmp_path / "half.hsiattn", storage=storage)
    full, half = (path.stat().st_size for path in (tmp_path / "full.hsiattn", tmp_path / "half.hsiattn"))
    numbers = sum(parameter.numel() for parameter in large.network.parameters()) + large.domain.examples.size
    assert full - half == pytest.approx(2 * numbers, abs=1000)  # all but header and preprocessing
    again = read_model(tmp_path / "half.hsiattn")
    assert (again.storage, again.digest, large.storage) == (storage, digest, "fp32")
    assert len(read_summary(tmp_path / "half.hsiattn").bands) == len(large.bands)
    assert all(tensor.dtype == torch.float32 for tensor in again.network.state_dict().values())
    torch.manual_seed(1)
    seen = torch.randn(50, large.network.bands), torch.randn(50, large.network.channels, 5, 5)
    with torch.inference_mode():
        assert (again.network(*seen) - large.network(*seen)).abs().max() < 1e-2


@pytest.mark.parametrize("storage", HALVES)
def test_a_trained_model_makes_the_same_map(model, tmp_path, storage, source):
    write_model(model, tmp_path / "half.hsiattn", storage=storage)
    before, after = (
        predict_array(one, source, device="cpu")["land_cover"].to_numpy()
        for one in (model, read_model(tmp_path / "half.hsiattn"))
    )
    assert (before == after).mean() >= 0.999


def test_written_again_it_loses_nothing_more(model, tmp_path):
    digests = []
    for storage in ("fp16", "fp32", "fp16"):
        digests.append(write_model(model, tmp_path / "again.hsiattn", storage=storage, overwrite=True))
        model = read_model(tmp_path / "again.hsiattn")
    assert digests[0] == digests[2] != digests[1]


@pytest.mark.parametrize("storage", HALVES)
def test_an_altered_byte_is_recognised(model, tmp_path, storage):
    path = tmp_path / "half.hsiattn"
    write_model(model, path, storage=storage)
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    for place in range(start, len(data), len(data) // 20):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x01]) + data[place + 1 :])
        with pytest.raises(ModelFileError):
            read_model(path)


def test_a_version_that_knows_no_half_precision_refuses_the_file(model, tmp_path, monkeypatch):
    write_model(model, tmp_path / "half.hsiattn", storage="bf16")
    write_model(model, tmp_path / "full.hsiattn")
    monkeypatch.setattr(container, "FORMAT_VERSION", 5)
    read_model(tmp_path / "full.hsiattn")
    with pytest.raises(ModelFileError, match="made with a newer version"):
        read_model(tmp_path / "half.hsiattn")


def test_only_weights_of_the_stated_kind_are_read():
    weights = {"large": torch.tensor([1e5]), "count": torch.tensor([3]), "exact": torch.tensor([0.1]).double()}
    with pytest.raises(ModelFileError, match=r"its large has numbers that are too large for fp16"):
        stored(weights, "fp16")
    half = stored(weights, "bf16")
    assert [half[name].dtype for name in weights] == [torch.bfloat16, torch.int64, torch.float64]
    np.testing.assert_allclose(restored(half, "bf16")["large"], 1e5, rtol=2**-8)
    with pytest.raises(ValueError, match=r"large is of type torch.bfloat16, in a file of fp16"):
        restored(half, "fp16")
