from __future__ import annotations

import hashlib

import numpy as np
import pytest
import yaml
from scipy.io import savemat

from hsiattn import datasets
from hsiattn.classes import ClassTable
from hsiattn.datasets import dataset_card, dataset_names, open_dataset
from hsiattn.errors import DatasetError
from hsiattn.scenes import as_source, grid_of, open_source

LABEL_MAPS = {
    "indian-pines": "Indian_pines_gt.mat",
    "pavia-university": "PaviaU_gt.mat",
    "pavia-centre": "paviaC_gt.mat",
    "salinas": "Salinas_gt.mat",
}


@pytest.fixture
def meadow(tmp_path, monkeypatch):
    """A data set of our own: card and files of a scene with 6 bands, of which the corrected cube lacks two."""
    rng = np.random.default_rng(5)
    cube, labels = rng.integers(0, 900, (4, 5, 6), dtype=np.int16), np.array([[0, 3, 7, 3, 0]] * 4, dtype=np.float64)
    root = tmp_path / "files"
    root.mkdir()
    savemat(root / "Meadow_corrected.mat", {"meadow_corrected": cube[..., [0, 1, 4, 5]]})
    savemat(root / "Meadow_gt.mat", {"meadow_gt": labels})
    checksum = hashlib.sha256((root / "Meadow_gt.mat").read_bytes()).hexdigest()
    card = {
        "title": "Meadow",
        "sensor": "CAM",
        "source": {"page": "https://example.org/meadow", "provider": "nobody"},
        "licence": "none",
        "cube": {
            "key": "meadow_corrected",
            "files": [{"name": "Meadow_corrected.mat"}, {"name": "Meadow.mat", "key": "meadow"}],
        },
        "labels": {"key": "meadow_gt", "files": [{"name": "meadow_GT.mat", "sha256": checksum}]},
        "height": 4,
        "width": 5,
        "pixel_size": 1.0,
        "bands": 6,
        "removed_bands": ["3-4"],
        "wavelength": {"nominal": True, "spectrometers": [{"bands": 6, "first": 400, "last": 900}]},
        "rgb": [5, 2, 1],
        "classes": [
            {"code": 3, "name": "grass", "color": "#00ff00", "pixels": 8, "attributes": ["grass", "vegetation"]},
            {"code": 7, "name": "herbs", "color": "#ff00ff", "pixels": 4},
        ],
    }
    cards = tmp_path / "cards"
    cards.mkdir()
    (cards / "meadow.yaml").write_text(yaml.safe_dump(card))
    monkeypatch.setattr(datasets, "resource_folder", lambda folder: cards)
    monkeypatch.setattr(datasets, "resource_names", lambda folder: ["meadow"])
    monkeypatch.delenv("HSIATTN_DATA", raising=False)
    return root, cube, labels


def test_scene_and_labels_come_with_what_the_card_knows(meadow):
    root, cube, codes = meadow
    scene, labels = open_dataset("meadow", root)
    np.testing.assert_array_equal(scene.values, cube[..., [0, 1, 4, 5]].transpose(2, 0, 1))
    assert scene.wavelength.values.tolist() == [400, 500, 800, 900]
    assert scene.good.all()
    assert as_source(scene).bands.nominal
    np.testing.assert_array_equal(labels.values, codes)
    assert labels.dtype == np.int32
    table = ClassTable.from_attrs(labels.attrs)
    assert table.names == ("grass", "herbs")
    assert [item.attributes for item in table] == [("grass", "vegetation"), ()]
    assert grid_of(labels) == grid_of(scene)


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")
def test_natural_colours_are_taken_from_the_bands_that_are_left(meadow):
    scene, _ = open_dataset("meadow", meadow[0])
    assert scene.attrs["rgb"] == [3, 2, 1]
    assert scene.sel(band=scene.attrs["rgb"]).wavelength.values.tolist() == [800, 500, 400]


def test_the_uncorrected_cube_serves_too_with_its_bad_bands_marked(meadow):
    root, cube, _ = meadow
    (root / "Meadow_corrected.mat").unlink()
    savemat(root / "Meadow.mat", {"meadow": cube})
    scene, _ = open_dataset("meadow", root)
    assert scene.good.values.tolist() == [True, True, False, False, True, True]
    assert scene.attrs["rgb"] == [5, 2, 1]


def test_files_are_found_in_the_folder_or_in_one_named_like_the_scene(meadow, monkeypatch):
    root, _, _ = meadow
    root.rename(root.parent / "meadow")
    monkeypatch.setenv("HSIATTN_DATA", str(root.parent))
    scene, _ = open_dataset("Meadow")
    assert scene.shape == (4, 4, 5)


