"""One battery of checks that every network fitted by scikit-learn must pass."""

import copy

import numpy as np
import pytest
import torch

from hsiattn.errors import RecipeError, TrainingError
from hsiattn.networks import NETWORKS, FittedNetwork, create_network, load_network, patches_of_tile

BANDS, CHANNELS, PATCH = 12, 3, 9
VARIANTS = {
    "discriminant": ("discriminant", 4, {}),
    "discriminant, means": ("discriminant", 4, {"features": "means"}),
    "discriminant, two classes": ("discriminant", 2, {"features": "spectrum-and-means"}),
    "rbf-svm": ("rbf-svm", 4, {}),
    "rbf-svm, spectrum and means": ("rbf-svm", 5, {"features": "spectrum-and-means"}),
    "rbf-svm, two classes": ("rbf-svm", 2, {"features": "means", "gammas": [0.1]}),
    "random-forest": ("random-forest", 4, {"trees": 20}),
    "random-forest, profiles": ("random-forest", 3, {"trees": 10, "features": "profiles", "radii": [1, 2]}),
    "random-forest, two classes": ("random-forest", 2, {"trees": 1}),
}


@pytest.fixture(scope="module", params=sorted(VARIANTS))
def variant(request):
    return VARIANTS[request.param]


@pytest.fixture
def empty(variant):
    return _create(variant)


@pytest.fixture
def pixels(variant, make_pixels):
    """Others than those of the fit."""
    return make_pixels(40, variant[1], seed=1)


@pytest.fixture(scope="module")
def network(variant, make_pixels):
    """Fitted once; no test changes it."""
    return _fitted(_create(variant), make_pixels(60, variant[1]))


def _create(variant):
    name, classes, arguments = variant
    sizes = {"bands": BANDS, "channels": CHANNELS, "classes": classes, "patch_size": PATCH}
    return create_network(name, **sizes, **arguments)


def _fitted(network, pixels, seed=0):
    torch.manual_seed(seed)
    network.fit(*pixels)
    return network.eval()


def test_the_battery_knows_every_fitted_network():
    fitted = {name for name, kind in NETWORKS.items() if issubclass(kind, FittedNetwork)}
    assert {name for name, _, _ in VARIANTS.values()} == fitted


def test_classes_are_those_of_the_estimator(empty, variant, pixels, make_pixels, estimators):
    network = _fitted(empty, make_pixels(60, variant[1]))
    [estimator] = estimators
    spectra, patches, valid, _ = pixels
    features = network._features(spectra[:, :, None, None], patches, valid)[:, :, 0, 0].numpy()
    if variant[0] == "rbf-svm":
        estimator.break_ties = variant[1] > 2  # scikit-learn knows none between two classes
    predicted = network(spectra, patches, valid).argmax(dim=1).numpy()
    assert len(np.unique(predicted)) > 1
    np.testing.assert_array_equal(predicted, estimator.predict(features))


def test_most_training_pixels_are_told_right(network, variant, make_pixels):
    spectra, patches, valid, targets = make_pixels(60, variant[1])
    assert (network(spectra, patches, valid).argmax(dim=1) == targets).float().mean() > 0.85


def test_logits_have_one_row_per_pixel_and_one_column_per_class(network, variant, pixels):
    spectra, patches, valid, _ = pixels
    assert network(spectra, patches, valid).shape == (40, variant[1])
    assert network(spectra[:1], patches[:1], valid[:1]).shape == (1, variant[1])


def test_a_pixel_does_not_depend_on_the_others_in_its_batch(network, pixels):
    spectra, patches, valid, _ = pixels
    alone = [network(spectra[i : i + 1], patches[i : i + 1], valid[i : i + 1]) for i in range(len(spectra))]
    torch.testing.assert_close(network(spectra, patches, valid), torch.cat(alone), atol=1e-5, rtol=1e-4)


