"""Attacks on a model: the least visible changes of reflectance that make it err, found along its gradient.

White-box attacks: they know the network, and change the reflectance of every band and pixel of a window by at most ε,
each band by its share of that band's range. They tell how far a hostile hand, or the worst of all errors that small,
could go; what real scenes do is in `hsiattn.simulation.disturbances`.

Sources: fast gradient sign method (FGSM), Goodfellow, Shlens and Szegedy 2015 (ICLR); projected gradient descent (PGD)
with a random start, Madry, Makelov, Schmidt, Tsipras and Vladu 2018 (ICLR); difference of logits as objective, Carlini
and Wagner 2017 (IEEE S&P); adaptive attacks on defences that hide their gradient, Athalye, Carlini and Wagner 2018
(ICML) and Tramèr, Carlini, Brendel and Madry 2020 (NeurIPS).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

ATTACKS: Mapping[str, str] = {
    "fgsm": "one step of ε along the sign of the gradient",
    "pgd": "many small steps within ε from a random start, besides FGSM's",
    "adaptive": "PGD along the gradient of a softened memory of spectra, besides what PGD finds",
}
"""Names of the attacks, and what each does."""

STEPS = 10
"""Steps of PGD."""
STEP = 2.5
"""Length of all steps together, in ε: any place within ε can be reached from any other (Madry et al. 2018)."""


def fgsm(victim: nn.Module, windows: Tensor, valid: Tensor, targets: Tensor, limits: Tensor) -> Tensor:
    """Windows (n, B, w, w) after one step of FGSM.

    Parameters
    ----------
    victim
        From windows of reflectance and `valid` to logits (n, K), such as a `Victim`.
    windows, valid
        (n, B, w, w) reflectance and (n, w, w); pixels that are not valid stay as they are.
    targets
        (n,) indices of the true classes, from which the attack leads away.
    limits
        (B,) largest change of every band, in reflectance, at least 0.
    """
    slope, _ = _slope(victim, windows, valid, targets)
    return windows + _change(slope, limits, valid)


def pgd(
    victim: nn.Module,
    windows: Tensor,
    valid: Tensor,
    targets: Tensor,
    limits: Tensor,
    *,
    guides: Sequence[nn.Module] = (),
    tried: Sequence[Tensor] = (),
    steps: int = STEPS,
    seed: int = 0,
) -> Tensor:
    """Windows (n, B, w, w) after PGD: of all that was tried, what errs, else what is nearest to erring.

    Nothing and FGSM's step are tried too, so that PGD does no less damage than these.

    Parameters
    ----------
    victim, windows, valid, targets, limits
        As in `fgsm`.
    guides
        Networks whose gradients are followed one after the other, each from a random start of its own; the victim
        itself where there is none. What errs is always decided by the victim.
    tried
        What other attacks with no higher limits have found, (n, B, w, w) each; it is not sought again.
    steps
        Of every guide.
    seed
        Decides the random starts.
    """
    best, margin = windows.clone(), _margin(_logits(victim, windows, valid), targets)
    for found in (*tried, fgsm(victim, windows, valid, targets, limits)):
        best, margin = _better(best, margin, found, _margin(_logits(victim, found, valid), targets))
    generator = torch.Generator().manual_seed(seed)
    for guide in guides or (victim,):
        start = torch.rand(windows.shape, generator=generator).to(windows) * 2 - 1
        left = torch.nonzero(margin < 0)[:, 0]
        if not len(left):
            break
        found, of_found = _walk(
            victim, guide, windows[left], valid[left], targets[left], limits, start=start[left], steps=steps
        )
        best[left], margin[left] = _better(best[left], margin[left], found, of_found)
    return best


def _walk(
    victim: nn.Module, guide: nn.Module, windows: Tensor, valid: Tensor, targets: Tensor, limits: Tensor, *,
    start: Tensor, steps: int,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The best of all steps from a start within the limits, and its margin; what errs goes no further."""
    best, margin = windows.clone(), torch.full((len(windows),), -torch.inf, device=windows.device)
    largest = limits[:, None, None]
    place = windows + start * largest * valid[:, None]
    going = torch.arange(len(windows), device=windows.device)
    for _ in range(steps):
        slope, logits = _slope(guide, place, valid[going], targets[going])
        if guide is not victim:
            logits = _logits(victim, place, valid[going])
        best[going], margin[going] = _better(best[going], margin[going], place, _margin(logits, targets[going]))
        on = margin[going] < 0
        going, place, slope = going[on], place[on], slope[on]
        if not len(going):
            return best, margin
        moved = place + _change(slope, limits * (STEP / steps), valid[going])
        place = windows[going] + (moved - windows[going]).clamp(-largest, largest)
    of_last = _margin(_logits(victim, place, valid[going]), targets[going])
    best[going], margin[going] = _better(best[going], margin[going], place, of_last)
    return best, margin


def _slope(network: nn.Module, windows: Tensor, valid: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Gradient (n, B, w, w) of the margin by which a network errs, and its logits."""
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):  # whose recurrent layers have none in use
        seen = windows.detach().clone().requires_grad_(True)
        logits = network(seen, valid)
        (slope,) = torch.autograd.grad(_margin(logits, targets).sum(), seen)
    return slope, logits.detach()


@torch.no_grad()
def _logits(network: nn.Module, windows: Tensor, valid: Tensor) -> Tensor:
    logits: Tensor = network(windows, valid)
    return logits


def _margin(logits: Tensor, targets: Tensor) -> Tensor:
    """By how much the best wrong class is above the true one, (n,); from 0 on the network errs.

    Unlike that of cross-entropy, its gradient does not vanish where a network is sure.
    """
    true = logits.gather(1, targets[:, None])[:, 0]
    return logits.scatter(1, targets[:, None], -torch.inf).amax(dim=1) - true


def _change(slope: Tensor, limits: Tensor, valid: Tensor) -> Tensor:
    return slope.sign() * limits[:, None, None] * valid[:, None]


def _better(windows: Tensor, margin: Tensor, others: Tensor, of_others: Tensor) -> tuple[Tensor, Tensor]:
    """Of each pair the window with the larger margin."""
    chosen = of_others > margin
    return torch.where(chosen[:, None, None, None], others, windows), torch.where(chosen, of_others, margin)
