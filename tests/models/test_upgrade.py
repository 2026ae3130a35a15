"""Files of earlier versions."""

from hsiattn.models.upgrade import upgraded


def test_a_recipe_of_format_2_is_read_in_the_words_of_format_3():
    old = {"format_version": 2, "recipe": {"name": "mine", "preparation": {"noise_components": 20}}}
    assert upgraded(old)["recipe"] == {"name": "mine", "preprocessing": {"noise_components": 20}}


def test_a_header_of_this_version_stays_as_it_is():
    header = {"format_version": 3, "recipe": {"preparation": 1}}
    assert upgraded(header) is header


def test_a_header_without_a_recipe_is_left_to_the_check():
    assert upgraded({"format_version": 1}) == {"format_version": 1}
