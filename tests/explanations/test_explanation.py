"""The whole explanation: of every network, of pixels that are named or drawn, with its doubts."""

import numpy as np
import pytest
import torch
import xarray as xr

import hsiattn
from hsiattn.errors import BandError, GridError, LabelError, ModelFileError, SceneError
from hsiattn.explanations.explanation import explain
from hsiattn.explanations.pixels import pixels_at, pixels_of_labels, pixels_of_predictions
from hsiattn.explanations.windows import Decision, read_windows
from hsiattn.networks import NETWORKS, FittedNetwork, create_network
from hsiattn.scenes import as_source
from hsiattn.splits import NoSplit
from hsiattn.training import load_recipe

from .conftest import BANDS, CHANNELS, SIZE, USED

GROUPED = {"hidden": 4, "width": 6, "embedding": 5, "group": 3}
VARIANTS = {
    "ssan": {"hidden": 4},
    "grouped-ssan": GROUPED,
    "gsa": {"width": 6, "heads": 2, "spectral": {"hidden": 4, "group": 3}},
    "smlp": {"width": 6, "depths": [1, 1], "spectral": {"hidden": 4, "group": 3}},
    "attendnet": {"width": 12},
    "attendnet-local": {"group": 3, "stride": 3},
    "hierarchical": {"width": 8, "heads": 2, "feedforward": 8, "depth": 1, "groups": 3},
    "ensemble": {"members": 2, "member_arguments": GROUPED},
    "test-time-augmentation": {"member_arguments": GROUPED},
    "with-prior": {"member_arguments": GROUPED, "patterns": 6, "axes": 2},
}


def test_every_network_that_learns_is_tested_here():
    learning = {name for name, kind in NETWORKS.items() if not issubclass(kind, FittedNetwork)}
    assert set(VARIANTS) == learning - {"any-sensor"}  # which reads reflectance, and the scene here is noise around 0


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_every_network_is_explained(name, known_model, noise_source, some_pixels):
    torch.manual_seed(1)
    sizes = {"bands": BANDS, "channels": CHANNELS, "classes": 2, "patch_size": SIZE}
    network = create_network(name, **sizes, **VARIANTS[name])
    for parameter in network.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    explanation = explain(known_model(network), noise_source, some_pixels[:4], draws=19)
    data = explanation.data
    assert data["integrated_gradients"].shape == (4, BANDS)
    assert np.isfinite(data["integrated_gradients"]).all()
    change = data["probability"] - data["baseline_probability"]
    np.testing.assert_allclose(data["integrated_gradients"].sum("band"), change, atol=0.02)
    for kind, dims in (("attention", ["band"]), ("neighbours", ["dy", "dx"])):
        if kind in data:
            np.testing.assert_allclose(data[kind].sum(dims), 1, atol=1e-4)
    assert "attention" in data or "neighbours" in data
    assert explanation.in_words
    assert (explanation.stability is not None) == (name == "ensemble")


@pytest.mark.parametrize("recipe", ["lda", "svm", "random-forest"])
def test_classifiers_without_attention_are_explained_by_occlusion(recipe, tiny):
    few_trees = ["network.arguments.trees=10"] if recipe == "random-forest" else []
    classifier = hsiattn.SpectralSpatialClassifier(
        load_recipe(recipe, few_trees), split=NoSplit(per_class=10), device="cpu"
    )
    classifier.fit(tiny.scene, tiny.labels)
    explanation = classifier.explain(tiny.scene, [(12, 20), (25, 33)], band_groups=6)
    assert "attention" not in explanation.data
    assert ("integrated_gradients" in explanation.data) == (recipe != "random-forest")
    assert np.isfinite(explanation.data["occlusion"]).all()
    assert any("there is no attention" in note for note in explanation.notes)
    assert any("has no gradients" in note for note in explanation.notes) == (recipe == "random-forest")
    assert explanation.deletion.subjects[0].verdict == "no attention"


def test_the_bands_that_carry_the_class_are_found(known_model, noise_source, some_pixels):
    attention = torch.full((BANDS,), 0.01)
    attention[list(USED)] = 1.0
    explanation = explain(
        known_model(attention=attention / attention.sum()), noise_source, some_pixels, groups=BANDS, draws=19
    )
    used = sorted(USED)
    for name in ("integrated_gradients", "occlusion"):
        strength = np.abs(explanation.data[name].to_numpy()).mean(axis=0)
        assert sorted(np.argsort(strength)[-3:]) == used
    assert explanation.deletion.subjects[0].verdict == "used"


