from __future__ import annotations

import json

import numpy as np
import pytest

from hsiattn.errors import BandError
from hsiattn.scenes import SpectralBands
from hsiattn.scenes.spectral import guess_unit, parse_description, to_nanometres

AVIRIS = SpectralBands.build(
    7,
    names=["B29", "B30", "B31", "B32", "B33", "B34", "B35"],
    wavelength=[638.2, 648.0, 657.8, 667.6, 655.8, 665.6, 675.4],
    fwhm=[9.0] * 7,
    good=[True, True, True, False, True, True, True],
)


def test_bands_survive_json():
    bands = SpectralBands.build(3, wavelength=[450, np.nan, 900], fwhm=[10, 10, np.nan], good=[1, 0, 1], nominal=True)
    assert SpectralBands.from_dict(json.loads(json.dumps(bands.to_dict(), allow_nan=False))) == bands


def test_a_subset_keeps_the_order_that_is_asked_for():
    part = AVIRIS.subset([5, 0, 3])
    assert part.names == ("B34", "B29", "B32")
    assert part.wavelength.tolist() == [665.6, 638.2, 667.6]
    assert part.good.tolist() == [True, True, False]


def test_bands_differ_where_a_figure_differs():
    assert AVIRIS.subset(range(6)) != AVIRIS
    assert SpectralBands.build(7, names=AVIRIS.names) != AVIRIS
    assert AVIRIS != "AVIRIS"


def test_metadata_of_the_wrong_length_are_refused():
    with pytest.raises(BandError, match="3 bands have 2 values of wavelength"):
        SpectralBands.build(3, wavelength=[1.0, 2.0])


@pytest.mark.parametrize(
    ("values", "unit", "expected"),
    [
        ([450, 900], "Nanometers", [450, 900]),
        ([0.45, 2.4], "Micrometers", [450, 2400]),
        ([0.45, 2.4], "µm", [450, 2400]),
        ([4500, 9000], "Angstroms", [450, 900]),
        ([0.45, 2.4], None, [450, 2400]),
        ([450, 2400], "Unknown", [450, 2400]),
        ([8.0, 12.0], "", [8000, 12000]),  # thermal
        ([1, 2], "Index", [np.nan, np.nan]),
        ([20000, 10000], "Wavenumber", [np.nan, np.nan]),
    ],
)
def test_wavelengths_come_out_in_nm(values, unit, expected):
    np.testing.assert_allclose(to_nanometres(values, unit), expected)


def test_a_unit_is_guessed_without_stumbling_over_unknown_centres():
    assert guess_unit([np.nan, 0.4]) == "µm"
    assert guess_unit([np.nan, 400.0]) == "nm"
    assert guess_unit([np.nan]) == "nm"


@pytest.mark.parametrize(
    ("text", "name", "wavelength"),
    [
        ("Band 7 (482.0 Nanometers)", "Band 7", 482.0),
        ("red edge (0.705 µm)", "red edge", 705.0),
        ("B4 (394.935486)", "B4", 394.935486),
        ("(1.65 micrometers)", None, 1650.0),
        ("NDVI", "NDVI", np.nan),
        ("part (3)", "part (3)", np.nan),
        ("depth (3 furlongs)", "depth (3 furlongs)", np.nan),
        ("", None, np.nan),
        (None, None, np.nan),
    ],
)
def test_a_description_gives_name_and_wavelength(text, name, wavelength):
    found_name, found = parse_description(text)
    assert found_name == name
    np.testing.assert_allclose(found, wavelength)
