"""Classes of the built-in model under other names."""

import numpy as np
import pytest
import torch

from hsiattn.errors import LabelError
from hsiattn.models.builtin import read_builtin
from hsiattn.models.builtin.renaming import read_names, renamed
from hsiattn.networks import load_network


def under(tmp_path, text):
    path = tmp_path / "names.csv"
    path.write_text(text)
    return renamed(read_builtin(), read_names(path), path)


def test_classes_of_one_name_are_one_and_their_probabilities_add_up(tmp_path):
    model = under(
        tmp_path,
        "class,name,code,color\nwater,Wasser,7,#0000ff\ngreen vegetation,Pflanzen,3,\ndry vegetation,Pflanzen,,\n"
        "soil and rock,Boden,4,\nbuilt-up,Stadt,5,\n",
    )
    assert [(item.code, item.name) for item in model.classes] == [
        (3, "Pflanzen"), (4, "Boden"), (5, "Stadt"), (7, "Wasser"),
    ]  # fmt: skip
    spectra, nothing = torch.rand(50, model.arguments["bands"]), torch.empty(50, 0, 1, 1)
    broad = read_builtin().network(spectra, nothing).softmax(1).detach().numpy()
    network = load_network(model.network.state_dict(), **model.arguments)
    named = network(spectra, nothing).softmax(1).detach().numpy()
    sums = {item.name: broad[:, number] for number, item in enumerate(read_builtin().classes)}
    plants = sums["green vegetation"] + sums["tree"] + sums["low vegetation"] + sums["dry vegetation"]
    np.testing.assert_allclose(named[:, 0], plants, atol=1e-5)
    np.testing.assert_allclose(named[:, 3], sums["water"], atol=1e-5)


def test_codes_and_colours_need_not_be_given(tmp_path):
    model = under(
        tmp_path, "class,name\ngreen vegetation,a\ntree,b\ndry vegetation,c\nsoil and rock,c\nwater,d\nbuilt-up,e\n"
    )
    assert model.classes.codes == (1, 2, 3, 4, 5)
    assert model.arguments["members"] == [[1, 2], [1], [3, 4], [0], [5, 6]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("class,name\nswamp,a\n", "no class swamp"),
        ("class,name\nwater,a\ntree,b\n", "no name to low vegetation, dry vegetation"),
        ("name,code\na,1\n", "which class has which name"),
        ("", "which class has which name"),
        ("class,name,code\nwater,a,x\ngreen vegetation,b,2\ndry vegetation,b,\nsoil and rock,b,\nbuilt-up,b,\n", "x"),
    ],
)
def test_tables_that_do_not_serve_are_refused(tmp_path, text, said):
    with pytest.raises(LabelError, match=said):
        under(tmp_path, text)
