"""The files of an explanation can be read by others, and replace nothing that is not ours."""

import json
import re
import shutil

import numpy as np
import pytest
import torch
import xarray as xr

from hsiattn.errors import OutputError
from hsiattn.explanations.documents import check_folder, outputs_in, write_explanation
from hsiattn.explanations.explanation import explain
from hsiattn.files.kinds import kind_of

from .conftest import BANDS


@pytest.fixture(scope="module")
def explanation(known_model, noise_source, some_pixels):
    weights = torch.softmax(torch.randn(BANDS, generator=torch.Generator().manual_seed(3)), dim=0)
    gate = torch.tensor([[0.05, 0.1, 0.05], [0.1, 0.4, 0.1], [0.05, 0.1, 0.05]])
    model = known_model(attention=weights, gate=gate, neighbours=0.2)
    return explain(model, noise_source, some_pixels[:8], others=[model], draws=19)


@pytest.fixture(scope="module")
def folder(explanation, tmp_path_factory):
    """Where it is written; tests leave it as it is."""
    place = tmp_path_factory.mktemp("explained") / "new" / "folder"
    write_explanation(explanation, place)
    return place


def test_all_files_are_written_and_known_again(folder):
    expected = {output.path: output.kind for output in outputs_in(folder)}
    assert {path: kind_of(path) for path in folder.iterdir()} == expected


def test_the_arrays_are_those_of_the_explanation(explanation, folder):
    with xr.open_dataset(folder / "explanation.nc") as stored:
        for name, array in explanation.data.data_vars.items():
            np.testing.assert_array_equal(stored[name], array)
        assert stored["wavelength"].attrs["units"] == "nm"
        assert list(stored["class_name"].values) == list(explanation.data["class_name"].values)


def test_the_summary_is_json_with_the_verdict(explanation, folder):
    record = json.loads((folder / "explanation.json").read_text())
    assert set(record["deletion"]) == {"bands", "neighbours"}
    assert record["deletion"]["bands"]["verdict"] == explanation.deletion.subjects[0].verdict
    assert record["stability"]["attention"]["mean"] == pytest.approx(1)


def test_the_page_needs_nothing_else_and_describes_its_figures(explanation, folder):
    page = (folder / "explanation.html").read_text()
    assert not re.search(r'(src|href)="(?!#|data:)', page)
    assert page.count('role="img"') == 5
    assert len(re.findall(r"<desc id=", page)) == 5
    assert explanation.deletion.subjects[0].in_words in page
    assert "<script" not in page


def test_what_is_there_is_replaced_only_if_wished_and_only_if_ours(folder, tmp_path):
    place = tmp_path / "explained"
    shutil.copytree(folder, place)
    with pytest.raises(OutputError, match="exists already"):
        check_folder(place)
    check_folder(place, overwrite=True)
    (place / "explanation.json").write_text('{"mine": 1}')
    with pytest.raises(OutputError, match="is not an explanation that hsiattn wrote"):
        check_folder(place, overwrite=True)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="is a file; give the name of a folder"):
        check_folder(tmp_path / "file")


def test_figures_that_an_explanation_lacks_do_not_stay_from_an_earlier_one(
    folder, tmp_path, known_model, noise_source, some_pixels
):
    place = tmp_path / "explained"
    shutil.copytree(folder, place)
    without_attention = explain(known_model(), noise_source, some_pixels[:3], draws=19)
    write_explanation(without_attention, place, overwrite=True)
    left = {path.name for path in place.iterdir()}
    assert "attribution.png" in left
    assert not left & {"attention.png", "attention.svg", "stability.svg"}
