"""What `hsiattn info` says of a scene, and the pictures that it draws."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hsiattn.cli import options
from hsiattn.cli.failures import named
from hsiattn.files.kinds import FileKind
from hsiattn.files.outputs import check_outputs, wanted, write_bytes

if TYPE_CHECKING:
    import xarray as xr

    from hsiattn.scenes import SceneSource


@dataclass(frozen=True)
class SceneQuestion:
    """What is asked about a scene; names as those of the options."""

    files: tuple[str, ...]
    key: str | None = None
    use_flagged: tuple[str, ...] = ()
    stats: bool = False
    quicklook: str | None = None
    spectra: str | None = None
    labels: str | None = None
    label_key: str | None = None
    classes: str | None = None
    unlabelled: int | None = None
    vectors: dict[str, Any] = field(default_factory=dict)
    overwrite: bool = False

    @property
    def inputs(self) -> dict[str, str | None]:
        """Files that are read, by what they are."""
        scenes = {f"scene {file}" if len(self.files) > 1 else "scene": file for file in self.files}
        return {**scenes, "labels": self.labels, "class table": self.classes}

    def answer(self) -> dict[str, Any]:
        """Describe the scene and draw the pictures; JSON-ready.

        Raises
        ------
        HsiattnError
            The kind says what is wrong.
        """
        from hsiattn.scenes import description, open_source
        from hsiattn.scenes.bad_pixels import count_bad_pixels

        pictures = (self.quicklook, self.spectra)
        for path in pictures:
            options.check_suffix(path, "picture")
        source = open_source(self.files[0] if len(self.files) == 1 else self.files, self.key)
        source = source.using_flagged(self.use_flagged)
        outputs = wanted(*((path, FileKind.PICTURE) for path in pictures))
        check_outputs(outputs, overwrite=self.overwrite, inputs=self.inputs)
        name = self.files[0] if len(self.files) == 1 else list(self.files)
        result = {"kind": "scene", "path": name, **description.describe_scene(source)}
        if self.stats:
            result |= description.count_missing(source)
            doubtful = count_bad_pixels(source)
            result |= {} if doubtful is None else {"doubtful_spectra": doubtful}
        if self.labels is not None:
            result["labels"] = self._describe_spectra(source)
        if self.quicklook is not None:
            result["quicklook"] = self._draw_quicklook(source, self.quicklook)
        return result

    def _draw_quicklook(self, source: SceneSource, path: str) -> dict[str, Any]:
        from hsiattn.scenes.pictures import write_picture
        from hsiattn.scenes.quicklook import make_quicklook

        drawn = make_quicklook(source)
        write_picture(path, drawn.pixels, overwrite=self.overwrite, inputs=self.inputs)
        height, width = drawn.pixels.shape[:2]
        return {
            "path": path,
            "shows": drawn.description,
            "size": f"{width} × {height}" + (f", every {drawn.step}th pixel" if drawn.step > 1 else ""),
        }

    def _describe_spectra(self, source: SceneSource) -> dict[str, Any]:
        from hsiattn.labels.opening import read_label_file
        from hsiattn.labels.vector_options import VectorOptions
        from hsiattn.scenes.class_spectra import class_spectra

        assert self.labels is not None
        with named(key="--label-key"):
            labels, notes = read_label_file(
                self.labels, source, key=self.label_key, table=self.classes, unlabelled=self.unlabelled,
                options=VectorOptions(**self.vectors),
            )  # fmt: skip
        for note in notes:
            options.say(note)
        spectra = class_spectra(source, labels)
        described: dict[str, Any] = {"path": self.labels, "classes": _records(spectra)}
        if self.spectra is not None:
            from hsiattn.figures.composed import spectra_figure
            from hsiattn.figures.files import to_png
            from hsiattn.figures.spectra import spectra_record

            write_bytes(self.spectra, to_png(spectra_figure(spectra_record(spectra))))
            described["spectra"] = self.spectra
        return described


def _records(spectra: xr.Dataset) -> list[dict[str, Any]]:
    """Classes with their labelled pixels, those of them that hold data, and their spectra."""
    return [
        {
            "code": int(of_class["code"]),
            "name": str(of_class["class"].values),
            "color": str(of_class["color"].values),
            "pixels": int(of_class["pixels"]),
            "with_data": int(of_class["count"].max()),
            "mean": of_class["mean"].to_numpy(),
            "standard_deviation": of_class["std"].to_numpy(),
        }
        for _, of_class in ((number, spectra.isel({"class": number})) for number in range(spectra.sizes["class"]))
    ]
