import copy

import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot

from hsiattn.errors import RecipeError
from hsiattn.networks import create_network

SIZES = {"bands": 10, "channels": 3, "classes": 4, "patch_size": 5}
MEMBER = {"hidden": 8, "width": 6, "embedding": 5, "group": 4}


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
            member.refinement.bias.copy_(1e4 * one_hot(torch.tensor(number), 4))
    logits = ensemble(torch.randn(1, 10), torch.randn(1, 3, 5, 5))
    assert logits.softmax(dim=1)[0, :2].tolist() == pytest.approx([0.5, 0.5])


def test_every_member_learns_as_if_it_were_alone():
    torch.manual_seed(0)
    ensemble = create_network("ensemble", **SIZES, members=2, member_arguments=MEMBER | {"dropout": 0.0})
    spectra, patches, targets = torch.randn(6, 10), torch.randn(6, 3, 5, 5), torch.arange(6) % 4
    alone = copy.deepcopy(ensemble.members)
    losses = [cross_entropy(logits, targets) for logits in ensemble.member_logits(spectra, patches)]
    (sum(losses) / 2).backward()
    for member, twin, loss in zip(ensemble.members, alone, losses, strict=True):
        own = cross_entropy(twin(spectra, patches), targets)
        (own / 2).backward()
        torch.testing.assert_close(loss, own)
        for one, other in zip(member.parameters(), twin.parameters(), strict=True):
            torch.testing.assert_close(one.grad, other.grad)


def test_a_member_that_is_surely_wrong_is_corrected_though_another_is_surely_right():
    ensemble = create_network("ensemble", **SIZES, members=2, member_arguments=MEMBER)
    for number, member in enumerate(ensemble.members):
        torch.nn.init.zeros_(member.refinement.weight)
        with torch.no_grad():
            member.refinement.bias.copy_(30.0 * one_hot(torch.tensor(number), 4))
    spectra, patches, targets = torch.randn(5, 10), torch.randn(5, 3, 5, 5), torch.zeros(5, dtype=torch.long)
    wrong = ensemble.members[1].refinement.bias
    (of_the_mean,) = torch.autograd.grad(cross_entropy(ensemble(spectra, patches), targets), wrong)
    (of_its_own,) = torch.autograd.grad(cross_entropy(ensemble.member_logits(spectra, patches)[1], targets), wrong)
    assert of_the_mean.abs().max() < 1e-6
    torch.testing.assert_close(of_its_own, torch.tensor([-1.0, 1.0, 0.0, 0.0]))


def test_the_members_of_members_learn_on_their_own_too():
    inner = {"member": "grouped-ssan", "members": 2, "member_arguments": MEMBER}
    augmented = create_network("test-time-augmentation", **SIZES, member="ensemble", member_arguments=inner)
    nested = create_network("ensemble", **SIZES, member="ensemble", members=3, member_arguments=inner)
    pixels = torch.randn(2, 10), torch.randn(2, 3, 5, 5)
    assert [each.member_logits(*pixels).shape for each in (augmented, nested)] == [(2, 2, 4), (6, 2, 4)]


def test_members_that_fill_the_edge_otherwise_are_refused():
    with pytest.raises(RecipeError, match="edge"):
        create_network("ensemble", **SIZES, member="discriminant")


def test_an_ensemble_has_members():
    with pytest.raises(RecipeError, match="0 members"):
        create_network("ensemble", **SIZES, members=0)