def test_missing_neighbours_have_no_influence(network, pixels):
    spectra, patches, valid, _ = pixels
    disturbed = torch.where(valid[:, None], patches, 1e3)
    torch.testing.assert_close(network(spectra, disturbed, valid), network(spectra, patches, valid))


def test_no_mask_means_that_all_neighbours_are_there(network, variant, make_pixels):
    spectra, patches, valid, _ = make_pixels(20, variant[1], missing=0.0, seed=3)
    assert valid.all()
    torch.testing.assert_close(network(spectra, patches), network(spectra, patches, valid))


def test_a_network_knows_what_its_features_say(network, pixels):
    spectra, patches, valid, _ = pixels
    before = network(spectra, patches, valid)
    other_spectra = network(spectra.flip(1), patches, valid)
    other_patches = network(spectra, patches.flip(1), valid)
    assert torch.equal(other_spectra, before) == ("spectrum" not in network.features)
    assert torch.equal(other_patches, before) == (network.features == "spectrum")


@pytest.mark.parametrize("missing", [0.0, 0.35])
@pytest.mark.parametrize("size", [(1, 1), (5, 8), (11, 3)])
def test_dense_evaluation_equals_every_patch_on_its_own(network, variant, size, missing):
    torch.manual_seed(2)
    height, width = size
    valid = torch.rand(height + PATCH - 1, width + PATCH - 1) >= missing
    components = torch.randn(CHANNELS, *valid.shape) * valid
    spectra = torch.randn(BANDS, height, width)
    dense = network.dense(spectra, components, valid)
    patches, neighbours = patches_of_tile(components, valid, PATCH)
    one_by_one = network(spectra.flatten(1).T, patches.flatten(0, 1), neighbours.flatten(0, 1))
    assert dense.shape == (variant[1], height, width)
    torch.testing.assert_close(dense.flatten(1).T, one_by_one, atol=1e-4, rtol=1e-4)
    if not missing:
        assert torch.equal(network.dense(spectra, components), dense)


def test_what_was_fitted_survives_saving_and_loading_whatever_its_size(network, variant, pixels, make_pixels, tmp_path):
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    stored = torch.load(tmp_path / "weights.pt", weights_only=True)
    spectra, patches, valid, _ = pixels
    for other in (_create(variant), _fitted(_create(variant), make_pixels(20, variant[1], seed=9))):
        other.eval().load_state_dict(stored)
        assert torch.equal(other(spectra, patches, valid), network(spectra, patches, valid))
        assert not any(parameter.requires_grad for parameter in other.parameters())
    assert all(values.isfinite().all() for values in stored.values())


def test_loading_without_what_was_fitted_is_refused(empty, network):
    stored = network.state_dict()
    stored.pop(next(iter(stored)))
    with pytest.raises(RuntimeError, match="Missing key"):
        empty.load_state_dict(stored)


def test_the_same_seed_gives_the_same_fit_bit_for_bit(empty, network, variant, make_pixels):
    twin = _fitted(empty, make_pixels(60, variant[1]))
    for name, values in network.state_dict().items():
        assert torch.equal(twin.state_dict()[name], values)


def test_autocast_does_not_touch_it(network, pixels):
    exact = network(*pixels[:3])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(network(*pixels[:3]), exact)


def test_a_copy_can_be_made_and_stands_alone(network, pixels):
    twin = copy.deepcopy(network)
    before = network(*pixels[:3])
    for parameter in twin.parameters():
        parameter.zero_()
    assert torch.equal(network(*pixels[:3]), before)


@pytest.mark.parametrize("variant", ["rbf-svm", "random-forest"], indirect=True)
def test_the_torch_exporter_captures_it(network, pixels):
    inputs = pixels[:3]
    program = torch.export.export(network, inputs, strict=False)
    torch.testing.assert_close(program.module()(*inputs), network(*inputs), atol=1e-5, rtol=1e-4)


def test_before_the_fit_it_refuses_to_classify(empty, pixels):
    with pytest.raises(RuntimeError, match="before it is fitted"):
        empty(*pixels[:3])


