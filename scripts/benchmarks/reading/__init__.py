"""How long opening and reading of scenes takes, beside rasterio, spectral and rioxarray on the same files."""
