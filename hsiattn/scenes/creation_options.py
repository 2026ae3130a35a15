"""Creation options of GDAL's drivers: what is wrong with them, before anything is written for hours."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hsiattn.errors import OutputError

_SIZES = ("blocksize", "blockxsize", "blockysize")
_LARGEST_BLOCK = 2**15


@contextmanager
def warnings_of_gdal() -> Iterator[list[str]]:
    """Collect warnings of GDAL while the block runs: creation options that it does not know, values that it ignores."""
    complaints: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            complaints.append(_shortened(record.getMessage()))

    logger, listener = logging.getLogger("rasterio._env"), Listener(logging.WARNING)
    before = logger.level, logger.propagate, logger.disabled
    logger.addHandler(listener)
    logger.setLevel(logging.WARNING)
    logger.propagate, logger.disabled = False, False
    try:
        yield complaints
    finally:
        logger.removeHandler(listener)
        logger.setLevel(before[0])
        logger.propagate, logger.disabled = before[1:]


def _shortened(message: str) -> str:
    """Message without the class of the error, which rasterio puts first."""
    prefix, found, rest = message.partition(" in ")
    return rest if found and prefix.startswith("CPLE_") else message


def check_numbers(target: Path, options: Mapping[str, Any]) -> None:
    """Refuse sizes and switches that rasterio passes over, or by which GDAL ends the process.

    Raises
    ------
    OutputError
        One is no size or no switch.
    """
    for name, value in options.items():
        text = str(value).lower()
        if name in _SIZES and not (text.isdecimal() and 0 < int(text) <= _LARGEST_BLOCK):
            raise OutputError(f"{target} cannot be created ({name}={value} is not a size)", "give a number of pixels")
        if name == "tiled" and text not in ("yes", "no", "true", "false", "on", "off", "1", "0"):
            raise OutputError(f"{target} cannot be created ({name}={value} is no switch)", "give YES or NO")
