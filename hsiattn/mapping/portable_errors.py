"""Errors that keep their type on the way from a worker process.

An exception travels pickled, with everything that caused it. Where one of these cannot be pickled, or not be restored,
dask.distributed sends a plain `Exception` in the place of all. GDAL's errors, as rasterio has them, are of that kind.
"""

from __future__ import annotations

import pickle
import traceback


def portable(error: Exception) -> Exception:
    """The error alone, with the story of its causes as a note, and of the nearest type that survives pickling.

    >>> class Unportable(MemoryError):
    ...     def __reduce__(self):
    ...         raise TypeError("cannot pickle this")
    >>> portable(Unportable("too large"))
    MemoryError('too large')
    """
    story = "".join(traceback.format_exception(error))
    for kind in type(error).__mro__:
        if not issubclass(kind, Exception):
            break
        for arguments in (error.args, (str(error),)):
            alone = _restored(kind, arguments)
            if alone is not None:
                alone.add_note(story)
                return alone
    return RuntimeError(str(error))


def _restored(kind: type[Exception], arguments: tuple[object, ...]) -> Exception | None:
    """An error of that type after pickling and unpickling; None where it does not come back as it was."""
    try:
        error = pickle.loads(pickle.dumps(kind(*arguments)))
        return error if type(error) is kind and str(error) == str(kind(*arguments)) else None
    except Exception:
        return None
