"""Which unlabelled pixels a network takes in: the surest of every class, and as many of each."""

import numpy as np
import pytest
import torch

from hsiattn.networks import create_network
from hsiattn.training.patches import LabelledPatches
from hsiattn.training.sggan.growing import accept, scored


@pytest.fixture(scope="module")
def found():
    """Classes of very different size, the large one the surest."""
    rng = np.random.default_rng(0)
    classes = rng.choice(4, 1000, p=[0.7, 0.2, 0.09, 0.01])
    return classes, np.clip(rng.uniform(0.4, 1, 1000) + 0.1 * (classes == 0), 0, 1).astype(np.float32)


@pytest.mark.parametrize("share", [0.05, 0.2, 1.0])
@pytest.mark.parametrize("threshold", [0.0, 0.8])
def test_the_surest_of_every_class_are_taken_up_to_the_share_of_an_even_class(found, share, threshold):
    classes, scores = found
    taken = accept(classes, scores, count=4, share=share, threshold=threshold)
    for number in range(4):
        sure = sorted(scores[(classes == number) & (scores > threshold)], reverse=True)
        most = min(np.ceil(share * np.sum(classes == number)), np.ceil(share * 1000 / 4), len(sure))
        np.testing.assert_array_equal(sorted(taken.scores[taken.targets == number], reverse=True), sure[: int(most)])
    np.testing.assert_array_equal(taken.targets, classes[taken.indices])
    assert (np.diff(taken.indices) > 0).all()


def test_a_large_class_does_not_outweigh_the_others(found):
    classes, scores = found
    taken = accept(classes, scores, count=4, share=0.4, threshold=0.0)
    counts = taken.record(4)["per_class"]
    assert counts[0] == 100  # not 40 % of 700
    assert counts == np.bincount(taken.targets, minlength=4).tolist()
    assert taken.record(4)["accepted"] == len(taken) == sum(counts)
    assert taken.record(4)["mean_score"] == pytest.approx(taken.scores.mean(), abs=1e-4)


def test_where_nothing_is_sure_nothing_is_taken(found):
    taken = accept(*found, count=4, share=0.2, threshold=0.999999)
    taken = accept(found[0], 0.5 * found[1], count=4, share=0.2, threshold=0.95)
    assert len(taken) == 0
    assert taken.record(4) == {"share": 0.2, "accepted": 0, "per_class": [0, 0, 0, 0], "mean_score": None}


@pytest.mark.parametrize("members", [1, 2])
def test_a_score_is_the_probability_of_the_class_times_that_of_being_real(members):
    torch.manual_seed(0)
    sizes = {"bands": 6, "channels": 2, "classes": 3, "patch_size": 3}
    small = {"hidden": 2, "width": 3, "embedding": 3}
    network = create_network("ensemble", **sizes, members=members, member_arguments=small)
    rng = np.random.default_rng(1)
    valid = rng.random((300, 3, 3)) < 0.8
    patches = (rng.normal(size=(300, 2, 3, 3)) * valid[:, None]).astype(np.float32)
    pixels = LabelledPatches(rng.normal(size=(300, 6)).astype(np.float32), patches, valid, np.full(300, -1))
    classes, scores = scored(network, pixels, torch.device("cpu"), "32")
    with torch.no_grad():
        each = network.eval().member_logits(*map(torch.from_numpy, (pixels.spectra, patches, valid))).double()
    made = torch.softmax(torch.cat([each, torch.zeros(members, 300, 1)], dim=2), dim=2)[:, :, -1].mean(dim=0)
    best, number = torch.softmax(each, dim=2).mean(dim=0).max(dim=1)
    np.testing.assert_array_equal(classes, number.numpy())
    np.testing.assert_allclose(scores, (best * (1 - made)).numpy(), atol=1e-5)
