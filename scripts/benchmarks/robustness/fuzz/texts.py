"""Class tables, recipes, plans, lists of scenes and cards."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import yaml

from scripts.benchmarks.robustness.fuzz.damage import damaged_tree, either, word
from scripts.benchmarks.robustness.fuzz.inputs import Files, Reader, in_file

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
"""Nine levels of nine aliases each."""

_TABLES = {
    "classes.yaml": '- {code: 1, name: Brocoli green weeds 1, color: "#1f7a3a", attributes: [crop, vegetation]}\n'
    '- {code: 10, name: Corn senesced, color: "#aa7a3a"}\n- {code: 3, name: water}\n',
    "classes.yml": "classes:\n  1: maize\n  2: {name: oats, color: [1, 2, 3]}\n  3: water\n",
    "classes.csv": 'code,name,color,attributes\n1,maize,#ff0000,"crop;vegetation"\n2,oats,#00ff00,crop\n3,water\n',
    "classes.tsv": "value\tclass\tr\tg\tb\n1\tmaize\t255\t0\t0\n2\toats\t0\t255\t0\n3\twater\t0\t0\t255\n",
    "classes.clr": "0 0 0 0 0 none\n1 255 0 0 255 maize\n2 0 255 0 255 oats\n3 0 0 255 water\n",
    "classes.txt": "# QGIS\nINTERPOLATION:EXACT\n1,255,0,0,255,maize\n2,0,255,0,255,oats\n",
}


def class_tables() -> Reader:
    """Class tables in all forms."""
    samples = tuple({name: text.encode()} for name, text in _TABLES.items())

    def damage(rng: random.Random, content: bytes) -> bytes:
        return BOMB.encode() if rng.random() < 0.01 else either(rng, content)

    def read(path: Path) -> object:
        from hsiattn.labels import open_class_table

        return open_class_table(path).to_records()

    return Reader(samples, in_file(0, damage), read)


def _yaml_tree(rng: random.Random, content: bytes) -> bytes:
    """Damage to what a YAML file holds, or to its text."""
    if rng.random() < 0.01:
        return BOMB.encode()
    if rng.random() < 0.4:
        return either(rng, content)
    return yaml.safe_dump(damaged_tree(rng, yaml.safe_load(content)), allow_unicode=True).encode(errors="surrogatepass")


def recipes() -> Reader:
    """Recipes and `--set`, up to the network that they ask for."""
    from hsiattn.resources import resource_folder

    texts = [path.read_bytes() for path in sorted(resource_folder("configs").glob("*.yaml"))]
    texts.append(b"name: mine\ndescription: quick\nextends: default\ntraining: {max_epochs: 3}\n")
    samples = tuple({"recipe.yaml": text, "set": b""} for text in texts)
    keys = sorted({key for text in texts for key in _keys(yaml.safe_load(text))})

    def damage(rng: random.Random, files: Files) -> Files:
        if rng.random() < 0.5:
            return {**files, "recipe.yaml": _yaml_tree(rng, files["recipe.yaml"])}
        lines = []
        for _ in range(rng.choice((1, 1, 2, 3))):
            key = rng.choice(keys)
            if rng.random() < 0.4:
                key = rng.choice(
                    (key[:-1], key + "s", key.rpartition(".")[2], f"{key}.x", f"training.{key}", word(rng))
                )
            lines.append(
                f"{key}={word(rng) if rng.random() < 0.8 else rng.choice(('[[[', '{a: 1}', '[1, 2]', '&a [*a]'))}"
            )
        return {**files, "set": "\n".join(lines).encode(errors="surrogatepass")}

    def read(path: Path) -> object:
        from hsiattn.networks import check_arguments, create_network
        from hsiattn.training import load_recipe

        changes = (path.parent / "set").read_bytes().decode(errors="surrogateescape").split("\n")
        recipe = load_recipe(path, [change for change in changes if change])
        preprocessing = recipe.preprocessing
        channels = min(9, preprocessing.principal_components) + min(9, preprocessing.noise_components)
        channels += 9 * preprocessing.bands_as_components
        sizes = {"bands": 9, "channels": channels, "classes": 3, "patch_size": recipe.patch_size}
        check_arguments(recipe.network.name, recipe.network.arguments)
        return recipe.model_dump_json(), create_network(recipe.network.name, **sizes, **recipe.network.arguments)

    return Reader(samples, damage, read)


def _keys(tree: Any, prefix: str = "") -> Iterator[str]:
    for key, value in tree.items() if isinstance(tree, dict) else ():
        yield f"{prefix}{key}"
        yield from _keys(value, f"{prefix}{key}.")


def plans() -> Reader:
    """Plans of benchmarks, up to the list of their runs."""
    from hsiattn.resources import resource_folder

    samples = tuple(
        {"plan.yaml": path.read_bytes()} for path in sorted(resource_folder("configs/experiments").glob("*.yaml"))
    )

    def read(path: Path) -> object:
        from hsiattn.experiments.plan import load_plan
        from hsiattn.experiments.runs import runs_of

        return len(runs_of(load_plan(path), beside=path.parent))

    return Reader(samples, in_file(0, _yaml_tree), read)


def scene_lists() -> Reader:
    """Lists of scenes that train together."""
    texts = (
        "scenes:\n- {scene: a.tif, labels: a.gpkg, column: crop}\n- {scene: b.tif, labels: b.tif, groups: g.tif}\n",
        "scenes:\n- scene: [tiles/1.tif, /vsizip/t.zip/2.tif]\n  labels: c:/l.gpkg\n  unlabelled: -1\n  radius: 1.5\n",
    )
    samples = tuple({"scenes.yaml": text.encode()} for text in texts)

    def read(path: Path) -> object:
        from hsiattn.cli.scene_list import PER_SCENE, read_scene_list

        return read_scene_list(str(path), set(PER_SCENE))

    return Reader(samples, in_file(0, _yaml_tree), read)


def cards() -> Reader:
    """Cards of public scenes."""
    from hsiattn.resources import resource_folder

    texts = [path.read_bytes() for path in sorted(resource_folder("datasets").glob("*.yaml"))]

    def read(path: Path) -> object:
        from hsiattn.datasets import cards

        with mock.patch.object(cards, "resource_folder", return_value=path.parent):
            card = cards.dataset_card("salinas")
        return card.class_table, card.spectral_bands(card.bands)

    return Reader(tuple({"salinas.yaml": text} for text in texts), in_file(0, _yaml_tree), read)