def test_a_missing_file_says_which_where_from_and_where_to(meadow):
    root, _, _ = meadow
    (root / "Meadow_gt.mat").unlink()
    with pytest.raises(DatasetError) as caught:
        open_dataset("meadow", root)
    for part in ("meadow_GT.mat", "https://example.org/meadow", str(root)):
        assert part in str(caught.value)


def test_without_a_folder_the_way_to_give_one_is_said(meadow):
    with pytest.raises(DatasetError, match="HSIATTN_DATA"):
        open_dataset("meadow")


def test_a_file_that_is_not_the_released_one_is_refused(meadow):
    root, _, codes = meadow
    savemat(root / "Meadow_gt.mat", {"meadow_gt": codes + 1})
    with pytest.raises(DatasetError, match="not the released file"):
        open_dataset("meadow", root)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"meadow_corrected": np.ones((4, 5, 5))}, "5 bands instead of 4"),
        ({"meadow_corrected": np.ones((5, 4, 4))}, "5×4 pixels"),
        ({"something": np.ones((4, 5, 4))}, "meadow_corrected of .* is not there"),
    ],
)
def test_a_cube_of_another_scene_is_refused(meadow, variables, message):
    savemat(meadow[0] / "Meadow_corrected.mat", variables)
    with pytest.raises(DatasetError, match=message):
        open_dataset("meadow", meadow[0])


def test_a_truncated_cube_is_reported_with_the_place_to_get_it(meadow):
    path = meadow[0] / "Meadow_corrected.mat"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DatasetError, match=r"example\.org"):
        open_dataset("meadow", meadow[0])


def test_a_card_with_a_mistake_is_refused_in_one_line(meadow, tmp_path):
    card = tmp_path / "cards" / "meadow.yaml"
    card.write_text(card.read_text().replace("height: 4", "height: tall"))
    with pytest.raises(DatasetError, match="not well formed") as caught:
        dataset_card("meadow")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("height: 4", "height: 1000000000000", "height: should be less than or equal to 1000000000"),
        ("bands: 6", "bands: 1000000000", "bands: should be less than or equal to 10000, not 1000000000"),
        ("- 3-4", "- 1-1000000000", "removed_bands: these are more than 10000 bands"),
        ("- 3-4", "- four", "removed_bands: four is neither a band nor a range"),
        ("height: 4", "heigth: 4", "height: Field required"),
        ("height: 4", "height: &a [*a]", "an alias lies inside"),
    ],
)
def test_a_card_that_asks_for_too_much_is_refused_at_once(meadow, tmp_path, before, after, message):
    card = tmp_path / "cards" / "meadow.yaml"
    text = card.read_text()
    assert before in text
    card.write_text(text.replace(before, after))
    with pytest.raises(DatasetError, match=message) as caught:
        dataset_card("meadow")
    assert "\n" not in str(caught.value)


def test_an_attribute_outside_the_vocabulary_is_refused(meadow, tmp_path):
    card = tmp_path / "cards" / "meadow.yaml"
    card.write_text(card.read_text().replace("- vegetation", "- vegetaton"))
    with pytest.raises(DatasetError, match="vegetaton"):
        dataset_card("meadow")


def test_an_unknown_name_gives_the_nearest_and_all_known_ones():
    with pytest.raises(DatasetError, match="did you mean salinas-a"):
        open_dataset("salinas-aa", "anywhere")
    with pytest.raises(DatasetError, match="known are indian-pines, pavia-centre"):
        dataset_card("houston")


@pytest.mark.parametrize("name", ["Pavia Centre", "pavia_centre", "PAVIA-CENTRE"])
def test_names_are_taken_as_people_write_them(name):
    assert dataset_card(name).name == "pavia-centre"


@pytest.mark.parametrize(
    ("name", "kept", "first_removed"),
    [("indian-pines", 200, 104), ("salinas", 204, 108), ("salinas-a", 204, 108), ("pavia-university", 103, None)],
)
def test_wavelengths_skip_the_removed_bands(name, kept, first_removed):
    card = dataset_card(name)
    bands = card.spectral_bands(kept)
    assert len(bands) == kept == len(card.kept_bands)
    assert bands.nominal
    if first_removed:
        full = card.spectral_bands(card.bands)
        assert bands.wavelength[first_removed - 2] == full.wavelength[first_removed - 2]
        assert bands.wavelength[first_removed - 1] == full.wavelength[first_removed + 4]
        removed = full.wavelength[~full.good]
        assert all(1340 < w < 1450 or 1800 < w < 2000 or w >= 2500 for w in removed)  # water vapour, and the last


@pytest.mark.parametrize("name", dataset_names())
def test_natural_colour_bands_are_red_green_and_blue(name):
    card = dataset_card(name)
    red, green, blue = (card.spectral_bands(card.bands).wavelength[band - 1] for band in card.rgb)
    assert 620 < red < 680
    assert 530 < green < 570
    assert 440 < blue < 490


