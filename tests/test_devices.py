import pytest
import torch

from hsiattn.devices import choose_device, choose_precision, computes_bfloat16, mixed_precision
from hsiattn.errors import DeviceError

CPU = torch.device("cpu")


@pytest.mark.parametrize(("gpu", "kind"), [(False, "cpu"), (True, "cuda")])
def test_auto_is_a_gpu_where_there_is_one(monkeypatch, gpu, kind):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert choose_device("auto").type == kind
    assert choose_device("cpu") == CPU


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "cuda:-1", "tpu:0"])
def test_unknown_names_are_refused(name):
    with pytest.raises(DeviceError, match=r"there is no device|is not available"):
        choose_device(name)


@pytest.mark.parametrize("name", ["mps", "meta"])
def test_devices_that_torch_knows_but_we_do_not_are_refused(name):
    with pytest.raises(DeviceError, match="not supported"):
        choose_device(name)


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="finds no GPU"):
        choose_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(DeviceError, match="cuda:2 is not available; there are 2 GPUs"):
        choose_device("cuda:2")


@pytest.mark.parametrize("hardware", [True, False])
def test_auto_precision_is_bfloat16_where_the_device_computes_in_it(monkeypatch, hardware):
    monkeypatch.setattr("hsiattn.devices.computes_bfloat16", lambda device: hardware)
    assert choose_precision("auto", CPU) == ("bf16-mixed" if hardware else "32")
    assert choose_precision("32", CPU) == "32"
    assert choose_precision("bf16-mixed", CPU) == "bf16-mixed"


def test_the_cpu_says_whether_it_computes_in_bfloat16():
    assert computes_bfloat16(CPU) in (True, False)


@pytest.mark.parametrize(("precision", "type_"), [("32", torch.float32), ("bf16-mixed", torch.bfloat16)])
def test_matrix_products_have_the_precision_asked_for(precision, type_):
    a = torch.ones(3, 3)
    with mixed_precision(CPU, precision):
        assert (a @ a).dtype == type_
    assert (a @ a).dtype == torch.float32
