"""A network whose class probabilities are weighed against a memory of spectra."""

from __future__ import annotations

import copy
from itertools import pairwise, product
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from hsiattn.networks.base import AttentionWeights, SpectralSpatialNetwork
from hsiattn.networks.by_name import create_network

_LEAST_SHARE = 1e-3
"""Share of a memory's probabilities that all its classes have in common, so that logarithms stay finite."""
_PLACES = 2**22
"""Most distances from patterns that are held at a time."""


class WithPrior(SpectralSpatialNetwork):
    """A network, and a memory of spectra with no weights of its own that is asked for a second opinion.

    The memory (cognitive-driven colour priors: Gu, Zhu, Lan, Wang and Li 2020, Electronics 9, 1837; their stages, with
    formulas that are a reconstruction, since the paper's were not at hand) is a codebook of spectral patterns, each
    with a saliency for every class; see `hsiattn.priors`. Every pixel of the window has the pattern that is nearest to
    it, and by it a saliency per class; one that is far from all of them says nothing. Means over cells × cells blocks
    of the window are the parts; what a class gets as a whole is the mean of the better half of its parts. Missing
    neighbours do not count, nor do blocks that hold no other. Normalised over the classes of the memory, this is the
    prior, and P = normalise(P_network^(1 - w) · P_prior^w).

    Patterns are those of components, of which the whole window is known, where there are any: the spectrum with all its
    bands is known of the pixel alone. Without components, the prior is that of the pixel's own spectrum.

    Nothing in the memory learns, and no gradient passes through it: the nearest pattern is a choice, not a function
    that has a slope. Classes outside the memory keep the probability that the network gives them, and those inside
    share the rest of the prior. Until a memory is put in, and in training, this is the network itself.

    Parameters
    ----------
    bands, channels, classes, patch_size
        See `SpectralSpatialNetwork`.
    member
        Name of the network. Default: `grouped-ssan`.
    member_arguments
        Its arguments. Default: None.
    patterns, axes
        Sizes of the memory: how many patterns, and how many numbers each has. Default: 256 and 1.
    cells
        Blocks in a row and in a column of the window. Default: 3.

    Examples
    --------
    >>> network = WithPrior(30, 4, 3, 9, member="attendnet", member_arguments={"width": 8}, patterns=8, axes=2).eval()
    >>> spectra, patches = torch.randn(5, 30), torch.randn(5, 4, 9, 9)
    >>> alone = network.member(spectra, patches).softmax(dim=1)
    >>> torch.allclose(network(spectra, patches).softmax(dim=1), alone, atol=1e-6)
    True
    """

    projection: Tensor
    """(F, C), or (F, B) without components: from what is known of a pixel to the space of the patterns."""
    centres: Tensor
    """(P, F): the patterns."""
    reach: Tensor
    """(): square of the distance from the nearest pattern beyond which a pixel says nothing, 1 / K for every class."""
    saliency: Tensor
    """(K, P), 0 … 1."""
    remembered: Tensor
    """(K,) bool: the classes of the memory."""
    weight: Tensor
    """(): w, 0 … 1."""
    temperature: Tensor
    """(): number by which the network's logits are divided before they are weighed."""
    least_doubt: Tensor
    """(): share of the network's probabilities that is spread over all classes, where the memory counts at all."""

    def __init__(
        self,
        bands: int,
        channels: int,
        classes: int,
        patch_size: int,
        *,
        member: str = "grouped-ssan",
        member_arguments: dict[str, Any] | None = None,
        patterns: int = 256,
        axes: int = 1,
        cells: int = 3,
    ) -> None:
        super().__init__(bands, channels, classes, patch_size)
        sizes = {"bands": bands, "channels": channels, "classes": classes, "patch_size": patch_size}
        if not 1 <= cells <= patch_size:
            raise ValueError(f"a window of {patch_size} pixels has no {cells} blocks in a row")
        if not 1 <= axes <= (channels or bands):
            raise ValueError(f"patterns of {axes} numbers cannot come from {channels or bands}")
        if patterns < 1:
            raise ValueError(f"a memory of {patterns} patterns remembers nothing")
        self.member = create_network(member, **sizes, **(member_arguments or {}))
        self.edge = self.member.edge
        self.dense_capable = self.member.dense_capable
        self.cells = cells
        self.softness: float | None = None
        self.register_buffer("projection", torch.zeros(axes, channels or bands))
        self.register_buffer("centres", torch.zeros(patterns, axes))
        self.register_buffer("saliency", torch.ones(classes, patterns))
        self.register_buffer("remembered", torch.ones(classes, dtype=torch.bool))
        for name, value in {"reach": 1e30, "weight": 0.0, "temperature": 1.0, "least_doubt": 0.0}.items():
            self.register_buffer(name, torch.tensor(value))

    def forward(self, spectra: Tensor, patches: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logarithms (N, K) of the probabilities; in training logits. See `SpectralSpatialNetwork.forward`."""
        logits: Tensor = self.member(spectra, patches, valid)
        return logits if self.training else self._weighed(logits, self.prior(spectra, patches, valid), dim=1)

    def dense(self, spectra: Tensor, components: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits of a tile's core (K, h, w'); see `SpectralSpatialNetwork.dense`."""
        if not self.dense_capable:
            return super().dense(spectra, components, valid)
        logits = self.member.dense(spectra, components, valid)
        return self._weighed(logits, self.prior_of_tile(spectra, components, valid), dim=0)

    def forward_with_features(
        self, spectra: Tensor, patches: Tensor, valid: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Features are those of the network; see `SpectralSpatialNetwork.forward_with_features`."""
        logits, features = self.member.forward_with_features(spectra, patches, valid)
        if not self.training:
            logits = self._weighed(logits, self.prior(spectra, patches, valid), dim=1)
        return logits, features

    def dense_with_features(
        self, spectra: Tensor, components: Tensor, valid: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """See `SpectralSpatialNetwork.dense_with_features`."""
        logits, features = self.member.dense_with_features(spectra, components, valid)
        return self._weighed(logits, self.prior_of_tile(spectra, components, valid), dim=0), features

    def member_logits(self, spectra: Tensor, patches: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits of the network itself; see `SpectralSpatialNetwork.member_logits`."""
        return self.member.member_logits(spectra, patches, valid)

    def attention_weights(self, spectra: Tensor, patches: Tensor, valid: Tensor | None = None) -> AttentionWeights:
        """Those of the network; see `SpectralSpatialNetwork.attention_weights`."""
        return self.member.attention_weights(spectra, patches, valid)

    def set_class_counts(self, counts: Tensor) -> None:
        """Hand them to the network; see `SpectralSpatialNetwork.set_class_counts`."""
        self.member.set_class_counts(counts)

    def prior(self, spectra: Tensor, patches: Tensor, valid: Tensor | None = None) -> Tensor:
        """Probabilities (N, K) by the memory alone, 0 for classes outside of it; arguments as in `forward`."""
        if not self.channels:
            return self._normalised(self._saliency_of(spectra[:, :, None, None])[:, :, 0, 0], dim=1)
        present = _present(patches, valid)
        return self._normalised(self._as_wholes(self._saliency_of(patches), present)[:, :, 0, 0], dim=1)

    def prior_of_tile(self, spectra: Tensor, components: Tensor, valid: Tensor | None = None) -> Tensor:
        """Probabilities (K, h, w') by the memory alone; arguments as in `dense`."""
        if not self.channels:
            return self._normalised(self._saliency_of(spectra[None])[0], dim=0)
        present = _present(components[None], None if valid is None else valid[None])
        return self._normalised(self._as_wholes(self._saliency_of(components[None]), present)[0], dim=0)

    def remember(
        self,
        *,
        projection: Any,
        centres: Any,
        saliency: Any,
        remembered: Any,
        weight: float,
        temperature: float,
        least_doubt: float,
        reach: float = 1e30,
    ) -> None:
        """Put a memory in, as arrays of the shapes that the attributes of these names have.

        Raises
        ------
        ValueError
            A shape is another one.
        """
        for name, value in locals().copy().items():
            if name == "self":
                continue
            own, given = getattr(self, name), torch.as_tensor(value)
            if own.shape != given.shape:
                raise ValueError(f"{name} has the shape {tuple(given.shape)}, not {tuple(own.shape)}")
            setattr(self, name, given.to(own.device, own.dtype).clone())

    def softened(self, softness: float) -> WithPrior:
        """The same network, weights shared, with a memory that has a gradient: what an adaptive attack looks at.

        Patterns count by the softmax of -d² / (softness · s²), with d the distance of a pixel from them and s² the mean
        square distance of a pattern from the next one. Below about 0.1 this is nearly the nearest pattern. However far
        a pixel is, it has one.
        """
        soft = copy.copy(self)
        soft.softness = softness
        return soft

    def _saliency_of(self, known: Tensor) -> Tensor:
        """Saliency (N, K, H, W) of pixels (N, C, H, W), by their patterns."""
        if self.softness is None:
            with torch.no_grad():
                return self._looked_up(known)
        return self._looked_up(known)

    def _looked_up(self, known: Tensor) -> Tensor:
        with torch.autocast(known.device.type, enabled=False):  # which pattern is nearest is decided by little
            pixels = known.movedim(1, -1).double() @ self.projection.T.double()
            centres = self.centres.double()
            squares = centres.square().sum(dim=1)
            if self.softness is None:
                least, patterns = (squares - 2 * pixels @ centres.T).min(dim=-1)
                seen = least + pixels.square().sum(dim=-1) <= self.reach
                return torch.where(seen[..., None], self.saliency.T[patterns], 1 / self.classes).movedim(-1, 1)
            nearest = torch.cdist(centres, centres).fill_diagonal_(torch.inf).amin(dim=1).square().mean()
            nearness = (2 * pixels @ centres.T - squares) / (self.softness * nearest)
            return (nearness.softmax(dim=-1).float() @ self.saliency.T).movedim(-1, 1)

    def _as_wholes(self, saliency: Tensor, present: Tensor) -> Tensor:
        """What every class gets in each window, (N, K, h, w'), from saliency (N, K, H, W) and presence (N, 1, H, W)."""
        size = self.patch_size
        edges = list(pairwise(round(n * size / self.cells) for n in range(self.cells + 1)))
        height, width = (length - size + 1 for length in present.shape[2:])
        means, there = [], []
        for (top, bottom), (left, right) in product(edges, edges):
            block = slice(top, bottom + height - 1), slice(left, right + width - 1)
            kernel = (bottom - top, right - left)
            count = functional.avg_pool2d(present[:, :, *block], kernel, stride=1)
            total = functional.avg_pool2d((saliency * present)[:, :, *block], kernel, stride=1)
            there.append(count > 0)
            means.append(torch.where(there[-1], total / count.clamp_min(1e-6), -1.0))
        parts, best = torch.stack(means).sort(dim=0, descending=True)[0], torch.stack(there).sum(dim=0)
        better_half = (best + 1) // 2
        rank = torch.arange(len(parts), device=parts.device).view(-1, 1, 1, 1, 1)
        return torch.where(rank < better_half, parts, 0.0).sum(dim=0) / better_half.clamp_min(1)

    def _normalised(self, saliency: Tensor, dim: int) -> Tensor:
        """Probabilities of the classes of the memory, 0 for the others."""
        inside = _along(self.remembered.float(), saliency.ndim, dim)
        total = (saliency * inside).sum(dim=dim, keepdim=True)
        count = inside.sum().clamp_min(1)
        shares = torch.where(total > 0, saliency * inside / total.clamp_min(1e-12), inside / count)
        return (1 - _LEAST_SHARE) * shares + _LEAST_SHARE * inside / count

    def _weighed(self, logits: Tensor, prior: Tensor, dim: int) -> Tensor:
        """Logarithms of the network's and the memory's probabilities together."""
        network = torch.log_softmax(logits.float() / self.temperature, dim=dim)
        # In logarithms throughout: probabilities that underflow would leave attacks no gradient to follow. No branch on
        # the numbers of the memory, which a graph for other programs could not follow.
        doubt = torch.where(self.weight > 0, self.least_doubt, 0.0)
        network = torch.logaddexp(network + torch.log1p(-doubt), torch.log(doubt / self.classes))
        inside = _along(self.remembered, logits.ndim, dim)
        mass = torch.where(inside, network, -torch.inf).logsumexp(dim=dim, keepdim=True)
        second = torch.where(inside, prior.clamp_min(1e-12).log() + mass, network)
        return torch.log_softmax((1 - self.weight) * network + self.weight * second, dim=dim)


def _along(values: Tensor, ndim: int, dim: int) -> Tensor:
    """Values (K,) with their axis at `dim` of so many axes."""
    return values.view([-1 if axis == dim else 1 for axis in range(ndim)])


def _present(pixels: Tensor, valid: Tensor | None) -> Tensor:
    """(N, 1, H, W) float32, 1 where a pixel (N, C, H, W) is there."""
    return (torch.ones_like(pixels[:, 0]) if valid is None else valid)[:, None].float()
