"""Extended morphological profiles: what a pixel's surroundings look like when details vanish, size by size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor


def morphological_profiles(components: Tensor, valid: Tensor | None, radii: Sequence[int], size: int) -> Tensor:
    """Components with their openings and closings by reconstruction.

    Opening by a disc of radius r removes what is bright and narrower than the disc, closing what is dark; the
    reconstruction brings back the whole shape of what was not removed. The profile over growing r tells how large the
    bright and dark things around a pixel are (Benediktsson, Palmason and Sveinsson 2005, IEEE TGRS 43(3), 480-491).

    Reconstruction spreads without bound by definition. Here it takes size // 2 - r geodesic steps (each a maximum over
    3 × 3 pixels, held below the component), so what a pixel sees is its window of size × size, no more and no less: a
    shape that reaches beyond the window may come back in part.

    Missing neighbours take no part: they neither erode nor let a reconstruction pass.

    Parameters
    ----------
    components
        (N, C, H, W).
    valid
        (N, H, W) bool, False where missing; None when all are there.
    radii
        R of them, increasing, in pixels; the disc of radius r holds the offsets with dx² + dy² ≤ r².
    size
        Side of the window, odd; at least 4 · max(radii) + 1, so that every disc that survives can be restored.

    Returns
    -------
    (N, C · (2R + 1), H - size + 1, W - size + 1)
        The components, then the openings by radius, then the closings; 0 where the pixel itself is missing.
    """
    channels, reach = components.shape[1], size // 2
    signed = torch.cat([components, -components], dim=1)  # the closing is the opening of the negative
    mask = None if valid is None else valid[:, None]
    ceiling = signed if mask is None else signed.masked_fill(~mask, -torch.inf)
    floor = signed if mask is None else signed.masked_fill(~mask, torch.inf)
    opened = []
    for radius, eroded in _erosions(floor, radii):
        under = _inner(ceiling, radius)
        opened.append(_reconstruct(torch.minimum(eroded, under), under, reach - radius))
    parts = [_inner(components, reach)]
    parts += [each[:, :channels] for each in opened]
    parts += [-each[:, channels:] for each in opened]
    profiles = torch.cat(parts, dim=1)
    return profiles if mask is None else profiles.masked_fill(~_inner(mask, reach), 0.0)


def _erosions(values: Tensor, radii: Sequence[int]) -> Iterator[tuple[int, Tensor]]:
    """Minima over discs, (N, C, H - 2r, W - 2r) for every radius r; a disc adds a ring to the one before."""
    height, width = values.shape[-2:]
    eroded, before = values, 0
    for radius in radii:
        eroded = _inner(eroded, radius - before).clone()
        for dy in range(-radius, radius + 1):
            for dx in range(-radius, radius + 1):
                if before**2 < dy * dy + dx * dx <= radius**2:
                    rows = slice(radius + dy, height - radius + dy)
                    columns = slice(radius + dx, width - radius + dx)
                    torch.minimum(eroded, values[..., rows, columns], out=eroded)
        yield radius, eroded
        before = radius


def _reconstruct(marker: Tensor, ceiling: Tensor, steps: int) -> Tensor:
    """So many geodesic dilations of the marker under the ceiling; every step takes a pixel from each side."""
    for step in range(1, steps + 1):
        marker = torch.minimum(_maximum_of_3x3(marker), _inner(ceiling, step))
    return marker


def _maximum_of_3x3(values: Tensor) -> Tensor:
    rows = torch.maximum(torch.maximum(values[..., :-2, :], values[..., 2:, :]), values[..., 1:-1, :])
    return torch.maximum(torch.maximum(rows[..., :-2], rows[..., 2:]), rows[..., 1:-1])


def _inner(values: Tensor, margin: int) -> Tensor:
    """Cut so many rows and columns off at every side."""
    return values[..., margin : values.shape[-2] - margin, margin : values.shape[-1] - margin]
