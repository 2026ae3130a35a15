"""Networks in files of earlier versions."""

import pytest

from hsiattn.errors import ModelFileError
from hsiattn.models.upgrade import upgraded
from hsiattn.networks import create_network

SIZES = {"bands": 12, "channels": 3, "classes": 2, "patch_size": 5}
TWO_BRANCHES = ["grouped-ssan", "gsa", "smlp", "attendnet", "hierarchical"]


def _network(arguments, **header):
    old = {"format_version": 2, "recipe": {"name": "mine"}, "network": arguments, **header}
    return upgraded(old, {})[0]["network"]


@pytest.mark.parametrize("name", TWO_BRANCHES)
def test_branches_alone_are_read_without_the_words_for_what_they_lacked(name):
    old = {"name": name, **SIZES, "dropout": 0.2, "discriminant": False, "range_scale": 0.05}
    assert _network(old) == {"name": name, **SIZES, "dropout": 0.2}
    create_network(**_network(old))


@pytest.mark.parametrize("name", TWO_BRANCHES)
@pytest.mark.parametrize("said", [{}, {"discriminant": True}])
def test_a_network_that_starts_as_a_discriminant_is_refused_said_or_not(name, said):
    with pytest.raises(ModelFileError, match=r"discriminant.*; train again, or use hsiattn 0\.1"):
        _network({"name": name, **SIZES, **said})


@pytest.mark.parametrize("around", ["ensemble", "test-time-augmentation"])
def test_members_are_looked_at_too(around):
    inner = {"dropout": 0.2, "discriminant": False}
    nested = {"name": "ensemble", **SIZES, "member": around, "member_arguments": {"member_arguments": inner}}
    assert _network(nested)["member_arguments"] == {"member_arguments": {"dropout": 0.2}}
    create_network(**_network(nested))
    for arguments in ({}, {"member": "smlp"}, {"member_arguments": {"discriminant": True}}):
        with pytest.raises(ModelFileError, match="train again"):
            _network({"name": around, **SIZES, **arguments})


@pytest.mark.parametrize("arguments", [{"name": "discriminant", **SIZES}, {"name": "ssan", **SIZES, "hidden": 8}])
def test_other_networks_stay_as_they_are(arguments):
    assert _network(arguments) == arguments


def test_files_of_this_version_are_not_touched():
    arguments = {"name": "grouped-ssan", **SIZES}
    assert _network(arguments, format_version=3) == arguments


def test_the_recipe_in_the_file_forgets_them_as_well():
    network = {"name": "grouped-ssan", "arguments": {"width": 8, "discriminant": False, "range_scale": 1.0}}
    old = {"format_version": 2, "recipe": {"name": "mine", "network": network}}
    assert upgraded(old, {})[0]["recipe"]["network"] == {"name": "grouped-ssan", "arguments": {"width": 8}}


@pytest.mark.parametrize("arguments", [7, {"name": 3}, {"name": "ensemble", "member": 3}])
def test_nonsense_is_left_to_the_check_of_the_header(arguments):
    assert _network(arguments) == arguments
