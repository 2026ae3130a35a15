"""Canopies by radiative transfer: PROSPECT-5 leaves in a SAIL canopy (Jacquemoud et al. 2009), by prosail."""

from __future__ import annotations

import numpy as np

from scripts.land_cover.spectra import Floats, Spectra, on_grid

_NM = np.arange(400.0, 2501.0)


def green_canopies(count: int, rng: np.random.Generator) -> Spectra:
    """Green vegetation, of which nothing says whether it is high or low."""
    drawn = [
        _canopy(
            rng, structure=(1.2, 2.2), chlorophyll=(15, 75), brown=(0, 0.25), water=(0.006, 0.03),
            dry=(0.002, 0.014), leaf_area=(1.2, 7),
        )
        for _ in range(count)
    ]  # fmt: skip
    return _named(drawn, "green vegetation", "prosail green")


def dry_canopies(count: int, rng: np.random.Generator) -> Spectra:
    """Senescent vegetation: hardly any chlorophyll, brown pigments, little water."""
    drawn = [
        _canopy(
            rng, structure=(1.5, 3.0), chlorophyll=(0, 4), brown=(0.2, 1.5), water=(0.0005, 0.006),
            dry=(0.005, 0.02), leaf_area=(0.8, 5),
        )
        for _ in range(count)
    ]  # fmt: skip
    return _named(drawn, "dry vegetation", "prosail dry")


def _canopy(
    rng: np.random.Generator, *, structure: tuple[float, float], chlorophyll: tuple[float, float],
    brown: tuple[float, float], water: tuple[float, float], dry: tuple[float, float], leaf_area: tuple[float, float],
) -> Floats:  # fmt: skip
    """A spectrum (2101,) of a canopy with parameters drawn from these ranges."""
    import prosail

    green = rng.uniform(*chlorophyll)
    spectrum = prosail.run_prosail(
        rng.uniform(*structure), green, green * rng.uniform(0.15, 0.35) + rng.uniform(0, 2), rng.uniform(*brown),
        rng.uniform(*water), rng.uniform(*dry), rng.uniform(*leaf_area), rng.uniform(30, 70), rng.uniform(0.01, 0.3),
        rng.uniform(15, 60), rng.uniform(0, 20), rng.uniform(0, 180), typelidf=2, rsoil=rng.uniform(0.4, 1.3),
        psoil=rng.uniform(0, 1),
    )  # fmt: skip
    return np.asarray(spectrum, dtype=np.float64)


def _named(drawn: list[Floats], name: str, source: str) -> Spectra:
    count = len(drawn)
    groups = np.array([f"{source} {number}" for number in range(count)])
    return Spectra(on_grid(_NM, np.stack(drawn)), np.full(count, name), np.full(count, source), groups)
