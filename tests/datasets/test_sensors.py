"""Band sets of sensors, by name and from tables."""

import numpy as np
import pytest

from hsiattn.datasets import dataset_names
from hsiattn.datasets.sensors import bands_from_table, sensor, sensor_bands, sensor_names, with_told_bands
from hsiattn.errors import BandError
from hsiattn.scenes import open_source


@pytest.mark.parametrize("name", sensor_names())
def test_every_sensor_has_bands_of_positive_width_in_the_optical_range(name):
    bands = sensor(name).bands()
    assert (bands.fwhm > 0).all()
    assert bands.wavelength.min() > 350
    assert bands.wavelength.max() < 2600
    assert bands.nominal
    assert not set(sensor_names()) & set(dataset_names())


def test_a_public_scene_stands_for_its_sensor_with_or_without_the_removed_bands():
    whole, corrected = sensor_bands("Salinas", 224), sensor_bands("salinas", 204)
    assert len(whole) == 224
    assert np.isin(corrected.wavelength, whole.wavelength).all()
    assert not ((corrected.wavelength > 1365) & (corrected.wavelength < 1400)).any()


def test_bands_that_are_not_evenly_spaced_are_listed():
    enmap = sensor_bands("EnMAP", 224)
    steps = np.diff(enmap.wavelength)
    assert np.flatnonzero(steps < 0).tolist() == [90]  # its two spectrometers overlap
    assert np.flatnonzero(steps > 50).tolist() == [134, 162]  # its products leave water vapour out
    assert steps[:90].max() - steps[:90].min() > 3


def test_hyperion_is_known_with_all_bands_and_with_the_calibrated_ones():
    whole, calibrated = sensor_bands("hyperion", 242), sensor_bands("hyperion-198", 198)
    kept = [*range(7, 57), *range(76, 224)]
    np.testing.assert_allclose(calibrated.wavelength, whole.wavelength[kept], atol=0.05)


def test_another_number_of_bands_and_an_unknown_sensor_are_refused():
    with pytest.raises(BandError, match="rosis has 103 bands, the scene 24"):
        sensor_bands("rosis", 24)
    with pytest.raises(BandError, match="no sensor avirris") as caught:
        sensor_bands("avirris", 224)
    assert "did you mean aviris" in caught.value.remedy


@pytest.mark.parametrize(
    "text",
    [
        "0.45 0.01\n0.46 0.01\n",
        "wavelength;fwhm\n450;10\n460;10\n",
        "450,10,first\n460,10,second\n",
        "450\t10\n460\t10",
    ],
)
def test_tables_in_the_usual_forms_are_read(tmp_path, text):
    path = tmp_path / "bands.txt"
    path.write_text(text)
    bands = bands_from_table(path, 2)
    np.testing.assert_allclose(bands.wavelength, [450, 460])
    np.testing.assert_allclose(bands.fwhm, [10, 10])


def test_a_table_without_widths_leaves_them_unknown(tmp_path):
    (tmp_path / "bands.txt").write_text("450\n460\n470\n")
    assert np.isnan(bands_from_table(tmp_path / "bands.txt", 3).fwhm).all()


def test_tables_that_do_not_fit_are_refused(tmp_path):
    (tmp_path / "bands.txt").write_text("450\n460\n")
    with pytest.raises(BandError, match="has 2 wavelengths, the scene 3 bands"):
        bands_from_table(tmp_path / "bands.txt", 3)
    (tmp_path / "bands.bin").write_bytes(b"\0\1\2")
    with pytest.raises(BandError, match="no text file"):
        bands_from_table(tmp_path / "bands.bin", 3)
    with pytest.raises(BandError, match="cannot be read"):
        bands_from_table(tmp_path / "missing.txt", 3)


def test_a_scene_gets_the_bands_it_is_told_and_keeps_its_names(tiny, tmp_path):
    source = open_source(tiny.scene)
    assert with_told_bands(source) is source
    (tmp_path / "bands.csv").write_text("\n".join(f"{500 + 10 * number}" for number in range(24)))
    told = with_told_bands(source, table=tmp_path / "bands.csv")
    assert told.bands.wavelength[1] == 510
    assert told.bands.names == source.bands.names
    assert told.notes == source.notes
    with pytest.raises(BandError, match="both say where"):
        with_told_bands(source, "rosis", tmp_path / "bands.csv")
