"""The algorithms in QGIS itself, without a screen; skipped where Debian's qgis and python3-qgis are not installed.

scripts/test does not install QGIS, which takes 1.2 GB.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio

from hsiattn.qgis.installation import PLUGIN, install_plugin

QGIS = next((path for name in ("qgis_process.bin", "qgis_process") if (path := shutil.which(name))), None)
SYSTEM_PYTHON = Path("/usr/bin/python3")

pytestmark = pytest.mark.skipif(
    QGIS is None, reason="there is no qgis_process; install it with: apt-get install qgis python3-qgis"
)

ROOT = Path(__file__).parent.parent.parent
STYLES = """
import os, sys
from qgis.core import QgsApplication, QgsRasterLayer, QgsVectorLayer
application = QgsApplication([], False)
application.initQgis()
folder = sys.argv[1]
land_cover, confidence = (QgsRasterLayer(f"{folder}/{name}.tif") for name in ("map", "confidence"))
print(land_cover.renderer().type(), [entry.label for entry in land_cover.renderer().classes()])
print(confidence.renderer().type())
fields = QgsVectorLayer(f"{folder}/fields.gpkg|layername=land_cover")
print(fields.renderer().type(), [(part.value(), part.label()) for part in fields.renderer().categories()], flush=True)
os._exit(0)  # without the order in which objects of QGIS may be deleted
"""


@pytest.fixture(scope="module")
def qgis(tmp_path_factory):
    """Runs qgis_process with the plug-in in a profile of its own; what it printed."""
    home = tmp_path_factory.mktemp("home")
    profile = home / ".local" / "share" / "QGIS" / "QGIS3" / "profiles" / "default"
    profile.mkdir(parents=True)
    ours = home / "hsiattn"
    ours.write_text(
        f"#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} OMP_NUM_THREADS=1 exec {shlex.quote(sys.executable)} "
        '-m hsiattn "$@"\n'
    )
    ours.chmod(0o755)
    install_plugin(profile, command=[str(ours)])
    runtime = home / "run"
    runtime.mkdir(mode=0o700)
    environment = {
        "HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "QT_QPA_PLATFORM": "offscreen",
        "XDG_RUNTIME_DIR": str(runtime), "HSIATTN_HOME": str(home / "models"),
    }  # fmt: skip

    def run(*arguments, program=(QGIS,)):
        command = [*map(str, program), *map(str, arguments)]
        result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, cwd=home)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    run("plugins", "enable", PLUGIN)
    return run


def test_every_algorithm_is_listed(qgis):
    listed = qgis("list")
    assert all(f"hsiattn:{name}\t" in listed for name in ("train", "classify", "polygons", "assess"))


def test_train_classify_and_assess_lead_from_scene_to_report(qgis, tiny, tmp_path):
    quick = "--per-class 40 --device cpu --set patch_size=5 --set training.max_epochs=2 "
    quick += "--set training.pseudo_labels.pixels=200 --set training.max_per_class=40"
    model, fields = tmp_path / "m.hsiattn", tmp_path / "fields.gpkg"
    qgis(
        "run", "hsiattn:train", "--", f"SCENE={tiny.scene}", f"LABELS={tiny.labels}", f"MODEL={model}", f"EXTRA={quick}"
    )
    assert model.exists()
    results = qgis(
        "run", "hsiattn:classify", "--", f"SCENE={tiny.scene}", f"MODEL={model}", f"MAP={tmp_path / 'map.tif'}",
        f"CONFIDENCE={tmp_path / 'confidence.tif'}", f"POLYGONS={fields}", "MIN_AREA=0.05", "EXTRA=--device cpu",
    )  # fmt: skip
    assert f"MAP:\t{tmp_path / 'map.tif'}" in results
    report = tmp_path / "report.html"
    qgis("run", "hsiattn:assess", "--", f"MAP={tmp_path / 'map.tif'}", f"REFERENCE={tiny.labels}", f"REPORT={report}")
    assert "<html" in report.read_text(encoding="utf-8")
    check_styles(qgis, tmp_path)


def test_without_a_model_the_built_in_one_maps_and_suggests_places(qgis, tiny, tmp_path):
    written, places = tmp_path / "broad.tif", tmp_path / "places.gpkg"
    qgis("run", "hsiattn:classify", "--", f"SCENE={tiny.scene}", f"MAP={written}", f"PLACES={places}")
    with rasterio.open(written) as raster:
        assert {*np.unique(raster.read(1)).tolist()} <= {0, 10, 20, 21, 22, 30, 40, 50, 51, 52}
    assert {"class", "suggestion"} <= {*pyogrio.read_info(places)["fields"]}


def check_styles(qgis, folder):
    """See that QGIS shows the map, its confidence and its polygons with our styles."""
    land_cover, confidence, polygons = qgis("-c", STYLES, folder, program=(SYSTEM_PYTHON,)).splitlines()
    assert land_cover == "paletted ['class 1', 'class 4', 'class 7']"
    assert confidence == "singlebandpseudocolor"
    assert polygons == "categorizedSymbol [('1', 'class 1'), ('4', 'class 4'), ('7', 'class 7')]"


def test_a_mistake_is_told_in_the_words_of_hsiattn(qgis, tiny, tmp_path):
    with pytest.raises(AssertionError, match=r"nowhere\.hsiattn"):
        qgis("run", "hsiattn:classify", "--", f"SCENE={tiny.scene}", f"MODEL={tmp_path / 'nowhere.hsiattn'}",
             f"MAP={tmp_path / 'map.tif'}")  # fmt: skip
