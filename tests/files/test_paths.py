"""Paths: what GDAL alone understands is told from files, and the archive on the disk is found behind it."""

from __future__ import annotations

import pytest

from hsiattn.files.paths import is_for_gdal, is_virtual, local_file


@pytest.mark.parametrize("path", ["/vsizip/a.zip/b.tif", "/vsicurl/https://a.b/c.tif", "s3://bucket/a.tif"])
def test_virtual_paths_are_for_gdal_too(path):
    assert is_virtual(path)
    assert is_for_gdal(path)


def test_variables_inside_of_files_are_for_gdal_but_not_virtual():
    assert is_for_gdal('NETCDF:"a.nc":reflectance')
    assert not is_virtual('NETCDF:"a.nc":reflectance')


def test_files_are_neither_even_with_a_colon_in_their_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "12:30.tif").touch()
    for path in ("a.tif", "folder/vsi.tif", "folder/12:30.tif", tmp_path / "a.tif", "12:30.tif", "C:a.tif"):
        assert not is_virtual(path)
        assert not is_for_gdal(path)


def test_the_file_of_a_path_is_its_archive_or_itself(tmp_path):
    archive = tmp_path / "a.zip"
    archive.touch()
    inside = (f"/vsizip/{archive}/folder/b.tif", f"/vsizip/{{{archive}}}/b.tif", f"zip://{archive}!b.tif")
    assert [local_file(path) for path in (*inside, archive)] == [str(archive)] * 4
    assert local_file("/vsizip/missing.zip/b.tif") == "missing.zip/b.tif"
    assert local_file("b.tif") == "b.tif"
