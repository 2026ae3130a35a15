"""The files that ship splits: the same bytes whenever they are made."""

import json

import pytest

from hsiattn.splits import shipped_split
from scripts.benchmarks.accuracy.make_splits import pack_splits


def test_packed_splits_are_the_same_bytes_again_and_other_labels_are_refused():
    splits = [shipped_split("indian-pines", "random-10", seed) for seed in (0, 1)]
    codes = (splits[0].roles > 0).astype(int)
    assert pack_splits("x", codes, splits) == pack_splits("x", codes, splits)
    assert [r["seed"] for r in json.loads(pack_splits("x", codes, splits)[1])["splits"]] == [0, 1]
    with pytest.raises(ValueError, match="same labels"):
        pack_splits("x", codes, [splits[0], shipped_split("salinas", "random-10")])
