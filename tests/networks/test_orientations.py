import pytest
import torch

from hsiattn.errors import RecipeError
from hsiattn.networks import create_network, patches_of_tile

SIZES = {"bands": 10, "channels": 3, "classes": 4, "patch_size": 5}
MEMBER = {"hidden": 8, "width": 6, "embedding": 5, "group": 4}


@pytest.fixture
def network():
    torch.manual_seed(0)
    return create_network("test-time-augmentation", **SIZES, member_arguments=MEMBER).eval()


def _pixels(count: int = 6):
    generator = torch.Generator().manual_seed(1)
    valid = torch.rand(count, 5, 5, generator=generator) > 0.3
    patches = torch.randn(count, 3, 5, 5, generator=generator) * valid[:, None]
    return torch.randn(count, 10, generator=generator), patches, valid


def _all_sides(x):
    """Every orientation of (N, …, H, W), made by transposing and reversing axes."""
    for each in (x, x.transpose(-1, -2)):
        yield from (each, each.flip(-1), each.flip(-2), each.flip(-1, -2))


@pytest.mark.parametrize("masked", [False, True])
def test_logits_are_logarithms_of_the_mean_probabilities_over_all_sides_of_a_patch(network, masked):
    spectra, patches, valid = _pixels()
    masks = _all_sides(valid) if masked else [None] * 8
    with torch.inference_mode():
        shares = [
            network.member(spectra, side, mask).softmax(dim=1)
            for side, mask in zip(_all_sides(patches), masks, strict=True)
        ]
        logits = network(spectra, patches, valid if masked else None)
    torch.testing.assert_close(logits, torch.stack(shares).mean(dim=0).log(), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(shares[0], shares[1], atol=1e-4)


def test_the_side_from_which_a_patch_is_seen_does_not_matter(network):
    spectra, patches, valid = _pixels()
    logits = network(spectra, patches, valid)
    for side, mask in zip(_all_sides(patches), _all_sides(valid), strict=True):
        torch.testing.assert_close(network(spectra, side, mask), logits, atol=1e-5, rtol=1e-4)


def test_four_orientations_are_the_turned_ones():
    torch.manual_seed(0)
    network = create_network("test-time-augmentation", **SIZES, member_arguments=MEMBER, orientations=4).eval()
    spectra, patches, _ = _pixels()
    turned = network(spectra, torch.rot90(patches, 1, (2, 3)))
    torch.testing.assert_close(turned, network(spectra, patches), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(network(spectra, patches.flip(-1)), turned, atol=1e-4)


def test_in_training_it_is_the_network_itself(network):
    network.train().member.dropout.p = 0.0
    torch.testing.assert_close(network(*_pixels()), network.member(*_pixels()))


def test_the_class_counts_are_for_the_network_itself():
    attributes = {"attributes": [[1, 0], [1, 1], [0, 1], [0, 0]], "attribute_balance": 0.5}
    network = create_network("test-time-augmentation", **SIZES, member_arguments=MEMBER | attributes)
    ensemble = create_network("ensemble", **SIZES, members=2, member_arguments=MEMBER | attributes)
    alone = create_network("grouped-ssan", **SIZES, **MEMBER, **attributes)
    for each in (network, ensemble, alone):
        each.set_class_counts(torch.tensor([6, 2, 1, 31]))
    assert (alone.attribute_pooling.given_present != 0.5).all()
    for member in (network.member, *ensemble.members):
        assert torch.equal(member.attribute_pooling.given_present, alone.attribute_pooling.given_present)


@pytest.mark.parametrize("way", ["dense", "forward"])
def test_the_spectrum_is_read_once(network, way, monkeypatch):
    spectral, read = network.member.spectral, []

    def counted(name):
        original = getattr(spectral, name)

        def count(spectra):
            read.append(spectra.shape)
            return original(spectra)

        monkeypatch.setattr(spectral, name, count)

    counted("forward" if way == "forward" else "columns")
    spectra, components, valid = torch.randn(10, 4, 6), torch.randn(3, 8, 10), torch.rand(8, 10) > 0.2
    with torch.inference_mode():
        dense = network.dense(spectra, components * valid, valid)
        patches, masks = patches_of_tile(components * valid, valid, 5)
        one_by_one = network(spectra.flatten(1).T, patches.flatten(0, 1), masks.flatten(0, 1))
    torch.testing.assert_close(dense.flatten(1).T, one_by_one, atol=1e-4, rtol=1e-4)
    assert len(read) == 1


def test_an_ensemble_may_have_such_members(network):
    arguments = {"member": "test-time-augmentation", "members": 2, "member_arguments": {"member_arguments": MEMBER}}
    ensemble = create_network("ensemble", **SIZES, **arguments).eval()
    spectra, patches, valid = _pixels()
    torch.testing.assert_close(ensemble(spectra, patches.flip(-1), valid.flip(-1)), ensemble(spectra, patches, valid))


def test_other_numbers_of_orientations_and_networks_that_cut_patches_off_are_refused():
    with pytest.raises(RecipeError, match="orientations"):
        create_network("test-time-augmentation", **SIZES, orientations=3)
    with pytest.raises(RecipeError, match="edge"):
        create_network("test-time-augmentation", **SIZES, member="discriminant")
