"""The commands of hsiattn as algorithms of Processing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingException,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterMapLayer,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
)

from . import commands, process

_MODELS = "Model files (*.hsiattn)"
_POLYGON = getattr(QgsProcessing, "TypeVectorPolygon", 2)


class Algorithm(QgsProcessingAlgorithm):
    """What the algorithms have in common: parameters become a command line, which is run."""

    title = ""
    what = ""
    layers: tuple[str, ...] = ()
    """Parameters that take a layer of the project."""

    destinations: tuple[str, ...] = ()
    """Parameters that take the path of a result."""

    arguments: Callable[[Mapping[str, Any]], list[str]]

    def name(self) -> str:
        """Name in scripts and models."""
        return type(self).__name__.lower()

    def displayName(self) -> str:  # noqa: N802
        """Name in the toolbox."""
        return self.title

    def shortHelpString(self) -> str:  # noqa: N802
        """Help beside the parameters."""
        return self.what

    def createInstance(self) -> Algorithm:  # noqa: N802
        """Another one, as QGIS asks for it before every run."""
        return type(self)()

    def initAlgorithm(self, configuration: Any = None) -> None:  # noqa: N802
        """Declare the parameters."""
        for parameter in (*self.parameters(), _extra()):
            self.addParameter(parameter)

    def parameters(self) -> tuple[QgsProcessingParameterDefinition, ...]:
        """Parameters, results last."""
        raise NotImplementedError

    def processAlgorithm(self, parameters: Any, context: Any, feedback: Any) -> dict[str, Any]:  # noqa: N802
        """Run the command; the paths of the results by their names."""
        values = {definition.name(): self._value(definition, parameters, context) for definition in self._definitions()}
        results = {name: values[name] for name in self.destinations if values.get(name)}
        try:
            process.run(
                type(self).arguments(values), say=feedback.pushInfo, progress=feedback.setProgress,
                cancelled=feedback.isCanceled,
            )  # fmt: skip
        except (process.CommandError, commands.ConfigurationError) as error:
            raise QgsProcessingException(str(error)) from error
        return results

    def _definitions(self) -> list[QgsProcessingParameterDefinition]:
        return list(self.parameterDefinitions())

    def _value(self, definition: QgsProcessingParameterDefinition, parameters: Any, context: Any) -> Any:
        name = definition.name()
        if name in self.destinations:
            read = self.parameterAsOutputLayer if _is_layer(definition) else self.parameterAsFileOutput
            return read(parameters, name, context)
        if name in self.layers:
            layer = self.parameterAsLayer(parameters, name, context)
            return layer.source() if layer is not None else None
        if isinstance(definition, QgsProcessingParameterNumber):
            whole = definition.dataType() == QgsProcessingParameterNumber.Integer
            return (self.parameterAsInt if whole else self.parameterAsDouble)(parameters, name, context)
        if isinstance(definition, QgsProcessingParameterFile):
            return self.parameterAsFile(parameters, name, context)
        return self.parameterAsString(parameters, name, context)


class Train(Algorithm):
    """`hsiattn train`."""

    title = "Train a land-cover model"
    what = (
        "Trains a model on a hyperspectral scene and labels: polygons or points with a column of classes, or a raster "
        "of class codes. The log shows the accuracy on labels that were held out. The model maps this scene and others "
        "of the same sensor."
    )
    layers = ("SCENE", "LABELS")
    destinations = ("MODEL",)
    arguments = staticmethod(commands.train_arguments)

    def parameters(self) -> tuple[QgsProcessingParameterDefinition, ...]:
        """Scene, labels, settings; the model."""
        return (
            QgsProcessingParameterRasterLayer("SCENE", "Scene, all bands"),
            QgsProcessingParameterMapLayer("LABELS", "Labels: polygons, points or a raster of class codes"),
            QgsProcessingParameterString("COLUMN", "Column with the classes, of polygons or points", optional=True),
            QgsProcessingParameterString("RECIPE", "Recipe: a name or a YAML file", defaultValue="default"),
            QgsProcessingParameterNumber("SEED", "Seed", defaultValue=0, minValue=0),
            QgsProcessingParameterFileDestination("MODEL", "Model", _MODELS),
        )


class Classify(Algorithm):
    """`hsiattn classify`."""

    title = "Map the land cover of a scene"
    what = (
        "Maps a scene with a model; without one with the installed model that fits its bands, or else the built-in "
        "one of broad land cover. The map has names and colours of the classes; 0 is unclassified. Confidence runs "
        "from 0 to 1. Polygons that are smaller than the smallest area become part of their largest neighbour. Places "
        "to label are squares where the model is unsure: fill in their column class, and train with them."
    )
    layers = ("SCENE",)
    destinations = ("MAP", "CONFIDENCE", "POLYGONS", "PLACES")
    arguments = staticmethod(commands.classify_arguments)

    def parameters(self) -> tuple[QgsProcessingParameterDefinition, ...]:
        """Scene, model, settings; the map and what belongs to it."""
        return (
            QgsProcessingParameterRasterLayer("SCENE", "Scene, all bands"),
            QgsProcessingParameterFile("MODEL", "Model", optional=True, fileFilter=_MODELS),
            QgsProcessingParameterNumber(
                "SMOOTH", "Steps of smoothing between alike neighbours", defaultValue=0, minValue=0
            ),
            _min_area(),
            QgsProcessingParameterRasterDestination("MAP", "Land cover"),
            QgsProcessingParameterRasterDestination("CONFIDENCE", "Confidence", optional=True, createByDefault=False),
            QgsProcessingParameterVectorDestination(
                "POLYGONS", "Polygons", _POLYGON, optional=True, createByDefault=False
            ),
            QgsProcessingParameterVectorDestination(
                "PLACES", "Places to label", _POLYGON, optional=True, createByDefault=False
            ),
        )


class Polygons(Algorithm):
    """`hsiattn polygons`."""

    title = "Write a land-cover map as polygons"
    what = (
        "One polygon for every connected field of a class, with its code and name, pixels and hectares. Fields "
        "that are smaller than the smallest area become part of their largest neighbour."
    )
    layers = ("MAP", "CONFIDENCE")
    destinations = ("POLYGONS",)
    arguments = staticmethod(commands.polygons_arguments)

    def parameters(self) -> tuple[QgsProcessingParameterDefinition, ...]:
        """Map, settings; the polygons."""
        return (
            QgsProcessingParameterRasterLayer("MAP", "Land cover"),
            QgsProcessingParameterRasterLayer("CONFIDENCE", "Confidence, for its mean per polygon", optional=True),
            _min_area(),
            QgsProcessingParameterVectorDestination("POLYGONS", "Polygons", _POLYGON),
        )


class Assess(Algorithm):
    """`hsiattn assess`."""

    title = "Assess the accuracy of a land-cover map"
    what = (
        "Compares a map with reference data: confusion matrix, accuracies of the map and of every class with their "
        "intervals, as an HTML page. With the split of the training only its test pixels count."
    )
    layers = ("MAP", "REFERENCE", "SPLIT")
    destinations = ("REPORT",)
    arguments = staticmethod(commands.assess_arguments)

    def parameters(self) -> tuple[QgsProcessingParameterDefinition, ...]:
        """Map, reference, settings; the report."""
        return (
            QgsProcessingParameterRasterLayer("MAP", "Land cover"),
            QgsProcessingParameterMapLayer("REFERENCE", "Reference: polygons, points or a raster of class codes"),
            QgsProcessingParameterString("COLUMN", "Column with the classes, of polygons or points", optional=True),
            QgsProcessingParameterRasterLayer("SPLIT", "Split of the training", optional=True),
            QgsProcessingParameterFileDestination("REPORT", "Report", "HTML (*.html)"),
        )


def _min_area() -> QgsProcessingParameterDefinition:
    return QgsProcessingParameterNumber(
        "MIN_AREA", "Smallest area of a polygon in hectares; 0 for no limit",
        type=QgsProcessingParameterNumber.Double, defaultValue=0.0, minValue=0.0,
    )  # fmt: skip


def _extra() -> QgsProcessingParameterDefinition:
    parameter = QgsProcessingParameterString("EXTRA", "Other options, as on the command line", optional=True)
    parameter.setFlags(parameter.flags() | QgsProcessingParameterDefinition.FlagAdvanced)
    return parameter


def _is_layer(definition: QgsProcessingParameterDefinition) -> bool:
    layers = (QgsProcessingParameterRasterDestination, QgsProcessingParameterVectorDestination)
    return isinstance(definition, layers)
