from __future__ import annotations

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from hsiattn.scenes import open_source

CENTRES = [450.0, 550.0, 650.0, 850.0]


@pytest.fixture
def scene(tmp_path):
    path = tmp_path / "tiles" / "a.tif"
    path.parent.mkdir()
    profile = {"driver": "GTiff", "height": 6, "width": 5, "count": 4, "dtype": "int16", "crs": "EPSG:32633"}
    with rasterio.open(path, "w", transform=Affine(30, 0, 380000, 0, -30, 5820000), **profile) as file:
        file.write(np.arange(120, dtype=np.int16).reshape(4, 6, 5))
        for i, centre in enumerate(CENTRES, start=1):
            file.update_tags(i, wavelength=str(centre), fwhm="9", wavelength_units="nm")
    return path


def stack(path, sources, attributes="", relative=1):
    """A virtual raster with one band per (file, band)."""
    bands = "".join(
        f'<VRTRasterBand dataType="Int16" band="{i}" {attributes}><SimpleSource>'
        f'<SourceFilename relativeToVRT="{relative}">{file}</SourceFilename><SourceBand>{band}</SourceBand>'
        "</SimpleSource></VRTRasterBand>"
        for i, (file, band) in enumerate(sources, start=1)
    )
    path.write_text(f'<VRTDataset rasterXSize="5" rasterYSize="6">{bands}</VRTDataset>')
    return str(path)


def test_a_virtual_raster_has_the_wavelengths_of_the_bands_behind_its_own(scene, tmp_path):
    bands = open_source(stack(tmp_path / "s.vrt", [("tiles/a.tif", n) for n in (4, 1, 3)])).bands
    assert bands.wavelength.tolist() == [850, 450, 650]
    assert bands.fwhm.tolist() == [9, 9, 9]


def test_absolute_paths_and_rasters_behind_virtual_ones_are_followed(scene, tmp_path):
    stack(tmp_path / "inner.vrt", [(str(scene), n) for n in (4, 3, 2, 1)], relative=0)
    outer = stack(tmp_path / "outer.vrt", [("inner.vrt", 1), ("inner.vrt", 4)])
    assert open_source(outer).bands.wavelength.tolist() == [850, 450]


def test_a_virtual_raster_that_leads_to_itself_or_nowhere_has_no_wavelengths(tmp_path):
    for name, member in (("self.vrt", "self.vrt"), ("lost.vrt", "none.tif")):
        assert np.isnan(open_source(stack(tmp_path / name, [(member, 1)])).bands.wavelength).all()


def test_a_band_that_is_computed_has_no_wavelength(scene, tmp_path):
    path = tmp_path / "s.vrt"
    stack(path, [("tiles/a.tif", 1), ("tiles/a.tif", 2)])
    head, computed = path.read_text().split('band="2" >')
    function = "<PixelFunctionType>sum</PixelFunctionType>"
    path.write_text(f'{head}band="2" subClass="VRTDerivedRasterBand">{function}{computed}')
    np.testing.assert_array_equal(open_source(str(path)).bands.wavelength, [450, np.nan])


def test_a_warped_virtual_raster_knows_which_bands_it_warps(scene, tmp_path):
    with rasterio.open(scene) as file, WarpedVRT(file, crs="EPSG:32632", resampling=Resampling.nearest) as warped:
        rasterio.shutil.copy(warped, tmp_path / "warped.vrt", driver="VRT")
    assert open_source(str(tmp_path / "warped.vrt")).bands.wavelength.tolist() == CENTRES
