from __future__ import annotations

import hashlib

import numpy as np
import pytest
import yaml

from hsiattn.datasets import dataset_card, dataset_names, open_dataset
from hsiattn.errors import DatasetError
from hsiattn.scenes import open_source, read_matlab_variable

LABEL_MAPS = {
    "indian-pines": "Indian_pines_gt.mat",
    "pavia-university": "PaviaU_gt.mat",
    "pavia-centre": "paviaC_gt.mat",
    "salinas": "Salinas_gt.mat",
    "ksc": "KSC_gt.mat",
    "botswana": "Botswana_gt.mat",
}


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
    with pytest.raises(DatasetError, match="known are botswana, houston-2013"):
        dataset_card("atlantis")


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
    if card.wavelength is None:
        pytest.skip("the release does not say which bands it holds")
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
    codes = read_matlab_variable(path, 2)
    assert codes.shape == (card.height, card.width)
    counted = dict(zip(*np.unique(codes[codes > 0], return_counts=True), strict=True))
    assert counted == {entry.code: entry.pixels for entry in card.classes}


@pytest.mark.real_scene
def test_salinas_a_is_the_part_of_salinas_that_it_is_said_to_be(real_data):
    salinas = read_matlab_variable(real_data / "ground-truth/Salinas_gt.mat", 2)
    part = read_matlab_variable(real_data / "salinas-a/SalinasA_gt.mat", 2)
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
    codes = read_matlab_variable(real_data / "ground-truth/paviaC_gt.mat", 2)
    names = dict(zip(card.class_table.names, card.class_table.codes, strict=True))
    pieces = {name: label(codes == code)[1] for name, code in names.items()}
    assert pieces["Tiles"] > 4 * pieces["Meadows"] > 4 * pieces["Water"] / 4


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        ("name", "../meadow.mat", "name"),
        ("urls", ["ftp://example.org/a.mat"], "no address"),
        ("sha256", "abc", "sha256"),
        ("wheel", {"requirement": "tensorly", "path": "a.npy"}, "requirement"),
    ],
)
def test_a_file_that_could_lie_elsewhere_or_come_from_anywhere_is_refused(meadow, tmp_path, where, value, message):
    path = tmp_path / "cards" / "meadow.yaml"
    card = yaml.safe_load(path.read_text())
    card["cube"]["files"][0][where] = value
    path.write_text(yaml.safe_dump(card))
    with pytest.raises(DatasetError, match=message):
        dataset_card("meadow")


@pytest.mark.parametrize("name", dataset_names())
def test_every_scene_can_be_downloaded_or_says_what_to_do_by_hand(name):
    card = dataset_card(name)
    assert card.can_be_downloaded == (card.by_hand is None)
    assert card.traps
    for file in (*card.cube.files, *card.labels.files):
        assert all(url.startswith("https://") and url.endswith(file.name) for url in file.urls)


def test_botswana_has_the_bands_that_its_provider_lists():
    kept = [*range(10, 56), *range(82, 98), *range(102, 120), *range(134, 165), *range(187, 221)]
    assert (dataset_card("botswana").kept_bands + 1).tolist() == kept
