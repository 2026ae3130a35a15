"""The version of the package, where every module can read it without importing the package's public names."""

__version__ = "0.6.0"
