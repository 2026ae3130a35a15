"""What a network decides by, band by band: the scaled spectra of a window, and its decision as a function of them.

Networks read components of the neighbours, which mix all bands. They are sums of scaled bands with fixed weights, so
the decision can be taken as a function of the scaled bands of every pixel of the window, (N, B, w, w): whatever is
explained in these terms is explained by bands, and nothing is approximated.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hsiattn.devices import choose_device
from hsiattn.errors import SceneError
from hsiattn.models.model_file import TrainedModel
from hsiattn.networks import AttentionWeights, if_any_missing
from hsiattn.preprocessing import Preprocessing
from hsiattn.scenes import SceneSource
from hsiattn.training.patches import gather_patches

_VALUES_AT_ONCE = 2**24
"""Most scaled values of the windows that are kept at a time: 64 MiB."""
_VALUES_PER_BATCH, _WINDOWS_PER_BATCH = 2**22, 256


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows around n pixels.

    Attributes
    ----------
    members
        (n,) places of the pixels among those asked for.
    bands
        (n, B, w, w) float32: scaled bands, 0 where not valid.
    valid
        (n, w, w) bool.
    """

    members: NDArray[np.int64]
    bands: Tensor
    valid: Tensor

    def __len__(self) -> int:
        return len(self.members)

    @property
    def measured(self) -> NDArray[np.bool_]:
        """(n,) whether the pixel in the middle holds data."""
        middle = self.valid.shape[-1] // 2
        return np.asarray(self.valid[:, middle, middle].cpu().numpy())

    def part(self, chosen: NDArray[np.bool_] | slice) -> Windows:
        """Some of them."""
        places = torch.from_numpy(np.arange(len(self))[chosen]).to(self.bands.device)
        return Windows(self.members[chosen], self.bands[places], self.valid[places])

    def batches(self, most: int | None = None) -> Iterator[Windows]:
        """All of them in pieces that a network takes at once, of at most so many windows."""
        size = min(windows_per_batch(self.bands), most or len(self))
        return (self.part(slice(start, start + size)) for start in range(0, len(self), size))


