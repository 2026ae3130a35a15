"""Strips of a window, and what happens when one does not fit the memory of a device."""

import pytest
import torch

from hsiattn.errors import DeviceError
from hsiattn.mapping import runner as module
from hsiattn.mapping.runner import NetworkRunner
from hsiattn.networks import create_network


@pytest.fixture
def runner(monkeypatch):
    monkeypatch.setattr(module, "_PIXELS_ON_CPU", 80)
    network = create_network("grouped-ssan", bands=9, channels=2, classes=3, patch_size=3).eval()
    return NetworkRunner(network, torch.device("cpu"), "32")


def test_strips_cover_a_window_from_top_to_bottom(runner):
    strips = []
    runner.in_strips(19, 10, strips.append)
    assert strips == [slice(0, 8), slice(8, 16), slice(16, 19)]


def test_rows_wider_than_a_strip_come_one_by_one(runner):
    strips = []
    runner.in_strips(3, 1000, strips.append)
    assert strips == [slice(0, 1), slice(1, 2), slice(2, 3)]


def test_a_strip_that_does_not_fit_is_halved_until_it_does_and_nothing_is_left_out(runner):
    done = []

    def work(rows):
        if rows.stop - rows.start > 3:
            raise torch.OutOfMemoryError("out of memory")
        done.append(rows)

    runner.in_strips(19, 10, work)
    assert [row for rows in done for row in range(rows.start, rows.stop)] == list(range(19))
    assert done[0] == slice(0, 2)
    again = []
    runner.in_strips(4, 10, again.append)
    assert again == [slice(0, 2), slice(2, 4)]  # it remembers


def test_a_row_that_does_not_fit_is_told_in_one_line(runner):
    def work(rows):
        raise torch.OutOfMemoryError("out of memory")

    with pytest.raises(DeviceError, match="does not hold one row of 10 pixels; give a smaller window_size="):
        runner.in_strips(19, 10, work)
