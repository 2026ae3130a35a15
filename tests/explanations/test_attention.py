"""What a classifier says of what its network attends to."""

import numpy as np
import pytest
import torch

from hsiattn import SpectralSpatialClassifier, open_labels, open_scene
from hsiattn.errors import RecipeError, SceneError
from hsiattn.scenes import as_source
from hsiattn.scenes.tiles import read_tile


def test_the_weights_are_those_of_the_network_on_the_patches_of_the_pixels(fitted, tiny):
    pixels = [(12, 20), (39, 0), (1, 5)]  # inside, in a corner, and beside pixels without data
    weights = fitted.attention(open_scene(tiny.scene), pixels)
    assert weights["bands"].dims == ("pixel", "band")
    assert weights["neighbours"].dims == ("pixel", "dy", "dx")
    assert list(weights["dy"].values) == list(weights["dx"].values) == [-2, -1, 0, 1, 2]
    assert list(weights["row"].values) == [12, 39, 1]
    model, source = fitted.model_, as_source(tiny.scene)
    assert list(weights["band"].values) == list(model.used_bands.names)
    tile = read_tile(source, source.extent, 2, model.match(source), "reflect")
    spectra, components = model.preprocessing.transform(
        tile.values, tile.valid, source.radiometry.subset(model.match(source))
    )
    for number, (row, column) in enumerate(pixels):
        window = slice(row, row + 5), slice(column, column + 5)
        inputs = spectra[:, row + 2, column + 2], components[:, *window], tile.valid[window]
        bands, neighbours = model.network.attention_weights(*(torch.from_numpy(x.copy())[None] for x in inputs))
        np.testing.assert_allclose(weights["bands"][number], bands[0].detach(), atol=1e-6)
        np.testing.assert_allclose(weights["neighbours"][number], neighbours[0].detach(), atol=1e-6)
    assert (weights["neighbours"][2].values == 0).any()
    np.testing.assert_allclose(weights["neighbours"].sum(dim=("dy", "dx")), 1, atol=1e-5)


def test_pixels_without_data_have_no_weights(fitted, tiny):
    weights = fitted.attention(tiny.scene, [(0, 2), (20, 20)])
    for kind in ("bands", "neighbours"):
        assert np.isnan(weights[kind][0]).all()
        assert np.isfinite(weights[kind][1]).all()


def test_a_network_without_attention_says_so(tiny):
    classifier = SpectralSpatialClassifier("lda", split="none").fit(open_scene(tiny.scene), open_labels(tiny.labels))
    with pytest.raises(RecipeError, match="network 'discriminant' weighs neither bands nor neighbours; train one"):
        classifier.attention(tiny.scene, [(10, 10)])


@pytest.mark.parametrize("pixels", [[(40, 0)], [(0, -1)], []])
def test_pixels_that_are_not_in_the_scene_are_refused(fitted, tiny, pixels):
    with pytest.raises(SceneError, match="rows from 0 to 39 and columns from 0 to 47"):
        fitted.attention(tiny.scene, pixels)
