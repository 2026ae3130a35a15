"""The plug-in of QGIS; see metadata.txt."""

from __future__ import annotations

from typing import Any


def classFactory(iface: Any) -> Any:  # noqa: N802  (QGIS calls it so)
    """Give QGIS the plug-in; `iface` is None in qgis_process."""
    from .provider import Plugin

    return Plugin()
