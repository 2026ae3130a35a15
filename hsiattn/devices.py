"""Devices that networks run on."""

from __future__ import annotations

from typing import Literal

import torch

from hsiattn.errors import DeviceError

Precision = Literal["auto", "32", "bf16-mixed"]
"""Type of matrix products: float32, bfloat16 with float32 sums, or `auto`: bfloat16 where the device computes in it."""

MapPrecision = Literal["auto", "32", "bf16-mixed", "int8"]
"""The same for maps, where recurrent parts of a network may also multiply in int8, on a CPU."""


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name: `auto` (a GPU where there is one), `cpu`, `cuda` or `cuda:N`.

    Raises
    ------
    DeviceError
        Unknown name, or a GPU that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"there is no device {name!r}", "give auto, cpu, cuda or cuda:N") from error
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise DeviceError(f"device {name} is not available: torch finds no GPU", 'give device="cpu"')
        if (device.index or 0) >= torch.cuda.device_count():
            raise DeviceError(
                f"device {name} is not available", f"there are {torch.cuda.device_count()} GPUs, from cuda:0"
            )
    elif device.type != "cpu":
        raise DeviceError(f"device {name!r} is not supported", "give auto, cpu, cuda or cuda:N")
    return device


def computes_bfloat16(device: torch.device) -> bool:
    """True where the device multiplies matrices in bfloat16 in hardware."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def computes_int8() -> bool:
    """True where the CPU multiplies matrices of int8 in hardware, with sums that cannot overflow."""
    return bool(torch.cpu._is_vnni_supported())


def choose_precision(precision: str, device: torch.device) -> Literal["32", "bf16-mixed"]:
    """What `auto` means on a device."""
    if precision == "auto":
        return "bf16-mixed" if computes_bfloat16(device) else "32"
    return "bf16-mixed" if precision == "bf16-mixed" else "32"


def mixed_precision(device: torch.device, precision: str) -> torch.autocast:
    """A context in which matrix products have that precision."""
    mixed = choose_precision(precision, device) == "bf16-mixed"
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=mixed)
