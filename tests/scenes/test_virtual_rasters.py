from __future__ import annotations

import os

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


def built(path, files, separate=False):
    """A virtual raster as gdalbuildvrt writes it: of tiles, or with -separate one band per file."""
    rasters = [rasterio.open(file) for file in files]
    left, top = min(r.bounds.left for r in rasters), max(r.bounds.top for r in rasters)
    width = round((max(r.bounds.right for r in rasters) - left) / 30)
    height = round((top - min(r.bounds.bottom for r in rasters)) / 30)

    def source(raster, band):
        (rows, columns), name = raster.block_shapes[0], os.path.relpath(raster.name, path.parent)
        size = f'xSize="{raster.width}" ySize="{raster.height}"'
        place = f'xOff="{(raster.bounds.left - left) / 30:g}" yOff="{(top - raster.bounds.top) / 30:g}"'
        return (
            f'<ComplexSource><SourceFilename relativeToVRT="1">{name}</SourceFilename><SourceBand>{band}</SourceBand>'
            f'<SourceProperties RasterXSize="{raster.width}" RasterYSize="{raster.height}" '
            f'DataType="{raster.dtypes[0].title()}" BlockXSize="{columns}" BlockYSize="{rows}" />'
            f'<SrcRect xOff="0" yOff="0" {size} /><DstRect {place} {size} /><NODATA>{raster.nodata:g}</NODATA>'
            "</ComplexSource>"
        )

    per_band = [[(r, 1)] for r in rasters] if separate else [[(r, i) for r in rasters] for i in rasters[0].indexes]
    bands = "".join(
        f'<VRTRasterBand dataType="{rasters[0].dtypes[0].title()}" band="{i}">'
        f"<NoDataValue>{rasters[0].nodata:g}</NoDataValue>{''.join(source(*one) for one in members)}</VRTRasterBand>"
        for i, members in enumerate(per_band, start=1)
    )
    path.write_text(
        f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}"><SRS dataAxisToSRSAxisMapping="1,2">EPSG:32633</SRS>'
        f"<GeoTransform>{left:.16e}, 30, 0, {top:.16e}, 0, -30</GeoTransform>{bands}</VRTDataset>"
    )
    for raster in rasters:
        raster.close()
    return str(path)


def tile(path, values, column=0, centres=CENTRES):
    """A tile with wavelengths, FWHM and flags of bad bands, and a scale."""
    count, height, width = values.shape
    profile = {"driver": "GTiff", "height": height, "width": width, "count": count, "dtype": "int16", "nodata": -1}
    transform = Affine(30, 0, 380000 + 30 * column, 0, -30, 5820000)
    with rasterio.open(path, "w", crs="EPSG:32633", transform=transform, **profile) as file:
        file.write(values)
        file.scales = [1e-4] * count
        for i, centre in enumerate(centres, start=1):
            file.update_tags(i, wavelength=str(centre), fwhm="9", wavelength_units="nm", bbl=str(int(centre < 800)))
    return path


def test_tiles_that_gdalbuildvrt_has_joined_keep_wavelengths_widths_flags_and_scale(tmp_path):
    values = np.arange(2 * 4 * 6 * 5, dtype=np.int16).reshape(2, 4, 6, 5)
    (tmp_path / "tiles").mkdir()
    files = [tile(tmp_path / "tiles" / f"{i}.tif", values[i], column=7 * i) for i in range(2)]
    joined, mosaic = open_source(built(tmp_path / "all.vrt", files)), open_source(files)
    assert joined.bands.wavelength.tolist() == CENTRES
    assert joined.bands.fwhm.tolist() == [9] * 4
    assert joined.bands.good.tolist() == [True, True, True, False]
    assert (joined.radiometry.scale, joined.nodata) == (10_000, -1)
    np.testing.assert_array_equal(joined.read(joined.extent), mosaic.read(mosaic.extent))


def test_bands_that_gdalbuildvrt_has_stacked_keep_their_wavelengths(tmp_path):
    values = np.ones((1, 6, 5), np.int16)
    files = [tile(tmp_path / f"{centre:.0f}.tif", values, centres=[centre]) for centre in CENTRES]
    stacked = open_source(built(tmp_path / "all.vrt", files, separate=True)).bands
    assert stacked.wavelength.tolist() == CENTRES
    assert stacked.fwhm.tolist() == [9] * 4
    assert stacked.good.tolist() == [True, True, True, False]


@pytest.mark.real_scene
def test_the_tiles_of_enmap_joined_by_gdalbuildvrt_keep_all_that_they_say(real_data, tmp_path):
    files = sorted((real_data / "enmap-potsdam" / "images").glob("*.tif"))
    joined, mosaic = open_source(built(tmp_path / "all.vrt", files)), open_source(files)
    assert joined.bands == open_source(files[0]).bands == mosaic.bands
    assert (joined.radiometry, joined.nodata) == (mosaic.radiometry, mosaic.nodata)
    np.testing.assert_array_equal(joined.read(joined.extent), mosaic.read(mosaic.extent))
