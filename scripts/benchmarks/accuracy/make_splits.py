"""The splits that are shipped in datasets/splits, drawn from the label maps of the public scenes.

    .venv/bin/python -m scripts.benchmarks.accuracy.make_splits DATA [--out datasets/splits] [--seeds 5]

DATA is the folder of real scenes; the label maps are in DATA/ground-truth. For every scene and protocol, classes that
stand in the way of a draw (too small, or in one place only) are left out of all of its draws, as few as possible. The
files are the same, byte by byte, whenever they are made (with the same zlib). A table of leakage goes to stdout.
"""

from __future__ import annotations

import argparse
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsiattn.datasets import DatasetCard, dataset_card
from hsiattn.resources import resource_folder
from hsiattn.scenes import read_matlab_variable
from hsiattn.splits import PROTOCOLS, ROLES, Split, adapt_protocol, draw_protocol
from hsiattn.splits.groups import digest_of
from hsiattn.splits.shipped import member_name

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


def pack_splits(scene: str, codes: NDArray[Any], splits: Sequence[Split]) -> tuple[bytes, str]:
    """The two files that ship splits of one label map (H, W): the .npz archive and the JSON text.

    The same splits give the same bytes, whenever they are packed.
    """
    labelled = splits[0].roles != ROLES["none"]
    arrays = {"labelled": np.packbits(labelled.ravel())}
    records = []
    for split in splits:
        if not np.array_equal(split.roles != ROLES["none"], labelled):
            raise ValueError("the splits are not of the same labels")
        record = {**split.record, "roles_sha256": digest_of(split.roles)}
        arrays[member_name(record)] = split.roles[labelled]
        records.append(record)
    head = {"scene": scene, "shape": list(codes.shape), "labels_sha256": digest_of(codes)}
    lines = ",\n".join(json.dumps(record, ensure_ascii=False) for record in records)
    text = f'{json.dumps(head)[:-1]}, "splits": [\n{lines}\n]}}\n'
    return _archive(arrays), text


def _archive(arrays: dict[str, NDArray[np.uint8]]) -> bytes:
    """A .npz file whose members bear no date, so that it does not change with the day on which it is made."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array, allow_pickle=False)
            member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            archive.writestr(member, content.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=9)
    return buffer.getvalue()


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
