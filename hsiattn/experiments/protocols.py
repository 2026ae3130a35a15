"""The split that all recipes share on a scene, under a protocol, with a seed."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.classes import ClassTable
from hsiattn.errors import PlanError, SplitError
from hsiattn.experiments.plan import FileProtocol, PolygonsProtocol, ShippedProtocol, TilesProtocol
from hsiattn.experiments.runs import Run
from hsiattn.experiments.scenes import LabelledScene, resolved
from hsiattn.labels.group_rasters import read_groups
from hsiattn.splits import (
    PROTOCOLS,
    ROLES,
    PixelSplitter,
    PolygonsSplit,
    Split,
    SplitSettings,
    connected_fields,
    leave_classes_out,
    make_splitter,
    read_split,
    roles_of_tiles,
    shipped_split,
    split_labels,
    split_of_roles,
    write_split,
)
from hsiattn.splits.groups import digest_of
from hsiattn.splits.protocols import WINDOW

_DRAWN = 15
"""Keeps the draw of classes apart from that of pixels, which has the same seed."""


@dataclass(frozen=True, eq=False)
class SharedSplit:
    """Who trains and who is tested, the same for every recipe.

    Attributes
    ----------
    roles
        (H, W) uint8, values of `hsiattn.splits.ROLES`. Validation pixels are there only where a file or tiles say
        so; otherwise every recipe sets its own aside from the training pixels.
    codes
        (H, W) codes of the classes that the model gets to know, 0 elsewhere.
    classes
        Their table.
    groups
        (H, W) ids of the polygons that divide the pixels, 0 = none, which training is to know; None where there are
        none.
    """

    roles: NDArray[np.uint8]
    codes: NDArray[Any]
    classes: ClassTable
    groups: NDArray[Any] | None = None

    @property
    def sha256(self) -> str:
        """SHA-256 of the roles, row by row."""
        return hashlib.sha256(np.ascontiguousarray(self.roles).tobytes()).hexdigest()

    @property
    def test(self) -> NDArray[np.bool_]:
        """True for the test pixels."""
        return np.asarray(self.roles == ROLES["test"])

    def for_training(self) -> PixelSplitter | NDArray[np.uint8]:
        """The split as training knows it: everything but the test pixels."""
        if np.any(self.roles == ROLES["validation"]):
            return np.where(self.test, ROLES["dropped"], self.roles).astype(np.uint8)
        return _ThesePixels(self.roles == ROLES["training"])


class _ThesePixels(PixelSplitter):
    """Trains on given pixels; which of them validate, and how many are used, is left to the recipe."""

    in_words = "left to the benchmark"

    def __init__(self, training: NDArray[np.bool_]) -> None:
        super().__init__()
        self.training = training

    def describe(self) -> dict[str, Any]:
        """Name and words; the pixels are in the split file."""
        return {"method": "shared split of a benchmark", "in_words": self.in_words}

    def _draw(
        self, positions: NDArray[Any], codes: NDArray[Any], groups: Any, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return np.flatnonzero(self.training[tuple(positions.T)]), np.empty(0, dtype=np.int64)


def shared_split(
    run: Run, scene: LabelledScene, usable: NDArray[np.bool_], *, data: Path, file: Path | None = None
) -> SharedSplit:
    """The split of a run: from its file where that is there, else drawn and written.

    Parameters
    ----------
    usable
        (H, W), False where the scene has no data.
    data
        Folder that the protocol's paths are relative to.
    file
        Raster of roles; None reads and writes none.

    Raises
    ------
    PlanError, SplitError, LabelError, GridError
        Too few labels for the protocol, or files that do not fit the scene.
    """
    codes, classes = known_classes(scene, run)
    groups = _groups(run, scene, codes, data)
    if file is not None and file.exists():
        return SharedSplit(read_split(file), codes, classes, groups)
    roles = _draw_roles(run, scene, codes, classes, usable, data, groups)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        # another process may have written the same a moment ago
        write_split(file, roles, crs=scene.source.crs, transform=scene.source.grid.transform, overwrite=True)
    return SharedSplit(roles, codes, classes, groups)


def known_classes(scene: LabelledScene, run: Run) -> tuple[NDArray[Any], ClassTable]:
    """Codes (H, W) without those of the classes that take no part, and the table of the others.

    Raises
    ------
    PlanError
        A class that is left out has no pixel, or fewer than two remain.
    """
    hidden = hidden_classes(scene, run)
    absent = [code for code in hidden if not np.any(scene.codes == code)]
    shipped = isinstance(run.protocol, ShippedProtocol)
    left_out = _shipped(run, scene).record["left_out"] if shipped else ()
    away = {*hidden, *left_out}
    remaining = set(scene.classes.codes) - away
    if absent or len(remaining) < 2:
        problem = f"no pixel has the code {absent[0]}" if absent else "fewer than two classes remain"
        raise PlanError(f"protocol {run.protocol.name!r} leaves classes out, but {problem}", "correct leave_out")
    if not away:
        return scene.codes, scene.classes
    return leave_classes_out(scene.codes, scene.classes, away), scene.classes.subset(remaining)


def hidden_classes(scene: LabelledScene, run: Run) -> tuple[int, ...]:
    """Codes of the classes that the model does not get to know: those of the protocol, and those drawn by the seed.

    Raises
    ------
    PlanError
        Fewer classes have pixels than are to be drawn.
    """
    protocol = run.protocol
    if not protocol.draw_out:
        return protocol.leave_out
    present = [code for code in scene.classes.codes if np.any(scene.codes == code) and code not in protocol.leave_out]
    if protocol.draw_out > len(present):
        raise PlanError(
            f"protocol {protocol.name!r} draws {protocol.draw_out} classes out of {len(present)}", "correct draw_out"
        )
    drawn = np.random.default_rng([run.seed, _DRAWN]).choice(present, protocol.draw_out, replace=False)
    return (*protocol.leave_out, *sorted(drawn.tolist()))


def data_fingerprint(run: Run, scene: LabelledScene, data: Path) -> str:
    """SHA-256 of what a run reads: the scene, its labels, and the files of its protocol.

    Raises
    ------
    SplitError
        A file of the protocol is not there.
    """
    total = hashlib.sha256(scene.fingerprint().encode())
    for path in _files_of(run):
        try:
            total.update(Path(resolved(data, path)).read_bytes())
        except OSError as error:
            raise SplitError(
                f"protocol {run.protocol.name!r} needs {path}, which cannot be read ({error.strerror})",
                "check the path; it is relative to the folder of the data",
            ) from error
    return total.hexdigest()


def _files_of(run: Run) -> list[str]:
    """Paths of the files that decide a run's split, as in the plan."""
    protocol = run.protocol
    if isinstance(protocol, TilesProtocol):
        return [path for path in (protocol.training, protocol.validation, protocol.test) if path is not None]
    roles = [protocol.roles] if isinstance(protocol, FileProtocol) else []
    groups = [path] if (path := _path_of_groups(run)) is not None else []
    return [_filled(path, run) for path in (*roles, *groups)]


