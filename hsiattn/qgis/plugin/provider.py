"""The plug-in, and the provider by which Processing finds its algorithms."""

from __future__ import annotations

from qgis.core import QgsApplication, QgsProcessingProvider

from .algorithms import Assess, Classify, Polygons, Train


class Provider(QgsProcessingProvider):
    """The algorithms of hsiattn."""

    def loadAlgorithms(self) -> None:  # noqa: N802
        """Add them to Processing."""
        for algorithm in (Train, Classify, Polygons, Assess):
            self.addAlgorithm(algorithm())

    def id(self) -> str:
        """Prefix of the names of algorithms."""
        return "hsiattn"

    def name(self) -> str:
        """Name in the toolbox."""
        return "hsiattn (hyperspectral land cover)"


class Plugin:
    """What QGIS loads and unloads."""

    def __init__(self) -> None:
        self.provider: Provider | None = None

    def initProcessing(self) -> None:  # noqa: N802
        """Register the provider; qgis_process calls this alone."""
        self.provider = Provider()
        QgsApplication.processingRegistry().addProvider(self.provider)

    def initGui(self) -> None:  # noqa: N802
        """Register the provider."""
        self.initProcessing()

    def unload(self) -> None:
        """Take the provider back."""
        if self.provider is not None:
            QgsApplication.processingRegistry().removeProvider(self.provider)
