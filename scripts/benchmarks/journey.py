"""The journey of an analyst: the tiles of a ground segment and polygons from QGIS, and two commands to a map.

    .venv/bin/python -m scripts.benchmarks.journey DATA OUT

DATA is the folder of real scenes. The EnMAP tiles of Potsdam and the 60 polygons are copied to OUT as a user would have
them, then the commands are run there as they are shown, with what they print. Two further commands compare the map with
the reference that the analyst does not have, and write the report.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

JOURNEY = (
    "hsiattn train tiles/*.tif --labels training.gpkg --column class -o m.hsiattn --report held_out.html --overwrite",
    "hsiattn classify tiles/*.tif -o land_cover.tif -m m.hsiattn --overwrite",
)
CHECK = (
    "hsiattn assess land_cover.tif --reference reference.tif",
    "hsiattn assess land_cover.tif --reference reference.tif -o report.html --overwrite",
)
REFERENCE_CLASSES = ("roof", "pavement", "low vegetation", "tree", "soil", "water")
"""Names of the reference's codes 1 … 6, which the file itself does not have."""


def main() -> None:
    """Lay out the files and run the commands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    lay_out(options.data / "enmap-potsdam", options.out)
    for command in JOURNEY:
        run(command, options.out)
    print("\n# what the analyst cannot see: the map beside the whole reference")
    for command in CHECK:
        run(command, options.out)


def lay_out(scene: Path, folder: Path) -> None:
    """Copy what an analyst has into a folder, and the reference beside it."""
    shutil.rmtree(folder / "tiles", ignore_errors=True)
    shutil.copytree(scene / "images", folder / "tiles")
    shutil.copy(scene / "training_polygons.gpkg", folder / "training.gpkg")
    shutil.copy(scene / "enmap_landcover_unstyled.tif", folder / "reference.tif")
    name_classes(folder / "reference.tif")


def name_classes(path: Path) -> None:
    """Put the names of the classes beside the reference, where GDAL looks for them."""
    names = "".join(f"<Category>{name}</Category>" for name in ("", *REFERENCE_CLASSES))
    band = f'<PAMRasterBand band="1"><CategoryNames>{names}</CategoryNames></PAMRasterBand>'
    Path(f"{path}.aux.xml").write_text(f"<PAMDataset>{band}</PAMDataset>", encoding="utf-8")


def run(command: str, folder: Path) -> None:
    """Run a command of the package by a shell, and show it with all that it prints.

    Raises
    ------
    SystemExit
        It failed.
    """
    print(f"\n$ {command}", flush=True)
    module = f"{shlex.quote(sys.executable)} -m hsiattn"
    words = command.replace("hsiattn", module, 1)
    paths = [str(Path(__file__).resolve().parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    finished = subprocess.run(words, shell=True, cwd=folder, env=environment, check=False)
    if finished.returncode:
        raise SystemExit(finished.returncode)


if __name__ == "__main__":
    main()
