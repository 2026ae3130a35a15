"""Files of earlier versions."""

from hsiattn.models.upgrade import upgraded


def test_a_file_of_format_2_is_read_in_the_words_of_this_version():
    old = {"format_version": 2, "recipe": {"name": "mine", "preparation": {"noise_components": 20}}}
    header, tensors = upgraded(old, {"preparation.gain": 1, "network.preparation.bias": 2, "domain.axes": 3})
    assert header["recipe"] == {"name": "mine", "preprocessing": {"noise_components": 20}}
    assert tensors == {"preprocessing.gain": 1, "network.preparation.bias": 2, "domain.axes": 3}


def test_a_file_of_this_version_stays_as_it_is():
    header, tensors = {"format_version": 4, "recipe": {"preparation": 1}}, {"preparation.gain": 1}
    assert upgraded(header, tensors) == (header, tensors)


def test_a_header_without_a_recipe_is_left_to_the_check():
    assert upgraded({"format_version": 1}, {}) == ({"format_version": 1}, {})