def windows_per_batch(bands: Tensor) -> int:
    """How many windows (…, B, w, w) a network takes at once, so that memory stays bounded."""
    return max(1, min(_WINDOWS_PER_BATCH, _VALUES_PER_BATCH // max(1, bands[0].numel())))


def read_windows(
    model: TrainedModel, source: SceneSource, positions: NDArray[np.int64], device: torch.device
) -> Iterator[Windows]:
    """The windows around pixels (N, 2), in pieces of bounded size; neighbouring pixels are in one piece.

    Raises
    ------
    BandError
        The scene's bands do not fit the model.
    SceneError
        The scene is smaller than the window, or cannot be read.
    """
    matched, size = model.match(source), model.patch_size
    count = len(matched)
    each = replace(
        model.preprocessing,
        bands=matched,
        projection=np.eye(count, dtype=np.float32),
        shift=np.zeros(count, dtype=np.float32),
    )
    order = np.lexsort((positions[:, 1] // 256, positions[:, 0] // 256))
    pixels = max(1, _VALUES_AT_ONCE // (count * size * size))
    for start in range(0, len(order), pixels):
        members = order[start : start + pixels]
        nobody = np.zeros(len(members), dtype=np.int64)
        seen = gather_patches(source, positions[members], nobody, each, patch_size=size, edge=model.network.edge)
        yield Windows(members, torch.from_numpy(seen.patches).to(device), torch.from_numpy(seen.valid).to(device))


def check_measured(source: SceneSource, positions: NDArray[np.int64], measured: NDArray[np.bool_]) -> None:
    """Refuse pixels without data, of which nothing can be explained.

    Raises
    ------
    SceneError
        Names the first.
    """
    if not measured.all():
        row, column = positions[~measured][0]
        raise SceneError(
            f"the pixel in row {row}, column {column} of {source.name} holds no data in the bands of the model",
            "name a pixel that is measured",
        )


class Decision(nn.Module):
    """The network of a model as a function of the scaled bands of a window.

    Parameters
    ----------
    model
        Its network is copied to the device.
    device
        Where to compute.
    """

    projection: Tensor
    shift: Tensor
    baseline: Tensor

    def __init__(self, model: TrainedModel, device: torch.device | str = "cpu") -> None:
        super().__init__()
        self.device = choose_device(str(device))
        self.network = copy.deepcopy(model.network).eval().requires_grad_(False)
        self.temperature = model.temperature
        self.register_buffer("projection", torch.from_numpy(model.preprocessing.projection.copy()))
        self.register_buffer("shift", torch.from_numpy(model.preprocessing.shift.copy()))
        baseline, self.baseline_in_words = baseline_of(model)
        self.register_buffer("baseline", torch.from_numpy(baseline))
        self.to(self.device)

    def forward(self, bands: Tensor, valid: Tensor, target: Tensor) -> Tensor:
        """Calibrated probability (n,) of the class with index `target` (n,), from bands (n, B, w, w)."""
        return self.probabilities(bands, valid).gather(1, target[:, None])[:, 0]

    def probabilities(self, bands: Tensor, valid: Tensor) -> Tensor:
        """Calibrated probabilities (n, K) of the classes."""
        logits = self.network(*self._inputs(bands, valid), if_any_missing(valid))
        return torch.softmax(logits.float() / self.temperature, dim=1)

    def attention(self, bands: Tensor, valid: Tensor) -> AttentionWeights:
        """Weights that the network gives to bands and neighbours."""
        return self.network.attention_weights(*self._inputs(bands, valid), valid)

    def baselines(self, valid: Tensor) -> Tensor:
        """Windows (n, B, w, w) in which every pixel that is there has the baseline's spectrum."""
        return self.baseline[None, :, None, None] * valid[:, None]

    @property
    def is_differentiable(self) -> bool:
        """Whether its probabilities have gradients; those of a forest, which goes by thresholds, have none."""
        size = self.network.patch_size
        bands = torch.zeros(2, self.network.bands, size, size, device=self.device, requires_grad=True)
        valid = torch.ones(2, size, size, dtype=torch.bool, device=self.device)
        with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
            shares = self.probabilities(bands, valid)
        return bool(shares.requires_grad)

    def _inputs(self, bands: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        middle = bands.shape[-1] // 2
        components = torch.einsum("cb,nbhw->nchw", self.projection, bands) + self.shift[:, None, None]
        return bands[:, :, middle, middle], components * valid[:, None]


def baseline_of(model: TrainedModel) -> tuple[NDArray[np.float32], str]:
    """The scaled spectrum (B,) that stands for a band that is not there, and what it is, in words.

    The mean of the training pixels tells the network nothing that sets one class apart. It is 0 where bands are
    standardised; else it is taken from the examples of the training scene that the model keeps.
    """
    preprocessing = model.preprocessing
    scaling = (model.recipe.get("preprocessing") or {}).get("scaling", "standardize")
    if scaling == "standardize":
        return np.zeros(len(preprocessing.bands), dtype=np.float32), "the mean spectrum of the training pixels"
    if model.domain is not None:
        examples = _prepared(model.domain.examples, preprocessing)
        return examples.mean(axis=1).astype(np.float32), "the mean spectrum of the training scene"
    return np.zeros(len(preprocessing.bands), dtype=np.float32), "the least value of the training pixels in every band"


def _prepared(reflectance: NDArray[np.float32], preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Scaled spectra (B, n) of reflectance (n, B)."""
    values = np.ascontiguousarray(reflectance.T)[:, None, :]
    spectra, _ = preprocessing.transform(values, np.ones((1, values.shape[2]), dtype=bool))
    return spectra[:, 0]