def _draw_roles(
    run: Run,
    scene: LabelledScene,
    codes: NDArray[Any],
    classes: ClassTable,
    usable: NDArray[np.bool_],
    data: Path,
    groups: NDArray[Any] | None,
) -> NDArray[np.uint8]:
    # the window only serves the leakage figure of the split's own record, which depends on the recipe
    given = _given_roles(run, scene, data)
    if given is not None:
        roles = split_of_roles(given, codes, classes, window=1, usable=usable).roles
    else:
        splitter = _splitter(run, codes, groups)
        roles = split_labels(
            codes, classes, splitter, window=1, usable=usable, validation_share=0.0, seed=run.seed
        ).roles
    if not np.any(roles == ROLES["test"]):
        raise SplitError(f"protocol {run.protocol.name!r} leaves no test pixel", "correct the protocol")
    return roles


def _given_roles(run: Run, scene: LabelledScene, data: Path) -> NDArray[np.uint8] | None:
    """Roles from a file or from tiles; None where the protocol draws."""
    protocol = run.protocol
    if isinstance(protocol, FileProtocol):
        return read_split(resolved(data, _filled(protocol.roles, run)))
    if isinstance(protocol, ShippedProtocol):
        return _shipped(run, scene).roles
    if not isinstance(protocol, TilesProtocol):
        return None
    listed = {"training": protocol.training, "validation": protocol.validation, "test": protocol.test}
    folder = None if protocol.folder is None else Path(resolved(data, protocol.folder))
    tiles = {
        role: _listed_tiles(Path(resolved(data, path)), folder) for role, path in listed.items() if path is not None
    }
    return np.asarray(roles_of_tiles(scene.source.grid, tiles))


def _path_of_groups(run: Run) -> str | None:
    protocol = run.protocol
    return protocol.groups if isinstance(protocol, FileProtocol | PolygonsProtocol) else None


def _groups(run: Run, scene: LabelledScene, codes: NDArray[Any], data: Path) -> NDArray[Any] | None:
    """Polygon ids (H, W): those of the protocol's raster, or the fields that a split by polygons divides by.

    None where polygons are drawn: they are the connected labels of the training pixels, as training finds by itself.
    """
    path = _path_of_groups(run)
    if path is not None:
        return read_groups(resolved(data, _filled(path, run)), like=scene.source)
    protocol = run.protocol
    shipped = PROTOCOLS.get(protocol.protocol) if isinstance(protocol, ShippedProtocol) else None
    split = shipped.split if shipped else protocol
    return connected_fields(codes) if isinstance(split, PolygonsSplit) and split.draw is None else None


def _splitter(run: Run, codes: NDArray[Any], groups: NDArray[Any] | None) -> PixelSplitter:
    protocol = run.protocol
    assert isinstance(protocol, SplitSettings)  # others give roles
    # all recipes share the split, so it does not depend on the patch of one
    return make_splitter(protocol, codes, patch_size=WINDOW, random_state=run.seed, groups=groups)


def _shipped(run: Run, scene: LabelledScene) -> Split:
    """The split of the package, which must have been drawn from these labels."""
    assert isinstance(run.protocol, ShippedProtocol)
    split = shipped_split(run.scene.card or run.scene.name, run.protocol.protocol, run.seed)
    if split.record["labels_sha256"] != digest_of(scene.codes):
        raise SplitError(
            f"the labels of {run.scene.name} are not those that the package's splits were drawn from",
            "take the released label map, or draw a split of your own",
        )
    return split


def _listed_tiles(path: Path, folder: Path | None) -> Sequence[Path]:
    """Tiles that a CSV file names in its first column, under a head; relative to its own folder where None is given."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            names = [row[0].strip() for row in csv.reader(file) if row and row[0].strip()][1:]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SplitError(f"{path} is not a list of tiles", "give a CSV file whose first column names them") from error
    if not names:
        raise SplitError(f"{path} names no tile", "give a head and one tile per line")
    return [(path.parent if folder is None else folder) / name for name in names]


def _filled(path: str, run: Run) -> str:
    return path.replace("{scene}", run.scene.name).replace("{seed}", str(run.seed))
