"""The whole way: candidates, decision, and a model file that classifies the other scene."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from hsiattn.adaptation import FewLabels, adapt
from hsiattn.adaptation.decision import SOURCE
from hsiattn.errors import AdaptationError, BandError, DomainError, SceneError
from hsiattn.mapping import predict_array
from hsiattn.models.model_file import read_model, write_model
from hsiattn.scenes import as_source
from hsiattn.splits import label_groups


@pytest.fixture(scope="module")
def result(model, second):
    return adapt(model, second, device="cpu")


def _classes(model, source):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that a scene in other light is unlike the first is known here
        return predict_array(model, source, device="cpu", force=True).land_cover.to_numpy()


def _accuracy(model, source, codes):
    return float((_classes(model, source) == codes).mean())


def _few(pair, model, wrong=False):
    rng = np.random.default_rng(3)
    positions = np.concatenate([rng.permutation(np.argwhere(pair.codes == k))[:6] for k in (1, 2, 3)])
    targets = model.classes.to_indices(pair.codes[tuple(positions.T)])
    targets = (targets + 1) % 3 if wrong else targets
    return FewLabels(positions, targets, label_groups(positions, targets, None))


def test_other_light_is_taken_away(model, result, second, pair):
    assert result.decision.chosen == "radiometric"
    assert result.evidence["radiometric"].distance < 0.5 * result.evidence[SOURCE].distance
    before, after = (_accuracy(each, second, pair.codes) for each in (model, result.model))
    assert after > 0.98
    assert before < after - 0.1


def test_the_model_is_kept_in_its_own_scene(model, first):
    found = adapt(model, first, device="cpu")
    assert found.kept
    assert found.model.preprocessing is model.preprocessing
    assert found.record["method"] is None


@pytest.mark.parametrize("method", ["radiometric", "moments", "coral"])
def test_what_comes_out_is_a_model_file_that_names_its_origin(model, second, pair, tmp_path, method):
    origin = replace(model, digest="abc")
    made = adapt(origin, second, method=method, force=True, device="cpu").model
    write_model(made, tmp_path / "adapted.hsiattn")
    read = read_model(tmp_path / "adapted.hsiattn")
    record = read.training["adapted"]
    assert (record["from"], record["method"], record["target"]["scene"]) == ("abc", method, "second")
    np.testing.assert_array_equal(*(_classes(each, second) for each in (made, read)))
    assert _accuracy(read, second, pair.codes) > 0.95


def test_few_labels_that_disagree_keep_the_source(model, second, pair):
    """Labels by which the unadapted model is right, whatever the spectra say."""
    unadapted = _classes(model, second)
    positions = np.argwhere(unadapted != pair.codes)[:30]
    targets = model.classes.to_indices(unadapted[tuple(positions.T)])
    few = FewLabels(positions, targets, np.arange(len(positions)))
    found = adapt(model, second, method="radiometric", few=few, device="cpu")
    assert (found.decision.chosen, found.decision.by) == (SOURCE, "labels")


def test_few_labels_take_part_in_self_training(model, second, pair):
    found = adapt(model, second, few=_few(pair, model), device="cpu")
    assert {"self-training", "radiometric"} <= set(found.evidence)
    assert found.evidence["radiometric"].accuracy == 1.0
    assert found.evidence["self-training"].accuracy > 0.8
    assert _accuracy(found.model, second, pair.codes) > 0.97


def test_a_self_trained_model_reads_the_bands_of_the_first(model, second, pair, tmp_path):
    made = adapt(model, second, method="self-training", force=True, device="cpu").model
    assert made.bands is model.bands
    write_model(made, tmp_path / "adapted.hsiattn")
    assert _accuracy(read_model(tmp_path / "adapted.hsiattn"), second, pair.codes) > 0.8


def test_a_method_that_does_not_apply_is_noted_or_refused_where_asked_for(model, second, result):
    assert "batch normalisation" in result.failed["norm-statistics"]
    with pytest.raises(AdaptationError, match="no batch normalisation"):
        adapt(model, second, method="norm-statistics", device="cpu")
    with pytest.raises(AdaptationError, match="no way of adaptation 'magic'"):
        adapt(model, second, method="magic", device="cpu")


def test_scenes_that_cannot_be_used_are_refused(model, pair, make_scene):
    with pytest.raises(BandError):
        adapt(model, as_source(make_scene(pair.second[:5])), device="cpu")
    empty = np.full_like(pair.second, np.nan)
    with pytest.raises(SceneError, match="0 pixels with data"):
        adapt(model, as_source(make_scene(empty, name="empty")), device="cpu")
    with pytest.raises(DomainError, match="10\\^4 times"):
        adapt(model, as_source(make_scene(pair.first * 10_000)), device="cpu")


def test_missing_pixels_do_not_count(model, pair, make_scene, result):
    cube = pair.second.copy()
    cube[:, :3] = np.nan
    cube[4, 10, 10] = np.inf
    found = adapt(model, as_source(make_scene(cube)), method="radiometric", device="cpu")
    gains = [each.model.preprocessing.gain for each in (found, result)]
    np.testing.assert_allclose(*gains, rtol=0.05)


def test_a_model_without_domain_asks_for_its_training_scene(model, second):
    found = adapt(replace(model, domain=None), second, device="cpu")
    assert found.kept
    assert "radiometric" in found.failed
    with pytest.raises(AdaptationError, match="keeps nothing of its training scene"):
        adapt(replace(model, domain=None), second, method="moments", device="cpu")