def test_a_class_without_a_training_pixel_is_refused(empty, variant, make_pixels):
    spectra, patches, valid, targets = make_pixels(30, variant[1])
    with pytest.raises(TrainingError, match=rf"1 of {variant[1]} classes have no training pixel"):
        empty.fit(spectra, patches, valid, targets.clamp(max=variant[1] - 2))


@pytest.mark.parametrize(
    ("sizes", "arguments", "match"),
    [
        ({"channels": 0}, {"features": "means"}, "bands_as_components"),
        ({}, {"features": "texture"}, "features should be"),
        ({}, {"features": "profiles"}, "radius 4 need a patch_size of at least 17, not 9"),
        ({}, {"features": "profiles", "radii": [2, 1]}, "increasing"),
        ({}, {"features": "profiles", "radii": []}, "positive and increasing"),
    ],
)
@pytest.mark.parametrize("name", sorted({name for name, _, _ in VARIANTS.values()}))
def test_features_that_cannot_be_had_are_refused(name, sizes, arguments, match):
    sizes = {"bands": BANDS, "channels": CHANNELS, "classes": 3, "patch_size": PATCH} | sizes
    with pytest.raises(RecipeError, match=match):
        create_network(name, **sizes, **arguments)


BROKEN = {
    "a child before its parent": ("child", lambda x: x.fill_(0)),
    "a child beyond the last": ("child", lambda x: x.fill_(2**30)),
    "a negative child": ("child", lambda x: x.neg_().sub_(1)),
    "a feature that is not there": ("feature", lambda x: x.fill_(10**6)),
    "a negative feature": ("feature", lambda x: x.fill_(-1)),
    "a leaf that is not there": ("leaf", lambda x: x.fill_(10**6)),
    "levels without end": ("levels", lambda x: x.fill_(2**62)),
    "negative levels": ("levels", lambda x: x.neg_()),
}


@pytest.mark.parametrize(("name", "damage"), BROKEN.values(), ids=BROKEN)
def test_a_forest_whose_branches_lead_astray_is_refused(name, damage):
    arguments = {"bands": 4, "channels": 0, "classes": 2, "patch_size": 1}
    torch.manual_seed(0)
    forest = create_network("random-forest", **arguments, trees=3)
    spectra, targets = torch.randn(40, 4), torch.arange(40) % 2
    forest.fit(spectra, torch.zeros(40, 0, 1, 1), None, targets)
    weights = {key: value.clone() for key, value in forest.state_dict().items()}
    sound = load_network(weights, "random-forest", **arguments, trees=3)
    torch.testing.assert_close(sound(spectra, torch.zeros(40, 0, 1, 1)), forest(spectra, torch.zeros(40, 0, 1, 1)))
    damage(weights[name])
    with pytest.raises(ValueError, match=r"trees|names one|shape"):
        load_network(weights, "random-forest", **arguments, trees=3)
    with pytest.raises(ValueError, match="do not make 4 trees"):
        load_network(forest.state_dict(), "random-forest", **arguments, trees=4)


@pytest.mark.parametrize("groups", [None, torch.arange(40) // 8])
def test_groups_go_to_those_own_networks_that_ask_for_them(make_pixels, groups):
    class Mean(FittedNetwork):
        fitted = {"means": torch.float32}  # noqa: RUF012

        def fit_estimator(self, features, targets):
            return np.stack([features[targets == k].mean(axis=0) for k in range(self.classes)])

        def arrays_of(self, estimator):
            return {"means": estimator}

    class Grouped(Mean):
        def fit_estimator(self, features, targets, groups=None):
            self.seen = groups
            return super().fit_estimator(features, targets)

    plain, asking = Mean(BANDS, CHANNELS, 4, PATCH), Grouped(BANDS, CHANNELS, 4, PATCH)
    for network in (plain, asking):
        network.fit(*make_pixels(40, 4), groups)
    assert torch.equal(plain.means, asking.means)
    assert asking.seen is None if groups is None else asking.seen.tolist() == groups.tolist()
