"""The deletion test trusts attention where it names what the network uses, and only there."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from hsiattn import SpectralSpatialClassifier, open_labels, open_scene
from hsiattn.errors import RecipeError, SceneError
from hsiattn.explanations.deletion import deletion_test, mean_rank_correlation, subset
from hsiattn.scenes import as_source

from .conftest import BANDS, USED


def _attention(*, on=None, seed=0):
    if on is None:
        return torch.softmax(torch.randn(BANDS, generator=torch.Generator().manual_seed(seed)), dim=0)
    weights = torch.full((BANDS,), 0.01)
    weights[list(on)] = 1.0
    return weights / weights.sum()


def test_attention_to_the_bands_that_decide_is_trusted(known_model, noise_source, some_pixels):
    test = deletion_test(known_model(attention=_attention(on=USED)), noise_source, some_pixels)
    (bands,) = test.subjects
    assert bands.verdict == "used"
    assert bands.area("attention") < bands.random_areas.min()
    assert bands.area("attention") < bands.area("attention reversed")
    assert bands.area("attribution") == pytest.approx(bands.area("attention"), abs=0.05)
    assert test.in_words.startswith("Attention names the bands that the network uses. When bands are taken away")
    assert "faster than in 39 of 39 random orders" in test.in_words


def test_random_attention_is_no_better_than_chance(known_model, noise_source, some_pixels):
    tests = [
        deletion_test(
            known_model(attention=_attention(seed=seed)), noise_source, some_pixels[::2], draws=39, random_state=seed
        )
        for seed in range(16)
    ]
    chances = np.array([test.subjects[0].chance() for test in tests])
    assert 0.3 < chances.mean() < 0.7  # as of a uniform distribution, which a valid test has
    assert np.count_nonzero(chances <= 0.05) <= 3
    verdicts = [test.subjects[0].verdict for test in tests]
    assert verdicts.count("no better") >= 12
    words = tests[verdicts.index("no better")].in_words
    assert "no better than a random order: read it as a weighting, not as an explanation" in words


def test_attention_to_all_other_bands_misleads(known_model, noise_source, some_pixels):
    others = [band for band in range(BANDS) if band not in USED]
    weights = _attention(on=others) * torch.linspace(1, 1.2, BANDS)
    test = deletion_test(known_model(attention=weights / weights.sum()), noise_source, some_pixels, draws=99)
    assert test.subjects[0].verdict == "misleading"


def test_a_decision_that_no_band_changes_leaves_the_test_undecided(known_model, noise_source, some_pixels):
    test = deletion_test(known_model(used=(), attention=_attention()), noise_source, some_pixels)
    assert test.subjects[0].verdict == "undecided"
    assert "says nothing" in test.in_words


def test_neighbours_are_tested_where_the_network_weighs_them(known_model, noise_source, some_pixels):
    model = known_model(neighbours=0.8, gate=torch.full((3, 3), 1 / 9))
    model.network.kernel.data[:, :, :2] = 0  # only the right column counts
    gate = torch.full((3, 3), 0.01)
    gate[:, 2] = 1.0
    model.network.gate = gate / gate.sum()
    bands, neighbours = deletion_test(model, noise_source, some_pixels).subjects
    assert bands.verdict == "no attention"
    assert neighbours.groups == 8
    assert neighbours.area("attention") < neighbours.random_areas.mean()
    assert neighbours.area("attention") < neighbours.area("attention reversed")


def test_curves_begin_with_the_probability_and_end_with_that_of_the_baseline(known_model, noise_source, some_pixels):
    (curves,) = deletion_test(known_model(attention=_attention(on=USED)), noise_source, some_pixels).subjects
    assert curves.share[0] == 0
    assert curves.share[-1] == 1
    for curve in (*curves.curves.values(), *curves.random):
        assert curve[0] > 0.8
        assert curve[-1] == pytest.approx(0.5)
    np.testing.assert_allclose(
        curves.area("attention"), np.trapezoid(curves.curves["attention"], curves.share), rtol=1e-12
    )


def test_the_same_seed_gives_the_same_test(known_model, noise_source, some_pixels):
    model = known_model(attention=_attention(seed=1))
    first, again = (deletion_test(model, noise_source, some_pixels, random_state=4).to_dict() for _ in range(2))
    assert first == again


def test_rank_correlation_is_that_of_scipy():
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 5, (6, 12)).astype(float), rng.normal(size=(6, 12))
    expected = np.mean([spearmanr(a, b).statistic for a, b in zip(one, other, strict=True)])
    assert mean_rank_correlation(one, other) == pytest.approx(expected)
    assert mean_rank_correlation(np.ones((2, 3)), np.ones((2, 3))) is None


def test_many_pixels_are_thinned_by_chance():
    positions = np.arange(600).reshape(300, 2)
    chosen = subset(positions, 100, 0)
    assert len(chosen) == 100
    assert {tuple(place) for place in chosen} <= {tuple(place) for place in positions}
    assert subset(positions, 300, 0) is positions


def test_pixels_without_data_are_left_out_and_refused_if_there_are_no_others(known_model, noise_source):
    model = known_model(attention=_attention(on=USED))
    assert deletion_test(model, noise_source, [(0, 0), (20, 20), (21, 8)]).subjects[0].pixels == 2
    with pytest.raises(SceneError, match=r"the pixel in row 0, column 1 of .* holds no data in the bands of the model"):
        deletion_test(model, noise_source, [(0, 1)])


def test_a_network_without_attention_cannot_be_tested(tiny):
    classifier = SpectralSpatialClassifier("lda", split="none").fit(open_scene(tiny.scene), open_labels(tiny.labels))
    with pytest.raises(RecipeError, match="weighs neither bands nor neighbours"):
        deletion_test(classifier.model_, as_source(tiny.scene), [(10, 10)])