@pytest.mark.parametrize("name", dataset_names())
def test_salinas_a_is_called_as_in_salinas_and_colours_are_unique(name):
    table = dataset_card(name).class_table
    assert len(set(table.colors)) == len(table)
    if name == "salinas-a":
        assert dataset_card("salinas").class_table.subset(table.codes) == table


@pytest.mark.parametrize("name", dataset_names())
def test_every_class_of_a_card_has_attributes_that_agree_with_each_other(name):
    card = dataset_card(name)
    for entry, item in zip(sorted(card.classes, key=lambda entry: entry.code), card.class_table, strict=True):
        assert item.attributes
        assert entry.attributes == item.attributes  # sorted in the file already
        has = set(item.attributes)
        assert bool(has & {"crop", "grass", "tree"}) == ("vegetation" in has)
        assert "impervious" in has or "building" not in has


def test_classes_of_two_scenes_with_one_name_have_the_same_attributes():
    university, centre = (dataset_card(name).class_table for name in ("pavia-university", "pavia-centre"))
    common = set(university.names) & set(centre.names)
    assert len(common) == 7
    assert {c.name: c.attributes for c in university if c.name in common} == {
        c.name: c.attributes for c in centre if c.name in common
    }


@pytest.mark.real_scene
@pytest.mark.parametrize("name", LABEL_MAPS)
def test_published_class_sizes_are_those_of_the_released_label_map(name, real_data):
    card = dataset_card(name)
    path = real_data / "ground-truth" / LABEL_MAPS[name]
    file = next(file for file in card.labels.files if file.name == path.name)
    assert file.sha256 in (None, hashlib.sha256(path.read_bytes()).hexdigest())
    codes = datasets.read_matlab_variable(path, 2)
    assert codes.shape == (card.height, card.width)
    counted = dict(zip(*np.unique(codes[codes > 0], return_counts=True), strict=True))
    assert counted == {entry.code: entry.pixels for entry in card.classes}


@pytest.mark.real_scene
@pytest.mark.parametrize("folder", ["", "salinas-a"])
def test_salinas_a_opens_from_its_folder_and_from_the_one_above(real_data, folder):
    scene, labels = open_dataset("salinas-a", real_data / folder)
    assert scene.shape == (204, 83, 86)
    assert (scene.values.min(), scene.values.max()) == (-9, 8373)
    assert np.unique(labels).tolist() == [0, 1, 10, 11, 12, 13, 14]
    sizes = {entry.code: entry.pixels for entry in dataset_card("salinas-a").classes}
    assert {code: int((labels == code).sum()) for code in sizes} == sizes


@pytest.mark.real_scene
def test_salinas_a_is_the_part_of_salinas_that_it_is_said_to_be(real_data):
    salinas = datasets.read_matlab_variable(real_data / "ground-truth/Salinas_gt.mat", 2)
    part = datasets.read_matlab_variable(real_data / "salinas-a/SalinasA_gt.mat", 2)
    whole = salinas[268 : 268 + 83, 3 : 3 + 86]
    both = (part > 0) & (whole > 0)  # the part has some pixels that the whole leaves unlabelled
    assert both.sum() > 0.98 * (part > 0).sum()
    np.testing.assert_array_equal(part[both], whole[both])


@pytest.mark.real_scene
@pytest.mark.parametrize(
    ("name", "file", "tolerance"),
    [
        ("salinas", "salinas-a/SalinasA_corrected.mat", 10),  # one band
        ("indian-pines", "indian-pines-roi/Indian_subset.mat", 15),
    ],
)
@pytest.mark.parametrize("absorption", [762, 937, 1135], ids=["O2", "H2O 937", "H2O 1135"])
def test_absorptions_of_the_air_lie_where_the_nominal_wavelengths_put_them(
    name, file, tolerance, absorption, real_data
):
    source = open_source(real_data / file)
    radiance = source.read(source.extent).mean(axis=(1, 2))
    wavelength = dataset_card(name).spectral_bands(len(radiance)).wavelength
    near = np.flatnonzero(np.abs(wavelength - absorption) < 25)
    assert abs(wavelength[near[radiance[near].argmin()]] - absorption) < tolerance


@pytest.mark.real_scene
def test_pavia_centre_calls_the_straight_and_scattered_class_tiles_not_meadows(real_data):
    """The provider's table has another order than the codes: roofs are many small pieces, the river is one."""
    from scipy.ndimage import label

    card = dataset_card("pavia-centre")
    codes = datasets.read_matlab_variable(real_data / "ground-truth/paviaC_gt.mat", 2)
    names = dict(zip(card.class_table.names, card.class_table.codes, strict=True))
    pieces = {name: label(codes == code)[1] for name, code in names.items()}
    assert pieces["Tiles"] > 4 * pieces["Meadows"] > 4 * pieces["Water"] / 4
