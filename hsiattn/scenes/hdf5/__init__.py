"""HDF5 files, read by a process of their own: the library behind them may crash or hang on damaged ones."""

from hsiattn.scenes.hdf5.file import Hdf5Dataset, Hdf5Error, Hdf5File

__all__ = ["Hdf5Dataset", "Hdf5Error", "Hdf5File"]
