"""The splits that are shipped in datasets/splits, drawn from the label maps of the public scenes.

    .venv/bin/python -m scripts.benchmarks.accuracy.make_splits DATA [--out datasets/splits] [--seeds 5]

DATA is the folder of real scenes; the label maps are in DATA/ground-truth. For every scene and protocol, classes that
stand in the way of a draw (too small, or in one place only) are left out of all of its draws, as few as possible. The
files are the same, byte by byte, whenever they are made (with the same zlib). A table of leakage goes to stdout.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from hsiattn.datasets import DatasetCard, dataset_card
from hsiattn.resources import resource_folder
from hsiattn.scenes import read_matlab_variable
from hsiattn.splits import PROTOCOLS, Split, adapt_protocol, draw_protocol
from hsiattn.splits.shipped import pack_splits

SCENES = ("indian-pines", "pavia-centre", "pavia-university", "salinas")


def main() -> None:
    """Write two files per scene and print what they leak."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=resource_folder("datasets/splits"))
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for scene in SCENES:
        card = dataset_card(scene)
        codes = label_map(card, arguments.data / "ground-truth")
        splits = draw_all(card, codes, range(arguments.seeds))
        archive, index = pack_splits(scene, codes, splits)
        (arguments.out / f"{scene}.npz").write_bytes(archive)
        (arguments.out / f"{scene}.json").write_text(index, encoding="utf-8")
        print(table(card, splits))


def label_map(card: DatasetCard, folder: Path) -> NDArray[Any]:
    """Codes (H, W) of a scene's released label map."""
    names = {file.name.lower(): file.key or card.labels.key for file in card.labels.files}
    path = next(path for path in sorted(folder.iterdir()) if path.name.lower() in names)
    return read_matlab_variable(path, 2, names[path.name.lower()])


def draw_all(card: DatasetCard, codes: NDArray[Any], seeds: range) -> list[Split]:
    """Every protocol with every seed."""
    splits = []
    for protocol in PROTOCOLS:
        adaptation = adapt_protocol(codes, card.class_table, protocol, seeds)
        splits += [draw_protocol(codes, card.class_table, protocol, seed, **asdict(adaptation)) for seed in seeds]
    return splits


def table(card: DatasetCard, splits: list[Split]) -> str:
    """Mean leakage over seeds by protocol and window, as Markdown, with the classes left out."""
    windows = list(splits[0].record["leakage_by_window"])
    lines = [
        f"\n## {card.title}\n",
        f"| protocol | {' | '.join(f'{window}×{window}' for window in windows)} | training | test | left out |",
        "|---" * (len(windows) + 4) + "|",
    ]
    for protocol in PROTOCOLS:
        records = [split.record for split in splits if split.record["protocol"] == protocol]
        shares = [sum(record["leakage_by_window"][window] for record in records) / len(records) for window in windows]
        figures = [f"{100 * share:.1f}" for share in shares]
        training, test = (
            [sum(record["pixels"][role] for role in roles) for record in records]
            for roles in (("training", "validation"), ("test",))
        )
        counts = [f"{min(counted)}–{max(counted)}" for counted in (training, test)]
        away = ", ".join(card.class_table.subset([code]).names[0] for code in records[0]["left_out"])
        lines.append(f"| {' | '.join([protocol, *figures, *counts, away or 'none'])} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