def test_a_fitted_network_is_explained_by_the_bands_that_differ(make_scene, quick_recipe):
    rng = np.random.default_rng(4)
    codes = (np.indices((32, 40)).sum(axis=0) // 8) % 2 + 1
    values = rng.normal(0.4, 0.02, (24, 32, 40)).astype(np.float32)
    values[9:12] += 0.12 * (codes - 1)
    classifier = hsiattn.SpectralSpatialClassifier(quick_recipe, split="random", device="cpu")
    scene = make_scene(values)
    classifier.fit(scene, codes)
    explanation = classifier.explain(scene, labels=codes, samples=5, band_groups=8)
    strength = np.abs(explanation.data["integrated_gradients"].to_numpy()).mean(axis=0)
    assert strength.reshape(8, 3).sum(axis=1).argmax() == 3  # bands 10 to 12 of three each
    assert explanation.data["occlusion"].to_numpy().mean(axis=0).argmax() == 3
    assert set(explanation.data["class_name"].values) == set(classifier.class_table_.names)


def test_pixels_at_map_coordinates_are_those_that_hold_them(tiny):
    source = as_source(tiny.scene)
    x, y = tiny.transform @ (20.2, 12.9)
    assert pixels_at(source, [(x, y)]).tolist() == [[12, 20]]
    with pytest.raises(
        SceneError, match=r"lies outside .*; give x from 360000 to 360480 and y from 5809600 to 5810000"
    ):
        pixels_at(source, [(0, 0)])
    unplaced = as_source(xr.DataArray(np.zeros((3, 4, 5)), dims=("band", "y", "x"), name="strip"))
    with pytest.raises(SceneError, match="strip does not say where its pixels lie on the map; name pixels by row"):
        pixels_at(unplaced, [(1, 1)])


def test_pixels_of_labels_are_of_every_class_and_hold_data(fitted, tiny):
    model, source = fitted.model_, as_source(tiny.scene)
    found = pixels_of_labels(model, source, tiny.codes, 4, 0)
    assert [int(tiny.codes[row, column]) for row, column in found] == [1] * 4 + [4] * 4 + [7] * 4
    corner = np.zeros_like(tiny.codes)
    corner[0, :4], corner[5, 5] = 1, 4  # the first row has no data there
    assert pixels_of_labels(model, source, corner, 4, 0).tolist() == [[5, 5]]
    with pytest.raises(LabelError, match=r"no labelled pixel of .* with data is of a class of the model"):
        pixels_of_labels(model, source, np.full_like(tiny.codes, 99), 4, 0)


def test_without_labels_pixels_are_of_the_classes_that_the_map_shows(fitted, tiny):
    found = pixels_of_predictions(fitted.model_, as_source(tiny.scene), 5, 0)
    land_cover = fitted.predict(hsiattn.open_scene(tiny.scene))["land_cover"].to_numpy()
    predicted = land_cover[tuple(found.T)].tolist()
    assert predicted == sorted(predicted)
    assert max(predicted.count(code) for code in set(predicted)) <= 5
    assert 0 not in predicted


def test_named_pixels_without_data_or_outside_are_refused(fitted, tiny):
    with pytest.raises(
        SceneError, match=r"row 0, column 2 of .* holds no data in the bands of the model; name a pixel"
    ):
        fitted.explain(tiny.scene, [(12, 20), (0, 2)])
    with pytest.raises(SceneError, match="row 40, column 0 lies outside"):
        fitted.explain(tiny.scene, [(40, 0)])


def test_wrong_labels_and_groups_are_refused(fitted, tiny):
    source = as_source(tiny.scene)
    with pytest.raises(GridError, match="the labels have 3 × 3 pixels"):
        explain(fitted.model_, source, labels=np.ones((3, 3), int))
    with pytest.raises(BandError, match="the model reads 24 bands, fewer than 99 groups; give fewer band_groups="):
        explain(fitted.model_, source, groups=99)


def test_models_of_other_bands_or_classes_are_not_compared(known_model, fitted, noise_source, some_pixels):
    with pytest.raises(ModelFileError, match="model 2 reads other bands than the first; give models of one scene"):
        explain(known_model(), noise_source, some_pixels, others=[fitted.model_])


def test_stability_tells_like_networks_from_unlike_ones(known_model, noise_source, some_pixels):
    def model(seed):
        weights = torch.softmax(torch.randn(BANDS, generator=torch.Generator().manual_seed(seed)), dim=0)
        return known_model(attention=weights, used=(seed, seed + 1, 15))

    same = explain(model(1), noise_source, some_pixels, others=[model(1)], draws=19).stability
    assert same.agreement["attention"][""] == pytest.approx(1)
    assert same.agreement["attribution"][""] == pytest.approx(1)
    assert "Attention of 2 models agrees well" in same.in_words
    unlike = explain(model(1), noise_source, some_pixels, others=[model(7)], draws=19).stability
    assert unlike.agreement["attention"][""] < 0.5
    assert unlike.agreement["attribution"][""] < 0.5
    assert set(unlike.to_dict()["attention"]["classes"]) <= {"crop", "soil"}


def test_scenes_unlike_the_training_scene_are_refused_unless_forced(fitted, tiny):
    from hsiattn.errors import DomainError

    scene = hsiattn.open_scene(tiny.scene).load()
    wrong = scene.where(scene == -9999, scene * 1000)
    with pytest.raises(DomainError, match="to explain it all the same, give force=True"):
        fitted.explain(wrong, [(12, 20)])
    notes = fitted.explain(wrong, [(12, 20)], force=True).notes
    assert notes[0].startswith("Of ") or "scene" in notes[0]


def test_memory_does_not_grow_with_the_pixels(known_model, noise_source, monkeypatch):
    monkeypatch.setattr("hsiattn.explanations.windows._VALUES_AT_ONCE", 4 * BANDS * SIZE * SIZE)
    model = known_model()
    pixels = np.stack([np.full(10, 20), np.arange(10, 20)], axis=1)
    parts = list(read_windows(model, noise_source, pixels, Decision(model).device))
    assert [len(part) for part in parts] == [4, 4, 2]
    pieces = explain(model, noise_source, pixels, draws=19).data
    monkeypatch.undo()
    whole = explain(model, noise_source, pixels, draws=19).data
    for name in ("integrated_gradients", "occlusion", "deletion_bands_random"):
        np.testing.assert_allclose(pieces[name], whole[name], atol=1e-5)


def test_a_class_that_the_network_sees_in_the_baseline_is_told(known_model, noise_source, some_pixels):
    model = known_model(neighbours=1.0)
    explanation = explain(model, noise_source, some_pixels[1:9], draws=19)
    shares = explanation.means("baseline_probability")
    told = [note for note in explanation.notes if note.startswith("The baseline itself is taken for")]
    assert bool(told) == any(share > 0.5 for share in shares.values())
    assert told
