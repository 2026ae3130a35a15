"""How a model file stores weights and example spectra: in full, or in half of the bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import torch
from torch import Tensor

from hsiattn.errors import ModelFileError

Storage = Literal["fp32", "fp16", "bf16"]
"""fp16: IEEE half precision, 11 significant bits, numbers up to 65 504; bf16: bfloat16, 8 bits, the range of fp32.

Networks compute in float32 whatever their storage.
"""
STORAGES: tuple[Storage, ...] = get_args(Storage)
HALVES = (torch.float16, torch.bfloat16)

_TYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def stored(weights: Mapping[str, Tensor], storage: Storage) -> dict[str, Tensor]:
    """Tensors as a file of that storage has them: those of float32 rounded, all others as they are.

    Raises
    ------
    ModelFileError
        A number is too large for fp16.

    Examples
    --------
    >>> stored({"bias": torch.tensor([1 / 3])}, "bf16")["bias"]
    tensor([0.3340], dtype=torch.bfloat16)
    """
    rounded = {
        name: tensor.to(_TYPES[storage]) if tensor.dtype == torch.float32 else tensor
        for name, tensor in weights.items()
    }
    for name, tensor in rounded.items():
        if tensor.dtype in HALVES and (tensor.isinf() & weights[name].isfinite()).any():
            raise ModelFileError(f"its {name} has numbers that are too large for {storage}", "store it as bf16 or fp32")
    return rounded


def restored(weights: Mapping[str, Tensor], storage: Storage) -> dict[str, Tensor]:
    """Tensors in float32 again; those that were not rounded as they are.

    Raises
    ------
    ValueError
        One has half the bits, and not those of the storage.
    """
    for name, tensor in weights.items():
        if tensor.dtype in HALVES and tensor.dtype != _TYPES[storage]:
            raise ValueError(f"{name} is of type {tensor.dtype}, in a file of {storage}")
    return {name: tensor.float() if tensor.dtype in HALVES else tensor for name, tensor in weights.items()}
