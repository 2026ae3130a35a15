import pytest
import torch

from hsiattn.errors import RecipeError
from hsiattn.networks import create_network

SIZES = {"bands": 10, "channels": 3, "classes": 4, "patch_size": 5}
MEMBER = {"hidden": 8, "width": 6, "embedding": 5, "group": 4, "discriminant": False}


def test_logits_are_logarithms_of_the_mean_probabilities_of_the_members():
    torch.manual_seed(0)
    ensemble = create_network("ensemble", **SIZES, members=3, member_arguments=MEMBER).eval()
    spectra, patches = torch.randn(6, 10), torch.randn(6, 3, 5, 5)
    with torch.inference_mode():
        shares = torch.stack([member(spectra, patches).softmax(dim=1) for member in ensemble.members])
        torch.testing.assert_close(ensemble(spectra, patches), shares.mean(dim=0).log())
    assert not torch.equal(shares[0], shares[1])


def test_sure_members_that_disagree_stay_finite():
    ensemble = create_network("ensemble", **SIZES, members=2, member_arguments=MEMBER).eval()
    for number, member in enumerate(ensemble.members):
        torch.nn.init.zeros_(member.refinement.weight)
        with torch.no_grad():
            member.refinement.bias.copy_(1e4 * torch.nn.functional.one_hot(torch.tensor(number), 4))
    logits = ensemble(torch.randn(1, 10), torch.randn(1, 3, 5, 5))
    assert logits.softmax(dim=1)[0, :2].tolist() == pytest.approx([0.5, 0.5])


def test_members_that_fill_the_edge_otherwise_are_refused():
    with pytest.raises(RecipeError, match="edge"):
        create_network("ensemble", **SIZES, member="discriminant")


def test_an_ensemble_has_members():
    with pytest.raises(RecipeError, match="0 members"):
        create_network("ensemble", **SIZES, members=0)
